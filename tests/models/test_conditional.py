"""The baseline without a context: what it is given, and that it is the same model as ContextSSL otherwise."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import nn

from contextssl.config.settings import TrainSettings
from contextssl.errors import InputError
from contextssl.models.build import build_model
from contextssl.models.conditional import Conditional
from contextssl.models.contextssl import ContextSSL
from contextssl.training.loss import Objective, contextssl_loss
from tests.evaluation.tiny import FACTORS
from tests.models.test_contextssl import images
from tests.training.test_loss import batch_of

ENVIRONMENTS = ("rotation", "color", "rotation+color", "none")


def small(**given: object) -> Conditional:
    torch.manual_seed(0)
    encoder = nn.Sequential(nn.Flatten(), nn.Linear(3 * 8 * 8, 12))
    return Conditional(
        encoder,
        FACTORS,
        feature_width=12,
        projection_dim=10,
        width=16,
        n_layer=2,
        n_head=2,
        block_size=8,
        init="fan_in",
        image_mean=(0.5,) * 3,
        image_std=(0.25,) * 3,
        **given,  # type: ignore[arg-type]
    ).eval()


def test_the_environments_name_moves_embeddings_and_predictions() -> None:
    model, views, actions = small(), images(5, 0), torch.randn(5, 6)
    embedded = {name: model.embed(views, model.named_context(name)) for name in ENVIRONMENTS}
    predicted = {name: model.predict(views, actions, model.named_context(name)) for name in ENVIRONMENTS}
    for found in (embedded, predicted):
        for first in ENVIRONMENTS:
            for second in ENVIRONMENTS:
                assert torch.allclose(found[first], found[second]) is (first == second)
    torch.testing.assert_close(model.embed(views), embedded["none"])
    torch.testing.assert_close(model.predict(views, torch.zeros(5, 6), model.named_context("color")), embedded["color"])
    assert not torch.allclose(predicted["color"], embedded["color"])


def test_a_context_is_a_name_whatever_its_pairs() -> None:
    model, views = small(), images(4, 0)
    context = model.context(images(3, 1), torch.randn(3, 6), images(3, 2), environment="color+rotation")
    assert len(context) == 0 == model.longest_context and context.environment == "rotation+color"
    torch.testing.assert_close(model.embed(views, context), model.embed(views, model.named_context("rotation+color")))
    with pytest.raises(InputError, match="takes the environment's name, not pairs: name the environment"):
        model.context(images(3, 1), torch.randn(3, 6), images(3, 2))
    torch.manual_seed(0)
    with_pairs = ContextSSL(model.encoder, FACTORS, feature_width=12, projection_dim=10, width=16, n_head=2, block_size=8, init="fan_in")
    pairs = with_pairs.context_from_features(torch.randn(2, 2, 12), torch.randn(2, 6), "rotation")
    with pytest.raises(InputError, match="not pairs: give"):
        model.embed(views, pairs)
    with pytest.raises(InputError, match="takes no environment's name"):
        with_pairs.named_context("rotation")


def test_training_predicts_what_use_does() -> None:
    """Each token by itself: of a pair's source with its active action, and of its target with none, in the pair's own environment."""
    model, batch = small(), batch_of(8)
    found = model(batch.source, batch.target, batch.active_action, active=batch.active)
    for name, rows in (("rotation", slice(0, 4)), ("color", slice(4, 8))):
        context = model.named_context(name)
        torch.testing.assert_close(found[rows, 0], model.predict(batch.source[rows], batch.active_action[rows], context))
        torch.testing.assert_close(found[rows, 1], model.embed(batch.target[rows], context))


def test_the_rival_of_examples_takes_no_action() -> None:
    model, batch = small(context="examples"), batch_of(8)
    assert model.context_kind == "examples" and not model.reads_actions and model.architecture()["context"] == "examples"
    found = model(batch.source, batch.target, batch.action, active=batch.active)
    torch.testing.assert_close(found, model(batch.source, batch.target, torch.zeros_like(batch.action), active=batch.active))
    for name, rows in (("rotation", slice(0, 4)), ("color", slice(4, 8))):
        for end, views in enumerate((batch.source, batch.target)):
            torch.testing.assert_close(found[rows, end], model.embed(views[rows], model.named_context(name)))
    losses = contextssl_loss(model.train(), batch, Objective(auxiliary_weight=3.0), torch.Generator().manual_seed(0))
    losses.total.backward()
    assert [name for name, parameter in model.named_parameters() if parameter.grad is None] == []


def test_its_loss_is_contextssls_and_reaches_every_weight() -> None:
    model, batch = small(bottleneck=0.3).train(), batch_of(8)
    losses = contextssl_loss(model, batch, Objective(auxiliary_weight=3.0), torch.Generator().manual_seed(0))
    assert set(losses.parts) == {"contrastive", "auxiliary"} and losses.latents is not None
    losses.total.backward()
    assert [name for name, parameter in model.named_parameters() if parameter.grad is None] == []
    other = contextssl_loss(
        model, replace(batch, active=FACTORS.mask("none").expand_as(batch.active)), Objective(), torch.Generator().manual_seed(0)
    )
    assert float(other.parts["auxiliary"]) == 0.0


def test_it_is_contextssl_but_for_its_flags() -> None:
    def built(method: str) -> ContextSSL:
        settings = TrainSettings(method=method, backbone="resnet_compact", projection_dim=8, width=16, n_layer=1, n_head=2, block_size=8)
        model = build_model(settings, FACTORS, view_shape=(3, 16, 16), image_mean=(0.5,) * 3, image_std=(0.2,) * 3)
        assert isinstance(model, ContextSSL)
        return model

    ours, twin = built("contextssl"), built("conditional")
    assert isinstance(twin, Conditional) and not isinstance(ours, Conditional)
    shapes = {name: tensor.shape for name, tensor in ours.state_dict().items()}
    differ = {name: tensor.shape for name, tensor in twin.state_dict().items() if shapes[name] != tensor.shape}
    assert set(shapes) == set(twin.state_dict()) and set(differ) == {"predictor.read_in.weight"}
    assert differ["predictor.read_in.weight"][1] == shapes["predictor.read_in.weight"][1] + len(FACTORS.names)
