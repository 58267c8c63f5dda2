from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from contextssl.errors import DataError
from contextssl.evaluation.results import ResultRow, read_results, write_results
from contextssl.report.collect import read_run


def test_results_are_valid_json_and_come_back(tmp_path: Path) -> None:
    rows = [
        ResultRow("online", "r2_pooled", 0.5, "rotation", "color", 14, "embedding", "auxiliary", floor=0.46, split="val", count=10),
        ResultRow("online", "r2", math.nan, "color"),
    ]
    path = write_results(tmp_path, {"seed": 3}, rows)
    content = json.loads(path.read_text(), parse_constant=lambda name: (_ for _ in ()).throw(ValueError(name)))
    assert content["rows"][1]["mean"] is None, "what is undefined is null"
    run, again = read_results(tmp_path)
    assert run == {"seed": 3} and again[0] == rows[0] and math.isnan(again[1].mean)


@pytest.mark.parametrize("newer", [{"format": 2}, {"rows": [{"protocol": "online", "metric": "r2", "mean": 0.5, "colour": "red"}]}])
def test_what_a_newer_version_wrote_is_not_called_damaged(tmp_path: Path, newer: dict[str, object]) -> None:
    path = write_results(tmp_path, {"seed": 3}, [ResultRow("online", "r2", 0.5)])
    content = json.loads(path.read_text())
    assert content["format"] == 1
    path.write_text(json.dumps({**content, **newer}))
    for read in (read_results, read_run):
        with pytest.raises(DataError, match="written by a newer version of contextssl"):
            read(tmp_path)


def test_names_for_logs() -> None:
    assert ResultRow("online", "r2_pooled", 0.5, "rotation", "color", 14, "embedding").key() == "r2_pooled/rotation/color-14"
    assert ResultRow("online", "accuracy", 0.5, "class", representation="feature", length=0).key() == "accuracy/class/feature"
