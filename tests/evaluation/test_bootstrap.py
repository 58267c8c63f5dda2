"""The bootstrap over items: against scipy's own, against formulas, against a slow loop that gathers the rows of every draw."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from scipy.stats import bootstrap
from torch import Tensor

from contextssl.evaluation import item_sums, metrics
from contextssl.evaluation.bootstrap import DRAWS, Resampled, error_of, item_counts, of_items, resample
from contextssl.evaluation.fairness_errors import resampled_class_scores, resampled_differences
from contextssl.evaluation.fairness_metrics import class_scores, differences
from contextssl.evaluation.scores import Scores
from contextssl.evaluation.variance_share import basis, share_residuals, variance_share
from contextssl.factors import COLOR, FLOOR, ROTATION, FactorSpace
from tests.evaluation.tiny import views_of

ITEMS = torch.arange(12).repeat_interleave(4)[torch.randperm(48, generator=torch.Generator().manual_seed(5))]


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def test_counts_are_draws_with_replacement() -> None:
    counts = item_counts(30)
    assert counts.shape == (DRAWS, 30) and bool((counts.sum(1) == 30).all())
    # With replacement an item is left out of a draw with chance (1 - 1/30)^30 = 0.36.
    assert float((counts == 0).mean()) == pytest.approx(0.36, abs=0.02) and len({tuple(row) for row in counts.tolist()}) == DRAWS
    np.testing.assert_array_equal(item_counts(30), counts)


def test_of_a_mean_it_is_the_textbook_error() -> None:
    values = random(400)
    draws = item_sums.resampled_mean(values, torch.arange(400))
    assert draws is not None
    error = error_of([draws])
    assert error == pytest.approx(float(values.std()) / 20, rel=0.12)
    scipys = bootstrap((values.numpy(),), np.mean, n_resamples=2000, random_state=0).standard_error
    assert error == pytest.approx(scipys, rel=0.12)


def test_all_rows_of_an_item_are_drawn_together() -> None:
    """Ten views that agree are worth one, not ten."""
    same = random(40).repeat_interleave(10)
    together = item_sums.resampled_mean(same, torch.arange(40).repeat_interleave(10))
    apart = item_sums.resampled_mean(same, torch.arange(400))
    assert together is not None and apart is not None
    errors = [error_of([draws]) or 0.0 for draws in (together, apart)]
    assert errors[0] == pytest.approx(10**0.5 * errors[1], rel=0.15)
    assert (together.items, apart.items) == (40, 400)


def slowly(number: Callable[[Tensor], float], items: Tensor, draws: int = 25) -> np.ndarray:
    """The number of the rows of each draw, gathered as often as their item was drawn."""
    names = items.unique()
    rows_of = [torch.where(items == name)[0] for name in names]
    found = []
    for counts in item_counts(len(names))[:draws]:
        rows = torch.cat([rows for rows, count in zip(rows_of, counts.tolist(), strict=True) for _ in range(count)])
        found.append(number(rows))
    return np.array(found)


def agree(resampled: Resampled | None, number: Callable[[Tensor], float], items: Tensor = ITEMS) -> None:
    assert resampled is not None
    np.testing.assert_allclose(resampled.values[:25], slowly(number, items), rtol=1e-9, atol=1e-9)


def test_every_number_is_that_of_the_drawn_rows() -> None:
    target = random(48, 3) + 5
    prediction = target + 0.5 * random(48, 3, seed=1)
    pooled, each = item_sums.resampled_r2(prediction, target, ITEMS)
    agree(pooled, lambda rows: float(metrics.r2_pooled(prediction[rows], target[rows])))
    agree(each, lambda rows: float(metrics.r2(prediction[rows], target[rows])))

    labels = torch.randint(3, (48,), generator=torch.Generator().manual_seed(2))
    guess = torch.where(random(48) > 0.5, (labels + 1) % 3, labels)
    accuracy, balanced = item_sums.resampled_classes(guess, labels, ITEMS)
    agree(accuracy, lambda rows: float(metrics.accuracy(guess[rows], labels[rows])))
    agree(balanced, lambda rows: float(metrics.balanced_accuracy(guess[rows], labels[rows])))

    z, design, folds = random(48, 5), basis(torch.rand(48, 1), FLOOR), ITEMS % 3
    residual, deviation = share_residuals(z, design, folds)

    def share(rows: Tensor) -> float:
        about = deviation[rows] - deviation[rows].mean(0)
        return float(1 - residual[rows].sum() / about.square().sum())

    agree(item_sums.resampled_share(residual, deviation, ITEMS), share)
    assert share(torch.arange(48)) == pytest.approx(variance_share(z, design, folds))


def test_distances_between_different_items() -> None:
    z, moved = random(48, 5), random(48).square()
    resampled = item_sums.resampled_distances(moved, z, ITEMS)
    assert resampled is not None
    for counts, found in zip(item_counts(12)[:10].tolist(), resampled.values[:10], strict=True):
        weight = torch.tensor(counts, dtype=torch.float64)[ITEMS]
        apart = (ITEMS[:, None] != ITEMS[None]) * weight[:, None] * weight[None]
        other = float((torch.cdist(z.double(), z.double()).square() * apart).sum() / apart.sum())
        assert found == pytest.approx(float((weight * moved).sum() / weight.sum()) / other, rel=1e-6)


@pytest.mark.parametrize("classes", [2, 3])
def test_gaps_between_groups_and_class_scores(classes: int) -> None:
    generator = torch.Generator().manual_seed(classes)
    items = torch.arange(200).repeat_interleave(2)
    labels, groups = (torch.randint(most, (400,), generator=generator) for most in (classes, 3))
    # Coarse scores, so that some are equal.
    chances = (torch.rand(400, classes, generator=generator) + 0.5 * torch.nn.functional.one_hot(labels, classes)).mul(4).round()
    chances = chances / chances.sum(1, keepdim=True)
    guess = chances.argmax(1)
    gaps = resampled_differences(guess, labels, groups, classes, items)
    scored = resampled_class_scores(chances, labels, items)
    expected = [differences(guess[rows], labels[rows], groups[rows], classes) for rows in drawn_rows(items)]
    for name in gaps:
        draws = gaps[name]
        assert draws is not None
        np.testing.assert_allclose(draws.values[:3], [each[name] for each in expected], rtol=1e-9)
    for name, draws in scored.items():
        assert draws is not None
        values = [class_scores(chances[rows], labels[rows])[name][0] for rows in drawn_rows(items)]
        np.testing.assert_allclose(draws.values[:3], values, rtol=1e-6)


def drawn_rows(items: Tensor, draws: int = 3) -> list[Tensor]:
    names = items.unique()
    return [torch.arange(len(items)).repeat_interleave(torch.tensor(c.astype(np.int64))[items]) for c in item_counts(len(names))[:draws]]


def test_what_has_no_error() -> None:
    assert item_sums.resampled_mean(random(5), torch.zeros(5, dtype=torch.long)) is None, "one item cannot be drawn otherwise"
    same = torch.zeros(8, dtype=torch.long)
    assert all(draws is None for draws in resampled_differences(same, same, same, 2, torch.arange(8)).values())
    assert resampled_class_scores(torch.rand(8, 2), torch.zeros(8, dtype=torch.long), torch.arange(8))["auroc"] is None
    assert error_of([]) is None
    undefined = Resampled(np.full(DRAWS, math.nan), 5)
    assert error_of([undefined]) is None
    constant = resample(of_items(torch.ones(6, 2), torch.arange(6)), lambda sums: sums[..., 0] / sums[..., 1])
    assert constant is not None and error_of([constant]) == pytest.approx(0, abs=1e-12)


def test_contexts_share_their_items() -> None:
    """The mean over contexts is resampled as a mean: what two contexts read of the same items goes up and down together."""
    first, noise = random(50), random(50, seed=1)
    same = [item_sums.resampled_mean(first, torch.arange(50)), item_sums.resampled_mean(first, torch.arange(50))]
    other = [item_sums.resampled_mean(first, torch.arange(50)), item_sums.resampled_mean(noise, torch.arange(50))]
    both = item_sums.resampled_mean((first + noise) / 2, torch.arange(50))
    assert both is not None
    assert error_of([draws for draws in same if draws]) == pytest.approx(error_of([same[0]] if same[0] else []))
    assert error_of([draws for draws in other if draws]) == pytest.approx(error_of([both]))


def test_rows_carry_it() -> None:
    from contextssl.evaluation.contexts import ContextPoint

    scores = Scores("probe", "val", FactorSpace((ROTATION, COLOR)))
    views = views_of(20, 3)
    latents = torch.from_numpy(views.latents).flatten(0, 1)
    items = torch.arange(20).repeat_interleave(3)
    for draw in range(2):
        guess = latents + 0.3 * random(60, 6, seed=draw)
        scores.add_factors(guess, latents, ("rotation", "color"), ContextPoint("rotation", 6, draw), items=items, head="ridge")
    scores.add_class(torch.zeros(60, dtype=torch.long), torch.arange(60) % 2, ContextPoint(None, 0, 0), items=items)
    scores.add("capacity_nats", 3.0, point=ContextPoint("rotation", 6, 0))
    rows = scores.rows()
    for row in rows[:5]:
        assert row.item_std is not None and row.item_std > 0 and (row.items, row.over, row.n) == (20, "contexts", 2)
    accuracy = next(row for row in rows if row.metric == "accuracy")
    assert accuracy.std is None and accuracy.over is None and accuracy.items == 20
    assert (rows[-1].item_std, rows[-1].items, rows[-1].over) == (None, None, "contexts")
