"""Checkpoints: what is in a file, whether it is whole, and the model that it holds."""

from contextssl.checkpoints.content import CARRIED, RECIPE, settings_of
from contextssl.checkpoints.loading import (
    MODEL_PREFIX,
    SHIPPED,
    find_checkpoint,
    load,
    load_any,
    load_content,
    read,
    recipe,
    shipped_models,
)

__all__ = [
    "CARRIED",
    "MODEL_PREFIX",
    "RECIPE",
    "SHIPPED",
    "find_checkpoint",
    "load",
    "load_any",
    "load_content",
    "read",
    "recipe",
    "settings_of",
    "shipped_models",
]
