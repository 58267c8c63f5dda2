"""Each method's loss against a slow, obvious loop or a case solved by hand; and what every method has in common."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from contextssl.config.settings import TrainSettings
from contextssl.config.validation import checked
from contextssl.data.pairs import PairBatch
from contextssl.errors import InputError, SettingsError
from contextssl.method import METHODS, Parts
from contextssl.models.baselines.action_regression import ActionRegression
from contextssl.models.baselines.baseline import Baseline
from contextssl.models.baselines.ema_prediction import Bootstrap
from contextssl.models.baselines.heads import HypernetworkPredictor
from contextssl.models.baselines.invariance import Contrast, VarianceInvarianceCovariance
from contextssl.models.baselines.momentum import MovingAverage
from contextssl.models.baselines.predicted_contrast import PredictedContrast
from contextssl.models.baselines.sequence import SequencePrediction, sequences
from contextssl.models.baselines.split import SplitInvariantEquivariant
from contextssl.models.baselines.supervision import ClassSupervision, LatentSupervision
from contextssl.models.baselines.term import Seen, Term
from tests.evaluation.tiny import FACTORS
from tests.models.test_contrast import naive_nt_xent

F_WIDTH, A = 8, FACTORS.width
BASELINES = [name for name, method in METHODS.built_in.items() if method.model is None]


def batch_of(items: list[int], environment: str = "rotation+color", seed: int = 0) -> PairBatch:
    n, generator = len(items), torch.Generator().manual_seed(seed)
    latents = torch.randn(2, n, A, generator=generator)
    latents[..., :4] = F.normalize(latents[..., :4], dim=-1)
    views = torch.randn(2, n, 3, 4, 4, generator=generator)
    index = torch.tensor(items)
    batch = PairBatch.between(
        FACTORS,
        latents[0],
        latents[1],
        source=views[0],
        target=views[1],
        items=index,
        labels=index % 3,
        source_views=index,
        target_views=index,
    )
    return in_environment(batch, environment)


def in_environment(batch: PairBatch, name: str) -> PairBatch:
    """The same pairs with other factors active."""
    return replace(batch, active=FACTORS.mask(name).expand_as(batch.active))


def encoder_of(seed: int = 0) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return nn.Sequential(nn.Flatten(), nn.Linear(48, F_WIDTH))


def seen(batch: PairBatch, encoder: nn.Module) -> Seen:
    views = torch.cat([batch.source, batch.target])
    features = encoder(views)
    return Seen(batch, views, torch.stack([features[: len(batch)], features[len(batch) :]], dim=1))


def model_of(method: str, seed: int = 0) -> Baseline:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        encoder = nn.Sequential(nn.Flatten(), nn.Linear(48, F_WIDTH))
        settings = TrainSettings(projector_width=16, projection_dim=6, temperature=0.2, sequence_layers=1, sequence_heads=2)
        terms = METHODS.find(method).terms(Parts(settings, encoder, F_WIDTH, FACTORS, classes=3))
        return Baseline(encoder, FACTORS, method, terms, feature_width=F_WIDTH)


@pytest.mark.parametrize("method", BASELINES)
def test_every_method_learns_embeds_and_predicts(method: str) -> None:
    model, batch = model_of(method).train(), batch_of([0, 1, 2, 0, 1, 2])
    losses = model(batch)
    if method == "random":
        assert losses == {}
    else:
        torch.stack(list(losses.values())).sum().backward()
        trained = {name: p for name, p in model.named_parameters() if p.requires_grad}
        idle = [name for name, p in trained.items() if p.grad is None]
        assert not idle, "every weight that is trained has a part in the loss, as training on several devices demands"
        assert isinstance(model.encoder, nn.Sequential)
        encoder = model.encoder[1]
        assert isinstance(encoder, nn.Linear) and encoder.weight.grad is not None and float(encoder.weight.grad.abs().sum()) > 0
    images, actions = torch.randn(5, 3, 4, 4), torch.randn(5, A)
    z = model.embed(images)
    assert z.shape == (5, model.projection_dim) and bool(z.isfinite().all())
    assert model.predict(images, actions).shape == (5, F_WIDTH if model.predicts_features else model.projection_dim)
    follows = METHODS.find(method).aim == "equivariance" and method != "augself"
    assert torch.equal(model.predict(images, actions), model.predict(images, 2 * actions)) is not follows
    assert model.training, "embedding leaves a model in the mode that it was in"
    with pytest.raises(InputError, match="takes no context"):
        model.context_from_features(torch.randn(2, 2, F_WIDTH), torch.randn(2, A))


@pytest.mark.parametrize("method", ["sen", "equimod", "augself", "sie", "seq-jepa"])
def test_inactive_factors_do_not_enter_a_loss(method: str) -> None:
    batch = batch_of([0, 1, 2, 3], "rotation")
    latents = batch.target_latents.clone()
    latents[:, 4:] += 3.0
    changed = PairBatch.between(
        FACTORS,
        batch.source_latents,
        latents,
        **{name: getattr(batch, name) for name in ("source", "target", "items", "labels", "source_views", "target_views")},
    )
    changed = in_environment(changed, "rotation")
    model = model_of(method).train()
    first, second = model(batch), model(changed)
    for name in first:
        assert torch.equal(first[name], second[name])
    other = model(in_environment(changed, "color"))
    assert any(not torch.equal(first[name], other[name]) for name in first)


def test_invariance_by_contrast_is_the_loop_and_leaves_an_items_other_pairs_out() -> None:
    batch, encoder = batch_of([0, 1, 2, 3]), encoder_of()
    term = Contrast(F_WIDTH, 16, 6, 0.3).eval()
    z = term.projector(seen(batch, encoder).features.flatten(0, 1)).unflatten(0, (-1, 2))
    assert float(term(seen(batch, encoder))["invariance"].detach()) == pytest.approx(naive_nt_xent(z.detach(), 0.3, None), rel=1e-4)
    # Pairs 0 and 1 are of one item: each token's others are its partner and the four tokens of other items.
    twice = batch_of([0, 0, 2, 3])
    z = term.projector(seen(twice, encoder).features.flatten(0, 1)).detach()
    items, total = [0, 0, 0, 0, 2, 2, 3, 3], 0.0
    for i in range(8):
        similar = [math.exp(float(F.cosine_similarity(z[i], z[j], dim=0)) / 0.3) for j in range(8)]
        others = sum(similar[j] for j in range(8) if j == i ^ 1 or items[j] != items[i])
        total -= math.log(similar[i ^ 1] / others)
    assert float(term(seen(twice, encoder))["invariance"].detach()) == pytest.approx(total / 8, rel=1e-4)


def naive_variance(z: Tensor) -> float:
    deviations = [math.sqrt(float(((column - column.mean()) ** 2).sum() / (len(column) - 1)) + 1e-4) for column in z.T]
    return sum(max(0.0, 1 - deviation) for deviation in deviations) / len(deviations)


def naive_covariance(z: Tensor) -> float:
    total, (n, d) = 0.0, z.shape
    for i in range(d):
        for j in range(d):
            if i != j:
                total += float(((z[:, i] - z[:, i].mean()) * (z[:, j] - z[:, j].mean())).sum() / (n - 1)) ** 2
    return total / d


def test_vicreg_is_the_loop() -> None:
    batch, encoder = batch_of([0, 1, 2, 3]), encoder_of()
    term = VarianceInvarianceCovariance(F_WIDTH, 16, 6, (10.0, 5.0, 2.0)).eval()
    found = term(seen(batch, encoder))
    z = term.projector(seen(batch, encoder).features.flatten(0, 1)).unflatten(0, (-1, 2)).detach()
    expected = {
        "invariance": 10 * float(((z[:, 0] - z[:, 1]) ** 2).mean()),
        "variance": 5 * (naive_variance(z[:, 0]) + naive_variance(z[:, 1])) / 2,
        "covariance": 2 * (naive_covariance(z[:, 0]) + naive_covariance(z[:, 1])),
    }
    assert {name: float(loss.detach()) for name, loss in found.items()} == pytest.approx(expected, rel=1e-4)


def test_sen_contrasts_predictions_with_targets() -> None:
    batch, encoder = batch_of([0, 1, 2, 3], "rotation"), encoder_of()
    term = PredictedContrast(F_WIDTH, A, 16, 6, 0.3, weight=2.0).eval()
    features = seen(batch, encoder).features
    action = batch.action.clone()
    action[:, 4:] = 0
    predicted = term.predictor(term.projector(features[:, 0]), action)
    z = torch.stack([predicted, term.projector(features[:, 1])], dim=1).detach()
    assert float(term(seen(batch, encoder))["equivariance"].detach()) == pytest.approx(2 * naive_nt_xent(z, 0.3, None), rel=1e-4)


def test_augself_regresses_the_active_action_by_hand() -> None:
    batch, encoder = batch_of([0, 1], "color"), encoder_of()
    term = ActionRegression(F_WIDTH, FACTORS, 16, weight=3.0)
    term.head = nn.Sequential(nn.Linear(2 * F_WIDTH, A))
    nn.init.zeros_(term.head[0].weight)  # type: ignore[arg-type]
    nn.init.zeros_(term.head[0].bias)  # type: ignore[arg-type]
    color = float(batch.action[:, 4:].square().mean())
    assert float(term(seen(batch, encoder))["action"].detach()) == pytest.approx(3 * color, rel=1e-5)
    # With both factors active, each one's mean is added.
    both = batch_of([0, 1])
    rotation = float(both.action[:, :4].square().mean())
    assert float(term(seen(both, encoder))["action"].detach()) == pytest.approx(3 * (rotation + color), rel=1e-5)


def test_sie_is_the_loop() -> None:
    batch, encoder = batch_of([0, 1, 2, 3]), encoder_of()
    term = SplitInvariantEquivariant(F_WIDTH, A, 16, 6, (10.0, 5.0, 2.0), 0.45).eval()
    features = seen(batch, encoder).features.detach()
    with torch.no_grad():
        still = [term.invariant(features[:, end, :4]) for end in (0, 1)]
        moving = [term.equivariant(features[:, end, 4:]) for end in (0, 1)]
        predicted = []
        for k in range(4):
            made = term.predictor.hypernetwork(batch.action[k])
            predicted.append(made[:9].view(3, 3) @ moving[0][k] + made[9:])
        guess = torch.stack(predicted)
    joined = [torch.cat([still[end], moving[end]], dim=1) for end in (0, 1)]
    expected = {
        "invariance": 10 * float(((still[0] - still[1]) ** 2).mean()),
        "equivariance": 10 * 0.45 * float(((guess - moving[1]) ** 2).mean()),
        "variance": 5 * (naive_variance(joined[0]) + naive_variance(joined[1])) / 2,
        "predicted_variance": 5 * naive_variance(guess) / 2,
        "covariance": 2 * (naive_covariance(joined[0]) + naive_covariance(joined[1])),
    }
    assert {name: float(loss.detach()) for name, loss in term(seen(batch, encoder)).items()} == pytest.approx(expected, rel=1e-4)


def test_a_hypernetwork_starts_near_the_identity_and_is_linear_in_z() -> None:
    predictor = HypernetworkPredictor(5, A)
    z, w, action = torch.randn(3, 5), torch.randn(3, 5), torch.randn(3, A)
    torch.testing.assert_close(predictor(z, torch.zeros(3, A)), z)
    still = predictor(torch.zeros(3, 5), action)
    torch.testing.assert_close(predictor(z + w, action) + still, predictor(z, action) + predictor(w, action), atol=1e-5, rtol=1e-4)


def test_byol_by_hand() -> None:
    batch, encoder = batch_of([0, 1, 2]), encoder_of()
    term = Bootstrap(encoder, F_WIDTH, 16, 6, momentum=0.5).eval()
    features = seen(batch, encoder).features.detach()
    with torch.no_grad():
        online = [term.predictor(term.projector(features[:, end])) for end in (0, 1)]
        target = [term.projector(features[:, end]) for end in (0, 1)]
        expected = sum(2 - 2 * F.cosine_similarity(online[end][k], target[1 - end][k], dim=0) for end in (0, 1) for k in range(3)) / 6
    assert float(term(seen(batch, encoder))["invariance"].detach()) == pytest.approx(float(expected), rel=1e-4)


def test_a_moving_average_moves_by_its_momentum_and_takes_no_gradient() -> None:
    network = nn.Linear(2, 2)
    before = network.weight.detach().clone()
    average = MovingAverage(network, 0.75)
    torch.testing.assert_close(average(torch.eye(2)), network(torch.eye(2)))
    with torch.no_grad():
        network.weight.add_(1.0)
    average.update(network)
    torch.testing.assert_close(average.average.module.weight, before + 0.25)
    assert not any(parameter.requires_grad for parameter in average.parameters())


def test_sequences_gather_an_items_pairs() -> None:
    assert sequences(torch.tensor([5, 2, 5, 2]), 2).tolist() == [[1, 3], [0, 2]]
    with pytest.raises(InputError, match="3 pairs are not 2 of each item"):
        sequences(torch.tensor([5, 2, 5]), 2)


def test_seq_jepa_predicts_the_fourth_view_from_three() -> None:
    batch, encoder = batch_of([7, 3, 7, 3], "rotation"), encoder_of()
    term = SequencePrediction(encoder, F_WIDTH, FACTORS, 16, 1, 2, momentum=0.9, pairs_per_item=2).eval()
    features = seen(batch, encoder).features.detach()
    losses = []
    with torch.no_grad():
        for rows in ([1, 3], [0, 2]):
            views = [(r, end) for r in rows for end in (0, 1)]
            z = torch.stack([features[r, end] for r, end in views])
            latents = torch.stack([(batch.source_latents, batch.target_latents)[end][r] for r, end in views])
            actions = FACTORS.relative(latents[:-1], latents[1:])
            actions[:, 4:] = 0
            encoded = term.of_action(actions)
            inside = torch.cat([encoded[:-1], torch.zeros(1, encoded.shape[1])])
            tokens = torch.cat([z[:-1], inside], dim=1)
            read = term.transformer(torch.cat([term.aggregate[None], tokens])[None])[0, :1]
            predicted = term.predictor(torch.cat([read, encoded[-1:]], dim=1))[0]
            losses.append(float(2 - 2 * F.cosine_similarity(predicted, z[-1], dim=0)))
    assert float(term(seen(batch, encoder))["prediction"].detach()) == pytest.approx(sum(losses) / 2, rel=1e-4)
    # Its embedding of a view is the aggregate of that view alone; what it predicts is a feature.
    with torch.no_grad():
        token = torch.cat([features[0, 0], torch.zeros(encoded.shape[1])])
        aggregate = term.transformer(torch.stack([term.aggregate, token])[None])[0, 0]
        torch.testing.assert_close(term.embed(features[:, 0])[0], aggregate)
    assert term.predicts_features


def test_supervision_by_hand() -> None:
    batch, encoder = batch_of([0, 1, 2]), encoder_of()
    term = ClassSupervision(F_WIDTH, 3)
    nn.init.zeros_(term.classifier.weight)
    nn.init.zeros_(term.classifier.bias)
    assert float(term(seen(batch, encoder))["class"].detach()) == pytest.approx(math.log(3))
    latent = LatentSupervision(F_WIDTH, FACTORS, 16).eval()
    features = seen(batch, encoder).features.detach()
    with torch.no_grad():
        error = [
            (latent.head(features[:, e]) - (batch.source_latents, batch.target_latents)[e])[:, block].square().mean()
            for e in (0, 1)
            for block in FACTORS.slices
        ]
    assert float(latent(seen(batch, encoder))["latents"].detach()) == pytest.approx(float(sum(error)) / 2, rel=1e-5)


def test_what_cannot_be_is_refused() -> None:
    def build(**given: object) -> list[Term]:
        settings = checked(TrainSettings(projection_dim=5, **given))  # type: ignore[arg-type]
        return METHODS.find(settings.method).terms(Parts(settings, encoder_of(), F_WIDTH, FACTORS))

    with pytest.raises(SettingsError, match="both must be even"):
        build(method="sie")
    with pytest.raises(SettingsError, match="vicreg_coefficients is"):
        build(method="vicreg", vicreg_coefficients=[1.0, 2.0])
    with pytest.raises(SettingsError, match="equivariance_weight is -1"):
        build(method="equimod", equivariance_weight=-1.0)
    with pytest.raises(SettingsError, match="ema_momentum is 1"):
        build(method="byol", ema_momentum=1.0)
    with pytest.raises(SettingsError, match="sequence_heads is 3: choose a divisor of 136"):
        build(method="seq-jepa", sequence_heads=3)


@pytest.mark.parametrize("method", ["byol", "seq-jepa"])
def test_who_follows_does_so_as_published_unless_told(method: str) -> None:
    """0.996 at the first step, 1 at the last, along a cosine."""

    def moved(progress: float, **given: float) -> float:
        encoder = encoder_of()
        settings = TrainSettings(projector_width=16, sequence_layers=1, sequence_heads=2, **given)  # type: ignore[arg-type]
        (term,) = METHODS.find(method).terms(Parts(settings, encoder, F_WIDTH, FACTORS))
        linear = encoder[1]  # type: ignore[index]
        assert isinstance(linear, nn.Linear)
        with torch.no_grad():
            linear.bias.add_(1.0)
        before = linear.bias - 1
        term.after_step(encoder, progress)
        after = next(value for name, value in term.named_parameters() if name.startswith("followed") and name.endswith("1.bias"))
        return float((after - before).mean().detach())

    assert moved(0.0) == pytest.approx(0.004, rel=1e-3)
    assert moved(0.5) == pytest.approx(0.002, rel=1e-2)
    assert moved(1.0) == pytest.approx(0.0, abs=1e-6)
    assert moved(0.0, ema_momentum=0.75) == pytest.approx(0.25, rel=1e-3)
