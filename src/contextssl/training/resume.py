"""Resuming a run, and stopping one so that it can be resumed."""

from __future__ import annotations

import dataclasses
import re
import shlex
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
from torch.distributed import DistError

from contextssl import advice, checkpoints
from contextssl.checkpoints.content import known_settings, named_method, recipe_of, refuse_named_code
from contextssl.checkpoints.file import beside, is_whole
from contextssl.config.settings import TrainSettings
from contextssl.data_set import own_name
from contextssl.errors import (
    CheckpointError,
    ContextSSLError,
    DamagedCheckpointError,
    DataError,
    NewerFormatError,
    SettingsError,
    StorageError,
    TrainingError,
    memory_shortage,
)
from contextssl.records.results import read_results
from contextssl.records.run_folder import CHECKPOINTS, LAST, PREVIOUS, SETTINGS, held, is_early, tidy
from contextssl.system import interruptions
from contextssl.system.digested_json import read_digested, write_digested
from contextssl.system.distributed import is_first_process
from contextssl.system.files import storage_error
from contextssl.training.launch import ending_started
from contextssl.training.module import Training
from contextssl.training.saving import RunCheckpoints, Stop
from contextssl.version import __version__

# Of settings.json.
FORMAT = 1
# What may change when a run is resumed: where and how it runs, not what it computes.
FREE_TO_CHANGE = (
    "accelerator",
    "devices",
    "shard_optimizer",
    "num_nodes",
    "workers",
    "wandb",
    "progress",
    "max_minutes",
    "save_minutes",
    "keep_previous",
    "compile",
    "verify",
)


@dataclasses.dataclass(frozen=True)
class Resumed:
    """A run to resume.

    Stopped before its first checkpoint it has none, no content, and starts again in its own folder. ``own_data`` is the code of the user's own that
    its data were made by, as its files name it; None where they were made by none.
    """

    settings: TrainSettings
    folder: Path
    checkpoint: Path | None
    content: dict[str, Any]
    own_data: str | None = None


@contextmanager
def resumed(given: TrainSettings) -> Iterator[Resumed]:
    """The run that ``given.resume`` names, for this process alone. Raises CheckpointError where there is nothing to resume; SettingsError where
    other settings are given than the run's own; BusyError where another process trains in its folder.
    """
    named = Path(str(given.resume))
    if named.is_dir() and not (named / LAST).is_file() and (named / SETTINGS).is_file() and is_early(named):
        own = TrainSettings(**stored_settings(named))
        settings = _settings(given, own, named / SETTINGS)
        settings.run_dir = str(named)
        yield Resumed(settings, named, None, {}, own_name(own.dataset))
        return
    path = checkpoint_to_resume(named)
    if named.is_dir() and path.name not in (Path(LAST).name, Path(PREVIOUS).name):
        warnings.warn(f"{named} has no last checkpoint, so it goes on from {path.stem}", stacklevel=3)
    if path.resolve().parent.name != CHECKPOINTS:
        _check_own(checkpoints.read(path), path)
        raise CheckpointError(f"{path} is not in the folder {CHECKPOINTS} of a run, so there is no run to resume: put it into one")
    folder = path.parent.parent if named.is_dir() else path.resolve().parent.parent
    # The first process holds it for all of a run, as where a run is new.
    first = is_first_process()
    with held(folder) if first else nullcontext():
        if first:
            tidy(folder)
        path, content = _whole(path, instead=named.is_dir())
        _check_own(content, path)
        own = checkpoints.settings_of(content, str(path), method=given.method)
        if first:
            _restore_settings(folder, own)
        _refuse_newer_results(folder)
        yield Resumed(_settings(given, own, path), folder, path, content, own_name(own.dataset))


def _whole(path: Path, instead: bool) -> tuple[Path, dict[str, Any]]:
    """A checkpoint and its content; ``instead`` of a damaged last one that before it, with a warning: what came after is trained again, to the same
    weights. Raises CheckpointError where there is none, naming others of the run that are whole.
    """
    try:
        return path, checkpoints.read(path)
    except DamagedCheckpointError as error:
        previous = path.with_name(Path(PREVIOUS).name)
        if instead and previous.is_file() and path != previous:
            with suppress(CheckpointError):
                content = checkpoints.read(previous)
                warnings.warn(f"{error}; the run goes on from {previous.stem}, of step {content.get('global_step')}", stacklevel=4)
                return previous, content
        others = [other for other in beside(path) if is_whole(other)]
        if not others:
            raise
        raise CheckpointError(f"{error}, by {advice.command(['contextssl', 'train', f'resume={others[0]}'])}") from error


def checkpoint_to_resume(run: Path) -> Path:
    """The last checkpoint of a run, as :func:`~contextssl.checkpoints.find_checkpoint`; where there is none, the newest of the others: a process
    that is killed at the end of the first epoch has written ``best``, or one that is kept, and not yet ``last``. Raises CheckpointError where there
    is none.
    """
    steps = {}
    for path in [] if (run / LAST).is_file() else _others(run):
        # One that is damaged is no reason not to take another.
        with suppress(CheckpointError):
            steps[path] = int(checkpoints.read(path).get("global_step", -1))
    return max(steps, key=lambda path: steps[path]) if steps else checkpoints.find_checkpoint(run)


def _others(run: Path) -> list[Path]:
    """A run's checkpoints but the last."""
    folder = run / CHECKPOINTS
    return [path for pattern in (Path(PREVIOUS).name, "best.ckpt", "epoch=*.ckpt") for path in folder.glob(pattern)]


def _check_own(content: dict[str, Any], path: Path) -> None:
    if checkpoints.RECIPE not in content:
        raise CheckpointError(f"{path} is no checkpoint of a run here, so it cannot be resumed: load it with contextssl.load")
    recipe_of(content, str(path))


def write_settings(folder: Path, settings: TrainSettings, commit: str | None, parts: Mapping[str, Any]) -> None:
    """The settings of a run, and what its data and encoder are (of :func:`~contextssl.records.provenance.describe_parts`)."""
    about = {"format": FORMAT, "version": __version__, "commit": commit, "settings": dataclasses.asdict(settings)}
    write_digested(folder / SETTINGS, {**about, **parts})


def stored_settings(folder: Path) -> dict[str, Any]:
    """The settings in a run's ``settings.json``.
    Raises DataError where it is missing, damaged, changed, or of a newer format; CheckpointError for settings that this version does not know.
    """
    path = folder / SETTINGS
    fix = "resume the run, which writes it again from its checkpoint, or remove the run"
    content = read_digested(path, fix, FORMAT)
    if not isinstance(content.get("settings"), dict):
        raise DataError(f"{path} is damaged (it holds no settings): {fix}")
    return known_settings(content["settings"], content.get("version"), str(path))


def _restore_settings(folder: Path, own: TrainSettings) -> None:
    """Where ``settings.json`` is missing, damaged or changed, those of the checkpoint are written again."""
    try:
        stored_settings(folder)
    except NewerFormatError:
        raise
    except DataError:
        warnings.warn(
            f"{folder / SETTINGS} is missing, damaged or was changed: it is written again from the checkpoint, whose settings a run keeps; for "
            f"others start a new run, by from={folder}",
            stacklevel=3,
        )
        write_settings(folder, own, None, {})


def _refuse_newer_results(folder: Path) -> None:
    """Raises NewerFormatError where a newer version wrote the run's results, which this one would lose; damaged ones are replaced at the end."""
    try:
        read_results(folder)
    except NewerFormatError:
        raise
    except DataError:
        pass


def _settings(given: TrainSettings, own: TrainSettings, where: Path) -> TrainSettings:
    """The run's own settings, and of the given ones those that may change. Others that differ from their defaults are an error."""
    settings = dataclasses.replace(own, method=named_method(own.method, given.method, str(where)))
    refuse_named_code(settings.dataset, settings.factors, given.factors, str(where))
    # The user's own code is what is named now, never what the file names.
    settings.encoder_factory = given.encoder_factory
    defaults = TrainSettings()
    if own_name(given.dataset) or own_name(settings.dataset):
        settings.dataset = own_name(given.dataset) or defaults.dataset
    # Of one command alone: its default is not the value of the command before.
    settings.max_minutes = given.max_minutes
    for field in dataclasses.fields(TrainSettings):
        value = getattr(given, field.name)
        if field.name == "resume" or value == getattr(defaults, field.name):
            continue
        if field.name in FREE_TO_CHANGE:
            setattr(settings, field.name, value)
        elif value != getattr(settings, field.name):
            raise SettingsError(
                f"{field.name}={value} differs from the run that is resumed ({getattr(settings, field.name)}): leave it out, or start a new "
                f"run; free to change are {', '.join(FREE_TO_CHANGE)}"
            )
    return settings


def fit(trainer: pl.Trainer, module: Training, saving: RunCheckpoints, resumed_from: Path | None) -> bool:
    """Train, from a checkpoint where there is one. Returns whether the time limit stopped the run. Raises KeyboardInterrupt where the user stopped
    it, saying how to resume; SystemExit for other signals in a program of the user's; DataError where the disk is full, saying how to resume.
    """

    def message() -> str:
        return f"training stopped at step {trainer.global_step:,}: {how_to_resume(module.folder)}"

    with interruptions.deferred(message) as signals:
        saving.interruptions = signals
        try:
            with warnings.catch_warnings(), ending_started(trainer, signals.by_force):
                _quiet()
                trainer.fit(module, ckpt_path=resumed_from, weights_only=True)
        except Stop:
            if not saving.time_is_up:
                raise signals.error() from None
            return True
        except SystemExit:
            if not trainer.interrupted:
                raise
            # Lightning ends a process on a KeyboardInterrupt without a message, and ignores further ones.
            signals.take_again()
            raise KeyboardInterrupt(message()) from None
        except Exception as error:
            if signals.asked is not None and not isinstance(error, ContextSSLError):
                # A signal that went to other processes too, which are gone by now: what comes of that is no error.
                raise signals.error() from error
            advised = _with_advice(error, module.folder)
            if advised is error:
                raise
            raise advised from error
        if signals.asked is not None:
            raise signals.error()
    return False


def _with_advice(error: Exception, folder: Path) -> Exception:
    """An error of a disk or of memory, with how the training goes on; any other as it is."""
    going_on = f"the training: {how_to_resume(folder)}"
    if (shortage := memory_shortage(error)) is not None:
        smaller = f"a smaller batch_size or resolution needs a new run, by from={folder}" if (folder / LAST).is_file() else ""
        helps = "devices=N shares each batch among N of them, and workers=0 takes the least memory"
        return TrainingError(f"{shortage}: {helps}; {smaller or 'or lower batch_size or resolution'}; {going_on}")
    if isinstance(error, DistError) or (isinstance(error, RuntimeError) and LOST.search(str(error))):
        return TrainingError(f"another process of this run ended, or cannot be reached: what it said tells why; {going_on}")
    if isinstance(error, OSError):
        error = storage_error(error, error.filename or folder, "write")
    if isinstance(error, StorageError):
        more = ", or move the run's folder to a larger one" if error.full else ""
        return StorageError.of(error.what, f"{'free some space on that disk' if error.full else error.fix}{more}; {going_on}", error.full)
    return error


# What Gloo says where the other end of a connection is gone.
LOST = re.compile(r"gloo/transport|Connection (?:reset|closed) by peer")


def how_to_resume(folder: Path) -> str:
    """For a run that was stopped."""
    if (folder / LAST).is_file() or _others(folder):
        return f"resume from its last checkpoint with contextssl train {shlex.quote(f'resume={folder}')}"
    return "it had no checkpoint yet; start it again by the same command"


def _quiet() -> None:
    """Lightning's advice that does not apply here; everything else is shown."""
    for message in (
        ".*does not have many workers.*",
        ".*smaller than the logging interval.*",
        ".*exists and is not empty.*",
        ".*treespec, LeafSpec.*",
        # Every process validates on the same fixed pairs: there is nothing to average.
        ".*recommended to use `self.log.*sync_dist=True.*",
        # A frozen encoder is never in training mode.
        ".*in eval mode at the start of training.*",
        # Checkpoints of version 0.1 were written by others.
        ".*callbacks used to create the checkpoint need to be provided.*",
    ):
        warnings.filterwarnings("ignore", message)
