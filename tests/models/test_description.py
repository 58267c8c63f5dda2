from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from contextssl.errors import InputError
from contextssl.models.carried_views import CarriedViews
from contextssl.models.description import Description, describe
from contextssl.models.predictor import Context

# Features: two numbers of a, two of b, four of the item.
BLOCKS = {"a": slice(0, 2), "b": slice(2, 4)}


def views(count: int, seed: int) -> Tensor:
    return torch.randn(count, 8, generator=torch.Generator().manual_seed(seed))


def differing(count: int, seed: int, *names: str) -> Tensor:
    """Pairs of one item that differ in the named factors."""
    source, other = views(count, seed), views(count, seed + 100)
    target = source.clone()
    for name in names:
        target[:, BLOCKS[name]] = other[:, BLOCKS[name]]
    return torch.stack([source, target], dim=1)


CARRIED = CarriedViews(
    {name: differing(64, seed, name) for seed, name in enumerate(BLOCKS)},
    torch.stack([views(64, 9), views(64, 10)], dim=1),
    {"none": differing(15, 20, "a", "b"), "a": differing(15, 21, "b"), "b": differing(15, 22, "a")},
)


def by_hand(features: Tensor, examples: Tensor | None) -> Tensor:
    """Drops each number as far as it differs within the pairs: one that differs in every pair has no effect any more."""
    if examples is None:
        return F.normalize(features, dim=-1)
    differs = ((examples[:, 0] - examples[:, 1]).abs() > 1e-3).float().mean(dim=0)
    return F.normalize(features * (1 - differs) + 1e-6, dim=-1)


def described(examples: Tensor) -> Description:
    return describe(examples, CARRIED, by_hand)


@pytest.mark.parametrize("dropped", [("a",), ("b",), ("a", "b")])
def test_what_differs_within_the_pairs_is_dropped(dropped: tuple[str, ...]) -> None:
    found = described(differing(7, 30, *dropped))
    assert found.dropped == dropped and found.kept == tuple(name for name in BLOCKS if name not in dropped)
    assert not found.more_pairs_help and not found.warnings and found.pairs == 7
    assert all(effect.error < 1e-4 for effect in found.factors.values())
    assert f"{dropped[0]}: dropped; 0 % ± 0 of its effect on distances is left" in str(found)
    assert "more pairs would hardly change this" in str(found)


def test_the_effect_by_hand() -> None:
    """A share of the squared distance of different items, relative to no context."""
    examples = differing(7, 30, "a")

    def effect(context: Tensor | None) -> float:
        def apart(pairs: Tensor) -> Tensor:
            return (by_hand(pairs[:, 0], context) - by_hand(pairs[:, 1], context)).square().sum(dim=1).mean()

        return float(apart(CARRIED.factors["b"]) / apart(CARRIED.items))

    assert described(examples).factors["b"].left == pytest.approx(effect(examples) / effect(None), rel=1e-4)


def test_odd_examples_are_named() -> None:
    same = differing(5, 40, "a")
    same[3, 1] = same[3, 0]
    assert described(same).warnings == ("pair 3: both views are the same, so nothing is shown to be ignored",)
    strangers = differing(5, 50, "a")
    strangers[:2, 1] = -strangers[:2, 0]
    assert "pairs 0, 1: the views seem to show different items" in described(strangers).warnings
    both = torch.cat([differing(4, 70, "a"), differing(4, 80, "b")])
    found = described(both)
    assert found.warnings == (
        "the pairs contradict each other: pairs 0, 1, 2, 3 differ in a, pairs 4, 5, 6, 7 share it",
        "the pairs contradict each other: pairs 4, 5, 6, 7 differ in b, pairs 0, 1, 2, 3 share it",
    )
    assert found.more_pairs_help and not found.dropped


@pytest.mark.parametrize(("others", "warned"), [(1, False), (2, False), (8, True)])
def test_of_many_pairs_a_few_are_no_contradiction(others: int, warned: bool) -> None:
    """Of these pairs three are misread themselves."""
    pairs = torch.cat([differing(28 - others, 70, "a"), differing(others, 80, "b")])
    assert any("contradict" in each for each in described(pairs).warnings) == warned


def test_pairs_that_differ_in_everything_contradict_nothing() -> None:
    """As examples of the item alone do; two kinds of them, though each half by itself would drop another factor first."""
    assert not described(torch.cat([differing(4, 70, "a", "b"), differing(4, 80, "b", "a")])).warnings


def test_what_the_model_cannot_tell_apart_is_no_contradiction() -> None:
    def blind(features: Tensor, examples: Tensor | None) -> Tensor:
        return by_hand(features, None)

    both = torch.cat([differing(4, 70, "a"), differing(4, 80, "b")])
    without = CarriedViews(CARRIED.factors, CARRIED.items, {"none": CARRIED.examples["none"]})
    assert not [each for each in describe(both, CARRIED, blind).warnings if "contradict" in each]
    assert not [each for each in describe(both, without, by_hand).warnings if "contradict" in each]


def test_one_pair_is_never_sure() -> None:
    found = described(differing(1, 90, "a"))
    assert (
        {effect.says for effect in found.factors.values()} == {"unsure"} and found.more_pairs_help and str(found).startswith("1 example\n")
    )


def test_a_context_of_another_kind_cannot_be_described() -> None:
    nothing = torch.zeros(1, 1, 2, 4)
    with pytest.raises(InputError, match="only contexts of examples can"):
        Context(nothing, nothing).describe()


def test_carried_views_come_back_from_a_checkpoint() -> None:
    found = CarriedViews.from_dict(CARRIED.to_dict())
    assert found.finite() and list(found.factors) == ["a", "b"] and found.items.dtype == torch.float32
    torch.testing.assert_close(found.items, CARRIED.items, atol=1e-2, rtol=1e-2)
