"""Checking images: everything is counted, every fault is reported."""

from __future__ import annotations

import io
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from rich.console import Console

from contextssl.data.check_report import CheckReport
from contextssl.data.image_check import scan as scan_listing
from contextssl.data.layout import list_images
from contextssl.errors import DataError
from tests.data.test_archive import archived
from tests.data.test_image_folder import damage, deep, numbered, write_images


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = write_images(tmp_path / "f", numbered("train/cat", "train/dog", "val/cat", "val/dog"))
    Image.fromarray(np.zeros((30, 20), np.uint8)).save(root / "train/dog/grey.jpg")
    (root / "readme.txt").write_text("hello")
    return root


def scan(path: Path, workers: int = 0, progress: bool = False, **given: Any) -> CheckReport:
    return scan_listing(list_images(path), workers=workers, progress=progress, **given)


def printed(report: CheckReport) -> str:
    console = Console(file=io.StringIO(), width=200)
    report.print(console)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_good_images(folder: Path) -> None:
    report = scan(folder, workers=0, progress=False)
    assert report.ok and report.kind == "images" and not report.notes
    facts = report.facts
    assert facts["items"] == {"train": 9, "val": 8} and facts["classes"] == 2 and facts["images"] == 17
    assert facts["classes of train"] == {"cat": 4, "dog": 5} and facts["formats"] == {"PNG": 16, "JPEG": 1}
    assert facts["image modes"] == {"RGB": 16, "L": 1} and facts["height"] == "8 to 30 pixels, median 8"
    assert facts["files that are no images"] == 1 and facts["unreadable"] == 0
    assert "train: 9, val: 8" in printed(report)
    shared, packed = scan(folder, workers=2, progress=False), scan(archived(folder, ".tar.gz"), workers=2, progress=False)
    assert shared.facts == facts and {**packed.facts, "size on disk": facts["size on disk"]} == facts


def test_faults_are_named(folder: Path) -> None:
    damage(folder)
    write_images(folder, ["val/fox/0.png"])
    (folder / "val/emu").mkdir()
    report = scan(folder, workers=0, progress=False)
    assert report.counts == {"image": 3, "layout": 1} and report.facts["unreadable"] == 3 and report.facts["formats"]["PNG"] == 14
    text = printed(report)
    for words in (
        "train/cat/1.png cannot be decoded",
        "cat/3.png is empty",
        "the class 'fox' has images in val but none in train",
        "val/emu",
    ):
        assert words in text
    write_images(folder, ["stray.png"])
    report = scan(folder, workers=0, progress=False)
    assert "next to stray.png" in report.faults["layout"][0] and report.facts["images"] == 19 and "items" not in report.facts


def test_twins(folder: Path) -> None:
    shutil.copy(folder / "train/cat/0.png", folder / "train/cat/copy.png")
    shutil.copy(folder / "train/cat/0.png", folder / "val/dog/copy.png")
    report = scan(folder, workers=0, progress=False)
    assert report.ok and report.facts["images with the bytes of another"] == 2
    assert report.notes == [
        "images with the bytes of another: 2, such as train/cat/copy.png and train/cat/0.png",
        "images in two splits: 1, such as train/cat/0.png and val/dog/copy.png: a leak between splits",
        "images in two classes: 1, such as train/cat/0.png and val/dog/copy.png: a doubtful label",
    ]


def test_many_classes_and_none(tmp_path: Path) -> None:
    report = scan(
        write_images(tmp_path / "f", [*numbered(*(f"c{i:02d}" for i in range(21)), count=1), "c05/more.png"]), workers=0, progress=False
    )
    assert report.facts["classes of train"] == "21, from 1 (c20) to 2 images (c05)"
    report = scan(write_images(tmp_path / "g", ["a.png", "b.png"]), workers=0, progress=False)
    assert report.facts["classes"] == "none (no folders of classes)" and report.ok
    (tmp_path / "h").mkdir()
    (tmp_path / "h/a.png").touch()
    assert scan(tmp_path / "h", workers=0, progress=False).facts["height"] == "none"
    with pytest.raises(DataError, match="there is no folder or archive"):
        scan(tmp_path / "none")


def test_ranges_channels_and_names_are_looked_at(tmp_path: Path) -> None:
    root = deep(tmp_path / "f", dict.fromkeys(numbered("a", "b"), 255))
    report = scan(root, workers=0, progress=False)
    assert report.facts["pixel values"] == {"more bits, up to 255 of 65,535": 8}
    assert report.ok and any("8 images of more than eight bits hold no number above 255: they are read as eight" in n for n in report.notes)
    deep(root, {"a/9.png": 60000})
    assert any("8 of 9 images of more than eight bits" in note for note in scan(root, workers=0, progress=False).notes)
    assert any(
        "reach 4,000 of 65,535" in n for n in scan(deep(tmp_path / "g", {"a.png": 4000, "b.png": 300}), workers=0, progress=False).notes
    )

    odd = write_images(tmp_path / "h", numbered("train2017", "val2017"))
    (odd / "train2017/0.png").rename(odd / "train2017/\udce9.png")
    (odd / "train2017/x.heic").write_bytes(b"x")
    (odd / "fox").mkdir()
    (odd / "fox/x.heic").write_bytes(b"x")
    os.mkfifo(odd / "val2017/pipe.png")
    report = scan(odd, workers=0, progress=False)
    assert report.counts == {"image": 1, "name": 1, "layout": 1}
    text = printed(report)
    for words in (
        "pipe.png is a pipe (FIFO)",
        r"train2017/\udce9.png is no UTF-8: rename it",
        "the class fox holds 1 file .heic, which cannot be read here",
        "2 files .heic cannot be read here and are skipped",
        "train2017 and val2017 are taken for classes: if they are splits, as in COCO, rename them",
    ):
        assert words in text, words


def test_a_channel_that_never_varies_and_a_tar_without_checksums(tmp_path: Path) -> None:
    root = tmp_path / "f"
    for number in range(3):
        pixels = np.zeros((8, 8, 3), np.uint8)
        pixels[..., 1] = np.arange(64).reshape(8, 8) + number
        root.mkdir(exist_ok=True)
        Image.fromarray(pixels).save(root / f"{number}.png")
    report = scan(root, workers=0, progress=False)
    assert report.faults["channel"][0].endswith("say channels=1 to train on grey images")
    for suffix, noted in ((".tar", True), (".tar.gz", False), (".zip", False)):
        notes = scan(archived(root, suffix), workers=0, progress=False).notes
        assert any("a plain tar keeps no checksums" in note for note in notes) == noted
