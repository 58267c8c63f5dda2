"""The sections of the page, each from runs to HTML; what there are no numbers for says so in one line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from contextssl.evaluation.deviations import deviation_words
from contextssl.report import about, context_table, fairness_table, figures, paper_numbers
from contextssl.report.collect import Run, in_order
from contextssl.report.drawing import DASHES, MARKERS, colour_key, inline_svg
from contextssl.report.headline import bounds, factor_bounds, harder_truth
from contextssl.report.markup import Content, Markup, element, join
from contextssl.report.panels import Picture
from contextssl.report.tables import every_number, numbers_of, results_table, retrieval_table


@dataclass(frozen=True)
class Section:
    """A part of the page.

    Args:
        anchor: of links to it.
        name: in the contents.
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
    numbers = numbers_of(picture)
    return element(
        "figure",
        element("h3", picture.title) if titled else None,
        _legend(picture, factors) if picture.legend else None,
        element("div", panels, class_="panels"),
        element("figcaption", picture.caption),
        element("details", element("summary", "The numbers"), numbers) if numbers else None,
    )


def _legend(picture: Picture, factors: Sequence[str]) -> Markup:
    entries = [element("li", _swatch(colour_key(colour, factors), style), label) for label, colour, style in picture.legend]
    return element("ul", entries, class_="legend")


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
    return [
        element(
            "p",
            f"{run.name} is told its environment by name and takes no context: its numbers under each stand in the tables."
            if run.told_by_name
            else f"{run.name} takes no context, so nothing changes with one: its numbers stand in the tables.",
            class_="missing",
        )
        for run in runs
        if not run.takes_context
    ]


def adaptation(runs: Sequence[Run], pictures: Mapping[str, Picture | None], factors: Sequence[str]) -> Section:
    picture = pictures["adaptation"]
    content = section(
        "adaptation",
        picture.title if picture else figures.DOES_NOT,
        figure(picture, factors) if picture else _contextless(runs),
        _missing(runs, "geometry", "the variance share of each factor"),
    )
    return Section("adaptation", "Adaptation", 10, content)


def action_probes(runs: Sequence[Run], pictures: Mapping[str, Picture | None], factors: Sequence[str]) -> Section:
    picture, paper = pictures["r2"], pictures["paper"]
    content = section(
        "r2",
        "R² of each factor by the published probes",
        figure(picture, factors) if picture else _contextless(runs),
        _missing(runs, "equivariance", "R² by the published probes on pairs"),
        [
            about.missing(run, "equivariance heads=[published]", "R² by the published probes on pairs")
            for run in runs
            if run.has("equivariance") and not any(run.published_head(factor) for factor in run.factors)
        ],
        figure(paper, factors, titled=True) if paper else None,
    )
    return Section("r2", "R²", 20, content)


def harder(runs: Sequence[Run], pictures: Mapping[str, Picture | None], factors: Sequence[str]) -> Section:
    """Fresh probes beside distances, the noise bottleneck, and how far the embedding moves."""
    noise, probes, moves = pictures["noise"], pictures["probes"], pictures["sensitivity"]
    spoken: list[Markup] = []
    for run in runs:
        sentences = harder_truth(run, figures.reader_rows, (("ridge", "fresh ridge"),))
        sentences = sentences or harder_truth(run, figures.reader_rows, (("published", "the published probes, trained afresh"),))
        everything, each = bounds(run), factor_bounds(run)
        if sentences:
            title = f"In numbers: {run.name}" if len(runs) > 1 else "In numbers"
            spoken.append(join(element("h3", title), element("ul", [element("li", sentence) for sentence in sentences], class_="plain")))
        if each:
            bound = (
                "Noise of known variance bounds every reader, trained or not. Of a factor that is drawn independently of the rest one "
                f"noisy embedding tells at most {'; '.join(each)}. Estimated from views with that factor alone drawn anew; a second "
                "embedding of the same view, with noise of its own, tells more."
            )
            spoken.append(element("p", bound))
        if everything:
            bound = (
                f"Of everything together, each factor and all else, it tells at most {'; '.join(everything)}. That says nothing of a single factor: "
                "any of them alone fits into so many nats."
            )
            spoken.append(element("p", bound))
    content = section(
        "harder-truth",
        "The harder truth: what a fresh probe still digs out",
        element(
            "p",
            "The variance share says what distances, neighbours and clusters see. A probe that is trained afresh sees more: it can amplify a "
            "direction that holds half a percent of the variance, and then a factor that no distance sees is still there to be read. Both are "
            "true. Ridge, solved exactly on many embeddings, is the strongest such reader here; the published probes are trained as in the paper.",
        ),
        element(
            "p",
            "A noise bottleneck is to close the gap: Gaussian noise on the embedding, its variance a share of the embedding's own. What the context "
            "has shrunk drowns in it; what the context tells hardly notices. Share 0 is the published model.",
        ),
        figure(noise, factors) if noise else None,
        spoken,
        _missing(runs, "probe", "what fresh probes read, with and without noise"),
        figure(probes, factors, titled=True) if probes else None,
        figure(moves, factors, titled=True) if moves else None,
        None if moves else _no_sensitivity(runs),
    )
    return Section("harder-truth", "The harder truth", 30, content)


def _no_sensitivity(runs: Sequence[Run]) -> list[Markup]:
    said = []
    for run in runs:
        if run.has("geometry"):
            notes = [note for note in run.evaluations.get("geometry", {}).get("notes", ()) if "sensitivity" in note]
            said.append(element("p", f"{run.name}: {notes[0] if notes else 'factor sensitivity was not measured'}.", class_="missing"))
    return said


def _around(runs: Sequence[Run], *protocols: str) -> str:
    """What ± is in a table of these protocols."""
    return f"± is {deviation_words(row for run in runs for row in run.rows if row.protocol in protocols)}."


def results(runs: Sequence[Run]) -> Section:
    made = results_table(runs)
    content = section(
        "results",
        "Results beside the paper's",
        element(
            "p",
            "What fresh probes read from pairs of embeddings (relative factors), and the class from single views; means over contexts. "
            f"{_around(runs, 'equivariance', 'probe')} Bold is the factor that the context tells. R² pooled is the paper's: it divides "
            "by the variance about one mean of all components, so a constant guess scores above 0 on quaternions; beside it stand R² a "
            "dimension (floor 0) and the mean angle.",
        )
        if made
        else None,
        made,
        element("p", "The paper's numbers: ", element("a", "arXiv 2405.18193", href=paper_numbers.SOURCE), ", figure 3 left.")
        if made
        else None,
        _missing(runs, "equivariance", "what is read from pairs"),
        _missing(runs, "probe", "the class accuracy"),
    )
    return Section("results", "Results", 40, content)


def fair(runs: Sequence[Run], pictures: Mapping[str, Picture | None], factors: Sequence[str]) -> Sequence[Section]:
    """Fairness, where runs are of tables."""
    picture = pictures["fairness"]
    if picture is None:
        return ()
    content = section(
        "fairness",
        "Fairness by context",
        figure(picture, factors),
        element(
            "p",
            "Rows as they stand in the table; classifiers are trained afresh on training rows under the very context and noise. A prediction "
            "flips where it changes when the factor's value alone is replaced; a flip moves an embedding by so much of the distance between "
            f"two people. {_around(runs, 'fairness')} What this does and does not promise: docs/tables.md.",
        ),
        fairness_table.section_content(runs),
    )
    return (Section("fairness", "Fairness", 50, content),)


def context_sensitivity(runs: Sequence[Run]) -> Sequence[Section]:
    """Whether the model depends on its context, where that was evaluated."""
    if not any(run.has(context_table.PROTOCOL) for run in runs):
        return ()
    content = section("context-sensitivity", "Context sensitivity", context_table.section_content(runs))
    return (Section("context-sensitivity", "Context sensitivity", 60, content),)


def retrieval(runs: Sequence[Run], pictures: Mapping[str, Picture | None], factors: Sequence[str]) -> Section:
    picture, made = pictures["retrieval"], retrieval_table(runs)
    content = section(
        "retrieval",
        "Retrieval: finding the predicted view",
        figure(picture, factors) if picture else None,
        made,
        element(
            "p",
            "PRE is how far the factor of the nearest view is from the target's: the factor that is told should come near 0, the other stay near "
            "chance. Identity queries (target = source) are left out unless said. The paper's script ranks the training split: its table 1. "
            f"{_around(runs, 'retrieval')}",
        )
        if made
        else None,
        _missing(runs, "retrieval", "retrieval"),
    )
    return Section("retrieval", "Retrieval", 70, content)


def training(runs: Sequence[Run], pictures: Mapping[str, Picture | None], factors: Sequence[str]) -> Section:
    picture = pictures["training"]
    content = section(
        "training",
        "Training curves",
        figure(picture, factors)
        if picture
        else element("p", "No training curves: no metrics.csv lies beside the results.", class_="missing"),
    )
    return Section("training", "Training", 120, content)


def the_runs(runs: Sequence[Run]) -> Section:
    content = section(
        "run",
        "What the runs were" if len(runs) > 1 else "What the run was",
        about.run_table(runs),
        element("details", element("summary", "All settings of training"), about.all_settings(runs))
        if any(run.settings for run in runs)
        else None,
    )
    return Section("run", "The run", 130, content)


def all_numbers(runs: Sequence[Run]) -> Section:
    made = []
    for run in runs:
        for protocol in in_order(row.protocol for row in run.rows):
            found = every_number(run, protocol)
            if found is not None:
                title = f"{protocol}, {run.name}" if len(runs) > 1 else protocol
                made.append(element("details", element("summary", f"Every number of {title}"), found))
    told = about.definitions(runs)
    meanings = element("details", element("summary", "Definitions"), told) if told else None
    around = element("p", _around(runs, *dict.fromkeys(row.protocol for run in runs for row in run.rows))) if made else None
    return Section("numbers", "Every number", 140, section("numbers", "Every number, and how it is defined", meanings, around, made))
