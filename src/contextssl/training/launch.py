"""Whether the processes that were started, and the devices of the settings, make one run: known before anything is read or written."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import lightning.pytorch as pl
from lightning.fabric.plugins.environments.cluster_environment import ClusterEnvironment
from lightning.fabric.plugins.environments.slurm import SLURMEnvironment
from lightning.fabric.plugins.environments.torchelastic import TorchElasticEnvironment
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch.accelerators import CPUAccelerator
from lightning.pytorch.strategies.launchers import _SubprocessScriptLauncher, subprocess_script
from lightning.pytorch.utilities import rank_zero_only

from contextssl.config.settings import RunSettings
from contextssl.errors import SettingsError
from contextssl.system.distributed import launched
from contextssl.system.first_process import LOOK_SECONDS, STARTED_BY


def check_launch(settings: RunSettings) -> None:
    """Raises SettingsError for devices that are not there, and where the environment says that there are more or fewer processes than devices ×
    num_nodes, which would wait for each other for ever, or each train alone into the other's files.
    """
    launch = launched()
    several = f"{launch.variable} in the environment makes this one of {launch.world} processes"
    alone = f"for a run of its own, unset {launch.variable}"
    asked = f"devices={settings.devices} num_nodes={settings.num_nodes}"
    try:
        with warnings.catch_warnings():
            # Its messages come again when the run's own trainer is made.
            warnings.simplefilter("ignore")
            bare: Any = dict.fromkeys(("logger", "enable_checkpointing", "enable_progress_bar", "enable_model_summary"), False)
            trainer = pl.Trainer(accelerator=settings.accelerator, devices=settings.devices, num_nodes=settings.num_nodes, **bare)
    except (MisconfigurationException, KeyError, RuntimeError, TypeError, ValueError) as error:
        # A variable that a launcher sets in addition to those that are there.
        reason = f"{error.args[0]} is not set" if isinstance(error, KeyError) else " ".join(str(error).split())
        if launch.variable is None:
            raise SettingsError(f"accelerator={settings.accelerator} {asked} are not available: {reason}") from error
        raise SettingsError(f"{several}, which does not go with {asked}: {reason.rstrip('.')}; {alone}") from error
    # Not the trainer's world_size, which under Slurm is what the environment says.
    world = trainer.num_devices * trainer.num_nodes
    if world == 1:
        # A stray rank in the environment is no rank: this is the process that writes.
        rank_zero_only.rank = 0  # type: ignore[attr-defined]
    if launch.world not in (1, world):
        raise SettingsError(
            f"{several}, but {asked} make a run of {world}: say how many devices each node has, and how many nodes; {alone}"
        )
    if settings.sync_batchnorm and world > 1 and isinstance(trainer.accelerator, CPUAccelerator):
        raise SettingsError(
            "sync_batchnorm=true needs GPUs, since PyTorch exchanges these statistics between GPUs alone: leave it out on a CPU"
        )
    cluster = getattr(trainer.strategy, "cluster_environment", None)
    if launch.world == 1 < world and cluster is not None and cluster.creates_processes_externally:
        raise SettingsError(
            f"{asked} make a run of {world} processes, but the environment has started one: start them with torchrun or srun, or unset "
            "LOCAL_RANK, SLURM_NTASKS and their like, and they are started for you"
        )


def without_requeue() -> list[ClusterEnvironment]:
    """For a trainer under Slurm, whose warning a training answers by saving and stopping. Lightning would write files and queue the job again within
    the signal's handler, which hangs where the signal comes at an unsafe point.
    """
    slurm = not TorchElasticEnvironment.detect() and SLURMEnvironment.detect()
    return [SLURMEnvironment(auto_requeue=False)] if slurm else []


# Lightning's function that watches the processes that it has started.
OBSERVER = "_launch_process_observer"
# Seconds that the other processes of a run have to end by themselves once one has.
GRACE_SECONDS = 2.5


@contextmanager
def ending_started(trainer: pl.Trainer, by_force: bool) -> Iterator[None]:
    """Processes that Lightning has started from this one end with it: where it fails, they would wait for it. Where one of them ends by an error,
    this one does, in order where that is safe (``by_force``, of a command: it then ends within seconds whatever it waits for), else at once.
    """
    lightnings = vars(subprocess_script)[OBSERVER]
    os.environ[STARTED_BY] = str(os.getpid())
    if by_force:
        setattr(subprocess_script, OBSERVER, _observe)
    try:
        yield
    except BaseException:
        if isinstance(trainer.strategy.launcher, _SubprocessScriptLauncher):
            trainer.strategy.launcher.kill(getattr(signal, "SIGKILL", signal.SIGTERM))
        raise
    finally:
        os.environ.pop(STARTED_BY, None)
        setattr(subprocess_script, OBSERVER, lightnings)


def _observe(processes: list[subprocess.Popen]) -> None:
    """In place of Lightning's own, which kills this process: it could neither save nor say anything."""
    threading.Thread(target=_end_with_any, args=(processes,), name="processes", daemon=True).start()


def _end_with_any(processes: list[subprocess.Popen]) -> None:
    while any((code := process.poll()) is None or code for process in processes):
        failed = [(rank, process.returncode) for rank, process in enumerate(processes, start=1) if process.returncode]
        if failed:
            # It may end by the same error, or by the same signal.
            time.sleep(GRACE_SECONDS)
            rank, code = failed[0]
            print(f"process {rank} of this run ended with exit code {code}: the others stop", file=sys.stderr, flush=True)
            for process in processes:
                process.kill()
            os.kill(os.getpid(), signal.SIGTERM)
            return
        time.sleep(LOOK_SECONDS)
