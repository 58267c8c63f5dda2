"""The page: one HTML file that holds all that it shows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from contextssl import advice
from contextssl.protocol import Protocol, every_protocol
from contextssl.records.alarms import alarm_sentences
from contextssl.records.results import OF_TRAINING
from contextssl.report import about, figures, gallery_section, partners, sections, training_curves
from contextssl.report.collect import Run, differences
from contextssl.report.headline import headline
from contextssl.report.markup import Markup, element, join
from contextssl.report.panels import Picture
from contextssl.version import __version__

UNLIKE = "These runs were not evaluated in the same way, so their numbers cannot be compared. They differ in "


def pictures_of(runs: Sequence[Run], protocols: Sequence[str] = ()) -> dict[str, Picture | None]:
    """Every figure of these runs by its name; None where there are no rows for it.

    Args:
        protocols: names of a user's own, in addition to those that are built in or installed.
    """
    shown = _protocols_of(runs, protocols)
    found = {name: picture for protocol in shown for name, picture in protocol.pictures(runs).items()}
    return {**found, "training": training_curves.training(runs)}


def _protocols_of(runs: Sequence[Run], own: Sequence[str]) -> list[Protocol]:
    """Those that could be run: not what reads factor values, where all runs are of listed pairs."""
    return [each for each in every_protocol(own) if not each.reads_values or any(run.has_values for run in runs)]


def page(
    runs: Sequence[Run],
    pictures: Mapping[str, Picture | None],
    galleries: Sequence[tuple[Run, Mapping[str, Any] | None, str | None]],
    protocols: Sequence[str] = (),
    explorers: Mapping[str, str] | None = None,
) -> str:
    """The whole page as HTML; ``protocols`` as in :func:`pictures_of`; the ``explorers`` are links by the names of runs."""
    factors = figures.factors_of(runs)
    title = "contextssl: " + ", ".join(run.name for run in runs)
    own = [made for protocol in _protocols_of(runs, protocols) for made in protocol.sections(runs, pictures, factors)]
    gallery = sections.Section("gallery", "Gallery", 110, gallery_section.gallery(galleries))
    about_runs = [gallery, sections.training(pictures["training"], factors), sections.the_runs(runs), sections.all_numbers(runs)]
    shown = sorted([*own, *about_runs], key=lambda section: section.place)
    body = element(
        "main",
        element(
            "header",
            element("h1", title),
            _headlines(runs),
            warnings(runs),
            _explorers(explorers or {}),
            contents((each.anchor, each.name) for each in shown),
        ),
        [section.content for section in shown],
        element("footer", f"Written by contextssl {__version__} from results.json, metrics.csv and gallery.json of each run."),
    )
    return document(title, body)


def document(title: str, body: Markup) -> str:
    """A whole page in the report's style that loads nothing from anywhere."""
    css = Path(__file__).with_name("page.css").read_text(encoding="utf-8")
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", http_equiv="Content-Security-Policy", content="default-src 'none'; img-src data:; style-src 'unsafe-inline'"),
        element("title", title),
        element("style", Markup(css)),
    )
    return Markup("<!doctype html>\n") + element("html", head, element("body", body), lang="en") + "\n"


def warnings(runs: Sequence[Run]) -> Markup:
    """One line where runs were not evaluated in the same way, and one for each alarm of their training."""
    differ = differences(runs)
    said = [UNLIKE + " · ".join(differ)] if differ else []
    return join(*(element("p", text, class_="warning", role="note") for text in [*said, *alarms(runs)]))


def alarms(runs: Sequence[Run]) -> list[str]:
    """Of each run's training."""
    return [f"{run.name}, {sentence}." for run in runs for sentence in alarm_sentences(run.about)]


def _headlines(runs: Sequence[Run]) -> Markup:
    not_yet, never = "holds no numbers by context yet", "is of a method that takes no context: its numbers are in the tables"
    said = []
    for run in runs:
        sentences = headline(run) or partners.sentences(run) or [f"{run.name} {not_yet if run.takes_context else never}."]
        if len(runs) == 1:
            said += [element("p", sentence, class_=None if sentence.startswith("With no") else "headline") for sentence in sentences]
            said.append(element("p", about.in_short(run), class_="short"))
        else:
            said.append(element("p", element("strong", f"{run.name}. "), " ".join(sentences)))
    for run in runs:
        if not run.evaluations and all(row.protocol in OF_TRAINING for row in run.rows):
            trained = f"{run.name} was trained but not evaluated: the numbers here are of a few validation pairs during training. "
            command = element("code", advice.command(["contextssl", "evaluate", "all", run.folder]))
            said.append(element("p", trained, "To add the rest: ", command, class_="missing"))
    return join(said)


def _explorers(links: Mapping[str, str]) -> Markup | None:
    """Where examples can be chosen by hand."""
    if not links:
        return None
    named = [join(element("a", "the explorer" if len(links) == 1 else name, href=quote(file)), " ") for name, file in links.items()]
    return element("p", "Choose examples, and see the nearest views follow: ", named)


def contents(links: Iterable[tuple[str, str]]) -> Markup:
    """Links to the sections, by anchor and name."""
    return element("nav", [element("a", name, href=f"#{anchor}") for anchor, name in links], aria_label="Contents")
