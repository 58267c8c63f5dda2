"""The paper's probes with everything that affects their numbers: inputs, training pairs, number of steps.

They probe features, embeddings (zero action) and predictions (of a view and an action, ``zr`` in the published code). The probe of a rotation is
an MLP 1024-1024, of other factors and of the class a linear map. Features are unnormalised; embeddings and predictions are scaled to unit
length for factors, and unnormalised for the class. In every epoch each training item gives one new
random pair of all its views. Source: linear_probe.py and eval_equivariance.py of Gupta et al., 2024.

Unlike there, every evaluated item counts (their last batch is dropped), on views that are fixed by the seed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from contextssl.evaluation.contexts import ContextPoint
from contextssl.evaluation.embeddings import Embedder
from contextssl.evaluation.fresh_pairs import FreshPairs
from contextssl.evaluation.probe_inputs import Inputs, Predicted, Represented
from contextssl.evaluation.scores import Scores
from contextssl.evaluation.train_heads import StackedHeads, class_loss, regression_loss
from contextssl.evaluation.trained_probes import CLASS, HeadTraining, stacks
from contextssl.evaluation.view_sets import ViewSet
from contextssl.factors import Environment, FactorSpace
from contextssl.randomness import seeded_generator
from contextssl.records.results import ResultRow

HEAD = "published"
# Of the MLP for rotations.
HIDDEN = (1024, 1024)


@dataclass(frozen=True)
class Probe:
    """One probe.

    Args:
        name: a factor, or ``"class"``.
        width: numbers, or classes.
        mlp: whether it is an MLP; else linear.
        unit: whether its inputs have unit length; else as the model gives them.
        wanted: rows of a batch of pairs (b, 2) → the target of each input: (n, width) numbers, or (n,) classes.
    """

    name: str
    width: int
    mlp: bool
    unit: bool
    wanted: Callable[[Int[Tensor, "b 2"]], Tensor]


def train_published(
    probes: Sequence[Probe],
    batches: FreshPairs,
    inputs: Callable[[Int[Tensor, "b 2"]], Inputs],
    test: Inputs,
    training: HeadTraining,
) -> dict[str, Float[Tensor, "heads m width"]]:
    """Train every probe for every head by Adam, and predict the test rows: by the probe's name, on the CPU."""
    count, _, width = test.plain.shape
    device = test.plain.device
    nets = {
        probe.name: StackedHeads(
            count, (width, *(HIDDEN if probe.mlp else ()), probe.width), seeded_generator(training.seed, "published", probe.name)
        ).to(device)
        for probe in probes
    }
    optimiser = torch.optim.Adam([weight for net in nets.values() for weight in net.parameters()], lr=training.learning_rate)
    for epoch in range(training.epochs):
        for batch in batches(epoch):
            given = inputs(batch)
            terms = []
            for probe in probes:
                output = nets[probe.name](given.unit if probe.unit else given.plain)
                wanted = probe.wanted(batch).to(device)
                loss = class_loss if probe.name == CLASS else regression_loss
                terms.append(loss(output, torch.arange(len(wanted), device=device), wanted))
            optimiser.zero_grad(set_to_none=True)
            torch.stack(terms).sum().backward()
            optimiser.step()
    tested = {probe.name: test.unit if probe.unit else test.plain for probe in probes}
    return {name: net.predict(lambda rows, held=tested[name]: held[:, rows], test.plain.shape[1]) for name, net in nets.items()}  # type: ignore[misc]


def _probes(
    factors: FactorSpace,
    unit: bool,
    latents: Callable[[Int[Tensor, "b 2"], str], Tensor],
    labels: tuple[int, Callable[[Tensor], Tensor]] | None,
) -> list[Probe]:
    """A probe of each factor, and of the class where there are labels.

    Args:
        unit: whether inputs of factors have unit length.
        latents: rows of a batch, and a factor's name → the target numbers.
        labels: how many classes, and rows of a batch → the target classes.
    """
    made = [
        Probe(
            factor.name,
            factor.width,
            factor.relation == "rotation",
            unit,
            lambda batch, name=factor.name: latents(batch, name),  # type: ignore[misc]
        )
        for factor in factors.factors
    ]
    return made + ([] if labels is None else [Probe(CLASS, labels[0], False, False, labels[1])])


def _groups(points: Sequence[ContextPoint], bytes_each: int) -> list[list[ContextPoint | None]]:
    """Conditions whose probes are trained together: features by themselves, since their width differs."""
    everywhere: list[list[ContextPoint | None]] = [[None]]
    everywhere += [[points[i] for i in group] for group in stacks(len(points), bytes_each)]
    return everywhere


def published_pair_rows(
    embedder: Embedder,
    train: ViewSet,
    test: ViewSet,
    rows: Int[Tensor, " m"],
    points: Sequence[ContextPoint],
    *,
    training: HeadTraining,
    seed: int = 0,
) -> Iterator[ResultRow]:
    """Rows of protocol ``"equivariance"`` by the head ``"published"``: each factor's action from the features, or embeddings, of two views.

    Args:
        train: all views of each training item.
        test, rows: the views that are probed, each the source of one pair whose target is another view of its item, fixed by the seed.

    Raises:
        SettingsError: where there is only one view per item.
    """
    scores = Scores("equivariance", test.split, test.factors)
    factors, partners = test.factors, test.partners(rows, seed)
    truth = factors.relative(test.latents[rows], test.latents[partners])
    batches = FreshPairs(train, training.batch_size, training.seed)
    batches.check()

    def action(batch: Int[Tensor, "b 2"], name: str) -> Tensor:
        source, target = train.latents[batch.T]
        return factors.relative(source, target)[:, factors.slice(name)]

    groups = _groups(points, 8 * embedder.model.projection_dim * len(rows))
    for group in groups:
        embedder.progress(f"pair probes as published on {len(group)} representations of {train.num_items:,} items")
        learnt, tested = Represented(embedder, train, group), Represented(embedder, test, group)
        found = train_published(
            _probes(factors, group != [None], action, None),
            batches,
            lambda batch, learnt=learnt: Inputs.concatenated(learnt.rows(batch[:, 0]), learnt.rows(batch[:, 1])),  # type: ignore[misc]
            Inputs.concatenated(tested.rows(rows), tested.rows(partners)),
            training,
        )
        _add(scores, found, group, truth, None, test.clusters[rows])
    yield from scores.rows()


def published_probe_rows(
    embedder: Embedder,
    train: ViewSet,
    test: ViewSet,
    rows: Int[Tensor, " m"],
    points: Sequence[ContextPoint],
    environments: Sequence[Environment],
    *,
    training: HeadTraining,
    seed: int = 0,
) -> Iterator[ResultRow]:
    """Rows of protocol ``"probe"`` by the head ``"published"``: class and absolute factors from features, embeddings and predictions.

    Of a prediction (representation ``"prediction"``) active factors are the target's, inactive ones the source's. Environments without
    active factors have no predictions of their own, as published.

    Args:
        train: all views of each training item.
        test, rows: the views that are probed; of predictions each is the source of one pair, fixed by the seed.
        environments: of the actions.
    """
    scores = Scores("probe", test.split, test.factors)
    plain, plain_test = train.plain, test.plain
    several = test.source.num_classes > 1
    if plain is None or plain_test is None or not several:
        _add_settled(scores, embedder, train, test, rows, points, training, True, several)
    else:
        # The class is probed on views without augmentation, where the data have them.
        _add_settled(scores, embedder, train, test, rows, points, training, True, False)
        _add_settled(scores, embedder, plain, plain_test, torch.arange(len(plain_test)), points, training, False, True)
    if train.per_item > 1 and test.per_item > 1 and embedder.model.longest_context and embedder.model.reads_actions:
        for environment in environments:
            if environment.factors:
                _add_predictions(scores, embedder, train, test, rows, points, environment, training, seed)
    yield from scores.rows()


def _add_settled(
    scores: Scores,
    embedder: Embedder,
    train: ViewSet,
    test: ViewSet,
    rows: Int[Tensor, " m"],
    points: Sequence[ContextPoint],
    training: HeadTraining,
    reads_factors: bool,
    probes_class: bool,
) -> None:
    """Probes on features, and on embeddings in every context."""
    factors = test.factors
    batches = FreshPairs(train, training.batch_size, training.seed)

    def both(batch: Int[Tensor, "b 2"]) -> Tensor:
        return batch.flatten()

    def second(batch: Int[Tensor, "b 2"]) -> Tensor:
        return batch[:, 1]

    groups = _groups(points, 4 * embedder.model.projection_dim * len(rows))
    for group in groups:
        embedder.progress(f"probes as published on {len(group)} representations of {train.num_items:,} items")
        learnt, tested = Represented(embedder, train, group), Represented(embedder, test, group)
        # Features are learnt from both ends of a pair, embeddings from its second, since the first gives the prediction.
        which = both if group == [None] else second

        def latents(batch: Int[Tensor, "b 2"], name: str, which: Callable[[Tensor], Tensor] = which) -> Tensor:
            return train.latents[which(batch)][:, factors.slice(name)]

        def labels(batch: Int[Tensor, "b 2"], which: Callable[[Tensor], Tensor] = which) -> Tensor:
            return train.labels[which(batch)]

        probes = _probes(factors, group != [None], latents, (test.source.num_classes, labels))
        found = train_published(
            [probe for probe in probes if (probes_class if probe.name == CLASS else reads_factors)],
            batches,
            lambda batch, learnt=learnt, which=which: Inputs.of(learnt.rows(which(batch))),  # type: ignore[misc]
            Inputs.of(tested.rows(rows)),
            training,
        )
        _add(scores, found, group, test.latents[rows], test.labels[rows], test.clusters[rows])


def _add_predictions(
    scores: Scores,
    embedder: Embedder,
    train: ViewSet,
    test: ViewSet,
    rows: Int[Tensor, " m"],
    points: Sequence[ContextPoint],
    environment: Environment,
    training: HeadTraining,
    seed: int,
) -> None:
    """Probes of predictions, in contexts of the same environment and in none."""
    factors, classes = test.factors, test.source.num_classes
    mask = factors.mask(environment)
    own = [point for point in points if point.environment in (None, environment.name)]
    partners = test.partners(rows, seed)
    batches = FreshPairs(train, training.batch_size, training.seed)

    def seen(latents: Tensor, source: Tensor, target: Tensor) -> Tensor:
        """The factor values that the prediction is of."""
        return torch.where(mask.bool(), latents[target], latents[source])

    def action(latents: Tensor, source: Tensor, target: Tensor) -> Tensor:
        return factors.relative(latents[source], latents[target]) * mask

    labels = (classes, lambda batch: train.labels[batch[:, 0]]) if classes > 1 else None
    probes = _probes(factors, True, lambda batch, name: seen(train.latents, *batch.T)[:, factors.slice(name)], labels)
    for group in stacks(len(own), 4 * embedder.model.projection_dim * len(rows)):
        chosen = [own[i] for i in group]
        embedder.progress(f"probes as published on predictions, {environment.name}, {len(chosen)} contexts")
        learnt, tested = Predicted(embedder, train, chosen), Predicted(embedder, test, chosen)
        found = train_published(
            probes,
            batches,
            lambda batch, learnt=learnt: Inputs.of(learnt.made(batch[:, 0], action(train.latents, *batch.T))),  # type: ignore[misc]
            Inputs.of(tested.made(rows, action(test.latents, rows, partners))),
            training,
        )
        truth = seen(test.latents, rows, partners)
        _add(scores, found, chosen, truth, test.labels[rows] if classes > 1 else None, test.clusters[rows], "prediction", environment.name)


def _add(
    scores: Scores,
    found: dict[str, Float[Tensor, "heads m width"]],
    points: Sequence[ContextPoint | None],
    truth: Float[Tensor, "m A"],
    labels: Int[Tensor, " m"] | None,
    items: Int[Tensor, " m"],
    representation: str | None = None,
    environment: str | None = None,
) -> None:
    for index, point in enumerate(points):
        about = {"head": HEAD, "representation": "feature" if point is None else representation, "environment": environment}
        for name, output in found.items():
            if name == CLASS:
                assert labels is not None
                scores.add_class(output[index].argmax(1), labels, point, items=items, **about)
            else:
                scores.add_factors(output[index], truth[:, scores.factors.slice(name)], (name,), point, items=items, **about)
