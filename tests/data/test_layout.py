"""Splits and classes read off the paths of images, split files, and what contradicts itself."""

from __future__ import annotations

from pathlib import Path

import pytest

from contextssl.data.layout import Layout, is_image, lay_out, list_images, read_split_file
from contextssl.errors import DataError


def touched(root: Path, *names: str) -> Path:
    """Empty files, and folders where a name ends in a slash: layouts are read off the paths alone."""
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).mkdir(exist_ok=True) if name.endswith("/") else (root / name).touch()
    return root


def layout_of(root: Path, *names: str, labels: bool | None = None) -> Layout:
    listing = list_images(touched(root, *names))
    return lay_out(listing, listing.names, labels)


def test_what_is_an_image() -> None:
    for name in ("a.jpg", "b/c.JPEG", "x y.PnG", "d.webp", "e.tif"):
        assert is_image(name)
    for name in (".a.jpg", ".git/a.jpg", "__MACOSX/train/._a.jpg", "Thumbs.db", "a.txt", "jpg", "a.jpg.part", ".jpg", "b/.DS_Store"):
        assert not is_image(name)


@pytest.mark.parametrize("val", ["val", "valid", "validation", "Val"])
def test_folders_of_splits_and_classes(tmp_path: Path, val: str) -> None:
    found = layout_of(tmp_path, "train/dog/1.jpg", "train/cat/deep/er/1.jpg", f"{val}/cat/1.jpg", "test/dog/1.jpg", "notes.txt")
    assert list(found.splits) == ["train", "val", "test"] and found.splits["val"] == [f"{val}/cat/1.jpg"]
    assert found.class_names == ("cat", "dog") and found.labelled and found.classes["train/cat/deep/er/1.jpg"] == "cat"


def test_folders_of_splits_without_classes(tmp_path: Path) -> None:
    found = layout_of(tmp_path, "train/1.jpg", "train/2.jpg", "test/1.jpg")
    assert found.splits == {"train": ["train/1.jpg", "train/2.jpg"], "test": ["test/1.jpg"]}
    assert found.class_names == ("unlabelled",) and not found.labelled


def test_folders_of_classes_and_images_alone(tmp_path: Path) -> None:
    found = layout_of(tmp_path / "a", "dog/1.jpg", "cat/x/1.jpg", "bird/", "bus/readme.txt")
    assert found.class_names == ("cat", "dog") and found.empty == ("bird", "bus") and list(found.splits) == ["train"]
    assert layout_of(tmp_path / "b", "1.jpg", "2.jpg").classes == {"1.jpg": "unlabelled", "2.jpg": "unlabelled"}
    assert layout_of(tmp_path / "c", "train/1.jpg", "bus/1.jpg", "car/1.jpg").class_names == ("bus", "car", "train")
    assert layout_of(tmp_path / "d", "dog/1.jpg", "1.jpg", labels=False).class_names == ("unlabelled",)
    assert layout_of(tmp_path / "e", "train/a/1.jpg", "val/a/1.jpg", labels=False).splits["val"] == ["val/a/1.jpg"]
    assert layout_of(tmp_path / "f", "cat/1.jpg", "dog/").class_names == ("cat",)


def test_one_folder_above_everything_is_left_out(tmp_path: Path) -> None:
    listing = list_images(touched(tmp_path, "a/b/train/cat/1.jpg", "a/b/val/cat/1.jpg", "a/readme.txt", "__MACOSX/a/._1.jpg", ".git/"))
    assert listing.top == "a/b/" and listing.names == ("train/cat/1.jpg", "val/cat/1.jpg") and listing.others == 2
    assert listing.folders == ("train", "train/cat", "val", "val/cat")
    assert listing.where("val/cat/1.jpg") == str(tmp_path / "a/b/val/cat/1.jpg") and listing.read("val/cat/1.jpg") == b""
    assert list_images(touched(tmp_path / "t", "train/1.jpg")).top == ""
    assert list_images(touched(tmp_path / "u", "1.jpg")).top == ""


@pytest.mark.parametrize(
    ("names", "labels", "message"),
    [
        (["a.txt"], None, r"holds no image, and 1 other files: images end in \.jpg, "),
        (["a/"], None, r"holds no image: images end in"),
        (["train/a/1.jpg", "val/"], None, r"val holds no image: fill it, or remove it"),
        (["val/a/1.jpg", "train/"], None, r"train holds no image"),
        (["val/a/1.jpg", "test/a/1.jpg"], None, r"holds test and val but no train: add that folder"),
        (["train/a/1.jpg", "val/a/1.jpg", "extra/1.jpg"], None, r"holds train and val, which are splits, next to extra: move it"),
        (["train/a/1.jpg", "val/a/1.jpg", "logo.png"], None, r"which are splits, next to logo\.png"),
        (["test/1.jpg", "cat/1.jpg"], None, r"holds test, which are splits, next to cat"),
        (["train/a/1.jpg", "val/a/1.jpg", "valid/a/1.jpg"], None, r"train and val and valid, of which two are the split 'val': keep one"),
        (["1.jpg", "2.jpg"], True, r"has no folders of classes, and labels=true: lay it out as CLASS/image\.jpg, .*, or say labels=false"),
        (["train/1.jpg", "val/2.jpg"], True, r"has no folders of classes"),
        (["cat/1.jpg", "1.jpg", "2.jpg"], None, r"2 of 3 images, such as .*/1\.jpg, lie next to the folders of classes: move them"),
        (["train/cat/1.jpg", "test/1.jpg"], None, r"1 of 2 images, such as .*test/1\.jpg, lie next to the folders of classes"),
    ],
)
def test_folders_that_contradict_each_other(tmp_path: Path, names: list[str], labels: bool | None, message: str) -> None:
    with pytest.raises(DataError, match=message) as caught:
        layout_of(tmp_path, *names, labels=labels)
    assert "\n" not in str(caught.value) and str(tmp_path) in str(caught.value)


def test_split_files(tmp_path: Path) -> None:
    listing = list_images(touched(tmp_path / "f", "top/a b.jpg", "top/c,d.jpg", "top/x/e.jpg"))
    want = {"a b.jpg": "train", "c,d.jpg": "val", "x/e.jpg": "test"}
    for text in (
        "a b.jpg train\nc,d.jpg val\nx/e.jpg test\n",
        "path,split\r\na b.jpg,train\r\nc,d.jpg,valid\r\nx/e.jpg,Test\r\n",
        'Image\tSet\n\n./a b.jpg\ttrain\n"c,d.jpg" , validation\ntop/x/e.jpg test',
        "\ufeffa b.jpg,train\n'c,d.jpg','val'\nx/e.jpg  test  ",
    ):
        (tmp_path / "s.csv").write_text(text, encoding="utf-8")
        assert read_split_file(tmp_path / "s.csv", listing) == want


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a.jpg trian\nb.jpg val", r"s\.txt, line 1: unknown split 'trian': did you mean 'train'"),
        ("a.jpg train\nb.jpg val\nz.jpg val", r"line 3: there is no image z\.jpg in .*: fix the line"),
        ("a.jpg train\na.jpg val", r"line 2: a\.jpg is named twice"),
        ("a.jpg train", r"leaves out 1 of 2 images, such as b\.jpg: give each a split"),
        ("a.jpg\nb.jpg", r"line 1: 'a\.jpg' is no image and split, such as 'cat/001\.jpg,train'"),
        ("", r"leaves out 2 of 2"),
    ],
)
def test_split_files_that_do_not_fit(tmp_path: Path, text: str, message: str) -> None:
    listing = list_images(touched(tmp_path / "f", "a.jpg", "b.jpg"))
    (tmp_path / "s.txt").write_text(text)
    with pytest.raises(DataError, match=message):
        read_split_file(tmp_path / "s.txt", listing)


def test_split_files_that_cannot_be_read(tmp_path: Path) -> None:
    listing = list_images(touched(tmp_path / "f", "a.jpg", "b.jpg"))
    with pytest.raises(DataError, match=r"cannot read .*none\.txt"):
        read_split_file(tmp_path / "none.txt", listing)
    (tmp_path / "s.txt").write_bytes(b"\xff\xfe\xfa")
    with pytest.raises(DataError, match=r"is no text in UTF-8"):
        read_split_file(tmp_path / "s.txt", listing)
