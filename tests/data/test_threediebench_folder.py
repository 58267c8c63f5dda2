"""The published layout: reading it, and what bad files say."""

from __future__ import annotations

import os
import pickle
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.transforms import Resize

from contextssl.data.folder import write_folder
from contextssl.data.published_latents import FACTORS, absolute_latents, read_latent
from contextssl.data.published_layout import read_meta
from contextssl.data.source import Item
from contextssl.data.threediebench_folder import ThreeDIEBenchSource, read_image
from contextssl.errors import DataError
from tests.sources import ToySource

SHARED = Path(os.environ.get("CONTEXTSSL_SHARED", Path(__file__).parents[3] / "shared"))
REAL_META = SHARED / "data" / "3diebench_meta"
REFERENCE = SHARED / "reference_outputs" / "outputs.npz"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_folder(ToySource(), tmp_path / "f", 16, "png", workers=0, progress=False)


def save_meta(root: Path, images: list[str], labels: list[int], split: str = "train") -> None:
    (root / "meta").mkdir(parents=True, exist_ok=True)
    np.save(root / "meta" / f"{split}_images.npy", np.array(images))
    np.save(root / "meta" / f"{split}_labels.npy", np.array(labels, dtype=np.int64))


@pytest.mark.skipif(not REFERENCE.is_file(), reason=f"the reference outputs are not at {REFERENCE}")
def test_latents_and_actions_against_the_reference() -> None:
    with np.load(REFERENCE) as outputs:
        raw, absolute, actions = (outputs[f"F.{name}"] for name in ("latents", "absolute", "actions"))
    found = absolute_latents(raw)
    np.testing.assert_allclose(found, absolute, atol=2e-6)
    relative = FACTORS.relative(torch.from_numpy(found[:, 0]), torch.from_numpy(found[:, 1]))
    np.testing.assert_allclose(relative.numpy(), actions, atol=2e-6)


def test_absolute_latents_by_hand() -> None:
    half = np.sqrt(0.5)
    raw = np.zeros((2, 7))
    raw[0, [0, 3, 6]] = np.pi / 2, 0.25, 0.75  # a quarter turn about x
    raw[1, :3] = np.pi / 2, 0, np.pi / 2  # x first, then z of the fixed frame
    found = absolute_latents(raw)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found[0], [half, 0, 0, half, 0.25, 0.75], atol=1e-7)
    np.testing.assert_allclose(found[1], [0.5, 0.5, 0.5, 0.5, 0, 0], atol=1e-7)


@pytest.mark.skipif(not REAL_META.is_dir(), reason=f"the published meta files are not at {REAL_META}")
def test_the_published_meta_files_are_read(tmp_path: Path) -> None:
    (tmp_path / "meta").mkdir()
    for name in ("val_images.npy", "val_labels.npy", "train_labels.npy"):
        shutil.copyfile(REAL_META / name, tmp_path / "meta" / name)
    meta = read_meta(tmp_path, ["val"])
    names, labels = meta.splits["val"]
    assert len(names) == 10552 and names[0] == "02691156/dc8d9003cde43b66c8727b27ee96a4b7"
    assert meta.problems() == []
    assert len(meta.class_names) == 55 and meta.class_names[0] == "02691156" and len(set(meta.class_names)) == 55
    assert labels.min() == 0 and labels.max() == 54
    with pytest.raises(DataError, match=r"train_images\.npy is missing"):
        read_meta(tmp_path)
    assert np.load(tmp_path / "meta" / "train_labels.npy").shape == (41920,)


def test_a_folder_gives_back_the_pixels_and_the_numbers(folder: Path) -> None:
    toy, source = ToySource(), ThreeDIEBenchSource(folder)
    assert source.splits == toy.splits and source.splits["train"][0] == Item("kind0/train_000", 0)
    assert (source.num_views, source.channels, source.raw_width, source.class_names) == (4, 3, 7, toy.class_names)
    for split, index in (("train", 5), ("val", 1)):
        images, raw = pickle.loads(pickle.dumps(source)).read(split, index, 16)
        want_images, want_raw = toy.read(split, index, 16)
        assert images.dtype == np.uint8 and np.array_equal(images, want_images)
        assert raw.dtype == np.float64 and np.array_equal(raw, want_raw)
        assert np.array_equal(source.latents(raw), toy.latents(want_raw))


def test_grey_images(tmp_path: Path) -> None:
    toy = ToySource(channels=1)
    source = ThreeDIEBenchSource(write_folder(toy, tmp_path / "f", 16, "png", workers=0, progress=False), channels=1)
    assert np.array_equal(source.read("val", 0, 16)[0], toy.read("val", 0, 16)[0])


def test_other_kinds_of_image_are_found(folder: Path) -> None:
    source = ThreeDIEBenchSource(folder)
    want = source.read("train", 0, 16)[0]
    for view, suffix in ((1, "webp"), (2, "jpeg")):
        path = folder / "kind0/train_000" / f"image_{view}.png"
        with Image.open(path) as image:
            image.save(path.with_suffix(f".{suffix}"), quality=100, **({"lossless": True} if suffix == "webp" else {"subsampling": 0}))
        path.unlink()
    found = source.read("train", 0, 16)[0]
    assert np.array_equal(found[:2], want[:2])
    assert np.abs(found[2].astype(int) - want[2]).max() < 10


@pytest.mark.parametrize("suffix", ["jpg", "png"])
@pytest.mark.parametrize("resolution", [128, 96, 64, 32])
def test_reducing_does_not_alias(tmp_path: Path, suffix: str, resolution: int) -> None:
    """A pattern too fine for the small image comes out near its mean, where a sampled one would keep its ±100; a smooth one stays."""
    y, x = np.mgrid[:256, :256]
    fine = np.repeat((128 + 100 * np.cos(np.pi * 0.9 * x))[..., None], 3, axis=2).astype(np.uint8)
    smooth = np.stack([x * 0.5 + 60, y * 0.5 + 60, (x + y) * 0.25 + 60], axis=-1)
    for name, pixels in (("fine", fine), ("smooth", smooth.astype(np.uint8))):
        Image.fromarray(pixels).save(tmp_path / f"{name}.{suffix}", quality=98, subsampling=0)
    found = read_image(tmp_path / f"fine.{suffix}", resolution).astype(float)
    assert found.shape == (resolution, resolution, 3)
    assert np.abs(found[4:-4, 4:-4] - fine.mean()).max() < (16 if suffix == "jpg" else 8)
    step = 256 // resolution if 256 % resolution == 0 else 0
    if step:
        want = smooth.reshape(resolution, step, resolution, step, 3).mean(axis=(1, 3))
        assert np.abs(read_image(tmp_path / f"smooth.{suffix}", resolution).astype(float) - want)[2:-2, 2:-2].max() < 3


def test_classes_are_named_by_synset_where_that_is_unambiguous(tmp_path: Path) -> None:
    save_meta(tmp_path, ["/022/a/", "011/b", "022/c"], [0, 1, 0])
    assert read_meta(tmp_path).class_names == ("022", "011")
    save_meta(tmp_path, ["022/a", "011/b", "022/c"], [0, 1, 1])
    assert read_meta(tmp_path).class_names == ("class 0", "class 1")
    save_meta(tmp_path, ["022/a", "011/b"], [0, 2])
    assert read_meta(tmp_path).class_names == ("022", "class 1", "011")


@pytest.mark.parametrize(
    ("images", "labels", "message"),
    [
        (["a/b"], [55], "label 55 of a/b in .* is out of range: class numbers go from 0 to 54"),
        (["a/b"], [-1], "label -1 of a/b"),
        (["a/b", "a/b"], [0, 0], "a/b is listed twice in 'train'; keep one"),
        (["/../../etc/"], [0], r"'../../etc', which is no path of an object below"),
        (["//"], [0], "no path of an object"),
        (["a/b", "a/c"], [0], "lists 2 objects but .*train_labels.npy 1 labels"),
        (["v/v"], [0], "v/v is listed in both"),
    ],
)
def test_lists_that_cannot_be(tmp_path: Path, images: list[str], labels: list[int], message: str) -> None:
    save_meta(tmp_path, images, labels)
    save_meta(tmp_path, ["v/v"], [0], "val")
    with pytest.raises(DataError, match=message) as caught:
        ThreeDIEBenchSource(tmp_path)
    assert "\n" not in str(caught.value)


def test_an_empty_split(tmp_path: Path) -> None:
    save_meta(tmp_path, ["a/b"], [0])
    (tmp_path / "meta" / "val_images.npy").write_bytes((tmp_path / "meta" / "train_images.npy").read_bytes())
    np.save(tmp_path / "meta" / "val_images.npy", np.array([], dtype="U4"))
    np.save(tmp_path / "meta" / "val_labels.npy", np.array([], dtype=np.int64))
    with pytest.raises(DataError, match=r"val_images\.npy is empty: the split 'val' needs at least one"):
        ThreeDIEBenchSource(tmp_path)


def test_meta_that_is_missing_or_of_the_wrong_kind(tmp_path: Path, folder: Path) -> None:
    with pytest.raises(DataError, match=r"meta is missing: .* check the path"):
        ThreeDIEBenchSource(tmp_path / "nowhere")
    labels, images = folder / "meta" / "train_labels.npy", folder / "meta" / "train_images.npy"
    saved = labels.read_bytes()
    np.save(labels, np.zeros(6))
    with pytest.raises(DataError, match="should hold a list of whole class numbers, not float64"):
        ThreeDIEBenchSource(folder)
    labels.unlink()
    with pytest.raises(DataError, match=r"train_labels\.npy is missing"):
        ThreeDIEBenchSource(folder)
    labels.write_bytes(pickle.dumps([0, 1]))
    with pytest.raises(DataError, match=r"train_labels\.npy is not an \.npy file but a pickle"):
        ThreeDIEBenchSource(folder)
    labels.write_bytes(saved)
    np.save(images, np.array(["a/b"] * 6, dtype=object), allow_pickle=True)
    with pytest.raises(DataError, match=r"train_images\.npy holds pickled Python objects"):
        ThreeDIEBenchSource(folder)
    np.save(images, np.zeros((6, 2)))
    with pytest.raises(DataError, match=r"should hold a list of paths"):
        ThreeDIEBenchSource(folder)


def test_an_object_folder_without_images(folder: Path) -> None:
    first = folder / "kind0" / "train_000"
    for path in first.glob("image_*"):
        path.unlink()
    with pytest.raises(DataError, match=r"train_000 holds no image_0\.jpg"):
        ThreeDIEBenchSource(folder)
    shutil.rmtree(first)
    with pytest.raises(DataError, match=r"cannot read the object folder .*train_000: No such file"):
        ThreeDIEBenchSource(folder)


def damage_image(path: Path, how: str) -> None:
    data = path.read_bytes()
    if how == "missing":
        path.unlink()
    elif how == "truncated":
        path.write_bytes(data[: len(data) // 2])
    elif how == "text":
        path.write_text("no image at all")
    elif how == "empty":
        path.write_bytes(b"")
    elif how == "oblong":
        Image.new("RGB", (16, 12)).save(path)
    elif how == "deep":
        Image.fromarray(np.zeros((16, 16), np.uint16)).save(path.with_suffix(".png"))
        path.with_suffix(".png").replace(path)


@pytest.mark.parametrize("suffix", ["jpg", "png"])
@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("missing", "cannot read .*: No such file or directory; copy or render it again"),
        ("truncated", "is damaged"),
        ("text", "is no image that can be read: copy or render it again"),
        ("empty", "is no image"),
        ("oblong", "is 16 × 12 pixels: views are square"),
        ("deep", "has pixels of mode 'I;16': save it with eight bits"),
    ],
)
def test_bad_images_are_named(tmp_path: Path, suffix: str, how: str, message: str) -> None:
    kind = "png" if suffix == "png" else "jpg"
    root = write_folder(ToySource(), tmp_path / "f", 16, kind, workers=0, progress=False)  # type: ignore[arg-type]
    source = ThreeDIEBenchSource(root)
    path = root / "kind1" / "train_001" / f"image_2.{suffix}"
    damage_image(path, how)
    with pytest.raises(DataError, match=message) as caught:
        source.read("train", 1, 8)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)
    source.read("train", 0, 8)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (np.full(7, np.nan), "euler x is nan, not a finite number"),
        (np.array([0, 0, 0, 0.5, 0.1, np.inf, 0.5]), "light phi is inf"),
        (np.zeros(6), r"has shape \(6,\) of float64, not \(7,\)"),
        (np.zeros((1, 7)), r"has shape \(1, 7\)"),
        (np.zeros(7, np.int64), "of int64"),
        (np.array([0, 0, 0, 1.5, 0, 0, 0]), "floor hue is 1.5, outside its range 0 to 1"),
        (np.array([2.0, 0, 0, 0, 0, 0, 0]), "euler x is 2, outside its range -1.571 to 1.571"),
    ],
)
def test_bad_latents_are_named(folder: Path, value: np.ndarray, message: str) -> None:
    path = folder / "kind2" / "val_002" / "latent_3.npy"
    np.save(path, value)
    with pytest.raises(DataError, match=message) as caught:
        ThreeDIEBenchSource(folder).read("val", 2, 16)
    assert str(path) in str(caught.value)


def test_latents_out_of_range_may_be_allowed_and_rounding_always_is(folder: Path) -> None:
    path = folder / "kind0" / "train_000" / "latent_0.npy"
    np.save(path, np.array([2.0, 0, 0, 0, 0, 0, 0]))
    assert ThreeDIEBenchSource(folder, check_ranges=False).read("train", 0, 16)[1][0, 0] == 2
    np.save(path, np.array([np.pi / 2, 0, 0, 1, 0, 2 * np.pi, 1], dtype=np.float32))
    assert read_latent(path).dtype == np.float64
    path.write_bytes(pickle.dumps([0.0] * 7))
    with pytest.raises(DataError, match=r"latent_0\.npy is not an \.npy file but a pickle"):
        read_latent(path)


def test_an_object_with_more_or_fewer_views(folder: Path) -> None:
    source = ThreeDIEBenchSource(folder)
    item = folder / "kind1" / "train_001"
    shutil.copy(item / "latent_0.npy", item / "latent_4.npy")
    with pytest.raises(DataError, match="train_001 has more than the 4 views of the first object"):
        source.read("train", 1, 16)
    (item / "latent_4.npy").unlink()
    (item / "latent_3.npy").unlink()
    with pytest.raises(DataError, match=re.escape(str(item / "latent_3.npy"))):
        source.read("train", 1, 16)


def test_chosen_splits_and_unknown_ones(folder: Path) -> None:
    source = ThreeDIEBenchSource(folder, splits=["val"])
    assert list(source.splits) == ["val"]
    with pytest.raises(DataError, match="unknown split 'vall': did you mean 'val'"):
        source.read("vall", 0, 16)
    with pytest.raises(DataError, match=r"test_images\.npy is missing"):
        ThreeDIEBenchSource(folder, splits=["test"])


@pytest.mark.parametrize("suffix", ["jpg", "png"])
@pytest.mark.parametrize("resolution", [128, 100, 48])
def test_images_are_resized_as_the_published_code_resizes_them(tmp_path: Path, suffix: str, resolution: int) -> None:
    path = tmp_path / f"a.{suffix}"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)).resize((256, 256)).save(path)
    with Image.open(path) as image:
        want = np.asarray(image.convert("RGB").resize((resolution, resolution), Image.Resampling.BILINEAR))
        theirs = np.asarray(Resize((resolution, resolution))(image.convert("RGB")))
    assert np.array_equal(read_image(path, resolution), want) and np.array_equal(want, theirs)
    fast = read_image(path, resolution, resize="fast")
    assert (fast != want).any() and np.abs(fast.astype(int) - want).mean() < 16


def test_the_published_folders_are_read_from_either_place(folder: Path, tmp_path: Path) -> None:
    want = ThreeDIEBenchSource(folder).read("val", 1, 16)[0]
    (tmp_path / "data/3DIEBench").mkdir(parents=True)
    (folder / "meta").rename(tmp_path / "data/meta")
    with pytest.raises(
        DataError, match=r"the object folders are not in .*/data nor in .*/data/3DIEBench \(meta lists kind0/train_000\): unpack"
    ):
        ThreeDIEBenchSource(tmp_path / "data")
    for path in folder.iterdir():
        path.rename(tmp_path / "data/3DIEBench" / path.name)
    for root in (tmp_path / "data", tmp_path / "data/3DIEBench"):
        assert np.array_equal(ThreeDIEBenchSource(root).read("val", 1, 16)[0], want)
    (tmp_path / "data/meta").rename(tmp_path / "elsewhere")
    with pytest.raises(DataError, match=r"meta is missing: .* the published archive holds no meta: copy data/\*\.npy of github"):
        ThreeDIEBenchSource(tmp_path / "data/3DIEBench")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
def test_a_pipe_and_a_foreign_kind_are_refused(folder: Path) -> None:
    item = folder / "kind0/train_000"
    (item / "image_1.png").unlink()
    os.mkfifo(item / "image_1.png")
    with pytest.raises(DataError, match=r"image_1\.png is a pipe"):
        ThreeDIEBenchSource(folder).read("train", 0, 16)
    (item / "image_1.png").unlink()
    Image.new("RGB", (16, 16)).save(item / "image_1.png", "EPS")
    with pytest.raises(DataError, match=r"image_1\.png is no image that can be read"):
        ThreeDIEBenchSource(folder).read("train", 0, 16)
