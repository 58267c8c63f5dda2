from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from contextssl.data.pairs import ViewPairs
from contextssl.errors import DataError
from contextssl.factors import COLOR, ROTATION, FactorSpace
from tests.sources import ToySource, toy_store

SPACE = FactorSpace((ROTATION, COLOR))


@pytest.fixture(scope="module")
def train(tmp_path_factory: pytest.TempPathFactory) -> ViewPairs:
    store = toy_store(tmp_path_factory.mktemp("toy") / "store", ToySource(items={"train": 21, "val": 3}), resolution=8)
    return ViewPairs(store["train"])


def test_a_pair_is_two_views_of_its_item(train: ViewPairs) -> None:
    batch = train.draw(torch.arange(21).repeat(5), torch.Generator().manual_seed(0))
    assert (batch.source_views != batch.target_views).all()
    for k in range(len(batch)):
        item, source, target = int(batch.items[k]), int(batch.source_views[k]), int(batch.target_views[k])
        np.testing.assert_array_equal(batch.source[k].permute(1, 2, 0).numpy(), train.views.images[item, source])
        np.testing.assert_array_equal(batch.target[k].permute(1, 2, 0).numpy(), train.views.images[item, target])
        np.testing.assert_array_equal(batch.target_latents[k].numpy(), train.views.latents[item, target])
        assert int(batch.labels[k]) == train.views.labels[item]
    torch.testing.assert_close(batch.action, SPACE.relative(batch.source_latents, batch.target_latents))
    assert {(int(s), int(t)) for s, t in zip(batch.source_views, batch.target_views, strict=True)} == {
        (s, t) for s in range(4) for t in range(4) if s != t
    }, "every ordered pair of different views comes up"


def test_active_actions_are_zero_outside_the_environment(train: ViewPairs) -> None:
    batch = train.draw(torch.arange(5), torch.Generator().manual_seed(0))
    batch = replace(batch, active=SPACE.mask("color").expand_as(batch.active))
    assert (batch.active_action[:, :4] == 0).all()
    torch.testing.assert_close(batch.active_action[:, 4:], batch.action[:, 4:])


def test_pairs_need_two_views(tmp_path: Path) -> None:
    single = toy_store(tmp_path / "store", ToySource(num_views=1), resolution=8)
    with pytest.raises(DataError, match="at least two views per item; this data set has 1"):
        ViewPairs(single["train"])
