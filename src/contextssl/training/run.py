"""A run from settings to results: its folder, its data, its model, Lightning's trainer, and what is written at the end."""

from __future__ import annotations

import dataclasses
import logging
import subprocess
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import torch
from lightning.pytorch.loggers import Logger
from torch import nn

from contextssl import checkpoints
from contextssl.config.settings import TrainSettings
from contextssl.context_labels import LabelSpace
from contextssl.data.dataset import Data, open_data
from contextssl.devices import check_devices
from contextssl.distributed import is_first_process
from contextssl.environments import environments_of
from contextssl.errors import SettingsError
from contextssl.evaluation.online import OnlinePairs
from contextssl.evaluation.results import RESULTS, write_results
from contextssl.evaluation.view_sets import ViewSet
from contextssl.machine import processor
from contextssl.methods import method_of
from contextssl.models.build import build_model
from contextssl.models.view_encoder import ViewEncoder
from contextssl.pairs import EnvironmentMix, PairSampler
from contextssl.precision import choose_precision
from contextssl.randomness import derive_seed
from contextssl.training.folder import LAST, training_folder
from contextssl.training.metrics_files import EventFile, MetricsCSV
from contextssl.training.module import Training
from contextssl.training.progress import on_terminal, progress_callback
from contextssl.training.resume import Resumed, fit, resumed, write_settings
from contextssl.training.saving import AtomicCheckpoints, RunCheckpoints
from contextssl.version import __version__

# Views of each item that the bins of labels are fitted to.
LABEL_VIEWS = 8


def train(settings: TrainSettings, *, data: Data | None = None, encoder: nn.Module | None = None) -> Path:
    """Train ContextSSL, or the rival that ``settings.method`` names, and return the run's folder.

    Args:
        settings: see :class:`~contextssl.config.settings.TrainSettings`; with ``resume`` the run named there goes on exactly.
        data: your own, in the place of ``settings.dataset``.
        encoder: your own module with a ``num_features``, in the place of ``settings.backbone``.

    Raises:
        SettingsError, DataError, CheckpointError: for what is wrong with each, before anything is trained.
        TrainingError: where the loss is not finite.
    """
    with ExitStack() as stack:
        going_on = stack.enter_context(resumed(settings)) if settings.resume is not None else None
        if going_on is not None:
            settings = going_on.settings
        check_settings(settings)
        check_devices(settings)
        if going_on is not None and _is_finished(going_on, settings):
            if settings.progress and is_first_process():
                print(f"{going_on.folder} is finished: nothing is left to train", flush=True)
            return going_on.folder
        data = data if data is not None else open_data(settings, progress=settings.progress)
        environments = environments_of(settings, data.train.factors)
        sampler = PairSampler(data.train, environments, settings.batch_size, settings.block_size, settings.pairs_per_item, settings.seed)
        model = fresh_model(settings, data, encoder)
        if going_on is not None and going_on.checkpoint is not None:
            folder = going_on.folder
        elif is_first_process():
            folder = stack.enter_context(training_folder(settings.output_dir, settings.dataset, settings.run_dir))
        else:
            folder = Path(settings.output_dir)
        made = checkpoints.recipe(model, settings, data, own_encoder=encoder is not None)
        _train(settings, going_on, folder, data, sampler, environments, model, made)
    return folder


def _train(
    settings: TrainSettings,
    going_on: Resumed | None,
    folder: Path,
    data: Data,
    sampler: PairSampler,
    environments: EnvironmentMix,
    model: ViewEncoder,
    made: dict[str, Any],
) -> None:
    """The training itself, in its folder."""
    resumed_from = going_on.checkpoint if going_on is not None else None
    if resumed_from is None and is_first_process():
        write_settings(folder, settings, _commit())
    online = OnlinePairs.draw(data.train, data.val, settings.val_pairs, settings.block_size // 2 - 1, settings.seed)
    module = Training(model, sampler, online, environments.environments, settings, made, folder)
    trainer, saving = _trainer(settings, folder, model.watched, sampler.steps_per_epoch)
    if going_on is not None and resumed_from is not None and is_first_process():
        saving.go_on_from(going_on.content)
    if settings.compile:
        model.encoder.compile()
    time_is_up = fit(trainer, module, saving, resumed_from, folder)
    if trainer.max_epochs == 0:
        trainer.save_checkpoint(folder / LAST, weights_only=False)
    if time_is_up or not module.rows:
        module.rows = module.signals()
    if trainer.is_global_zero:
        run = {
            **describe_run(settings, data),
            "steps": trainer.global_step,
            "images": 2 * sampler.pairs_after(trainer.global_step),
            "seconds": round(saving.seconds, 1),
        }
        write_results(folder, run, module.rows)


def _is_finished(going_on: Resumed, settings: TrainSettings) -> bool:
    """Whether a run has all its epochs and its results: those are not written again, since evaluations may stand among them."""
    if going_on.checkpoint is None or not (going_on.folder / RESULTS).is_file():
        return False
    progress = going_on.content.get("loops", {}).get("fit_loop", {}).get("epoch_progress", {}).get("current", {})
    return bool(progress.get("processed") == (settings.epochs if method_of(settings.method).trains else 0))


def check_settings(settings: TrainSettings) -> None:
    """
    Raises:
        SettingsError: for numbers that cannot be, naming the setting.
    """
    for name in ("epochs", "batch_size", "log_interval", "log_every_steps", "val_pairs", "resolution"):
        if getattr(settings, name) < 1:
            raise SettingsError(f"{name} is {getattr(settings, name)}: it must be at least 1")
    if settings.temperature <= 0:
        raise SettingsError(f"temperature is {settings.temperature}: it must be above 0")
    if settings.learning_rate <= 0:
        raise SettingsError(f"learning_rate is {settings.learning_rate}: it must be above 0")
    if not 0 <= settings.seed < 2**63:
        raise SettingsError(f"seed is {settings.seed}: it must be 0 or more, and below 2^63")
    if settings.optimizer not in ("adam", "adamw"):
        raise SettingsError(f"optimizer is {settings.optimizer!r}: use 'adam' or 'adamw'")
    for name in ("max_minutes", "save_minutes", "save_interval"):
        if getattr(settings, name) < 0:
            raise SettingsError(f"{name} is {getattr(settings, name)}: it must be 0 or more")
    for name in ("weight_decay", "weight_equiv_loss", "weight_labels", "weight_untold", "gradient_clip", "warmup_epochs"):
        if getattr(settings, name) < 0:
            raise SettingsError(f"{name} is {getattr(settings, name)}: it must be 0 or more")
    if settings.weight_labels > 0 and settings.method != "contextssl":
        raise SettingsError(
            f"weight_labels is for method=contextssl: the head reads embeddings in a context; leave it out of {settings.method}"
        )
    if settings.label_bins < 2:
        raise SettingsError(f"label_bins is {settings.label_bins}: a factor is told apart by at least 2")
    odd = [length for length in settings.eval_ctxt if length < 0 or length % 2]
    if odd:
        raise SettingsError(f"eval_ctxt holds {odd[0]}: context lengths count tokens, two a pair, so they are even and 0 or more")
    if settings.block_size < 4:
        raise SettingsError(f"block_size is {settings.block_size}: a context pair and a query need at least 4 tokens")


def describe_run(settings: TrainSettings, data: Data) -> dict[str, Any]:
    """What made a result: settings, seed, version, commit, data, machine."""
    return {
        "settings": dataclasses.asdict(settings),
        "seed": settings.seed,
        "data": dict(data.description),
        **describe_machine(),
    }


def describe_machine() -> dict[str, Any]:
    """Of any result: version, commit, machine, date."""
    return {
        "version": __version__,
        "commit": _commit(),
        "torch": torch.__version__,
        "machine": processor(),
        "device": torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu",
        "threads": torch.get_num_threads(),
        "date": time.strftime("%Y-%m-%d %H:%M:%S"),
    }


def fresh_model(settings: TrainSettings, data: Data, encoder: nn.Module | None) -> ViewEncoder:
    with torch.random.fork_rng():
        torch.manual_seed(derive_seed(settings.seed, "weights"))
        model = build_model(
            settings,
            data.train.factors,
            view_shape=data.view_shape,
            image_mean=data.image_mean,
            image_std=data.image_std,
            columns=data.columns,
            classes=len(data.train.class_names),
            labels=_label_space(settings, data),
            encoder=encoder,
        )
    return model.to(memory_format=torch.channels_last)


def _label_space(settings: TrainSettings, data: Data) -> LabelSpace | None:
    """Labels that depend on the context, fitted to the latents of training views; None where no head is to learn any."""
    if settings.weight_labels == 0:
        return None
    views = ViewSet.choose(data.train.views, "train", LABEL_VIEWS, 0, 0)
    return LabelSpace.fit(views.latents, data.train.factors, len(data.train.class_names), bins=settings.label_bins)


def _trainer(settings: TrainSettings, folder: Path, watched: str, a_epoch: int) -> tuple[pl.Trainer, RunCheckpoints]:
    metrics, events = MetricsCSV(folder), EventFile(folder)
    loggers: list[Logger] = [metrics, events]
    if settings.wandb is not None:
        loggers.append(_wandb(settings, folder))
    saving = RunCheckpoints(
        folder, watched, a_epoch, settings.save_interval, 60 * settings.save_minutes, 60 * settings.max_minutes, metrics, events
    )
    callbacks: list[pl.Callback] = [saving]
    if settings.progress:
        callbacks.append(progress_callback())
    trainer = pl.Trainer(
        # Where Lightning looks for checkpoints of its own under Slurm: never in the folder that a command happens to run in.
        default_root_dir=folder,
        accelerator=settings.accelerator,
        devices=settings.devices,
        num_nodes=settings.num_nodes,
        precision=choose_precision(settings.precision, settings.accelerator),  # type: ignore[arg-type]
        max_epochs=settings.epochs if method_of(settings.method).trains else 0,
        gradient_clip_val=settings.gradient_clip or None,
        logger=loggers,
        log_every_n_steps=settings.log_every_steps,
        callbacks=callbacks,
        plugins=[AtomicCheckpoints()],
        enable_progress_bar=settings.progress and on_terminal(),
        enable_model_summary=False,
        enable_checkpointing=True,
        use_distributed_sampler=False,
        num_sanity_val_steps=0,
        limit_val_batches=0,
    )
    return trainer, saving


def _wandb(settings: TrainSettings, folder: Path) -> Logger:
    try:
        import wandb  # noqa: F401
        from lightning.pytorch.loggers import WandbLogger
    except ImportError as error:
        raise SettingsError("wandb is not installed: pip install 'contextssl[wandb]'") from error
    return WandbLogger(project=settings.wandb, save_dir=folder)


def _commit() -> str | None:
    """The commit of the checkout that the package runs from, or None where it is installed elsewhere."""
    try:
        found = subprocess.run(
            ["git", "describe", "--always", "--dirty"], cwd=Path(__file__).parent, capture_output=True, text=True, timeout=10, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return found.stdout.strip() or None


logging.getLogger("lightning.pytorch.utilities.rank_zero").setLevel(logging.WARNING)
