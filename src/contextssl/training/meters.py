"""Running sums on the device, fetched every k steps: nothing in a training step waits for them."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from contextssl.factors import FactorSpace
from contextssl.models.contrast import mean_similarities
from contextssl.training.loss import Losses


class TrainMeters:
    """Means of losses (and similarities, and pooled R² of each factor where it was active, as far as a method has them) and images/s, since
    they were last fetched.
    """

    def __init__(self, factors: FactorSpace) -> None:
        self.factors = factors
        self.reset()

    def reset(self) -> None:
        self.names: list[str] = []
        self.sums: Tensor | None = None
        self.regression: Tensor | None = None
        self.steps = 0
        self.images = 0
        self.began = time.perf_counter()

    def restart_clock(self, device: torch.device) -> None:
        """Speed is of this process alone; sums that a checkpoint held go to the device."""
        self.images, self.began = 0, time.perf_counter()
        self.sums = None if self.sums is None else self.sums.to(device)
        self.regression = None if self.regression is None else self.regression.to(device)

    def state(self) -> dict[str, Any]:
        """For a checkpoint: what was summed since the meters were last fetched."""
        return {"names": list(self.names), "sums": self.sums, "regression": self.regression, "steps": self.steps}

    def load(self, state: Mapping[str, Any] | None) -> None:
        """What :meth:`state` gave; None, of a checkpoint that has none, starts from zero."""
        self.reset()
        if state is not None:
            self.names, self.sums, self.regression, self.steps = state["names"], state["sums"], state["regression"], state["steps"]

    @torch.no_grad()
    def update(self, losses: Losses) -> None:
        """Add one batch, of all processes; a handful of small operations on its device."""
        batch = losses.batch
        values = {"loss": losses.total.detach(), **{f"{name}_loss": loss for name, loss in losses.parts.items()}}
        if losses.unit is not None:
            values["positive_similarity"], values["negative_similarity"] = mean_similarities(losses.unit)
        self.names = list(values)
        sums = torch.stack(list(values.values())).float()
        self.sums = sums if self.sums is None else self.sums + sums
        if losses.latents is not None:
            residual = (losses.latents.float() - batch.target_latents[:, None]).square().mean(dim=1) * batch.active
            target = batch.target_latents * batch.active
            regression = torch.stack([residual.sum(0), target.square().sum(0), target.sum(0), batch.active.sum(0).float()])
            self.regression = regression if self.regression is None else self.regression + regression
        self.steps += 1
        self.images += 2 * len(batch)

    def fetch(self) -> dict[str, float]:
        """The meters by name; waits for the device, then starts from zero."""
        if self.sums is None:
            return {}
        values = {f"train/{name}": value / self.steps for name, value in zip(self.names, self.sums.tolist(), strict=True)}
        table = torch.zeros(4, self.factors.width) if self.regression is None else self.regression.double().cpu()
        for name in self.factors.names:
            residual, squares, total, count = table[:, self.factors.slice(name)].sum(dim=1).tolist()
            variance = squares - total**2 / count if count else 0.0
            if variance > 0:
                values[f"train/r2_pooled/{name}"] = 1 - residual / variance
        values["train/images_per_second"] = self.images / max(time.perf_counter() - self.began, 1e-9)
        self.reset()
        return values
