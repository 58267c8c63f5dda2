"use strict";
// Views side by side, with how far the factors of each are from those of the query.

// By factor how far two views' values are apart: degrees of a rotation, else the mean difference. Empty where values are not known.
function apart(data, one, other) {
  if (!one || !other) return [];
  return data.factors.map((factor) => {
    const a = one.slice(factor.from, factor.to);
    const b = other.slice(factor.from, factor.to);
    if (factor.relation === "rotation") {
      const cosine = Math.abs(a.reduce((sum, number, index) => sum + number * b[index], 0));
      return { ...factor, value: (360 / Math.PI) * Math.acos(Math.min(1, cosine)) };
    }
    if (factor.relation === "category") return { ...factor, value: a.every((number, index) => number === b[index]) ? 0 : 1 };
    return { ...factor, value: a.reduce((sum, number, index) => sum + Math.abs(number - b[index]), 0) / a.length };
  });
}

function distance(factor) {
  if (factor.relation === "rotation") return `${Math.round(factor.value)}°`;
  if (factor.relation === "category") return factor.value ? "other" : "same";
  return factor.value.toFixed(2);
}

function isSame(factor) {
  return factor.relation === "rotation" ? factor.value < 1.5 : factor.value < 0.005;
}

// One view as a button.
function viewButton(data, row, words, lines, pick) {
  const view = data.views[row];
  return element(
    "button",
    { type: "button", class: "thumb", title: view.caption, "data-row": row, on: { click: () => pick(row) } },
    picture(view.picture, words, data.small),
    lines,
  );
}

// Nearest views of a query {row, latents, item, label} under a title; the mean distances stand beside it.
function strip(data, title, rows, query, pick) {
  const entries = rows.map((row) => {
    const far = apart(data, query.latents, data.latents[row]);
    const same = query.item !== null && data.views[row].item === query.item;
    const lines = far.map((factor) =>
      element("span", { class: isSame(factor) ? `line same ${factor.name}` : "line" }, `${factor.title} ${distance(factor)}`));
    if (!far.length) lines.push(element("span", { class: "line" }, data.views[row].caption));
    else lines.push(element("span", { class: same ? "line same" : "line" }, same ? "same object" : data.classes[data.views[row].label] ?? ""));
    const words = `${data.views[row].caption}${far.length ? `; ${far.map((each) => `${each.title} ${distance(each)} apart`).join(", ")}` : ""}`;
    return { far, same, button: viewButton(data, row, words, lines, pick) };
  });
  return {
    said: summary(entries, query),
    shown: [
      element("p", { class: "label" }, element("strong", {}, title), " ", element("span", { class: "mean" }, summary(entries, query))),
      element("div", { class: "strip" }, entries.map((entry) => entry.button)),
    ],
  };
}

// `mean of 8: rotation 12°, colour 0.31; 5 of the same object`.
function summary(entries, query) {
  if (!entries.length || !entries[0].far.length) return "";
  const means = entries[0].far.map((factor, index) => {
    const mean = entries.reduce((sum, entry) => sum + entry.far[index].value, 0) / entries.length;
    return `${factor.title} ${factor.relation === "category" ? `${Math.round(100 * mean)} % other` : distance({ ...factor, value: mean })}`;
  });
  const same = entries.filter((entry) => entry.same).length;
  return `mean of ${entries.length}: ${means.join(", ")} apart${query.item === null ? "" : `; ${same} of the same object`}`;
}
