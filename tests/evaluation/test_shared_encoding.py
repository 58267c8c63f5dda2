"""Several processes encode the views of an evaluation, each once; the numbers are those of one."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from contextssl.cli import main
from contextssl.evaluation import shared_encoding
from contextssl.evaluation.shared_encoding import Share, gathered
from contextssl.records.results import read_results


@given(st.integers(0, 500), st.integers(1, 17))
def test_every_view_is_in_one_share(count: int, world: int) -> None:
    rows = [list(range(count))[Share(rank, world).rows(count)] for rank in range(world)]
    assert [row for share in rows for row in share] == list(range(count))
    assert max(map(len, rows)) - min(map(len, rows)) <= 1


def test_what_another_process_does_not_make_is_made_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared_encoding, "LEAST_SECONDS", 0.3)
    monkeypatch.setattr(shared_encoding, "LOOK_SECONDS", 0.01)
    looked = []

    def other(rank: int) -> torch.Tensor | None:
        looked.append(rank)
        return torch.full((2, 1), 1.0) if rank == 1 and len(looked) > 5 else None

    made = gathered(Share(0, 3), lambda: torch.zeros(2, 1), other, lambda rank: torch.full((1, 1), 10.0 * rank))
    assert made[:, 0].tolist() == [0, 0, 1, 1, 20] and looked.count(2) > 5


TINY = (
    *("dataset=shapes", "classes=2", "objects=8", "val_objects=4", "views=6", "resolution=16", "batch_size=8", "block_size=8", "epochs=1"),
    *("backbone=resnet_compact", "width=16", "n_layer=1", "projection_dim=16", "auxiliary_width=16", "accelerator=cpu", "progress=false"),
)


@pytest.mark.long
@pytest.mark.filterwarnings("ignore:the variance share")
def test_two_processes_give_the_numbers_of_one(in_folder: Path) -> None:
    assert main(["train", *TINY, "run_dir=run"]) == 0
    words = ["evaluate", "geometry", "run", "accelerator=cpu", "progress=false", "sensitivity_items=0", "cache_dir=cache"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(sys.path)}
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node=2", "--master-port=29573", "-m", "contextssl"]
    done = subprocess.run([*torchrun, *words], env=environment, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.count("all numbers:") == 1
    shares = sorted(path.name for path in Path("cache").glob("features-val-share-*.npy"))
    assert len(shares) == 2
    together = read_results(Path("run"))[1]
    assert main([*words[:-1], "cache_dir=other"]) == 0
    for one, two in zip(read_results(Path("run"))[1], together, strict=True):
        assert two.mean == pytest.approx(one.mean, abs=1e-4, nan_ok=True) and two.count == one.count
    alone = subprocess.run([*torchrun, *words, "cache=false"], env=environment, capture_output=True, text=True, timeout=240, check=False)
    assert alone.returncode != 0 and "leave cache=false out" in alone.stderr
