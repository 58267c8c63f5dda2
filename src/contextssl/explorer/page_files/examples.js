"use strict";
// The examples: which kind, how many, and which pairs they are.

const OWN = "own";

class Examples {
  // `changed()` is called when the pairs in use are others; `say(sentence)` tells what is waited for.
  constructor(data, source, { changed, say, fail }) {
    Object.assign(this, { data, source, changed, say, fail, pool: [], count: 0, kind: OWN, chosen: null, given: null });
    this.kinds = [...data.kinds, ...(source.live ? [{ name: OWN, title: "your own", rest: "views you choose", pairs: [] }] : [])];
    replace(byId("kinds"), byId("kinds").firstElementChild, this.kinds.map((kind) => this.choice(kind)));
    this.slider = byId("number");
    this.slider.addEventListener("input", () => this.take(this.steps()[Number(this.slider.value)]));
    if (source.live) this.tools();
  }

  choice(kind) {
    const input = element("input", { type: "radio", name: "kind", value: kind.name, on: { change: () => this.choose(kind.name) } });
    const words = [element("strong", {}, kind.title), element("span", { class: "rest" }, kind.rest)];
    return element("label", { class: `kind ${kind.name}` }, input, element("span", {}, words));
  }

  tools() {
    const file = element("input", { type: "file", accept: "image/*", multiple: true, class: "hidden", on: { change: () => this.upload(file) } });
    this.add = element("button", { type: "button", "aria-pressed": "false", on: { click: () => this.choosing(this.chosen === null) } }, "add two of the views");
    replace(byId("pair-tools"), this.add, element("label", { class: "button" }, file, "add two images of your own"));
    document.addEventListener("keydown", (event) => { if (event.key === "Escape" && this.chosen !== null) this.choosing(false); });
  }

  // The numbers of pairs that the slider goes through.
  steps() {
    return this.source.numbers().filter((number) => number <= this.pool.length);
  }

  get pairs() {
    return this.pool.slice(0, this.count);
  }

  // As many of another kind as before, or a few.
  choose(name, count = this.count || 7) {
    const kind = this.kinds.find((each) => each.name === name);
    this.kind = name;
    this.pool = [...kind.pairs];
    document.querySelector(`input[name=kind][value="${CSS.escape(name)}"]`).checked = true;
    byId("share").textContent = kind.rest ? `${kind.title}, ${kind.rest}` : kind.title;
    if (name === OWN) this.say("Choose two views that count as the same, or give two images.");
    this.take(Math.min(count, this.pool.length));
  }

  take(count) {
    const steps = this.steps();
    this.count = steps.filter((step) => step <= count).at(-1) ?? 0;
    this.slider.max = steps.length - 1;
    this.slider.value = steps.indexOf(this.count);
    this.slider.setAttribute("aria-valuetext", counted(this.count, "example", "examples"));
    byId("counted").textContent = this.count;
    this.draw();
    this.changed();
  }

  // Pairs are counted from 0, as the description's warnings count them.
  draw() {
    const small = this.data.small;
    const shown = this.pairs.map((pair, place) => element(
      "li", { class: "pair", title: pair.captions.join(" = ") }, element("span", { class: "place" }, String(place)),
      picture(pair.pictures[0], pair.captions[0], small), element("span", { "aria-hidden": "true" }, "="), picture(pair.pictures[1], pair.captions[1], small),
      this.source.live ? element("button", { type: "button", class: "out", "aria-label": `take out pair ${place}`, on: { click: () => this.remove(place) } }, "×") : null,
    ));
    const none = element("li", { class: "none" }, this.pool.length ? "none: the slider adds examples" : "none yet: choose two views that count as the same");
    replace(byId("pairs"), shown.length ? shown : none);
  }

  remove(place) {
    this.pool.splice(place, 1);
    this.take(this.count - 1);
    const left = byId("pairs").querySelectorAll(".out");
    (left[Math.min(place, left.length - 1)] ?? this.slider).focus();
  }

  insert(names, pictures, captions) {
    if (this.count >= this.data.most) {
      this.fail(new Error(`more than ${this.data.most} examples are not taken: take one out first`));
      return;
    }
    this.pool.splice(this.count, 0, { names, pictures, captions });
    this.take(this.count + 1);
  }

  // Whether the next two views that are clicked become an example.
  choosing(on) {
    this.chosen = on ? [] : null;
    this.add.setAttribute("aria-pressed", String(on));
    document.body.classList.toggle("choosing", on);
    this.add.textContent = on ? "choose the first view (Esc ends)" : "add two of the views";
    if (on) this.say("Choose the first of two views that count as the same.");
  }

  // A view that was clicked while choosing.
  takeView(row) {
    this.chosen.push(row);
    if (this.chosen.length < 2) {
      this.add.textContent = "now the second (Esc ends)";
      this.say("Now choose the second view.");
      return;
    }
    const views = this.chosen.map((each) => this.data.views[each]);
    const names = this.chosen.map((each) => `v${each}`);
    this.choosing(false);
    this.insert(names, views.map((view) => view.picture), views.map((view) => view.caption));
  }

  async upload(file) {
    const files = [...file.files];
    file.value = "";
    try {
      for (const each of files) {
        const added = { ...(await this.source.upload(each)), caption: each.name };
        if (this.given === null) {
          this.given = added;
          this.say(`${each.name} is the first of a pair: give the second.`);
        } else {
          const both = [this.given, added];
          this.given = null;
          this.insert(both.map((one) => one.name), both.map((one) => one.picture), both.map((one) => one.caption));
        }
      }
    } catch (error) {
      this.fail(error);
    }
  }
}
