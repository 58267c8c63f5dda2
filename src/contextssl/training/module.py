"""A method as a Lightning module: Lightning brings devices, precision, distribution and resuming; the mathematics is elsewhere."""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import torch
from torch import Tensor

from contextssl import advice
from contextssl.checkpoints import CARRIED, RECIPE
from contextssl.config.settings import TrainSettings
from contextssl.data.pair_sampler import PairSampler
from contextssl.data.pairs import PairBatch, ViewPairs
from contextssl.data.resident_views import NumberedPairs, ResidentViews, resident_views
from contextssl.errors import DataError, TrainingError
from contextssl.evaluation.context_reading import reading_rows
from contextssl.evaluation.online import OnlinePairs, criterion, online_rows, watched
from contextssl.factors import Environment
from contextssl.models.view_encoder import ViewEncoder
from contextssl.models.whole_batch import ALONE, WholeBatch
from contextssl.randomness import seeded_generator
from contextssl.records.results import ResultRow
from contextssl.system.distributed import anywhere, first_process_where
from contextssl.system.memory import peak_memory_mib
from contextssl.training.batches import PairLoader
from contextssl.training.buffer_history import BufferHistory
from contextssl.training.carried_views import DrawnViews
from contextssl.training.gradient_clipping import clip_in_step
from contextssl.training.loss import Losses, Objective, loss_of
from contextssl.training.meters import TrainMeters
from contextssl.training.non_finite import RECORD, WEIGHTS, random_states, write_bad_step
from contextssl.training.optimizer import computing, made_optimizer
from contextssl.training.schedule import peak_learning_rate, warmup_cosine
from contextssl.training.watch import Watch

# Under these names a checkpoint holds the sums of the meters since they were last fetched, and the alarms.
METERS, WATCH = "contextssl_meters", "contextssl_watch"


class Training(pl.LightningModule):
    """One run: its model, which is trained in place, its batches, its optimiser and its validation.

    The validation pairs (``online``) are fixed; ``environments`` are those of their contexts. A checkpoint holds the ``recipe``, which rebuilds the
    model, and the features of the ``carried`` views.
    """

    def __init__(
        self,
        model: ViewEncoder,
        sampler: PairSampler,
        online: OnlinePairs,
        environments: Sequence[Environment],
        settings: TrainSettings,
        recipe: Mapping[str, Any],
        folder: Path,
        carried: DrawnViews | None = None,
    ) -> None:
        super().__init__()
        self.model, self.carried = model, carried
        self.sampler, self.online, self.environments = sampler, online, environments
        self.settings, self.recipe, self.folder = settings, recipe, folder
        self.objective = Objective.of(settings)
        self.meters = TrainMeters(model.factors)
        self.watch = Watch(model, sampler, self.objective, settings)
        self.rows: list[ResultRow] = []
        # The epoch of the last validation, and its score.
        self.validated: tuple[int, float] | None = None
        # Should a loss turn out not to be finite: the model's running statistics and torch's random states before each step since the last that was
        # looked at; and the batch.
        self.before = BufferHistory(settings.log_every_steps + 1)
        self.batch: tuple[int, PairBatch] | None = None
        self.random: deque[tuple[int, dict[str, Tensor]]] = deque(maxlen=settings.log_every_steps + 1)
        # The training views, where they are held on the device.
        self.resident: ResidentViews | None = None
        self.gradient_norm: Tensor
        self.first_bad_step: Tensor
        self.bad_here: Tensor
        # The first step whose loss or gradient was not finite, on the device, -1 while there is none; and whether this process's own was.
        self.register_buffer("first_bad_step", torch.tensor(-1), persistent=False)
        self.register_buffer("bad_here", torch.tensor(False), persistent=False)

    def setup(self, stage: str) -> None:
        # The first process has made the folder. The others get its name here, once they are connected.
        self.folder = Path(self.trainer.strategy.broadcast(str(self.folder)))
        if self.resident is None:
            self.resident = resident_views(self.sampler.source, self.trainer.strategy.root_device, self.settings.keep_on_device)
        if self.resident is not None and isinstance(self.sampler.source, ViewPairs):
            self.sampler = replace(self.sampler, source=NumberedPairs(self.sampler.source.views))

    # -- the step ---------------------------------------------------------------------------------------------------------------------

    def training_step(self, batch: PairBatch, batch_index: int) -> Tensor:
        # Of every process the same, so that masks and noise are those of the whole batch.
        generator = seeded_generator(self.settings.seed, "step", self.global_step, 0, device=batch.action.device)
        self._remember(batch)
        losses = loss_of(self.model, batch, self.objective, generator, self._whole())
        self._watch(~losses.total.detach().isfinite())
        self.meters.update(losses)
        if (self.global_step + 1) % self.settings.log_every_steps == 0:
            self._log(losses)
        return losses.total

    def _whole(self) -> WholeBatch:
        step, world = self.global_step % self.sampler.steps_per_epoch, self.trainer.world_size
        return WholeBatch(self.sampler.shares(step, world), self.sampler.cuts_sequences(step, world)) if world > 1 else ALONE

    def _log(self, losses: Losses) -> None:
        values = self.meters.fetch()
        self._stop_if_not_finite()
        values |= self.watch.numbers(losses)
        self.log("train/loss", values["train/loss"], prog_bar=True, logger=False, rank_zero_only=True)
        self.log("images/s", values["train/images_per_second"], prog_bar=True, logger=False, rank_zero_only=True)
        rate = float(self.optimizers().param_groups[0]["lr"])  # type: ignore[union-attr]
        self._write({**values, "learning_rate": rate, "memory_mib": peak_memory_mib(self.device)}, self.global_step)
        self.watch.logged(self.global_step, values, self.trainer.is_global_zero)

    def _write(self, values: Mapping[str, float], step: int) -> None:
        """To the loggers at once: Lightning would do it only after the step's checkpoint, which would then refer to rows that are not there."""
        if self.trainer.is_global_zero:
            for logger in self.trainer.loggers:
                logger.log_metrics({"epoch": self.current_epoch, **values}, step)

    # -- a loss that is not finite ------------------------------------------------------------------------------------------------------

    def _remember(self, batch: PairBatch) -> None:
        """What a step changes, or may not draw again."""
        self.before.remember(self.global_step, self.model.buffers())
        self.batch = self.global_step, batch
        self.random.append((self.global_step, random_states(batch.action.device)))

    def _watch(self, here: Tensor, everywhere: bool = False) -> None:
        """Note the first step that was bad, the same in every process: on CUDA without waiting for it, elsewhere the run stops at once.
        ``everywhere``: what is bad here is so in every process.
        """
        first = self.first_bad_step < 0
        bad = here if everywhere else anywhere(here)
        self.bad_here = torch.where(first, here, self.bad_here)
        self.first_bad_step = torch.where(first & bad, self.global_step, self.first_bad_step)
        if self.device.type != "cuda":
            self._stop_if_not_finite()

    def optimizer_step(self, *args: Any, **kwargs: Any) -> None:
        super().optimizer_step(*args, **kwargs)
        # A part of the step: a checkpoint of it has this too.
        self.model.after_step((self.global_step + 1) / (self.settings.epochs * self.sampler.steps_per_epoch))

    def on_before_optimizer_step(self, optimizer: torch.optim.Optimizer) -> None:
        # With 16-mixed the gradient scaler skips such steps itself; it expects gradients out of float16's range.
        if self._scales_gradients:
            return
        # Averaged by now, so the same in every process.
        gradients = [parameter.grad for parameter in self.model.parameters() if parameter.grad is not None]
        norm = self.gradient_norm = torch.nn.utils.get_total_norm(gradients)
        self.watch.gradient(norm, self.global_step)
        if self.device.type == "cuda" or not bool(norm.isfinite()):
            # Squares might leave float32's range where sizes do not, whose sum takes a CPU ten times as long.
            norm = torch.nn.utils.get_total_norm(gradients, norm_type=1.0)
        self._watch(~norm.isfinite(), everywhere=True)
        # A fused optimiser skips its step where found_inf is 1: from the first bad step on the weights stay as they were before it, until the
        # meters are fetched.
        if self.device.type == "cuda":
            computing(optimizer).found_inf = (self.first_bad_step >= 0).float()

    def _stop_if_not_finite(self) -> None:
        bad = int(self.first_bad_step)
        if bad < 0:
            return
        # Its forward pass has already entered the running statistics.
        self.before.restore(bad, self.model.buffers())
        epoch, step = divmod(bad, self.sampler.steps_per_epoch)
        # Of several processes one that has it writes it: where data differ between machines, those of the others would be finite.
        if self.trainer.global_rank == first_process_where(self.bad_here):
            # Where it cannot be made or written, the others are waiting all the same; the checkpoint says what is wrong with the disk.
            with contextlib.suppress(DataError, OSError, RuntimeError):
                about = {"global_step": bad, "epoch": epoch, "step": step, "precision": str(self.trainer.precision)}
                about |= {"process": self.trainer.global_rank, "processes": self.trainer.world_size}
                write_bad_step(self.folder, about, self._whole_batch(bad), dict(self.random).get(bad, {}))
        checkpoint = self.folder / WEIGHTS
        self.trainer.save_checkpoint(checkpoint, weights_only=False)
        raise TrainingError(
            f"the loss or its gradient is not finite at step {bad} (epoch {epoch}, batch {step}): "
            f"{advice.command(['contextssl', 'replay', self.folder])} repeats that step and says which tensor was the first; lower "
            f"learning_rate, set gradient_clip=1, or look at its items, which are in {self.folder / RECORD}, with the weights from before it in "
            f"{checkpoint}"
        )

    def _whole_batch(self, step: int) -> PairBatch:
        """Of all processes; drawn again where this one has but a share, or has gone on."""
        if self.batch is not None and self.batch[0] == step and self.trainer.world_size == 1:
            return self.batch[1]
        return self._complete(self.sampler.batch(*divmod(step, self.sampler.steps_per_epoch)).to(self.device))

    def _complete(self, batch: PairBatch) -> PairBatch:
        """A batch on the device, with its views."""
        return self.sampler.source.complete(batch) if self.resident is None else self.resident.fill(batch)

    # -- validation --------------------------------------------------------------------------------------------------------------------

    def on_train_epoch_end(self) -> None:
        # Before anything is saved as the end of an epoch; the meters may be fetched less often.
        self._stop_if_not_finite()
        last = self.current_epoch + 1 == self.settings.epochs
        if last or (self.current_epoch + 1) % self.settings.log_interval == 0:
            self.validate()

    def signals(self) -> list[ResultRow]:
        # Context lengths beyond the block are replaced by its longest.
        lengths = sorted({min(length, self.model.longest_context) for length in self.settings.eval_ctxt})
        rows = online_rows(self.model, self.online, self.environments, lengths)
        return [*rows, *reading_rows(self.model, self.online, self.environments)]

    def validate(self) -> None:
        """Log the online signals. Every process computes them; running statistics may differ, so the score of the first one counts."""
        self.rows = self.signals()
        name = criterion(self.model, self.environments)
        score = self.trainer.strategy.broadcast(watched(self.rows, name))
        self.validated = (self.current_epoch, score)
        self.log(name, score, prog_bar=True, logger=False)
        values = {f"val/{row.key()}": row.mean for row in self.rows}
        self._write({**values, name: score}, self.global_step - 1)
        self.watch.validated(self.global_step - 1, values, self.trainer.is_global_zero)
        self.meters.reset()

    # -- optimiser, batches, checkpoints ------------------------------------------------------------------------------------------------

    def configure_optimizers(self) -> Any:
        settings = self.settings
        optimizer = made_optimizer(
            [parameter for parameter in self.model.parameters() if parameter.requires_grad],
            settings.optimizer,
            shared=settings.shard_optimizer and self.trainer.world_size > 1,
            lr=peak_learning_rate(settings.learning_rate, settings.batch_size),
            weight_decay=settings.weight_decay,
            fused=self._is_fused,
        )
        per_epoch = self.sampler.steps_per_epoch
        total, warmup = settings.epochs * per_epoch, round(settings.warmup_epochs * per_epoch)
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: warmup_cosine(step, total, warmup))
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    @property
    def _is_fused(self) -> bool:
        return self.device.type in ("cpu", "cuda") and not self._scales_gradients

    @property
    def _scales_gradients(self) -> bool:
        return self.trainer.precision == "16-mixed"

    def configure_gradient_clipping(
        self, optimizer: torch.optim.Optimizer, gradient_clip_val: float | None = None, gradient_clip_algorithm: str | None = None
    ) -> None:
        # Lightning's own refuses a fused optimiser in any mixed precision, since it might be handed scaled gradients. Only 16-mixed scales them:
        # there the optimiser is not fused, and they are unscaled by now.
        if not gradient_clip_val:
            return
        if self._is_fused:
            clip_in_step(optimizer, self.gradient_norm, gradient_clip_val)
        else:
            torch.nn.utils.clip_grad_norm_(self.parameters(), gradient_clip_val)

    def train_dataloader(self) -> PairLoader:
        on_gpu = self.trainer.strategy.root_device.type == "cuda"
        # Too many processes are an error at once, and not at the end of an epoch.
        self.sampler.shares(self.sampler.steps_per_epoch - 1, self.trainer.world_size)
        workers = self.settings.workers if self.settings.workers >= 0 else (4 if on_gpu else 0)
        return PairLoader(
            self.sampler, lambda: self.trainer.global_step, self.trainer.global_rank, self.trainer.world_size, workers, pin_memory=on_gpu
        )

    def transfer_batch_to_device(self, batch: PairBatch, device: torch.device, dataloader_idx: int) -> PairBatch:
        return batch.to(device, non_blocking=True)

    def on_after_batch_transfer(self, batch: PairBatch, dataloader_idx: int) -> PairBatch:
        return self._complete(batch)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint[RECIPE] = dict(self.recipe)
        if self.carried is not None:
            checkpoint[RECIPE][CARRIED] = self.carried.encoded(self.model).to_dict()
        checkpoint[METERS], checkpoint[WATCH] = self.meters.state(), self.watch.state()

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        self.meters.load(checkpoint.get(METERS))
        self.watch.load(checkpoint.get(WATCH))

    def on_train_start(self) -> None:
        self.meters.restart_clock(self.device)
