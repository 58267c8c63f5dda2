"""Labels that follow the context: bins, labels and their loss against slow loops and cases solved by hand."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation
from torch import Tensor

from contextssl.data.pairs import ViewPairs
from contextssl.errors import SettingsError
from contextssl.factors import COLOR, ROTATION, Factor, FactorSpace
from contextssl.models.label_space import LabelSpace, bin_edges, coarse_number, context_label_loss, factor_bins
from contextssl.models.linear_head import LinearHead
from tests.evaluation.tiny import FACTORS, tiny_model, views_of

GENDER = Factor("gender", 2, "category", ("female", "male"))


def rotations(count: int, seed: int = 0) -> Tensor:
    """All rotations with equal chances, of either sign."""
    drawn = torch.randn(count, 4, generator=torch.Generator().manual_seed(seed))
    return drawn / drawn.norm(dim=1, keepdim=True)


def latents(count: int, seed: int = 0) -> Tensor:
    return torch.cat([rotations(count, seed), torch.rand(count, 2, generator=torch.Generator().manual_seed(seed + 1))], dim=1)


# -- bins ---------------------------------------------------------------------------------------------------------------------------------


def test_a_rotations_number_is_an_entry_of_its_matrix() -> None:
    drawn = rotations(50)
    matrices = Rotation.from_quat(drawn.double().numpy()).as_matrix()
    np.testing.assert_allclose(coarse_number(drawn, ROTATION), matrices[:, 1, 0], atol=1e-6)


def test_its_sign_is_that_of_the_angle_about_z_for_the_poses_of_3diebench() -> None:
    euler = np.random.default_rng(0).uniform(-np.pi / 2, np.pi / 2, (500, 3))
    drawn = torch.from_numpy(Rotation.from_euler("xyz", euler).as_quat())
    number = coarse_number(drawn, ROTATION).numpy()
    np.testing.assert_allclose(number, np.sin(euler[:, 2]) * np.cos(euler[:, 1]), atol=1e-9)
    assert np.array_equal(number > 0, euler[:, 2] > 0)


@given(st.integers(0, 10_000), st.integers(2, 5))
def test_both_quaternions_of_a_rotation_share_a_bin(seed: int, bins: int) -> None:
    drawn = rotations(40, seed)
    edges = bin_edges(drawn, ROTATION, bins)
    # Bit for bit: even a rotation that lies at an edge is not torn apart.
    assert torch.equal(coarse_number(drawn, ROTATION), coarse_number(-drawn, ROTATION))
    assert torch.equal(factor_bins(drawn, ROTATION, edges), factor_bins(-drawn, ROTATION, edges))


def test_bins_by_hand() -> None:
    hues = torch.tensor([[0.1, 0.9], [0.3, 0.0], [0.5, 0.9], [0.7, 0.0]])  # the second number does not matter
    assert bin_edges(hues, COLOR) == pytest.approx((0.4,))
    assert bin_edges(hues, COLOR, 4) == pytest.approx((0.25, 0.4, 0.55))
    assert factor_bins(hues, COLOR, (0.25, 0.55)).tolist() == [0, 1, 1, 2]
    assert factor_bins(hues, COLOR, (0.5,)).tolist() == [0, 0, 1, 1], "a value at an edge belongs above it"
    assert factor_bins(hues, COLOR, (0.5,)).dtype == torch.int64
    # Turned by ±74° about z: the x axis points to +y, to -y, and not at all where nothing is turned.
    turned = torch.tensor([[0.0, 0.0, 0.6, 0.8], [0.0, 0.0, -0.6, 0.8], [0.0, 0.0, 0.0, 1.0]])
    assert coarse_number(turned, ROTATION).tolist() == pytest.approx([0.96, -0.96, 0.0])
    assert factor_bins(turned, ROTATION, (-0.5, 0.5)).tolist() == [2, 0, 1]


@given(st.integers(0, 10_000), st.integers(2, 6), st.sampled_from([ROTATION, COLOR]))
def test_bins_are_the_loop(seed: int, bins: int, factor: Factor) -> None:
    drawn = latents(60, seed)[:, FACTORS.slice(factor.name)]
    edges = bin_edges(drawn, factor, bins)
    numbers = coarse_number(drawn, factor).tolist()
    assert factor_bins(drawn, factor, edges).tolist() == [sum(1 for edge in edges if number >= edge) for number in numbers]


@pytest.mark.parametrize("bins", [2, 3, 5])
def test_bins_are_even_where_they_were_fitted_and_elsewhere(bins: int) -> None:
    train, val = latents(3000), latents(20_000, 7)
    space = LabelSpace.fit(train, FACTORS, 4, bins=bins)
    for factor in FACTORS.factors:
        block = FACTORS.slice(factor.name)
        fitted = factor_bins(train[:, block], factor, space.edges[factor.name]).bincount()
        assert fitted.tolist() == [3000 // bins] * bins
        other = factor_bins(val[:, block], factor, space.edges[factor.name]).bincount(minlength=bins) / len(val)
        assert (other - 1 / bins).abs().max() < 0.04


# -- labels -------------------------------------------------------------------------------------------------------------------------------


def naive_label(space: LabelSpace, view: Tensor, of_class: int, active: Tensor) -> int:
    on = [factor for factor in space.factors.factors if any(active[space.factors.slice(factor.name)].tolist())]
    if len(on) != 1 or on[0].name not in space.edges:
        return -1
    (factor,) = on
    block = view[space.factors.slice(factor.name)].tolist()
    number = 2 * (block[0] * block[1] + block[2] * block[3]) if factor.relation == "rotation" else block[0]
    return of_class * space.bins + sum(number > edge for edge in space.edges[factor.name])


@given(st.integers(0, 10_000), st.integers(2, 4), st.sampled_from([None, ("rotation",), ("color",)]))
def test_labels_are_the_loop(seed: int, bins: int, names: tuple[str, ...] | None) -> None:
    space = LabelSpace.fit(latents(41, 3), FACTORS, 5, bins=bins, names=names)
    views = latents(40, seed)
    generator = torch.Generator().manual_seed(seed)
    classes = torch.randint(5, (40,), generator=generator)
    masks = torch.stack([FACTORS.mask(name) for name in ("rotation", "color", "rotation+color", "none")])
    active = masks[torch.randint(4, (40,), generator=generator)]
    labels = space.labels(views, classes, active)
    assert labels.tolist() == [naive_label(space, *row) for row in zip(views, classes.tolist(), active, strict=True)]
    assert labels.dtype == torch.int64 and int(labels.max()) < space.count == 5 * bins


def test_labels_by_hand() -> None:
    space = LabelSpace(FACTORS, 3, {"rotation": (0.0,), "color": (0.5,)})
    assert (space.bins, space.count, space.names) == (2, 6, ("rotation", "color"))
    left, right, dark, light = [0.0, 0.0, 0.6, 0.8], [0.0, 0.0, -0.6, 0.8], [0.1, 0.0], [0.9, 0.0]
    views = torch.tensor([left + dark, right + light, left + light, right + dark])
    classes = torch.tensor([0, 1, 2, 2])

    def under(environment: str) -> list[int]:
        return space.labels(views, classes, FACTORS.mask(environment).expand(4, 6)).tolist()

    # The same views, the same indices, other questions: where the bins differ, only the environment tells the label.
    assert under("rotation") == [1, 2, 5, 4]
    assert under("color") == [0, 3, 5, 4]
    assert under("rotation+color") == under("none") == [-1] * 4
    mixed = torch.stack([FACTORS.mask(name) for name in ("color", "rotation", "none", "all")])
    assert space.labels(views, classes, mixed).tolist() == [0, 2, -1, -1]


def test_a_factor_that_has_no_bins_gives_no_label() -> None:
    space = LabelSpace.fit(latents(50), FACTORS, 3, names=("color",))
    assert space.names == ("color",)
    for environment in ("rotation", "rotation+color", "none"):
        assert (space.labels(latents(9), torch.zeros(9, dtype=torch.long), FACTORS.mask(environment).expand(9, 6)) == -1).all()


def test_a_label_space_survives_a_file() -> None:
    train = latents(101)
    space = LabelSpace.fit(train, FACTORS, 4, bins=3)
    again = LabelSpace.from_dict(json.loads(json.dumps(space.to_dict())))
    assert again == space
    active = FACTORS.mask("color").expand(101, 6)
    classes = torch.arange(101) % 4
    assert torch.equal(again.labels(train, classes, active), space.labels(train, classes, active))


def test_what_cannot_be_labelled_says_why() -> None:
    drawn = latents(20)
    with pytest.raises(SettingsError, match="'gender' is a category"):
        LabelSpace.fit(torch.eye(2), FactorSpace((GENDER,)), 2)
    with pytest.raises(SettingsError, match="did you mean 'rotation'"):
        LabelSpace.fit(drawn, FACTORS, 2, names=("rotatio",))
    with pytest.raises(SettingsError, match="bins is 1"):
        LabelSpace.fit(drawn, FACTORS, 2, bins=1)
    with pytest.raises(SettingsError, match="'color' takes too few values for 2 bins"):
        LabelSpace.fit(torch.cat([drawn[:, :4], torch.ones(20, 2)], dim=1), FACTORS, 2)
    with pytest.raises(SettingsError, match="rotation 2, color 3"):
        LabelSpace(FACTORS, 2, {"rotation": (0.0,), "color": (0.3, 0.6)})
    with pytest.raises(SettingsError, match="name at least one"):
        LabelSpace(FACTORS, 2, {})
    with pytest.raises(SettingsError, match="classes is 0"):
        LabelSpace.fit(drawn, FACTORS, 0)


# -- the loss -----------------------------------------------------------------------------------------------------------------------------


def naive_loss(logits: Tensor, labels: Tensor) -> float:
    total, count = 0.0, 0
    for row, label in zip(logits.tolist(), labels.tolist(), strict=True):
        for token in row if isinstance(row[0], list) else [row]:
            if label != -1:
                total += -math.log(math.exp(token[label]) / sum(math.exp(logit) for logit in token))
                count += 1
    return total / count if count else 0.0


@given(st.integers(0, 10_000), st.integers(1, 6), st.booleans())
def test_the_loss_is_the_loop(seed: int, n: int, pairs: bool) -> None:
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn((n, 2, 5) if pairs else (n, 5), generator=generator)
    labels = torch.randint(-1, 5, (n,), generator=generator)
    assert float(context_label_loss(logits, labels)) == pytest.approx(naive_loss(logits, labels), rel=1e-4, abs=1e-7)


def test_the_loss_by_hand() -> None:
    # The first pair's tokens give its label probabilities ½ and ¾; the second has no label.
    logits = torch.tensor([[[0.0, 0.0], [0.0, math.log(3)]], [[9.0, 0.0], [-9.0, 7.0]]])
    labels = torch.tensor([1, -1])
    assert float(context_label_loss(logits, labels)) == pytest.approx((math.log(2) + math.log(4 / 3)) / 2)
    assert float(context_label_loss(logits[:, 1], labels)) == pytest.approx(math.log(4 / 3))


def test_nothing_labelled_costs_nothing() -> None:
    logits = torch.randn(3, 2, 4, requires_grad=True)
    loss = context_label_loss(logits, torch.full((3,), -1))
    loss.backward()
    assert float(loss.detach()) == 0 and logits.grad is not None and not logits.grad.any()


def test_what_has_no_label_has_no_gradient() -> None:
    logits = torch.randn(3, 2, 4, requires_grad=True)
    context_label_loss(logits, torch.tensor([2, -1, 0])).backward()
    assert logits.grad is not None and not logits.grad[1].any() and logits.grad[[0, 2]].abs().sum(-1).min() > 0


def test_it_reaches_the_encoder_through_the_predictor() -> None:
    """As training would use it: targets' labels on both tokens of a pair, the environment from the pair's active numbers."""
    pairs = ViewPairs(views_of(8, 4, "train"))
    batch = pairs.draw(torch.arange(8), torch.Generator().manual_seed(0))
    masks = torch.stack([FACTORS.mask("rotation"), FACTORS.mask("color")])
    batch = replace(batch, active=masks.repeat_interleave(4, dim=0))
    model, space = tiny_model().train(), LabelSpace.fit(batch.source_latents, FACTORS, 3)
    labels = space.labels(batch.target_latents, batch.labels, batch.active)
    rows = zip(batch.target_latents, batch.labels.tolist(), batch.active, strict=True)
    assert labels.tolist() == [naive_label(space, *row) for row in rows]
    head = LinearHead(model.projection_dim, space.count)
    z = model(batch.source, batch.target, batch.active_action, torch.Generator().manual_seed(0))
    logits = head(F.normalize(z, dim=-1))
    assert logits.shape == (8, 2, 6)
    loss = context_label_loss(logits, labels)
    assert float(loss.detach()) == pytest.approx(naive_loss(logits, labels), rel=1e-4)
    loss.backward()
    for name, parameter in (*model.encoder.named_parameters(), *model.predictor.named_parameters()):
        assert parameter.grad is not None and bool(parameter.grad.any()), name
