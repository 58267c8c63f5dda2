"""What can be read out of two views together: the action between them, from their concatenated embeddings in every context."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial

import torch
from jaxtyping import Float, Int
from torch import Tensor

from contextssl.evaluation.contexts import ContextPoint
from contextssl.evaluation.embeddings import Embedder
from contextssl.evaluation.fresh_pairs import FreshPairs
from contextssl.evaluation.scores import Scores
from contextssl.evaluation.trained_probes import HeadTraining, Target, stacks, train_probes, trained_heads
from contextssl.evaluation.view_sets import ViewSet
from contextssl.head import Head, ProbeData
from contextssl.records.results import ResultRow


def pair_probe_rows(
    embedder: Embedder,
    train: ViewSet,
    test: ViewSet,
    rows: Int[Tensor, " m"],
    points: Sequence[ContextPoint],
    *,
    heads: Sequence[Head],
    training: HeadTraining,
    seed: int = 0,
    normalize: bool = True,
) -> Iterator[ResultRow]:
    """Rows of protocol ``"equivariance"``: each factor's action regressed from [z(source), z(target)].

    Every view that is looked at is the source of one pair, whose target is another view of its item, fixed by the seed.

    Args:
        train: views of the training split, two of each item at least.
        test, rows: the views that are read.
        heads: those that read no pairs are left out.
        normalize: each end is L2-normalised; else it is as the model gives it.

    Raises:
        SettingsError: where there is one view an item.
    """
    scores = Scores("equivariance", test.split, test.factors)
    factors, device = test.factors, embedder.device
    sources, test_sources = torch.arange(len(train)), rows
    targets, test_targets = train.partners(sources, seed), test.partners(test_sources, seed)
    action = factors.relative(train.latents[sources], train.latents[targets])
    truth = factors.relative(test.latents[test_sources], test.latents[test_targets])
    items = test.clusters[test_sources]
    wanted: list[ContextPoint | None] = [None, *points]

    heads = [head for head in heads if head.probes_pairs]
    groups, held = tuple(factors.slice(name) for name in factors.names), train.held_out(seed)
    for head in heads:
        for point in wanted if head.fit is not None else ():
            pairs = _pairs(embedder.read(train, point, normalize), sources, targets)
            asked = _pairs(embedder.read(test, point, normalize), test_sources, test_targets)
            found = head.fit(ProbeData(pairs, action, asked, held, groups, 1, device))  # type: ignore[misc]
            scores.add_factors(found, truth, factors.names, point, head=head.name, items=items, **_about(point))

    trained = trained_heads(heads)
    bytes_each = 4 * embedder.model.projection_dim * (len(train) + 2 * len(rows))
    everywhere: list[list[ContextPoint | None]] = [[None]]
    everywhere += [[points[i] for i in group] for group in stacks(len(points), bytes_each)]
    read = torch.cat([test_sources, test_targets])
    ends = sources.to(device), targets.to(device)
    fresh = FreshPairs(train, training.batch_size, training.seed) if training.fresh else None

    def values(name: str) -> Tensor | Callable[[Tensor], Tensor]:
        """The actions to read: of the fixed pairs, or of those of a batch."""
        block = factors.slice(name)
        return action[:, block] if fresh is None else lambda pairs: factors.relative(*train.latents[pairs.cpu().T])[:, block]

    for group in everywhere if trained else []:
        embedded = torch.stack([embedder.read(train, point, normalize) for point in group]).to(device)
        embedded_test = torch.stack([embedder.read(test, point, normalize)[read] for point in group]).to(device)
        embedder.progress(f"pair probes on {len(group)} representations of {len(sources):,} pairs")
        for head in trained:
            read_pairs = train_probes(
                head,
                [Target(name, values(name), factors[name].width) for name in factors.names],
                partial(_gathered, embedded, *ends) if fresh is None else partial(_gathered_pairs, embedded),
                partial(
                    _gathered, embedded_test, torch.arange(len(rows), device=device), torch.arange(len(rows), len(read), device=device)
                ),
                count=len(group),
                width=2 * embedded.shape[2],
                test_rows=len(rows),
                training=training,
                device=device,
                rows=len(sources),
                batches=fresh,
            )
            for name, output in read_pairs.items():
                for index, point in enumerate(group):
                    scores.add_factors(
                        output[index], truth[:, factors.slice(name)], (name,), point, head=head.name, items=items, **_about(point)
                    )
    yield from scores.rows()


def _about(point: ContextPoint | None) -> dict[str, object]:
    return {"representation": "feature"} if point is None else {}


def _pairs(z: Float[Tensor, "n D"], sources: Int[Tensor, " m"], targets: Int[Tensor, " m"]) -> Float[Tensor, "m D2"]:
    return torch.cat([z[sources], z[targets]], dim=-1)


def _gathered(
    z: Float[Tensor, "heads n D"], sources: Int[Tensor, " m"], targets: Int[Tensor, " m"], pairs: Int[Tensor, " b"]
) -> Float[Tensor, "heads b D2"]:
    """The concatenated ends of some of the pairs, for every head."""
    return torch.cat([z[:, sources[pairs]], z[:, targets[pairs]]], dim=-1)


def _gathered_pairs(z: Float[Tensor, "heads n D"], pairs: Int[Tensor, "b 2"]) -> Float[Tensor, "heads b D2"]:
    """The concatenated ends of pairs of rows, for every head."""
    return torch.cat([z[:, pairs[:, 0]], z[:, pairs[:, 1]]], dim=-1)
