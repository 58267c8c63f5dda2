from __future__ import annotations

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

from contextssl.evaluation.context_reading import disagreement, reading, reading_rows
from contextssl.evaluation.online import OnlinePairs
from tests.models.test_contextssl import small
from tests.training.runs import toy_data


def noise(seed: int, *shape: int) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def test_disagreement_is_of_similarities_alone() -> None:
    z = noise(0, 60, 5)
    turned = 3 * z @ torch.linalg.qr(noise(1, 5, 5)).Q
    assert disagreement(z, turned) == pytest.approx(0.0, abs=1e-6)
    assert disagreement(z, noise(2, 60, 5)) > 0.8
    # The centred similarities of all views with all, written out.
    other = z + noise(3, 60, 5)
    grams = []
    for each in (z, other):
        unit = F.normalize(each.double(), dim=-1)
        centred = unit - unit.mean(0)
        grams.append(centred @ centred.T)
    cosine = float((grams[0] * grams[1]).sum() / (grams[0].norm() * grams[1].norm()))
    assert disagreement(z, other) == pytest.approx(1 - cosine, abs=1e-9)


def test_reading_is_what_environments_change_beyond_other_pairs_of_the_same() -> None:
    colour, pose = noise(0, 200, 4), noise(1, 200, 4)
    read = reading({"colour": (colour, colour), "pose": (pose, pose), "again": (pose, pose)})
    assert min(read.values()) > 0.9, "of each the most, so also of two environments that are the same"
    moved = [colour + 0.7 * noise(seed, 200, 4) for seed in range(2, 6)]
    unread = reading({"colour": (moved[0], moved[1]), "pose": (moved[2], moved[3])})
    assert disagreement(moved[0], moved[2]) > 0.2 and max(map(abs, unread.values())) < 0.1, "any context moves it, none is read"
    same = torch.ones(200, 4)
    assert reading({"colour": (same, same), "pose": (same, same)}) == {"colour": 0.0, "pose": 0.0}


def test_rows_are_of_the_halves_of_each_environments_context(tmp_path: Path) -> None:
    data, model = toy_data(tmp_path / "store"), small()
    pairs = OnlinePairs.draw(data.train, data.val, 20, context_pairs=7, seed=0)
    environments = [model.factors.environment(name) for name in ("rotation", "color")]
    rows = reading_rows(model, pairs, environments)
    shown, views = pairs.drawn.context, pairs.drawn.queries.target

    def embedded(environment: str, half: slice) -> torch.Tensor:
        context = model.context(shown.source[half], shown.action[half], shown.target[half], environment=environment)
        return model.embed(views, context)

    both = {name: (embedded(name, slice(0, 3)), embedded(name, slice(3, 6))) for name in ("rotation", "color")}
    expected = reading(both)
    assert {row.environment: row.mean for row in rows} == pytest.approx(expected, abs=1e-4)
    assert {(row.metric, row.length, row.count, row.key()) for row in rows} == {
        ("context_reading", 6, 20, "context_reading/rotation-6"),
        ("context_reading", 6, 20, "context_reading/color-6"),
    }
    assert reading_rows(model, pairs, environments[:1]) == [], "one environment has no other"
