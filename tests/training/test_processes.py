"""Runs over two real processes on the CPU: where they write, that they agree, and that all of them stop."""

from __future__ import annotations

import json
import os
import shutil
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torch.multiprocessing.spawn import spawn

from contextssl import checkpoints
from contextssl.config.settings import TrainSettings
from contextssl.data.dataset import Data
from contextssl.errors import TrainingError
from contextssl.randomness import DrawingFrom, seeded_generator
from contextssl.records.results import read_results
from contextssl.system.distributed import is_first_process
from contextssl.training import module as training_module
from contextssl.training.non_finite import read_bad_step
from contextssl.training.replay import replay
from contextssl.training.run import train
from tests.training.runs import tiny_settings, toy_data

BAD_STEP = 4
# Of each run in this process.
DATA: dict[str, Data] = {}


def encoder() -> nn.Module:
    with DrawingFrom(seeded_generator(0, "encoder")):
        made = nn.Sequential(nn.Flatten(), nn.Linear(192, 12), nn.Tanh())
    made.num_features = 12  # type: ignore[assignment]
    return made


def one_run(folder: Path, name: str, devices: int, **given: Any) -> Path:
    # Items for three whole batches and six pairs, of which the second sequence is cut short.
    data = DATA[name] = toy_data(folder / f"store-{name}-{os.environ.get('LOCAL_RANK', 0)}", items={"train": 30, "val": 8})
    settings = tiny_settings(output_dir=str(folder / "runs"), run_dir=str(folder / name), devices=devices, log_interval=4, bottleneck=0.1)
    for key, value in given.items():
        setattr(settings, key, value)
    return train(settings, data=data, encoder=encoder())


def _process(rank: int, folder: str) -> None:
    os.environ.update(LOCAL_RANK=str(rank), WORLD_SIZE="2", MASTER_ADDR="127.0.0.1", MASTER_PORT="29533")
    root = Path(folder)
    found: dict[str, Any] = {"first": is_first_process(), "folder": str(one_run(root, "two", devices=2))}
    one_run(root, "resumed", devices=2, max_minutes=1e-9)
    found["stopped"] = checkpoints.read(root / "resumed/checkpoints/last.ckpt")["global_step"]
    train(TrainSettings(resume=str(root / "resumed"), devices=2, progress=False), data=DATA["resumed"], encoder=encoder())
    # The optimiser's state in shares; stopped, and kept for one process to go on with.
    one_run(root, "shared", devices=2, max_minutes=1e-9, shard_optimizer=True)
    if rank == 0:
        shutil.copytree(root / "shared", root / "moved")
    train(
        TrainSettings(resume=str(root / "shared"), devices=2, shard_optimizer=True, progress=False), data=DATA["shared"], encoder=encoder()
    )
    loss_of = vars(training_module)["loss_of"]
    step = 0

    def bad_in_one(*args: Any) -> Any:
        """Not finite at one step in the second process alone."""
        nonlocal step
        losses = loss_of(*args)
        object.__setattr__(losses, "total", losses.total * (float("nan") if rank == 1 and step == BAD_STEP else 1.0))
        step += 1
        return losses

    vars(training_module)["loss_of"] = bad_in_one
    began = time.monotonic()
    try:
        one_run(root, "bad", devices=2)
    except TrainingError as error:
        found["error"] = str(error)
    found["seconds"] = time.monotonic() - began
    (root / f"{rank}.json").write_text(json.dumps(found))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("processes")
    spawn(_process, (str(folder),), nprocs=2)
    one_run(folder, "one", devices=1)
    data = toy_data(folder / "store-shared-0", items={"train": 30, "val": 8})
    train(TrainSettings(resume=str(folder / "moved"), devices=1, progress=False), data=data, encoder=encoder())
    return folder


def found(folder: Path, rank: int) -> dict[str, Any]:
    return json.loads((folder / f"{rank}.json").read_text())


def test_every_process_knows_the_runs_folder_and_the_first_one_writes(folder: Path) -> None:
    assert [found(folder, rank)["first"] for rank in (0, 1)] == [True, False]
    assert [found(folder, rank)["folder"] for rank in (0, 1)] == [str(folder / "two")] * 2
    assert sorted(path.name for path in (folder / "two").iterdir()) == sorted(path.name for path in (folder / "one").iterdir())
    assert not (folder / "runs").exists()


def test_two_processes_reach_the_weights_of_one(folder: Path) -> None:
    one, two = (checkpoints.read(folder / name / "checkpoints" / "last.ckpt")["state_dict"] for name in ("one", "two"))
    assert one.keys() == two.keys()
    for key, value in one.items():
        assert torch.allclose(two[key], value, atol=2e-3, rtol=2e-3), key
    first, second = (read_results(folder / name) for name in ("one", "two"))
    assert first[0]["images"] == second[0]["images"]
    for a, b in zip(first[1], second[1], strict=True):
        assert b.mean == pytest.approx(a.mean, abs=0.05), a


def test_two_processes_that_were_stopped_go_on_to_the_same_weights(folder: Path) -> None:
    assert [found(folder, rank)["stopped"] for rank in (0, 1)] == [1, 1]
    two, resumed = (checkpoints.read(folder / name / "checkpoints" / "last.ckpt") for name in ("two", "resumed"))
    assert two["global_step"] == resumed["global_step"]
    for key, value in two["state_dict"].items():
        assert torch.equal(value, resumed["state_dict"][key]), key


@pytest.mark.parametrize("name", ["shared", "moved"])
def test_an_optimiser_in_shares_takes_the_same_steps_and_its_checkpoint_moves_to_one_process(folder: Path, name: str) -> None:
    two, other = (checkpoints.read(folder / run / "checkpoints" / "last.ckpt") for run in ("two", name))
    assert two["global_step"] == other["global_step"]
    for key, value in two["state_dict"].items():
        assert torch.allclose(other["state_dict"][key], value, atol=2e-3, rtol=2e-3), key
    # Whole, as that of one process.
    states = [checkpoint["optimizer_states"][0]["state"] for checkpoint in (two, other)]
    assert states[0].keys() == states[1].keys()


def test_a_loss_that_is_not_finite_in_one_process_stops_all(folder: Path) -> None:
    errors = [found(folder, rank).get("error", "went on") for rank in (0, 1)]
    assert errors[0] == errors[1] and f"not finite at step {BAD_STEP} (epoch 1, batch 0)" in errors[0]
    assert max(found(folder, rank)["seconds"] for rank in (0, 1)) < 60
    record = json.loads((folder / "bad" / "before-non-finite.json").read_text())
    assert record["global_step"] == BAD_STEP and len(record["items"]) == 8, "the whole batch"
    assert (record["process"], record["processes"]) == (1, 2), "it is written by the process that had it"
    kept = read_bad_step(folder / "bad").batch
    assert kept.items.tolist() == record["items"] and len(kept.source) == 8
    replayed = replay(folder / "bad", encoder=encoder(), accelerator="cpu")
    assert replayed.found is None, "what this test does to the loss of one process is not repeated"
    saved = checkpoints.read(folder / "bad" / "checkpoints" / "before-non-finite.ckpt")
    assert saved["global_step"] == BAD_STEP and all(bool(value.isfinite().all()) for value in saved["state_dict"].values())
