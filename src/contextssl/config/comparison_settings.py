"""What a comparison, or an experiment of the paper, trains and evaluates."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from contextssl.config.setting import MOST_SEED, setting
from contextssl.config.settings import TrainSettings
from contextssl.method import COMPARED, METHODS
from contextssl.protocol import PROTOCOLS


@dataclass
class ComparisonSettings:
    """Comparison"""

    methods: list[str] = setting(
        [name for name, method in METHODS.built_in.items() if method.compared],
        "methods to compare; sie:rotation is SIE conditioned on rotation alone, mine:Foo:rotation a method of your own; "
        "seq-jepa has to be named, since it trains longer",
        names=COMPARED,
    )
    conditions: list[str] | None = setting(
        None, "environments that methods which follow one action are conditioned on, each in turn; default: each factor alone"
    )
    vary: dict[str, list[Any]] | None = setting(
        None,
        "settings to vary, one at a time, and their values, in quotes: 'vary={mask_prob:[0,0.5,0.9]}'; each method is run once per value",
    )
    seeds: list[int] = setting([0, 1, 2], "each run is trained with each of these seeds", least=0, most=MOST_SEED)
    compare_dir: str = setting(
        "runs/compare", "folder of the runs, METHOD/seedN, and of the tables; finished runs in it are used again", path=True
    )
    evaluation: str = setting(
        "quick", "the demo's probes (quick), or the paper's, which take longer (published)", choices=("quick", "published")
    )
    protocols: list[str] = setting(
        ["equivariance", "retrieval", "probe", "geometry", "erasure"],
        lambda: f"protocols that evaluate every run, of {', '.join(PROTOCOLS.names())}",
    )
    compare_environments: list[str] | None = setting(
        None,
        "environments of the evaluated contexts, such as [rotation,color,rotation+color,none]; default: those that each method was trained on",
    )
    compare_lengths: list[int] | None = setting(
        None,
        "context lengths that are evaluated; default: those of 0, 2, 14, 30, 126 that fit, and the longest that fits",
        "tokens",
        least=0,
    )
    compare_bottleneck: list[float] = setting(
        [0.0, 0.3], "noise shares under which single views and features after concept erasure are probed; 0 is no noise", least=0
    )
    job: int = setting(-1, "number of one run of the comparison, as a launcher is given it; -1 is all runs", least=-1)


@dataclass
class CompareSettings(ComparisonSettings, TrainSettings):
    """Train the runs that are missing, evaluate every run in the same way, and write the paper's table: methods side by side, over seeds."""


@dataclass
class ReproduceSettings(ComparisonSettings, TrainSettings):
    """Reproduce an experiment of the paper by its name, on 3DIEBench where it is given (data_dir=DIR), else on rendered shapes."""

    what: str | None = setting(
        None, "the experiment: figure3, table1, masks, auxiliary, bottleneck, environments, context-sensitivity, labels, single or subsets"
    )
