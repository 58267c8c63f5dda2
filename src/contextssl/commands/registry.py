"""Every command: its settings, what runs it, and which settings may be bare words."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from contextssl.config import comparison_settings, data_settings, evaluation_settings, settings


@dataclass(frozen=True)
class Command:
    """One command.

    Args:
        schema: its settings; their docstring is its line in ``contextssl --help``.
        runs: ``"module:function"`` in :mod:`contextssl.commands`, imported when the command is given.
        positional: settings that may be bare words, in their order.
        several: all bare words together are the one positional setting, a list.
        launches: it runs by Hydra, and is given its words in the place of settings.
        arguments: what the function is given after the settings.
    """

    schema: type[Any]
    runs: str
    positional: tuple[str, ...] = ()
    several: bool = False
    launches: bool = False
    arguments: tuple[str, ...] = ()

    @property
    def intro(self) -> str:
        return str(self.schema.__doc__)

    def function(self) -> Callable[[Any], int]:
        module, _, name = self.runs.partition(":")
        run = getattr(importlib.import_module(f"contextssl.commands.{module}"), name)
        return partial(_with, run, self.arguments) if self.arguments else run


def _with(run: Callable[..., int], arguments: tuple[str, ...], given: Any) -> int:
    return run(given, *arguments)


def _evaluation(schema: type[Any], *protocols: str) -> Command:
    return Command(schema, "evaluate_command:run_evaluate", ("load_model",), arguments=protocols)


COMMANDS = {
    "demo": Command(settings.DemoSettings, "demo_command:run_demo"),
    "train": Command(settings.TrainSettings, "train_command:run_train"),
    "data shapes": Command(data_settings.RenderSettings, "making_commands:run_shapes", ("out",)),
    "data pack": Command(data_settings.PackSettings, "making_commands:run_pack", ("data_dir", "out")),
    "data check": Command(data_settings.CheckSettings, "check_command:run_check", ("data_dir",)),
    "evaluate equivariance": _evaluation(evaluation_settings.EvaluateEquivarianceSettings, "equivariance"),
    "evaluate retrieval": _evaluation(evaluation_settings.EvaluateRetrievalSettings, "retrieval"),
    "evaluate probe": _evaluation(evaluation_settings.EvaluateProbeSettings, "probe"),
    "evaluate geometry": _evaluation(evaluation_settings.EvaluateGeometrySettings, "geometry"),
    "evaluate fairness": _evaluation(evaluation_settings.EvaluateFairnessSettings, "fairness"),
    "evaluate erasure": _evaluation(evaluation_settings.EvaluateErasureSettings, "erasure"),
    "evaluate reading": _evaluation(evaluation_settings.EvaluateReadingSettings, "reading"),
    "evaluate labels": _evaluation(evaluation_settings.EvaluateLabelsSettings, "labels"),
    "evaluate all": _evaluation(evaluation_settings.EvaluateAllSettings),
    "compare": Command(comparison_settings.CompareSettings, "compare_command:run_compare", launches=True),
    "reproduce": Command(comparison_settings.ReproduceSettings, "compare_command:run_reproduce", ("what",), launches=True),
    "report": Command(settings.ReportSettings, "report_command:run_report", ("runs",), several=True),
}
