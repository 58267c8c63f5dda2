"use strict";
// The query: a large picture, and sliders that render its object anew.

class QueryPanel {
  // `turn(values)` asks for a new view, `upload(file)` takes an image, `back()` returns to the shown view.
  constructor(data, live, { turn, upload, back }) {
    Object.assign(this, { data, turn, values: null });
    this.inputs = data.sliders.map((slider, index) => this.slider(slider, index));
    if (live && this.inputs.length) {
      replace(byId("sliders"), this.inputs.map((each) => each.row));
      this.draggable();
    }
    const file = element("input", { type: "file", accept: "image/*", class: "hidden", on: { change: () => file.files[0] && upload(file.files[0], file) } });
    this.backButton = element("button", { type: "button", hidden: true, on: { click: back } }, "back to the shown view");
    if (live) replace(byId("query-tools"), element("label", { class: "button" }, file, "your own image"), this.backButton);
  }

  slider(slider, index) {
    const id = `slider-${index}`;
    const input = element("input", {
      type: "range", id, min: slider.low, max: slider.high, step: (slider.high - slider.low) / 180,
      on: { input: () => this.moved() },
    });
    const output = element("output", { for: id });
    const row = element("div", { class: `turn ${slider.factor}` }, element("label", { for: id }, slider.title), input, output);
    return { slider, input, output, row };
  }

  moved() {
    this.values = this.inputs.map(({ input }) => Number(input.value));
    this.written();
    this.backButton.hidden = false;
    this.turn(this.values);
  }

  written() {
    for (const { slider, input, output } of this.inputs) {
      const value = Number(input.value);
      output.textContent = slider.degrees ? `${Math.round((value * 180) / Math.PI)}°` : value.toFixed(2);
      input.style.accentColor = slider.title.endsWith("hue") ? hueColour(value) : "";
    }
  }

  // Shows {picture, caption, row}: a shown view where `values` is null, else one that was rendered or given.
  show(view, values) {
    this.values = values;
    const shown = picture(view.picture, `the query: ${view.caption}`, this.data.small);
    replace(byId("query"), shown, element("p", { class: "caption" }, view.caption));
    this.backButton.hidden = values === null && view.row !== null;
    byId("sliders").hidden = view.row === null;
    if (values === null && view.row !== null && this.data.values.length) {
      this.inputs.forEach(({ input }, index) => { input.value = this.data.values[view.row][index]; });
      this.written();
    }
  }

  // Dragging the picture turns the object: sideways about the upright axis, up and down about the one to the right.
  draggable() {
    const across = this.inputs.find(({ slider }) => slider.title === "rotation z");
    const along = this.inputs.find(({ slider }) => slider.title === "rotation x");
    if (!across || !along) return;
    const box = byId("query");
    box.classList.add("turns");
    box.title = "Drag to turn it";
    let from = null;
    box.addEventListener("pointerdown", (event) => {
      from = { x: event.clientX, y: event.clientY, across: Number(across.input.value), along: Number(along.input.value) };
      box.setPointerCapture(event.pointerId);
    });
    box.addEventListener("pointermove", (event) => {
      if (from === null) return;
      across.input.value = from.across + ((event.clientX - from.x) * Math.PI) / 180;
      along.input.value = from.along + ((event.clientY - from.y) * Math.PI) / 180;
      this.moved();
    });
    for (const end of ["pointerup", "pointercancel"]) box.addEventListener(end, () => { from = null; });
  }
}
