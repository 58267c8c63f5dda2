"""Writing the published layout."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from contextssl.data import folder as module
from contextssl.data.folder import write_folder
from contextssl.data.threediebench_folder import ThreeDIEBenchSource
from contextssl.errors import DataError, SettingsError
from contextssl.factors import COLOR, FactorSpace
from tests.data.test_pack import Failing
from tests.sources import ToySource


def write(source: ToySource, out: Path, **settings: object) -> Path:
    return write_folder(source, out, **{"resolution": 16, "workers": 0, "progress": False, **settings})  # type: ignore[arg-type]


def test_the_files_are_those_of_the_published_layout(tmp_path: Path) -> None:
    root = write(ToySource(), tmp_path / "f")
    item = root / "kind2" / "train_002"
    assert sorted(p.name for p in item.iterdir()) == sorted([f"image_{i}.jpg" for i in range(4)] + [f"latent_{i}.npy" for i in range(4)])
    latent = np.load(item / "latent_1.npy")
    assert latent.shape == (7,) and latent.dtype == np.float64 and np.array_equal(latent, ToySource().raw("train", 2)[1])
    with Image.open(item / "image_1.jpg") as image:
        assert image.format == "JPEG" and image.size == (16, 16)
        assert np.abs(np.asarray(image).astype(int) - ToySource().read("train", 2, 16)[0][1]).max() < 12
    paths, labels = np.load(root / "meta" / "val_images.npy"), np.load(root / "meta" / "val_labels.npy")
    assert paths.tolist() == ["/kind0/val_000/", "/kind1/val_001/", "/kind2/val_002/"] and paths.dtype.kind == "U"
    assert labels.tolist() == [0, 1, 2] and labels.dtype == np.int64
    assert sorted(p.name for p in root.iterdir()) == ["kind0", "kind1", "kind2", "meta"]


def test_quality_is_heeded(tmp_path: Path) -> None:
    sizes = [(write(ToySource(), tmp_path / str(q), quality=q) / "kind0" / "train_000" / "image_0.jpg").stat().st_size for q in (10, 95)]
    assert sizes[0] < sizes[1]


def test_a_stopped_folder_goes_on_and_is_not_read_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "f"
    with pytest.raises(DataError, match="ValueError: boom"):
        write(Failing(at=4), out, image_format="png")
    assert (out / "kind0" / "train_003").is_dir() and not (out / "kind1" / "train_004").exists() and not (out / module.PARTIAL).exists()
    with pytest.raises(DataError, match=r"train_images\.npy is missing: .*run the same command again if the folder was being written"):
        ThreeDIEBenchSource(out)
    (out / "kind0" / "train_000" / "image_0.png").write_bytes(b"")  # as after a power cut
    written: list[str] = []
    real = module._write_item

    def writing(job: Any, task: Any) -> None:
        written.append(task[2])
        real(job, task)

    monkeypatch.setattr(module, "_write_item", writing)
    write(ToySource(), out, image_format="png")
    assert sorted(written) == ["kind0/train_000", "kind0/val_000", "kind1/train_004", "kind1/val_001", "kind2/train_005", "kind2/val_002"]
    again = ThreeDIEBenchSource(out)
    assert np.array_equal(again.read("train", 0, 16)[0], ToySource().read("train", 0, 16)[0])


def test_a_folder_that_was_stopped_before_it_said_what_it_is_goes_on(tmp_path: Path) -> None:
    out = tmp_path / "f"
    (out / "meta").mkdir(parents=True)
    (out / "meta/.folder.0123abcd.tmp.json").write_bytes(b"{")
    write(ToySource(), out)
    assert not list((out / "meta").glob(".*"))
    (tmp_path / "g/meta").mkdir(parents=True)
    (tmp_path / "g/meta/mine.txt").touch()
    with pytest.raises(DataError, match="holds other files"):
        write(ToySource(), tmp_path / "g")


def test_control_c(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt, match=r"writing stopped: what is in .* is kept"):
        write(Failing(error=KeyboardInterrupt()), tmp_path / "f")


def test_other_settings_and_other_folders_are_refused(tmp_path: Path) -> None:
    out = write(ToySource(), tmp_path / "f")
    write(ToySource(), out)
    for source, settings in ((ToySource(seed=1), {}), (ToySource(), {"quality": 50}), (ToySource(), {"image_format": "png"})):
        with pytest.raises(DataError, match="was written with other settings"):
            write(source, out, **settings)
    (tmp_path / "g").mkdir()
    (tmp_path / "g" / "x").touch()
    with pytest.raises(DataError, match="holds other files"):
        write(ToySource(), tmp_path / "g")


@pytest.mark.usefixtures("unchecked_types")
def test_what_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="image_format='bmp': use 'jpg' or 'png'"):
        write(ToySource(), tmp_path / "f", image_format="bmp")
    with pytest.raises(SettingsError, match="quality=0"):
        write(ToySource(), tmp_path / "f", quality=0)
    with pytest.raises(SettingsError, match="this source has factors color from 2: pack it into a store instead"):
        write(ToySource(factors=FactorSpace((COLOR,))), tmp_path / "f")
    with pytest.raises(DataError, match="the split 'val' is empty"):
        write(ToySource({"train": 1, "val": 0}), tmp_path / "f")
    assert not list(tmp_path.iterdir())


def test_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    @dataclass(frozen=True)
    class Full(ToySource):
        pass

    def refuse(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Image.Image, "save", refuse)
        with pytest.raises(DataError, match=r"cannot write .*train_000: No space left on device \(.* free\); free some space"):
            write(Full(), tmp_path / "f")
    write(Full(), tmp_path / "f")
    ThreeDIEBenchSource(tmp_path / "f")


def test_two_that_write_one_folder_wait_for_each_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[str] = []
    real = module._write_item

    def slowly(job: Any, task: Any) -> None:
        written.append(task[2])
        time.sleep(0.03)
        real(job, task)

    monkeypatch.setattr(module, "_write_item", slowly)
    with ThreadPoolExecutor(3) as threads:
        for made in [threads.submit(write, ToySource(), tmp_path / "f", image_format="png") for _ in range(3)]:
            made.result()
    assert len(written) == 9 and sorted(p.name for p in (tmp_path / "f").iterdir()) == ["kind0", "kind1", "kind2", "meta"]
    assert np.array_equal(ThreeDIEBenchSource(tmp_path / "f").read("train", 0, 16)[0], ToySource().read("train", 0, 16)[0])
