"""``-m``: one run for each combination of comma-separated values, by Hydra's launchers (joblib, Slurm, …)."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Any

import hydra
from omegaconf import DictConfig, OmegaConf

from contextssl.config.overrides import CONFIG_DIR, checked, read_overrides, store_schema
from contextssl.config.settings import TrainSettings
from contextssl.errors import SettingsError

# Commands whose runs Hydra launches; of a comparison it is the comparison that asks for it.
SWEPT = ("train", "compare")


def without_launcher(words: Sequence[str]) -> list[str]:
    """The words that are settings: those that begin with ``hydra`` choose and set up the launcher."""
    return [word for word in words if not word.lstrip("+~").startswith("hydra")]


def sweep(command: str, schema: type[Any], run: Callable[[Any], int], words: Sequence[str], folder: str | None = None) -> int:
    """Hand the words to Hydra; each job makes a run folder of its own. Words that begin with ``hydra`` choose and set up the launcher.

    Args:
        folder: where Hydra and its launcher keep what is theirs; where left out that of the runs.
    """
    if command not in SWEPT:
        raise SettingsError(f"{command} cannot be swept over: -m goes with train")
    kept = read_overrides(command, schema, [word for word in words if not word.startswith("-")])
    store_schema(command, schema)

    def job(config: DictConfig) -> int:
        return run(checked(command, OmegaConf.to_object(config)))

    if folder is None:
        given = [word.split("=", 1)[1] for word in kept if word.startswith("output_dir=") and "," not in word]
        folder = given[-1].strip("'\"") if given else TrainSettings().output_dir
    # Hydra would make folders of its own for each job; the runs' folders hold all that it would write.
    quiet = [
        "hydra.output_subdir=null",
        f"hydra.sweep.dir='{folder}'",
        "hydra.sweep.subdir=.",
        "hydra/job_logging=none",
        "hydra/hydra_logging=none",
    ]
    before = sys.argv
    sys.argv = ["contextssl", "--multirun", *quiet, *kept]
    try:
        hydra.main(config_path=str(CONFIG_DIR), config_name=f"{command}_settings", version_base="1.3")(job)()
    finally:
        sys.argv = before
    return 0
