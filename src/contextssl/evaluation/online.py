"""Evaluation during training, on validation pairs that are fixed by the seed; no probe is trained."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from contextssl.data.pairs import PairBatch, PairSource, spread_pairs
from contextssl.evaluation.contexts import draw_contexts
from contextssl.evaluation.effective_rank import effective_rank
from contextssl.evaluation.metrics import r2_pooled, r2_pooled_floor
from contextssl.evaluation.neighbours import knn_labels
from contextssl.factors import Environment
from contextssl.models.contrast import mean_similarities, tokens
from contextssl.models.view_encoder import ViewEncoder
from contextssl.randomness import derive_seed, seeded_generator
from contextssl.records.results import ResultRow


@dataclass(frozen=True)
class Shown:
    """Queries of the validation split, and the pairs of a context, of the training split."""

    queries: PairBatch
    context: PairBatch


@dataclass(frozen=True)
class OnlinePairs:
    """Fixed pairs: queries and contexts, whose views differ in every factor, which all environments share (or those of each, where contexts are
    examples or evidence); and a bank of labelled neighbours of the training split, single views.
    """

    drawn: Shown
    bank: Tensor
    bank_labels: Tensor
    classes: int
    by_environment: Mapping[str, Shown] = field(default_factory=dict)

    @classmethod
    def draw(
        cls,
        train: PairSource,
        val: PairSource,
        count: int,
        context_pairs: int,
        seed: int,
        environments: Sequence[Environment] = (),
        kind: str = "actions",
    ) -> OnlinePairs:
        """``count`` queries and twice as many neighbours, spread evenly over the items."""

        def some(source: PairSource, count: int, purpose: str, held: Environment | None = None) -> PairBatch:
            return spread_pairs(source, count, seeded_generator(seed, "online", purpose), held)

        def shown(environment: Environment) -> Shown:
            if kind == "examples":
                return Shown(some(val, count, "queries", environment), some(train, context_pairs, "context", environment))
            (context,) = draw_contexts(train, context_pairs, 1, derive_seed(seed, "online"), environment, kind)
            return Shown(drawn.queries, context)

        bank = some(train, 2 * count, "bank")
        drawn = Shown(some(val, count, "queries"), some(train, context_pairs, "context"))
        differ = {environment.name: shown(environment) for environment in environments} if kind != "actions" else {}
        # A copy, since both ends of the pairs may lie in one piece of memory, and this one is held as long as the run.
        return cls(drawn, bank.target.clone(), bank.labels, len(train.class_names), differ)

    def of(self, environment: Environment) -> Shown:
        return self.by_environment.get(environment.name, self.drawn)


def online_rows(model: ViewEncoder, pairs: OnlinePairs, environments: Sequence[Environment], lengths: Sequence[int]) -> list[ResultRow]:
    """R² of every factor by the auxiliary head on embeddings of the targets, similarity of predictions, kNN accuracy and effective rank.

    For a model without contexts, accuracy and effective rank alone. Embeddings carry no noise and each view is a query alone after the context. At
    length 0 no context is given, whatever the environment; a model that takes the environment's name is given it there.
    """
    device = model.device
    drawn = model.encode_pairs(pairs.drawn.queries.source, pairs.drawn.queries.target)
    rows = _class_rows(model, model.encode(pairs.bank, progress=False), drawn[:, 1], pairs)
    if model.longest_context == 0 and not model.takes_environment_name:
        return rows
    asked, features = pairs.drawn.queries, drawn
    given: PairBatch | None = None
    for environment in environments:
        shown = pairs.of(environment)
        # Environments may share the queries, or the context too.
        if shown.queries is not asked:
            asked, features = shown.queries, model.encode_pairs(shown.queries.source, shown.queries.target)
        if shown.context is not given:
            given, context_features = shown.context, model.encode_pairs(shown.context.source, shown.context.target)
        queries = shown.queries.to(device)
        full = model.context_from_features(context_features, shown.context.action, environment)
        for length in lengths:
            context = full.prefix(length) if length else full if model.takes_environment_name else None
            embedded = F.normalize(model.embed_features(features[:, 1], context), dim=-1)
            if model.reads_latents:
                with torch.no_grad():
                    latents = model.auxiliary_prediction(embedded)
                rows += _latent_rows(model, environment.name, length, queries, latents)
            action = model.query_action(queries.action, environment) if model.reads_actions else None
            predicted = model.embed_features(features[:, 0], context, action)
            similarities = mean_similarities(tokens(torch.stack([predicted, embedded], dim=1)))
            for metric, value in zip(("positive_similarity", "negative_similarity"), similarities, strict=True):
                rows.append(_row(metric, float(value), None, "embedding", len(queries), environment=environment.name, length=length))
    return rows


def _row(metric: str, mean: float, factor: str | None, representation: str, count: int, **about: Any) -> ResultRow:
    return ResultRow("online", metric, mean, factor, representation=representation, split="val", count=count, **about)


def _latent_rows(model: ViewEncoder, environment: str, length: int, queries: PairBatch, latents: Tensor) -> Iterator[ResultRow]:
    """R² of each factor by the model's own head."""
    for name in model.factors.names:
        block = model.factors.slice(name)
        true = queries.target_latents[:, block]
        mean, floor = float(r2_pooled(latents[:, block], true)), float(r2_pooled_floor(true))
        about = {"environment": environment, "length": length, "head": "auxiliary", "floor": floor}
        yield _row("r2_pooled", mean, name, "embedding", len(queries), **about)


def _class_rows(model: ViewEncoder, features: Tensor, queries: Tensor, pairs: OnlinePairs) -> list[ResultRow]:
    """Accuracy of the class by nearest neighbours of the bank, and effective rank, from the bank's features and those of the queries."""
    labels, bank_labels = pairs.drawn.queries.labels.to(model.device), pairs.bank_labels.to(model.device)
    majority = labels.bincount().max().item() / len(labels)
    rows = []
    embedded = model.embed_features(features), model.embed_features(queries)
    for name, (bank, query) in (("feature", (features, queries)), ("embedding", embedded)):
        right = (knn_labels(bank, bank_labels, query, pairs.classes) == labels).float().mean().item()
        rows.append(_row("accuracy", right, "class", name, len(labels), length=0, head="knn", floor=majority))
        rows.append(_row("effective_rank", float(effective_rank(query.detach())), None, name, len(query), length=0))
    return rows


def criterion(model: ViewEncoder, environments: Sequence[Environment]) -> str:
    """What a training's best checkpoint is chosen by: ``"r2"`` of active factors by the model's own head; ``"accuracy"`` of the class by kNN where it
    has no such head, the loss gives it no weight, or no environment has an active factor.
    """
    return "r2" if model.reads_latents and any(environment.factors for environment in environments) else "accuracy"


def watched(rows: Sequence[ResultRow], by: str) -> float:
    """The score ``by`` what :func:`criterion` names: mean R² of each environment's active factors, at the longest context; or kNN accuracy on
    features.
    """
    scores = [row for row in rows if row.metric == "r2_pooled" and row.environment is not None and row.factor in row.environment.split("+")]
    longest = max((row.length or 0 for row in scores), default=0)
    values = [row.mean for row in scores if row.length == longest]
    if by == "accuracy":
        values = [row.mean for row in rows if row.metric == "accuracy" and row.representation == "feature"]
    return sum(values) / len(values) if values else math.nan
