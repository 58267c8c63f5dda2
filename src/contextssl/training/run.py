"""A run from settings to results: its folder, its data, its model, Lightning's trainer, and what is written at the end."""

from __future__ import annotations

import dataclasses
import logging
import signal
import time
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import torch
from lightning.pytorch.loggers import Logger, TensorBoardLogger
from torch import nn

from contextssl import checkpoints
from contextssl.checkpoint_content import check_resumable, refuse_named_code, refuse_unnamed_parts
from contextssl.config.settings import TrainSettings
from contextssl.config.validation import checked
from contextssl.context_labels import LabelSpace
from contextssl.data.dataset import Data, data_kind, open_data
from contextssl.data.places import at_recorded_places
from contextssl.distributed import is_first_process
from contextssl.environments import environments_of
from contextssl.errors import CheckpointError, DataError, SettingsError
from contextssl.evaluation.online import OnlinePairs
from contextssl.evaluation.results import write_results
from contextssl.evaluation.view_sets import ViewSet
from contextssl.files import write_json
from contextssl.methods import method_of
from contextssl.models.build import build_model
from contextssl.models.view_encoder import ViewEncoder
from contextssl.named_code import own_encoder
from contextssl.pairs import PairSampler
from contextssl.precision import choose_precision
from contextssl.provenance import commit, describe_parts, describe_run
from contextssl.randomness import DrawingFrom, seeded_generator
from contextssl.training.launch import check_launch, ending_started
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
        data: your own, in the place of ``settings.dataset`` and ``settings.data_factory``. Results then say that they are of data of your own.
        encoder: your own module with a ``num_features``, in the place of ``settings.backbone`` and ``settings.encoder_factory``.

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
        refuse_unnamed_parts(
            content,
            data=data is not None or settings.data_factory is not None,
            encoder=encoder is not None or settings.encoder_factory is not None,
            where=str(resumed_from),
        )
    check_settings(settings)
    check_launch(settings)
    recorded = content[checkpoints.RECIPE]["data"] if content is not None else {}
    if data is None:
        found = {} if settings.data_factory is not None else at_recorded_places(settings, recorded)
        data = open_data(dataclasses.replace(settings, **found), progress=settings.progress)
        if found:
            data = dataclasses.replace(data, description={**data.description, "places": recorded.get("places", {})})
        _refuse_other_data(recorded, data)
    if encoder is None and settings.encoder_factory is not None:
        encoder = own_encoder(settings.encoder_factory, settings.seed)
    environments = environments_of(settings, data.train.factors)
    sampler = PairSampler(data.train, environments, settings.batch_size, settings.block_size, settings.pairs_per_item, settings.seed)
    model = fresh_model(settings, data, encoder)
    if content is not None and resumed_from is not None:
        check_resumable(content, model, checkpoints.MODEL_PREFIX, str(resumed_from))
        folder = resumed_from.parent.parent
    else:
        # The others are told of the folder when they have found the first process (:meth:`Training.setup`), and write nothing before.
        folder = new_run_folder(settings.output_dir, data_kind(data), settings.run_dir) if is_first_process() else Path(settings.output_dir)
    made = checkpoints.recipe(model, settings, data, own_encoder=encoder is not None)
    if content is None and is_first_process():
        parts = describe_parts(settings, data, encoder)
        parts["data"] = {"kind": parts["data"]["kind"]}
        write_json(folder / SETTINGS, {"version": __version__, "commit": commit(), "settings": dataclasses.asdict(settings), **parts})
    online = OnlinePairs.draw(data.train, data.val, settings.val_pairs, settings.block_size // 2 - 1, settings.seed)
    module = Training(model, sampler, online, environments.environments, settings, made, folder)
    with _quiet_lightning():
        trainer, metrics = _trainer(settings, folder, model.watched)
    if content is not None and is_first_process():
        metrics.forget_after(int(content["global_step"]))
    if settings.compile:
        model.encoder.compile()
    began = time.monotonic()
    with _quiet_lightning():
        _fit(trainer, module, resumed_from)
    folder = module.folder
    if trainer.max_epochs == 0:
        trainer.save_checkpoint(folder / "checkpoints" / "last.ckpt", weights_only=False)
    if not module.rows:
        module.rows = module.signals()
    if trainer.is_global_zero:
        run = {
            **describe_run(settings, data, encoder),
            "steps": trainer.global_step,
            "images": 2 * sampler.pairs_after(trainer.global_step),
            "seconds": round(time.monotonic() - began, 1),
        }
        write_results(folder, run, module.rows)
    return folder


def _refuse_other_data(recorded: Mapping[str, Any], data: Data) -> None:
    """Raises DataError where a run that is resumed was trained on other data than these."""
    before, now = recorded.get("fingerprint"), data.description.get("fingerprint")
    if before is not None and before != now:
        raise DataError(
            f"the run was trained on other data (fingerprint {before}, those at {data.description.get('path')} have {now}), so it cannot be resumed "
            "exactly: bring back the data that it was trained on, or start a new run"
        )


def check_settings(settings: TrainSettings) -> None:
    """
    Raises:
        SettingsError: for values that cannot be, naming the setting.
    """
    checked(settings)
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
    if settings.weight_labels > 0 and settings.method not in ("contextssl", "conditional"):
        raise SettingsError(
            f"weight_labels is for method=contextssl and conditional: the head reads embeddings in an environment; leave it out of "
            f"{settings.method}"
        )
    if settings.label_bins < 2:
        raise SettingsError(f"label_bins is {settings.label_bins}: a factor is told apart by at least 2")
    odd = [length for length in settings.eval_ctxt if length < 0 or length % 2]
    if odd:
        raise SettingsError(f"eval_ctxt holds {odd[0]}: context lengths count tokens, two a pair, so they are even and 0 or more")
    if settings.block_size < 4:
        raise SettingsError(f"block_size is {settings.block_size}: a context pair and a query need at least 4 tokens")


def fresh_model(settings: TrainSettings, data: Data, encoder: nn.Module | None) -> ViewEncoder:
    """The model of the settings, its weights a function of the seed, whatever else draws from torch's global stream meanwhile."""
    with DrawingFrom(seeded_generator(settings.seed, "weights")):
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


def _fit(trainer: pl.Trainer, module: Training, resumed_from: Path | None) -> None:
    """Train, from a checkpoint on where there is one.

    Raises:
        KeyboardInterrupt: where the user stopped it, with the way to go on.
    """
    handler = signal.getsignal(signal.SIGINT)
    try:
        with warnings.catch_warnings(), ending_started(trainer):
            _quiet()
            trainer.fit(module, ckpt_path=resumed_from, weights_only=True)
    except SystemExit:
        if not trainer.interrupted:
            raise
        # Lightning ends an interrupted process without a word, and leaves it deaf to further interruptions.
        signal.signal(signal.SIGINT, handler)
        folder = module.folder
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
    settings = checkpoints.settings_of(content, str(path))
    refuse_named_code(settings.dataset, settings.factors, given.factors, str(path))
    # Of the user's own code what is named now counts, and never what the file names.
    settings.data_factory, settings.encoder_factory = given.data_factory, given.encoder_factory
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
        sync_batchnorm=settings.sync_batchnorm,
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


@contextmanager
def _quiet_lightning() -> Iterator[None]:
    """Lightning's lines about devices, and its tips, are left out; its logger is the user's own again afterwards."""
    logger = logging.getLogger("lightning.pytorch.utilities.rank_zero")

    def worth_saying(record: logging.LogRecord) -> bool:
        return record.levelno >= logging.WARNING

    logger.addFilter(worth_saying)
    try:
        yield
    finally:
        logger.removeFilter(worth_saying)
