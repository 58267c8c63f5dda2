"""Where a result came from: settings, seed, data, encoder, version, commit, machine, date."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import time
import tomllib
from pathlib import Path
from typing import Any

import torch
from torch import nn

from contextssl.config.settings import TrainSettings
from contextssl.data.dataset import Data, data_kind
from contextssl.method import METHODS
from contextssl.system.machine import processor
from contextssl.version import __version__

# What the kind of the data, and the encoder, are called where they are the user's own.
OWN = "own"
PACKAGE = Path(__file__).parents[1]


def describe_run(settings: TrainSettings, data: Data, encoder: nn.Module | str | None = None) -> dict[str, Any]:
    """What made a result.

    Args:
        encoder: the user's own, or the name of its class; None for ``settings.backbone``.
    """
    given = {"settings": dataclasses.asdict(settings), "seed": settings.seed}
    return {**given, **describe_parts(settings, data, encoder), **describe_machine()}


def describe_parts(settings: TrainSettings, data: Data, encoder: nn.Module | str | None) -> dict[str, Any]:
    """What the data and the encoder were, also where data and encoder are the user's own, whatever the settings' ``dataset`` and ``backbone``
    say; and the properties of a method that is not of this package, which a report does not import.
    """
    found: dict[str, Any] = {"data": {**data.description, "kind": data_kind(data)}}
    if settings.method not in METHODS.built_in:
        method = METHODS.find(settings.method)
        found["method"] = {name: getattr(method, name) for name in ("title", "aim", "contexts", "by_name")}
    if encoder is None:
        return {**found, "encoder": settings.backbone}
    return {**found, "encoder": OWN, "encoder_class": encoder if isinstance(encoder, str) else type(encoder).__qualname__}


def describe_machine() -> dict[str, Any]:
    """Of any result: version, commit, machine, date."""
    return {
        "version": __version__,
        "commit": commit(),
        "torch": torch.__version__,
        "machine": processor(),
        "device": torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu",
        "threads": torch.get_num_threads(),
        "date": time.strftime("%Y-%m-%d %H:%M:%S"),
    }


def commit(package: Path = PACKAGE) -> str | None:
    """The commit of this package's own checkout, or None where the package runs from elsewhere, such as an environment in a user's repository."""
    root = package.parent.parent
    if not (root / ".git").exists() or not _is_ours(root / "pyproject.toml"):
        return None
    # Variables that git sets, as for its hooks, would name another repository.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    try:
        found = subprocess.run(
            ["git", "describe", "--always", "--dirty"], cwd=root, env=environment, capture_output=True, text=True, timeout=10, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return found.stdout.strip() or None


def _is_ours(pyproject: Path) -> bool:
    try:
        return tomllib.loads(pyproject.read_text(encoding="utf-8")).get("project", {}).get("name") == "contextssl"
    except (OSError, ValueError, AttributeError):
        return False
