"""The gallery on the page: a query, its context, its neighbours in each context, and the item's views ranked by the prediction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from contextssl.evaluation.contexts import pairs_words
from contextssl.report.collect import Run
from contextssl.report.gallery import SMALL
from contextssl.report.markup import Content, Markup, element, join
from contextssl.report.sections import section
from contextssl.report.words import active_name, environment_name, factor_name, listed


def gallery(entries: Sequence[tuple[Run, Mapping[str, Any] | None, str | None]]) -> Markup:
    """The galleries of runs; in the place of one that could not be made, the reason."""
    shown: list[Content] = []
    for run, found, reason in entries:
        try:
            made = None if found is None else _one_gallery(found)
        except (KeyError, TypeError, ValueError, AttributeError, IndexError):
            made, reason = None, "its gallery.json is damaged, so remove it and report again"
        missing = element("p", f"No gallery of {run.name}: {(reason or 'none was made').split('; ')[0]}.", class_="missing")
        shown += [element("h3", run.name) if len(entries) > 1 else None, missing if made is None else made]
    return section("gallery", "Gallery: the neighbours change with the context", shown)


def _one_gallery(found: Mapping[str, Any]) -> Markup:
    show = _Thumbs(found)
    views = found["views"]
    split = {"val": "validation", "train": "training", "test": "test", "ood": "unseen-pose"}.get(found["split"], found["split"])
    candidates = f"all {found['items'] * views:,} views of {found['items']:,} {split} items"
    kinds = {factor: "angle" if "°" in value else "mean difference" for factor, value in found["queries"][0]["apart"].items()}
    distances = listed([f"{factor_name(factor)} ({kind})" for factor, kind in kinds.items()])
    parts: list[Content] = _examples(found, show) if found.get("examples") else _shared_context(found, show)
    target = "" if found.get("examples") else ", or of the target (green frame)"
    how = "In a context the neighbours should agree in what its pairs share; they change with the context, the weights do not."
    if kinds:
        how = (
            f"Under each neighbour: how far its factors are from those of the query{target}: {distances}. In a context the neighbours should agree "
            "in the active factor and may differ in the inactive one; they change with the context, the weights do not."
        )
    parts.append(element("p", how))
    among = f"nearest to the query among {candidates}"
    for query in found["queries"]:
        columns = []
        if "without" in query:
            columns.append(element("div", show.label("no context"), show.strip(among, query["without"])))
        for name, under in query["environments"].items():
            column = [show.label(f"{environment_name(name)} context", _tone(name)), show.strip(among, under["neighbours"])]
            if "ranked" in under:
                place = f"{under['rank']:.1f}".removesuffix(".0")
                ranked = f"nearest to the predicted target ({active_name(name)} active) among the item’s {views} views: "
                column.append(show.strip(f"{ranked}the target has place {place} of {views}", under["ranked"]))
            columns.append(element("div", column))
        first = [show.thumb(query["query"], [f"query: {query['class']}", query["captions"][0]])]
        if not found.get("examples"):
            first.append(show.thumb(query["target"], [f"target: {query['captions'][1]}", "differs by", *_apart(query["apart"])]))
        parts.append(element("div", element("div", first, class_="strip"), element("div", columns, class_="columns"), class_="query"))
    return join(parts)


def _shared_context(found: Mapping[str, Any], show: _Thumbs) -> list[Content]:
    either = " or ".join(map(active_name, found["environments"])) or "its own factors"
    how = (
        "Pairs of training views. All contexts are made of the same pairs and differ in their active factors. Under each pair: how far the "
        f"factors of its two views are apart; the actions of a context hold only {either}."
    )
    pairs = element("div", map(show.pair, found["context"]), class_="pairs")
    return [element("h3", f"The context: {pairs_words(found['length'])}"), pairs, element("p", how)]


def _examples(found: Mapping[str, Any], show: _Thumbs) -> list[Content]:
    how = "Each pair shows two training views that are to count as the same; no action and no name enters the model."
    if found["queries"][0]["apart"]:
        how += " They share the active factors and differ in the others. Under each pair: how far the factors of its two views are apart."
    parts: list[Content] = [element("h3", f"The examples: {pairs_words(found['length'])}"), element("p", how)]
    for name, pairs in found["examples"].items():
        label = show.label(f"{environment_name(name)} context", _tone(name))
        parts += [label, element("div", map(show.pair, pairs), class_="pairs")]
    return parts


def _tone(environment: str) -> str | None:
    return environment if environment in ("rotation", "color") else None


def _apart(apart: Mapping[str, str]) -> list[str]:
    return [f"{factor_name(factor)} {value}" for factor, value in apart.items()]


class _Thumbs:
    """Pictures of one gallery with their captions."""

    def __init__(self, found: Mapping[str, Any]) -> None:
        self.images = found["images"]
        self.small = "small" if found["side"] <= SMALL else None
        # The views of an example count as the same; else an action leads from one to the other.
        self.between = "=" if found.get("examples") else "→"

    def label(self, words: str, tone: str | None = None) -> Markup:
        return element("p", element("strong", words, class_=tone), class_="label")

    def strip(self, words: str, entries: Sequence[Mapping[str, Any]]) -> Markup:
        """Neighbours side by side, under what they are nearest to."""
        return join(element("p", words, class_="label"), element("div", map(self.neighbour, entries), class_="strip", tabindex=0))

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
        lines = _apart(entry["apart"])
        if entry.get("hit"):
            return self.thumb(entry["image"], [element("strong", "the target")], ", ".join(lines), hit=True)
        same = ["same item"] if "hit" not in entry and entry.get("same_object") else []
        return self.thumb(entry["image"], [*lines, *same], ", ".join(lines))

    def pair(self, pair: Mapping[str, Any]) -> Markup:
        source, target = pair["captions"]
        both = element("div", self.picture(pair["source"], source), self.between, self.picture(pair["target"], target), class_="pair")
        apart = [element("span", text, class_=_tone(factor)) for factor, text in zip(pair["apart"], _apart(pair["apart"]), strict=True)]
        words = element("div", f"{source} {self.between} {target}", class_="caption")
        return element("div", both, words, element("div", apart, class_="caption"), class_="shown")
