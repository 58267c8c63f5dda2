"""Probes of single views: class and absolute factor values, from features and from embeddings in every context."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from contextssl.evaluation.contexts import ContextPoint
from contextssl.evaluation.embeddings import Embedder
from contextssl.evaluation.fresh_pairs import FreshPairs
from contextssl.evaluation.metrics import first_largest
from contextssl.evaluation.noise import capacity_nats, noise_deviation, with_noise
from contextssl.evaluation.scores import Scores
from contextssl.evaluation.trained_probes import CLASS, HeadTraining, Target, together, train_probes, trained_heads
from contextssl.evaluation.view_sets import ViewSet
from contextssl.head import Head, ProbeData
from contextssl.randomness import seeded_generator
from contextssl.records.results import ResultRow


@dataclass
class SingleViews:
    """Single views to train and to test probes on, under every condition.

    Args:
        train: the views that probes are trained on.
        test, rows: the evaluated views, and which rows of them are probed.
        seed: of the noise.
        targets: factors and ``"class"``; default: all, and the class where there are two or more.
        normalize: scale features and embeddings to unit length; else as the model gives them.
    """

    embedder: Embedder
    train: ViewSet
    test: ViewSet
    rows: Int[Tensor, " m"]
    seed: int = 0
    targets: tuple[str, ...] | None = None
    normalize: bool = True

    @property
    def names(self) -> tuple[str, ...]:
        """The factors that are probed."""
        names = self.test.factors.names
        return names if self.targets is None else tuple(name for name in names if name in self.targets)

    @property
    def probes_class(self) -> bool:
        return (self.targets is None or CLASS in self.targets) and self.test.source.num_classes > 1

    @property
    def all_names(self) -> list[str]:
        """Everything that is probed."""
        return [*self.names, *([CLASS] if self.probes_class else [])]

    def parts(self) -> list[SingleViews]:
        """Factors are probed on these views; so is the class, or, where the data have them, on views without augmentation."""
        train, test = self.train.plain, self.test.plain
        if train is None or test is None or not self.probes_class:
            return [self]
        return [replace(self, targets=self.names), replace(self, train=train, test=test, rows=torch.arange(len(test)), targets=(CLASS,))]

    @property
    def truth(self) -> Float[Tensor, "m A"]:
        return self.test.latents[self.rows]

    @property
    def labels(self) -> Int[Tensor, " m"]:
        return self.test.labels[self.rows]

    @property
    def clusters(self) -> Int[Tensor, " m"]:
        """The item of each probed row."""
        return self.test.clusters[self.rows]

    def inputs(self, point: ContextPoint | None, share: float) -> tuple[Float[Tensor, "n d"], Float[Tensor, "m d"], float]:
        """Inputs of the training rows and of the probed rows, with their noise, and the noise's deviation."""
        train, test = (self.embedder.representation(views, point, self.normalize) for views in (self.train, self.test))
        return self.noisy(train, test[self.rows], share, "features" if point is None else point.name)

    def noisy(
        self, train: Float[Tensor, "n d"], test: Float[Tensor, "m d"], share: float, name: str
    ) -> tuple[Float[Tensor, "n d"], Float[Tensor, "m d"], float]:
        """Training rows and probed rows of that name under noise of one deviation, that of a share of the training rows; and the deviation."""
        if share == 0:
            return train, test, 0.0
        deviation = noise_deviation(train, share)
        purposes = (("train", self.train.split), ("test", self.test.split))
        generators = [seeded_generator(self.seed, "noise", *purpose, name, f"{share:g}") for purpose in purposes]
        return with_noise(train, deviation, generators[0]), with_noise(test, deviation, generators[1]), deviation


def conditions(points: Sequence[ContextPoint], shares: Sequence[float]) -> list[tuple[ContextPoint | None, float]]:
    """Inputs of a probe: features (no point) without noise, then embeddings in every context with every noise share."""
    return [(None, 0.0), *((point, share) for point in points for share in shares)]


def probe_rows(
    views: SingleViews,
    points: Sequence[ContextPoint],
    *,
    heads: Sequence[Head],
    shares: Sequence[float],
    training: HeadTraining,
    k: int = 20,
) -> Iterator[ResultRow]:
    """Rows of protocol ``"probe"``: every head on every target, the auxiliary head, and the bound of each noise share (0 is none).

    Features have no noise. ``"published"`` has rows of its own, see :func:`~contextssl.evaluation.published_probes.published_probe_rows`.
    """
    scores = Scores("probe", views.test.split, views.test.factors)
    wanted = conditions(points, shares)
    for part in views.parts():
        for point, share in wanted:
            _closed_form(scores, part, point, share, heads, k)
        if part.all_names and (trained := trained_heads(heads)):
            for group in together(wanted, 4 * part.embedder.model.projection_dim * (len(part.train) + len(part.rows))):
                _trained(scores, part, group, trained, training)
    yield from scores.rows()


def _closed_form(scores: Scores, views: SingleViews, point: ContextPoint | None, share: float, heads: Sequence[Head], k: int) -> None:
    train, test, deviation = views.inputs(point, share)
    model = views.embedder.model
    about: dict[str, Any] = {"bottleneck": share}
    add_fitted(scores, views, train, test, heads, k, point, about)
    if point is None or not views.names:
        return
    if model.reads_latents:
        with torch.no_grad():
            unit = test if views.normalize else F.normalize(test, dim=-1)
            latents = model.auxiliary_prediction(unit.to(model.device)).float().cpu()
        scores.add_factors(latents, views.truth, model.factors.names, point, head="auxiliary", items=views.clusters, **about)
    if share > 0:
        clean = views.embedder.representation(views.train, point, views.normalize)
        scores.add("capacity_nats", capacity_nats(clean, deviation), floor=0.0, point=point, count=len(clean), **about)


def add_fitted(
    scores: Scores,
    views: SingleViews,
    train: Float[Tensor, "n d"],
    test: Float[Tensor, "m d"],
    heads: Sequence[Head],
    k: int,
    point: ContextPoint | None,
    about: Mapping[str, object],
) -> None:
    """Add the predictions of each closed-form head from representations of ``views.train`` and ``views.rows``: latents, and class scores (one-hot
    regression), as far as they are targets.
    """
    factors = views.train.factors
    targets = torch.cat([views.train.latents, F.one_hot(views.train.labels, views.train.source.num_classes).float()], dim=1)
    groups = (*(factors.slice(name) for name in factors.names), slice(factors.width, targets.shape[1]))
    held_out = views.train.held_out(views.seed)
    for head in heads:
        if head.fit is None:
            continue
        found = head.fit(ProbeData(train, targets, test, held_out, groups, k, views.embedder.device))
        if views.names:
            scores.add_factors(found[:, : factors.width], views.truth, factors.names, point, head=head.name, items=views.clusters, **about)
        if views.probes_class:
            scores.add_class(first_largest(found[:, factors.width :]), views.labels, point, head=head.name, items=views.clusters, **about)


def _trained(
    scores: Scores, views: SingleViews, group: Sequence[tuple[ContextPoint | None, float]], heads: Sequence[Head], training: HeadTraining
) -> None:
    factors, device = views.test.factors, views.embedder.device
    inputs = [views.inputs(point, share)[:2] for point, share in group]
    train, test = (torch.stack([pair[part] for pair in inputs]).to(device) for part in (0, 1))
    del inputs
    views.embedder.progress(f"probes on {len(group)} representations of {train.shape[1]:,} views")
    pairs = FreshPairs(views.train, training.batch_size, training.seed)
    # Both ends of each pair are single views.
    batches = (lambda epoch: (pair.flatten() for pair in pairs(epoch))) if training.fresh else None
    targets = [
        Target(CLASS, views.train.labels, views.train.source.num_classes)
        if name == CLASS
        else Target(name, views.train.latents[:, factors.slice(name)], factors[name].width)
        for name in views.all_names
    ]
    for head in heads:
        found = train_probes(
            head,
            targets,
            lambda rows: train[:, rows],
            lambda rows: test[:, rows],
            count=len(group),
            width=train.shape[2],
            test_rows=test.shape[1],
            training=training,
            device=device,
            batches=batches,
        )
        for index, (point, share) in enumerate(group):
            outputs = {name: output[index] for name, output in found.items()}
            scores.add_targets(outputs, views.truth, views.labels, point, items=views.clusters, bottleneck=share, head=head.name)
