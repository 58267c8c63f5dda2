"""Rotation angles, balanced accuracy and ranks under ties: against slow loops and cases solved by hand."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from scipy.spatial.transform import Rotation
from torch import Tensor

from contextssl.evaluation.metrics import (
    accuracy,
    balanced_accuracy,
    chance_reciprocal_rank,
    first_largest,
    rotation_angle_floor,
    rotation_angles,
    tied_hits,
    tied_places,
    tied_reciprocal_rank,
)
from contextssl.evaluation.neighbours import knn_labels, nearest_weights
from contextssl.models.neighbours import cosine_tolerance


def quaternions(count: int, seed: int = 0) -> Tensor:
    return torch.from_numpy(Rotation.random(count, random_state=seed).as_quat()).float()


def test_angles_by_hand() -> None:
    none = torch.tensor([[0.0, 0.0, 0.0, 1.0]])
    half = math.sqrt(0.5)
    assert rotation_angles(none, none).item() == pytest.approx(0, abs=1e-5)
    assert rotation_angles(-3 * none, none).item() == pytest.approx(0, abs=1e-5)  # q and -q, and any length
    assert rotation_angles(torch.tensor([[half, 0, 0, half]]), none).item() == pytest.approx(90, abs=1e-4)
    assert rotation_angles(torch.tensor([[0.0, 1.0, 0.0, 0.0]]), none).item() == pytest.approx(180, abs=1e-4)
    assert rotation_angles(torch.zeros(1, 4), none).item() == pytest.approx(180)


def test_angles_are_scipys() -> None:
    a, b = quaternions(50), quaternions(50, 1)
    for angle, x, y in zip(rotation_angles(a, b), a.numpy(), b.numpy(), strict=True):
        assert angle.item() == pytest.approx(math.degrees((Rotation.from_quat(x).inv() * Rotation.from_quat(y)).magnitude()), abs=1e-3)


def test_angle_floor_is_blind_to_signs_and_beats_other_constants() -> None:
    target = torch.from_numpy(Rotation.from_euler("xyz", torch.rand(200, 3).numpy() * 1.5).as_quat()).float()
    floor = float(rotation_angle_floor(target))
    signs = torch.where(torch.arange(200) % 2 == 0, 1.0, -1.0)[:, None]
    assert float(rotation_angle_floor(target * signs)) == pytest.approx(floor)
    others = [rotation_angles(q.expand(200, 4), target).mean().item() for q in quaternions(50)]
    assert floor < min(others)


def test_balanced_accuracy_counts_classes_alike() -> None:
    target = torch.tensor([0, 0, 0, 0, 0, 0, 2, 2])  # no item of class 1
    prediction = torch.tensor([0, 0, 0, 0, 0, 0, 0, 2])
    assert float(accuracy(prediction, target)) == pytest.approx(7 / 8)
    assert float(balanced_accuracy(prediction, target)) == pytest.approx((1 + 0.5) / 2)
    generator = torch.Generator().manual_seed(0)
    target, prediction = torch.randint(5, (2, 100), generator=generator)
    shares = [sum(int(p == t) for p, t in zip(prediction, target, strict=True) if t == c) / int((target == c).sum()) for c in range(5)]
    assert float(balanced_accuracy(prediction, target)) == pytest.approx(sum(shares) / 5)


def test_ties_count_by_every_order_that_they_allow() -> None:
    scores = torch.tensor([[0.5, 0.9, 0.5, 0.5, 0.1]])
    above, tied = tied_places(scores, torch.tensor([2]))
    assert (above.item(), tied.item()) == (1, 2)
    ranks = []
    for order in itertools.permutations(range(5)):
        placed = sorted(order, key=lambda i: -float(scores[0, i]))  # stable: the permutation breaks ties
        ranks.append(placed.index(2) + 1)
    assert tied_reciprocal_rank(above, tied).item() == pytest.approx(sum(1 / r for r in ranks) / len(ranks))
    for k in (1, 2, 3, 4, 5, 9):
        assert tied_hits(above, tied, k).item() == pytest.approx(sum(r <= k for r in ranks) / len(ranks))


def test_all_alike_is_chance() -> None:
    above, tied = tied_places(torch.zeros(7, 50), torch.arange(7))
    assert tied_reciprocal_rank(above, tied).mean().item() == pytest.approx(chance_reciprocal_rank(50))
    assert chance_reciprocal_rank(50) == pytest.approx(0.09, abs=0.001)  # what the trial names chance among 50 views
    for k in (1, 5, 50, 60):
        assert tied_hits(above, tied, k).mean().item() == pytest.approx(min(k, 50) / 50)


def in_the_last_bits(values: Tensor, bits: int = 2, seed: int = 0) -> Tensor:
    """The same numbers as another processor's kernel may round them: up to so many units in the last place off."""
    off = torch.randint(-bits, bits + 1, values.shape, generator=torch.Generator().manual_seed(seed))
    return values * (1 + off * 2.0**-23)


@pytest.mark.parametrize("cosine", [1.0, 0.73, -0.21])
def test_what_differs_by_rounding_is_tied(cosine: float) -> None:
    equal = in_the_last_bits(torch.full((40, 50), cosine))
    assert len(equal.unique()) > 2, "they are not equal bit by bit"
    correct = torch.arange(40)
    above, tied = tied_places(equal, correct)
    assert (above == 0).all() and (tied == 49).all()
    assert tied_reciprocal_rank(above, tied).mean().item() == pytest.approx(chance_reciprocal_rank(50))
    torch.testing.assert_close(nearest_weights(equal, 20), torch.full((40, 50), 0.4))


def test_the_tolerance_covers_every_order_of_a_sum_and_no_more() -> None:
    """The same cosines summed in other orders, in float32: as kernels of other processors add them."""
    generator = torch.Generator().manual_seed(0)
    for width in (8, 64, 512):
        a, b = (torch.nn.functional.normalize(torch.randn(200, width, generator=generator), dim=-1) for _ in range(2))
        sums = torch.zeros(5, 200)
        for total in sums:
            for column in torch.randperm(width, generator=generator).tolist():
                total += a[:, column] * b[:, column]
        spread = float((sums.amax(0) - sums.amin(0)).max())
        assert 0 < spread < cosine_tolerance(width) < 2e-5


def test_neighbours_that_tie_for_the_last_place_share_it() -> None:
    cosines = torch.tensor([[0.9, 0.5, 0.5 + 1e-7, 0.5 - 1e-7, 0.1]])
    torch.testing.assert_close(nearest_weights(cosines, 2), torch.tensor([[1, 1 / 3, 1 / 3, 1 / 3, 0]]))
    torch.testing.assert_close(nearest_weights(cosines, 4), torch.tensor([[1.0, 1, 1, 1, 0]]))
    assert nearest_weights(cosines, 9).tolist() == [[1.0] * 5]


def test_votes_that_tie_go_to_the_first_class() -> None:
    assert first_largest(torch.tensor([[0.2, 0.4, 0.4 + 1e-7], [0.4 + 1e-7, 0.4, 0.1]])).tolist() == [1, 0]
    bank = in_the_last_bits(torch.ones(40, 8))
    found = knn_labels(bank, torch.arange(40) % 4, in_the_last_bits(torch.ones(30, 8), seed=1), classes=4, k=10)
    assert found.tolist() == [0] * 30, "to a collapsed model all classes are as near: it names one, and scores chance"
