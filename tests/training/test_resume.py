"""Runs that were stopped, by anything, and are resumed: to the weights, the best checkpoint and the metrics of the run that was not."""

from __future__ import annotations

import csv
import errno
import json
import multiprocessing
import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from contextssl import checkpoints
from contextssl.data.dataset import Data
from contextssl.errors import BusyError, CheckpointError, DataError, SettingsError, TrainingError
from contextssl.records.run_folder import held
from contextssl.training import saving
from contextssl.training.module import Training
from contextssl.training.resume import stored_settings
from contextssl.training.run import train
from contextssl.training.saving import RunCheckpoints, prove
from tests.training.runs import tiny_settings, toy_data

pytestmark = pytest.mark.usefixtures("ctrl_c")
# Of this process and machine, not of the run.
OWN = ("train/images_per_second", "memory_mib")
# A method whose model does something after each step, and meters that are read every other step.
RUN: dict[str, Any] = {"method": "byol", "log_every_steps": 2, "log_interval": 1}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Data:
    return toy_data(tmp_path_factory.mktemp("toy") / "store")


@pytest.fixture(scope="module")
def undisturbed(data: Data, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four epochs of three steps."""
    return train(tiny_settings(output_dir=str(tmp_path_factory.mktemp("runs")), **RUN), data=data)


def logged(run: Path) -> list[tuple[str, ...]]:
    with (run / "metrics.csv").open() as file:
        return [tuple(row.values())[:-1] for row in csv.DictReader(file) if row["name"] not in OWN]


def scalars(run: Path) -> dict[str, list[tuple[int, float]]]:
    events = EventAccumulator(str(run / "tensorboard"), size_guidance={"scalars": 0}, purge_orphaned_data=False).Reload()
    return {tag: [(event.step, event.value) for event in events.Scalars(tag)] for tag in events.Tags()["scalars"] if tag not in OWN}


def assert_same_run(a: Path, b: Path) -> None:
    for name in ("last", "best"):
        first, second = (checkpoints.read(run / f"checkpoints/{name}.ckpt") for run in (a, b))
        assert first["global_step"] == second["global_step"], name
        differ = [key for key, value in first["state_dict"].items() if not torch.equal(value, second["state_dict"][key])]
        assert differ == [], name
    assert logged(a) == logged(b)
    assert scalars(a) == scalars(b)
    assert scalars(b)["train/loss"] == [(step, pytest.approx(float(value))) for step, value in at(b, "train/loss")]


def at(run: Path, name: str) -> list[tuple[int, str]]:
    return [(int(row[0]), row[3]) for row in logged(run) if row[2] == name]


def at_step(step: int, act: Callable[[Training], None]) -> pytest.MonkeyPatch:
    """Does something within a training step; to be undone."""
    patch, original = pytest.MonkeyPatch(), Training.training_step

    def training_step(self: Training, *args: Any) -> torch.Tensor:
        if self.global_step == step:
            act(self)
        return original(self, *args)

    patch.setattr(Training, "training_step", training_step)
    return patch


def signalled(number: signal.Signals) -> Callable[[Training], None]:
    return lambda _: os.kill(os.getpid(), number)


@pytest.mark.parametrize(
    ("number", "raised", "step"),
    [(signal.SIGINT, KeyboardInterrupt, 0), (signal.SIGTERM, SystemExit, 4), (signal.SIGUSR1, SystemExit, 5)],
)
def test_a_signal_stops_a_run_after_its_step_and_it_goes_on_as_if_undisturbed(
    data: Data,
    undisturbed: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    number: signal.Signals,
    raised: type[BaseException],
    step: int,
) -> None:
    """In the first step, in the middle of an epoch, in the last step of one; as Slurm warns that the time is nearly up, too."""
    if number == signal.SIGUSR1:
        for name in ("NTASKS", "JOB_NAME", "JOB_ID", "NODEID", "LOCALID", "PROCID"):
            monkeypatch.setenv(f"SLURM_{name}", {"NTASKS": "1", "JOB_NAME": "train"}.get(name, "0"))
    folder = tmp_path / "run"
    patch = at_step(step, signalled(number))
    with pytest.raises(raised) as stopped:
        train(tiny_settings(run_dir=str(folder), **RUN), data=data)
    patch.undo()
    assert checkpoints.read(folder / "checkpoints/last.ckpt")["global_step"] == step + 1
    if raised is KeyboardInterrupt:
        assert str(stopped.value).startswith("training stopped at step 1: resume from its last checkpoint with contextssl train resume=")
    else:
        assert stopped.value.code == 128 + number  # type: ignore[attr-defined]
    moved = folder.rename(tmp_path / "moved")
    assert train(tiny_settings(**RUN, resume=str(moved)), data=data) == moved
    assert_same_run(undisturbed, moved)
    assert "requeue" not in caplog.text, "Lightning is not to do so"


def test_a_run_whose_time_is_up_stops_within_an_epoch_and_goes_on(data: Data, undisturbed: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    train(tiny_settings(run_dir=str(folder), max_minutes=1e-9, **RUN), data=data)
    assert checkpoints.read(folder / "checkpoints/last.ckpt")["global_step"] == 1
    assert json.loads((folder / "results.json").read_text())["run"]["steps"] == 1
    train(tiny_settings(**RUN, resume=str(folder), max_minutes=1e-9), data=data)
    assert checkpoints.read(folder / "checkpoints/last.ckpt")["global_step"] == 2
    train(tiny_settings(**RUN, resume=str(folder)), data=data)
    assert_same_run(undisturbed, folder)
    before = (folder / "results.json").read_bytes()
    # As where it is killed just before it removes it.
    (folder / "checkpoints/last.previous.ckpt").write_bytes(b"earlier")
    assert train(tiny_settings(**RUN, resume=str(folder)), data=data) == folder
    assert not (folder / "checkpoints/last.previous.ckpt").exists()
    assert (folder / "results.json").read_bytes() == before, "evaluations may stand in it"


class Killed(BaseException):
    pass


def killed(_: object) -> None:
    raise Killed


def test_a_run_that_was_killed_before_its_first_checkpoint_begins_again(data: Data, undisturbed: Path, tmp_path: Path) -> None:
    """By the same command, or by resume; what the process was writing is not taken for a checkpoint."""
    for name in ("same", "resume"):
        folder = tmp_path / name
        patch = at_step(2, killed)
        with pytest.raises(Killed):
            train(tiny_settings(run_dir=str(folder), **RUN), data=data)
        patch.undo()
        (folder / "checkpoints").mkdir(exist_ok=True)
        (folder / "checkpoints/.last.0123abcd.tmp.ckpt").write_bytes(b"half a checkpoint")
        with pytest.raises(CheckpointError, match="has no checkpoints: train it first"):
            checkpoints.find_checkpoint(folder)
        train(tiny_settings(**({"run_dir": str(folder), **RUN} if name == "same" else {"resume": str(folder), **RUN})), data=data)
        assert_same_run(undisturbed, folder)


def test_a_start_that_fails_leaves_its_folder_free(data: Data, tmp_path: Path) -> None:
    folder = tmp_path / "run"

    def fails(_: object) -> None:
        raise RuntimeError("first step")

    patch = at_step(0, fails)
    with pytest.raises(RuntimeError, match="first step"):
        train(tiny_settings(run_dir=str(folder), epochs=1), data=data)
    patch.undo()
    assert not folder.exists()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"seed": -1}, "seed is -1: it must be 0 or more"),
        ({"seed": 2**64}, "seed is 18446744073709551616: it must be 0 or more and at most 9223372036854775807"),
        ({"accelerator": "xpu"}, "unknown accelerator 'xpu'"),
        ({"devices": 99}, r"devices is 99: this machine has \d+"),
        ({"devices": 0}, "devices is 0: it takes auto"),
        ({"devices": [0, 1]}, "of a CPU give the number of processes"),
        ({"devices": "many"}, "devices is 'many': it takes auto"),
        ({"num_nodes": 0}, "num_nodes is 0"),
        ({"max_minutes": -1.0}, "max_minutes is -1: it must be 0 or more"),
        ({"optimizer": "sgd"}, "unknown optimizer 'sgd'"),
    ],
)
def test_a_start_that_cannot_be_makes_no_folder(data: Data, tmp_path: Path, given: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        train(tiny_settings(run_dir=str(tmp_path / "run"), **given), data=data)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("accelerator", ["gpu", "cuda", "mps"])
def test_an_accelerator_that_is_not_there(data: Data, tmp_path: Path, accelerator: str) -> None:
    if torch.cuda.is_available() or torch.backends.mps.is_available():
        pytest.skip("this machine has one")
    with pytest.raises(SettingsError, match=f"accelerator={accelerator}: this machine has none; use accelerator=cpu"):
        train(tiny_settings(run_dir=str(tmp_path / "run"), accelerator=accelerator), data=data)
    assert not (tmp_path / "run").exists()


@pytest.fixture
def stopped(data: Data, tmp_path: Path) -> Path:
    """After two of twelve steps."""
    folder = tmp_path / "stopped"
    train(tiny_settings(run_dir=str(folder), max_minutes=1e-9, **RUN), data=data)
    train(tiny_settings(**RUN, resume=str(folder), max_minutes=1e-9), data=data)
    return folder


def test_two_resumes_at_once_and_damaged_files_next_to_the_checkpoint(data: Data, undisturbed: Path, stopped: Path) -> None:
    with held(stopped), pytest.raises(BusyError, match="another process is training in .*stopped: wait for it to end"):
        train(tiny_settings(**RUN, resume=str(stopped)), data=data)
    metrics = stopped / "metrics.csv"
    whole = metrics.read_bytes()
    metrics.write_bytes(whole.replace(b"train/loss", b"train/loss,0"))
    with pytest.raises(DataError, match=r"metrics.csv is damaged at line \d+ .*fix that line, or move the file away"):
        train(tiny_settings(**RUN, resume=str(stopped)), data=data)
    metrics.write_bytes(whole + b"7,2,train/lo")
    (stopped / "settings.json").write_text('{"format": 1, "settings": {"see')
    with pytest.warns(UserWarning) as warned:
        train(tiny_settings(**RUN, resume=str(stopped)), data=data)
    said = sorted(str(warning.message).removeprefix(f"{stopped}/") for warning in warned)
    assert (
        len(said) == 2 and "settings.json is missing, damaged or was changed: it is written again from the checkpoint" in said[0] + said[1]
    )
    assert any("is cut short ('7,2,train/lo'): it is left out" in text for text in said)
    assert stored_settings(stopped)["method"] == "byol"
    assert_same_run(undisturbed, stopped)


def test_a_damaged_last_checkpoint_gives_way_to_the_one_before(data: Data, undisturbed: Path, stopped: Path) -> None:
    checkpoint = stopped / "checkpoints/last.ckpt"
    previous, aside = checkpoint.with_name("last.previous.ckpt"), checkpoint.with_name("last.damaged.ckpt")
    assert checkpoints.read(previous)["global_step"] == checkpoints.read(checkpoint)["global_step"] - 1
    damaged = checkpoint.read_bytes()[:-700] + bytes(700)
    checkpoint.write_bytes(damaged)
    with pytest.raises(CheckpointError, match=r"last.ckpt is damaged .*: copy it again or use an earlier one \(beside it: last.previous\)"):
        checkpoints.load_any(stopped)
    with pytest.warns(UserWarning, match=r"last.ckpt is damaged .*; the run goes on from last.previous, of step 1$"):
        train(tiny_settings(**RUN, resume=str(stopped), max_minutes=1e-9), data=data)
    assert aside.read_bytes() == damaged and previous.is_file()
    train(tiny_settings(**RUN, resume=str(stopped)), data=data)
    assert_same_run(undisturbed, stopped)
    assert not previous.exists(), "the last checkpoint of a finished run was read back"


def test_where_no_earlier_one_was_kept_those_that_are_whole_are_named(data: Data, stopped: Path) -> None:
    checkpoint = stopped / "checkpoints/last.ckpt"
    shutil.copy(checkpoint, checkpoint.with_name("epoch=0000.ckpt"))
    checkpoint.with_name("best.ckpt").write_bytes(b"PK\x03\x04")
    checkpoint.with_name("last.previous.ckpt").write_bytes(b"")
    checkpoint.write_bytes(checkpoint.read_bytes()[:-700])
    with pytest.raises(
        CheckpointError, match=r"last.ckpt is damaged .*, by contextssl train resume=\S+/stopped/checkpoints/epoch=0000.ckpt$"
    ):
        train(tiny_settings(**RUN, resume=str(stopped)), data=data)
    checkpoint.with_name("epoch=0000.ckpt").unlink()
    with pytest.raises(CheckpointError, match=r"last.ckpt is damaged .*beside it: best, last.previous\)$"):
        train(tiny_settings(**RUN, resume=str(stopped)), data=data)


def test_an_earlier_checkpoint_is_there_at_every_moment(data: Data, stopped: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also on a disk that keeps something else than it was given, and on one without second names of files."""
    folder = stopped / "checkpoints"
    before = {path.name: path.read_bytes() for path in folder.iterdir()}

    def lying(path: Path) -> None:
        if path.name.startswith(".last."):
            path.write_bytes(path.read_bytes().replace(b"contextssl", b"contextsst"))
        prove(path)

    with monkeypatch.context() as patched:
        patched.setattr(saving, "prove", lying)
        with pytest.raises(DataError, match=r"cannot write .*last.ckpt: what was read back is not what was written: the disk"):
            train(tiny_settings(**RUN, resume=str(stopped)), data=data)
    assert {name: (folder / name).read_bytes() for name in before} == before
    monkeypatch.setattr(os, "link", lambda *_: (_ for _ in ()).throw(PermissionError(errno.EPERM, "Operation not permitted")))
    train(tiny_settings(**RUN, resume=str(stopped), max_minutes=1e-9), data=data)
    assert (folder / "last.previous.ckpt").read_bytes() == before["last.ckpt"]
    (folder / "last.previous.ckpt").unlink()
    train(tiny_settings(**RUN, resume=str(stopped), max_minutes=1e-9, keep_previous=False), data=data)
    assert "last.previous.ckpt" not in {path.name for path in folder.iterdir()}


def test_what_a_newer_version_wrote_is_refused(data: Data, stopped: Path) -> None:
    path = stopped / "checkpoints/last.ckpt"
    content = checkpoints.read(path)
    content[checkpoints.RECIPE]["format"] = 99
    torch.save(content, path)
    with pytest.raises(CheckpointError, match=r"last.ckpt has format 99, written by"):
        train(tiny_settings(**RUN, resume=str(stopped)), data=data)
    (stopped / "settings.json").write_text('{"format": 99, "version": "9.0", "settings": {}}')
    with pytest.raises(DataError, match=r"settings.json has format 99, written by contextssl 9.0"):
        stored_settings(stopped)
    (stopped / "settings.json").write_text('{"format": 1, "version": "9.0", "settings": {"seed": 1, "momentum": 0.5, "warp": 9}}')
    with pytest.raises(CheckpointError, match=r"settings.json was written by version 9.0, with settings .* does not know: warp; update"):
        stored_settings(stopped)
    (stopped / "settings.json").write_text('{"format": 1, "version": "0.1.0", "settings": {"seed": 1, "momentum": 0.5}}')
    assert stored_settings(stopped) == {"seed": 1, "ema_momentum": 0.5}


def test_a_checkpoint_that_is_in_no_run_is_not_resumed(data: Data, stopped: Path, tmp_path: Path) -> None:
    (stopped / "checkpoints/last.ckpt").rename(tmp_path / "last.ckpt")
    with pytest.raises(CheckpointError, match="is not in the folder checkpoints of a run"):
        train(tiny_settings(**RUN, resume=str(tmp_path / "last.ckpt")), data=data)


@pytest.mark.parametrize("says", ["[enforce fail at inline_container.cc:672] . unexpected pos 64 vs 0", "basic_ios::clear: iostream error"])
def test_a_full_disk_is_told_in_one_sentence_and_the_last_checkpoint_resumes(
    data: Data, undisturbed: Path, stopped: Path, monkeypatch: pytest.MonkeyPatch, says: str
) -> None:
    def full(content: object, path: Path) -> None:
        path.write_bytes(b"the first half")
        raise RuntimeError(says)

    monkeypatch.setattr(torch, "save", full)
    with pytest.raises(
        DataError,
        match=r"cannot write .*\.ckpt: .*disk.* \(\d.* needed, \d.* free\); free some space on that disk, or move .*train resume=.*stopped",
    ) as refused:
        train(tiny_settings(**RUN, resume=str(stopped)), data=data)
    assert "\n" not in str(refused.value)
    monkeypatch.undo()
    assert sorted(path.name for path in (stopped / "checkpoints").iterdir()) == ["last.ckpt", "last.previous.ckpt"]
    train(tiny_settings(**RUN, resume=str(stopped)), data=data)
    assert_same_run(undisturbed, stopped)


def test_a_read_only_disk_is_told_with_how_the_training_goes_on(
    data: Data, undisturbed: Path, stopped: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read_only(content: object, path: Path) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(path))

    monkeypatch.setattr(torch, "save", read_only)
    with pytest.raises(
        DataError, match=r"cannot write .*\.ckpt: Read-only file system; choose a folder .*contextssl train resume=.*stopped"
    ):
        train(tiny_settings(**RUN, resume=str(stopped)), data=data)
    monkeypatch.undo()
    train(tiny_settings(**RUN, resume=str(stopped)), data=data)
    assert_same_run(undisturbed, stopped)


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (
            torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.50 GiB. GPU 0 has"),
            r"the GPU's memory is full \(2.50 GiB more were asked",
        ),
        (
            RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 4096 bytes."),
            r"memory is full \(4096 bytes more",
        ),
        (MemoryError(), "memory is full: devices=N shares each batch"),
    ],
)
def test_memory_that_runs_out_is_one_sentence_with_how_the_training_goes_on(
    data: Data, undisturbed: Path, stopped: Path, error: Exception, says: str
) -> None:
    def fails(_: object) -> None:
        raise error

    step = int(checkpoints.read(stopped / "checkpoints/last.ckpt")["global_step"])
    patch = at_step(step + 1, fails)
    with pytest.raises(TrainingError, match=f"{says}.*workers=0 .*from=.*contextssl train resume=.*stopped") as refused:
        train(tiny_settings(**RUN, resume=str(stopped)), data=data)
    patch.undo()
    assert "\n" not in str(refused.value)
    train(tiny_settings(**RUN, resume=str(stopped)), data=data)
    assert_same_run(undisturbed, stopped)


def test_a_worker_without_shared_memory_is_one_sentence_and_no_endless_wait(
    data: Data, undisturbed: Path, stopped: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in a container, whose /dev/shm is small: a batch would be lost on its way out of the worker."""

    def full(_: torch.Tensor) -> torch.Tensor:
        raise RuntimeError("unable to allocate shared memory(shm) for file </torch_1_2_3>: No space left on device (28)")

    monkeypatch.setattr(torch.Tensor, "share_memory_", full)  # the workers are forks of this process
    with pytest.raises(
        TrainingError, match=r"shared memory \(/dev/shm; of a container: --shm-size\) is full: .*workers=0 .*resume=.*stopped"
    ) as refused:
        train(tiny_settings(**RUN, resume=str(stopped), workers=2), data=data)
    assert "\n" not in str(refused.value)
    monkeypatch.undo()
    train(tiny_settings(**RUN, resume=str(stopped)), data=data)
    assert_same_run(undisturbed, stopped)


@pytest.mark.parametrize("workers", [0, 2])
def test_a_run_that_was_stopped_between_two_epochs_draws_the_next_ones_batches(
    data: Data, undisturbed: Path, tmp_path: Path, workers: int
) -> None:
    """Workers draw ahead before Lightning has named the epoch."""
    folder = tmp_path / "run"
    patch = at_step(5, signalled(signal.SIGINT))
    with pytest.raises(KeyboardInterrupt):
        train(tiny_settings(run_dir=str(folder), **RUN), data=data)
    patch.undo()
    train(tiny_settings(**RUN, resume=str(folder), workers=workers), data=data)
    assert_same_run(undisturbed, folder)


@pytest.mark.parametrize("kept", [0, 1])
def test_a_run_that_was_killed_between_its_first_two_checkpoints_goes_on(
    data: Data, undisturbed: Path, tmp_path: Path, kept: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At the end of its first epoch, where best, or one that is kept, is written and last is not."""
    folder = tmp_path / "run"
    original = RunCheckpoints._save

    def save(self: RunCheckpoints, trainer: Any, name: str) -> None:
        if name == "last":
            raise Killed
        original(self, trainer, name)

    monkeypatch.setattr(RunCheckpoints, "_save", save)
    with pytest.raises(Killed):
        train(tiny_settings(run_dir=str(folder), save_interval=kept, **RUN), data=data)
    monkeypatch.undo()
    assert not (folder / "checkpoints/last.ckpt").exists()
    with pytest.warns(UserWarning, match=r"run has no last checkpoint, so it goes on from (best|epoch=0000)"):
        train(tiny_settings(**RUN, resume=str(folder)), data=data)
    assert_same_run(undisturbed, folder)


def test_workers_leave_signals_to_the_first_process(data: Data, undisturbed: Path, tmp_path: Path) -> None:
    """Slurm sends them to every process of a job."""
    sent = []

    def signal_workers(_: object) -> None:
        for worker in multiprocessing.active_children():
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1):
                os.kill(worker.pid or 0, number)
                sent.append(number)

    patch = at_step(4, signal_workers)
    train(tiny_settings(run_dir=str(tmp_path / "run"), **RUN, workers=2), data=data)
    patch.undo()
    assert len(sent) == 8
    assert_same_run(undisturbed, tmp_path / "run")
