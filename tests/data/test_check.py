"""Checking folders and stores: everything is reported, nothing is raised."""

from __future__ import annotations

import io
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from rich.console import Console

from contextssl.config.data_settings import CheckSettings
from contextssl.data.captions import caption
from contextssl.data.check import check
from contextssl.data.check_report import CheckReport
from contextssl.data.folder import write_folder
from contextssl.data.folder_check import check_folder
from contextssl.data.published_latents import FACTORS
from contextssl.errors import DataError
from contextssl.factors import Factor, FactorSpace
from tests.data.test_pack import Failing, plain_pack
from tests.sources import ToySource, toy_store


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_folder(ToySource(), tmp_path / "f", 16, "jpg", workers=0, progress=False)


def quiet(path: Path, picture: Path | None = None, workers: int = 1) -> CheckReport:
    return check(CheckSettings(data_dir=str(path), picture=None if picture is None else str(picture), workers=workers, progress=False))


def printed(report: CheckReport) -> str:
    console = Console(file=io.StringIO(), width=200)
    report.print(console)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_a_good_folder(folder: Path, tmp_path: Path) -> None:
    report = quiet(folder, picture=tmp_path / "p.png")
    assert report.ok and not report.notes
    assert report.facts["items"] == {"train": 6, "val": 3} and report.facts["views per item"] == 4 and report.facts["classes"] == 3
    assert report.facts["image sizes"] == {"16 × 16": 36} and report.facts["image modes"] == {"RGB": 36}
    with Image.open(tmp_path / "p.png") as image:
        assert image.width > 4 * 128 and image.height > 4 * 128 and len(image.convert("L").getcolors() or []) > 50
    text = printed(report)
    assert "train: 6, val: 3" in text and "ok: no fault found" in text and "p.png" in text


def test_a_good_store(tmp_path: Path) -> None:
    store = toy_store(tmp_path / "s", ToySource(factors=FactorSpace((Factor("blur", 1),)), channels=1))
    report = quiet(store.path, picture=tmp_path / "p.png")
    assert report.ok and report.facts["fingerprint"] == store.fingerprint and (tmp_path / "p.png").is_file()
    assert "blur (1)" in printed(report)


def test_every_fault_of_a_folder_is_told_at_once(folder: Path) -> None:
    (folder / "kind0/train_000/image_1.jpg").write_bytes(b"")
    (folder / "kind0/train_000/image_2.jpg").unlink()
    (folder / "kind0/train_000/latent_3.npy").unlink()
    np.save(folder / "kind1/train_001/latent_0.npy", np.full(7, np.nan))
    np.save(folder / "kind1/train_001/latent_1.npy", np.zeros(6))
    np.save(folder / "kind1/train_001/latent_2.npy", np.full(7, 9.0))
    shutil.rmtree(folder / "kind2/val_002")
    shutil.copy(folder / "kind0/val_000/image_0.jpg", folder / "kind0/val_000/image_4.jpg")
    np.save(folder / "meta/val_labels.npy", np.array([0, 77, 2]))
    report = quiet(folder)
    assert not report.ok and report.counts == {"image": 4, "latents": 4, "metadata": 1}
    text = printed(report)
    for words in ("image_1.jpg is no image", "image_2.jpg is missing", "latent_3.npy", "euler x is nan", "shape (6,)", "euler x is 9"):
        assert words in text
    for words in (
        "val_002",
        "image_4.jpg is beyond the 4 views",
        "label 77 of kind1/val_001",
        "9 faults: metadata: 1, image: 4, latents: 4",
    ):
        assert words in text


def test_faults_are_listed_up_to_a_limit_and_counted_in_full(folder: Path) -> None:
    for path in folder.glob("kind0/*/latent_*.npy"):
        path.write_bytes(b"")
    report, _ = check_folder(folder, limit=3, workers=0, progress=False)
    assert report.counts == {"latents": 12} and len(report.faults["latents"]) == 3
    assert "latents: … and 9 more" in printed(report)


def test_lists_that_do_not_agree(folder: Path) -> None:
    meta = folder / "meta"
    np.save(meta / "val_images.npy", np.array(["/kind0/train_000/", "/kind0/val_000/", "/kind0/val_000/"]))
    report = quiet(folder)
    assert report.counts == {"metadata": 2}
    assert "in both 'train' and 'val'" in printed(report) and "twice in 'val'" in printed(report)
    np.save(meta / "val_labels.npy", np.array([0]))
    (meta / "train_labels.npy").unlink()
    report = quiet(folder)
    assert report.counts == {"metadata": 2} and "train_labels.npy is missing" in printed(report) and "3 objects" in printed(report)


def test_twins_across_splits_and_odd_sizes_are_noted(folder: Path) -> None:
    for view in range(4):
        shutil.copy(folder / f"kind0/train_000/image_{view}.jpg", folder / f"kind0/val_000/image_{view}.jpg")
    Image.new("RGB", (24, 24)).save(folder / "kind2/val_002/image_0.jpg")
    report = quiet(folder)
    assert report.ok and len(report.notes) == 2
    assert "2 sizes" in report.notes[0] and "a leak between splits" in report.notes[1] and "kind0/val_000 (val)" in report.notes[1]


def test_twins_in_a_store_are_noted(tmp_path: Path) -> None:
    class Twins(ToySource):
        def read(self, split: str, index: int, resolution: int) -> tuple[np.ndarray, np.ndarray]:
            return super().read("train", 0 if split == "val" else index, resolution)

    report = quiet(toy_store(tmp_path / "s", Twins()).path)
    assert report.ok and "3 items have the same pixels as one of another split" in report.notes[0]


def test_damaged_and_half_written_stores(tmp_path: Path) -> None:
    with pytest.raises(DataError):
        plain_pack(Failing(), tmp_path / "half")
    assert "half-written: 3 of 9 items" in printed(quiet(tmp_path / "half"))
    store = toy_store(tmp_path / "s").path
    with (store / "images.npy").open("r+b") as file:
        for item in (1, 5):
            file.seek(128 + item * 3072)
            file.write(bytes(100))
    report = quiet(store)
    assert report.counts == {"store": 2} and not report.ok


def test_processes_find_the_same(folder: Path) -> None:
    (folder / "kind0/train_000/image_1.jpg").write_bytes(b"")
    alone, shared = quiet(folder), quiet(folder, workers=2)
    assert (alone.faults, alone.facts, alone.notes) == (shared.faults, shared.facts, shared.notes)


def test_no_data_there(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="there is no folder"):
        quiet(tmp_path / "none")
    with pytest.raises(DataError, match=r"holds neither meta/"):
        quiet(tmp_path)


def test_captions() -> None:
    angle = np.radians(31) / 2
    assert caption(FACTORS, np.array([np.sin(angle), 0, 0, np.cos(angle), 0.631, 0.58])) == "rot 31° floor 0.63 light 0.58"
    assert caption(FACTORS, np.array([-np.sin(angle), 0, 0, -np.cos(angle), 0, 1])) == "rot 31° floor 0.00 light 1.00"
    assert caption(FactorSpace((Factor("blur", 1),)), np.array([0.5])) == "blur.0 0.50"


def test_what_was_found_is_told_where_the_picture_cannot_be_written(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    report = quiet(folder, picture=tmp_path / "file" / "p.png")
    assert report.ok and report.picture is None and report.notes[-1].startswith("no picture of sample views: cannot write")


def test_the_published_folders_are_checked_from_either_place(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "data/3DIEBench").mkdir(parents=True)
    (folder / "meta").rename(tmp_path / "data/meta")
    for path in folder.iterdir():
        path.rename(tmp_path / "data/3DIEBench" / path.name)
    (tmp_path / "data/meta/._train_images.npy").write_bytes(b"what macOS adds")
    for root in (tmp_path / "data", tmp_path / "data/3DIEBench"):
        report = quiet(root, picture=tmp_path / "p.png")
        assert report.ok and report.facts["items"] == {"train": 6, "val": 3} and report.picture is not None
    shutil.rmtree(tmp_path / "data/3DIEBench")
    assert "the object folders are not in" in printed(quiet(tmp_path / "data"))
