"""From run folders to a page and its figures on disk."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from contextssl.errors import SettingsError
from contextssl.report.collect import differences, read_runs
from contextssl.report.drawing import picture_files
from contextssl.report.examples_picture import examples_files
from contextssl.report.figures import factors_of
from contextssl.report.gallery import NO_CODE, OwnCode, gallery_of
from contextssl.report.headline import headline
from contextssl.report.page import page, pictures_of
from contextssl.system.files import write_text

PAGE = "report.html"
FIGURES = "figures"
EXPLORER = "explorer.html"


@dataclass(frozen=True)
class Report:
    """What was written: the page, the figures' files, the runs' explorers; and how the runs' definitions differ."""

    page: Path
    figures: tuple[Path, ...]
    differences: tuple[str, ...]
    explorers: tuple[Path, ...] = ()


def write_report(
    runs: Sequence[str | Path],
    out: str | Path | None = None,
    *,
    split: str = "val",
    figures: bool = True,
    gallery: bool = True,
    data_dir: str | None = None,
    own: OwnCode = NO_CODE,
    protocols: Sequence[str] = (),
    explorer: Callable[[Path, Path], bool] | None = None,
) -> Report:
    """Write one self-contained HTML page about one run or several, side by side.

    Args:
        out: the page; default: ``RUN/report.html``, for several ``report.html`` in the working folder.
        split: which rows are shown.
        figures: write each figure as PNG and SVG too, into the folder ``figures`` next to the page.
        gallery: make a gallery where there is none and a run's checkpoint and data are at hand.
        data_dir: where the data of the galleries have moved.
        own: for the galleries of runs with data, augmentations or an encoder of your own.
        protocols: of your own, ``package.module:Name``, whose sections are shown.
        explorer: writes the explorer of a run's folder to a file, and says whether it did; the page links to it.

    Raises:
        SettingsError, DataError: for a run that is missing, unfinished or damaged, before anything is written.
    """
    found = read_runs(runs, split)
    place = Path(out) if out is not None else found[0].folder / PAGE if len(found) == 1 else Path(PAGE)
    if place.is_dir():
        place = place / PAGE
    if place.suffix.lower() not in (".html", ".htm"):
        raise SettingsError(f"out={place}: name an .html file, or a folder that is there")
    pictures = pictures_of(found, protocols)
    galleries = [(run, *(gallery_of(run, data_dir, own) if gallery else (None, "gallery=false"))) for run in found]
    explorers = {run.name: place.with_name(EXPLORER if len(found) == 1 else f"explorer-{run.name}.html") for run in found if explorer}
    if place in explorers.values():
        raise SettingsError(f"out={place}: the explorer is written to a file of this name; name the report otherwise")
    explorers = {run.name: explorers[run.name] for run in found if explorer and explorer(run.folder, explorers[run.name])}
    write_text(place, page(found, pictures, galleries, protocols, {name: file.name for name, file in explorers.items()}))
    written: list[Path] = []
    for picture in filter(None, pictures.values() if figures else ()):
        first = headline(found[0])[0] if picture.name == "adaptation" and len(found) == 1 else ""
        written += picture_files(picture, factors_of(found), place.parent / FIGURES, subtitle=first)
    if figures and len(found) == 1 and (made := galleries[0][1]) is not None and made.get("examples"):
        written += examples_files(made, place.parent / FIGURES)
    return Report(place, tuple(written), tuple(differences(found)), tuple(explorers.values()))
