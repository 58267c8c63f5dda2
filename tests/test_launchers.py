"""Sweeps and comparisons whose runs a launcher of Hydra starts in processes of its own, through the command line."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.sources import ToySource, toy_store
from tests.test_cli import TINY

# Each with what makes it start two at once.
LAUNCHERS = {"joblib": ["hydra.launcher.n_jobs=2"], "submitit_local": [], "ray": []}


def started(words: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "contextssl", *words], cwd=folder, capture_output=True, text=True, timeout=1500)


def launched_by(launcher: str) -> list[str]:
    if launcher == "ray":
        pytest.importorskip("hydra_plugins.hydra_ray_launcher", reason="hydra-ray-launcher is not installed")
    return [f"hydra/launcher={launcher}", *LAUNCHERS[launcher]]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    toy_store(tmp_path / "store", ToySource(items={"train": 12, "val": 60}, num_views=6), resolution=8)
    return tmp_path


DATA = ["dataset=shapes", "data_dir=store", "resolution=8"]


@pytest.mark.long
@pytest.mark.parametrize("launcher", ["joblib", "ray"])
def test_each_run_of_a_sweep_is_a_job(launcher: str, folder: Path) -> None:
    done = started(["train", "-m", *TINY, *DATA, "seed=3,4", *launched_by(launcher)], folder)
    assert done.returncode == 0, done.stderr
    seeds = [json.loads(path.read_text())["run"]["seed"] for path in folder.glob("runs/*/results.json")]
    assert sorted(seeds) == [3, 4]


@pytest.mark.long
def test_the_runs_of_a_comparison_are_jobs(folder: Path) -> None:
    given = [word for word in TINY if not word.startswith("eval_ctxt")]
    words = ["compare", *given, *DATA, "methods=[simclr,vicreg]", "seeds=[0]", "protocols=[equivariance]", *launched_by("submitit_local")]
    done = started(words, folder)
    assert done.returncode == 0, done.stderr
    assert "2 runs in runs/compare: 0 finished, 2 to do" in done.stdout
    text = (folder / "runs/compare/comparison.md").read_text()
    assert "simclr" in text and "vicreg" in text
    again = started(words, folder)
    assert again.returncode == 0 and "2 finished, 0 to do" in again.stdout


@pytest.mark.long
@pytest.mark.parametrize("launcher", LAUNCHERS)
def test_what_fails_in_a_job_is_one_sentence(launcher: str, folder: Path) -> None:
    words = launched_by(launcher)
    images = folder / "store/images.npy"
    images.write_bytes(images.read_bytes()[:1000])
    done = started(["train", "-m", *TINY, *DATA, "seed=3,4", *words], folder)
    assert done.returncode == 2
    errors = [line for line in done.stderr.splitlines() if line.startswith("contextssl: error:")]
    assert len(errors) == 1 and "seed=3: " in errors[0] and "images.npy has 1000 bytes" in errors[0]
    assert "Traceback" not in done.stderr
