"""Everything in one call: renders the data, trains, evaluates by every protocol, and writes the report."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from contextssl.config.evaluation_settings import EvaluateSettings
from contextssl.config.settings import TrainSettings
from contextssl.data.dataset import open_data
from contextssl.data_set import own_name
from contextssl.evaluation.evaluate import evaluate
from contextssl.method import METHODS
from contextssl.report import write_report
from contextssl.report.gallery import OwnCode
from contextssl.training.run import train

# An evaluation in a minute or two on two CPU cores. The published rotation probe, an MLP, takes longer than the training: see docs/results.md.
HEADS = ["linear", "ridge", "knn"]
EPOCHS = 20
# Of examples, whose usual lengths are twice as many.
LENGTHS = (0, 2, 14, 62)
TRAIN_VIEWS = 5
PROBE_VIEWS = 4
QUERIES = 10


@dataclass(frozen=True)
class Demo:
    """A demo: its run's folder, its page, and the seconds of ``"data"``, ``"training"``, and ``"evaluation"`` with the report."""

    folder: Path
    report: Path
    seconds: dict[str, float]


def demo(settings: TrainSettings) -> Demo:
    """
    Args:
        settings: of training and data; those of the evaluation are fixed, to save time.

    Raises:
        ContextSSLError: from a part that fails; the results of earlier parts are kept.
    """
    start = time.monotonic()
    data = open_data(settings, progress=settings.progress)
    opened = time.monotonic()
    folder = train(settings, data=data)
    trained = time.monotonic()
    evaluate(evaluation_settings(folder, settings))
    report = write_report([folder], own=OwnCode(settings.factors, own_name(settings.dataset), settings.encoder_factory))
    seconds = {"data": opened - start, "training": trained - opened, "evaluation": time.monotonic() - trained}
    return Demo(folder, report.page, seconds)


def evaluation_settings(folder: Path, settings: TrainSettings) -> EvaluateSettings:
    """The demo's evaluation of a run; ``contextssl evaluate all`` with the same settings repeats it."""
    return EvaluateSettings(
        load_model=str(folder),
        heads=list(HEADS),
        epochs=EPOCHS,
        train_views=TRAIN_VIEWS,
        probe_views=PROBE_VIEWS,
        queries=QUERIES,
        eval_ctxt=[length for length in LENGTHS if length < settings.block_size - 1] if settings.context == "examples" else None,
        dataset=own_name(settings.dataset),
        encoder_factory=settings.encoder_factory,
        method=settings.method if METHODS.is_own(settings.method) else None,
        accelerator=settings.accelerator,
        progress=settings.progress,
    )
