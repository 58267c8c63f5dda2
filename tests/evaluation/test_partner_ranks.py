"""Ranks of partners: against a slow loop, against a case solved by hand, and without drawing anything twice."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
import torch

from contextssl.data.listed_pairs import ListedViews
from contextssl.data.views import Views
from contextssl.errors import DataError, SettingsError
from contextssl.evaluation.contexts import Contexts, context_points
from contextssl.evaluation.disturbances import DEALT_ANEW
from contextssl.evaluation.embeddings import Embedder
from contextssl.evaluation.partner_ranks import Partners, partner_rows
from contextssl.evaluation.view_sets import ViewSet
from contextssl.factors import FactorSpace
from contextssl.models.by_examples import ByExamples
from tests.data.test_listed_pairs import KINDS, grid
from tests.evaluation.tiny import views_of


def line(count: int, pairs: Sequence[tuple[int, int]]) -> ListedViews:
    """Images in a row, and pairs of the first kind."""
    images = np.zeros((count, 1, 2, 2, 3), np.uint8)
    views = Views(
        images, np.zeros((count, 1, 0), np.float32), np.zeros(count, np.int64), FactorSpace(()), ("a",), [str(i) for i in range(count)]
    )
    return ListedViews.of(views, KINDS, np.array([[*pair, 0] for pair in pairs]), np.arange(count))


def asked(bank: ListedViews, kind: int = 0) -> Partners:
    return Partners.of(ViewSet.choose(bank, "val", 0, 0, 0), bank, kind)


def test_by_hand() -> None:
    """Five points on a circle at 0°, 10°, 20°, 40°, 90°; 0 and 2 are partners: from 0 there is 1 nearer; from 2 there are 1 (10°) and, as far, 3."""
    angles = torch.deg2rad(torch.tensor([0.0, 10.0, 20.0, 40.0, 90.0]))
    found = asked(line(5, [(0, 2)])).ranks(torch.stack([angles.cos(), angles.sin()], dim=1))
    # From 2: image 1 is nearer; 0 and 3 are both 20° away, so its rank is 2 or 3.
    assert found["mrr"].tolist() == pytest.approx([1 / 2, (1 / 2 + 1 / 3) / 2])
    assert found["hit@1"].tolist() == [0, 0] and found["hit@5"].tolist() == [1, 1]
    # Four candidates: 1 + 1/2 + 1/3 + 1/4 over 4.
    assert found["chance/mrr"].tolist() == pytest.approx([25 / 48] * 2) and found["chance/hit@1"].tolist() == [0.25] * 2


def test_others_that_count_as_the_same_are_no_candidates() -> None:
    """Of three that count as the same none is in the way of another, whatever their order."""
    unit = torch.nn.functional.normalize(torch.tensor([[1.0, 0.0], [1.0, 0.1], [1.0, 0.3], [0.0, 1.0]]), dim=1)
    found = asked(line(4, [(0, 2), (1, 2)])).ranks(unit)
    assert found["mrr"].tolist() == [1] * 4 and found["chance/mrr"].tolist() == [0.75] * 4


def test_against_a_slow_loop() -> None:
    bank = grid(items=2).views
    generator = torch.Generator().manual_seed(0)
    unit = torch.nn.functional.normalize(torch.randn(bank.num_items, 5, generator=generator), dim=1)
    for kind in range(2):
        queries = asked(bank, kind)
        expected = []
        for one, two in zip(queries.source.tolist(), queries.target.tolist(), strict=True):
            others = [n for n in range(bank.num_items) if bank.same[n, kind] != bank.same[one, kind]]
            above = sum(float(unit[one] @ unit[n]) > float(unit[one] @ unit[two]) for n in others)
            expected.append(1 / (1 + above))
        assert queries.ranks(unit)["mrr"].tolist() == pytest.approx(expected)
        assert len(expected) == 2 * int((bank.listed[:, 2] == kind).sum())


def test_chance_is_what_random_embeddings_reach() -> None:
    bank = grid(items=8).views
    queries = asked(bank)
    values = []
    for seed in range(20):
        unit = torch.nn.functional.normalize(torch.randn(bank.num_items, 64, generator=torch.Generator().manual_seed(seed)), dim=1)
        values.append(queries.ranks(unit))
    for metric in ("mrr", "hit@1", "hit@5"):
        means = torch.stack([value[metric].mean() for value in values])
        assert abs(float(means.mean()) - float(values[0][f"chance/{metric}"].mean())) < 4 * float(means.std()) / 20**0.5


def test_rows_of_every_kind_of_pair_and_context() -> None:
    source = grid(items=3)
    encoder = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(12, 12))
    model = ByExamples(
        encoder, source.factors, feature_width=12, projection_dim=8, width=16, n_layer=1, n_head=2, block_size=8, auxiliary=False,
        image_mean=(0.5, 0.5, 0.5), image_std=(0.25, 0.25, 0.25),
    )  # fmt: skip
    contexts = Contexts.draw(source, 3, 2, 0, "examples")
    embedder = Embedder(model, contexts, {"fingerprint": "x"})
    environments = [source.factors.environment(kind) for kind in KINDS]
    points = context_points(environments, [0, 2, 6], 2)
    rows = list(partner_rows(embedder, ViewSet.choose(source.views, "val", 0, 0, 0), points))
    found = {(row.representation, row.environment, row.length, row.context, row.factor, row.metric) for row in rows}
    conditions: list[tuple[str, str | None, int | None, str | None]] = [("feature", None, None, None), ("embedding", None, 0, None)]
    conditions += [("embedding", kind, length, None) for kind in KINDS for length in (2, 6)]
    # One pair cannot be dealt anew.
    conditions += [("embedding", kind, 6, DEALT_ANEW) for kind in KINDS]
    assert found == {(*each, kind, metric) for each in conditions for kind in KINDS for metric in ("mrr", "hit@1", "hit@5")}
    assert len(rows) == len(found)
    for row in rows:
        assert row.items == 3 and row.item_std is not None and row.floor is not None and row.n == (2 if row.length else 1)


def test_what_has_no_pairs_is_refused() -> None:
    embedder = Embedder.__new__(Embedder)
    with pytest.raises(SettingsError, match="partners are ranked of listed pairs: train on dataset=pairs"):
        next(partner_rows(embedder, ViewSet.choose(views_of(), "val", 0, 0, 0), []))
    with pytest.raises(DataError, match="no listed pair is among the 1 images of val that are evaluated: raise items"):
        next(partner_rows(embedder, ViewSet.choose(grid().views, "val", 0, 1, 0), []))
