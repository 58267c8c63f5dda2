"""Packing: by any route, in any number of processes and sittings, to the same bytes."""

from __future__ import annotations

import errno
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections import namedtuple
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from contextssl.data import array_file, packing_worker
from contextssl.data.folder import write_folder
from contextssl.data.journal import SETTINGS, progress_of
from contextssl.data.pack import pack
from contextssl.data.store import CHECKSUMS, LABELS, LATENTS, NAMES, RAW_LATENTS, open_store
from contextssl.data.threediebench_folder import ThreeDIEBenchSource
from contextssl.errors import DataError, SettingsError
from contextssl.system.files import readable_bytes
from tests.sources import ToySource

ARRAYS = ("images.npy", LATENTS, RAW_LATENTS, LABELS, NAMES, CHECKSUMS)


@dataclass(frozen=True)
class Failing(ToySource):
    """A toy source that raises at one item of ``train``."""

    at: int = 3
    error: BaseException = field(default_factory=lambda: ValueError("boom"))

    def read(self, split: str, index: int, resolution: int) -> tuple[np.ndarray, np.ndarray]:
        if (split, index) == ("train", self.at):
            raise self.error
        return super().read(split, index, resolution)


@dataclass(frozen=True)
class Slow(ToySource):
    """A toy source that takes its time, for a pack to be killed in."""

    def read(self, split: str, index: int, resolution: int) -> tuple[np.ndarray, np.ndarray]:
        time.sleep(0.02)
        return super().read(split, index, resolution)


@dataclass(frozen=True)
class Wrong(ToySource):
    """A toy source whose images or latents are not what they should be."""

    how: str = ""

    def read(self, split: str, index: int, resolution: int) -> tuple[np.ndarray, np.ndarray]:
        images, raw = super().read(split, index, resolution)
        if self.how == "size":
            return images[:, :-1], raw
        if self.how == "dtype":
            return images.astype(np.float32), raw
        if self.how == "width":
            return images, raw[:, :6]
        raw[2] = np.nan
        return images, raw


def plain_pack(source: ToySource, out: Path, resolution: int = 16) -> Path:
    return pack(source, out, resolution, workers=0, progress=False)


def same(a: Path, b: Path) -> bool:
    return all((a / name).read_bytes() == (b / name).read_bytes() for name in ARRAYS)


@pytest.fixture
def whole(tmp_path: Path) -> Path:
    return plain_pack(ToySource(), tmp_path / "whole")


def test_by_way_of_a_folder_the_bytes_are_the_same(tmp_path: Path, whole: Path) -> None:
    folder = write_folder(ToySource(), tmp_path / "f", 16, "png", workers=0, progress=False)
    by_folder = pack(ThreeDIEBenchSource(folder), tmp_path / "p", 16, workers=0, progress=False)
    assert same(by_folder, whole)
    assert open_store(by_folder).fingerprint == open_store(whole).fingerprint
    assert sorted(p.name for p in whole.iterdir()) == sorted([*ARRAYS, "manifest.json"])


def test_processes_give_the_same_bytes_and_a_bad_item_is_named_by_them(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    toy = ToySource({"train": 40, "val": 9}, num_views=20)
    whole = plain_pack(toy, tmp_path / "whole")
    folder = write_folder(toy, tmp_path / "f", 16, "png", workers=2, progress=False)
    bad = folder / "kind1" / "train_031" / "image_3.png"
    good = bad.read_bytes()
    bad.write_bytes(good[:50])
    source = ThreeDIEBenchSource(folder)
    with pytest.raises(DataError, match=re.escape(str(bad))) as caught:
        pack(source, tmp_path / "p", 16, workers=2)
    assert "items are kept" in str(caught.value) and "\n" not in str(caught.value)
    with pytest.raises(DataError, match="half-written"):
        open_store(tmp_path / "p")
    done, total = progress_of(tmp_path / "p")
    assert 0 < done < total == 49
    bad.write_bytes(good)
    capsys.readouterr()
    assert same(pack(source, tmp_path / "p", 16, workers=2), whole)
    assert re.search(r"packing p: 980 of 980 images \(100%\), [\d,]+ images/s", capsys.readouterr().err)


@pytest.mark.parametrize("at", [0, 3, 5])
def test_a_failed_pack_keeps_its_items_and_goes_on(tmp_path: Path, whole: Path, at: int) -> None:
    out = tmp_path / "p"
    with pytest.raises(DataError, match=r"cannot read kind\d/train_00\d .*ValueError: boom; fix the source .*run the same command again"):
        plain_pack(Failing(at=at), out)
    assert progress_of(out) == (at, 9)
    with pytest.raises(DataError, match=rf"half-written: {at} of 9 items packed; run the same pack command again"):
        open_store(out)
    reads: list[Any] = []

    @dataclass(frozen=True)
    class Counting(ToySource):
        def read(self, split: str, index: int, resolution: int) -> tuple[np.ndarray, np.ndarray]:
            reads.append((split, index))
            return super().read(split, index, resolution)

    assert same(plain_pack(Counting(), out), whole)
    assert len(reads) == 9 - at


def test_control_c_keeps_what_is_done(tmp_path: Path, whole: Path) -> None:
    with pytest.raises(KeyboardInterrupt, match=r"packing stopped: 3 of 9 items kept in .*run the same command again"):
        plain_pack(Failing(error=KeyboardInterrupt()), tmp_path / "p")
    assert same(plain_pack(ToySource(), tmp_path / "p"), whole)


def test_a_killed_pack_goes_on_from_its_journal(tmp_path: Path) -> None:
    """kill -9 in the middle of the work."""
    toy = ToySource({"train": 30, "val": 10})
    whole, out = plain_pack(toy, tmp_path / "whole"), tmp_path / "p"
    script = (
        "from tests.data.test_pack import Slow; from contextssl.data.pack import pack\n"
        f"pack(Slow({{'train': 30, 'val': 10}}), {str(out)!r}, 16, workers=0, progress=False)"
    )
    process = subprocess.Popen([sys.executable, "-c", script], cwd=Path(__file__).parents[2])
    deadline = time.monotonic() + 60
    while not ((out / "packing.journal").is_file() and progress_of(out)[0] >= 8):
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    done = progress_of(out)[0]
    assert 8 <= done < 40
    with pytest.raises(DataError, match=rf"half-written: {done} of 40 items"):
        open_store(out)
    assert same(plain_pack(toy, out), whole)
    assert sorted(p.name for p in out.iterdir()) == sorted([*ARRAYS, "manifest.json"])


def test_a_pack_that_was_killed_when_it_was_all_but_done_is_tidied(whole: Path, tmp_path: Path) -> None:
    out = plain_pack(ToySource(), tmp_path / "p")
    for name in ("packing.json", "packing.journal", "packing.synced"):
        (out / name).write_bytes(b"left")
    assert same(plain_pack(ToySource(), out), whole)
    assert sorted(p.name for p in out.iterdir()) == sorted([*ARRAYS, "manifest.json"])


@pytest.mark.parametrize("loss", ["images", "cut images", "torn record", "damaged record", "lost page"])
def test_going_on_after_a_power_cut_trusts_nothing_that_is_not_there(tmp_path: Path, whole: Path, loss: str) -> None:
    out = tmp_path / "p"
    with pytest.raises(DataError):
        plain_pack(Failing(at=4), out)
    journal, images = out / "packing.journal", out / "images.npy"
    data = bytearray(journal.read_bytes())
    if loss == "images":
        images.unlink()
    elif loss == "cut images":
        os.truncate(images, 128 + 3072 * 2)
    elif loss == "torn record":
        journal.write_bytes(data[:-7])
    elif loss == "damaged record":
        data[len(data) // 4 + 20] ^= 4
        journal.write_bytes(data)
    else:
        with images.open("r+b") as file:
            file.seek(128 + 3072 * 2)
            file.write(bytes(3072))
    assert same(plain_pack(ToySource(), out), whole)
    open_store(out, verify="full")


def test_a_full_disk_at_the_start(tmp_path: Path, whole: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    out = tmp_path / "p"
    needed = (whole / "images.npy").stat().st_size
    with monkeypatch.context() as patch:
        patch.setattr(os, "posix_fallocate", full)
        with pytest.raises(
            DataError, match=rf"cannot write .*images\.npy: No space left on device \({readable_bytes(needed)} needed, .* free\)"
        ):
            plain_pack(ToySource(), out)
    assert not (out / "images.npy").exists()
    with monkeypatch.context() as patch:
        usage = namedtuple("usage", "total used free")
        patch.setattr(shutil, "disk_usage", lambda _: usage(1, 1, needed - 1))
        with pytest.raises(DataError, match="No space left"):
            plain_pack(ToySource(), out)
    assert same(plain_pack(ToySource(), out), whole)


def test_a_read_only_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def read_only(*_: Any) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr(packing_worker, "write_at", read_only)
    with pytest.raises(DataError, match=r"Read-only file system; 0 of 9 items are packed and kept; choose a folder that you may write to"):
        plain_pack(ToySource(), tmp_path / "p")


def test_a_disk_that_fills_up_on_the_way(tmp_path: Path, whole: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real, count = array_file.write_at, 0

    def full(*given: Any) -> None:
        nonlocal count
        count += 1
        if count == 6:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        real(*given)

    out = tmp_path / "p"
    with monkeypatch.context() as patch:
        patch.setattr(packing_worker, "write_at", full)
        with pytest.raises(DataError, match=r"5 of 9 items are packed and kept; free space and run the same command again"):
            plain_pack(ToySource(), out)
    assert same(plain_pack(ToySource(), out), whole)


def test_a_file_size_limit(tmp_path: Path, whole: Path) -> None:
    """A real refusal by the system, in a process that may not write more than 20 kB to a file."""
    out = tmp_path / "p"
    script = (
        "import resource; from tests.sources import ToySource; from contextssl.data.pack import pack\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))\n"
        f"pack(ToySource(), {str(out)!r}, 16, workers=0, progress=False)"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=Path(__file__).parents[2], capture_output=True, text=True, check=False)
    assert done.returncode == 1 and "StorageError: cannot write" in done.stderr and "(27.1 KiB needed" in done.stderr
    assert same(plain_pack(ToySource(), out), whole)


def test_a_store_of_other_settings_is_not_continued(tmp_path: Path) -> None:
    half, done = tmp_path / "half", tmp_path / "done"
    with pytest.raises(DataError):
        plain_pack(Failing(), half)
    plain_pack(ToySource(), done)
    for out, what in ((half, "was begun"), (done, "holds a store")):
        with pytest.raises(DataError, match=rf"{what} with resolution 16, not 8: choose another folder, remove this one, or use its"):
            plain_pack(ToySource(), out, 8)
        with pytest.raises(DataError, match=rf"{what} with source seed 0, not 1"):
            plain_pack(ToySource(seed=1), out)
        with pytest.raises(DataError, match=rf"{what} with shape"):
            plain_pack(ToySource(num_views=5), out)
    before = (done / "images.npy").stat().st_mtime_ns
    assert plain_pack(ToySource(), done) == done
    assert (done / "images.npy").stat().st_mtime_ns == before


def test_a_folder_of_other_things_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("x")
    with pytest.raises(DataError, match="holds other files: choose a folder that is new or empty"):
        plain_pack(ToySource(), tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["thesis.tex"]


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("size", r"gave images of uint8 \(4, 15, 16, 3\), not uint8 \(4, 16, 16, 3\)"),
        ("dtype", "gave images of float32"),
        ("width", r"gave latents of shape \(4, 6\), not \(4, 7\)"),
        ("nan", r"kind0/train_000: the latents of view 2 are not finite"),
    ],
)
def test_a_source_that_breaks_its_word(tmp_path: Path, how: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        plain_pack(Wrong(how=how), tmp_path / "p")


def test_a_source_that_cannot_be(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="the split 'val' is empty"):
        plain_pack(ToySource({"train": 3, "val": 0}), tmp_path / "p")
    with pytest.raises(DataError, match="there is no split to pack"):
        plain_pack(ToySource({}), tmp_path / "p")
    with pytest.raises(SettingsError, match="resolution=0"):
        plain_pack(ToySource(), tmp_path / "p", 0)
    with pytest.raises(DataError, match="workers=-1"):
        pack(ToySource(), tmp_path / "p", 16, workers=-1)

    @dataclass(frozen=True)
    class Few(ToySource):
        @property
        def class_names(self) -> tuple[str, ...]:
            return ("only",)

    with pytest.raises(DataError, match="label 1 of kind1/train_001 is out of range: there are 1 classes"):
        plain_pack(Few(), tmp_path / "q")


def test_statistics_are_of_the_first_split_where_there_is_no_train(tmp_path: Path) -> None:
    store = open_store(plain_pack(ToySource({"a": 2, "b": 2}), tmp_path / "p"))
    assert store.manifest["statistics_split"] == "a"
    np.testing.assert_allclose(store.image_mean, store["a"].images.reshape(-1, 3).mean(0) / 255)


def test_settings_survive_json(tmp_path: Path) -> None:
    """A description with a tuple in it is the same description when it is read back."""

    @dataclass(frozen=True)
    class Tuples(Failing):
        @property
        def description(self) -> dict[str, Any]:
            return {"kind": "t", "range": (0, 1)}

    with pytest.raises(DataError, match="boom"):
        plain_pack(Tuples(), tmp_path / "p")
    assert (tmp_path / "p" / SETTINGS).is_file()
    plain_pack(replace(Tuples(), at=-1), tmp_path / "p")
