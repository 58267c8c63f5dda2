"""Where memory runs out while a file is read, the file is not called damaged."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

import contextssl
from contextssl.checkpoints import loading
from contextssl.data import archive
from contextssl.data.archive import open_files
from contextssl.data.brought_features import read_features
from contextssl.data.parallel import map_tasks
from contextssl.data.tables.parquet_file import read_parquet
from contextssl.errors import ContextSSLError, DataError
from contextssl.models import tensors_file
from contextssl.models.tensors_file import read_tensors, write_tensors
from contextssl.system.files import read_array
from tests.used import saved


def no_memory(*_: Any, **__: Any) -> None:
    raise MemoryError


def array(path: Path) -> None:
    np.save(path.with_suffix(".npy"), np.zeros(3))
    read_array(path.with_suffix(".npy"))


def features(path: Path) -> None:
    np.savez(path.with_suffix(".npz"), a=np.zeros((3, 2)))
    read_features(str(path.with_suffix(".npz")))


def parquet(path: Path) -> None:
    pd.DataFrame({"a": [1]}).to_parquet(path)
    read_parquet(path)


def members(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as made:
        made.writestr("a.png", b"")
    open_files(path, lambda name: True)


def tensors(path: Path) -> None:
    write_tensors(path, {}, {"a": torch.zeros(3)})
    read_tensors(path)


def model(path: Path) -> None:
    path.mkdir()
    contextssl.load(saved(path))


@pytest.mark.parametrize(
    ("read", "where", "name"),
    [
        (array, np, "load"),
        (features, np.lib.format, "read_array"),
        (parquet, pd, "read_parquet"),
        (members, archive, "list_zip"),
        (tensors, tensors_file, "load"),
        (model, loading, "load_weights"),
    ],
)
def test_it_is_said(read: Callable[[Path], None], where: Any, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(where, name, no_memory)
    with pytest.raises(ContextSSLError, match=r"does not fit into memory: free some memory.*what was saved is whole$") as refused:
        read(tmp_path / "it")
    assert "damaged" not in str(refused.value)


def test_a_server_of_workers_that_was_killed_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    def ended(*_: object) -> None:
        raise EOFError("unexpected EOF")

    monkeypatch.setattr(ProcessPoolExecutor, "submit", ended)
    with pytest.raises(DataError, match=r"the process that starts the workers was ended, .*workers=0 uses none\); what was done is kept"):
        list(map_tasks(divmod, 1, range(1, 4), workers=2))
