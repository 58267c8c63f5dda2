"""A store is used where it was packed from just what is asked for, and never because of its name."""

from __future__ import annotations

import os
import shutil
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import trimesh
from PIL import Image

pytest.importorskip("kornia")

from contextssl.config.settings import TrainSettings
from contextssl.data import pack as packing
from contextssl.data.dataset import Data, open_data
from contextssl.data.folder import write_folder
from contextssl.data.image_folder import ImagesSource
from contextssl.data.pack import pack
from contextssl.data.store import open_store
from contextssl.data.stored import stored
from contextssl.data.threediebench_folder import ThreeDIEBenchSource
from contextssl.data.views import Views
from contextssl.errors import DataError
from tests.data.test_image_folder import numbered, quiet, write_images
from tests.edited import edit_json
from tests.sources import ToySource


def photos(**settings: Any) -> TrainSettings:
    return replace(TrainSettings(dataset="images", data_dir="p", resolution=8, val_fraction=0.25, workers=0), **settings)


def opened(settings: TrainSettings) -> Data:
    return open_data(settings, progress=False)


def pixels(data: Data) -> np.ndarray:
    stored_views: Views = data.train.views.photos  # type: ignore[attr-defined]
    return np.array(stored_views.images)


def fingerprint(data: Data) -> str:
    return str(data.description["fingerprint"])


def test_photos_that_were_replaced_relabelled_or_split_anew_are_packed_anew(in_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_images(Path("p"), numbered("cat", "dog"))
    first = opened(photos())
    assert first.description["path"] == str(Path(str(first.description["path"])).absolute())
    made = set(Path("datasets").iterdir())
    assert pixels(opened(photos())).tobytes() == pixels(first).tobytes() and set(Path("datasets").iterdir()) == made
    assert capsys.readouterr().err == ""

    for name in ("cat", "dog"):  # the labels are put right
        Path("p", name).rename(f"p/{name}_")
    Path("p/cat_").rename("p/dog")
    Path("p/dog_").rename("p/cat")
    swapped = opened(photos())
    assert fingerprint(swapped) != fingerprint(first)
    assert "holds a store with" in (said := capsys.readouterr().err) and "packing into" in said and len(said.splitlines()) == 1
    assert open_store(str(first.description["path"])).fingerprint in str(open_store(made.pop()).fingerprint), "the old store stays"

    old = pixels(swapped)
    for path in Path("p").rglob("*.png"):
        Image.fromarray(np.random.default_rng(len(str(path)) + ord(path.stem)).integers(0, 256, (12, 8, 3), np.uint8)).save(path)
    assert (pixels(opened(photos())) != old).any()
    assert "of 8 items have changed since, such as" in capsys.readouterr().err

    names = [f"{name}/{i}.png" for name in ("cat", "dog") for i in range(4)]
    for held in (0, 1):
        Path("s.csv").write_text("\n".join(f"{name},{'val' if number % 4 == held else 'train'}" for number, name in enumerate(names)))
        data = opened(photos(split_file="s.csv"))
        assert list(data.val.views.photos.item_names) == [f"{name}/{held}.png" for name in ("cat", "dog")]  # type: ignore[attr-defined]


@pytest.mark.parametrize("suffix", ["", ".tar", ".tar.gz", ".zip"])
def test_other_bytes_are_noticed_where_names_sizes_and_times_agree(tmp_path: Path, suffix: str) -> None:
    from tests.data.test_archive import archived

    def source(number: int) -> ImagesSource:
        root = tmp_path / "f"
        shutil.rmtree(root, ignore_errors=True)
        for name in numbered("a", "b", count=3):
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            path = (root / name).with_suffix(".ppm")
            path.write_bytes(b"P6 4 4 255\n" + bytes([number]) * 48)
            os.utime(path, (1_000_000_000, 1_000_000_000))
        path = root
        if suffix:
            (tmp_path / f"f{suffix}").unlink(missing_ok=True)
            path = archived(root, suffix)
            os.utime(path, (1_000_000_000, 1_000_000_000))
        return quiet(path)

    one, again, two = source(1).description, source(1).description, source(2).description
    assert one == again and one["files"] != two["files"]


def test_meshes_of_two_folders_of_one_name(in_folder: Path) -> None:
    for name, mesh in (("one", trimesh.creation.box((1, 1, 2))), ("two", trimesh.creation.icosphere(2))):
        for number in range(2):
            Path(name, "models/thing").mkdir(parents=True, exist_ok=True)
            mesh.export(Path(name, "models/thing", f"{number}.obj"))
    settings = TrainSettings(dataset="shapes", resolution=8, val_objects=1, views=2, workers=0, meshes="one/models")
    one, two = opened(settings), opened(replace(settings, meshes="two/models"))
    assert fingerprint(one) != fingerprint(two)
    trimesh.creation.capsule().export("one/models/thing/0.obj")
    assert fingerprint(opened(settings)) != fingerprint(one), "a file that was replaced"
    assert fingerprint(opened(replace(settings, meshes=str(Path("two/models").absolute())))) == fingerprint(two)


def test_a_folder_of_3diebench_whose_images_changed_is_told(tmp_path: Path) -> None:
    root = write_folder(ToySource(), tmp_path / "f", 16, "png", workers=0, progress=False)
    settings = TrainSettings(data_dir=str(root), resolution=16, workers=0)
    before = fingerprint(opened(settings))
    assert fingerprint(opened(settings)) == before
    image = root / "kind1/train_004/image_2.png"
    Image.new("RGB", (16, 16), "red").save(image)
    with pytest.raises(
        DataError, match=r"packed-16 holds a store with other files: 1 of 9 items have changed since, such as kind1/train_004"
    ):
        opened(settings)
    with pytest.raises(DataError, match="source resize 'bilinear', not 'fast'"):
        pack(
            ThreeDIEBenchSource(write_folder(ToySource(), tmp_path / "g", 16, "png", workers=0, progress=False)),
            tmp_path / "s",
            8,
            0,
            False,
        )
        pack(ThreeDIEBenchSource(tmp_path / "g", resize="fast"), tmp_path / "s", 8, 0, False)


def test_a_fixed_file_is_read_and_the_others_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = write_images(tmp_path / "p", numbered("a", "b"))
    bad, good = root / "b/2.png", root / "a/1.png"
    kept = bad.read_bytes()
    bad.write_bytes(kept[:40])
    with pytest.raises(DataError, match=r"b/2\.png cannot be decoded"):
        stored(quiet(root), tmp_path / "s", 8, workers=0, progress=False, beside=True)
    bad.write_bytes(kept)
    Image.new("RGB", (9, 9), "blue").save(good)  # packed before, and changed since
    read: list[str] = []
    real = ImagesSource.read

    def counted(source: ImagesSource, split: str, index: int, resolution: int) -> Any:
        read.append(source.splits[split][index].name)
        return real(source, split, index, resolution)

    monkeypatch.setattr(ImagesSource, "read", counted)
    store = stored(quiet(root), tmp_path / "s", 8, workers=0, progress=False, beside=True)
    assert store.path == tmp_path / "s" and set(read) >= {"a/1.png", "b/2.png"} and len(read) < 8
    whole = open_store(pack(quiet(root), tmp_path / "t", 8, workers=0, progress=False))
    assert store.fingerprint == whole.fingerprint


def test_two_that_need_the_same_data_pack_it_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("contextssl.system.locks.SILENT_SECONDS", 0.01)
    reads: list[tuple[str, int]] = []

    class Slow(ToySource):
        def read(self, split: str, index: int, resolution: int) -> tuple[np.ndarray, np.ndarray]:
            reads.append((split, index))
            time.sleep(0.05)
            return super().read(split, index, resolution)

    found: list[str] = []

    def make() -> None:
        found.append(stored(Slow(), tmp_path / "s", 16, workers=0, progress=False).fingerprint)

    threads = [threading.Thread(target=make) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(reads) == 9 and len(set(found)) == 1 and len(found) == 3
    assert f"another process is packing into {tmp_path / 's'}: waiting for it to end" in capsys.readouterr().err
    assert packing.LOCK not in {path.name for path in (tmp_path / "s").iterdir()}


def test_what_an_earlier_release_packed_is_not_taken_for_the_same(tmp_path: Path) -> None:
    root = write_images(tmp_path / "p", numbered("a", "b"))
    out = pack(quiet(root), tmp_path / "s", 8, workers=0, progress=False)
    edit_json(out / "manifest.json", lambda manifest: [manifest["source"].pop(key) for key in ("files", "reader")])
    with pytest.raises(DataError, match=r"no record of its source's reader, which earlier releases did not keep"):
        pack(quiet(root), out, 8, workers=0, progress=False)
