"use strict";
// Elements of the page. Text is only ever text: nothing that comes with the data is read as markup.

function byId(id) {
  return document.getElementById(id);
}

// An element with attributes, listeners (`on: {click: …}`) and children; attributes that are false or null are left out.
function element(tag, attributes = {}, ...children) {
  const made = tag === "svg" || tag === "circle" || tag === "image" || tag === "g"
    ? document.createElementNS("http://www.w3.org/2000/svg", tag)
    : document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "on") {
      for (const [event, listener] of Object.entries(value)) made.addEventListener(event, listener);
    } else if (value !== false && value !== null && value !== undefined) {
      made.setAttribute(name, value === true ? "" : value);
    }
  }
  made.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return made;
}

function replace(parent, ...children) {
  parent.replaceChildren(...children.flat().filter((child) => child !== null && child !== undefined));
}

// A picture of the data; anything else than an embedded one is not asked for.
function picture(uri, words, small) {
  const source = String(uri).startsWith("data:image/") ? uri : "data:image/gif;base64,R0lGODlhAQABAAAAACw=";
  return element("img", { src: source, alt: words, class: small ? "small" : null, draggable: "false" });
}

function counted(number, one, several) {
  return `${number} ${number === 1 ? one : several}`;
}

// One question at a time, and the newest next: those between are never asked.
class Latest {
  constructor(ask, show, fail) {
    Object.assign(this, { ask, show, fail, waiting: null, busy: false });
  }

  async put(question) {
    this.waiting = question;
    if (this.busy) return;
    this.busy = true;
    while (this.waiting !== null) {
      const asked = this.waiting;
      this.waiting = null;
      try {
        const answer = await this.ask(asked);
        if (this.waiting === null) this.show(answer, asked);
      } catch (error) {
        if (this.waiting === null) this.fail(error);
      }
    }
    this.busy = false;
  }
}
