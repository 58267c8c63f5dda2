"""Checkpoints: what is in a file, whether it is whole, and the model that it holds."""

from contextssl.checkpoints.content import CARRIED, RECIPE, settings_of
from contextssl.checkpoints.loading import MODEL_PREFIX, find_checkpoint, load, load_any, load_content, read, recipe

__all__ = ["CARRIED", "MODEL_PREFIX", "RECIPE", "find_checkpoint", "load", "load_any", "load_content", "read", "recipe", "settings_of"]
