"""In-context symmetries: one representation, made invariant or equivariant to chosen transformations by showing it examples.

model = contextssl.load("runs/demo")
context = model.context(source, action, target, environment="rotation")
z = model.embed(images, context)
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from contextssl.version import __version__

if TYPE_CHECKING:
    from contextssl.checkpoints import load, load_any
    from contextssl.config.settings import TrainSettings
    from contextssl.data.dataset import Data
    from contextssl.data.pairs import PairBatch, ViewPairs
    from contextssl.data.views import Views
    from contextssl.data_set import DataSet
    from contextssl.factors import Environment, Factor, FactorSpace
    from contextssl.models.contextssl import ContextSSL
    from contextssl.training.run import train

# The public names and their modules, imported on first use, so that `contextssl --help` does not wait for PyTorch.
_HOME = {
    "ContextSSL": "models.contextssl",
    "Data": "data.dataset",
    "DataSet": "data_set",
    "Environment": "factors",
    "Factor": "factors",
    "FactorSpace": "factors",
    "PairBatch": "data.pairs",
    "TrainSettings": "config.settings",
    "ViewPairs": "data.pairs",
    "Views": "data.views",
    "load": "checkpoints",
    "load_any": "checkpoints",
    "train": "training.run",
}

__all__ = [
    "ContextSSL",
    "Data",
    "DataSet",
    "Environment",
    "Factor",
    "FactorSpace",
    "PairBatch",
    "TrainSettings",
    "ViewPairs",
    "Views",
    "__version__",
    "load",
    "load_any",
    "train",
]


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(importlib.import_module(f"contextssl.{_HOME[name]}"), name)
    raise AttributeError(f"module 'contextssl' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
