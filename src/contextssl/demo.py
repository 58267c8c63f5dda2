"""The whole way in one call: render what is missing, train, evaluate by every protocol, draw the page."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from contextssl.config.evaluation_settings import EvaluateSettings
from contextssl.config.settings import TrainSettings
from contextssl.data.dataset import open_data
from contextssl.data_set import own_name
from contextssl.evaluation.run import evaluate
from contextssl.method import METHODS
from contextssl.report import write_report
from contextssl.report.gallery import OwnCode
from contextssl.training.run import train

# What two CPU cores evaluate in a minute or two. The published rotation probe, an MLP, takes longer than the training: docs/results.md has it.
HEADS = ["linear", "ridge", "knn"]
EPOCHS = 20
TRAIN_VIEWS = 5
PROBE_VIEWS = 4
QUERIES = 10


@dataclass(frozen=True)
class Demo:
    """What a demo left, and the seconds that each part took.

    Args:
        folder: of the run.
        report: the page.
        seconds: by ``"data"``, ``"training"``, ``"evaluation"`` (with the report).
    """

    folder: Path
    report: Path
    seconds: dict[str, float]


def demo(settings: TrainSettings) -> Demo:
    """
    Args:
        settings: of the training and its data; :class:`~contextssl.config.settings.EvaluateSettings` are fixed, for time.

    Raises:
        ContextSSLError: of whichever part cannot go on; what was finished before it is kept.
    """
    clock = [time.monotonic()]
    data = open_data(settings, progress=settings.progress)
    clock.append(time.monotonic())
    folder = train(settings, data=data)
    clock.append(time.monotonic())
    evaluate(evaluation_settings(folder, settings))
    report = write_report([folder], own=OwnCode(settings.factors, own_name(settings.dataset), settings.encoder_factory))
    clock.append(time.monotonic())
    names = ("data", "training", "evaluation")
    return Demo(folder, report.page, {name: after - before for name, before, after in zip(names, clock[:-1], clock[1:], strict=True)})


def evaluation_settings(folder: Path, settings: TrainSettings) -> EvaluateSettings:
    """The demo's evaluation of a run, which ``contextssl evaluate all`` repeats with the same words."""
    return EvaluateSettings(
        load_model=str(folder),
        heads=list(HEADS),
        epochs=EPOCHS,
        train_views=TRAIN_VIEWS,
        probe_views=PROBE_VIEWS,
        queries=QUERIES,
        dataset=own_name(settings.dataset),
        encoder_factory=settings.encoder_factory,
        method=settings.method if METHODS.is_own(settings.method) else None,
        accelerator=settings.accelerator,
        progress=settings.progress,
    )
