"""What a store's manifest must be before anything that it names is opened: it may come from anywhere, and its fingerprint with it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

# Files beside the images: those that a store may have, and those that it has.
SMALL_FILES = ("latents.npy", "raw_latents.npy", "labels.npy", "names.json", "checksums.npy")
NEEDED_FILES = ("latents.npy", "labels.npy", "names.json", "checksums.npy")


def check_manifest(manifest: Mapping[str, Any]) -> None:
    """Raises KeyError or ValueError for parts that are missing, or not what a store has."""
    shape = manifest["shape"]
    if not isinstance(shape, list) or len(shape) != 5 or not all(type(size) is int and size > 0 for size in shape):
        raise ValueError("its shape is not five whole numbers")
    channels = shape[-1]
    names = manifest["class_names"]
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise ValueError("its class names are no list of words")
    for part in ("image_mean", "image_std"):
        numbers = manifest[part]
        if not isinstance(numbers, list) or len(numbers) != channels or not all(_finite(number) for number in numbers):
            raise ValueError(f"its {part} is not {channels} numbers")
    files = manifest["files"]
    if not isinstance(files, dict) or not {*NEEDED_FILES} <= {*files} <= {*SMALL_FILES}:
        raise ValueError("its files are not those of a store")
    for name, recorded in files.items():
        if not isinstance(recorded, dict) or not all(type(recorded.get(key)) is int for key in ("bytes", "crc32")):
            raise ValueError(f"it does not say how large {name} is")
    splits = manifest["splits"]
    if not isinstance(splits, dict) or not all(
        isinstance(bounds, list) and len(bounds) == 2 and all(type(bound) is int and bound >= 0 for bound in bounds)
        for bounds in splits.values()
    ):
        raise ValueError("its splits are not ranges of items")


def _finite(number: Any) -> bool:
    return isinstance(number, int | float) and not isinstance(number, bool) and math.isfinite(number)
