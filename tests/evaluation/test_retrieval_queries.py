"""Retrieval: every metric against a loop over queries, which queries are asked, and models that know nothing or everything."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from contextssl.evaluation.contexts import ContextPoint, Contexts
from contextssl.evaluation.embeddings import Embedder
from contextssl.evaluation.metrics import chance_reciprocal_rank
from contextssl.evaluation.retrieval_queries import HITS, Queries, query_scores, retrieval_rows
from contextssl.evaluation.view_sets import ViewSet
from contextssl.factors import COLOR, ROTATION, FactorSpace
from contextssl.models.contextssl import ContextSSL
from contextssl.records.results import ResultRow
from tests.evaluation.tiny import FACTORS, tiny_model, views_of

SPACE = FactorSpace((ROTATION, COLOR))


def test_query_scores_are_a_loop_over_queries() -> None:
    generator = torch.Generator().manual_seed(0)
    cosines = torch.randn(3, 4, 6, generator=generator).mul(4).round() / 4  # with ties
    target = torch.randint(6, (3, 4), generator=generator)
    latents = torch.randn(3, 6, 6, generator=generator)
    latents[..., :4] = F.normalize(latents[..., :4], dim=-1)
    found = query_scores(cosines, target, latents, SPACE)
    ties = 0
    for n in range(3):
        for q in range(4):
            row, t = cosines[n, q].tolist(), int(target[n, q])
            places = [1 + sum(s > row[t] for s in row) + i for i in range(sum(s == row[t] for s in row))]
            ties += len(places) > 1
            assert found["mrr"][n, q].item() == pytest.approx(sum(1 / p for p in places) / len(places), rel=1e-5)
            for k in HITS:
                assert found[f"hit@{k}"][n, q].item() == pytest.approx(sum(p <= k for p in places) / len(places))
            best = [i for i in range(6) if row[i] == max(row)]
            turn = [1 - float(latents[n, i, :4] @ latents[n, t, :4]) ** 2 for i in range(6)]
            hue = [float((latents[n, i, 4:] - latents[n, t, 4:]).square().mean()) for i in range(6)]
            for name, apart in (("rotation", turn), ("color", hue)):
                assert found[f"pre/{name}"][n, q].item() == pytest.approx(sum(apart[i] for i in best) / len(best), abs=1e-5)
                assert found[f"chance/{name}"][n, q].item() == pytest.approx(sum(apart) / 6, abs=1e-5)
    assert ties > 0


def test_queries_cover_what_they_say() -> None:
    every = Queries.draw(2, 5, "all", 0, seed=0)
    asked = {(int(s), int(t)) for s, t in zip(every.source[1], every.target[1], strict=True)}
    assert asked == {(s, t) for s in range(5) for t in range(5) if s != t}
    assert every.identity[1].tolist() == [0, 1, 2, 3, 4]
    first = Queries.draw(3, 5, "first", 0, seed=0)
    assert first.source.eq(0).all() and first.target[2].tolist() == [1, 2, 3, 4] and first.identity.tolist() == [[0]] * 3
    some = Queries.draw(4, 5, "all", 7, seed=0)
    assert some.source.shape == (4, 7) and not some.source.eq(some.target).any()
    for s, t in zip(some.source, some.target, strict=True):
        assert len(set(zip(s.tolist(), t.tolist(), strict=True))) == 7
    assert not torch.equal(some.source, Queries.draw(4, 5, "all", 7, seed=1).source)
    # With the identity query, over all of a 5-view item: (20 · 0.5 + 5 · 1) / 25.
    assert every.with_identity(0.5, 1.0) == pytest.approx(0.6)


class Fixed(Embedder):
    """An embedder that embeds a view as ``table`` says, and predicts by ``predict`` from source and target rows."""

    def __init__(self, views: ViewSet, table: Tensor, knows: bool) -> None:
        super().__init__(tiny_model(), Contexts([]), {})
        self.views, self.table, self.knows = views, table, knows

    def features(self, views: ViewSet) -> Tensor:
        return torch.arange(len(views), dtype=torch.float32)[:, None].expand(-1, self.model.feature_width)

    def embeddings(self, views: ViewSet, point: ContextPoint) -> Tensor:
        return self.table

    def embed(self, features: Tensor, point: ContextPoint, actions: Tensor | None = None) -> Tensor:
        if not self.knows:
            return torch.ones(len(features), self.table.shape[1])
        assert actions is not None
        # The target is the view of the same item to which the action leads.
        source = features[:, 0].long()
        wanted = []
        for row, action in zip(source.tolist(), actions, strict=True):
            item = row // self.views.per_item
            rows = torch.arange(item * self.views.per_item, (item + 1) * self.views.per_item)
            latents = self.views.latents
            leads = FACTORS.relative(latents[row].expand(len(rows), -1), latents[rows])
            wanted.append(int(rows[(leads - action).square().sum(1).argmin()]))
        return self.table[wanted]


def by_metric(rows: list[ResultRow]) -> dict[str, ResultRow]:
    return {f"{row.metric}/{row.factor}" if row.factor else row.metric: row for row in rows}


def run(knows: bool, table: Tensor, sources: str = "all", per_item: int = 0) -> dict[str, ResultRow]:
    views = ViewSet.choose(views_of(items=5, views=6), "val", 0, 0, seed=0)
    point = ContextPoint(None, 0, 0)
    environment = FACTORS.environment("all")
    return by_metric(list(retrieval_rows(Fixed(views, table, knows), views, [point], [environment], sources=sources, per_item=per_item)))


@pytest.mark.parametrize(("sources", "per_item"), [("all", 0), ("all", 9), ("first", 0)])
def test_a_collapsed_model_scores_chance(sources: str, per_item: int) -> None:
    found = run(False, torch.ones(30, 4), sources, per_item)
    assert found["mrr"].mean == pytest.approx(chance_reciprocal_rank(6))
    for metric, row in found.items():
        assert row.floor is not None
        assert row.mean == pytest.approx(row.floor, abs=1e-6), metric
    assert found["hit@1"].floor == pytest.approx(1 / 6)
    assert found["hit@10"].floor == 1.0
    assert found["mrr"].count == {"all": 5 * (per_item or 30), "first": 25}[sources]


def test_a_collapsed_model_scores_chance_however_its_cosines_are_rounded() -> None:
    """Embeddings that are equal but for the last bits of their numbers: what is nearest says nothing."""
    generator = torch.Generator().manual_seed(0)
    table = torch.ones(30, 32) * (1 + torch.randint(-2, 3, (30, 32), generator=generator) * 2.0**-23)
    for metric, row in run(False, table).items():
        assert row.mean == pytest.approx(row.floor, abs=1e-6), metric
    cosines = 0.4 + torch.randint(-2, 3, (3, 4, 6), generator=generator) * 2.0**-25
    latents = torch.randn(3, 6, 6, generator=generator)
    found = query_scores(cosines, torch.zeros(3, 4, dtype=torch.long), latents, SPACE)
    torch.testing.assert_close(found["mrr"], torch.full((3, 4), chance_reciprocal_rank(6), dtype=found["mrr"].dtype))
    torch.testing.assert_close(found["pre/color"], found["chance/color"])


@pytest.mark.parametrize("sources", ["all", "first"])
def test_a_perfect_model_is_always_right(sources: str) -> None:
    found = run(True, torch.randn(30, 16, generator=torch.Generator().manual_seed(0)), sources)
    for metric, row in found.items():
        assert row.mean == pytest.approx(0.0 if metric.startswith("pre") else 1.0, abs=1e-6), metric
        assert row.environment == "rotation+color" and row.length == 0


def test_what_predicts_features_is_looked_for_among_features(monkeypatch: pytest.MonkeyPatch) -> None:
    """Predictions are right, of the target's features; embeddings are all equal, so that among them it cannot be found."""
    views = ViewSet.choose(views_of(items=4, views=5), "val", 0, 0, seed=0)
    # The first number is the row, by which Fixed knows a view.
    table = torch.cat([torch.arange(20.0)[:, None], 20 * torch.randn(20, 8, generator=torch.Generator().manual_seed(0))], dim=1)

    class PredictsFeatures(Fixed):
        def features(self, views: ViewSet) -> Tensor:
            return self.table

        def embeddings(self, views: ViewSet, point: ContextPoint) -> Tensor:
            return torch.ones_like(self.table)

    def mrr() -> float:
        embedder, point = PredictsFeatures(views, table, True), ContextPoint(None, 0, 0)
        return by_metric(list(retrieval_rows(embedder, views, [point], [FACTORS.environment("all")], per_item=0)))["mrr"].mean

    assert mrr() == pytest.approx(chance_reciprocal_rank(5))
    monkeypatch.setattr(ContextSSL, "predicts_features", True)
    assert mrr() == pytest.approx(1.0)


def test_identity_queries_are_weighed_as_one_view_in_v() -> None:
    """A model that predicts the source itself: right on identity queries alone."""
    views = ViewSet.choose(views_of(items=4, views=5), "val", 0, 0, seed=0)

    class Copies(Fixed):
        def embed(self, features: Tensor, point: ContextPoint, actions: Tensor | None = None) -> Tensor:
            return self.table[features[:, 0].long()]

    embedder = Copies(views, torch.eye(20), True)
    rows = by_metric(list(retrieval_rows(embedder, views, [ContextPoint(None, 0, 0)], [FACTORS.environment("none")], per_item=0)))
    # Rank of another view: all four are equally far, at places 2 to 5.
    other = (1 / 2 + 1 / 3 + 1 / 4 + 1 / 5) / 4
    assert rows["mrr"].mean == pytest.approx(other)
    assert rows["mrr_with_identity"].mean == pytest.approx((4 * other + 1) / 5)
    assert rows["hit@1"].mean == 0 and rows["hit@1_with_identity"].mean == pytest.approx(0.2)
    assert (rows["mrr"].count, rows["mrr_with_identity"].count) == (4 * 20, 4 * 25)
