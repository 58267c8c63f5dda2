"""Views that are held on the device give the batches that stored ones give."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from contextssl import checkpoints
from contextssl.data.environment_mix import EnvironmentMix
from contextssl.data.item_checks import ItemChecks
from contextssl.data.pair_sampler import PairSampler
from contextssl.data.pairs import PairBatch, ViewPairs
from contextssl.data.resident_views import NumberedPairs, ResidentViews, resident_views
from contextssl.errors import DataError, SettingsError
from contextssl.training.run import train
from tests.sources import ToySource, toy_store
from tests.training.runs import tiny_settings, toy_data


def test_a_batch_drawn_by_numbers_and_filled_is_the_batch(tmp_path: Path) -> None:
    views = toy_store(tmp_path / "s", ToySource(items={"train": 12, "val": 2}))["train"]
    resident = ResidentViews(views, torch.device("cpu"))
    mix = EnvironmentMix.parse(None, views.factors)
    stored, numbered = (PairSampler(kind(views), mix, 6, 4) for kind in (ViewPairs, NumberedPairs))
    for step in range(2):
        plain, bare = stored.batch(1, step), numbered.batch(1, step)
        assert bare.source.shape == bare.target.shape == (6, 0)
        filled = resident.fill(bare)
        for name, tensor in plain.tensors().items():
            torch.testing.assert_close(filled.tensors()[name], tensor, rtol=0, atol=0)
        assert filled.source.is_contiguous(memory_format=torch.channels_last)


class DamagedChecks(ItemChecks):
    """As those of a store whose fourth item has changed."""

    def __init__(self) -> None:
        pass

    def check(self, images: np.ndarray, items: np.ndarray) -> None:
        if 3 in items:
            raise DataError("the images of item 3 are damaged")


def test_a_damaged_item_is_named_when_it_is_copied(tmp_path: Path) -> None:
    views = replace(toy_store(tmp_path / "s")["train"], checks=DamagedChecks())
    with pytest.raises(DataError, match="item 3"):
        ResidentViews(views, torch.device("cpu"))


def test_a_run_with_its_views_on_the_device_is_the_same_run(tmp_path: Path) -> None:
    data = toy_data(tmp_path / "store")
    weights = []
    for keep in (False, True):
        run = train(tiny_settings(run_dir=str(tmp_path / f"run{keep}"), epochs=2, keep_on_device=keep, workers=int(keep)), data=data)
        weights.append(checkpoints.load(run).state_dict())
    for name, weight in weights[0].items():
        torch.testing.assert_close(weights[1][name], weight, rtol=1e-5, atol=1e-6)


def test_a_processor_holds_none_unless_it_is_asked_to(tmp_path: Path) -> None:
    pairs, device = ViewPairs(toy_store(tmp_path / "s")["train"]), torch.device("cpu")
    assert resident_views(pairs, device, None) is None and resident_views(pairs, device, False) is None
    assert resident_views(pairs, device, True) is not None


def test_a_card_holds_them_where_they_leave_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pairs = ViewPairs(toy_store(tmp_path / "s")["train"])
    size = pairs.views.images.nbytes
    monkeypatch.setattr(ResidentViews, "__init__", lambda *_: None)
    for free, held in ((int(size / 0.39), True), (int(size / 0.41), False)):
        monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _, free=free: (free, 2 * free))
        assert (resident_views(pairs, torch.device("cuda"), None) is not None) is held


class OtherPairs:
    """A source of a user's own."""

    def __init__(self, pairs: ViewPairs) -> None:
        self.views, self.factors, self.num_items, self.class_names = pairs.views, pairs.factors, pairs.num_items, pairs.class_names
        self.draw, self.captions = pairs.draw, pairs.captions

    def complete(self, batch: PairBatch) -> PairBatch:
        return batch


def test_other_sources_cannot_be_held(tmp_path: Path) -> None:
    data = toy_data(tmp_path / "store")
    assert isinstance(data.train, ViewPairs)
    with pytest.raises(SettingsError, match="keep_on_device=true is for stored images of many views"):
        train(tiny_settings(run_dir=str(tmp_path / "run"), keep_on_device=True), data=replace(data, train=OtherPairs(data.train)))
    assert resident_views(OtherPairs(data.train), torch.device("cuda"), None) is None
