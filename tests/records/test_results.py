from __future__ import annotations

import json
import math
import subprocess
import sys
from pathlib import Path

import pytest

from contextssl.errors import DataError, NewerFormatError
from contextssl.records.results import (
    RESULTS,
    ResultRow,
    evaluation_name,
    evaluation_of,
    read_results,
    update_results,
    write_results,
    write_trained,
)
from contextssl.report.collect import read_run
from tests.edited import edit_json


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
    assert json.loads(path.read_text())["format"] == 1
    edit_json(path, lambda content: content.update(newer))
    for read in (read_results, read_run):
        with pytest.raises(DataError, match="written by a newer version of contextssl"):
            read(tmp_path)


def test_names_for_logs() -> None:
    assert ResultRow("online", "r2_pooled", 0.5, "rotation", "color", 14, "embedding").key() == "r2_pooled/rotation/color-14"
    assert ResultRow("online", "accuracy", 0.5, "class", representation="feature", length=0).key() == "accuracy/class/feature"


ROW = {"protocol": "probe", "metric": "r2", "mean": 0.5}


@pytest.mark.parametrize(
    "text",
    [
        "",
        '{"run": {}, "ro',
        "\x00\x00",
        "[1]",
        "7",
        '{"rows": []}',
        '{"run": [], "rows": []}',
        '{"run": {}, "rows": {}}',
        '{"run": {}, "rows": [3]}',
        '{"run": {"evaluations": [1]}, "rows": []}',
        '{"run": {"evaluations": {"probe": 3}}, "rows": []}',
        '{"run": {"evaluations": {"probe": {"settings": "x"}}}, "rows": []}',
        '{"run": {"settings": 1}, "rows": []}',
        json.dumps({"run": {}, "rows": [{**ROW, "mean": "0.5"}]}),
        json.dumps({"run": {}, "rows": [{**ROW, "length": "14"}]}),
        json.dumps({"run": {}, "rows": [{**ROW, "factor": 3}]}),
        json.dumps({"run": {}, "rows": [{"metric": "r2", "mean": 0.5}]}),
        json.dumps({"run": {}, "rows": [{"protocol": "probe", "metric": "r2"}]}),
        json.dumps({"run": {}, "rows": [{**ROW, "n": None}]}),
    ],
)
def test_damaged_results_are_one_clear_line(tmp_path: Path, text: str) -> None:
    (tmp_path / RESULTS).write_text(text)
    with pytest.raises(
        DataError, match=r"results.json is damaged \(.*\): remove it and write it again by contextssl evaluate all"
    ) as caught:
        read_results(tmp_path)
    assert "\n" not in str(caught.value)
    with pytest.raises(DataError, match="is damaged"):
        update_results(tmp_path, lambda run, rows: (run or {}, rows))
    assert (tmp_path / RESULTS).read_text() == text, "what is there is not written over"


def test_bytes_that_are_no_text_and_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot read"):
        read_results(tmp_path)
    (tmp_path / RESULTS).write_bytes(b"\xff\xfe{")
    with pytest.raises(DataError, match="is damaged"):
        read_results(tmp_path)


def test_a_newer_field_is_a_newer_version(tmp_path: Path) -> None:
    (tmp_path / RESULTS).write_text(json.dumps({"run": {}, "rows": [ROW, {**ROW, "interval": [0, 1]}]}))
    with pytest.raises(DataError, match=r"newer version of contextssl \(its rows hold interval\): update contextssl"):
        read_results(tmp_path)


def test_what_rows_of_earlier_versions_hold_is_read_and_left_out(tmp_path: Path) -> None:
    (tmp_path / RESULTS).write_text(
        json.dumps({"run": {}, "rows": [{**ROW, "mean": 1.0, "seconds": 3.5}, {**ROW, "mean": 2.0, "seconds": None}]})
    )
    assert [row.mean for row in read_results(tmp_path)[1]] == [1.0, 2.0]


def test_whole_numbers_may_stand_for_fractions(tmp_path: Path) -> None:
    (tmp_path / RESULTS).write_text(json.dumps({"run": {}, "rows": [{**ROW, "mean": 1, "std": 0, "floor": None, "bottleneck": 0}]}))
    assert read_results(tmp_path)[1][0].mean == 1


WRITER = """
import sys, time
from pathlib import Path
from contextssl.records.results import ResultRow, update_results
folder, name = Path(sys.argv[1]), sys.argv[2]
for number in range(20):
    def add(run, rows):
        time.sleep(0.002)
        return {**(run or {}), name: number}, [*rows, ResultRow("probe", name, number)]
    update_results(folder, add)
"""


def test_two_that_write_at_once_lose_no_row(tmp_path: Path) -> None:
    writers = [subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path), name]) for name in ("a", "b")]
    assert [writer.wait(timeout=120) for writer in writers] == [0, 0]
    run, rows = read_results(tmp_path)
    assert run == {"a": 19, "b": 19}
    assert sorted((row.metric, row.mean) for row in rows) == [(name, float(number)) for name in "ab" for number in range(20)]


def test_training_keeps_evaluations_of_the_weights_that_it_ends_with(tmp_path: Path) -> None:
    rows = [ResultRow("probe", "r2", 0.5, weights="a"), ResultRow("geometry", "r2", 0.4, weights="b"), ResultRow("online", "r2", 0.3)]
    made = {"probe": {"weights": "a"}, "geometry": {"weights": "b"}}
    write_results(tmp_path, {"steps": 1, "evaluations": made}, rows)
    new = ResultRow("online", "r2", 0.6)
    write_trained(tmp_path, {"steps": 2}, [new], "a")
    assert read_results(tmp_path) == ({"steps": 2, "evaluations": {"probe": {"weights": "a"}}}, [new, rows[0]])
    write_trained(tmp_path, {"steps": 3}, [new], "c")
    assert read_results(tmp_path) == ({"steps": 3}, [new])
    (tmp_path / RESULTS).write_text("{")
    with pytest.warns(UserWarning, match=r"results.json is damaged .*; it is kept as .*results.damaged.json, and training writes its own"):
        write_trained(tmp_path, {"steps": 4}, [new], "c")
    assert read_results(tmp_path) == ({"steps": 4}, [new]), "a finished training is written, whatever was there"
    assert (tmp_path / "results.damaged.json").read_text() == "{"
    edit_json(tmp_path / RESULTS, lambda content: content.update(format=2))
    with pytest.raises(NewerFormatError, match="results.json has format 2"):
        write_trained(tmp_path, {"steps": 5}, [new], "c")


def test_a_changed_digit_is_found_unless_the_digest_was_removed(tmp_path: Path) -> None:
    path = write_results(tmp_path, {"seed": 3}, [ResultRow("probe", "r2", 0.5)])
    whole = path.read_text()
    path.write_text(whole.replace("0.5", "0.6"))
    with pytest.raises(DataError, match=r'was changed after it was written, .* if the change is meant, remove its line "digest"$'):
        read_results(tmp_path)
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(line for line in lines if '"digest"' not in line))
    assert read_results(tmp_path)[1][0].mean == 0.6
    path.write_text(json.dumps(json.loads(whole), indent=4, sort_keys=True))
    assert read_results(tmp_path)[1][0].mean == 0.5, "formatted anew"


def test_names_of_evaluations() -> None:
    assert [evaluation_name("probe", split) for split in ("val", "train")] == ["probe", "probe (train)"]
    for protocol, split in (("probe", "val"), ("retrieval", "train")):
        assert evaluation_of(evaluation_name(protocol, split)) == (protocol, split)


def test_protocols_and_disturbances_by_the_names_that_they_had(tmp_path: Path) -> None:
    rows = [
        ResultRow("reading", "variance_share", 0.5, split="test", context=name) for name in (None, "nothing told", "all told", "shuffled")
    ]
    write_results(tmp_path, {"evaluations": {"reading (test)": {"seed": 3}, "probe": {"seed": 4}}}, rows)
    run, read = read_results(tmp_path)
    assert run["evaluations"] == {"context-sensitivity (test)": {"seed": 3}, "probe": {"seed": 4}}
    assert {row.protocol for row in read} == {"context-sensitivity"}
    assert [row.context for row in read] == [None, "no factor active", "all factors active", "shuffled"]
