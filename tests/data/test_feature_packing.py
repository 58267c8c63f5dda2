"""Every view is encoded once, into a store that is checked, and that a stopped encoding ends in."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from contextssl.data import feature_packing
from contextssl.data.feature_packing import pack_features
from contextssl.data.feature_store import FEATURES, FeatureStore, description_of, is_feature_store, open_features
from contextssl.data.journal import JOURNAL, SYNCED
from contextssl.data.views import Views
from contextssl.errors import DataError
from tests.edited import edit_json
from tests.evaluation.tiny import views_of

WIDTH = 5
BANKS: dict[str, Views] = {"train": views_of(7, 3, "train"), "val": views_of(4, 3)}
MADE_FROM = {"images": "a", "encoder": "b", "normalisation": [[0.5], [0.25]], "versions": None}
WANTED = description_of((11, 3, WIDTH), {"train": (0, 7), "val": (7, 11)}, MADE_FROM)


@pytest.fixture(autouse=True)
def _few_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two items a group; the last of train is alone in its own."""
    monkeypatch.setattr(feature_packing, "BATCH", 6)


class Encoder:
    """A fixed map, which counts what it is given; its features depend on the batch as those of a real one do in their last bits."""

    def __init__(self, stop_after: int | None = None) -> None:
        self.weight = torch.randn(3 * 8 * 8, WIDTH, generator=torch.Generator().manual_seed(0)) / 10
        self.calls, self.stop_after = 0, stop_after

    def exact(self, images: Tensor) -> Tensor:
        return (images.float() / 255).flatten(1) @ self.weight

    def __call__(self, images: Tensor) -> Tensor:
        if self.calls == self.stop_after:
            raise KeyboardInterrupt
        self.calls += 1
        return self.exact(images) + 1e-4 * len(images)


def packed(out: Path, encode: Callable[[Tensor], Tensor] | None = None, wanted: dict[str, Any] = WANTED) -> FeatureStore:
    pack_features(out, BANKS, wanted, encode or Encoder(), progress=False)
    return open_features(out, wanted)


def test_a_store_holds_what_the_encoder_makes_of_each_view(tmp_path: Path) -> None:
    store = packed(tmp_path / "store")
    assert {split: features.shape for split, features in store.features.items()} == {"train": (7, 3, WIDTH), "val": (4, 3, WIDTH)}
    for split, bank in BANKS.items():
        for item in range(bank.num_items):
            images = bank.gather_views(torch.full((3,), item), torch.arange(3))
            found = torch.from_numpy(np.array(store.features[split][item])).float()
            torch.testing.assert_close(found, Encoder().exact(images), atol=2e-3, rtol=1e-3)
    assert sorted(path.name for path in (tmp_path / "store").iterdir()) == ["checksums.npy", "features.npy", "manifest.json"]
    encode = Encoder()
    packed(tmp_path / "store", encode)
    assert encode.calls == 0, "a whole store is left as it is"


@pytest.mark.parametrize("stop_after", [0, 1, 4])
def test_a_stopped_encoding_goes_on_and_ends_in_the_same_bytes(stop_after: int, tmp_path: Path, ctrl_c: None) -> None:
    packed(tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt, match="run the same command again to resume"):
        packed(tmp_path / "stopped", Encoder(stop_after))
    with pytest.raises(DataError, match="cannot read"):
        open_features(tmp_path / "stopped", WANTED)
    encode = Encoder()
    packed(tmp_path / "stopped", encode)
    assert encode.calls == 6 - stop_after
    for name in (FEATURES, "checksums.npy", "manifest.json"):
        assert (tmp_path / "stopped" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes(), name


def test_a_kill_between_two_items_of_a_group_encodes_the_group_again(tmp_path: Path, ctrl_c: None) -> None:
    packed(tmp_path / "whole")
    out = tmp_path / "killed"
    with pytest.raises(KeyboardInterrupt):
        packed(out, Encoder(3))
    # Of the third group's two records one was written, and torn; nothing was surely on the disk.
    size = feature_packing.RECORD.itemsize
    (out / JOURNAL).write_bytes((out / JOURNAL).read_bytes()[: 5 * size + size // 2])
    (out / SYNCED).unlink()
    # Features of a record that did not reach the disk.
    header = (tmp_path / "whole" / FEATURES).stat().st_size - 11 * 3 * WIDTH * 2
    with (out / FEATURES).open("r+b") as file:
        file.seek(header)
        file.write(b"\0\0\0\0")
    encode = Encoder()
    packed(out, encode)
    assert encode.calls == 3 + 2, "three groups were not begun; the third was torn, the first did not agree with its record"
    assert (out / FEATURES).read_bytes() == (tmp_path / "whole" / FEATURES).read_bytes()


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("images", "holds features of other views"),
        ("encoder", "holds features of another encoder"),
        ("normalisation", "holds features of images that were normalised otherwise"),
        ("versions", "holds features of other augmentations of the photos"),
    ],
)
def test_a_store_of_something_else_is_refused(name: str, said: str, tmp_path: Path, ctrl_c: None) -> None:
    other = description_of((11, 3, WIDTH), {"train": (0, 7), "val": (7, 11)}, {**MADE_FROM, name: "c"})
    packed(tmp_path / "store")
    with pytest.raises(DataError, match=f"{said}: name another folder by features_dir, or remove this one"):
        open_features(tmp_path / "store", other)
    with pytest.raises(KeyboardInterrupt):
        packed(tmp_path / "half", Encoder(1))
    with pytest.raises(DataError, match=said):
        packed(tmp_path / "half", wanted=other)


def test_damage_is_named(tmp_path: Path) -> None:
    packed(tmp_path / "store")

    def damaged(name: str, change: Callable[[bytes], bytes]) -> Path:
        copy = tmp_path / f"copy of {name} {len(list(tmp_path.iterdir()))}"
        shutil.copytree(tmp_path / "store", copy)
        (copy / name).write_bytes(change((copy / name).read_bytes()))
        return copy

    def flipped(data: bytes) -> bytes:
        return data[:-7] + bytes([data[-7] ^ 1]) + data[-6:]

    for name, change, said in (
        (FEATURES, flipped, "the features of item 10 are damaged"),
        (FEATURES, lambda data: data[:-2], "it was cut short or replaced"),
        ("checksums.npy", flipped, "checksums.npy is damaged"),
        ("manifest.json", lambda data: data[:-9], "manifest.json is damaged"),
    ):
        copy = damaged(name, change)
        with pytest.raises(DataError, match=said):
            open_features(copy, WANTED)
    copy = damaged("manifest.json", bytes)
    edit_json(copy / "manifest.json", lambda manifest: manifest.update(version=9))
    with pytest.raises(DataError, match="manifest.json has format 9, written by a newer version of contextssl: this version reads 1"):
        open_features(copy, WANTED)
    (copy / "checksums.npy").unlink()
    (tmp_path / "else").mkdir()
    (tmp_path / "else/notes.txt").touch()
    with pytest.raises(DataError, match="holds other files: name another folder by features_dir"):
        packed(tmp_path / "else")
    assert not is_feature_store(tmp_path / "else")


@pytest.mark.parametrize("value", [float("nan"), 1e5])
def test_features_beyond_half_precision_are_refused(value: float, tmp_path: Path) -> None:
    def encode(images: Tensor) -> Tensor:
        features = torch.zeros(len(images), WIDTH)
        features[4, 1] = value
        return features

    with pytest.raises(DataError, match=r"the encoder's features of item 1, view 1 are not finite numbers within ±65,504"):
        packed(tmp_path / "store", encode)
