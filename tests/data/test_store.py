"""Opening a packed store, and every way in which one can be damaged."""

from __future__ import annotations

import json
import multiprocessing
import os
import pickle
import shutil
import zlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from contextssl.data import store as module
from contextssl.data.store import Store, faults, fingerprint, open_store
from contextssl.errors import DataError, SettingsError
from contextssl.factors import COLOR, Factor, FactorSpace
from contextssl.system.files import array_bytes
from tests.sources import ToySource, toy_store

# Of an item of the packed store.
ITEM_BYTES = 4 * 16 * 16 * 3


@pytest.fixture(scope="module")
def packed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return toy_store(tmp_path_factory.mktemp("store") / "s").path


@pytest.fixture
def path(packed: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(packed, tmp_path / "s"))


def rewrite(path: Path, name: str, array: np.ndarray) -> None:
    """Puts an array into a store with checksums that agree, as a store would hold it that was made from bad data."""
    data = array_bytes(array)
    (path / name).write_bytes(data)
    edit(path, lambda m: m["files"].update({name: {"bytes": len(data), "crc32": zlib.crc32(data)}}))


def edit(path: Path, change: Callable[[dict[str, Any]], Any], honest: bool = True) -> None:
    manifest = json.loads((path / "manifest.json").read_text())
    # What finds it in stores of version 0.1, which have no digest of all their values.
    manifest.pop("digest", None)
    change(manifest)
    if honest:
        manifest["fingerprint"] = fingerprint(manifest)
    (path / "manifest.json").write_text(json.dumps(manifest))


def flip(path: Path, place: int) -> None:
    with path.open("r+b") as file:
        file.seek(place)
        byte = file.read(1)[0]
        file.seek(place)
        file.write(bytes([byte ^ 1]))


@pytest.mark.parametrize("factors", [None, FactorSpace((Factor("blur", 1), COLOR, Factor("pose", 4, "rotation")))])
@pytest.mark.parametrize("channels", [1, 3])
def test_a_store_holds_what_the_source_gave(tmp_path: Path, factors: FactorSpace | None, channels: int) -> None:
    toy = (
        ToySource({"train": 5, "val": 2, "test": 1}, channels=channels)
        if factors is None
        else ToySource(channels=channels, factors=factors)
    )
    store = toy_store(tmp_path / "s", toy)
    assert list(store) == list(toy.items) and len(store) == len(toy.items) and store.factors == toy.factors
    for split, views in store.items():
        assert list(views.item_names) == [item.name for item in toy.splits[split]]
        assert views.labels.tolist() == [item.label for item in toy.splits[split]]
        assert isinstance(views.images, np.memmap) and views.class_names == toy.class_names
        for item in range(views.num_items):
            images, raw = toy.read(split, item, 16)
            assert np.array_equal(views.images[item], images)
            assert views.raw_latents is not None and np.array_equal(views.raw_latents[item], raw)
            assert np.array_equal(views.latents[item], toy.latents(raw))
    pixels = np.concatenate([toy.read("train", i, 16)[0] for i in range(toy.items["train"])]).reshape(-1, channels) / 255
    np.testing.assert_allclose(store.image_mean, pixels.mean(0), rtol=1e-12)
    np.testing.assert_allclose(store.image_std, pixels.std(0), rtol=1e-12)


def test_a_store_is_a_mapping_that_can_be_pickled(packed: Path) -> None:
    store = open_store(packed)
    again = pickle.loads(pickle.dumps(store))
    assert isinstance(again, Store) and np.array_equal(again["val"].images, store["val"].images)
    with pytest.raises(DataError, match="has no split 'vall': did you mean 'val'"):
        store["vall"]
    assert "val" in store and "vall" not in store


def test_the_fingerprint_is_of_the_data_alone(packed: Path, path: Path, tmp_path: Path) -> None:
    def change(manifest: dict[str, Any]) -> None:
        manifest.update(made_by="another", source={"kind": "x"})

    edit(path, change)
    assert open_store(path).fingerprint == open_store(packed).fingerprint
    assert toy_store(tmp_path / "t", ToySource(seed=1)).fingerprint != open_store(packed).fingerprint
    assert len(open_store(packed).fingerprint) == 16


@pytest.mark.usefixtures("unchecked_types")
def test_nothing_there(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"there is no store at .*none: check the path"):
        open_store(tmp_path / "none")
    with pytest.raises(DataError, match=r"is no packed store, for it has no manifest\.json"):
        open_store(tmp_path)
    (tmp_path / "meta").mkdir()
    with pytest.raises(DataError, match="is a folder of image files, not a packed store: pack it"):
        open_store(tmp_path)
    with pytest.raises(SettingsError, match="verify='all'"):
        open_store(tmp_path, verify="all")  # type: ignore[arg-type]


@pytest.mark.parametrize("verify", ["full", "read"])
@pytest.mark.parametrize("place", [128, 5000, -1])
def test_a_flipped_byte_in_the_images(path: Path, verify: Any, place: int) -> None:
    images = path / "images.npy"
    size = images.stat().st_size
    flip(images, place % size)
    item = (place % size - 128) // (4 * 16 * 16 * 3)
    with pytest.raises(DataError, match=rf"images\.npy: the images of item {item} .* are damaged .*; copy the file again or pack"):
        open_store(path, verify=verify)
    assert len(open_store(path, verify="none")) == 2


def test_items_of_large_stores_are_compared_once_when_first_read(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FULL_CHECK_BYTES", 100)
    with pytest.raises(DataError, match="item 2"):
        flip(path / "images.npy", 128 + 2 * ITEM_BYTES)
        open_store(path, "full")
    train = open_store(path)["train"]
    others = torch.tensor([0, 1, 3])
    whole = train.gather_views(others, others)
    for again in (train, pickle.loads(pickle.dumps(train)), replace(train)):
        with pytest.raises(
            DataError, match=r"images\.npy: item 2 \(.*\) is damaged \(its checksum differs\): copy the file again, or pack"
        ):
            again.gather_views(torch.tensor([0, 2]), torch.tensor([0, 0]))
        with pytest.raises(DataError, match="item 2"):
            again.digest()
    compared: list[int] = []
    real = zlib.crc32

    def counting(data: Any) -> int:
        compared.append(len(bytes(data)))
        return real(data)

    monkeypatch.setattr(zlib, "crc32", counting)
    assert torch.equal(train.gather_views(others, others), whole) and not compared
    train.gather_views(torch.tensor([4, 4]), torch.tensor([0, 1]))
    assert compared == [ITEM_BYTES]
    unchecked = open_store(path, "none")["train"]
    assert unchecked.gather_views(torch.tensor([2]), torch.tensor([0])).shape == (1, 3, 16, 16)


def test_one_process_knows_what_another_has_compared(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FULL_CHECK_BYTES", 100)
    train = open_store(path)["train"]
    assert train.checks is not None and not train.checks.checked.any()
    place = torch.tensor([1])
    process = multiprocessing.get_context("fork").Process(target=train.gather_views, args=(place, place))
    process.start()
    process.join()
    assert process.exitcode == 0 and train.checks.checked.nonzero().tolist() == [[1]]


def test_images_cut_short_or_of_another_shape(path: Path) -> None:
    images = path / "images.npy"
    data = images.read_bytes()
    images.write_bytes(data[:-1])
    with pytest.raises(DataError, match=r"images\.npy has \d+ bytes, not \d+ .*: it was cut short or replaced"):
        open_store(path, verify="none")
    np.save(images, np.zeros((9, 4, 8, 8, 3), np.uint8))
    with pytest.raises(DataError, match=r"images\.npy holds uint8 of shape \(9, 4, 8, 8, 3\), not uint8 of shape"):
        open_store(path)
    images.write_bytes(b"nonsense")
    with pytest.raises(DataError, match=r"images\.npy is no \.npy file"):
        open_store(path)
    images.unlink()
    with pytest.raises(DataError, match=r"cannot read .*images\.npy"):
        open_store(path)
    os.mkfifo(images)
    with pytest.raises(DataError, match=r"images\.npy is a pipe \(FIFO\), not a file"):
        open_store(path)


@pytest.mark.parametrize("text", ["{}", '{"shape": 3}', '{"shape": [1, 2, 3, 4, 5]}', '{"shape": [1, 2, 3, 4, 5], "raw_width": "x"}'])
def test_a_half_written_store_of_nonsense(text: str, tmp_path: Path) -> None:
    (tmp_path / "packing.json").write_text(text)
    with pytest.raises(DataError, match=r"packing\.json is damaged \(it has no shape of images\): remove .*, and pack it again"):
        open_store(tmp_path)


@pytest.mark.parametrize("name", ["latents.npy", "raw_latents.npy", "labels.npy", "names.json", "checksums.npy"])
def test_small_files_damaged_cut_or_gone(path: Path, name: str) -> None:
    flip(path / name, (path / name).stat().st_size - 3)
    with pytest.raises(DataError, match=f"{name} is damaged .its checksum differs"):
        open_store(path, verify="none")
    (path / name).write_bytes((path / name).read_bytes()[:-1])
    with pytest.raises(DataError, match=f"{name} has .* bytes, not .*: it was cut short"):
        open_store(path, verify="none")
    (path / name).unlink()
    with pytest.raises(DataError, match=f"cannot read .*{name}"):
        open_store(path, verify="none")


def test_latents_that_are_not_finite(path: Path) -> None:
    latents = np.load(path / "latents.npy")
    latents[7, 2, 4] = np.nan
    rewrite(path, "latents.npy", latents)
    with pytest.raises(DataError, match=r"latents\.npy: item 7 \(kind1/val_001\), view 2 is not finite"):
        open_store(path)


def test_labels_out_of_range_and_arrays_of_another_shape(path: Path) -> None:
    rewrite(path, "labels.npy", np.array([0, 1, 2, 0, 3, 2, 0, 1, 2]))
    with pytest.raises(DataError, match=r"label 3 of item 4 \(kind1/train_004\) is out of range: there are 3 classes"):
        open_store(path)
    rewrite(path, "labels.npy", np.zeros(8, np.int64))
    with pytest.raises(DataError, match=r"labels\.npy is int64 of shape \(8,\), not int64 of shape \(9,\)"):
        open_store(path)


def test_manifests_that_are_wrong(path: Path) -> None:
    edit(path, lambda m: m["splits"].update(val=[6, 6]))
    with pytest.raises(DataError, match="the split 'val' is empty"):
        open_store(path)
    edit(path, lambda m: m["splits"].update(val=[5, 9]))
    with pytest.raises(DataError, match="the splits do not cover the 9 items one after the other"):
        open_store(path)
    edit(path, lambda m: m["splits"].update(val=[6, 9]))
    open_store(path)
    edit(path, lambda m: m["class_names"].append("x"), honest=False)
    with pytest.raises(DataError, match="was changed after it was written"):
        open_store(path)
    edit(path, lambda m: m.pop("image_mean"))
    with pytest.raises(DataError, match=r"is damaged \(KeyError"):
        open_store(path)
    edit(path, lambda m: m.update(version=7))
    with pytest.raises(DataError, match=r"manifest\.json has format 7, written by contextssl 0\.1\.0: this version reads 1; update"):
        open_store(path)
    edit(path, lambda m: m.update(format="x", version=1))
    with pytest.raises(DataError, match="does not describe a packed store"):
        open_store(path)
    (path / "manifest.json").write_text("{")
    with pytest.raises(DataError, match=r"manifest\.json is damaged"):
        open_store(path)


def test_all_faults_are_told(path: Path) -> None:
    for item in (2, 8):
        flip(path / "images.npy", 128 + item * 4 * 16 * 16 * 3)
    assert [fault.split("item ")[1][0] for fault in faults(path)] == ["2", "8"]
    flip(path / "labels.npy", 130)
    flip(path / "latents.npy", 130)
    assert len(list(faults(path))) == 2


@pytest.mark.parametrize("key", ["image_mean", "image_std"])
def test_mean_and_deviation_that_were_changed(path: Path, key: str) -> None:
    edit(path, lambda manifest: manifest[key].__setitem__(0, manifest[key][0] * 1.01))
    with pytest.raises(DataError, match=r"manifest\.json was changed after it was written \(mean or deviation of the images\)"):
        open_store(path)
