"""The sections of the page, each from runs to HTML; what there are no numbers for says so in one line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from contextssl.report import about, fairness, figures, published
from contextssl.report.collect import Run
from contextssl.report.drawing import DASHES, MARKERS, colour_key, inline_svg
from contextssl.report.gallery import SMALL, rank_words
from contextssl.report.headline import bounds, harder_truth
from contextssl.report.markup import Content, Markup, element, join
from contextssl.report.panels import Picture
from contextssl.report.tables import every_number, numbers_of, results_table, retrieval_table
from contextssl.report.words import environment_name, factor_name, listed, told_name


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


def adaptation(runs: Sequence[Run], pictures: Mapping[str, Picture | None], factors: Sequence[str]) -> Markup:
    picture = pictures["adaptation"]
    return section(
        "adaptation",
        picture.title if picture else figures.DOES_NOT,
        figure(picture, factors) if picture else _contextless(runs),
        _missing(runs, "geometry", "the variance share of each factor"),
    )


def read_outs(runs: Sequence[Run], pictures: Mapping[str, Picture | None], factors: Sequence[str]) -> Markup:
    picture, paper = pictures["r2"], pictures["paper"]
    return section(
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


def harder(runs: Sequence[Run], pictures: Mapping[str, Picture | None], factors: Sequence[str]) -> Markup:
    """Fresh probes beside distances, the noise bottleneck, and how far the embedding moves."""
    noise, readers, moves = pictures["noise"], pictures["readers"], pictures["sensitivity"]
    spoken: list[Markup] = []
    for run in runs:
        sentences = harder_truth(run, figures.reader_rows, (("ridge", "fresh ridge"),))
        sentences = sentences or harder_truth(run, figures.reader_rows, (("published", "the published probes, trained afresh"),))
        limits = bounds(run)
        if sentences:
            title = f"In numbers: {run.name}" if len(runs) > 1 else "In numbers"
            spoken.append(join(element("h3", title), element("ul", [element("li", sentence) for sentence in sentences], class_="plain")))
        if limits:
            bound = (
                "Noise of known variance bounds every reader, trained or not. About all factors, and everything else, one noisy embedding tells "
                f"at most {'; '.join(limits)}."
            )
            spoken.append(element("p", bound))
    return section(
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
        figure(readers, factors, titled=True) if readers else None,
        figure(moves, factors, titled=True) if moves else None,
        None if moves else _no_sensitivity(runs),
    )


def _no_sensitivity(runs: Sequence[Run]) -> list[Markup]:
    said = []
    for run in runs:
        if run.has("geometry"):
            notes = [note for note in run.evaluations.get("geometry", {}).get("notes", ()) if "sensitivity" in note]
            said.append(element("p", f"{run.name}: {notes[0] if notes else 'factor sensitivity was not measured'}.", class_="missing"))
    return said


def results(runs: Sequence[Run]) -> Markup:
    made = results_table(runs)
    return section(
        "results",
        "Results beside the paper's",
        element(
            "p",
            "What fresh probes read from pairs of embeddings (relative factors), and the class from single views; means over contexts ± one "
            "standard deviation. Bold is the factor that the context tells. R² pooled is the paper's: it divides by the variance about one mean "
            "of all components, so a constant guess scores above 0 on quaternions; beside it stand R² a dimension (floor 0) and the mean angle.",
        )
        if made
        else None,
        made,
        element("p", "The paper's numbers: ", element("a", "arXiv 2405.18193", href=published.SOURCE), ", figure 3 left.")
        if made
        else None,
        _missing(runs, "equivariance", "what is read from pairs"),
        _missing(runs, "probe", "the class accuracy"),
    )


def fair(runs: Sequence[Run], pictures: Mapping[str, Picture | None], factors: Sequence[str]) -> Markup | None:
    """Fairness, where runs are of tables."""
    picture = pictures["fairness"]
    if picture is None:
        return None
    return section(
        "fairness",
        "Fairness by context",
        figure(picture, factors),
        element(
            "p",
            "Rows as they stand in the table; classifiers are trained afresh on training rows under the very context and noise. A prediction "
            "flips where it changes when the factor's value alone is replaced; a flip moves an embedding by so much of the distance between "
            "two people. What this does and does not promise: docs/tables.md.",
        ),
        fairness.section_content(runs),
    )


def retrieval(runs: Sequence[Run], pictures: Mapping[str, Picture | None], factors: Sequence[str]) -> Markup:
    picture, made = pictures["retrieval"], retrieval_table(runs)
    return section(
        "retrieval",
        "Retrieval: finding the predicted view",
        figure(picture, factors) if picture else None,
        made,
        element(
            "p",
            "PRE is how far the factor of the nearest view is from the target's: the factor that is told should come near 0, the other stay near "
            "chance. Identity queries (target = source) are left out unless said. The paper's script ranks the training split: its table 1.",
        )
        if made
        else None,
        _missing(runs, "retrieval", "retrieval"),
    )


def gallery(entries: Sequence[tuple[Run, Mapping[str, Any] | None, str | None]]) -> Markup:
    shown = [
        join(element("h3", run.name) if len(entries) > 1 else None, _one_gallery(found) if found is not None else _no_gallery(run, reason))
        for run, found, reason in entries
    ]
    return section("gallery", "Gallery: the neighbours change with the context", shown)


def _no_gallery(run: Run, reason: str | None) -> Markup:
    return element("p", f"No gallery of {run.name}: {(reason or 'none was made').split('; ')[0]}.", class_="missing")


def _one_gallery(found: Mapping[str, Any]) -> Markup:
    show = _Thumbs(found)
    views, length = found["views"], found["length"]
    split = {"val": "validation", "train": "training", "test": "test"}.get(found["split"], found["split"])
    candidates = f"all {found['items'] * views:,} views of {found['items']:,} {split} items"
    kinds = {factor: "angle" if "°" in value else "mean difference" for factor, value in found["context"][0]["apart"].items()}
    distances = listed([f"{factor_name(factor)} ({kind})" for factor, kind in kinds.items()])
    names = [told_name(name) for name in found["environments"]]
    either = " or ".join(names) if names else "its own factors"
    parts: list[Content] = [
        element("h3", f"The context: {length} tokens"),
        element("div", [show.pair(pair) for pair in found["context"]], class_="pairs"),
        element(
            "p",
            "Pairs of training views. Every context is made of the same pairs; what it tells of them differs: under each stands how far the "
            f"target’s factors are from the source’s, and a context tells {either} alone.",
        ),
        element(
            "p",
            f"Under each neighbour stands how far its factors are from the picture that it is compared with: {distances}. Under a context the "
            "neighbours should agree in the factor that it tells and be free in the other; with another context they change, the weights do not. "
            "A green frame marks the true target.",
        ),
    ]
    for query in found["queries"]:
        columns = []
        for name, under in query["environments"].items():
            nearest = f"nearest to the query among {candidates}"
            ranked = f"nearest to the predicted target ({told_name(name)} told) among the item’s {views} views: "
            columns.append(
                element(
                    "div",
                    element("p", element("strong", f"{environment_name(name)} context", class_=_tone(name)), class_="label"),
                    element("p", nearest, class_="label"),
                    element("div", [show.neighbour(entry) for entry in under["neighbours"]], class_="strip", tabindex=0),
                    element("p", f"{ranked}the target has {rank_words(under['rank'], views)}", class_="label"),
                    element("div", [show.neighbour(entry) for entry in under["ranked"]], class_="strip", tabindex=0),
                )
            )
        first = [
            show.thumb(query["query"], [f"query: {query['class']}", query["captions"][0]]),
            show.thumb(query["target"], [f"target: {query['captions'][1]}", "away by", *_apart(query["apart"])]),
        ]
        parts.append(element("div", element("div", first, class_="strip"), element("div", columns, class_="columns"), class_="query"))
    return join(parts)


def _tone(environment: str) -> str | None:
    return environment if environment in ("rotation", "color") else None


def _apart(apart: Mapping[str, str]) -> list[str]:
    return [f"{factor_name(factor)} {value}" for factor, value in apart.items()]


class _Thumbs:
    """Pictures of one gallery with what stands under them."""

    def __init__(self, found: Mapping[str, Any]) -> None:
        self.images = found["images"]
        self.small = "small" if found["side"] <= SMALL else None

    def picture(self, name: str, words: str) -> Markup:
        uri = str(self.images[name])
        if not uri.startswith("data:image/"):
            # Nothing but an embedded picture: the page never asks the network for one.
            uri = "data:image/gif;base64,R0lGODlhAQABAAAAACw="
        return element("img", src=uri, alt=words, class_=self.small)

    def thumb(self, name: str, lines: Sequence[Content], words: str = "", hit: bool = False) -> Markup:
        under = [element("div", line) for line in lines]
        return element("div", self.picture(name, words), under, class_="thumb hit" if hit else "thumb")

    def neighbour(self, entry: Mapping[str, Any]) -> Markup:
        lines: list[Content] = list(_apart(entry["apart"]))
        words = ", ".join(_apart(entry["apart"]))
        if entry.get("hit"):
            return self.thumb(entry["image"], [element("strong", "the target")], words, hit=True)
        if "hit" not in entry and entry.get("same_object"):
            lines.append("same item")
        return self.thumb(entry["image"], lines, words)

    def pair(self, pair: Mapping[str, Any]) -> Markup:
        source, target = pair["captions"]
        both = element("div", self.picture(pair["source"], source), "→", self.picture(pair["target"], target), class_="pair")
        told = [element("span", text, class_=_tone(factor)) for factor, text in zip(pair["apart"], _apart(pair["apart"]), strict=True)]
        words = element("div", f"{source} → {target}", class_="told")
        return element("div", both, words, element("div", told, class_="told"), class_="shown")


def training(runs: Sequence[Run], pictures: Mapping[str, Picture | None], factors: Sequence[str]) -> Markup:
    picture = pictures["training"]
    return section(
        "training",
        "Training curves",
        figure(picture, factors)
        if picture
        else element("p", "No training curves: no metrics.csv lies beside the results.", class_="missing"),
    )


def the_runs(runs: Sequence[Run]) -> Markup:
    return section(
        "run",
        "What the runs were" if len(runs) > 1 else "What the run was",
        about.run_table(runs),
        element("details", element("summary", "All settings of training"), about.all_settings(runs))
        if any(run.settings for run in runs)
        else None,
    )


def all_numbers(runs: Sequence[Run]) -> Markup:
    made = []
    for run in runs:
        for protocol in ("geometry", "fairness", "equivariance", "probe", "retrieval", "online"):
            found = every_number(run, protocol)
            if found is not None:
                title = f"{protocol}, {run.name}" if len(runs) > 1 else protocol
                made.append(element("details", element("summary", f"Every number of {title}"), found))
    told = about.definitions(runs)
    meanings = element("details", element("summary", "Definitions"), told) if told else None
    return section("numbers", "Every number, and how it is defined", meanings, made)
