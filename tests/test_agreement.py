"""Agreement with the published implementation: every array of its reference outputs, through public interfaces.

``pytest tests/test_agreement.py -s`` prints the largest error of each part.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import contextssl
from contextssl.cli import main
from contextssl.data.pairs import PairBatch
from contextssl.data.published_latents import FACTORS, absolute_latents
from contextssl.evaluation.metrics import r2_pooled, tied_hits, tied_places, tied_reciprocal_rank
from contextssl.evaluation.neighbours import knn_labels
from contextssl.models.baselines.invariance import Contrast, VarianceInvarianceCovariance
from contextssl.models.baselines.predicted_contrast import PredictedContrast
from contextssl.models.baselines.split import SplitInvariantEquivariant
from contextssl.models.baselines.term import Seen
from contextssl.models.contrast import PUBLISHED_CLAMP, mean_similarities, nt_xent, tokens
from contextssl.models.objectives import auxiliary_regression, sie, vicreg
from contextssl.models.predictor import Predictor, context_mask, pair_mask
from contextssl.models.published_weights import rename, rename_predictor
from contextssl.training.loss import Objective, contextssl_loss
from contextssl.training.schedule import peak_learning_rate, warmup_cosine
from tests.reference import input_tensor, outputs, predictor_state, published_state


class Ledger:
    """Which arrays were compared, and how far off each was."""

    def __init__(self) -> None:
        self.errors: dict[str, float] = {}

    def close(self, name: str, value: Tensor | np.ndarray | float, atol: float = 1e-4, rtol: float = 1e-4) -> None:
        expected = outputs()[name].astype(np.float64)
        actual = np.asarray(value.detach().double() if isinstance(value, Tensor) else value, dtype=np.float64)
        assert actual.shape == expected.shape, f"{name}: shape {actual.shape}, not {expected.shape}"
        np.testing.assert_allclose(actual, expected, atol=atol, rtol=rtol, err_msg=name)
        self.errors[name] = float(np.abs(actual - expected).max())

    def exact(self, name: str, value: Tensor | np.ndarray) -> None:
        np.testing.assert_array_equal(np.asarray(value), outputs()[name], err_msg=name)
        self.errors[name] = 0.0


@pytest.fixture(scope="module")
def ledger() -> Iterator[Ledger]:
    ledger = Ledger()
    yield ledger
    worst: dict[str, float] = defaultdict(float)
    for name, error in ledger.errors.items():
        worst[name[0]] = max(worst[name[0]], error)
    for part, error in sorted(worst.items()):
        print(f"\npart {part}: {sum(name[0] == part for name in ledger.errors)} arrays, largest absolute error {error:.1e}", end="")
    print()


def test_predictor_alone(ledger: Ledger) -> None:
    predictor = Predictor(32, 6, 32, width=64, n_layer=2, n_head=4, block_size=8, mask_prob=0.0)
    predictor.load_state_dict({rename_predictor(key): value for key, value in predictor_state().items()})
    pairs = input_tensor("A.tokens", (16, 32)).unflatten(0, (-1, 2))
    actions = input_tensor("A.actions", (8, 6))
    ledger.close("A.output", predictor(pairs, actions).flatten(0, 1))
    ledger.close("A.output_ragged", predictor(pairs[:6], actions[:6]).flatten(0, 1))
    _, keys, values = predictor.sequences(pairs.unflatten(0, (2, 4)), actions.unflatten(0, (2, 4)))
    for layer in (0, 1):
        ledger.close(f"A.keys.{layer}", keys[layer])
        ledger.close(f"A.values.{layer}", values[layer])
    query, query_actions = input_tensor("A.query", (5, 32)), input_tensor("A.query_actions", (5, 6))
    full = predictor.context(pairs[:3], actions[:3])
    for length in (0, 2, 6):
        ledger.close(f"A.query_output.{length}", predictor.query(query, query_actions, full.prefix(length)))
    ledger.close("A.query_output.0", predictor.query(query, query_actions))


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("published") / "simclr_resnet18_epoch1000.pt"
    torch.save(published_state(), path)
    return path


def test_whole_network_through_load(ledger: Ledger, published: Path) -> None:
    model = contextssl.load(published, n_head=4, block_size=8)
    images = input_tensor("B.images", (16, 3, 32, 32))
    source, target = images[::2], images[1::2]
    actions = input_tensor("B.actions", (8, 6), 0.5)
    latents = input_tensor("B.latents", (8, 2, 6), 0.5)
    ledger.close("B.eval.feature", model.encode(images))
    with torch.no_grad():
        prediction = model(source, target, actions)
        ledger.close("B.eval.prediction", prediction.flatten(0, 1))
        ledger.close("B.eval.auxiliary", model.auxiliary_prediction(F.normalize(prediction, dim=-1)).flatten(0, 1))

    queries, query_actions = input_tensor("B.query_images", (6, 3, 32, 32)), input_tensor("B.query_actions", (6, 6), 0.5)
    for length in (0, 2, 6):
        k = length // 2
        context = model.context(source[:k], actions[:k], target[:k]) if k else None
        ledger.close(f"B.embed.{length}", model.embed(queries, context))
        ledger.close(f"B.predict.{length}", model.predict(queries, query_actions, context))

    gradients = [name for name in outputs() if ".gradnorm." in name]
    for short, environment in (("rot", "rotation"), ("color", "color")):
        model = contextssl.load(published, n_head=4, block_size=8).train()
        model.predictor.mask_prob = 0.0
        mask = FACTORS.mask(environment)
        index = torch.arange(8)
        batch = PairBatch(source, target, actions, latents[:, 0], latents[:, 1], mask.expand(8, -1), index, index, index, index)
        name = f"B.train.{short}"
        losses = contextssl_loss(model, batch, Objective(temperature=0.1, clamp=PUBLISHED_CLAMP, auxiliary_weight=5.0))
        ledger.close(f"{name}.contrastive_loss", losses.parts["contrastive"])
        ledger.close(f"{name}.auxiliary_loss", losses.parts["auxiliary"])
        ledger.close(f"{name}.total_loss", losses.total)
        losses.total.backward()
        parameters = dict(model.named_parameters())
        for array in gradients:
            if array.startswith(f"{name}.gradnorm."):
                gradient = parameters[rename(array.removeprefix(f"{name}.gradnorm."))].grad
                assert gradient is not None
                ledger.close(array, gradient.norm(), atol=0, rtol=1e-3)
        # Batch statistics are those of this batch alone, so a second forward pass predicts the same.
        ledger.close(f"{name}.prediction", model(source, target, batch.active_action).flatten(0, 1))


def test_an_imported_checkpoint_is_the_published_one(published: Path, tmp_path: Path) -> None:
    """Part B through ``contextssl import``, and contexts from files of it."""
    words = ["import", str(published), f"out={tmp_path / 'imported'}", "n_head=4", "block_size=8", "accelerator=cpu"]
    assert main(words) == 0
    model = contextssl.load(tmp_path / "imported", device="cpu")
    images = input_tensor("B.images", (16, 3, 32, 32))
    np.testing.assert_allclose(model.encode(images), outputs()["B.eval.feature"], atol=1e-4, rtol=1e-4)
    queries, query_actions = input_tensor("B.query_images", (6, 3, 32, 32)), input_tensor("B.query_actions", (6, 6), 0.5)
    model.context(images[::2][:3], input_tensor("B.actions", (8, 6), 0.5)[:3], images[1::2][:3]).save(tmp_path / "context.safetensors")
    context = model.load_context(tmp_path / "context.safetensors")
    for length in (0, 2, 6):
        np.testing.assert_allclose(model.embed(queries, context.prefix(length)), outputs()[f"B.embed.{length}"], atol=1e-4, rtol=1e-4)
        predicted = model.predict(queries, query_actions, context.prefix(length))
        np.testing.assert_allclose(predicted, outputs()[f"B.predict.{length}"], atol=1e-4, rtol=1e-4)


def test_contrastive_loss(ledger: Ledger) -> None:
    z = input_tensor("C.z", (16, 24)).unflatten(0, (-1, 2))
    for temperature in (0.1, 0.5):
        ledger.close(f"C.nt_xent.{temperature}", nt_xent(z, temperature, PUBLISHED_CLAMP))
    positive, negative = mean_similarities(tokens(z), published=True)
    ledger.close("C.positive_similarity", positive)
    ledger.close("C.negative_similarity", negative)


def test_metrics(ledger: Ledger) -> None:
    prediction = input_tensor("D.predictions", (40, 4))
    ledger.close("D.r2", r2_pooled(prediction, 0.8 * prediction + 0.3 * input_tensor("D.noise", (40, 4))))

    views = F.normalize(input_tensor("D.views", (150, 32)), dim=-1)
    queries = F.normalize(views + 0.6 * input_tensor("D.perturb", (150, 32)), dim=-1)
    scores = torch.einsum("oqd,ovd->oqv", queries.view(3, 50, 32), views.view(3, 50, 32)).flatten(0, 1)
    above, tied = tied_places(scores, torch.arange(150) % 50)
    ledger.exact("D.ranks", above + 1)
    assert (tied == 0).all(), "no ties here, so every rank is whole"
    ledger.close("D.mrr", tied_reciprocal_rank(above, tied).float().mean())
    for k in (1, 2, 5, 10):
        ledger.close(f"D.hit@{k}", tied_hits(above, tied, k).float().mean())

    found = knn_labels(input_tensor("D.bank", (60, 16)), torch.arange(60) % 5, input_tensor("D.knn_queries", (12, 16)), classes=5)
    ledger.exact("D.knn_labels", found)


def test_schedule(ledger: Ledger) -> None:
    peak = peak_learning_rate(5e-5, 512)
    rates = np.array([peak * warmup_cosine(step, total_steps=30 * 7, warmup_steps=10 * 7) for step in range(210)])
    ledger.close("E.lr", rates, atol=1e-12)


def test_latents_and_actions(ledger: Ledger) -> None:
    absolute = absolute_latents(outputs()["F.latents"])
    ledger.close("F.absolute", absolute)
    latents = torch.from_numpy(absolute)
    ledger.close("F.actions", FACTORS.relative(latents[:, 0], latents[:, 1]))


def test_masks(ledger: Ledger) -> None:
    ledger.exact("G.pair_mask", pair_mask(8))
    uniform = torch.from_numpy(outputs()["G.uniform"])
    for name in outputs():
        if name.startswith("G.masked."):
            ledger.exact(name, context_mask(pair_mask(8), uniform, float(name.removeprefix("G.masked."))))


def test_baselines_losses(ledger: Ledger) -> None:
    """The pure functions, and the same through the baselines' terms with their heads taken away: embeddings in place of features."""
    names = ("source_invariant", "target_invariant", "source_equivariant", "target_equivariant", "predicted")
    tensors = {name: input_tensor(f"H.{name}", (12, 8), 0.7) for name in names}
    still = torch.stack([tensors["source_invariant"], tensors["target_invariant"]], dim=1)
    moving = torch.stack([tensors["source_equivariant"], tensors["target_equivariant"]], dim=1)
    predicted = torch.stack([tensors["predicted"], tensors["target_equivariant"]], dim=1)
    joined = torch.cat([still, moving], dim=-1)

    for name, value in sie(still, moving, tensors["predicted"], (1.0, 1.0, 1.0), 1.0).items():
        ledger.close(f"H.sie.{name}", value)
    for factor in (0.45, 4.5):
        ledger.close(f"H.sie.loss.{factor}", total(sie(still, moving, tensors["predicted"], (10.0, 10.0, 1.0), factor)))
    ledger.close("H.vicreg.loss", total(vicreg(joined, 10.0, 10.0, 1.0)))
    ledger.close("H.simclr.loss", nt_xent(still, 0.1))
    ledger.close("H.sen.loss", nt_xent(predicted, 0.1))
    ledger.close("H.equimod.loss", nt_xent(still, 0.1) + nt_xent(predicted, 0.1))

    split = SplitInvariantEquivariant(16, 6, 8, 16, (10.0, 10.0, 1.0), 0.45)
    replace_heads(split, Given(tensors["predicted"]), "predictor")
    replace_heads(split, nn.Identity(), "invariant", "equivariant")
    ledger.close("H.sie.loss.0.45", total(split(seen_as(joined))))
    regularised = VarianceInvarianceCovariance(16, 8, 16, (10.0, 10.0, 1.0))
    contrast = Contrast(8, 8, 8, 0.1)
    contrast_of_predictions = PredictedContrast(8, 6, 8, 8, 0.1)
    for term in (regularised, contrast, contrast_of_predictions):
        replace_heads(term, nn.Identity(), "projector")
    replace_heads(contrast_of_predictions, Given(tensors["predicted"]), "predictor")
    ledger.close("H.vicreg.loss", total(regularised(seen_as(joined))))
    ledger.close("H.simclr.loss", total(contrast(seen_as(still))))
    ledger.close("H.sen.loss", total(contrast_of_predictions(seen_as(moving))))


def test_auxiliary_loss_of_each_environment(ledger: Ledger) -> None:
    prediction, latents = input_tensor("H.auxiliary_prediction", (12, 2, 6)), input_tensor("H.target_latents", (12, 6))
    for short, environment in (("rotation", "rotation"), ("color", "color"), ("both", "rotation+color")):
        active = FACTORS.mask(environment).expand(12, -1)
        ledger.close(f"H.auxiliary.{short}", auxiliary_regression(prediction, latents, active, FACTORS.slices))


class Given(nn.Module):
    """In the place of a predictor: what the reference takes as predicted."""

    def __init__(self, predicted: Tensor) -> None:
        super().__init__()
        self.predicted = predicted

    def forward(self, z: Tensor, action: Tensor) -> Tensor:
        return self.predicted


def replace_heads(term: nn.Module, head: nn.Module, *names: str) -> None:
    for name in names:
        setattr(term, name, head)


def seen_as(features: Tensor) -> Seen:
    """Pairs of twelve different items with these features."""
    index, latents = torch.arange(12), torch.zeros(12, 6)
    active = FACTORS.mask("both").expand(12, -1)
    batch = PairBatch(torch.empty(12, 0), torch.empty(12, 0), latents, latents, latents, active, index, index, index, index)
    return Seen(batch, torch.empty(24, 0), features)


def total(terms: Mapping[str, Tensor]) -> Tensor:
    return torch.stack(list(terms.values())).sum()


def test_nothing_was_left_out(ledger: Ledger) -> None:
    given = {"F.latents", "G.uniform"}  # inputs, not outputs
    assert set(ledger.errors) == set(outputs()) - given
