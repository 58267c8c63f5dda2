"""A manifest is checked before anything that it names is opened."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from contextssl.data.manifest_check import check_manifest

SOUND = json.loads((Path(__file__).parents[1] / "samples" / "0.1" / "shapes-store" / "manifest.json").read_text())
FILES = SOUND["files"]


def test_a_manifest_of_an_earlier_version_is_sound() -> None:
    check_manifest(SOUND)


@pytest.mark.parametrize(
    ("part", "value", "message"),
    [
        ("shape", [10, 6, 16, 16], "five whole numbers"),
        ("shape", [10, 6, 16, 16, float("inf")], "five whole numbers"),
        ("shape", [True, 6, 16, 16, 3], "five whole numbers"),
        ("class_names", None, "class names"),
        ("class_names", [[]], "class names"),
        ("image_mean", [0.5], "image_mean is not 3 numbers"),
        ("image_std", [0.1, float("nan"), 0.1], "image_std is not 3 numbers"),
        ("files", {**FILES, "../../secret": {"bytes": 1, "crc32": 0}}, "files are not those of a store"),
        ("files", {**FILES, "/dev/zero": {"bytes": 1, "crc32": 0}}, "files are not those of a store"),
        ("files", {}, "files are not those of a store"),
        ("files", {**FILES, "labels.npy": {"bytes": "9", "crc32": 0}}, "how large labels.npy is"),
        ("splits", {"train": [0, 1e300]}, "ranges of items"),
        ("splits", {"train": [-5, 10]}, "ranges of items"),
    ],
)
def test_what_no_store_has_is_said(part: str, value: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        check_manifest({**SOUND, part: value})
