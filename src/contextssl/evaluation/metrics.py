"""Metrics: pure functions of tensors, over whole sets (never means over batches)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from contextssl.models.neighbours import cosine_tolerance

Scalar = Float[Tensor, ""]


def r2_pooled(prediction: Float[Tensor, "n d"], target: Float[Tensor, "n d"]) -> Scalar:
    """The published R²: one residual over one total variance about the one mean of *all* target entries.

    A constant predictor does not score 0 with it, see :func:`r2_pooled_floor`. NaN where all entries are equal.
    """
    prediction, target = prediction.double(), target.double()
    return _one_minus((target - prediction).square().sum(), (target - target.mean()).square().sum(), target.square().sum())


def r2_pooled_floor(target: Float[Tensor, "n d"]) -> Scalar:
    """What the best constant predictor, each dimension's mean, scores in :func:`r2_pooled`."""
    return r2_pooled(target.double().mean(dim=0).expand(len(target), -1), target)


def r2(prediction: Float[Tensor, "n d"], target: Float[Tensor, "n d"]) -> Scalar:
    """R² per dimension, averaged over dimensions: a constant predictor scores 0 at best. NaN where a dimension is constant."""
    prediction, target = prediction.double(), target.double()
    residual = (target - prediction).square().sum(dim=0)
    return _one_minus(residual, (target - target.mean(dim=0)).square().sum(dim=0), target.square().sum(dim=0)).mean()


def _one_minus(residual: Tensor, total: Tensor, scale: Tensor) -> Tensor:
    # Equal entries leave a total of rounding errors, not of exactly 0.
    return torch.where(total > 1e-20 * scale, 1 - residual / total, torch.nan)


# For cosines of unknown width.
TIED = cosine_tolerance(512)


def first_largest(votes: Float[Tensor, "n classes"], tolerance: float = 1e-5) -> Int[Tensor, " n"]:
    """The class with the most votes; of those that tie within rounding (relative to the largest vote) the first."""
    largest = votes.amax(dim=1, keepdim=True)
    return (votes >= largest - tolerance * votes.abs().amax(dim=1, keepdim=True)).int().argmax(dim=1)


def rotation_angles(prediction: Float[Tensor, "n 4"], target: Float[Tensor, "n 4"]) -> Float[Tensor, " n"]:
    """The geodesic angle between two rotations, in degrees from 0 to 180: 2 · arccos |⟨q, q′⟩|, since q and -q are one rotation.

    Quaternions are normalised here; one of no length counts as 180°.
    """
    # In double precision: near 0 the arccosine turns an error of 1e-7 into one of 0.05 degrees.
    cosine = (F.normalize(prediction.double(), dim=-1) * F.normalize(target.double(), dim=-1)).sum(-1).abs()
    return torch.rad2deg(2 * torch.arccos(cosine.clamp(max=1)))


def rotation_angle_floor(target: Float[Tensor, "n 4"]) -> Scalar:
    """The mean angle to a constant rotation: the mean one, which is the leading eigenvector of Σ q qᵀ (Markley et al., 2007)."""
    target = target.double()
    mean = torch.linalg.eigh(target.T @ target).eigenvectors[:, -1]
    return rotation_angles(mean.expand_as(target), target).mean()


def accuracy(prediction: Int[Tensor, " n"], target: Int[Tensor, " n"]) -> Scalar:
    return (prediction == target).double().mean()


def balanced_accuracy(prediction: Int[Tensor, " n"], target: Int[Tensor, " n"]) -> Scalar:
    """The mean recall over the classes that occur: every class has the same weight, however rare."""
    count = target.bincount()
    found = target[prediction == target].bincount(minlength=len(count))
    return (found[count > 0].double() / count[count > 0]).mean()


def tied_places(
    scores: Float[Tensor, "*batch candidates"], correct: Int[Tensor, "*batch"], tolerance: float = TIED
) -> tuple[Int[Tensor, "*batch"], Int[Tensor, "*batch"]]:
    """How many candidates score above the correct one, and how many others score the same within the tolerance, in float32."""
    scores = scores.float()
    own = scores.gather(-1, correct[..., None])
    return (scores > own + tolerance).sum(dim=-1), ((scores - own).abs() <= tolerance).sum(dim=-1) - 1


def tied_reciprocal_rank(above: Int[Tensor, "*batch"], tied: Int[Tensor, "*batch"]) -> Float[Tensor, "*batch"]:
    """The mean of 1 / rank over the places that a tie leaves open, above + 1 to above + 1 + tied.

    Where all V candidates are equal this is chance exactly, H_V / V (the V-th harmonic number over V); the mean rank would give 2 / (V + 1).
    """
    last = int((above + tied).max()) + 1 if above.numel() else 0
    harmonic = torch.cat([torch.zeros(1, dtype=torch.float64), torch.arange(1, last + 1, dtype=torch.float64).reciprocal().cumsum(0)])
    harmonic = harmonic.to(above.device, torch.float32 if above.device.type == "mps" else torch.float64)
    return (harmonic[above + tied + 1] - harmonic[above]) / (tied + 1)


def tied_hits(above: Int[Tensor, "*batch"], tied: Int[Tensor, "*batch"], k: int) -> Float[Tensor, "*batch"]:
    """The share of the places that a tie leaves open which are k or better."""
    return (k - above).clamp(min=0).minimum(tied + 1).float() / (tied + 1)


def chance_reciprocal_rank(candidates: int) -> float:
    """The mean reciprocal rank of a random order of so many candidates."""
    return sum(1 / rank for rank in range(1, candidates + 1)) / candidates
