"""``contextssl bench train``: a training step, part by part, beside the published code's way and the machine's limit."""

from __future__ import annotations

import dataclasses
import math
import statistics

import torch

from contextssl.bench.as_published import PublishedStep, as_read
from contextssl.bench.limits import measure_limits
from contextssl.bench.measured import Measured
from contextssl.bench.noise_data import MEAN, STD, noise_data
from contextssl.bench.training_step import PARTS, Divided, TrainingStep
from contextssl.bench.turns import in_turns, seconds_of
from contextssl.config.bench_settings import BenchSettings
from contextssl.config.settings import TrainSettings
from contextssl.data.pairs import PairBatch
from contextssl.errors import ContextSSLError, SettingsError
from contextssl.models.contextssl import ContextSSL
from contextssl.system.device import chosen_device
from contextssl.system.memory import peak_memory_mib
from contextssl.system.precision import choose_precision
from contextssl.training.loss import loss_of

# Items of noise for each pair of a batch, and views of each: enough that batches differ.
ITEMS_A_PAIR, VIEWS = 2, 2
# In float32, of the two ways' losses.
TOLERANCE = 1e-3
WHOLE, PUBLISHED = "step", "published way"


def trained_as(settings: BenchSettings) -> TrainSettings:
    """What is measured. Raises SettingsError for what the published code has no counterpart of."""
    if settings.method != "contextssl" or settings.context != "actions" or settings.bottleneck or settings.weight_labels:
        raise SettingsError(
            "bench measures method=contextssl with contexts of actions, as the published code trains it: leave the others out"
        )
    if settings.batch_size % (settings.block_size // 2):
        raise SettingsError(
            f"batch_size={settings.batch_size} is no whole number of sequences of {settings.block_size // 2} pairs, which the published way needs"
        )
    return settings


def bench_train(settings: BenchSettings) -> Measured:
    """Whole steps of both ways in turns, then the parts of each. Raises ContextSSLError where their losses differ."""
    trained_as(settings)
    device = chosen_device(settings.accelerator)
    precision = choose_precision(settings.precision, settings.accelerator)
    data = noise_data(ITEMS_A_PAIR * settings.batch_size, VIEWS, settings.resolution)
    step = TrainingStep(settings, data, device, precision)
    if not isinstance(step.model, ContextSSL):
        raise SettingsError("bench measures models with a predictor")
    published = PublishedStep(step.model, step.objective, 1e-4)
    differ = same_losses(step, published)
    operations = step.operations()
    done = {WHOLE: 0, PUBLISHED: 0}

    def ours() -> None:
        step.whole(done[WHOLE])
        done[WHOLE] += 1

    def theirs() -> None:
        one_step(published, *prepared(step, done[PUBLISHED]), step.generator(done[PUBLISHED]))
        done[PUBLISHED] += 1

    times = in_turns({WHOLE: ours, PUBLISHED: theirs}, settings.rounds, device)
    ours_in_parts = _medians([step.parts(number) for number in range(settings.rounds)])
    theirs_in_parts = _medians([parts_of(published, step, number) for number in range(settings.rounds)])
    limits = measure_limits(device, precision)

    images = 2 * settings.batch_size
    whole, total = times.median(WHOLE), sum(ours_in_parts.values())
    measured = Measured(
        f"A training step: {settings.backbone}, {settings.resolution} px, {settings.batch_size} pairs, {precision}, {device.type}",
        dataclasses.asdict(settings) | {"device": device.type, "precision": precision},
    )
    for part in PARTS:
        other = theirs_in_parts.get(part)
        measured.rows.append(
            {
                "part": part,
                "ms": 1000 * ours_in_parts[part],
                "share": f"{ours_in_parts[part] / total:.1%}",
                "published ms": "read apart" if other is None else 1000 * other,
                "times as long": "" if other is None else other / ours_in_parts[part],
            }
        )
    ratio = times.ratio(PUBLISHED, WHOLE)
    measured.rows.append(
        {"part": "whole step", "ms": 1000 * whole, "share": "", "published ms": 1000 * times.median(PUBLISHED), "times as long": ratio}
    )
    share = operations / whole / limits.operations
    outside = sum(ours_in_parts[part] for part in ("data", "loss")) / total
    low, high = times.spread(WHOLE)
    measured.notes += [
        (
            f"{images / whole:,.0f} images/s (rounds of {images / high:,.0f} to {images / low:,.0f}), {ratio:.2f} times as many as the published "
            "way, which is given images that are read already (contextssl bench data measures that)"
        ),
        (
            f"{share:.0%} of the machine's own limit: {operations / 1e9:,.1f} billion operations a step, and products of matrices at "
            f"{limits.operations / 1e9:,.0f} billion a second in the same run"
        ),
        f"data and loss take {outside:.1%} of the step; the parts, each waited for, add up to {total / whole:.2f} times the whole step",
        f"losses in float32 are {differ:.1e} apart, relatively; peak memory {peak_memory_mib(device):,.0f} MiB, both ways together",
    ]
    measured.numbers = {
        "images_per_second": images / whole,
        "published_images_per_second": images / times.median(PUBLISHED),
        "ratio": ratio,
        "seconds": {name: list(values) for name, values in times.seconds.items()},
        "parts": ours_in_parts,
        "published_parts": theirs_in_parts,
        "operations": operations,
        "limits": dataclasses.asdict(limits),
        "share_of_limit": share,
        "share_outside": outside,
        "loss_difference": differ,
        "peak_memory_mib": peak_memory_mib(device),
    }
    return measured


def prepared(step: TrainingStep, number: int) -> tuple[PairBatch, torch.Tensor, torch.Tensor]:
    """A batch, and its images as the published code gets them: float32, normalised, contiguous."""
    batch = step.batch(number)
    return batch, as_read(batch.source, MEAN, STD), as_read(batch.target, MEAN, STD)


def one_step(published: PublishedStep, batch: PairBatch, source: torch.Tensor, target: torch.Tensor, generator: torch.Generator) -> None:
    with published.autocast():
        z = published.predict(published.encode(source, target), batch.active_action, generator)
        loss = published.loss(z, batch)
    published.backward(loss)
    published.update()


def parts_of(published: PublishedStep, step: TrainingStep, number: int) -> dict[str, float]:
    batch, source, target = prepared(step, number)
    divided = Divided(
        encode=lambda: published.encode(source, target),
        predict=lambda features: published.predict(features, batch.active_action, step.generator(number)),
        loss=lambda z: published.loss(z, batch),
        backward=published.backward,
        autocast=published.autocast,
    )
    return divided.seconds(step.device) | {"optimiser": seconds_of(published.update, step.device)}


def same_losses(step: TrainingStep, published: PublishedStep) -> float:
    """The relative difference of both ways' losses of one batch, in float32, before either has stepped. Raises ContextSSLError where it is more than
    rounding.
    """
    batch, source, target = prepared(step, 0)
    with torch.no_grad():
        ours = float(loss_of(step.model, batch, step.objective, step.generator(0)).total)
        theirs = float(published.loss(published.predict(published.encode(source, target), batch.active_action, step.generator(0)), batch))
    differ = abs(ours - theirs) / abs(theirs)
    if not differ < TOLERANCE or not math.isfinite(ours):
        raise ContextSSLError(f"the two ways' losses differ: {ours:.6f} here, {theirs:.6f} in the published way; please report this")
    return differ


def _medians(rounds: list[dict[str, float]]) -> dict[str, float]:
    return {part: statistics.median(each[part] for each in rounds) for part in rounds[0]}
