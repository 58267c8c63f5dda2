"use strict";
// The map: each view a point, which moves when the examples change and is chosen by a click or from the keyboard.

const REACH = 500;

// `next` turned, and mirrored where that fits better, so that its points are as near as can be to those of `previous`.
function aligned(previous, next) {
  let [a, b, c, d] = [0, 0, 0, 0];
  for (let at = 0; at < next.length; at += 2) {
    const [px, py, qx, qy] = [previous[at], previous[at + 1], next[at], next[at + 1]];
    a += px * qx + py * qy;
    b += py * qx - px * qy;
    c += px * qx - py * qy;
    d += py * qx + px * qy;
  }
  const mirror = Math.hypot(c, d) > Math.hypot(a, b) ? -1 : 1;
  const [along, across] = mirror < 0 ? [c, d] : [a, b];
  const length = Math.hypot(along, across);
  const [cosine, sine] = length > 1e-9 ? [along / length, across / length] : [1, 0];
  return (x, y) => [cosine * x - sine * mirror * y, sine * x + cosine * mirror * y];
}

class PointMap {
  constructor(data, pick) {
    Object.assign(this, { data, pick, at: null, active: 0, byHand: false, svg: byId("map") });
    this.points = data.views.map((view, row) => element("circle", { r: data.views.length > 600 ? 7 : 10, "data-row": row }));
    this.ring = element("circle", { r: 24, class: "ring" });
    this.focus = element("circle", { r: 17, class: "focus" });
    this.svg.append(element("g", {}, this.points), this.focus, this.ring);
    this.svg.addEventListener("click", (event) => this.chosen(event));
    this.svg.addEventListener("pointerover", (event) => this.hovered(event));
    this.svg.addEventListener("pointerleave", () => this.previewed(null));
    this.svg.addEventListener("keydown", (event) => this.key(event));
    this.svg.addEventListener("focus", () => this.go(this.active));
    this.svg.addEventListener("blur", () => this.previewed(null));
    this.choices();
  }

  choices() {
    const select = byId("colouring");
    replace(select, this.data.colourings.map((each, index) => element("option", { value: index }, each.title)));
    select.addEventListener("change", () => {
      this.byHand = true;
      this.colour(Number(select.value));
    });
    select.parentElement.hidden = this.data.colourings.length < 2;
    this.colour(0);
  }

  colour(index) {
    const colouring = this.data.colourings[index];
    if (!colouring) return;
    byId("colouring").value = index;
    this.points.forEach((point, row) => { point.style.fill = colourOf(colouring, row); });
    const entries = legendOf(colouring).map(([colour, words]) => {
      const mark = element("span", { class: "mark" });
      mark.style.background = colour;
      return element("li", {}, mark, words);
    });
    replace(byId("legend"), entries);
  }

  // By the factor that examples of this kind share, as long as no colouring was chosen by hand.
  follow(kind) {
    const shared = kind.split("+")[0];
    const index = this.data.colourings.findIndex((each) => each.factor === shared);
    if (!this.byHand && index >= 0) this.colour(index);
  }

  // Places of all views and of the query, the query's row (or null) and the rows of its neighbours.
  show(places, place, row, neighbours) {
    const turn = this.at === null ? (x, y) => [x, y] : aligned(this.at, places);
    this.at = places.map((_, index) => turn(places[index - (index % 2)], places[index - (index % 2) + 1])[index % 2]);
    this.points.forEach((point, each) => move(point, this.at[2 * each], this.at[2 * each + 1]));
    const near = new Set(neighbours);
    this.points.forEach((point, each) => point.classList.toggle("near", near.has(each)));
    for (const each of neighbours) this.points[each].parentNode.append(this.points[each]);
    const [x, y] = row === null ? turn(...place) : [this.at[2 * row], this.at[2 * row + 1]];
    const beyond = Math.max(1, Math.hypot(x, y) / 1.05);
    move(this.ring, x / beyond, y / beyond);
    if (row !== null) this.active = row;
    move(this.focus, this.at[2 * this.active], this.at[2 * this.active + 1]);
  }

  chosen(event) {
    const row = this.rowAt(event);
    if (row !== null) this.pick(row);
  }

  // The point under the pointer, or the nearest within a finger's width.
  rowAt(event) {
    if (event.target.dataset.row !== undefined) return Number(event.target.dataset.row);
    const box = this.svg.getBoundingClientRect();
    const scale = 1080 / box.width;
    const [x, y] = [(event.clientX - box.left) * scale - 540, (event.clientY - box.top) * scale - 540];
    let [best, least] = [null, (22 * scale) ** 2];
    this.points.forEach((_, row) => {
      const far = (this.at[2 * row] * REACH - x) ** 2 + (-this.at[2 * row + 1] * REACH - y) ** 2;
      if (far < least) [best, least] = [row, far];
    });
    return best;
  }

  hovered(event) {
    if (event.target.dataset.row !== undefined) this.previewed(Number(event.target.dataset.row));
  }

  previewed(row) {
    const view = this.data.views[row];
    replace(byId("preview"), view ? [picture(view.picture, "", this.data.small), element("span", {}, view.caption)] : []);
  }

  go(row) {
    this.active = row;
    if (this.at !== null) move(this.focus, this.at[2 * row], this.at[2 * row + 1]);
    this.previewed(row);
    this.svg.setAttribute("aria-label", `Map of all views. ${this.data.views[row].caption}. Arrow keys go to the next view, Enter makes it the query`);
  }

  key(event) {
    const way = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] }[event.key];
    if (event.key === "Enter" || event.key === " ") {
      event.preventDefault();
      this.pick(this.active);
    }
    if (!way || this.at === null) return;
    event.preventDefault();
    const [x, y] = [this.at[2 * this.active], this.at[2 * this.active + 1]];
    let [best, least] = [null, Infinity];
    this.points.forEach((_, row) => {
      const [dx, dy] = [this.at[2 * row] - x, this.at[2 * row + 1] - y];
      const ahead = dx * way[0] + dy * way[1];
      const aside = Math.abs(dx * way[1]) + Math.abs(dy * way[0]);
      if (row === this.active || ahead <= 1e-6 || ahead < aside) return;
      if (Math.hypot(dx, dy) < least) [best, least] = [row, Math.hypot(dx, dy)];
    });
    if (best !== null) this.go(best);
  }
}

function move(point, x, y) {
  point.style.transform = `translate(${(x * REACH).toFixed(1)}px, ${(-y * REACH).toFixed(1)}px)`;
}
