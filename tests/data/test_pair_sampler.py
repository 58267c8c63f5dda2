from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from contextssl.data.environment_mix import EnvironmentMix
from contextssl.data.pair_sampler import PairSampler
from contextssl.data.pairs import ViewPairs
from contextssl.data.views import Views
from contextssl.errors import SettingsError
from contextssl.factors import COLOR, ROTATION, FactorSpace
from tests.sources import ToySource, toy_store

SPACE = FactorSpace((ROTATION, COLOR))
HALVES = EnvironmentMix.parse([0.5, 0.5, 0.0], SPACE, "sequence")


@pytest.fixture(scope="module")
def train(tmp_path_factory: pytest.TempPathFactory) -> ViewPairs:
    store = toy_store(tmp_path_factory.mktemp("toy") / "store", ToySource(items={"train": 21, "val": 3}), resolution=8)
    return ViewPairs(store["train"])


@given(st.integers(2, 40), st.sampled_from([1, 2, 4]), st.integers(0, 5))
def test_an_epoch_takes_every_item_and_drops_none(train: ViewPairs, batch_size: int, pairs_per_item: int, epoch: int) -> None:
    sampler = PairSampler(train, HALVES, batch_size * pairs_per_item, 8, pairs_per_item, seed=3)
    items = torch.cat([sampler.batch_items(epoch, step) for step in range(sampler.steps_per_epoch)])
    assert sorted(items.tolist()) == sorted(list(range(21)) * pairs_per_item)
    assert all(len(sampler.batch_items(epoch, step)) >= 2 for step in range(sampler.steps_per_epoch))
    for steps in (0, 1, sampler.steps_per_epoch, 2 * sampler.steps_per_epoch + 1):
        where = [divmod(step, sampler.steps_per_epoch) for step in range(steps)]
        assert sampler.pairs_after(steps) == sum(len(sampler.batch_items(*place)) for place in where)


def test_batches_are_functions_of_seed_epoch_and_step(train: ViewPairs) -> None:
    def fingerprint(seed: int, epoch: int, step: int) -> list[int]:
        batch = PairSampler(train, HALVES, 8, 8, seed=seed).batch(epoch, step)
        return [*batch.items.tolist(), *batch.source_views.tolist(), *batch.target_views.tolist(), *batch.active.flatten().tolist()]

    assert fingerprint(0, 1, 1) == fingerprint(0, 1, 1)
    assert len({tuple(fingerprint(*key)) for key in [(0, 1, 1), (0, 1, 0), (0, 2, 1), (1, 1, 1)]}) == 4


@pytest.mark.parametrize("world", [1, 2, 3])
def test_processes_share_a_batch_by_whole_sequences(train: ViewPairs, world: int) -> None:
    sampler = PairSampler(train, HALVES, 21, block_size=6, seed=1)
    whole = sampler.batch(0, 0)
    shares = [sampler.batch(0, 0, rank, world) for rank in range(world)]
    assert torch.equal(torch.cat([share.items for share in shares]), whole.items)
    for name in ("active", "source_views", "target_views", "source", "target", "action"):
        assert torch.equal(torch.cat([getattr(share, name) for share in shares]), getattr(whole, name)), name
    assert all(len(share) % 3 == 0 for share in shares[:-1])


def test_the_order_of_an_epoch_is_drawn_once(train: ViewPairs, monkeypatch: pytest.MonkeyPatch) -> None:
    sampler, drawn, randperm = PairSampler(train, HALVES, 4, 8, seed=1), [], torch.randperm

    def counted(count: int, **given: object) -> torch.Tensor:
        drawn.append(count)
        return randperm(count, **given)  # type: ignore[call-overload]

    monkeypatch.setattr(torch, "randperm", counted)
    there_and_back = [sampler.batch_items(epoch, step).tolist() for epoch in (0, 1, 0) for step in range(5)]
    assert drawn.count(21) == 3, "of an epoch once, and of no more than one at a time"
    assert there_and_back[:5] == there_and_back[10:] != there_and_back[5:10]


def test_too_few_sequences_for_the_processes(train: ViewPairs) -> None:
    sampler = PairSampler(train, HALVES, 8, block_size=16)
    with pytest.raises(SettingsError, match="1 sequences of 8: too few for 2 processes; raise batch_size to at least 16"):
        sampler.batch(0, 0, 0, 2)


@given(
    items=st.integers(2, 60),
    a_sequence=st.integers(1, 8),
    sequences=st.integers(1, 6),
    pairs_per_item=st.integers(1, 3),
    world=st.integers(1, 6),
)
def test_every_process_has_a_share_of_every_batch_or_is_refused_at_once(
    items: int, a_sequence: int, sequences: int, pairs_per_item: int, world: int
) -> None:
    images, latents = np.zeros((items, 2, 1, 1, 1), np.uint8), np.zeros((items, 2, SPACE.width), np.float32)
    latents[..., 0] = 1
    views = Views(images, latents, np.zeros(items, np.int64), SPACE, class_names=("one",), item_names=[str(i) for i in range(items)])
    sampler = PairSampler(
        ViewPairs(views), HALVES, a_sequence * sequences * pairs_per_item + pairs_per_item, 2 * a_sequence, pairs_per_item
    )
    steps = range(sampler.steps_per_epoch)
    try:
        shares = [sampler.shares(step, world) for step in steps]
    except SettingsError as error:
        assert "too few for" in str(error)
        return
    for step in steps:
        whole = sampler.batch(0, step)
        dealt = [sampler.batch(0, step, rank, world) for rank in range(world)]
        assert [len(each) for each in dealt] == shares[step] and min(shares[step]) > 0
        assert torch.equal(torch.cat([each.items for each in dealt]), whole.items)
        assert torch.equal(torch.cat([each.active for each in dealt]), whole.active)


def test_a_last_batch_of_fewer_sequences_than_processes_is_dealt_out_by_pairs(train: ViewPairs) -> None:
    pairs = train.num_items
    sampler = PairSampler(train, HALVES, pairs - 3, block_size=8)
    assert sampler.shares(1, 2) == [2, 1]
    with pytest.raises(SettingsError, match=r"the last batch of an epoch has 3 pairs, too few for 4 processes: choose another batch_size"):
        sampler.shares(1, 4)


def test_environments_are_drawn_per_batch_or_per_sequence(train: ViewPairs) -> None:
    def drawn(scope: str) -> list[int]:
        """How many different environments each batch holds."""
        sampler = PairSampler(train, EnvironmentMix.parse([0.5, 0.5, 0.0], SPACE, scope), 16, block_size=4, seed=0)
        counts = []
        for epoch in range(20):
            active = sampler.batch(epoch, 0).active
            a_sequence = active.unflatten(0, (-1, 2))
            assert (a_sequence[:, :1] == a_sequence).all(), "one environment a sequence"
            counts.append(len(torch.unique(active, dim=0)))
        return counts

    assert set(drawn("batch")) == {1}
    assert sum(drawn("sequence")) > 35


def test_samplers_that_cannot_be(train: ViewPairs) -> None:
    with pytest.raises(SettingsError, match="batch_size is 1"):
        PairSampler(train, HALVES, 1, 8)
    with pytest.raises(SettingsError, match="pairs_per_item is 3: choose a divisor of batch_size 8"):
        PairSampler(train, HALVES, 8, 8, pairs_per_item=3)
    with pytest.raises(SettingsError, match="per 'batch' or per 'sequence'"):
        EnvironmentMix.parse([0.5, 0.5, 0.0], SPACE, "epoch")


def test_an_item_of_one_pair_is_not_enough(train: ViewPairs) -> None:
    views: Views = train.views
    one = replace(views, **{name: getattr(views, name)[:1] for name in ("images", "latents", "labels", "item_names", "raw_latents")})
    with pytest.raises(SettingsError, match="one pair per epoch"):
        PairSampler(ViewPairs(one), HALVES, 4, 8)
    assert len(PairSampler(ViewPairs(one), HALVES, 4, 8, pairs_per_item=4).batch(0, 0)) == 4


def test_pairs_of_an_item_stay_together_where_negatives_are_those_of_the_sequence(train: ViewPairs) -> None:
    spread, together = (
        PairSampler(train, EnvironmentMix.parse(None, train.factors), 12, 12, pairs_per_item=3, together=kept) for kept in (False, True)
    )
    a, b = spread.batch_items(0, 0), together.batch_items(0, 0)
    assert sorted(a.tolist()) == sorted(b.tolist())
    # Sequences of six pairs: two items of three pairs each.
    assert [sorted(part.bincount()[part.unique()].tolist()) for part in b.split(6)] == [[3, 3], [3, 3]]
    assert any(len(part.unique()) > 2 for part in a.split(6)) and b[:6].tolist() != sorted(b[:6].tolist())
