"use strict";
// What `describe()` says: of each factor a bar of what the examples leave of it, then sentences.

// The share of its effect that ends the bar: a context can make a factor count more than without one.
const MOST_LEFT = 1.5;
// Milliseconds for which the examples must stay the same before the whole description is asked for.
const QUIET = 300;
const NO_EXAMPLES = "Without examples every factor keeps its effect: 100 % is left.";

class DescriptionPanel {
  constructor(data, source, fail) {
    Object.assign(this, { data, source, fail, control: null });
    this.box = byId("description");
  }

  // The bars first, then the rest, which takes longer: only once the examples stay as they are.
  async show(question) {
    this.control?.abort();
    if (!this.data.describes) {
      replace(this.box, element("p", {}, "This model carries no views to describe examples by."));
      return;
    }
    if (!question.count) {
      replace(this.box, element("p", {}, NO_EXAMPLES));
      return;
    }
    this.control = new AbortController();
    const { signal } = this.control;
    try {
      const left = await this.source.left(question, signal);
      if (signal.aborted) return;
      replace(this.box, this.bars(left), element("p", { class: "short", "aria-busy": "true" }, "How sure that is, is being computed …"));
      if (this.source.live) await new Promise((resolve) => setTimeout(resolve, QUIET));
      if (signal.aborted) return;
      const described = await this.source.describe(question, signal);
      if (signal.aborted) return;
      const warnings = described.warnings.map((warning) => element("p", { class: "warning" }, `${warning[0].toUpperCase()}${warning.slice(1)}.`));
      replace(this.box, this.bars(described.factors), element("p", {}, described.more), warnings);
    } catch (error) {
      if (!signal.aborted) this.fail(error);
    }
  }

  bars(factors) {
    const rows = factors.map((factor) => {
      const bar = element("div", { class: `bar-of ${factor.name}` }, this.mark("fill", 0, factor.left));
      bar.append(this.mark("limit", this.data.limits.dropped, this.data.limits.dropped), this.mark("limit", this.data.limits.kept, this.data.limits.kept));
      if (factor.error !== undefined) bar.append(this.mark("error", factor.left - factor.error, factor.left + factor.error));
      const around = factor.error === undefined ? "" : ` ± ${Math.round(100 * factor.error)}`;
      return element(
        "div", { class: "effect" },
        element("p", {}, element("strong", { class: factor.name }, factor.title), factor.says ? ` ${factor.says}` : ""),
        bar,
        element("p", { class: "short" }, `${Math.round(100 * factor.left)} %${around} of its effect on distances is left`),
      );
    });
    const scale = `Below ${Math.round(100 * this.data.limits.dropped)} % a factor is dropped, above ${Math.round(100 * this.data.limits.kept)} % it is kept: the model's own estimate, on views that it carries.`;
    return [...rows, element("p", { class: "short" }, scale)];
  }

  // A part of a bar from one share to another.
  mark(kind, from, to) {
    const made = element("span", { class: kind });
    const [low, high] = [from, to].map((share) => (100 * Math.min(Math.max(share, 0), MOST_LEFT)) / MOST_LEFT);
    made.style.left = `${low}%`;
    made.style.width = kind === "limit" ? "" : `${high - low}%`;
    return made;
  }
}
