"""The page: one HTML file that holds all that it shows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from contextssl import advice
from contextssl.protocol import Protocol, every_protocol
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
    found: dict[str, Picture | None] = {}
    for protocol in _protocols_of(runs, protocols):
        found.update(protocol.pictures(runs))
    return {**found, "training": training_curves.training(runs)}


def _protocols_of(runs: Sequence[Run], own: Sequence[str]) -> list[Protocol]:
    """Those that could be run: not what reads factor values, where all runs are of listed pairs."""
    return [each for each in every_protocol(own) if not each.reads_values or any(run.has_values for run in runs)]


def page(
    runs: Sequence[Run],
    pictures: Mapping[str, Picture | None],
    galleries: Sequence[tuple[Run, Mapping[str, Any] | None, str | None]],
    protocols: Sequence[str] = (),
) -> str:
    """The whole page as HTML.

    Args:
        protocols: names of a user's own, in addition to those that are built in or installed.
    """
    factors = figures.factors_of(runs)
    title = "contextssl: " + ", ".join(run.name for run in runs)
    own = [made for protocol in _protocols_of(runs, protocols) for made in protocol.sections(runs, pictures, factors)]
    about_runs = [
        sections.Section("gallery", "Gallery", 110, gallery_section.gallery(galleries)),
        sections.training(runs, pictures, factors),
        sections.the_runs(runs),
        sections.all_numbers(runs),
    ]
    shown = sorted([*own, *about_runs], key=lambda section: section.place)
    body = element(
        "main",
        element("header", element("h1", title), _headlines(runs), warnings(runs), _contents(shown)),
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


def warnings(runs: Sequence[Run]) -> Markup | None:
    """One line where runs were not evaluated in the same way."""
    differ = differences(runs)
    if not differ:
        return None
    return about.warning(UNLIKE, differ)


def _headlines(runs: Sequence[Run]) -> Markup:
    said = []
    for run in runs:
        first, *rest = (
            headline(run)
            or partners.sentences(run)
            or [
                f"{run.name} holds no numbers by context yet."
                if run.takes_context
                else f"{run.name} is of a method that takes no context: its numbers are in the tables."
            ]
        )
        if len(runs) == 1:
            sentences = [first, *rest]
            said += [element("p", sentence, class_=None if sentence.startswith("With no") else "headline") for sentence in sentences]
            said.append(element("p", about.in_short(run), class_="short"))
        else:
            said.append(element("p", element("strong", f"{run.name}. "), " ".join([first, *rest])))
    only_trained = [run for run in runs if not run.evaluations and all(row.protocol == "online" for row in run.rows)]
    for run in only_trained:
        said.append(
            element(
                "p",
                f"{run.name} was trained but not evaluated: the numbers here are of a few validation pairs during training. "
                "To add the rest: ",
                element("code", advice.command(["contextssl", "evaluate", "all", run.folder])),
                class_="missing",
            )
        )
    return join(said)


def _contents(shown: Sequence[sections.Section]) -> Markup:
    return element("nav", [element("a", section.name, href=f"#{section.anchor}") for section in shown], aria_label="Contents")
