"""Watches a training: a few numbers more where it logs anyway, and the alarms that follow from them, said once and kept for the results."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from contextssl.config.settings import TrainSettings
from contextssl.data.pair_sampler import PairSampler
from contextssl.evaluation.effective_rank import effective_rank
from contextssl.models.contextssl import ContextSSL
from contextssl.models.view_encoder import ViewEncoder
from contextssl.training.alarms import Alarm, Alarms, Facts
from contextssl.training.loss import Losses, Objective

# The fewest pairs of an item in a batch with which contexts were read within minutes.
PAIRS_PER_ITEM = 4


class Watch:
    """The alarms of one run. Its numbers are those of the whole batch, so every process has the same; the first one says what they mean."""

    def __init__(self, model: ViewEncoder, sampler: PairSampler, objective: Objective, settings: TrainSettings) -> None:
        self.every = settings.log_every_steps
        # Of the step before the one that is logged, whose own gradient is not there yet.
        self.norm: Tensor | float | None = None
        contrasted = min(sampler.batch_size, sampler.num_pairs, objective.sequence or sampler.batch_size)
        contrastive = isinstance(model, ContextSSL) and objective.vicreg is None
        self.alarms = Alarms(
            Facts(
                math.log(2 * contrasted - 1) if contrastive else None,
                model.projection_dim,
                model.feature_width,
                settings.epochs * sampler.steps_per_epoch,
                round(settings.warmup_epochs * sampler.steps_per_epoch),
                remedies(settings),
            )
        )

    def gradient(self, norm: Tensor, step: int) -> None:
        """Takes the norm of a step's gradient, before it is clipped; it is kept where the next step is logged."""
        if (step + 2) % self.every == 0:
            self.norm = norm

    @torch.no_grad()
    def numbers(self, losses: Losses) -> dict[str, float]:
        """Of a step that is logged; waits for the device, as the meters have done just before."""
        found = {}
        if losses.unit is not None:
            found["train/effective_rank"] = float(effective_rank(losses.unit))
        if self.norm is not None:
            found["train/gradient_norm"] = float(self.norm)
        return found

    def logged(self, step: int, values: Mapping[str, float], says: bool) -> None:
        """Judges the numbers of a step that is logged."""
        self._say(step, self.alarms.logged(step, values), says)

    def validated(self, step: int, values: Mapping[str, float], says: bool, last: bool = False) -> None:
        """Judges those of a validation; ``last`` where nothing is trained after it."""
        self._say(step, self.alarms.validated(step, values, last), says)

    def _say(self, step: int, begun: Sequence[Alarm], says: bool) -> None:
        for alarm in begun if says else ():
            warnings.warn(f"alarm at step {step:,}: {alarm.says}", stacklevel=3)

    def state(self) -> dict[str, Any]:
        return {**self.alarms.state(), "norm": None if self.norm is None else float(self.norm)}

    def load(self, state: Mapping[str, Any] | None) -> None:
        self.alarms.load(state)
        self.norm = None if state is None else state.get("norm")


def remedies(settings: TrainSettings) -> dict[str, str]:
    """By kind of alarm the settings that help, of those that the run does not have already."""
    clip = "" if settings.gradient_clip else ", or set gradient_clip=1"
    start = [
        *(["init=fan_in"] if settings.init != "fan_in" else []),
        *(["feature_norm=batch"] if settings.feature_norm == "none" else []),
    ]
    smaller = f"lower learning_rate ({settings.learning_rate:g})"
    spread = "raise the second and third of vicreg_coefficients"
    directions = spread if settings.method in ("vicreg", "vicreg+", "sie") else f"{smaller} or weight_decay, or raise batch_size"
    low = settings.temperature < 0.05
    return {
        "divergence": f"{smaller}{clip}",
        "growing gradient": f"{smaller}{clip}",
        "worse than chance": f"raise temperature ({settings.temperature:g}; 0.1 is usual)" if low else f"{smaller}{clip}",
        "collapse": f"{smaller} or lengthen warmup_epochs{_also(start)}",
        "few directions": directions,
        "few directions in validation": directions,
        "no gradient": f"look at what the encoder gives for a few views, and {smaller}{_also(start)}",
        "contexts not read": _to_read_contexts(settings, start),
    }


def _also(words: Sequence[str]) -> str:
    return f", and set {' and '.join(words)}" if words else ""


def _to_read_contexts(settings: TrainSettings, start: Sequence[str]) -> str:
    """Source: the experiments of docs/results.md and docs/experiments.md."""
    examples = settings.context == "examples" and settings.method == "contextssl"
    missing = [
        *(["negatives=sequence"] if examples and settings.negatives != "sequence" else []),
        *(["env_per=sequence"] if settings.env_per != "sequence" else []),
        *([f"pairs_per_item={2 * PAIRS_PER_ITEM}"] if settings.pairs_per_item < PAIRS_PER_ITEM else []),
        *start,
    ]
    longer = "train longer (contextssl train from=RUN epochs=+N)"
    return f"{longer}, or set {', '.join(missing)}, with which they are read sooner" if missing else longer
