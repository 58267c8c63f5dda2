"""The paper's probes: what they read, which pairs they learn from, in how many steps; against a plain loop over the same batches."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from contextssl.data.pairs import ViewPairs
from contextssl.errors import SettingsError
from contextssl.evaluation import published_probes
from contextssl.evaluation.contexts import ContextPoint, Contexts
from contextssl.evaluation.embeddings import Embedder
from contextssl.evaluation.fresh_pairs import FreshPairs
from contextssl.evaluation.metrics import r2_pooled
from contextssl.evaluation.published_probes import published_pair_rows, published_probe_rows
from contextssl.evaluation.train_heads import StackedHeads
from contextssl.evaluation.trained_probes import HeadTraining
from contextssl.evaluation.view_sets import ViewSet
from contextssl.randomness import seeded_generator
from contextssl.records.results import ResultRow
from tests.evaluation.tiny import FACTORS, tiny_model, views_of

TRAIN = ViewSet.choose(views_of(9, 4, "train"), "train", 0, 0, 0)
VAL = ViewSet.choose(views_of(5, 4, seed=1), "val", 0, 0, 0)
ROWS = torch.arange(len(VAL))
NOTHING, POINT = ContextPoint(None, 0, 0), ContextPoint("rotation", 4, 0)
TRAINING = HeadTraining(epochs=2, batch_size=4, seed=3)


def embedder() -> Embedder:
    return Embedder(tiny_model(), Contexts.draw(ViewPairs(views_of(9, 4, "train")), 7, 1, 0), {})


def of(rows: list[ResultRow], **about: object) -> float:
    (found,) = [row for row in rows if all(getattr(row, name) == value for name, value in about.items())]
    return found.mean


def test_an_epoch_is_a_new_random_pair_of_each_item() -> None:
    pairs = FreshPairs(TRAIN, 4, seed=0)
    first, second = list(pairs(0)), list(pairs(1))
    assert [len(batch) for batch in first] == [4, 4], "the tail of one item is dropped"
    drawn = torch.cat(first)
    items = TRAIN.items[drawn]
    assert torch.equal(items[:, 0], items[:, 1]) and len(items[:, 0].unique()) == 8
    assert not drawn[:, 0].eq(drawn[:, 1]).any()
    assert not torch.equal(drawn, torch.cat(second)) and torch.equal(drawn, torch.cat(list(pairs(0))))
    assert [len(batch) for batch in FreshPairs(TRAIN, 256)(0)] == [9], "a set smaller than a batch is one batch"
    # As many steps as published: 41,920 items in batches of 256.
    assert 41_920 // 256 == 163
    seen = torch.cat([batch for epoch in range(200) for batch in pairs(epoch)])
    assert len({(int(s), int(t)) for s, t in seen}) == 9 * 4 * 3, "in time every pair is drawn"
    one = ViewSet.choose(views_of(9, 4, "train"), "train", 1, 0, 0)
    assert all(batch[:, 0].equal(batch[:, 1]) for batch in FreshPairs(one, 4)(0))
    with pytest.raises(SettingsError, match="pairs need two"):
        FreshPairs(one, 4).check()


def trained_by_a_plain_loop(
    name: str, mlp: bool, out: int, inputs: Callable[[Tensor], Tensor], wanted: Callable[[Tensor], Tensor], width: int
) -> nn.Module:
    """One probe, alone, by Adam on the mean squared error or the cross-entropy of each batch."""
    hidden = (1024, 1024) if mlp else ()
    net = StackedHeads(1, (width, *hidden, out), seeded_generator(TRAINING.seed, "published", name))
    optimiser = torch.optim.Adam(net.parameters(), lr=1e-3)
    for epoch in range(TRAINING.epochs):
        for batch in FreshPairs(TRAIN, TRAINING.batch_size, TRAINING.seed)(epoch):
            output, target = net(inputs(batch)[None])[0], wanted(batch)
            loss = F.cross_entropy(output, target) if name == "class" else F.mse_loss(output, target)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
    return net


@pytest.fixture(scope="module")
def single() -> list[ResultRow]:
    environments = [FACTORS.environment("rotation"), FACTORS.environment("none")]
    points = [NOTHING, POINT]
    return list(published_probe_rows(embedder(), TRAIN, VAL, ROWS, points, environments, training=TRAINING, seed=0))


def test_features_are_read_as_the_encoder_gives_them_from_both_ends(single: list[ResultRow]) -> None:
    ours = embedder()
    train, test = ours.features(TRAIN), ours.features(VAL)
    net = trained_by_a_plain_loop(
        "color", False, 2, lambda batch: train[batch.flatten()], lambda batch: TRAIN.latents[batch.flatten(), 4:], 12
    )
    expected = float(r2_pooled(net(test[None])[0].detach(), VAL.latents[:, 4:]))
    assert of(single, metric="r2_pooled", factor="color", representation="feature", head="published") == pytest.approx(expected, abs=1e-4)


def test_embeddings_are_read_at_unit_length_but_for_the_class(single: list[ResultRow]) -> None:
    ours = embedder()
    train, test = ours.embeddings(TRAIN, POINT), ours.embeddings(VAL, POINT)
    net = trained_by_a_plain_loop(
        "rotation", True, 4, lambda batch: F.normalize(train[batch[:, 1]], dim=-1), lambda batch: TRAIN.latents[batch[:, 1], :4], 8
    )
    expected = float(r2_pooled(net(F.normalize(test, dim=-1)[None])[0].detach(), VAL.latents[:, :4]))
    where = {"environment": "rotation", "length": 4, "representation": "embedding", "head": "published"}
    assert of(single, metric="r2_pooled", factor="rotation", **where) == pytest.approx(expected, abs=1e-4)
    net = trained_by_a_plain_loop(
        "class", False, VAL.source.num_classes, lambda batch: train[batch[:, 1]], lambda batch: TRAIN.labels[batch[:, 1]], 8
    )
    guess = net(test[None])[0].argmax(1)
    # One view may stand at the border between two classes.
    assert of(single, metric="accuracy", factor="class", **where) == pytest.approx(float((guess == VAL.labels).float().mean()), abs=0.06)


def test_predictions_are_of_the_target_in_active_factors_and_of_the_source_else(single: list[ResultRow]) -> None:
    ours = embedder()
    mask = FACTORS.mask(FACTORS.environment("rotation"))

    def predicted(views: ViewSet, source: Tensor, target: Tensor) -> Tensor:
        action = FACTORS.relative(views.latents[source], views.latents[target]) * mask
        return F.normalize(ours.embed(ours.features(views)[source], POINT, action), dim=-1)

    partners = VAL.partners(ROWS, 0)
    where = {"environment": "rotation", "length": 4, "representation": "prediction", "head": "published", "metric": "r2_pooled"}
    for name, mlp, block, end in (("rotation", True, slice(0, 4), 1), ("color", False, slice(4, 6), 0)):
        net = trained_by_a_plain_loop(
            name,
            mlp,
            block.stop - block.start,
            lambda batch: predicted(TRAIN, *batch.T),
            lambda batch, end=end, block=block: TRAIN.latents[batch[:, end], block],  # type: ignore[misc]
            8,
        )
        truth = VAL.latents[(ROWS, partners)[end], block]
        expected = float(r2_pooled(net(predicted(VAL, ROWS, partners)[None])[0].detach(), truth))
        assert of(single, factor=name, **where) == pytest.approx(expected, abs=1e-4)
    made = {(row.environment, row.length, row.factor) for row in single if row.representation == "prediction"}
    # Without a context the action still has active factors; without any, nothing is predicted.
    assert made == {("rotation", length, factor) for length in (0, 4) for factor in ("rotation", "color", "class")}


def test_pairs_are_read_side_by_side_and_features_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = list(published_pair_rows(embedder(), TRAIN, VAL, ROWS, [NOTHING, POINT], training=TRAINING, seed=0))
    assert {row.head for row in rows} == {"published"} and {row.factor for row in rows} == {"rotation", "color"}
    ours = embedder()
    partners = VAL.partners(ROWS, 0)
    truth = FACTORS.relative(VAL.latents, VAL.latents[partners])[:, 4:]
    for point, unit, width in ((None, False, 24), (POINT, True, 16)):
        train, test = (ours.representation(views, point, normalize=unit) for views in (TRAIN, VAL))
        net = trained_by_a_plain_loop(
            "color",
            False,
            2,
            lambda batch, train=train: torch.cat([train[batch[:, 0]], train[batch[:, 1]]], dim=-1),  # type: ignore[misc]
            lambda batch: FACTORS.relative(TRAIN.latents[batch[:, 0]], TRAIN.latents[batch[:, 1]])[:, 4:],
            width,
        )
        expected = float(r2_pooled(net(torch.cat([test, test[partners]], dim=-1)[None])[0].detach(), truth))
        about = {"representation": "feature"} if point is None else {"representation": "embedding", "environment": "rotation"}
        assert of(rows, metric="r2_pooled", factor="color", **about) == pytest.approx(expected, abs=1e-4)
    # Sets that do not fit into memory are embedded batch by batch: the same numbers.
    monkeypatch.setattr("contextssl.evaluation.probe_inputs.STACK_BYTES", 0)
    again = list(published_pair_rows(embedder(), TRAIN, VAL, ROWS, [NOTHING, POINT], training=TRAINING, seed=0))
    assert [row.mean for row in again] == pytest.approx([row.mean for row in rows], abs=1e-4, nan_ok=True)
    assert published_probes.HEAD == "published"
