from __future__ import annotations

from pathlib import Path

import pytest
import torch

from contextssl.data.environment_mix import EnvironmentMix
from contextssl.data.pair_sampler import PairSampler
from contextssl.training.batches import PairLoader
from tests.training.runs import toy_data


@pytest.mark.parametrize("workers", [0, 2])
def test_the_loader_gives_the_samplers_batches_and_goes_on_where_it_stopped(tmp_path: Path, workers: int) -> None:
    source = toy_data(tmp_path / "store").train
    sampler = PairSampler(source, EnvironmentMix.parse(None, source.factors), 8, 8, seed=5)
    consumed = 0

    def loader() -> PairLoader:
        return PairLoader(sampler, lambda: consumed, rank=0, world=1, workers=workers, pin_memory=False)

    first = loader()
    assert len(first) == sampler.steps_per_epoch == 3
    for step, batch in enumerate(first):
        assert torch.equal(batch.source, sampler.batch(0, step).source)
        consumed += 1
        if step == 1:
            break
    state = first.state_dict()
    assert state == {"consumed": 2}, "what was drawn ahead does not count"
    resumed = loader()
    resumed.load_state_dict(state)
    resumed.steps.set_epoch(0)
    assert [batch.items.tolist() for batch in resumed] == [sampler.batch(0, 2).items.tolist()]
    resumed.steps.set_epoch(1)
    assert [batch.items.tolist() for batch in resumed] == [sampler.batch(1, step).items.tolist() for step in range(3)]
