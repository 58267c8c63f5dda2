"""Numbers of groups against a loop, and by hand."""

from __future__ import annotations

import math

import torch
from hypothesis import given
from hypothesis import strategies as st

from contextssl.evaluation.fairness_metrics import class_scores, differences


def rate(guess: list[int], chosen: list[bool]) -> float:
    picked = [g for g, there in zip(guess, chosen, strict=True) if there]
    return sum(picked) / len(picked) if picked else 0.0


@given(st.lists(st.tuples(st.integers(0, 1), st.integers(0, 1), st.integers(0, 2)), min_size=8, max_size=60))
def test_gaps_against_a_loop(people: list[tuple[int, int, int]]) -> None:
    guess, labels, groups = (list(part) for part in zip(*people, strict=True))
    there = sorted(set(groups))
    # Rates of nobody are not rates.
    if len(there) < 2 or any({label for label, group in zip(labels, groups, strict=True) if group == g} != {0, 1} for g in there):
        return
    of = {g: [group == g for group in groups] for g in there}
    true = [rate(guess, [a and label == 1 for a, label in zip(of[g], labels, strict=True)]) for g in there]
    false = [rate(guess, [a and label == 0 for a, label in zip(of[g], labels, strict=True)]) for g in there]
    every = [rate(guess, of[g]) for g in there]
    found = differences(torch.tensor(guess), torch.tensor(labels), torch.tensor(groups), 2)
    expected = {
        "equalized_odds_difference": max(max(true) - min(true), max(false) - min(false)),
        "equal_opportunity_difference": max(true) - min(true),
        "demographic_parity_difference": max(every) - min(every),
    }
    assert all(math.isclose(found[name], value, abs_tol=1e-9) for name, value in expected.items())


def test_by_hand() -> None:
    """Group 0: both poor predicted right, one of two rich. Group 1: one of two poor predicted rich, both rich right."""
    labels = torch.tensor([0, 0, 1, 1, 0, 0, 1, 1])
    guess = torch.tensor([0, 0, 0, 1, 0, 1, 1, 1])
    groups = torch.tensor([0, 0, 0, 0, 1, 1, 1, 1])
    assert differences(guess, labels, groups, 2) == {
        "equalized_odds_difference": 0.5,
        "equal_opportunity_difference": 0.5,
        "demographic_parity_difference": 0.5,
    }
    assert all(math.isnan(value) for value in differences(guess, labels, torch.zeros(8, dtype=torch.long), 2).values())
    # Three classes: each against the others, the largest gap.
    assert (
        differences(torch.tensor([0, 1, 2, 0]), torch.tensor([0, 1, 2, 2]), torch.tensor([0, 0, 0, 1]), 3)["demographic_parity_difference"]
        > 0.6
    )


def test_telling_by_hand() -> None:
    chances = torch.tensor([[0.9, 0.1], [0.4, 0.6], [0.3, 0.7], [0.8, 0.2]])
    labels = torch.tensor([0, 0, 1, 0])
    found = class_scores(chances, labels)
    assert found["accuracy"] == (0.75, 0.75)
    assert math.isclose(found["balanced_accuracy"][0], (2 / 3 + 1) / 2, rel_tol=1e-6) and found["balanced_accuracy"][1] == 0.5
    assert found["auroc"] == (1.0, 0.5)
    assert math.isnan(class_scores(chances, torch.zeros(4, dtype=torch.long))["auroc"][0])
