from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from contextssl.data.published_latents import FACTORS
from contextssl.errors import InputError, SettingsError
from contextssl.models.contextssl import ContextSSL


def small(**settings: object) -> ContextSSL:
    encoder = nn.Sequential(nn.Flatten(), nn.Linear(3 * 8 * 8, 12))
    options: dict[str, object] = {
        "feature_width": 12,
        "projection_dim": 10,
        "width": 16,
        "n_layer": 2,
        "block_size": 16,
        "init": "fan_in",
        "auxiliary_width": 8,
        "image_mean": (0.4, 0.5, 0.6),
        "image_std": (0.1, 0.2, 0.3),
        **settings,
    }
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return ContextSSL(encoder, FACTORS, **options)  # type: ignore[arg-type]


def images(n: int, seed: int = 0) -> torch.Tensor:
    return torch.randint(0, 256, (n, 3, 8, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(seed))


def test_embed_and_predict_are_the_last_token_of_a_sequence() -> None:
    model = small()
    source, target, action = images(5, 1), images(5, 2), torch.randn(5, 6)
    queries, query_actions = images(4, 3), torch.randn(4, 6)
    context = model.context(source, action, target, environment="rotation")
    active = action * FACTORS.mask("rotation")
    model.eval()
    for i in range(4):
        query = queries[i : i + 1]
        with torch.no_grad():
            predicted = model(torch.cat([source, query]), torch.cat([target, query]), torch.cat([active, query_actions[i : i + 1]]))[-1, 0]
            embedded = model(torch.cat([source, query]), torch.cat([target, query]), torch.cat([active, torch.zeros(1, 6)]))[-1, 0]
        torch.testing.assert_close(model.predict(query, query_actions[i : i + 1], context)[0], predicted, atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(model.embed(query, context)[0], embedded, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(model.embed(queries, context), model.predict(queries, torch.zeros(4, 6), context))


def test_an_environment_zeroes_the_other_factors() -> None:
    model = small()
    source, target, action = images(5, 1), images(5, 2), torch.randn(5, 6)
    zeroed = action.clone()
    zeroed[:, 4:] = 0
    context = model.context(source, action, target, environment="rotation")
    torch.testing.assert_close(context.keys, model.context(source, zeroed, target).keys)
    assert not torch.allclose(context.keys, model.context(source, action, target, environment="color").keys)


def test_batches_do_not_change_what_comes_out() -> None:
    model, many = small(), images(9)
    torch.testing.assert_close(model.encode(many, batch_size=4), model.encode(many))
    features = model.encode(many)
    torch.testing.assert_close(model.embed_features(features, batch_size=2), model.embed_features(features))


def test_uint8_is_normalised_by_channel() -> None:
    model, pixels = small(), images(3)
    mean, std = torch.tensor([0.4, 0.5, 0.6]).view(3, 1, 1), torch.tensor([0.1, 0.2, 0.3]).view(3, 1, 1)
    torch.testing.assert_close(model.encode(pixels), model.encode((pixels / 255 - mean) / std))


def test_use_leaves_the_model_as_it_was() -> None:
    model = small(mask_prob=0.9).train()
    before = {key: value.clone() for key, value in model.state_dict().items()}
    context = model.context(images(3), torch.randn(3, 6), images(3))
    first, second = model.embed(images(4), context), model.embed(images(4), context)
    assert torch.equal(first, second), "no context mask outside training"
    assert model.training and not first.requires_grad
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())


def test_bottleneck_is_drawn_from_its_generator() -> None:
    model = small()
    with pytest.raises(InputError, match="measure_variance"):
        model.embed(images(4), bottleneck=0.3)
    variance = model.measure_variance(images(200))
    clean = F.normalize(model.embed(images(200)), dim=-1)
    assert variance == pytest.approx(float(clean.var(0, unbiased=False).sum()), rel=1e-4)
    noisy = model.embed(images(200), bottleneck=0.3, generator=torch.Generator().manual_seed(0))
    assert torch.equal(noisy, model.embed(images(200), bottleneck=0.3, generator=torch.Generator().manual_seed(0)))
    assert float((noisy - clean).square().sum(1).mean()) == pytest.approx(0.3 * variance, rel=0.1)


def test_the_auxiliary_head_reads_unit_embeddings_or_those_times_root_d() -> None:
    unit, scaled = small(), small(auxiliary_scale="sqrt_width")
    scaled.load_state_dict(unit.state_dict())
    head = unit.auxiliary
    assert head is not None
    z = F.normalize(torch.randn(4, 10), dim=-1)
    torch.testing.assert_close(scaled.auxiliary_prediction(z), head(10**0.5 * z))
    torch.testing.assert_close(unit.auxiliary_prediction(z), head(z))


FLOATS = torch.randn(2, 3, 8, 8)


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (torch.zeros(2, 8, 8, 3, dtype=torch.uint8), "channels last: permute"),
        (torch.zeros(2, 1, 8, 8, dtype=torch.uint8), "1 channels in axis 1 where the model takes 3"),
        (torch.zeros(3, 8, 8, dtype=torch.uint8), "add a batch dimension"),
        (torch.zeros(2, 3, 8, 8, dtype=torch.int64), "images are torch.int64"),
        (255 * torch.rand(2, 3, 8, 8), "look like 0 to 255"),
        (torch.where(FLOATS > 2, torch.nan, FLOATS), "NaN or infinity"),
        (FLOATS.numpy(), "the size of this model's images is not known"),
    ],
)
@pytest.mark.usefixtures("unchecked_types")
def test_images_that_cannot_be(bad: torch.Tensor, message: str) -> None:
    with pytest.raises(InputError, match=message):
        small().encode(bad)


def test_actions_that_cannot_be() -> None:
    model = small()
    with pytest.raises(InputError, match=r"actions have shape \(2, 5\), not \(2, 6\): one per view, of rotation 4, color 2"):
        model.predict(images(2), torch.randn(2, 5))
    with pytest.raises(InputError, match=r"shape \(3, 6\), not \(2, 6\)"):
        model.context(images(2), torch.randn(3, 6), images(2))
    with pytest.raises(InputError, match="as many sources as targets: 2 and 3"):
        model.context(images(2), torch.randn(2, 6), images(3))
    with pytest.raises(InputError, match="actions hold NaN"):
        model.predict(images(1), torch.full((1, 6), torch.nan))


def test_uint8_without_statistics_is_an_error() -> None:
    with pytest.raises(InputError, match="give it image_mean and image_std"):
        small(image_mean=None, image_std=None).encode(images(1))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"auxiliary_scale": "big"}, "auxiliary_scale is 'big'"),
        ({"bottleneck": -0.1}, "bottleneck is -0.1"),
        ({"image_std": None}, "go together"),
        ({"image_std": (0.1, 0.0, 0.1)}, "positive deviation"),
        ({"projection_dim": 0}, "projection_dim is 0"),
    ],
)
def test_settings_that_cannot_be(settings: dict[str, object], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        small(**settings)


def test_every_parameter_learns() -> None:
    model = small(mask_prob=0.0)
    z = model(images(8), images(8, 1), torch.randn(8, 6))
    (z.square().sum() + model.auxiliary_prediction(F.normalize(z, dim=-1)).square().sum()).backward()
    without = [name for name, parameter in model.named_parameters() if parameter.grad is None or not parameter.grad.any()]
    assert without == []
