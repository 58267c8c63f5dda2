"""A comparison of methods over seeds: its page, its tables in Markdown, every number as CSV, and a picture."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from contextssl.errors import SettingsError
from contextssl.evaluation.contexts import pairs_words
from contextssl.evaluation.deviations import deviation_words
from contextssl.report import about as runs_about
from contextssl.report.collect import Run, differences
from contextssl.report.comparison_picture import picture
from contextssl.report.comparison_tables import tables
from contextssl.report.drawing import picture_files
from contextssl.report.entries import Averaged, Entry
from contextssl.report.figures import factors_of
from contextssl.report.grid import Grid
from contextssl.report.markup import element, with_links
from contextssl.report.page import UNLIKE, alarms, contents, document, warnings
from contextssl.report.panels import Picture
from contextssl.report.sections import figure, section
from contextssl.report.words import environment_name, listed
from contextssl.system.files import write_text
from contextssl.version import __version__

__all__ = ["Comparison", "Entry", "write_comparison"]

NAME = "comparison"
FIGURES = "figures"
MEANING = (
    "A number that some seeds lack says how many have it; – was not evaluated. Floors are the scores of the best constant, or of the most "
    "frequent class."
)
BEST = (
    "Bold is best in its group: the highest above the floor for active factors and the class, the lowest for inactive factors, where all "
    "values at or below the floor count as equal. The group of an environment holds the methods that were trained for it, and the in-context "
    "model in its context."
)
NOTHING = "None of these runs was evaluated on this split."
CSV_FIELDS = (
    "entry", "group", "seeds", "condition", "metric", "factor", "mean", "std", "floor", "protocol", "head", "noise", "representation",
    "environment", "length", "target", "context", "seeds_with_number", "split", "item_std", "items",
)  # fmt: skip


@dataclass(frozen=True)
class Comparison:
    """What was written, and how the runs' evaluations differ."""

    page: Path
    markdown: Path
    csv: Path
    figures: tuple[Path, ...]
    differences: tuple[str, ...]


def write_comparison(
    entries: Sequence[Entry], out: Path, *, split: str = "val", about: Mapping[str, str] | None = None, protocols: Sequence[str] = ()
) -> Comparison:
    """Write ``comparison.html``, ``comparison.md``, ``comparison.csv`` and ``figures/FACTOR-FACTOR.png`` and ``.svg`` into a folder.

    Args:
        entries: in the order of the tables; runs of all of them should have different names.
        split: whose rows are shown.
        about: name and text of lines under the title.
        protocols: of your own, ``package.module:Name``, whose tables are shown.

    Raises:
        SettingsError: for no entries, or one without runs.
    """
    if not entries or not all(entry.runs for entry in entries):
        raise SettingsError("a comparison needs entries, and each of them a run")
    averaged = [Averaged.of(entry, split) for entry in entries]
    runs = [run for entry in entries for run in entry.runs]
    made, drawn, lines = tables(averaged, protocols), picture(averaged), {} if about is None else dict(about)
    page, markdown, every = (out / f"{NAME}.{suffix}" for suffix in ("html", "md", "csv"))
    write_text(page, _page(averaged, runs, made, drawn, lines))
    write_text(markdown, _markdown(averaged, runs, made, drawn, lines))
    write_text(every, _csv(averaged))
    figures = [] if drawn is None else picture_files(drawn, factors_of(averaged), out / FIGURES, subtitle=_in_short(averaged))
    return Comparison(page, markdown, every, tuple(figures), tuple(differences(runs)))


def _in_short(averaged: Sequence[Averaged]) -> str:
    """``6 models on shapes, 3 seeds, val split``."""
    counts = sorted({each.seeds for each in averaged})
    seeds = f"{counts[0]} seed{'s' * (counts[0] > 1)}" if len(counts) == 1 else f"{counts[0]} to {counts[-1]} seeds"
    data = list(dict.fromkeys(runs_about.data_name(run) for each in averaged for run in each.entry.runs))
    models = f"{len(averaged)} models" if len(averaged) > 1 else "1 model"
    return f"{models} on {listed(data)}, {seeds}, {averaged[0].run.split} split"


def _cell(averaged: Sequence[Averaged]) -> str:
    """The meaning of a cell and its ±; a run's own number is a mean over contexts."""
    most = max(each.seeds for each in averaged)
    cell = f"the mean over {most} seeds, or as many as there are, of means over contexts" if most > 1 else "the number of one run"
    around = deviation_words((row for each in averaged for row in each.run.rows), "seeds" if most > 1 else None)
    return f"A cell is {cell}; ± is {around}. "


def _page(averaged: Sequence[Averaged], runs: Sequence[Run], made: Sequence[Grid], drawn: Picture | None, about: Mapping[str, str]) -> str:
    factors = factors_of(averaged)
    links = [("picture", drawn.title)] if drawn is not None else []
    links += [(table.anchor, table.title) for table in made] + [("runs", "The runs")]
    said = {name: element("code", text) if name == "command" else text for name, text in about.items()}
    nothing = section("tables", "No numbers", element("p", NOTHING, class_="missing"))
    body = element(
        "main",
        element(
            "header",
            element("h1", "contextssl: comparison"),
            element("p", _in_short(averaged), class_="headline"),
            [element("p", f"{name}: ", text, class_="short") for name, text in said.items()],
            warnings(runs),
            contents(links),
        ),
        section("picture", drawn.title, figure(drawn, factors)) if drawn is not None else None,
        section("tables", "How to read the tables", element("p", _cell(averaged), MEANING), element("p", BEST)) if made else nothing,
        [section(table.anchor, table.title, table.html(), [element("p", with_links(note)) for note in table.notes]) for table in made],
        section(
            "runs",
            "The runs",
            element("p", "The first seed of each model; values that differ are bold."),
            element("details", element("summary", "What each was"), runs_about.run_table([each.entry.runs[0] for each in averaged])),
            runs_about.definitions(runs),
        ),
        element("footer", f"Written by contextssl {__version__} from results.json of {len(runs)} runs; every number: {NAME}.csv."),
    )
    return document("contextssl: comparison", body)


def _markdown(
    averaged: Sequence[Averaged], runs: Sequence[Run], made: Sequence[Grid], drawn: Picture | None, about: Mapping[str, str]
) -> str:
    parts = [f"# Comparison: {_in_short(averaged)}"]
    if about:
        parts.append("\n".join(f"- {name}: `{text}`" if name == "command" else f"- {name}: {text}" for name, text in about.items()))
    if differ := differences(runs):
        parts.append(f"> **Warning.** {UNLIKE}{' · '.join(differ)}")
    parts += [f"> **Warning.** {sentence}" for sentence in alarms(runs)]
    if drawn is not None:
        parts.append(f"![{drawn.title}]({FIGURES}/{drawn.name}.png)\n\n{drawn.caption}")
    parts += [_cell(averaged) + MEANING, BEST] if made else [NOTHING]
    for table in made:
        parts += [f"## {table.title}", table.markdown(), *table.notes]
    return "\n\n".join(parts) + "\n"


def _csv(averaged: Sequence[Averaged]) -> str:
    """One line per number, means over seeds; empty where there is none."""
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, CSV_FIELDS, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    for each in averaged:
        for row in each.run.rows:
            context = environment_name(row.environment) if row.environment else ""
            if row.length:
                context += f" context, {pairs_words(row.length)}"
            named = {"entry": each.entry.name, "group": each.entry.group, "seeds": each.seeds, "noise": row.bottleneck}
            named["condition"] = ", ".join(part for part in (row.representation, context) if part)
            named |= {"mean": None if math.isnan(row.mean) else row.mean, "seeds_with_number": row.n}
            writer.writerow(vars(row) | named)
    return buffer.getvalue()
