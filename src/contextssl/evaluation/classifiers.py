"""Classifiers trained on frozen vectors: adversaries that predict a factor, and predictors of targets."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from torch import Tensor

from contextssl.config.evaluation_settings import CLASSIFIERS
from contextssl.errors import InputError, SettingsError, nearest
from contextssl.evaluation.metrics import first_largest
from contextssl.evaluation.noise import with_noise
from contextssl.evaluation.train_heads import class_loss, train_heads
from contextssl.randomness import seeded_generator

# Inverse penalties of the logistic regression, on standardised inputs; chosen on held-out training rows.
INVERSE_PENALTIES = (0.001, 0.01, 0.1, 1.0)
# Rows that the penalty is chosen on at most, those held out apart.
CHOOSING_ROWS = 8000
# Of the MLP.
HIDDEN = (128, 128)
EPOCHS = 15
LEARNING_RATE = 2e-3
BATCH_SIZE = 512
ROUNDS = 100

# (m, d) → (m, classes) probabilities.
Fitted = Callable[[Float[Tensor, "m d"]], Float[Tensor, "m classes"]]


def fit_classifier(
    kind: str,
    x: Float[Tensor, "n d"],
    y: Int[Tensor, " n"],
    classes: int,
    held_out: Bool[Tensor, " n"],
    *,
    deviation: float = 0.0,
    seed: int = 0,
) -> Fitted:
    """A classifier of one of :data:`~contextssl.config.evaluation_settings.CLASSIFIERS` (else SettingsError), fitted to noisy rows.

    Its caller adds noise to the rows that it predicts.

    Args:
        kind: ``"logistic"``: its penalty is chosen on the held-out rows, then it is fitted to all. ``"mlp"``: fresh noise in every batch, so
            that it cannot learn one draw by heart. ``"boosting"``: histogram gradient boosting, stopped early on rows of its own.
        classes: how many there are; one that no row has gets probability 0.
        deviation: of the Gaussian noise in each dimension.
    """
    if kind not in CLASSIFIERS:
        raise SettingsError(f"unknown classifier {kind!r}: {nearest(kind, CLASSIFIERS)}")
    mean, scale = x.mean(0), (x.var(0, correction=0) + deviation**2).sqrt().clamp(min=1e-8)
    if kind == "mlp":
        fitted = _mlp((x - mean) / scale, y, classes, deviation / scale, seed)
    else:
        noisy = with_noise(x, deviation, seeded_generator(seed, "classifier", kind))
        inputs, labels = ((noisy - mean) / scale).numpy(), y.numpy()
        fitted = _logistic(inputs, labels, classes, held_out.numpy()) if kind == "logistic" else _boosting(inputs, labels, classes, seed)
    return lambda rows: fitted((rows - mean) / scale)


def _mlp(x: Tensor, y: Tensor, classes: int, deviation: Tensor, seed: int) -> Fitted:
    noise = seeded_generator(seed, "classifier", "mlp")

    def inputs(rows: Tensor) -> Tensor:
        clean = x[rows]
        return (clean + deviation * torch.randn(clean.shape, generator=noise))[None]

    heads = train_heads(
        inputs,
        len(x),
        lambda output, index: class_loss(output, index, y),
        count=1,
        widths=(x.shape[1], *HIDDEN, classes),
        epochs=EPOCHS,
        learning_rate=LEARNING_RATE,
        batch_size=BATCH_SIZE,
        seed=seed,
    )
    return lambda rows: heads.predict(lambda index: rows[index][None], len(rows))[0].softmax(dim=-1)


def _logistic(x: np.ndarray, y: np.ndarray, classes: int, held_out: np.ndarray) -> Fitted:
    def fit(inverse_penalty: float, rows: np.ndarray) -> LogisticRegression:
        # Some processors' kernels raise a floating-point flag for lanes beyond the data; what counts is whether the weights are finite.
        with warnings.catch_warnings(), np.errstate(invalid="ignore"):
            # A separable class has no best weights; where the iteration stops, all rows are separated already.
            warnings.simplefilter("ignore", ConvergenceWarning)
            model = LogisticRegression(C=inverse_penalty, max_iter=200).fit(x[rows], y[rows])
        if not np.isfinite(model.coef_).all():
            raise InputError("a logistic regression found no finite weights: its inputs are too large, so scale them down")
        return model

    learnt = ~held_out & (np.cumsum(~held_out) <= CHOOSING_ROWS)
    rows, labels = (torch.from_numpy(each[held_out]) for each in (x, y))

    def loss(inverse_penalty: float) -> float:
        chances = _spread(fit(inverse_penalty, learnt), classes)(rows)
        return float(-chances.clamp(min=1e-12).log()[torch.arange(len(rows)), labels].mean())

    can_choose = len(np.unique(y[learnt])) > 1 and held_out.any()
    best = INVERSE_PENALTIES[0]
    if can_choose:
        losses = torch.tensor([[loss(each) for each in INVERSE_PENALTIES]], dtype=torch.float64)
        best = INVERSE_PENALTIES[int(first_largest(-losses, tolerance=1e-9))]
    return _spread(fit(best, np.ones(len(y), bool)), classes)


def _boosting(x: np.ndarray, y: np.ndarray, classes: int, seed: int) -> Fitted:
    # Rows to stop early on are taken class by class, which takes two of each.
    early = min(np.unique(y, return_counts=True)[1]) > 10
    model = HistGradientBoostingClassifier(max_iter=ROUNDS, early_stopping=bool(early), random_state=seed)
    return _spread(model.fit(x, y), classes)


def _spread(model: LogisticRegression | HistGradientBoostingClassifier, classes: int) -> Fitted:
    """A fitted scikit-learn model's probabilities, with a column for classes that it has not seen."""

    def chances(rows: Tensor) -> Tensor:
        found = torch.zeros(len(rows), classes)
        # As while it is fitted: a flag is no number.
        with np.errstate(invalid="ignore"):
            probabilities = model.predict_proba(rows.numpy())
        found[:, torch.from_numpy(model.classes_)] = torch.from_numpy(probabilities).float()
        return found

    return chances
