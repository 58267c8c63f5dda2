"""A training step, whole and in parts: data, encoder, predictor, loss, optimiser."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from contextssl.bench.turns import seconds_of
from contextssl.config.settings import TrainSettings
from contextssl.data.dataset import Data
from contextssl.data.environments import environments_of
from contextssl.data.pair_sampler import PairSampler
from contextssl.data.pairs import PairBatch
from contextssl.models.contextssl import ContextSSL
from contextssl.randomness import seeded_generator
from contextssl.system.precision import BF16
from contextssl.training.gradient_clipping import clip_in_step
from contextssl.training.loss import Losses, Objective, loss_of, prediction_loss
from contextssl.training.optimizer import made_optimizer
from contextssl.training.run import fresh_model

PARTS = ("data", "encoder", "predictor", "loss", "optimiser")


@dataclass
class TrainingStep:
    """Steps of a run on given data, without Lightning around them."""

    settings: TrainSettings
    data: Data
    device: torch.device
    precision: str
    model: ContextSSL = field(init=False)

    def __post_init__(self) -> None:
        settings = self.settings
        model = fresh_model(settings, self.data, None).to(self.device).train()
        assert isinstance(model, ContextSSL)
        self.model = model
        mix = environments_of(settings, self.data.train.factors)
        self.sampler = PairSampler(self.data.train, mix, settings.batch_size, settings.block_size, settings.pairs_per_item, settings.seed)
        self.objective = Objective.of(settings)
        self.scaler = torch.amp.GradScaler(self.device.type) if self.precision == "16-mixed" else None
        fused = self.scaler is None and self.device.type in ("cpu", "cuda")
        self.optimizer = made_optimizer(list(model.parameters()), settings.optimizer, shared=False, lr=1e-4, fused=fused)
        if settings.compile:
            model.compile_parts()

    def autocast(self) -> AbstractContextManager[Any]:
        kinds = {BF16: torch.bfloat16, "16-mixed": torch.float16}
        return torch.autocast(self.device.type, dtype=kinds[self.precision]) if self.precision in kinds else nullcontext()

    def batch(self, step: int) -> PairBatch:
        drawn = self.sampler.batch(*divmod(step, self.sampler.steps_per_epoch))
        return self.sampler.source.complete(drawn.to(self.device, non_blocking=True))

    def generator(self, step: int) -> torch.Generator:
        return seeded_generator(self.settings.seed, "step", step, 0, device=self.device)

    def whole(self, step: int) -> Tensor:
        """One step as a run takes it; its loss, for which nothing waits."""
        return self.learn(self.batch(step), step)

    def learn(self, batch: PairBatch, step: int) -> Tensor:
        """From a batch on the device."""
        loss = self.losses(batch, step).total
        self.optimizer.zero_grad()
        self.backward(loss)
        self.update()
        return loss.detach()

    def losses(self, batch: PairBatch, step: int) -> Losses:
        with self.autocast():
            return loss_of(self.model, batch, self.objective, self.generator(step))

    def backward(self, loss: Tensor) -> None:
        (loss if self.scaler is None else self.scaler.scale(loss)).backward()

    def update(self) -> None:
        """As a run's: the norm of the gradient is looked at in any case."""
        most = self.settings.gradient_clip
        if self.scaler is not None:
            self.scaler.unscale_(self.optimizer)
            if most:
                torch.nn.utils.clip_grad_norm_(self.model.parameters(), most)
            self.scaler.step(self.optimizer)
            self.scaler.update()
            return
        norm = torch.nn.utils.get_total_norm([each.grad for each in self.model.parameters() if each.grad is not None])
        if most:
            clip_in_step(self.optimizer, norm, most)
        self.optimizer.step()

    def parts(self, step: int) -> dict[str, float]:
        """Seconds of each part of a step, forward and backward; each waits for the one before, so their sum is a little more than the whole."""
        batch = self.batch(step)
        seconds = {"data": seconds_of(lambda: self.batch(step), self.device)}
        self.optimizer.zero_grad()
        divided = Divided(
            encode=lambda: self.model.pair_features(batch.source, batch.target),
            predict=lambda features: self.model.predictor(features, batch.active_action, self.generator(step)),
            loss=lambda z: prediction_loss(self.model, z, batch, self.objective, self.generator(step)).total,
            backward=self.backward,
            autocast=self.autocast,
        )
        return seconds | divided.seconds(self.device) | {"optimiser": seconds_of(self.update, self.device)}

    def operations(self) -> int:
        """Floating-point operations of a step, forward and backward, as PyTorch counts them (products of matrices and convolutions)."""
        with FlopCounterMode(display=False) as counter:
            batch = self.batch(0)
            loss_of(self.model, batch, self.objective, self.generator(0)).total.backward()
        self.optimizer.zero_grad()
        return int(counter.get_total_flops())


@dataclass
class Divided:
    """A forward and a backward pass in three parts, between which gradients are handed on."""

    encode: Callable[[], Tensor]
    predict: Callable[[Tensor], Tensor]
    loss: Callable[[Tensor], Tensor]
    backward: Callable[[Tensor], None]
    autocast: Callable[[], AbstractContextManager[Any]]

    def seconds(self, device: torch.device) -> dict[str, float]:
        made: dict[str, Tensor] = {}

        def forward(name: str, work: Callable[[], Tensor]) -> float:
            def run() -> None:
                with self.autocast():
                    made[name] = work()

            return seconds_of(run, device)

        encoder = forward("features", self.encode)
        features = made["features"].detach().requires_grad_()
        predictor = forward("z", lambda: self.predict(features))
        z = made["z"].detach().requires_grad_()
        loss = forward("loss", lambda: self.loss(z))
        loss += seconds_of(lambda: self.backward(made["loss"]), device)
        predictor += seconds_of(lambda: made["z"].backward(z.grad), device)
        encoder += seconds_of(lambda: made["features"].backward(features.grad), device)
        return {"encoder": encoder, "predictor": predictor, "loss": loss}
