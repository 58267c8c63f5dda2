"""A run from settings to results: its folder, its data, its model, Lightning's trainer, and what is written at the end."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import torch
from lightning.pytorch.loggers import Logger
from torch import nn

from contextssl import checkpoints
from contextssl.checkpoints.content import check_resumable, refuse_unnamed_data, refuse_unnamed_parts, weights_of
from contextssl.checkpoints.weights import load_weights
from contextssl.config.own_settings import check_own, declared_by
from contextssl.config.settings import TrainSettings
from contextssl.config.validation import checked
from contextssl.data.dataset import Data, data_kind, open_data
from contextssl.data.environments import environments_of
from contextssl.data.pair_sampler import PairSampler
from contextssl.data.places import at_recorded_places
from contextssl.data_set import DATA_SETS, own_name
from contextssl.errors import DataError, SettingsError
from contextssl.evaluation.frozen_features import frozen_data
from contextssl.evaluation.online import OnlinePairs, criterion
from contextssl.evaluation.readable_features import feature_rows, say_features
from contextssl.evaluation.view_sets import ViewSet
from contextssl.method import METHODS
from contextssl.models.build import build_model
from contextssl.models.by_examples import ByExamples
from contextssl.models.frozen_encoder import FrozenEncoder
from contextssl.models.label_space import LabelSpace
from contextssl.models.view_encoder import ViewEncoder
from contextssl.models.weights_mark import weights_fingerprint
from contextssl.named_code import own_encoder
from contextssl.randomness import DrawingFrom, seeded_generator
from contextssl.records.provenance import commit, describe_parts, describe_run
from contextssl.records.results import METRICS_CHECKSUM, RESULTS, write_trained
from contextssl.records.run_folder import LAST, PREVIOUS, training_folder
from contextssl.system.distributed import is_first_process, leave_group_at_exit
from contextssl.system.first_process import end_with_first
from contextssl.system.precision import choose_precision
from contextssl.training.carried_views import DrawnViews
from contextssl.training.devices import check_devices
from contextssl.training.dry_run import dry_run
from contextssl.training.encoder_start import EncoderStart, encoder_from, normalising
from contextssl.training.launch import check_launch, without_requeue
from contextssl.training.metrics_files import EventFile, MetricsCSV
from contextssl.training.module import Training
from contextssl.training.progress_callback import Progress
from contextssl.training.resume import Resumed, fit, resumed, write_settings
from contextssl.training.saving import ProvenCheckpoints, RunCheckpoints
from contextssl.training.weights_start import WeightsStart, weights_from

# Views of each item that the bins of labels are fitted to.
LABEL_VIEWS = 8


def train(settings: TrainSettings, *, data: Data | None = None, encoder: nn.Module | None = None) -> Path:
    """Train ContextSSL, or the baseline that ``settings.method`` names, and return the run's folder.

    Args:
        settings: see :class:`~contextssl.config.settings.TrainSettings`; with ``resume`` the run named there is resumed exactly.
        data: your own, in place of ``settings.dataset``.
        encoder: your own module with a ``num_features``, in place of ``settings.backbone``.

    Raises SettingsError, DataError or CheckpointError for what is wrong with each, before anything is trained; TrainingError where the loss is not
    finite.
    """
    end_with_first()
    with ExitStack() as stack:
        given_data = data is not None or own_name(settings.dataset) is not None
        given_encoder = encoder is not None or settings.encoder_factory is not None
        resumed_run = stack.enter_context(resumed(settings)) if settings.resume is not None else None
        if resumed_run is not None:
            settings = resumed_run.settings
            if resumed_run.checkpoint is None:
                refuse_unnamed_data(resumed_run.own_data, given_data, str(resumed_run.folder))
            else:
                refuse_unnamed_parts(resumed_run.content, data=given_data, encoder=given_encoder, where=str(resumed_run.checkpoint))
        fresh = resumed_run is None or resumed_run.checkpoint is None
        weights = None
        if settings.start_from is not None and fresh:
            settings, weights = weights_from(settings)
        check_settings(settings)
        if resumed_run is None:
            check_own(settings, declared_by(settings))
        check_devices(settings)
        with _quiet_lightning():
            check_launch(settings)
        if resumed_run is not None and _is_finished(resumed_run, settings):
            if settings.progress and is_first_process():
                print(f"{resumed_run.folder} is finished: nothing is left to train", flush=True)
            if is_first_process():
                # Still there where the run was killed just before it removed it.
                with suppress(OSError):
                    (resumed_run.folder / PREVIOUS).unlink(missing_ok=True)
            return resumed_run.folder
        start = None
        if settings.encoder_from is not None and fresh:
            settings, start = encoder_from(settings, given_encoder)
        if data is None:
            if resumed_run is None:
                dry_run(settings, given_encoder, start)
            data = _data_of(settings, {} if resumed_run is None else resumed_run.content)
        if encoder is None and settings.encoder_factory is not None:
            encoder = own_encoder(settings.encoder_factory, settings.seed)
        data = normalising(data, settings, start, {} if resumed_run is None else resumed_run.content)
        return _train(settings, resumed_run, data, encoder, weights or start, stack)


def _data_of(settings: TrainSettings, content: Mapping[str, Any]) -> Data:
    """The data of the settings; for a resumed run those at the places that it recorded, whatever the working directory.
    Raises DataError where a resumed run was trained on other data.
    """
    recorded = content[checkpoints.RECIPE]["data"] if content else {}
    found = {} if own_name(settings.dataset) else at_recorded_places(settings, recorded)
    data = open_data(dataclasses.replace(settings, **found), progress=settings.progress)
    if found:
        data = dataclasses.replace(data, description={**data.description, "places": recorded.get("places", {})})
    before, now = recorded.get("fingerprint"), data.description.get("fingerprint")
    if before is not None and before != now:
        raise DataError(
            f"the run was trained on other data (fingerprint {before}, those at {data.description.get('path')} have {now}), so it cannot be resumed "
            "exactly: bring back the data that it was trained on, or start a new run"
        )
    return data


def _train(
    settings: TrainSettings,
    resumed_run: Resumed | None,
    data: Data,
    encoder: nn.Module | None,
    start: EncoderStart | WeightsStart | None,
    stack: ExitStack,
) -> Path:
    """The training itself; returns its folder, in every process. What ``stack`` holds ends with the run."""
    environments = environments_of(settings, data.train.factors)
    sizes = (settings.batch_size, settings.block_size, settings.pairs_per_item)
    # What a method does not read does not change its pairs: those of a baseline are any two views, spread over the batch.
    together = settings.negatives == "sequence" and "negatives" in METHODS.find(settings.method).reads
    resumed_from = resumed_run.checkpoint if resumed_run is not None else None
    # A checkpoint holds the weights that were pretrained.
    model = fresh_model(settings if resumed_from is None else dataclasses.replace(settings, pretrained=False), data, encoder)
    began = start.load_into(model) if start is not None else None
    if resumed_run is not None and resumed_from is not None:
        check_resumable(resumed_run.content, model, checkpoints.MODEL_PREFIX, str(resumed_from))
        load_weights(model, weights_of(resumed_run.content, checkpoints.MODEL_PREFIX, str(resumed_from)), str(resumed_from))
    if isinstance(model.encoder, FrozenEncoder):
        # Its view_shape stays that of the images, which the checkpoint's encoder takes.
        data = frozen_data(data, model, settings)
    sampler = PairSampler(data.train, environments, *sizes, settings.seed, model.context_kind, together=together)
    if resumed_run is not None and resumed_from is not None:
        folder = resumed_run.folder
    elif is_first_process():
        folder = stack.enter_context(training_folder(settings.output_dir, data_kind(data), settings.run_dir))
    else:
        # The others get the folder's name once they are connected (:meth:`Training.setup`), and write nothing before.
        folder = Path(settings.output_dir)
    if resumed_from is None and is_first_process():
        parts = describe_parts(settings, data, encoder)
        write_settings(folder, settings, commit(), {**parts, "data": {"kind": parts["data"]["kind"]}})
    held = feature_rows(model, data, settings.seed) if isinstance(model.encoder, FrozenEncoder) else []
    if held and resumed_from is None and is_first_process():
        say_features(folder, held, settings.progress, augmented=DATA_SETS.find(settings.dataset).augments)
    made = checkpoints.recipe(model, settings, data, own_encoder=encoder is not None)
    if resumed_run is not None and resumed_from is not None:
        began = resumed_run.content[checkpoints.RECIPE].get("start_from")
    made |= {} if began is None else {"start_from": began}
    pairs = settings.block_size // 2 - 1
    online = OnlinePairs.draw(data.train, data.val, settings.val_pairs, pairs, settings.seed, environments.environments, model.context_kind)
    carried = DrawnViews.draw(data.train, environments.environments, settings.seed) if isinstance(model, ByExamples) else None
    module = Training(model, sampler, online, environments.environments, settings, made, folder, carried)
    with _quiet_lightning():
        trainer, saving = _trainer(settings, folder, criterion(model, environments.environments), sampler.steps_per_epoch)
    if resumed_run is not None and resumed_from is not None and is_first_process():
        saving.resume_from(resumed_run.content)
    if settings.compile:
        model.compile_parts()
    with _quiet_lightning():
        time_is_up = fit(trainer, module, saving, resumed_from)
    leave_group_at_exit()
    folder = module.folder
    if trainer.max_epochs == 0:
        trainer.save_checkpoint(folder / LAST, weights_only=False)
    if time_is_up or not module.rows:
        module.rows = module.signals()
        values = {f"val/{row.key()}": row.mean for row in module.rows}
        module.watch.validated(trainer.global_step - 1, values, trainer.is_global_zero, last=True)
    if trainer.is_global_zero:
        run = {
            **describe_run(settings, data, encoder),
            **({} if began is None else {"start_from": began}),
            "steps": trainer.global_step,
            "images": 2 * sampler.pairs_after(trainer.global_step),
            "seconds": round(saving.seconds, 1),
            **({METRICS_CHECKSUM: f"{saving.metrics.checksum:08x}"} if saving.metrics.checksum else {}),
            "alarms": module.watch.alarms.listed(),
        }
        write_trained(folder, run, [*module.rows, *held], weights_fingerprint(model))
        if not time_is_up:
            # The last one was read back, and nothing will replace it.
            (folder / PREVIOUS).unlink(missing_ok=True)
    return folder


def _is_finished(resumed_run: Resumed, settings: TrainSettings) -> bool:
    """Whether a run has all its epochs and its results: those are not written again, since evaluations may stand among them."""
    if resumed_run.checkpoint is None or not (resumed_run.folder / RESULTS).is_file():
        return False
    progress = resumed_run.content.get("loops", {}).get("fit_loop", {}).get("epoch_progress", {}).get("current", {})
    return bool(progress.get("processed") == (settings.epochs if METHODS.find(settings.method).trains else 0))


def check_settings(settings: TrainSettings) -> None:
    """Raises SettingsError for values that are invalid, alone or together, naming the setting."""
    checked(settings)
    method = METHODS.find(settings.method)
    if settings.weight_labels > 0 and method.aim != "context":
        raise SettingsError(
            f"weight_labels is for method=contextssl and conditional: its head takes embeddings in an environment; leave it out of "
            f"{settings.method}"
        )
    views = DATA_SETS.find(settings.dataset).views
    if (settings.freeze or views == "features") and method.model is None:
        raise SettingsError(
            f"{'freeze=true' if settings.freeze else 'dataset=features'} trains what follows the encoder, and the features of "
            f"method={settings.method} are the encoder's own: use contextssl, or another method with a predictor in a context"
        )
    if settings.freeze and views == "rows":
        raise SettingsError(f"freeze=true stores features of images, and dataset={settings.dataset} is a table: leave freeze out")
    if odd := [length for length in settings.eval_ctxt if length % 2]:
        raise SettingsError(f"eval_ctxt holds {odd[0]}: context lengths count tokens, two per pair, so they are even and 0 or more")


def fresh_model(settings: TrainSettings, data: Data, encoder: nn.Module | None) -> ViewEncoder:
    """The model of the settings, its weights a function of the seed alone, whatever else draws from torch's global stream."""
    with DrawingFrom(seeded_generator(settings.seed, "weights")):
        labels = None
        if settings.weight_labels > 0:
            views = ViewSet.choose(data.train.views, "train", LABEL_VIEWS, 0, 0)
            labels = LabelSpace.fit(views.latents, data.train.factors, len(data.train.class_names), bins=settings.label_bins)
        model = build_model(
            settings,
            data.train.factors,
            view_shape=data.view_shape,
            image_mean=data.image_mean,
            image_std=data.image_std,
            columns=data.columns,
            classes=len(data.train.class_names),
            labels=labels,
            encoder=encoder,
        )
    return model.to(memory_format=torch.channels_last)


def _trainer(settings: TrainSettings, folder: Path, watched: str, steps_per_epoch: int) -> tuple[pl.Trainer, RunCheckpoints]:
    metrics, events = MetricsCSV(folder), EventFile(folder)
    loggers: list[Logger] = [metrics, events, *([] if settings.wandb is None else [_wandb(settings, folder)])]
    saving = RunCheckpoints(folder, watched, steps_per_epoch, settings, metrics, events)
    trainer = pl.Trainer(
        # Where Lightning looks for checkpoints of its own under Slurm: never in the folder that a command happens to run in.
        default_root_dir=folder,
        accelerator=settings.accelerator,
        devices=settings.devices,
        num_nodes=settings.num_nodes,
        precision=choose_precision(settings.precision, settings.accelerator),  # type: ignore[arg-type]
        max_epochs=settings.epochs if METHODS.find(settings.method).trains else 0,
        gradient_clip_val=settings.gradient_clip or None,
        logger=loggers,
        log_every_n_steps=settings.log_every_steps,
        callbacks=[saving, *([Progress()] if settings.progress else [])],
        plugins=[ProvenCheckpoints(settings.keep_previous), *without_requeue()],
        enable_progress_bar=False,
        enable_model_summary=False,
        enable_checkpointing=True,
        use_distributed_sampler=False,
        sync_batchnorm=settings.sync_batchnorm,
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


@contextmanager
def _quiet_lightning() -> Iterator[None]:
    """Without Lightning's lines about devices and its tips; its logger is as before afterwards."""
    logger = logging.getLogger("lightning.pytorch.utilities.rank_zero")

    def worth_saying(record: logging.LogRecord) -> bool:
        return record.levelno >= logging.WARNING

    logger.addFilter(worth_saying)
    try:
        yield
    finally:
        logger.removeFilter(worth_saying)
