from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from lightning.pytorch.utilities import rank_zero_only

from contextssl.errors import SettingsError
from contextssl.training.launch import check_launch
from contextssl.training.run import train
from tests.training.runs import tiny_settings, toy_data


def test_a_stray_rank_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As it is found by Lightning when it is imported, and by whoever looks at the environment."""
    for name, value in (("RANK", "1"), ("SLURM_PROCID", "3"), ("LOCAL_RANK", "2"), ("WORLD_SIZE", "1")):
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(rank_zero_only, "rank", 1, raising=False)
    folder = tmp_path / "run"
    settings = tiny_settings(epochs=1, log_interval=1, output_dir=str(tmp_path / "runs"), run_dir=str(folder))
    assert train(settings, data=toy_data(tmp_path / "store")) == folder
    there = {path.name for path in folder.iterdir()}
    assert there == {"checkpoints", "metrics.csv", "results.json", "settings.json", "tensorboard"}
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("environment", "devices", "message"),
    [
        ({"SLURM_NTASKS": "2", "SLURM_JOB_NAME": "train"}, 1, r"SLURM_NTASKS in the environment makes this one of 2 .* unset SLURM_NTASKS"),
        ({"SLURM_NTASKS": "2", "SLURM_NTASKS_PER_NODE": "2", "SLURM_JOB_NAME": "a"}, 1, r"SLURM_NTASKS .* but devices=1 .* a run of 1"),
        ({"TORCHELASTIC_RUN_ID": "1", "RANK": "1", "WORLD_SIZE": "2", "LOCAL_RANK": "1"}, 1, r"WORLD_SIZE .* but devices=1 .* a run of 1"),
        ({"LOCAL_RANK": "0", "WORLD_SIZE": "3"}, 2, r"WORLD_SIZE .* one of 3 processes, but devices=2 num_nodes=1 make a run of 2"),
        ({"LOCAL_RANK": "0"}, 2, r"make a run of 2 processes, but the environment has started one: .* unset LOCAL_RANK"),
        (
            {"SLURM_NTASKS": "1", "SLURM_JOB_NAME": "train", "SLURM_NODEID": "0", "SLURM_LOCALID": "0", "SLURM_PROCID": "0"},
            2,
            r"make a run of 2 processes, but the environment has started one",
        ),
        ({"SLURM_NTASKS": "1", "SLURM_JOB_NAME": "train"}, 2, r"devices=2 num_nodes=1 are not available: SLURM_\w+ is not set"),
        ({}, 0, r"devices=0 num_nodes=1 are not available"),
    ],
)
def test_processes_that_would_wait_for_ever_or_train_alone(
    environment: dict[str, str], devices: int, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(rank_zero_only, "rank", 0, raising=False)
    with pytest.raises(SettingsError, match=message) as error:
        check_launch(tiny_settings(devices=devices))
    assert "\n" not in str(error.value)


def test_what_goes_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rank_zero_only, "rank", 0, raising=False)
    check_launch(tiny_settings(devices=1, sync_batchnorm=True))
    check_launch(tiny_settings(devices=2))  # Lightning starts the second
    with pytest.raises(SettingsError, match="sync_batchnorm=true needs GPUs"):
        check_launch(tiny_settings(devices=2, sync_batchnorm=True))
    monkeypatch.setenv("SLURM_NTASKS", "2")
    monkeypatch.setenv("SLURM_JOB_NAME", "bash")
    check_launch(tiny_settings(devices=1))


def test_where_one_process_of_a_command_ends_by_an_error_the_first_ends_in_order() -> None:
    """Lightning would kill it."""
    script = """
import subprocess, sys, time
from contextssl.system import interruptions
from contextssl.training import launch
launch.GRACE_SECONDS = 0.2
with interruptions.command() as signals:
    launch._observe([subprocess.Popen([sys.executable, "-c", "pass"]), subprocess.Popen([sys.executable, "-c", "raise SystemExit(3)"])])
    try:
        time.sleep(60)
    except KeyboardInterrupt:
        print("saved", flush=True)
        signals.leave()
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stdout) == (143, "saved\n")
    assert "process 2 of this run ended with exit code 3: the others stop" in done.stderr
