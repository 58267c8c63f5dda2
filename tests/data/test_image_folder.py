"""Images of folders and archives as items: the same from each, cut by seed, and what cannot be read is refused or skipped, never hidden."""

from __future__ import annotations

import json
import os
import pickle
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from contextssl.data.image_folder import ImagesSource
from contextssl.data.layout import list_images
from contextssl.data.pack import pack
from contextssl.data.small_images import refuse_constant
from contextssl.data.source import Item, ItemSource
from contextssl.data.store import open_store
from contextssl.errors import ContextSSLError, DataError, SettingsError
from tests.data.test_archive import SUFFIXES, archived

SHARED = Path(os.environ.get("CONTEXTSSL_SHARED", Path(__file__).parents[3] / "shared"))
REAL = SHARED / "data" / "cifar10_images.tar.gz"


def write_images(root: Path, names: list[str], size: tuple[int, int] = (8, 12)) -> Path:
    """A small image at each of ``names``, all different."""
    for number, name in enumerate(names):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(number).integers(0, 256, (*size, 3), np.uint8)
        Image.fromarray(pixels).save(root / name)
    return root


def numbered(*folders: str, count: int = 4) -> list[str]:
    """``count`` names in each folder."""
    return [f"{folder}/{i}.png" for folder in folders for i in range(count)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = write_images(tmp_path / "f", numbered("train/cat", "train/dog/deep", "val/cat", "val/dog", "test/cat"))
    (root / "train/cat/notes.txt").write_text("no image")
    return root


def quiet(path: Path, **settings: Any) -> ImagesSource:
    return ImagesSource(path, **{"workers": 0, "progress": False, **settings})


def test_an_item_is_one_view_without_factors(folder: Path) -> None:
    source: ItemSource = quiet(folder)
    assert (source.num_views, source.channels, source.raw_width) == (1, 3, 2)
    assert source.factors.factors == () and source.factors.width == 0
    assert {split: len(items) for split, items in source.splits.items()} == {"train": 8, "val": 8, "test": 4}
    assert source.class_names == ("cat", "dog") and source.splits["train"][5] == Item("train/dog/deep/1.png", 1)
    pixels, raw = source.read("train", 5, 8)
    with Image.open(folder / "train/dog/deep/1.png") as image:
        assert np.array_equal(pixels[0], np.asarray(image)[:, 2:10])
    assert pixels.shape == (1, 8, 8, 3) and raw.dtype == np.float64 and raw.tolist() == [[8, 12]]
    assert source.latents(raw).shape == (1, 0) and source.latents(np.zeros((5, 1, 2))).shape == (5, 1, 0)
    assert quiet(folder, channels=1).read("val", 0, 4)[0].shape == (1, 4, 4, 1)
    with pytest.raises(DataError, match="unknown split 'vall': did you mean 'val'"):
        source.read("vall", 0, 8)
    assert json.loads(json.dumps(source.description)) == source.description


@pytest.mark.parametrize("top", ["", "photos"])
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_an_archive_gives_what_its_folder_gives(folder: Path, suffix: str, top: str) -> None:
    plain = quiet(folder)
    found = pickle.loads(pickle.dumps(quiet(archived(folder, suffix, top))))
    assert found.splits == plain.splits and found.class_names == plain.class_names
    for split in plain.splits:
        for index in reversed(range(len(plain.splits[split]))):
            for ours, theirs in zip(found.read(split, index, 6), plain.read(split, index, 6), strict=True):
                assert np.array_equal(ours, theirs)
    assert found.listing.others == 1


def test_packing_in_worker_processes(folder: Path, tmp_path: Path) -> None:
    source = quiet(archived(folder, ".tar.gz"))
    store = open_store(pack(source, tmp_path / "s", 8, workers=2, progress=False))
    alone = open_store(pack(quiet(folder), tmp_path / "t", 8, workers=0, progress=False))
    assert store.fingerprint == alone.fingerprint and store.factors.width == 0
    for split, items in source.splits.items():
        assert store[split].item_names == [item.name for item in items]
        for index in range(len(items)):
            assert np.array_equal(store[split].images[index], source.read(split, index, 8)[0])


def test_validation_is_cut_by_class_and_seed(tmp_path: Path) -> None:
    root = write_images(tmp_path / "f", [*numbered("train/a", count=20), *numbered("train/b", count=3), "train/c/0.png", "test/a/0.png"])
    source = quiet(root)
    counts = {split: [sum(item.label == label for item in items) for label in range(3)] for split, items in source.splits.items()}
    assert counts == {"train": [18, 2, 1], "val": [2, 1, 0], "test": [1, 0, 0]}
    assert quiet(root).splits == source.splits
    assert quiet(root, seed=1).splits["val"] != source.splits["val"]
    assert len(quiet(root, val_fraction=0.5).splits["val"]) == 10 + 2
    assert [item.name for item in source.splits["train"]] == sorted(item.name for item in source.splits["train"])
    before = [item.name for item in source.splits["val"] if item.label == 1]
    write_images(root, ["train/a/more.png"])
    assert [item.name for item in quiet(root).splits["val"] if item.label == 1] == before, "one class more or less disturbs another"


def test_without_labels(tmp_path: Path) -> None:
    loose = quiet(write_images(tmp_path / "f", [f"{i}.png" for i in range(20)]))
    assert loose.class_names == ("unlabelled",) and not loose.labelled and loose.splits["train"][0].label == 0
    assert [len(items) for items in loose.splits.values()] == [18, 2]
    nested = write_images(tmp_path / "g", [*numbered("a", "b/c"), "d.png"])
    assert quiet(nested, labels=False).class_names == ("unlabelled",)
    assert len(quiet(nested, labels=False).listing.names) == 9


def test_splits_from_a_file(folder: Path, tmp_path: Path) -> None:
    names = list_images(folder).names
    lines = ["path,split", *(f"{name},{'train' if number % 4 else 'validation'}" for number, name in enumerate(names))]
    (tmp_path / "splits.csv").write_text("\n".join(lines))
    source = quiet(folder, split_file=tmp_path / "splits.csv")
    assert [item.name for item in source.splits["val"]] == list(names[::4]) and list(source.splits) == ["train", "val"]
    assert source.class_names == ("cat", "dog") and source.description["validation"] == {"split_file": str(tmp_path / "splits.csv")}
    (tmp_path / "none.csv").write_text("\n".join(f"{name} train" for name in names))
    with pytest.raises(DataError, match="gives no image to validate on"):
        quiet(folder, split_file=tmp_path / "none.csv")


def damage(root: Path) -> list[str]:
    for name in ("train/cat/1.png", "val/dog/0.png"):
        data = (root / name).read_bytes()
        (root / name).write_bytes(data[: len(data) // 2])
    (root / "train/cat/3.png").write_bytes(b"")
    return ["train/cat/1.png", "train/cat/3.png", "val/dog/0.png"]


@pytest.mark.parametrize("suffix", ["", ".zip"])
def test_an_unreadable_image_is_refused_by_name(folder: Path, suffix: str) -> None:
    damage(folder)
    path = archived(folder, suffix) if suffix else folder
    where = f"train/cat/1.png in {path}" if suffix else str(folder / "train/cat/1.png")
    with pytest.raises(DataError, match=rf"^{re.escape(where)} cannot be decoded \(.*\): fix or remove it, or say unreadable=skip$"):
        quiet(path).read("train", 1, 8)
    quiet(path).read("train", 0, 8)


@pytest.mark.parametrize("workers", [0, 2])
def test_unreadable_images_are_skipped_with_a_warning(folder: Path, workers: int) -> None:
    bad = damage(folder)
    with pytest.warns(UserWarning, match=r"^3 of 20 images in .* cannot be read and are skipped: train/cat/1\.png, .*, val/dog/0\.png$"):
        source = quiet(folder, unreadable="skip", workers=workers)
    assert source.skipped == tuple(bad) and source.description["skipped"] == 3
    names = {item.name for items in source.splits.values() for item in items}
    assert len(names) == 17 and not names & set(bad)
    for split, items in source.splits.items():
        for index in range(len(items)):
            source.read(split, index, 8)


def test_nothing_is_skipped_where_all_is_well(folder: Path) -> None:
    assert quiet(folder, unreadable="skip").skipped == ()


def test_empty_folders_are_noted(folder: Path) -> None:
    (folder / "train/bird").mkdir()
    (folder / "train/.hidden").mkdir()
    source = quiet(folder)
    assert source.notes == ("the folder train/bird holds no image and is no class",) and source.class_names == ("cat", "dog")


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["a.png"], "leaves 1 to train on: there must be at least two images"),
        (["a.png", "b.png"], "leaves 1 to train on"),
        (["a/0.png", "b/0.png", "c/0.png"], "gives no image to validate on: no class has two"),
        ([*numbered("train/cat", "val/cat"), "val/dog/0.png"], "the class 'dog' of .* has images in val but none in train: add some"),
        ([*numbered("train/cat"), "test/fox/0.png"], "the class 'fox' of .* has images in test but none in train"),
    ],
)
def test_too_few_images(tmp_path: Path, names: list[str], message: str) -> None:
    with pytest.raises(DataError, match=message) as caught:
        quiet(write_images(tmp_path / "f", names))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"val_fraction": 0.0}, "val_fraction=0.0: it is the part"),
        ({"val_fraction": 1.0}, "val_fraction=1.0"),
        ({"val_fraction": float("nan")}, "val_fraction=nan"),
        ({"channels": 4}, "channels=4: images are read with 3 channels or 1"),
        ({"unreadable": "skpi"}, "unknown unreadable='skpi': did you mean 'skip'"),
    ],
)
@pytest.mark.usefixtures("unchecked_types")
def test_settings_out_of_range(folder: Path, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingsError, match=message) as caught:
        quiet(folder, **settings)
    assert isinstance(caught.value, ContextSSLError)


@pytest.mark.long
@pytest.mark.skipif(not REAL.is_file(), reason=f"the images of CIFAR-10 are not at {REAL}")
def test_real_images_in_an_archive() -> None:
    source = quiet(REAL)
    assert {split: len(items) for split, items in source.splits.items()} == {"train": 45000, "val": 5000, "test": 10000}
    assert {sum(item.label == label for item in source.splits["val"]) for label in range(10)} == {500}
    assert source.class_names[0] == "airplane" and source.class_names[-1] == "truck"
    for index in (9999, 0, 5000):
        pixels, raw = source.read("test", index, 32)
        assert raw.tolist() == [[32, 32]] and pixels.std() > 5


def deep(root: Path, brightest: dict[str, int]) -> Path:
    """Images of 16 bits, by name the highest number in each."""
    for name, top in brightest.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.linspace(0, top, 64).reshape(8, 8).astype(np.uint16)).save(root / name)
    return root


def test_what_is_white_in_sixteen_bits_is_settled_by_all_images(tmp_path: Path) -> None:
    names = numbered("a", "b")
    eight = quiet(deep(tmp_path / "f", dict.fromkeys(names, 255)))
    assert all(eight.read("train", index, 8)[0].max() == 255 for index in range(6))
    dark = quiet(deep(tmp_path / "g", {name: 200 if name == "a/2.png" else 60000 for name in names}))
    place = next(i for i, item in enumerate(dark.splits["train"]) if item.name != "a/2.png")
    assert dark.read("train", place, 8)[0].max() == 233
    found = [
        dark.read(split, i, 8)[0].max() for split, items in dark.splits.items() for i, item in enumerate(items) if item.name == "a/2.png"
    ]
    assert found == [1], "one dark image among others is dark"
    assert open_store(pack(eight, tmp_path / "s", 8, workers=2, progress=False))["train"].images.max() == 255


def test_a_class_of_images_that_cannot_be_read_is_no_class_in_silence(folder: Path) -> None:
    (folder / "train/fox").mkdir()
    for number in range(3):
        (folder / f"train/fox/{number}.HEIC").write_bytes(b"x")
    with pytest.raises(DataError, match=r"the class train/fox of .* holds 3 files \.heic, which cannot be read here: convert"):
        quiet(folder)
    assert quiet(folder, unreadable="skip").notes[-1].startswith("3 files .heic cannot be read here and are skipped")
    only = folder / "train/fox"
    with pytest.raises(DataError, match=r"holds no image, and 3 other files \(3 files \.heic cannot be read here"):
        quiet(only)


def test_a_channel_without_variation_is_said_before_all_is_packed(tmp_path: Path) -> None:
    for name in numbered("a", "b"):
        pixels = np.zeros((8, 8, 3), np.uint8)
        pixels[..., 1] = np.random.default_rng(len(name)).integers(0, 255, (8, 8))
        (tmp_path / "f" / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(tmp_path / "f" / name)
    with pytest.raises(DataError, match=r"f: red and blue are the same in every pixel of every image: .* say channels=1"):
        refuse_constant(quiet(tmp_path / "f"))
    refuse_constant(quiet(tmp_path / "f", channels=1))
    refuse_constant(quiet(deep(tmp_path / "g", dict.fromkeys(numbered("a"), 2))))
    with pytest.raises(DataError, match=r"every pixel of every image is \[0, 0, 0\]"):
        refuse_constant(quiet(deep(tmp_path / "h", dict.fromkeys(numbered("a"), 0))))


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
def test_a_pipe_among_images_is_refused_and_not_waited_for(folder: Path) -> None:
    os.mkfifo(folder / "train/cat/9.png")
    source = quiet(folder)
    place = [item.name for item in source.splits["train"]].index("train/cat/9.png")
    with pytest.raises(DataError, match=r"9\.png is a pipe \(FIFO\), not a file"):
        source.read("train", place, 8)
    with pytest.warns(UserWarning, match="1 of 21 images"):
        assert quiet(folder, unreadable="skip").skipped == ("train/cat/9.png",)


@pytest.mark.skipif(os.name != "posix", reason="names are text here")
def test_names_that_are_no_utf8_are_refused_before_packing(folder: Path, tmp_path: Path) -> None:
    (folder / "train/cat/1.png").rename(folder / "train/cat/caf\udce9.png")
    with pytest.raises(DataError, match=r"1 names of files are no UTF-8, such as train/cat/caf\\udce9\.png: rename them"):
        pack(quiet(folder), tmp_path / "s", 8, workers=0, progress=False)
    assert not (tmp_path / "s").exists()
