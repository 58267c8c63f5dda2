"""A header is compared with its file before memory is taken."""

from __future__ import annotations

import json
import os
import struct
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save

from contextssl.errors import DataError
from contextssl.models import tensors_file
from contextssl.models.tensors_file import read_tensors


def file_of(path: Path, header: Any, data: bytes = b"", length: int | None = None, size: int | None = None) -> Path:
    text = header if isinstance(header, bytes) else json.dumps({"__metadata__": {"ours": "{}"}, **header}).encode()
    with path.open("wb") as file:
        file.write(struct.pack("<Q", len(text) if length is None else length) + text + data)
        if size is not None:
            file.truncate(size)
    return path


def test_tensors_and_metadata_come_back(tmp_path: Path) -> None:
    (tmp_path / "x.safetensors").write_bytes(save({"a": torch.arange(3.0)}, {"ours": "yes"}))
    metadata, tensors = read_tensors(tmp_path / "x.safetensors", "ours", "is another's")
    assert metadata == {"ours": "yes"} and torch.equal(tensors["a"], torch.arange(3.0))


@pytest.mark.parametrize(
    ("header", "given", "message"),
    [
        ({}, {"length": 1 << 63}, "declares a header of 8388608.0 TiB"),
        ({}, {"length": 1 << 25, "size": 1 << 30}, "declares a header of 32.0 MiB"),
        ({}, {"size": 1 << 40}, "its tensors end at byte 0"),
        (
            {"x": {"dtype": "F32", "shape": [1 << 30], "data_offsets": [0, 1 << 32]}},
            {"data": bytes(4)},
            "its tensors end at byte 4,294,967,296 of 4",
        ),
        ({"x": {"dtype": "F32", "shape": [-1], "data_offsets": [0, 4]}}, {"data": bytes(4)}, "no safetensors file"),
        ({"x": 3}, {}, "no safetensors file"),
        (b"[" * 10_000, {}, "nested too deeply"),
        (b"[]", {}, "its header is no mapping"),
        (b'{"__metadata__": {"theirs": "x"}}', {"size": 1 << 40}, "is another's"),
    ],
)
def test_what_declares_more_than_it_holds_is_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, header: Any, given: dict[str, Any], message: str
) -> None:
    path = file_of(tmp_path / "x.safetensors", header, **given)
    if given.get("size"):
        monkeypatch.setattr(tensors_file, "read_regular", lambda path: pytest.fail("read"))
    with pytest.raises(DataError, match=message):
        read_tensors(path, "ours", "is another's")


def test_a_pipe_is_no_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "x.safetensors")
    with pytest.raises(DataError, match="is a pipe"):
        read_tensors(tmp_path / "x.safetensors", "ours", "is another's")
