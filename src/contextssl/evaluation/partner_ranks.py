"""Is the other view of a listed pair nearer than all other images?

For each kind of pair, in each kind of context: an image is the query, all images of the split are ranked by their cosine similarity to it, and the
rank of its partner counts. Other images that count as the same in that kind are right answers too, and no candidates (as in filtered ranking:
Bordes et al., "Translating embeddings for modeling multi-relational data", 2013, section 4.2).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor

from contextssl.data.listed_pairs import ListedViews
from contextssl.errors import DataError, SettingsError
from contextssl.evaluation.contexts import ContextPoint
from contextssl.evaluation.disturbances import DEALT_ANEW, EncodedPairs, dealt_anew
from contextssl.evaluation.embeddings import Embedder
from contextssl.evaluation.item_sums import resampled_mean
from contextssl.evaluation.metrics import chance_reciprocal_rank, tied_hits, tied_places, tied_reciprocal_rank
from contextssl.evaluation.scores import Scores
from contextssl.evaluation.view_sets import ViewSet
from contextssl.models.neighbours import cosine_tolerance
from contextssl.randomness import seeded_generator
from contextssl.records.results import ResultRow

HITS = (1, 5)
# Similarities that are held at once.
CHUNK_NUMBERS = 1 << 24


@dataclass(frozen=True)
class Partners:
    """The queries of one kind, each pair both ways: rows of a view set.

    Args:
        source, target: (q,) the query, and its partner.
        same: (n,) a number for each row; rows with the same count as the same in this kind.
        clusters: (q,) what the bootstrap draws: the query's item.
    """

    source: Int[Tensor, " q"]
    target: Int[Tensor, " q"]
    same: Int[Tensor, " n"]
    clusters: Int[Tensor, " q"]

    @classmethod
    def of(cls, views: ViewSet, bank: ListedViews, kind: int) -> Partners:
        """The pairs of a kind both of whose images are among the views."""
        row_of = torch.full((bank.num_items,), -1)
        row_of[views.items] = torch.arange(len(views))
        pairs = row_of[torch.from_numpy(bank.listed[bank.listed[:, 2] == kind, :2])]
        first, second = pairs[(pairs >= 0).all(dim=1)].unbind(1)
        source = torch.cat([first, second])
        return cls(source, torch.cat([second, first]), torch.from_numpy(bank.same[:, kind])[views.items], views.clusters[source])

    def excluded(self, chosen: slice) -> Bool[Tensor, "m n"]:
        """Which rows are no candidates: all that count as the same as the query, itself too, but its partner."""
        same = self.same[self.source[chosen], None] == self.same[None]
        return same.scatter(1, self.target[chosen, None], False)

    def ranks(self, unit: Float[Tensor, "n D"]) -> dict[str, Float[Tensor, " q"]]:
        """``mrr`` and ``hit@k`` of each query; those of chance as ``chance/…``. Ties take their mean."""
        found: dict[str, list[Tensor]] = {}
        step = max(1, CHUNK_NUMBERS // len(unit))
        for start in range(0, len(self.source), step):
            part = slice(start, start + step)
            excluded = self.excluded(part)
            cosines = (unit[self.source[part]] @ unit.T).masked_fill(excluded, -torch.inf)
            above, tied = tied_places(cosines, self.target[part], cosine_tolerance(unit.shape[1]))
            count = (~excluded).sum(dim=1)
            chance = {int(number): chance_reciprocal_rank(int(number)) for number in count.unique()}
            values = {"mrr": tied_reciprocal_rank(above, tied), "chance/mrr": torch.tensor([chance[n] for n in count.tolist()])}
            for k in HITS:
                values |= {f"hit@{k}": tied_hits(above, tied, k), f"chance/hit@{k}": (k / count).clamp(max=1)}
            for name, value in values.items():
                found.setdefault(name, []).append(value.double())
        return {name: torch.cat(parts) for name, parts in found.items()}


@torch.no_grad()
def partner_rows(embedder: Embedder, views: ViewSet, points: Sequence[ContextPoint], seed: int = 0) -> Iterator[ResultRow]:
    """Rows of protocol ``"partners"``: MRR, hit rate at 1 and 5 of each kind of pair (``factor``) in each kind of context (``environment``).

    Without a context, and of features, one row a kind. With ``context`` "partners dealt anew" the same for contexts of the same views whose second
    views are dealt to other pairs: a model that reads the pairs finds less there.

    Args:
        views: of the split, single images.

    Raises:
        SettingsError: for data without a list of pairs.
        DataError: where no pair is among the views.
    """
    bank = views.source
    if not isinstance(bank, ListedViews):
        raise SettingsError("partners are ranked of listed pairs: train on dataset=pairs")
    asked = {name: Partners.of(views, bank, kind) for kind, name in enumerate(bank.factors.names)}
    asked = {name: queries for name, queries in asked.items() if len(queries.source)}
    if not asked:
        raise DataError(
            f"no listed pair is among the {len(views)} images of {views.split} that are evaluated: raise items, or leave it out"
        )
    scores = Scores("partners", views.split, views.factors)

    def add(unit: Float[Tensor, "n D"], point: ContextPoint | None, representation: str | None = None, context: str | None = None) -> None:
        for name, queries in asked.items():
            found = queries.ranks(unit)
            for metric in ("mrr", *(f"hit@{k}" for k in HITS)):
                scores.add(
                    metric,
                    float(found[metric].mean()),
                    floor=float(found[f"chance/{metric}"].mean()),
                    point=point,
                    resampled=resampled_mean(found[metric], queries.clusters),
                    factor=name,
                    count=len(queries.source),
                    **({} if representation is None else {"representation": representation}),
                    context=context,
                )

    add(embedder.unit(views, None), None, representation="feature")
    for point in points:
        embedder.progress(f"partners among {len(views):,} images, {point.name}")
        add(embedder.unit(views, point), point)
        if point.environment is not None and point.length >= 4:
            add(_in_dealt_anew(embedder, views, point, seed), point, context=DEALT_ANEW)
    yield from scores.rows()


def _in_dealt_anew(embedder: Embedder, views: ViewSet, point: ContextPoint, seed: int) -> Float[Tensor, "n D"]:
    """Unit embeddings in the point's context with its second views dealt to other pairs."""
    assert point.environment is not None
    drawn = embedder.contexts.of(point.environment)[point.draw]
    pairs = EncodedPairs.of(embedder, drawn, embedder.context_features(point.environment, point.draw))[: point.length // 2]
    pairs = dealt_anew(pairs, seeded_generator(seed, DEALT_ANEW, point.draw))
    return F.normalize(embedder.embed_in(embedder.features(views), pairs.context(embedder, point.environment)), dim=-1)
