"""What a run says of its data and encoder, and whether the paper's numbers are comparable with its own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from contextssl.errors import DataError
from contextssl.records.metrics_lines import Row, lines_of
from contextssl.report.collect import Run, read_run, read_training
from contextssl.report.entries import Entry
from contextssl.report.page import pictures_of
from tests.edited import edit_json
from tests.report.synthetic import evaluations, write_run

PAPERS: dict[str, Any] = {"dataset": "3diebench", "resolution": 128}


def run_of(folder: Path, about: dict[str, Any], evaluated: dict[str, Any] | None = None, **settings: Any) -> Run:
    """A run with the paper's settings, whose results say something more of it."""
    write_run(folder, evaluated=evaluated, **{**PAPERS, **settings})
    edit_json(folder / "results.json", lambda content: content["run"].update(about))
    return read_run(folder)


def with_data(**data: Any) -> dict[str, Any]:
    return {protocol: {**made, "data": {**made["data"], **data}} for protocol, made in evaluations().items()}


@pytest.mark.parametrize(
    ("about", "settings", "papers"),
    [
        ({"data": {"kind": "3diebench", "path": "store"}, "encoder": "resnet18"}, {}, True),
        ({}, {}, True),
        ({"data": {"kind": "own"}, "encoder": "resnet18"}, {}, False),
        ({"data": {"kind": "shapes", "path": "store"}, "encoder": "resnet18"}, {}, False),
        ({"data": {"kind": "3diebench", "path": "store"}, "encoder": "own", "encoder_class": "Mine"}, {}, False),
        # From before the kind was recorded: data of the user's own have no path.
        ({"data": {}}, {}, False),
        ({}, {"resolution": 64}, False),
        ({}, {"backbone": "resnet50"}, False),
        ({}, {"stem": "small"}, False),
        ({}, {"pool": "flatten"}, False),
        ({}, {"pretrained": True}, False),
    ],
)
def test_the_papers_numbers_are_shown_in_its_own_setting_alone(
    tmp_path: Path, about: dict[str, Any], settings: dict[str, Any], papers: bool
) -> None:
    run = run_of(tmp_path / "run", about, **settings)
    assert run.in_papers_setting is papers
    assert Entry("contextssl", "context", (run,)).comparable is papers
    pictures = pictures_of([run])
    assert pictures["r2"] is not None
    faint = [line for panel in pictures["r2"].panels for line in panel.lines if line.faint]
    assert bool(faint) is papers and (pictures["paper"] is None) is papers
    assert ("Faint lines are the paper's" in pictures["r2"].caption) is papers


def test_an_evaluation_on_other_data_counts(tmp_path: Path) -> None:
    about = {"data": {"kind": "3diebench", "path": "store"}, "encoder": "resnet18"}
    assert run_of(tmp_path / "same", about, with_data(kind="3diebench")).in_papers_setting
    other = run_of(tmp_path / "other", about, with_data(kind="own"))
    assert other.dataset == "own" and not other.in_papers_setting


def test_settings_are_shown_as_what_they_were(tmp_path: Path) -> None:
    run = run_of(tmp_path / "run", {"data": {"kind": "own"}, "encoder": "own", "encoder_class": "Mine"})
    assert (run.settings["dataset"], run.settings["backbone"]) == ("own", "own")


def test_curves_of_damaged_files(tmp_path: Path) -> None:
    """A line that was cut short is left out, and one that was changed is named; both are told, as is what is gone since the results were written."""
    path = tmp_path / "metrics.csv"
    assert read_training(path) == {}
    path.write_text("")
    assert read_training(path) == {}
    path.write_text("step,epoch,name,value\n1,0,loss,2.5\n2,0,loss,nan\n3,0,lo")
    with pytest.warns(UserWarning, match=r"the last line of .* is cut short"):
        assert read_training(path) == {"loss": [(1, 2.5)]}
    for damaged in ("step,epoch,value\n1,0,2.5\n", "a,b\n1,0,2.5\n", "step,epoch,name,value\n1,0,loss,2,5\n"):
        path.write_text(damaged)
        with pytest.raises(DataError, match=r"metrics.csv is damaged at line \d \(.*\): move it away for a report without curves"):
            read_training(path)
    data, checksum = lines_of([Row(1, 0, "loss", 2.5), Row(2, 0, "loss", 1.5)])
    path.write_bytes(data)
    assert read_training(path, f"{checksum:08x}") == {"loss": [(1, 2.5), (2, 1.5)]}
    path.write_bytes(data.replace(b"2.5", b"2.6"))
    with pytest.raises(DataError, match=r"metrics.csv is damaged at line 2 \(its checksum differs"):
        read_training(path)
    path.write_bytes(b"".join(data.splitlines(keepends=True)[:-1]))
    with pytest.warns(UserWarning, match=r"is not as it was when results.json was written: lines are gone"):
        read_training(path, f"{checksum:08x}")
