"use strict";
// Where answers come from: a server that computes them, or the page itself, which holds them.

function wholeNumbers(text, Kind) {
  const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  return new Kind(bytes.buffer);
}

// Places on the map, x and y in turn, within the unit circle.
function places(text, unit) {
  return Array.from(wholeNumbers(text, Int16Array), (number) => number / unit);
}

class Server {
  live = true;

  async data() {
    this.given = await this.read(await fetch("data"));
    return this.given;
  }

  numbers() {
    return Array.from({ length: this.given.most + 1 }, (_, number) => number);
  }

  async answer({ pairs, query, values }) {
    const answer = await this.ask("answer", { pairs, query, values });
    return { ...answer, map: places(answer.map, this.given.unit) };
  }

  // The bars of the description, which take a small part of its time.
  left({ pairs }, signal) {
    return this.ask("left", { pairs }, signal);
  }

  describe({ pairs }, signal) {
    return this.ask("describe", { pairs }, signal);
  }

  async upload(file) {
    return this.read(await fetch("images", { method: "POST", body: file, headers: { "content-type": "application/octet-stream" } }));
  }

  async ask(path, question, signal) {
    const headers = { "content-type": "application/json" };
    return this.read(await fetch(path, { method: "POST", body: JSON.stringify(question), headers, signal }));
  }

  // What the server says, or its sentence as an error.
  async read(response) {
    const said = await response.json().catch(() => ({}));
    if (!response.ok) throw new Error(said.error ?? `the explorer answered ${response.status}: look at its terminal`);
    return said;
  }
}

class Kept {
  live = false;

  async data() {
    this.given = JSON.parse(byId("data").textContent);
    return this.given;
  }

  numbers() {
    return this.given.kept.numbers;
  }

  async answer({ kind, count, query }) {
    const { kept, neighbours, unit, views } = this.given;
    const row = Number(query.slice(1));
    const width = Math.min(neighbours, views.length - 1);
    const nearest = (text) => Array.from(wholeNumbers(text, Uint16Array).slice(row * width, (row + 1) * width));
    const found = count ? kept.answers[`${kind}/${count}`] : kept.plain;
    const map = places(found.map, unit);
    return {
      pairs: count, without: nearest(kept.plain.nearest), after: nearest(found.nearest), map,
      place: [map[2 * row], map[2 * row + 1]],
    };
  }

  async left(question) {
    return (await this.describe(question)).factors;
  }

  async describe({ kind, count }) {
    return this.given.kept.answers[`${kind}/${count}`].described;
  }
}
