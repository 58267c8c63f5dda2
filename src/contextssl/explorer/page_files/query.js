"use strict";
// The query: a large picture, and sliders that render its object anew.

class QueryPanel {
  // `turn(values)` asks for a new view, `upload(file)` takes an image, `back()` returns to the shown view.
  constructor(data, live, { turn, upload, back }) {
    Object.assign(this, { data, turn, row: 0, values: null });
    this.inputs = data.sliders.map((slider, index) => this.slider(slider, index));
    if (live && this.inputs.length) {
      replace(byId("sliders"), this.inputs.map((each) => each.row));
      this.draggable();
    }
    const file = element("input", { type: "file", accept: "image/*", class: "hidden", on: { change: () => file.files[0] && upload(file.files[0], file) } });
    this.backButton = element("button", { type: "button", hidden: true, on: { click: back } }, "back to the shown view");
    if (live) replace(byId("query-tools"), element("label", { class: "button" }, file, "your own image"), this.backButton);
  }

  // Angles are shown in degrees.
  slider(slider, index) {
    const id = `slider-${index}`;
    const scale = slider.degrees ? 180 / Math.PI : 1;
    const [min, max] = [slider.low, slider.high].map((end) => (end * scale).toFixed(slider.degrees ? 0 : 4));
    const input = element("input", { type: "range", id, min, max, step: slider.degrees ? 1 : (max - min) / 100, on: { input: () => this.moved(index) } });
    const output = element("output", { for: id });
    const row = element("div", { class: `turn ${slider.factor}` }, element("label", { for: id }, slider.title), input, output);
    return { slider, index, scale, input, output, row };
  }

  // The numbers whose sliders were not moved stay as they are, between the sliders' steps too.
  moved(...indices) {
    this.values = [...(this.values ?? this.data.values[this.row])];
    for (const index of indices) {
      const { slider, scale, input } = this.inputs[index];
      this.values[index] = Math.min(Math.max(Number(input.value) / scale, slider.low), slider.high);
    }
    this.written();
    this.backButton.hidden = false;
    this.turn(this.values);
  }

  written() {
    for (const { slider, input, output } of this.inputs) {
      const value = Number(input.value);
      output.textContent = (slider.degrees ? `${Math.round(value)}°` : value.toFixed(2)).replace("-", "−");
      input.style.accentColor = slider.title.endsWith("hue") ? hueColour(value) : "";
    }
  }

  // Shows {picture, caption, row}: a shown view where `values` is null, else one that was rendered or given.
  show(view, values) {
    this.values = values;
    if (view.row !== null) this.row = view.row;
    const shown = picture(view.picture, `the query: ${view.caption}`, this.data.small);
    replace(byId("query"), shown, element("p", { class: "caption" }, view.caption));
    this.backButton.hidden = values === null && view.row !== null;
    byId("sliders").hidden = view.row === null;
    if (values === null && view.row !== null && this.data.values.length) {
      this.inputs.forEach(({ input, scale }, index) => { input.value = this.data.values[view.row][index] * scale; });
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
      // A pixel is a degree.
      across.input.value = from.across + event.clientX - from.x;
      along.input.value = from.along + event.clientY - from.y;
      this.moved(across.index, along.index);
    });
    for (const end of ["pointerup", "pointercancel"]) box.addEventListener(end, () => { from = null; });
  }
}
