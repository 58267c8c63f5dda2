"""The sections of the page, each from runs to HTML; one line says where there are no numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from contextssl.evaluation.deviations import deviation_words
from contextssl.report import about, context_table, fairness_table, figures, paper_numbers
from contextssl.report.collect import Run, in_order
from contextssl.report.drawing import DASHES, MARKERS, colour_key, inline_svg
from contextssl.report.headline import bounds, probe_sentences
from contextssl.report.markup import Content, Markup, element
from contextssl.report.panels import Picture
from contextssl.report.tables import every_number, numbers_of, results_table, retrieval_table


@dataclass(frozen=True)
class Section:
    """A part of the page.

    Args:
        anchor, name: of links to it in the contents.
        place: among the others, from 0 to 100; what is about the run itself comes after.
        content: the section as HTML.
    """

    anchor: str
    name: str
    place: int
    content: Markup


def section(anchor: str, title: str, *content: Content) -> Markup:
    return element("section", element("h2", title), *content, id=anchor)


def figure(picture: Picture, factors: Sequence[str], *, titled: bool = False) -> Markup:
    """A figure of the page: legend, panels, caption, and its numbers in a table that opens."""
    panels = [element("div", inline_svg(panel, factors, f"{picture.name}-{index}-")) for index, panel in enumerate(picture.panels)]
    legend = [element("li", _swatch(colour_key(colour, factors), style), label) for label, colour, style in picture.legend]
    numbers = numbers_of(picture)
    return element(
        "figure",
        element("h3", picture.title) if titled else None,
        element("ul", legend, class_="legend") if legend else None,
        element("div", panels, class_="panels"),
        element("figcaption", picture.caption),
        element("details", element("summary", "The numbers"), numbers) if numbers else None,
    )


_MARKS = {
    "o": '<circle cx="17" cy="6" r="3.4"/>',
    "s": '<rect x="13.8" y="2.8" width="6.4" height="6.4"/>',
    "^": '<path d="M17 2 l4 7 h-8 z"/>',
    "D": '<path d="M17 1.6 l4.4 4.4 l-4.4 4.4 l-4.4 -4.4 z"/>',
    "v": '<path d="M17 10 l4 -7 h-8 z"/>',
    "P": '<path d="M15.4 2.4 h3.2 v2 h2 v3.2 h-2 v2 h-3.2 v-2 h-2 v-3.2 h2 z"/>',
}


def _swatch(colour: str, style: int) -> Markup:
    dash = DASHES[style % len(DASHES)]
    pattern = "none" if isinstance(dash, str) else " ".join(f"{2 * part:g}" for part in dash[1])
    stroke = f'<path d="M1 6 H33" stroke="var(--{colour})" stroke-width="2.2" stroke-dasharray="{pattern}" fill="none"/>'
    mark = f'<g fill="var(--{colour})">{_MARKS[MARKERS[style % len(MARKERS)]]}</g>'
    return Markup(f'<svg width="34" height="12" viewBox="0 0 34 12" aria-hidden="true">{stroke}{mark}</svg>')


def _missing(runs: Sequence[Run], protocol: str, why: str) -> list[Markup]:
    return [about.missing(run, protocol, why) for run in runs if not run.has(protocol)]


def _contextless(runs: Sequence[Run]) -> list[Markup]:
    """Why there is no curve over context length."""
    by_name = "takes the environment's name in place of a context: its numbers per environment are in the tables."
    neither = "takes no context: its numbers are in the tables."
    without = [run for run in runs if not run.takes_context]
    return [element("p", f"{run.name} {by_name if run.takes_environment_name else neither}", class_="missing") for run in without]


def adaptation(runs: Sequence[Run], pictures: Mapping[str, Picture | None], factors: Sequence[str]) -> Section:
    picture = pictures["adaptation"]
    title = picture.title if picture else figures.DOES_NOT
    shown = figure(picture, factors) if picture else _contextless(runs)
    content = section("adaptation", title, shown, _missing(runs, "geometry", "the variance share of each factor"))
    return Section("adaptation", "Adaptation", 10, content)


def action_probes(runs: Sequence[Run], pictures: Mapping[str, Picture | None], factors: Sequence[str]) -> Section:
    picture, paper = pictures["r2"], pictures["paper"]
    why = "R² by the published probes on pairs"
    without = [run for run in runs if run.has("equivariance") and not any(map(run.published_head, run.factors))]
    content = section(
        "r2",
        "R² of each factor by the published probes",
        figure(picture, factors) if picture else _contextless(runs),
        _missing(runs, "equivariance", why),
        [about.missing(run, "equivariance heads=[published]", why) for run in without],
        figure(paper, factors, titled=True) if paper else None,
    )
    return Section("r2", "R²", 20, content)


def fresh_probes(runs: Sequence[Run], pictures: Mapping[str, Picture | None], factors: Sequence[str]) -> Section:
    """Fresh probes compared with distances, the noise bottleneck, and factor sensitivity."""
    noise, probes, moves = pictures["noise"], pictures["probes"], pictures["sensitivity"]
    said: list[Markup] = []
    for run in runs:
        if sentences := probe_sentences(run, "ridge", "fresh ridge") or probe_sentences(run, "published", "the published probes"):
            said.append(element("h3", f"In numbers: {run.name}" if len(runs) > 1 else "In numbers"))
            said.append(element("ul", [element("li", sentence) for sentence in sentences], class_="plain"))
        if each := bounds(run, "geometry", "factor_nats"):
            bound = (
                "Noise of known variance bounds the information that any probe can use. About a factor that is drawn independently of the others, "
                f"one noisy embedding holds at most {'; '.join(each)}. Estimated from views with that factor alone drawn anew; a second embedding of "
                "the same view, with independent noise, holds more."
            )
            said.append(element("p", bound))
        if everything := bounds(run, "probe", "capacity_nats"):
            bound = (
                f"About everything together, factors and all else, it holds at most {'; '.join(everything)}. It does not say how much of that is "
                "about a single factor."
            )
            said.append(element("p", bound))
    content = section(
        "fresh-probes",
        "Fresh probes, with and without noise",
        element(
            "p",
            "The variance share says how much a factor counts in distances, neighbours and clusters. A fresh probe can find more: it can amplify a "
            "direction that holds half a percent of the variance, and so recover a factor that hardly affects any distance. Ridge, solved exactly on "
            "many embeddings, is the strongest probe here; the published probes are trained as in the paper.",
        ),
        element(
            "p",
            "A noise bottleneck closes this gap: Gaussian noise on the embedding, its variance a share of the embedding's own. It hides inactive "
            "factors, whose variance the context has reduced, and hardly affects active ones. Share 0 is the published model.",
        ),
        figure(noise, factors) if noise else None,
        said,
        _missing(runs, "probe", "R² of fresh probes, with and without noise"),
        figure(probes, factors, titled=True) if probes else None,
        figure(moves, factors, titled=True) if moves else None,
        None if moves else _no_sensitivity(runs),
    )
    return Section("fresh-probes", "Fresh probes", 30, content)


def _no_sensitivity(runs: Sequence[Run]) -> list[Markup]:
    said = []
    for run in runs:
        if run.has("geometry"):
            notes = [note for note in run.evaluations.get("geometry", {}).get("notes", ()) if "sensitivity" in note]
            why = next(iter(notes), "factor sensitivity was not measured")
            said.append(element("p", f"{run.name}: {why}.", class_="missing"))
    return said


def _around(runs: Sequence[Run], *protocols: str) -> str:
    """The meaning of ± in a table of these protocols."""
    return f"± is {deviation_words(row for run in runs for row in run.rows if row.protocol in protocols)}."


def results(runs: Sequence[Run]) -> Section:
    how = (
        "Fresh probes of relative factors from pairs of embeddings, and of the class from single views; means over contexts. "
        f"{_around(runs, 'equivariance', 'probe')} Bold is the active factor. R² pooled is the paper's: it divides by the variance about one "
        "mean of all components, so a constant prediction scores above 0 on quaternions; next to it are R² per dimension (floor 0) and the "
        "mean angle."
    )
    paper = element("p", "The paper's numbers: ", element("a", "arXiv 2405.18193", href=paper_numbers.SOURCE), ", figure 3 left.")
    made = results_table(runs)
    content = section(
        "results",
        "Results next to the paper's",
        [element("p", how), made, paper] if made else None,
        _missing(runs, "equivariance", "R² from pairs"),
        _missing(runs, "probe", "the class accuracy"),
    )
    return Section("results", "Results", 40, content)


def fair(runs: Sequence[Run], pictures: Mapping[str, Picture | None], factors: Sequence[str]) -> Sequence[Section]:
    """Fairness, where runs are of tables."""
    picture = pictures["fairness"]
    if picture is None:
        return ()
    how = (
        "Rows as in the table; classifiers are trained on training rows in the same context and noise. A prediction flips if it changes when "
        "only the factor's value is replaced; how far such a flip moves an embedding is given as a share of the distance between two people. "
        f"{_around(runs, 'fairness')} What this does and does not guarantee: docs/tables.md."
    )
    shown = figure(picture, factors), element("p", how), fairness_table.section_content(runs)
    content = section("fairness", "Fairness by context", *shown)
    return (Section("fairness", "Fairness", 50, content),)


def context_sensitivity(runs: Sequence[Run]) -> Sequence[Section]:
    """Whether the model depends on its context, where that was evaluated."""
    if not any(run.has(context_table.PROTOCOL) for run in runs):
        return ()
    content = section("context-sensitivity", "Context sensitivity", context_table.section_content(runs))
    return (Section("context-sensitivity", "Context sensitivity", 60, content),)


def retrieval(runs: Sequence[Run], pictures: Mapping[str, Picture | None], factors: Sequence[str]) -> Sequence[Section]:
    """Retrieval, where some run can predict what an action makes of a view."""
    runs = [run for run in runs if run.context_kind != "examples"]
    if not runs:
        return ()
    picture, made = pictures["retrieval"], retrieval_table(runs)
    how = (
        "PRE is the distance between the factor of the nearest view and the target's: near 0 for an active factor, near chance for an inactive "
        "one. Identity queries (target = source) are excluded unless stated. The paper's table 1 is of the training split. "
        f"{_around(runs, 'retrieval')}"
    )
    shown = [figure(picture, factors) if picture else None, [made, element("p", how)] if made else None]
    content = section("retrieval", "Retrieval of the predicted view", shown, _missing(runs, "retrieval", "retrieval"))
    return (Section("retrieval", "Retrieval", 70, content),)


def training(picture: Picture | None, factors: Sequence[str]) -> Section:
    missing = element("p", "No training curves: there is no metrics.csv next to the results.", class_="missing")
    shown = figure(picture, factors) if picture else missing
    return Section("training", "Training", 120, section("training", "Training curves", shown))


def the_runs(runs: Sequence[Run]) -> Section:
    settings = element("details", element("summary", "All settings of training"), about.all_settings(runs))
    shown = [about.run_table(runs), settings if any(run.settings for run in runs) else None]
    return Section("run", "The run", 130, section("run", "The runs" if len(runs) > 1 else "The run", shown))


def all_numbers(runs: Sequence[Run]) -> Section:
    made = []
    for run in runs:
        for protocol in in_order(row.protocol for row in run.rows):
            title = f"{protocol}, {run.name}" if len(runs) > 1 else protocol
            made.append(element("details", element("summary", f"Every number of {title}"), every_number(run, protocol)))
    around = element("p", _around(runs, *dict.fromkeys(row.protocol for run in runs for row in run.rows))) if made else None
    return Section(
        "numbers", "Every number", 140, section("numbers", "Every number, and how it is defined", about.definitions(runs), around, made)
    )
