"""Writing files whole or not at all, and reading them back."""

from __future__ import annotations

import errno
import os
import pickle
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from contextssl.errors import DataError, StorageError
from contextssl.system.files import (
    array_bytes,
    atomic_folder,
    atomic_path,
    parse_array,
    read_array,
    read_json,
    readable_bytes,
    storage_error,
    write_array,
    write_json,
    write_text,
)


def test_json_and_text_come_back_and_leave_nothing_else(tmp_path: Path) -> None:
    value = {"a": [1, 2.5, None], "ü": "é"}
    write_json(tmp_path / "deep" / "v.json", value)
    write_text(tmp_path / "deep" / "t.txt", "é\n")
    assert read_json(tmp_path / "deep" / "v.json") == value
    assert (tmp_path / "deep" / "t.txt").read_text(encoding="utf-8") == "é\n"
    assert sorted(p.name for p in (tmp_path / "deep").iterdir()) == ["t.txt", "v.json"]


def test_nan_is_no_json(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(tmp_path / "v.json", float("nan"))
    assert not list(tmp_path.iterdir())


DTYPES: st.SearchStrategy[Any] = st.sampled_from([np.dtype(name) for name in ("float32", "int64", "uint8", "bool", "U5")])


@given(hnp.arrays(DTYPES, hnp.array_shapes(max_dims=3, max_side=4)))
def test_an_array_comes_back_bit_for_bit(array: np.ndarray) -> None:
    again = parse_array(array_bytes(array), "x.npy")
    assert again.dtype == array.dtype and again.shape == array.shape and again.tobytes() == array.tobytes()


def test_an_error_on_the_way_keeps_the_old_file(tmp_path: Path) -> None:
    write_text(tmp_path / "a.txt", "old")
    with pytest.raises(RuntimeError), atomic_path(tmp_path / "a.txt") as temporary:
        temporary.write_text("new")
        raise RuntimeError
    assert (tmp_path / "a.txt").read_text() == "old"
    assert len(list(tmp_path.iterdir())) == 1


def test_a_folder_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), atomic_folder(tmp_path / "a", tmp_path / "t") as temporary:
        (temporary / "x").touch()
        raise RuntimeError
    assert not list(tmp_path.iterdir())
    for name in "xy":
        with atomic_folder(tmp_path / "a", tmp_path / "t") as temporary:
            (temporary / name).touch()
    assert [p.name for p in (tmp_path / "a").iterdir()] == ["y"]


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_a_full_disk_is_one_clear_error(code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(DataError, match=r"cannot write .*a\.json: .*free some space") as caught:
        write_json(tmp_path / "a.json", 1)
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.iterdir())


def test_a_file_size_limit_is_told_and_leaves_nothing(tmp_path: Path) -> None:
    """The real thing, in a process that may not write more than 4 KiB to a file."""
    script = (
        "import resource, numpy as np\n"
        "from contextssl.system.files import write_array\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))\n"
        f"write_array({str(tmp_path / 'a.npy')!r}, np.zeros(10_000))\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "StorageError: cannot write" in done.stderr and "free some space" in done.stderr
    assert not list(tmp_path.iterdir())


def test_a_full_disk_says_how_much_is_needed_and_how_much_is_free(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(
        StorageError, match=r"No space left on device \(3\.0 KiB needed, \d.* free\); free some space .*; what was saved before is kept"
    ) as told:
        write_text(tmp_path / "not/there/a.txt", "abc" * 1024)
    assert told.value.full and told.value.fix.startswith("free some space")
    again = pickle.loads(pickle.dumps(told.value))
    assert (str(again), again.what, again.full) == (str(told.value), told.value.what, True)
    # As the processes of a sweep name the run.
    assert str(type(told.value)("seed=1: full")) == "seed=1: full"


def test_errors_name_the_fix() -> None:
    assert "you may write to" in str(storage_error(PermissionError(errno.EACCES, "Permission denied"), "x", "write"))
    assert "check the path" in str(storage_error(FileNotFoundError(errno.ENOENT, "No such file"), "x", "read"))
    assert str(storage_error(OSError(errno.EDQUOT, "full"), "x", "write", "buy a disk")) == "cannot write x: full; buy a disk"


class Trap:
    """A pickle that would leave a mark if it were loaded."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.mark),)


def test_a_pickle_is_refused_and_not_run(tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    (tmp_path / "a.npy").write_bytes(pickle.dumps(Trap(mark)))
    with pytest.raises(DataError, match=r"a\.npy is not an \.npy file but a pickle"):
        read_array(tmp_path / "a.npy")
    np.save(tmp_path / "b.npy", np.array([Trap(mark)], dtype=object), allow_pickle=True)
    with pytest.raises(DataError, match=r"b\.npy holds pickled Python objects, which can run code"):
        read_array(tmp_path / "b.npy")
    assert not mark.exists()


def test_damaged_arrays_are_told(tmp_path: Path) -> None:
    path = tmp_path / "a.npy"
    write_array(path, np.arange(100))
    whole = path.read_bytes()
    for size in (0, 3, 9, 60, 128, len(whole) - 1):
        path.write_bytes(whole[:size])
        with pytest.raises(DataError, match=r"a\.npy (is damaged or cut short|is not an \.npy file)"):
            read_array(path)
    with pytest.raises(DataError, match=r"cannot read .*none\.npy: No such file"):
        read_array(tmp_path / "none.npy")


def test_damaged_json_is_told(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_bytes(b'{"a": \xff')
    with pytest.raises(DataError, match=r"a\.json is not valid JSON"):
        read_json(tmp_path / "a.json")
    with pytest.raises(DataError, match=r"cannot read .*b\.json"):
        read_json(tmp_path / "b.json")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_may_not_be_written_to(tmp_path: Path) -> None:
    tmp_path.chmod(stat.S_IRUSR | stat.S_IXUSR)
    with pytest.raises(DataError, match="you may write to"):
        write_text(tmp_path / "a.txt", "x")


def test_readable_bytes() -> None:
    assert [readable_bytes(n) for n in (0, 1023, 1536, 5 * 2**30, 3 * 2**42)] == ["0 B", "1023 B", "1.5 KiB", "5.0 GiB", "12.0 TiB"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[" * 100_000, "nested too deeply"),
        ('{"a":' * 100_000 + "1" + "}" * 100_000, "nested too deeply"),
        ("[" + "[]," * 2_000_001 + "0]", "more than 2,000,000 lists and mappings"),
        ("9" * 10_000, "not valid JSON"),
    ],
    ids=["lists", "mappings", "many", "digits"],
)
def test_json_that_would_exhaust_python_is_one_line(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "x.json").write_text(text)
    with pytest.raises(DataError, match=message):
        read_json(tmp_path / "x.json")


def test_what_is_no_file_or_too_large_is_not_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.json")
    with pytest.raises(DataError, match="is a pipe"):
        read_json(tmp_path / "pipe.json")
    for name, read in (("x.json", read_json), ("x.npy", read_array)):
        with (tmp_path / name).open("wb") as file:
            file.truncate(1 << 40)
        with pytest.raises(DataError, match=r"has 1\.0 TiB, more than the"):
            read(tmp_path / name)


@pytest.mark.parametrize(
    ("shape", "kind"),
    [("(1000000000000,)", "<f4"), ("(99999999999, 99999999999)", "<f8"), ("(4,)", "<U107374182"), ("(9,)", "|V0"), ("(-1,)", "<f4")],
)
def test_an_array_that_declares_more_than_its_file_takes_no_memory(shape: str, kind: str) -> None:
    header = f"{{'descr': {kind!r}, 'fortran_order': False, 'shape': {shape}, }}".ljust(117).encode() + b"\n"
    with pytest.raises(DataError, match="it declares .* and holds 16 B"):
        parse_array(b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + bytes(16), "x.npy")
