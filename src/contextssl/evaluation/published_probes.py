"""The paper's probes with everything that affects their numbers: inputs, training pairs, number of steps.

They probe features, embeddings (zero action) and predictions (of a view and an action, ``zr`` in the published code). The probe of a rotation is
an MLP 1024-1024, of other factors and of the class a linear map. Features are unnormalised; embeddings and predictions are scaled to unit
length for factors, and unnormalised for the class. In every epoch each training item gives one new random pair of all its views. Source:
linear_probe.py and eval_equivariance.py of Gupta et al., 2024. Unlike there, every evaluated item counts, on views that are fixed by the seed.
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
from contextssl.evaluation.probe_inputs import Inputs, Represented, predicted
from contextssl.evaluation.scores import Scores
from contextssl.evaluation.single_views import SingleViews
from contextssl.evaluation.train_heads import StackedHeads, class_loss, regression_loss
from contextssl.evaluation.trained_probes import CLASS, HeadTraining, stacks, together
from contextssl.evaluation.view_sets import ViewSet
from contextssl.factors import Environment
from contextssl.randomness import seeded_generator
from contextssl.records.results import ResultRow

HEAD = "published"
# Of the MLP for rotations.
HIDDEN = (1024, 1024)
# Rows of a batch of pairs.
Pairs = Int[Tensor, "b 2"]


@dataclass(frozen=True)
class Probes:
    """The probes of one protocol, the rows that their numbers become, and the views, with all of each training item."""

    scores: Scores
    views: SingleViews
    training: HeadTraining

    @property
    def batches(self) -> FreshPairs:
        return FreshPairs(self.views.train, self.training.batch_size, self.training.seed)

    def add(
        self,
        group: Sequence[ContextPoint | None],
        inputs: Callable[[Pairs], Inputs],
        test: Inputs,
        wanted: Callable[[Pairs, str], Tensor],
        truth: Float[Tensor, "m A"],
        **about: object,
    ) -> None:
        """Train the probes of what is probed in every condition of the group by Adam, and add the metrics of what they predict for the test rows.

        Args:
            inputs, test: of a batch, and of the test rows.
            wanted: a batch, and a name → (n, A) latents, or of ``"class"`` (n,) classes.
            truth: latents of the test rows.
        """
        views, training = self.views, self.training
        factors, device = views.test.factors, views.embedder.device
        nets = {}
        for name in views.all_names:
            of_class = name == CLASS
            hidden = () if of_class or factors[name].relation != "rotation" else HIDDEN
            widths = (test.plain.shape[2], *hidden, views.test.source.num_classes if of_class else factors[name].width)
            nets[name] = StackedHeads(len(group), widths, seeded_generator(training.seed, "published", name)).to(device)

        def read(given: Inputs, name: str) -> Float[Tensor, "heads n d"]:
            return given.plain if name == CLASS or group[0] is None else given.unit

        def loss(name: str, given: Inputs, batch: Pairs) -> Tensor:
            output, target = nets[name](read(given, name)), wanted(batch, name).to(device)
            every = torch.arange(len(target), device=device)
            return class_loss(output, every, target) if name == CLASS else regression_loss(output, every, target[:, factors.slice(name)])

        def outputs_of(name: str) -> Float[Tensor, "heads m t"]:
            held = read(test, name)
            return nets[name].predict(lambda rows: held[:, rows], held.shape[1])

        optimiser = torch.optim.Adam([weight for net in nets.values() for weight in net.parameters()], lr=training.learning_rate)
        for epoch in range(training.epochs):
            for batch in self.batches(epoch):
                given = inputs(batch)
                terms = [loss(name, given, batch) for name in nets]
                optimiser.zero_grad(set_to_none=True)
                torch.stack(terms).sum().backward()
                optimiser.step()
        found = {name: outputs_of(name) for name in nets}
        for index, point in enumerate(group):
            outputs = {name: output[index] for name, output in found.items()}
            self.scores.add_targets(outputs, truth, views.labels, point, items=views.clusters, head=HEAD, **about)

    def add_settled(self, points: Sequence[ContextPoint]) -> None:
        """Probes on features, and on embeddings in every context."""
        embedder, train, rows = self.views.embedder, self.views.train, self.views.rows
        for group in together([None, *points], 4 * embedder.model.projection_dim * len(rows)):
            embedder.progress(f"probes as published on {len(group)} representations of {train.num_items:,} items")
            learnt, tested = Represented(embedder, train, group), Represented(embedder, self.views.test, group)

            def ends(batch: Pairs, first: int = 0 if group[0] is None else 1) -> Int[Tensor, " n"]:
                """Features are learnt from both ends of a pair, embeddings from its second, since the first gives the prediction."""
                return batch[:, first:].flatten()

            self.add(
                group,
                lambda batch, learnt=learnt, ends=ends: Inputs.of(learnt.rows(ends(batch))),  # type: ignore[misc]
                Inputs.of(tested.rows(rows)),
                lambda batch, name, ends=ends: (train.labels if name == CLASS else train.latents)[ends(batch)],  # type: ignore[misc]
                self.views.truth,
            )

    def add_predictions(self, points: Sequence[ContextPoint], environment: Environment, seed: int) -> None:
        """Probes of predictions, in contexts of the same environment and in none."""
        embedder, train, test, rows = self.views.embedder, self.views.train, self.views.test, self.views.rows
        factors = test.factors
        mask, partners = factors.mask(environment), test.partners(rows, seed)
        own = [point for point in points if point.environment in (None, environment.name)]

        def seen(latents: Tensor, source: Tensor, target: Tensor) -> Tensor:
            """The factor values that the prediction is of."""
            return torch.where(mask.bool(), latents[target], latents[source])

        for part in stacks(len(own), 4 * embedder.model.projection_dim * len(rows)):
            group = own[part.start : part.stop]
            embedder.progress(f"probes as published on predictions, {environment.name}, {len(group)} contexts")

            def inputs(views: ViewSet, source: Tensor, target: Tensor, group: Sequence[ContextPoint] = group) -> Inputs:
                action = factors.relative(views.latents[source], views.latents[target]) * mask
                return Inputs.of(predicted(embedder, views, group, source, action))

            self.add(
                group,
                lambda batch, inputs=inputs: inputs(train, *batch.T),  # type: ignore[misc]
                inputs(test, rows, partners),
                lambda batch, name: train.labels[batch[:, 0]] if name == CLASS else seen(train.latents, *batch.T),
                seen(test.latents, rows, partners),
                representation="prediction",
                environment=environment.name,
            )


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

    ``train`` holds all views of each item. Each probed view is the source of one pair whose target is another view of its item, fixed by the
    seed: SettingsError where there is only one view per item.
    """
    factors, partners = test.factors, test.partners(rows, seed)
    views = SingleViews(embedder, train, test, rows, targets=factors.names)
    probes = Probes(Scores("equivariance", test.split, factors), views, training)
    probes.batches.check()
    truth = factors.relative(test.latents[rows], test.latents[partners])
    for group in together([None, *points], 8 * embedder.model.projection_dim * len(rows)):
        embedder.progress(f"pair probes as published on {len(group)} representations of {train.num_items:,} items")
        learnt, tested = Represented(embedder, train, group), Represented(embedder, test, group)
        probes.add(
            group,
            lambda batch, learnt=learnt: Inputs.concatenated(learnt.rows(batch[:, 0]), learnt.rows(batch[:, 1])),  # type: ignore[misc]
            Inputs.concatenated(tested.rows(rows), tested.rows(partners)),
            lambda batch, name: factors.relative(*train.latents[batch.T]),
            truth,
        )
    yield from probes.scores.rows()


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

    ``train`` holds all views of each item. Of a prediction (representation ``"prediction"``) active factors are the target's, inactive ones the
    source's; each probed view is the source of one pair, fixed by the seed. Environments (of the actions) without active factors have no
    predictions of their own, as published.
    """
    scores, views = Scores("probe", test.split, test.factors), SingleViews(embedder, train, test, rows)
    for part in views.parts():
        Probes(scores, part, training).add_settled(points)
    if train.per_item > 1 and test.per_item > 1 and embedder.model.longest_context and embedder.model.reads_actions:
        for environment in environments:
            if environment.factors:
                Probes(scores, views, training).add_predictions(points, environment, seed)
    yield from scores.rows()
