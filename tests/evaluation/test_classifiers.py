"""Fresh classifiers: they learn what is there, and nothing where there is nothing."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from torch import Tensor

from contextssl.config.evaluation_settings import CLASSIFIERS
from contextssl.errors import InputError, SettingsError
from contextssl.evaluation.classifiers import fit_classifier


def rows(count: int, seed: int) -> tuple[Tensor, Tensor]:
    """A class by whether two numbers have the same sign (not linearly separable), and a third number that separates another class linearly."""
    x = torch.randn(count, 3, generator=torch.Generator().manual_seed(seed))
    return x, (x[:, 0] * x[:, 1] > 0).long()


def score(kind: str, x: Tensor, y: Tensor, fresh_x: Tensor, fresh_y: Tensor, **given: float) -> float:
    held = torch.arange(len(x)) % 5 == 0
    chances = fit_classifier(kind, x, y, 2, held, **given)(fresh_x)  # type: ignore[arg-type]
    assert chances.shape == (len(fresh_x), 2) and torch.allclose(chances.sum(1), torch.ones(len(fresh_x)), atol=1e-4)
    return float((chances.argmax(1) == fresh_y).float().mean())


@pytest.mark.parametrize("kind", CLASSIFIERS)
def test_what_each_can_learn(kind: str) -> None:
    (x, y), (fresh_x, fresh_y) = rows(3000, 0), rows(1000, 1)
    found = score(kind, x, y, fresh_x, fresh_y)
    assert found < 0.6 if kind == "logistic" else found > 0.9
    assert score(kind, x, (x[:, 2] > 0).long(), fresh_x, (fresh_x[:, 2] > 0).long()) > 0.95


@pytest.mark.parametrize("kind", CLASSIFIERS)
def test_shuffled_labels_give_chance(kind: str) -> None:
    (x, y), (fresh_x, fresh_y) = rows(2000, 0), rows(2000, 1)
    generator = torch.Generator().manual_seed(0)
    shuffled, fresh_shuffled = (labels[torch.randperm(len(labels), generator=generator)] for labels in (y, fresh_y))
    assert abs(score(kind, x, shuffled, fresh_x, fresh_shuffled) - 0.5) < 0.06


@pytest.mark.parametrize("kind", CLASSIFIERS)
def test_noise_hides(kind: str) -> None:
    """One number that differs by a tenth of a unit: clear without noise, next to nothing under noise of one unit."""
    y = torch.arange(2000) % 2
    x = (0.1 * (2 * y - 1).float())[:, None]
    assert score(kind, x, y, x, y) == 1.0
    noise = torch.randn(x.shape, generator=torch.Generator().manual_seed(2))
    assert 0.45 < score(kind, x, y, x + noise, y, deviation=1.0) < 0.62


@pytest.mark.parametrize("kind", CLASSIFIERS)
def test_a_constant_embedding_and_a_class_that_no_row_has(kind: str) -> None:
    x, y = torch.ones(300, 4), (torch.arange(300) % 3 > 0).long()
    chances = fit_classifier(kind, x, y, 4, torch.arange(300) < 60)(x[:10])
    assert chances.shape == (10, 4) and (chances.argmax(1) == 1).all() and (chances[:, 2:] < 0.1).all()


def test_an_unknown_kind() -> None:
    with pytest.raises(SettingsError, match=r"unknown classifier 'logistics': did you mean 'logistic'\?"):
        fit_classifier("logistics", torch.zeros(4, 1), torch.zeros(4, dtype=torch.long), 2, torch.zeros(4, dtype=torch.bool))


@pytest.mark.parametrize("finite", [True, False])
def test_a_floating_point_flag_is_no_fault_but_weights_that_are_not_finite_are(finite: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    fit = LogisticRegression.fit

    def flagged(self: LogisticRegression, x: np.ndarray, y: np.ndarray) -> LogisticRegression:
        np.array([[np.inf, -np.inf]], np.float32) @ np.ones((2, 1), np.float32)  # raises the flag that some kernels raise for nothing
        fitted = fit(self, x, y)
        fitted.coef_ = fitted.coef_ if finite else fitted.coef_ * np.nan
        return fitted

    monkeypatch.setattr(LogisticRegression, "fit", flagged)
    x = torch.randn(40, 3, generator=torch.Generator().manual_seed(0))
    labels, held_out = (x[:, 0] > 0).long(), torch.arange(40) % 4 == 0
    if finite:
        assert fit_classifier("logistic", x, labels, 2, held_out)(x).argmax(1).eq(labels).float().mean() > 0.9
    else:
        with pytest.raises(InputError, match="no finite weights"):
            fit_classifier("logistic", x, labels, 2, held_out)
