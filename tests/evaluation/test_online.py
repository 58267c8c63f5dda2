from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

from contextssl.evaluation.metrics import r2_pooled, r2_pooled_floor
from contextssl.evaluation.neighbours import knn_labels
from contextssl.evaluation.online import OnlinePairs, online_rows, watched
from contextssl.records.results import ResultRow
from tests.models.test_contextssl import small
from tests.training.runs import toy_data


def test_rows_are_those_of_the_public_interface(tmp_path: Path) -> None:
    data = toy_data(tmp_path / "store")
    model = small()
    pairs = OnlinePairs.draw(data.train, data.val, 20, context_pairs=7, seed=0)
    environments = [model.factors.environment(name) for name in ("rotation", "color")]
    rows = online_rows(model, pairs, environments, [0, 4])
    found = {(row.metric, row.factor, row.environment, row.length, row.representation): row for row in rows}
    queries, shown = pairs.drawn.queries, pairs.drawn.context
    for environment in ("rotation", "color"):
        short = model.context(shown.source[:2], shown.action[:2], shown.target[:2], environment=environment)
        for length, context in ((0, None), (4, short)):
            latents = model.auxiliary_prediction(F.normalize(model.embed(queries.target, context), dim=-1)).detach()
            for factor, block in (("rotation", slice(0, 4)), ("color", slice(4, 6))):
                row = found["r2_pooled", factor, environment, length, "embedding"]
                assert row.mean == pytest.approx(float(r2_pooled(latents[:, block], queries.target_latents[:, block])), abs=1e-4)
                assert row.floor == pytest.approx(float(r2_pooled_floor(queries.target_latents[:, block])))
                assert (row.count, row.split, row.head) == (20, "val", "auxiliary")
            action = queries.action * model.factors.mask(environment)
            predicted, own = (
                F.normalize(z, dim=-1) for z in (model.predict(queries.source, action, context), model.embed(queries.target, context))
            )
            row = found["positive_similarity", None, environment, length, "embedding"]
            assert row.mean == pytest.approx(float((predicted * own).sum(1).mean()), abs=1e-4)
    labels = knn_labels(model.encode(pairs.bank), pairs.bank_labels, model.encode(queries.target), 3)
    assert found["accuracy", "class", None, 0, "feature"].mean == pytest.approx(float((labels == queries.labels).float().mean()))


def test_pairs_are_fixed_by_the_seed_and_spread_over_the_items(tmp_path: Path) -> None:
    data = toy_data(tmp_path / "store")
    first, again, other = (OnlinePairs.draw(data.train, data.val, 20, 7, seed) for seed in (0, 0, 1))
    assert torch.equal(first.drawn.queries.source, again.drawn.queries.source)
    assert torch.equal(first.drawn.context.action, again.drawn.context.action)
    assert not torch.equal(first.drawn.queries.source, other.drawn.queries.source)
    counts = first.drawn.queries.items.bincount()
    assert len(counts) == 8 and counts.min() >= 2 and counts.max() <= 3


def test_the_best_checkpoint_is_chosen_by_active_factors_at_the_longest_context() -> None:
    def row(factor: str, environment: str, length: int, mean: float) -> ResultRow:
        return ResultRow("online", "r2_pooled", mean, factor, environment, length, "embedding")

    rows = [
        row("rotation", "rotation", 14, 0.8),
        row("color", "rotation", 14, 0.1),
        row("color", "color", 14, 0.6),
        row("color", "color", 0, 0.9),
    ]
    rows.append(ResultRow("online", "accuracy", 0.3, representation="feature"))
    assert watched(rows, "r2") == pytest.approx(0.7) and watched(rows, "accuracy") == 0.3
    assert math.isnan(watched([], "r2")) and math.isnan(watched([], "accuracy"))
