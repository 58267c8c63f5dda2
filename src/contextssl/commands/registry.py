"""Every command: its settings, the function that runs it, and the settings that may be given without a name."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from contextssl.config import (
    bench_settings,
    comparison_settings,
    data_settings,
    evaluation_settings,
    explorer_settings,
    settings,
    use_settings,
)
from contextssl.protocol import PROTOCOLS


@dataclass(frozen=True)
class Command:
    """One command.

    Args:
        schema: its settings; their docstring is its description in ``contextssl --help``.
        runs: ``"module:function"`` in :mod:`contextssl.commands`, imported when the command is given.
        positional: settings that may be given without a name, in this order.
        several: all words without a name together are the one positional setting, a list.
        launches: it starts its own runs through Hydra, so it is given words instead of settings.
        protocol: the one protocol of an evaluation.
        about: its description in ``contextssl --help`` (default: the docstring of its settings).
    """

    schema: type[Any]
    runs: str
    positional: tuple[str, ...] = ()
    several: bool = False
    launches: bool = False
    protocol: str | None = None
    about: str = ""

    @property
    def intro(self) -> str:
        return self.about or str(self.schema.__doc__)

    @property
    def shown_positional(self) -> list[str]:
        """The settings without a name, as the usage shows them: ``[DATA_DIR]``, ``[RUNS …]``."""
        return [f"[{name.upper()}{' …' if self.several else ''}]" for name in self.positional]

    @property
    def parts(self) -> list[Any]:
        """The plug-in that the command names, whose settings it has too."""
        return [] if self.protocol is None or self.protocol in PROTOCOLS.built_in else [PROTOCOLS.find(self.protocol)]

    def function(self) -> Callable[[Any], int]:
        module, _, name = self.runs.partition(":")
        run = getattr(importlib.import_module(f"contextssl.commands.{module}"), name)
        return run if self.protocol is None else partial(run, protocol=self.protocol)


def _evaluation(about: str, protocol: str | None = None) -> Command:
    return Command(evaluation_settings.EvaluateSettings, "evaluate_command:run_evaluate", ("load_model",), protocol=protocol, about=about)


def evaluation_by(name: str) -> Command | None:
    """``contextssl evaluate NAME`` of an installed protocol, or of the user's own as ``package.module:Name``; None if there is none."""
    name = PROTOCOLS.current(name)
    return _evaluation(PROTOCOLS.find(name).intro, name) if PROTOCOLS.is_own(name) or name in PROTOCOLS.names() else None


COMMANDS = {
    "demo": Command(settings.DemoSettings, "demo_command:run_demo"),
    "train": Command(settings.TrainSettings, "train_command:run_train"),
    "replay": Command(settings.ReplaySettings, "replay_command:run_replay", ("run",)),
    "data shapes": Command(data_settings.RenderSettings, "making_commands:run_shapes", ("out",)),
    "data pack": Command(data_settings.PackSettings, "making_commands:run_pack", ("data_dir", "out")),
    "data shard": Command(data_settings.ShardSettings, "making_commands:run_shard", ("data_dir", "out")),
    "data check": Command(data_settings.CheckSettings, "check_command:run_check", ("data_dir",)),
    "evaluate all": _evaluation("Evaluate by every standard protocol that suits the data; views are encoded once."),
    **{f"evaluate {protocol.name}": _evaluation(protocol.intro, protocol.name) for protocol in PROTOCOLS.built_in.values()},
    "embed": Command(use_settings.EmbedSettings, "embed_command:run_embed", ("load_model", "images")),
    "neighbours": Command(use_settings.NeighboursSettings, "neighbours_command:run_neighbours", ("load_model", "queries", "images")),
    "context make": Command(use_settings.ContextMakeSettings, "context_commands:run_make", ("load_model", "context")),
    "context describe": Command(use_settings.ContextDescribeSettings, "context_commands:run_describe", ("load_model", "context")),
    "context compare": Command(use_settings.ContextCompareSettings, "context_commands:run_compare", ("load_model", "first", "second")),
    "adapt": Command(use_settings.AdaptSettings, "adapt_command:run_adapt", ("load_model",)),
    "import": Command(use_settings.ImportSettings, "import_command:run_import", ("load_model",)),
    "compare": Command(comparison_settings.CompareSettings, "compare_command:run_compare", launches=True),
    "reproduce": Command(comparison_settings.ReproduceSettings, "compare_command:run_reproduce", ("what",), launches=True),
    "report": Command(settings.ReportSettings, "report_command:run_report", ("runs",), several=True),
    "bench train": Command(bench_settings.BenchSettings, "bench_command:run_train"),
    "bench data": Command(bench_settings.BenchDataSettings, "bench_command:run_data"),
    "bench evaluate": Command(bench_settings.BenchEvaluateSettings, "bench_command:run_evaluate"),
    "bench context": Command(bench_settings.BenchContextSettings, "bench_command:run_context"),
    "bench gpu": Command(bench_settings.BenchGpuSettings, "bench_command:run_gpu"),
    "explore": Command(explorer_settings.ExploreSettings, "explore_command:run_explore", ("model",)),
}
