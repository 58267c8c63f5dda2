"""``contextssl bench``, end to end at toy size."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from contextssl.bench import train_bench
from contextssl.bench.context_bench import fitted
from contextssl.cli import main

TINY = (
    *("resolution=16", "backbone=resnet_compact", "batch_size=16", "block_size=8", "n_layer=1", "width=16", "projection_dim=16"),
    *("auxiliary_width=16", "rounds=1", "accelerator=cpu"),
)


def measured(*words: str) -> dict[str, Any]:
    assert main(["bench", *words, "out=b.json"]) == 0
    found: dict[str, Any] = json.loads(Path("b.json").read_text())
    assert {"version", "commit", "torch", "machine", "date", "python"} <= set(found["machine"])
    return found


def test_train(in_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = measured("train", *TINY)
    assert [row["part"] for row in found["rows"]] == ["data", "encoder", "predictor", "loss", "optimiser", "whole step"]
    numbers = found["numbers"]
    assert numbers["loss_difference"] < 1e-4 and numbers["operations"] > 0 and 0 < numbers["share_of_limit"] < 1.2
    assert numbers["ratio"] == pytest.approx(numbers["seconds"]["published way"][0] / numbers["seconds"]["step"][0])
    out = capsys.readouterr().out
    assert "images/s" in out and "of the machine's own limit" in out and "b.json" in out


def test_data(in_folder: Path) -> None:
    found = measured("data", "resolution=16", "objects=4", "views=2", "batch_size=8", "rounds=1", "progress=false")
    assert found["numbers"]["pixel_difference"] < 1e-4
    assert [row["way"] for row in found["rows"]] == ["packed store", "one file at a time"]


def test_evaluate(in_folder: Path) -> None:
    found = measured("evaluate", *TINY, "items=8", "probe_epochs=1", "eval_ctxt=[0,2,6]")
    assert found["numbers"]["difference"] < 1e-3 and found["numbers"]["projected_hours"]["published"] > 0


def test_context(in_folder: Path) -> None:
    found = measured("context", "pairs=8", "queries=4", "width=16", "n_layer=1", "rounds=1", "copied_gb=0.000005", "accelerator=cpu")
    assert found["numbers"]["pairs"] == [1, 2, 4, 8] and found["numbers"]["difference"] < 1e-4
    copied = ["copied" in seconds for seconds in found["numbers"]["seconds"].values()]
    assert copied[0] and not copied[-1]


def test_the_fit_finds_intercept_and_slope() -> None:
    fixed, each = fitted({pairs: 2e-3 + 5e-6 * pairs for pairs in (1, 2, 4, 64, 1024)})
    assert fixed == pytest.approx(2e-3) and each == pytest.approx(5e-6)


@pytest.mark.long
def test_gpu_runs_to_its_end_on_a_processor(in_folder: Path) -> None:
    """In a process of its own: the shape checks that tests are run with cannot be compiled."""
    command = [sys.executable, "-m", "contextssl", "bench", "gpu", "accelerator=cpu", "rounds=1"]
    run = subprocess.run(command, capture_output=True, text=True, timeout=1500, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
    report = Path("gpu/report.md").read_text()
    titles = [line for line in report.splitlines() if line.startswith("## ")]
    assert len(titles) == 7 and "failed" not in report
    assert "1000 epochs of 41,920 objects" in report and "compile=true" in report and "The demo, small" in report
    assert len(json.loads(Path("gpu/results.json").read_text())) == 7
    assert "report: gpu/report.md" in run.stdout


def test_a_part_that_fails_is_told_and_the_others_go_on(in_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from contextssl.bench import gpu_bench

    def broken(*_: object) -> None:
        raise RuntimeError("CUDA error: an illegal memory access was encountered")

    for name in ("paper", "precisions", "loaders", "evaluation", "demonstration"):
        monkeypatch.setattr(gpu_bench.Card, name, broken)
    assert main(["bench", "gpu", "accelerator=cpu", "rounds=1"]) == 1
    report = Path("gpu/report.md").read_text()
    assert report.count("illegal memory access") == 5 and "What the device can do" in report and "after a context" in report


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["train", "method=simclr"], "bench measures method=contextssl"),
        (["train", "context=examples"], "contexts of actions"),
        (["train", *TINY, "batch_size=18"], "batch_size=18 is no whole number of sequences of 4 pairs"),
        (["data", "objects=1"], "objects is 1"),
        (["context", "pairs=0"], "pairs is 0"),
    ],
)
def test_what_cannot_be_measured_is_one_line(in_folder: Path, words: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", *words]) == 2
    assert message in capsys.readouterr().err


def test_settings_that_a_measurement_does_not_read_are_named(in_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "train", *TINY, "run_dir=x"]) == 0
    assert "not used by bench, which makes data of noise and keeps nothing: run_dir" in capsys.readouterr().err


def test_losses_that_differ_are_an_error(in_folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(train_bench, "TOLERANCE", 0.0)
    assert main(["bench", "train", *TINY]) == 2
    assert "the two ways' losses differ" in capsys.readouterr().err
