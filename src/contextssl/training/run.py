"""A run from settings to results: its folder, its data, its model, Lightning's trainer, and what is written at the end."""

from __future__ import annotations

import dataclasses
import logging
import signal
import subprocess
import time
import warnings
from datetime import timedelta
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import torch
from lightning.pytorch.loggers import Logger, TensorBoardLogger
from torch import nn

from contextssl import checkpoints
from contextssl.config.settings import TrainSettings
from contextssl.context_labels import LabelSpace
from contextssl.data.dataset import Data, open_data
from contextssl.distributed import is_first_process
from contextssl.environments import environments_of
from contextssl.errors import CheckpointError, SettingsError
from contextssl.evaluation.cache import weights_fingerprint
from contextssl.evaluation.online import OnlinePairs
from contextssl.evaluation.results import write_trained
from contextssl.evaluation.view_sets import ViewSet
from contextssl.files import write_json
from contextssl.machine import processor
from contextssl.methods import method_of
from contextssl.models.build import build_model
from contextssl.models.view_encoder import ViewEncoder
from contextssl.pairs import PairSampler
from contextssl.precision import choose_precision
from contextssl.randomness import derive_seed
from contextssl.training.module import Training
from contextssl.training.progress import on_terminal, progress_callback
from contextssl.training.storage import AtomicCheckpoints, MetricsCSV, NamedCheckpoint, new_run_folder
from contextssl.version import __version__

SETTINGS = "settings.json"
# Views of each item that the bins of labels are fitted to.
LABEL_VIEWS = 8
# What a resumed run may be told anew: where and how it runs, not what it computes.
FREE_TO_CHANGE = ("accelerator", "devices", "num_nodes", "workers", "wandb", "progress", "max_minutes", "save_minutes", "compile")


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
    content: dict[str, Any] | None = None
    resumed_from: Path | None = None
    if settings.resume is not None:
        resumed_from = checkpoints.find_checkpoint(settings.resume)
        content = checkpoints.read(resumed_from)
        settings = _resumed_settings(settings, content, resumed_from)
    check_settings(settings)
    data = data if data is not None else open_data(settings, progress=settings.progress)
    environments = environments_of(settings, data.train.factors)
    sampler = PairSampler(data.train, environments, settings.batch_size, settings.block_size, settings.pairs_per_item, settings.seed)
    model = fresh_model(settings, data, encoder)
    if resumed_from is not None:
        folder = resumed_from.parent.parent
    else:
        folder = (
            new_run_folder(settings.output_dir, settings.dataset, settings.run_dir) if is_first_process() else Path(settings.output_dir)
        )
    made = checkpoints.recipe(model, settings, data, own_encoder=encoder is not None)
    if content is None and is_first_process():
        write_json(folder / SETTINGS, {"version": __version__, "commit": _commit(), "settings": dataclasses.asdict(settings)})
    online = OnlinePairs.draw(data.train, data.val, settings.val_pairs, settings.block_size // 2 - 1, settings.seed)
    module = Training(model, sampler, online, environments.environments, settings, made, folder)
    trainer, metrics = _trainer(settings, folder, model.watched)
    if content is not None:
        metrics.forget_after(int(content["global_step"]))
    if settings.compile:
        model.encoder.compile()
    began = time.monotonic()
    _fit(trainer, module, resumed_from, folder)
    if trainer.max_epochs == 0:
        trainer.save_checkpoint(folder / "checkpoints" / "last.ckpt", weights_only=False)
    if not module.rows:
        module.rows = module.signals()
    if trainer.is_global_zero:
        run = {
            **describe_run(settings, data),
            "steps": trainer.global_step,
            "images": 2 * sampler.pairs_after(trainer.global_step),
            "seconds": round(time.monotonic() - began, 1),
        }
        write_trained(folder, run, module.rows, weights_fingerprint(model))
    return folder


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


def _fit(trainer: pl.Trainer, module: Training, resumed_from: Path | None, folder: Path) -> None:
    """Train, from a checkpoint on where there is one.

    Raises:
        KeyboardInterrupt: where the user stopped it, with the way to go on.
    """
    handler = signal.getsignal(signal.SIGINT)
    try:
        with warnings.catch_warnings():
            _quiet()
            trainer.fit(module, ckpt_path=resumed_from, weights_only=True)
    except SystemExit:
        if not trainer.interrupted:
            raise
        # Lightning ends an interrupted process without a word, and leaves it deaf to further interruptions.
        signal.signal(signal.SIGINT, handler)
        kept = (folder / "checkpoints" / "last.ckpt").is_file()
        how = f"go on from its last checkpoint with contextssl train resume={folder}" if kept else "it had no checkpoint yet"
        raise KeyboardInterrupt(f"training stopped at step {trainer.global_step:,}: {how}") from None


def _label_space(settings: TrainSettings, data: Data) -> LabelSpace | None:
    """Labels that depend on the context, fitted to the latents of training views; None where no head is to learn any."""
    if settings.weight_labels == 0:
        return None
    views = ViewSet.choose(data.train.views, "train", LABEL_VIEWS, 0, 0)
    return LabelSpace.fit(views.latents, data.train.factors, len(data.train.class_names), bins=settings.label_bins)


def _resumed_settings(given: TrainSettings, content: dict[str, Any], path: Path) -> TrainSettings:
    """The run's own settings, and of the given ones those that may change. Others that differ from their defaults are an error."""
    if checkpoints.RECIPE not in content:
        raise CheckpointError(f"{path} is no checkpoint of a run here, so it cannot be resumed: load it with contextssl.load")
    settings = checkpoints.settings_of(content)
    defaults = TrainSettings()
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


def _trainer(settings: TrainSettings, folder: Path, watched: str) -> tuple[pl.Trainer, MetricsCSV]:
    metrics = MetricsCSV(folder)
    loggers: list[Logger] = [metrics, TensorBoardLogger(folder, name="", version="tensorboard")]
    if settings.wandb is not None:
        loggers.append(_wandb(settings, folder))
    kept: dict[str, Any] = {"dirpath": folder / "checkpoints", "enable_version_counter": False, "auto_insert_metric_name": False}
    callbacks: list[pl.Callback] = [
        NamedCheckpoint(filename="last", every_n_epochs=1, save_on_train_epoch_end=True, **kept),
        NamedCheckpoint(
            filename="best", monitor=watched, mode="max", every_n_epochs=settings.log_interval, save_on_train_epoch_end=True, **kept
        ),
    ]
    if settings.save_minutes > 0:
        callbacks.append(NamedCheckpoint(filename="last", train_time_interval=timedelta(minutes=settings.save_minutes), **kept))
    if settings.save_interval > 0:
        name = "epoch={epoch:04d}"
        callbacks.append(
            NamedCheckpoint(filename=name, every_n_epochs=settings.save_interval, save_top_k=-1, save_on_train_epoch_end=True, **kept)
        )
    if settings.progress:
        callbacks.append(progress_callback())
    trainer = pl.Trainer(
        accelerator=settings.accelerator,
        devices=settings.devices,
        num_nodes=settings.num_nodes,
        precision=choose_precision(settings.precision, settings.accelerator),  # type: ignore[arg-type]
        max_epochs=settings.epochs if method_of(settings.method).trains else 0,
        max_time={"seconds": round(60 * settings.max_minutes)} if settings.max_minutes > 0 else None,
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
    return trainer, metrics


def _wandb(settings: TrainSettings, folder: Path) -> Logger:
    try:
        import wandb  # noqa: F401
        from lightning.pytorch.loggers import WandbLogger
    except ImportError as error:
        raise SettingsError("wandb is not installed: pip install 'contextssl[wandb]'") from error
    return WandbLogger(project=settings.wandb, save_dir=folder)


def _quiet() -> None:
    """Lightning's advice that does not apply here; everything else is shown."""
    for message in (
        ".*does not have many workers.*",
        ".*smaller than the logging interval.*",
        ".*exists and is not empty.*",
        ".*treespec, LeafSpec.*",
        # Every process looks at the same fixed pairs: there is nothing to be averaged.
        ".*recommended to use `self.log.*sync_dist=True.*",
    ):
        warnings.filterwarnings("ignore", message)


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
