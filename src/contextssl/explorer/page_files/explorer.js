"use strict";
// Brings the parts of the page together: what is chosen goes to the source, what it answers to the panels.

async function explore() {
  const source = byId("data") === null ? new Server() : new Kept();
  const fail = (error) => {
    byId("error").textContent = error instanceof TypeError ? "The explorer does not answer: is its command still running?" : `${error.message}.`;
    byId("error").hidden = false;
  };
  let data;
  try {
    data = await source.data();
  } catch (error) {
    fail(error);
    return;
  }
  const say = (sentence) => { byId("said").textContent = sentence; };
  // The query: a shown view's row (null of a given image), its values where it was rendered anew, and what is known of it.
  let query = shownView(data, 0);

  const panel = new QueryPanel(data, source.live, {
    turn: (values) => { query = { ...query, values }; ask(); },
    back: () => pick(query.row ?? 0),
    upload: async (file, input) => {
      input.value = "";
      try {
        const given = await source.upload(file);
        query = { name: given.name, row: null, values: null, latents: null, item: null, view: { picture: given.picture, caption: file.name, row: null } };
        panel.show(query.view, null);
        ask();
      } catch (error) {
        fail(error);
      }
    },
  });
  const pick = (row) => {
    if (examples.chosen !== null) {
      examples.takeView(row);
      return;
    }
    query = shownView(data, row);
    panel.show(query.view, null);
    ask();
  };
  const map = new PointMap(data, pick);
  const description = new DescriptionPanel(data, source, fail);
  const asking = new Latest((question) => source.answer(question), (answer, question) => show(answer, question), fail);
  let described = null;

  function ask() {
    const pairs = examples.pairs.map((pair) => pair.names);
    asking.put({ pairs, kind: examples.kind, count: pairs.length, query: query.name, values: query.values });
  }

  function show(answer, question) {
    byId("error").hidden = true;
    if (answer.view) {
      query = { ...query, latents: answer.view.latents };
      panel.show({ ...answer.view, row: query.row }, question.values);
    }
    const title = `after ${counted(answer.pairs, "example", "examples")}`;
    const focused = document.activeElement?.closest("#without, #after");
    const place = focused ? [...focused.querySelectorAll("button")].indexOf(document.activeElement) : -1;
    const without = strip(data, "without examples", answer.without, query, pick);
    const after = strip(data, answer.pairs ? title : "after examples: choose how many above", answer.after, query, pick);
    replace(byId("without"), without.shown);
    replace(byId("after"), answer.pairs ? after.shown : after.shown[0]);
    if (place >= 0) focused.querySelectorAll("button")[place]?.focus();
    say(answer.pairs ? `Nearest views ${title}: ${after.said || after.shown.length}` : `Nearest views without examples: ${without.said}`);
    map.follow(question.kind);
    map.show(answer.map, answer.place, query.values === null ? query.row : null, answer.pairs ? answer.after : answer.without);
    allViews.mark(query.row);
    // The query changes nothing about what the examples do.
    const key = JSON.stringify([question.pairs, question.kind]);
    if (key !== described) description.show(question);
    described = key;
  }

  const allViews = new AllViews(data, pick);
  const examples = new Examples(data, source, { changed: ask, say, fail });
  const words = source.live ? "" : " This page holds a part of the explorer, computed before; contextssl explore takes your own examples and images too.";
  byId("title").textContent = `contextssl explorer: ${data.name}`;
  byId("about").textContent = `${data.about}. No weight of the model changes.${words}`;
  panel.show(query.view, null);
  examples.choose(examples.kinds[0].name, 7);
}

function shownView(data, row) {
  const { item } = data.views[row];
  return { name: `v${row}`, row, values: null, latents: data.latents[row] ?? null, item, view: { ...data.views[row], row } };
}

// All views in a box; one of them can be reached by Tab, the others from it by the arrow keys.
class AllViews {
  constructor(data, pick) {
    this.buttons = data.views.map((view, row) => element(
      "button", { type: "button", tabindex: row ? "-1" : "0", "aria-pressed": "false", title: view.caption, "data-row": row, on: { click: () => pick(row) } },
      picture(view.picture, view.caption, data.small),
    ));
    replace(byId("all"), this.buttons);
    byId("all").addEventListener("keydown", (event) => this.key(event));
  }

  key(event) {
    const here = this.buttons.indexOf(document.activeElement);
    const top = this.buttons[0].offsetTop;
    const columns = Math.max(1, this.buttons.findIndex((button) => button.offsetTop !== top));
    const step = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns, ArrowDown: columns, Home: -here, End: this.buttons.length - 1 - here }[event.key];
    if (step === undefined || here < 0) return;
    event.preventDefault();
    const next = this.buttons[Math.min(Math.max(here + step, 0), this.buttons.length - 1)];
    this.buttons[here].tabIndex = -1;
    next.tabIndex = 0;
    next.focus();
  }

  mark(row) {
    this.buttons.forEach((button, each) => button.setAttribute("aria-pressed", String(each === row)));
  }
}

explore();
