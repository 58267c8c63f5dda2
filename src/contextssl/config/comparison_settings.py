"""What a comparison, or an experiment of the paper, trains and evaluates."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from contextssl.config.setting import MOST_SEED, setting
from contextssl.config.settings import TrainSettings
from contextssl.method import COMPARED, METHODS


@dataclass
class ComparisonSettings:
    """Comparison"""

    methods: list[str] = setting(
        [name for name, method in METHODS.built_in.items() if method.compared],
        "what is compared; sie:rotation is SIE conditioned on rotation alone, mine:Foo:rotation a method of your own; seq-jepa is left out unless "
        "it is named, since it needs longer",
        names=COMPARED,
    )
    conditions: list[str] | None = setting(
        None, "environments that a method which follows one action is conditioned on, each in turn; where left out each factor alone"
    )
    vary: dict[str, list[Any]] | None = setting(
        None,
        "settings that are varied, one at a time, over values, in quotes: 'vary={mask_prob:[0,0.5,0.9]}'; each method is run once for each value",
    )
    seeds: list[int] = setting([0, 1, 2], "each run is trained with each", least=0, most=MOST_SEED)
    compare_dir: str = setting(
        "runs/compare", "folder of the runs, METHOD/seedN, and of the tables; what is there already is used again", path=True
    )
    evaluation: str = setting("quick", "the demo's probes, or the paper's, which take longer", choices=("quick", "published"))
    protocols: list[str] = setting(
        ["equivariance", "retrieval", "probe", "geometry", "erasure"],
        "that every run is evaluated by; also: context-sensitivity, labels",
    )
    compare_environments: list[str] | None = setting(
        None, "what contexts tell in the evaluation, such as [rotation,color,rotation+color,none]; where left out, what each was trained on"
    )
    compare_lengths: list[int] | None = setting(
        None, "context lengths that are evaluated; where left out 0, 2, 14, 30, 126 as far as they fit, and the longest", "tokens", least=0
    )
    compare_bottleneck: list[float] = setting(
        [0.0, 0.3], "noise shares that single views and erased features are read under; 0 is no noise", least=0
    )
    job: int = setting(-1, "one run of the comparison by its number, as a launcher is told; -1 is all of them", least=-1)


@dataclass
class CompareSettings(ComparisonSettings, TrainSettings):
    """Train what is missing, evaluate all alike, and write the paper's table: methods side by side, over seeds."""


@dataclass
class ReproduceSettings(ComparisonSettings, TrainSettings):
    """An experiment of the paper by its name, on 3DIEBench where it is (data_dir=DIR), else on rendered shapes."""

    what: str | None = setting(
        None, "figure3, table1, masks, auxiliary, bottleneck, environments, context-sensitivity, labels, single or subsets"
    )
