"""Fairness by context: adversaries that predict a factor, task accuracy, gaps between groups, counterfactual flips.

Rows are as in the table, never corrupted. Classifiers are trained on the training rows in the same context and noise in which they are tested.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from contextssl.data.tables.columns import UNKNOWN, Columns
from contextssl.data.tables.corruption import RowFactor
from contextssl.errors import SettingsError
from contextssl.evaluation.classifiers import fit_classifier
from contextssl.evaluation.contexts import ContextPoint
from contextssl.evaluation.embeddings import Embedder
from contextssl.evaluation.fairness_scores import score
from contextssl.evaluation.leace import Erasure, fit_erasure
from contextssl.evaluation.metrics import first_largest
from contextssl.evaluation.noise import noise_deviation, with_noise
from contextssl.evaluation.people import People, Represented
from contextssl.evaluation.plan import Plan
from contextssl.evaluation.scores import Scores
from contextssl.factors import NO_FACTOR
from contextssl.models.baselines.scarf import train_scarf
from contextssl.models.table_encoder import TableEncoder
from contextssl.randomness import DrawingFrom, seeded_generator
from contextssl.records.results import ResultRow

# Noise shares that are tried, from the least on, until no adversary gains over the raw columns.
SHARES = (0.1, 0.2, 0.3, 0.5, 0.7, 1.0, 1.5, 2.0, 3.0)
# Adversaries that a share is chosen by.
CHOOSING = ("logistic", "mlp")


def fairness_rows(plan: Plan) -> Iterator[ResultRow]:
    """Rows of protocol ``"fairness"``, of the items of both view sets; each counts once, as in the table.

    Of each factor: ``accuracy``, ``balanced_accuracy`` and ``auroc`` of fresh adversaries (head), and ``counterfactual_distance``. Of each target:
    the same of a fresh logistic regression; of both, the gaps of its predictions between the factor's values, and ``counterfactual_flips``.
    """
    settings, embedder, points = plan.settings, plan.embedder, plan.points
    people = People.of(plan.train, plan.test, settings.seed)
    scores = Scores("fairness", people.split, people.bank.factors)
    encoded, adversaries, shares = Encoded.of(embedder, people), settings.adversaries, settings.fairness_bottleneck
    if shares is None:
        share, note = choose_share(embedder, people, encoded.features.train, points)
        shares = [] if share is None else [share]
        plan.notes.append(note)
    for point in points:
        clean = encoded.embedded(embedder, point)
        for share in [0.0, *(share for share in shares if share > 0)]:
            embedder.progress(f"fairness, {point.name}, noise {share:g}")
            noisy = replace(clean, about={"bottleneck": share}, deviation=noise_deviation(clean.train, share))
            score(scores, people, noisy, adversaries)
    for name, represented in baseline_representations(plan, people, encoded, max(shares, default=0.0)):
        embedder.progress(f"fairness, {name}")
        for one in represented():
            raw = str(one.about["representation"]).startswith("raw")
            score(scores, people, one, adversaries, predictors=adversaries if raw else ("logistic",))
    yield from scores.rows()


@dataclass(frozen=True)
class Encoded:
    """Features of all people, encoded once for all contexts."""

    features: Represented

    @classmethod
    def of(cls, embedder: Embedder, people: People) -> Encoded:
        return cls(people.mapped(embedder.encode))

    def embedded(self, embedder: Embedder, point: ContextPoint) -> Represented:
        """Normalised embeddings of all people in a context, and of the evaluated ones with each factor flipped."""
        return self.features.mapped(lambda rows: F.normalize(embedder.embed(rows, point), dim=-1), point=point)


def choose_share(
    embedder: Embedder, people: People, features: Float[Tensor, "n F"], points: Sequence[ContextPoint]
) -> tuple[float | None, str]:
    """The least noise share at which no adversary predicts an inactive factor better than from the raw columns without it, and a sentence about it.

    None where no context has an inactive factor. Classifiers are trained on four fifths of the training rows (of these ``features``) and tested
    on the rest, in the first drawn context of the greatest length of each environment.
    """
    longest = max((point.length for point in points), default=0)
    factors = people.bank.row_factors
    inactive = [
        (point, factor)
        for point in points
        if point.length == longest and point.draw == 0 and point.environment is not None
        for factor in factors
        if factor.name not in point.environment.split("+")
    ]
    if not inactive:
        return None, "no noise share was chosen: no evaluated context has an inactive factor"
    held = people.held_out
    # The penalty of the logistic regression is chosen on a fifth of the rows that classifiers are trained on.
    inner = torch.zeros(int((~held).sum()), dtype=torch.bool)
    inner[torch.randperm(len(inner), generator=seeded_generator(people.seed, "inner"))[: len(inner) // 5]] = True

    def adversary(rows: Tensor, factor: RowFactor, deviation: float = 0.0) -> float:
        """The best adversary's accuracy on the held-out training rows."""
        values = factor.of(people.train)
        noisy = with_noise(rows[held], deviation, seeded_generator(people.seed, "choice noise"))
        found = []
        for kind in CHOOSING:
            fitted = fit_classifier(kind, rows[~held], values[~held], len(factor.values), inner, deviation=deviation, seed=people.seed)
            found.append(float((first_largest(fitted(noisy)) == values[held]).double().mean()))
        return max(found)

    columns = one_hot(people.train, people.bank.columns, without=factors)
    raw = {factor.name: adversary(columns, factor) for factor in factors}
    units = {point: F.normalize(embedder.embed(features, point), dim=-1) for point, _ in inactive}
    for share in SHARES:
        embedder.progress(f"fairness, choosing a noise share on training rows: {share:g}")
        if all(adversary(units[point], factor, noise_deviation(units[point], share)) <= raw[factor.name] for point, factor in inactive):
            return share, (
                f"noise share {share:g}: the least of {', '.join(f'{each:g}' for each in SHARES)} at which, on held-out training rows, no adversary "
                f"({', '.join(CHOOSING)}) predicts an inactive factor better than from the raw columns without it"
            )
    return SHARES[-1], f"no noise share up to {SHARES[-1]:g} hides the inactive factor on held-out training rows; {SHARES[-1]:g} is shown"


def one_hot(rows: Float[Tensor, "n W"], columns: Columns, without: Sequence[RowFactor] = ()) -> Float[Tensor, "n d"]:
    """Raw columns as a classifier takes them: categories one-hot, numbers standardised; without the columns that are replaced with these factors."""
    left_out = {place for factor in without for place in factor.moved}
    parts = []
    for place, column in enumerate(columns.columns):
        if place in left_out:
            continue
        if column.kind == "number":
            parts.append(rows[:, place : place + 1])
        else:
            # Unknown has no column: all others are 0.
            parts.append(F.one_hot(rows[:, place].long(), 1 + len(column.categories))[:, UNKNOWN + 1 :].float())
    return torch.cat(parts, dim=1)


def baseline_representations(
    plan: Plan, people: People, encoded: Encoded, share: float
) -> Iterator[tuple[str, Callable[[], Iterator[Represented]]]]:
    """Baselines without a context, by name; each computes its representations (as :class:`ResultRow` names them) when called.

    Erasures are of all factors, fitted on each context's own pairs or on all training rows; only ``none-erased`` is under the noise share.
    """
    embedder, points = plan.embedder, plan.points

    def raw() -> Iterator[Represented]:
        for name, without in (("raw", ()), ("raw-without", people.bank.row_factors)):
            yield people.mapped(partial(one_hot, columns=people.bank.columns, without=without), representation=name)

    def erased() -> Iterator[Represented]:
        plain = encoded.embedded(embedder, ContextPoint(None, 0, 0))
        latents = people.bank.corruption.latents
        longest = max((point.length for point in points), default=0)
        for pairs in embedder.contexts.shared:
            # For a model without contexts, as many pairs as one would hold.
            fitted = longest // 2 or len(pairs)
            rows = torch.cat([pairs.source[:fitted], pairs.target[:fitted]])
            z = F.normalize(embedder.embed(embedder.encode(rows), ContextPoint(None, 0, 0)), dim=-1)
            yield _erased(plain, fit_erasure(z, latents(rows)), "erased-context")
        yield _erased(plain, fit_erasure(plain.train, latents(people.train)), "erased-train")
        for point in points:
            if point.environment == NO_FACTOR and point.length == longest:
                embedded = encoded.embedded(embedder, point)
                both = _erased(embedded, fit_erasure(embedded.train, latents(people.train)), "none-erased")
                yield replace(both, about={**both.about, "bottleneck": share}, deviation=noise_deviation(both.train, share))

    def scarf() -> Iterator[Represented]:
        encoder = embedder.model.encoder
        if not isinstance(encoder, TableEncoder):
            raise SettingsError(
                "SCARF is trained with the encoder of the run, and this run has an encoder of your own: leave scarf out of baselines"
            )
        with DrawingFrom(seeded_generator(people.seed, "scarf")):
            fresh = encoder.fresh()
        trained = train_scarf(fresh, people.train, people.bank.corruption.marginals, epochs=plan.settings.scarf_epochs, seed=people.seed)
        with torch.no_grad():
            features = people.mapped(lambda rows: F.normalize(trained(rows), dim=-1), representation="scarf")
        yield features

    yield from ((name, made) for name, made in (("raw", raw), ("erased", erased), ("scarf", scarf)) if name in plan.settings.baselines)


def _erased(plain: Represented, erasure: Erasure, name: str) -> Represented:
    # Rows of a baseline name no context.
    return plain.mapped(erasure, about={"representation": name}, point=None)
