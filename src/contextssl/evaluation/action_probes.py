"""Probes of pairs: the action between two views, regressed from their concatenated embeddings in every context."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial

import torch
from jaxtyping import Float, Int
from torch import Tensor

from contextssl.evaluation.contexts import ContextPoint
from contextssl.evaluation.fresh_pairs import FreshPairs
from contextssl.evaluation.scores import Scores
from contextssl.evaluation.single_views import SingleViews
from contextssl.evaluation.trained_probes import HeadTraining, Target, together, train_probes, trained_heads
from contextssl.head import Head, ProbeData
from contextssl.records.results import ResultRow


def pair_probe_rows(
    views: SingleViews, points: Sequence[ContextPoint], *, heads: Sequence[Head], training: HeadTraining
) -> Iterator[ResultRow]:
    """Rows of protocol ``"equivariance"``: each factor's action regressed from [z(source), z(target)].

    Every probed view is the source of one pair, whose target is another view of its item, fixed by the seed: SettingsError where there is only
    one view per item. Heads that do not probe pairs are left out.
    """
    embedder, train, test, rows, seed = views.embedder, views.train, views.test, views.rows, views.seed
    scores = Scores("equivariance", test.split, test.factors)
    factors, device = test.factors, embedder.device
    sources = torch.arange(len(train))
    targets, test_targets = train.partners(sources, seed), test.partners(rows, seed)
    action = factors.relative(train.latents, train.latents[targets])
    truth = factors.relative(test.latents[rows], test.latents[test_targets])
    items = test.clusters[rows]
    wanted: list[ContextPoint | None] = [None, *points]

    heads = [head for head in heads if head.probes_pairs]
    groups, held = tuple(factors.slice(name) for name in factors.names), train.held_out(seed)
    for head in heads:
        for point in wanted if head.fit is not None else ():
            z, tested = (embedder.representation(each, point, views.normalize) for each in (train, test))
            pairs, test_pairs = _joined(z, sources, targets), _joined(tested, rows, test_targets)
            found = head.fit(ProbeData(pairs, action, test_pairs, held, groups, 1, device))  # type: ignore[misc]
            scores.add_factors(found, truth, factors.names, point, head=head.name, items=items)

    trained = trained_heads(heads)
    partners = targets.to(device)
    probed = torch.cat([rows, test_targets])
    fresh = FreshPairs(train, training.batch_size, training.seed) if training.fresh else None

    def values(name: str) -> Tensor | Callable[[Tensor], Tensor]:
        """The target actions: of the fixed pairs, or of those of a batch."""
        block = factors.slice(name)
        return action[:, block] if fresh is None else lambda pairs: factors.relative(*train.latents[pairs.cpu().T])[:, block]

    def learnt_pairs(z: Tensor, pairs: Tensor) -> Tensor:
        """The ends of the fixed pairs of some rows, or of pairs of rows."""
        return _joined(z, pairs, partners[pairs]) if fresh is None else _joined(z, *pairs.T)

    def tested_pairs(z: Tensor, pairs: Tensor) -> Tensor:
        return _joined(z, pairs, pairs + len(rows))

    for group in together(wanted, 4 * embedder.model.projection_dim * (len(train) + 2 * len(rows))) if trained else ():
        embedded = torch.stack([embedder.representation(train, point, views.normalize) for point in group]).to(device)
        embedded_test = torch.stack([embedder.representation(test, point, views.normalize)[probed] for point in group]).to(device)
        embedder.progress(f"pair probes on {len(group)} representations of {len(sources):,} pairs")
        for head in trained:
            predicted = train_probes(
                head,
                [Target(name, values(name), factors[name].width) for name in factors.names],
                partial(learnt_pairs, embedded),
                partial(tested_pairs, embedded_test),
                count=len(group),
                width=2 * embedded.shape[2],
                test_rows=len(rows),
                training=training,
                device=device,
                rows=len(sources),
                batches=fresh,
            )
            for name, output in predicted.items():
                for index, point in enumerate(group):
                    scores.add_factors(output[index], truth[:, factors.slice(name)], (name,), point, head=head.name, items=items)
    yield from scores.rows()


def _joined(z: Float[Tensor, "*heads n D"], sources: Int[Tensor, " m"], targets: Int[Tensor, " m"]) -> Float[Tensor, "*heads m D2"]:
    """The concatenated ends of pairs of rows."""
    return torch.cat([z[..., sources, :], z[..., targets, :]], dim=-1)
