"""CIFAR-10 from tiny files of torchvision's layout: the published ones are not at hand, so their checksums are put in place."""

from __future__ import annotations

import hashlib
import json
import pickle
import shutil
import tarfile
import urllib.error
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from torchvision.datasets import CIFAR10

from contextssl.config.data_settings import DataSettings
from contextssl.data.cifar10_files import cifar10_source
from contextssl.data.dataset import open_data
from contextssl.data.pack import pack
from contextssl.data.source import Item
from contextssl.data.store import open_store
from contextssl.errors import DataError, SettingsError

CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
BATCHES = [f"data_batch_{i}" for i in range(1, 6)]


def batch(name: str, count: int = 20) -> dict[str, Any]:
    """Random images, two of each class, as the published pickles hold them: a row an image, one channel after the other."""
    pixels = np.random.default_rng(len(name) + ord(name[-1])).integers(0, 256, (count, 3072), np.uint8)
    return {"data": pixels, "labels": [i % 10 for i in range(count)]}


def md5(path: Path) -> str:
    return hashlib.md5(path.read_bytes()).hexdigest()


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "c" / CIFAR10.base_folder
    folder.mkdir(parents=True)
    for name in (*BATCHES, "test_batch"):
        (folder / name).write_bytes(pickle.dumps(batch(name)))
    (folder / "batches.meta").write_bytes(pickle.dumps({"label_names": list(CLASSES)}))
    with tarfile.open(tmp_path / CIFAR10.filename, "w:gz") as made:
        made.add(folder, CIFAR10.base_folder)
    monkeypatch.setattr(CIFAR10, "train_list", [[name, md5(folder / name)] for name in BATCHES])
    monkeypatch.setattr(CIFAR10, "test_list", [["test_batch", md5(folder / "test_batch")]])
    monkeypatch.setattr(CIFAR10, "meta", {**CIFAR10.meta, "md5": md5(folder / "batches.meta")})
    monkeypatch.setattr(CIFAR10, "tgz_md5", md5(tmp_path / CIFAR10.filename))
    return tmp_path / "c"


def test_items_pixels_and_classes(root: Path) -> None:
    source = cifar10_source(root)
    assert {split: len(items) for split, items in source.splits.items()} == {"train": 90, "val": 10, "test": 20}
    assert (
        source.class_names == CLASSES and source.factors.width == 0 and (source.num_views, source.channels, source.raw_width) == (1, 3, 2)
    )
    assert source.splits["test"][3] == Item("test/cat/00003", 3)
    names = [item.name for items in source.splits.values() for item in items]
    assert len(set(names)) == 120
    rows = {"train": np.concatenate([batch(name)["data"] for name in BATCHES]), "test": batch("test_batch")["data"]}
    for split, items in source.splits.items():
        for index in (0, len(items) - 1):
            part, kind, place = items[index].name.split("/")
            pixels, raw = source.read(split, index, 32)
            assert pixels.dtype == np.uint8 and np.array_equal(pixels[0].transpose(2, 0, 1).reshape(-1), rows[part][int(place)])
            assert raw.dtype == np.float64 and raw.tolist() == [[32, 32]] and CLASSES[items[index].label] == kind
    assert source.latents(np.zeros((4, 1, 2))).shape == (4, 1, 0)
    with pytest.raises(DataError, match="unknown split 'tset': did you mean 'test'"):
        source.read("tset", 0, 32)
    assert json.loads(json.dumps(source.description)) == source.description


def test_validation_is_cut_by_class_and_seed(root: Path) -> None:
    source = cifar10_source(root, val_fraction=0.3)
    for label in range(10):
        assert [sum(item.label == label for item in source.splits[split]) for split in ("train", "val")] == [7, 3]
    assert cifar10_source(root, val_fraction=0.3).splits == source.splits
    assert cifar10_source(root, val_fraction=0.3, seed=1).splits["val"] != source.splits["val"]
    for fraction in (0.0, 1.0):
        with pytest.raises(SettingsError, match="val_fraction="):
            cifar10_source(root, val_fraction=fraction)


def test_other_resolutions(root: Path) -> None:
    source = cifar10_source(root)
    whole = source.read("val", 2, 32)[0][0]
    for resolution in (16, 64):
        want = Image.fromarray(whole).resize((resolution, resolution), Image.Resampling.BICUBIC)
        pixels, raw = source.read("val", 2, resolution)
        assert np.array_equal(pixels[0], np.asarray(want)) and raw.tolist() == [[32, 32]]


def test_pixels_are_not_pickled(root: Path, tmp_path: Path) -> None:
    source = cifar10_source(root)
    want = source.read("train", 7, 32)[0]
    pickled = pickle.dumps(source)
    assert len(pickled) < 10_000
    assert np.array_equal(pickle.loads(pickled).read("train", 7, 32)[0], want)
    store = open_store(pack(source, tmp_path / "s", 32, workers=0, progress=False))
    assert np.array_equal(store["train"].images[7], want) and store["val"].item_names == [item.name for item in source.splits["val"]]
    shutil.rmtree(root)
    with pytest.raises(DataError, match=r"cifar-10-batches-py is damaged or not whole"):
        pickle.loads(pickled).read("train", 7, 32)


def test_an_archive_is_unpacked_without_a_network(root: Path, tmp_path: Path) -> None:
    want = cifar10_source(root).splits
    shutil.rmtree(root)
    root.mkdir()
    shutil.move(tmp_path / CIFAR10.filename, root)
    assert cifar10_source(root).splits == want
    shutil.rmtree(root / CIFAR10.base_folder)
    (root / CIFAR10.filename).write_bytes((root / CIFAR10.filename).read_bytes()[:-20])
    with pytest.raises(DataError, match=r"cifar-10-python\.tar\.gz is damaged or not the published one"):
        cifar10_source(root)


def test_missing_and_damaged_files(root: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        cifar10_source(tmp_path / "none")
    assert str(caught.value) == (
        f"no CIFAR-10 in {tmp_path / 'none'}: say download=true where there is a network, put cifar-10-python.tar.gz there, "
        "or point dataset=images at a folder of images"
    )
    (root / CIFAR10.base_folder / "data_batch_3").write_bytes(b"\x80")
    with pytest.raises(DataError, match=r"cifar-10-batches-py is damaged or not whole: say download=true"):
        cifar10_source(root)


def test_downloads_that_fail(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def offline(*_: object, **__: object) -> None:
        raise urllib.error.URLError("no route to host")

    monkeypatch.setattr("urllib.request.urlopen", offline)
    assert len(cifar10_source(root, download=True).splits["test"]) == 20
    with pytest.raises(DataError, match=r"cannot get CIFAR-10 into .*: <urlopen error no route to host>; check the network, or put"):
        cifar10_source(tmp_path / "new", download=True)


@pytest.mark.parametrize(("name", "value"), [("channels", 1), ("labels", False), ("split_file", "splits.csv"), ("unreadable", "skip")])
def test_settings_of_image_folders_are_refused(root: Path, name: str, value: object) -> None:
    with pytest.raises(SettingsError, match=f"{name}={value} means nothing to dataset=cifar10"):
        open_data(DataSettings(dataset="cifar10", data_dir=str(root), **{name: value}), progress=False)  # type: ignore[arg-type]
