from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from contextssl.errors import SettingsError
from contextssl.factors import COLOR, ROTATION, Factor, FactorSpace, relative_quaternion

SPACE = FactorSpace((ROTATION, COLOR))
THREE = FactorSpace((Factor("crop", 4), Factor("blur", 1), Factor("hue", 2)))


def test_blocks_lie_side_by_side() -> None:
    assert SPACE.width == 6
    assert [THREE.slice(name) for name in THREE.names] == [slice(0, 4), slice(4, 5), slice(5, 7)] == list(THREE.slices)


@pytest.mark.parametrize(
    ("spec", "name", "active"),
    [
        ("rotation", "rotation", [1, 1, 1, 1, 0, 0]),
        ("color", "color", [0, 0, 0, 0, 1, 1]),
        ("color+rotation", "rotation+color", [1, 1, 1, 1, 1, 1]),
        ("both", "rotation+color", [1, 1, 1, 1, 1, 1]),
        ("none", "none", [0, 0, 0, 0, 0, 0]),
        (["color"], "color", [0, 0, 0, 0, 1, 1]),
    ],
)
def test_environment_keeps_its_factors(spec: str | list[str], name: str, active: list[int]) -> None:
    environment = SPACE.environment(spec)
    assert environment.name == name
    assert SPACE.mask(environment).int().tolist() == active


def test_unknown_names_tell_the_nearest() -> None:
    with pytest.raises(SettingsError, match="unknown environment 'rotatoin'.*did you mean 'rotation'"):
        SPACE.environment("rotatoin")
    with pytest.raises(SettingsError, match="unknown factor 'colour'.*did you mean 'color'"):
        SPACE.slice("colour")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Factor("a+b", 1), "without"),
        (lambda: Factor("none", 1), "cannot be called"),
        (lambda: Factor("size", 0), "width 0"),
        (lambda: Factor("pose", 3, "rotation"), "width 4, not 3"),
        (lambda: Factor("pose", 3, "sum"), "relation 'sum'"),  # type: ignore[arg-type]
        (lambda: Factor("pose", 2, components=("x",)), "1 component names"),
        (lambda: FactorSpace((COLOR, COLOR)), "named twice: color"),
    ],
)
@pytest.mark.usefixtures("unchecked_types")
def test_factors_that_cannot_be(make: object, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        make()  # type: ignore[operator]


@given(st.integers(0, 2**32 - 1))
def test_relative_rotation_is_scipys(seed: int) -> None:
    source, target = Rotation.random(5, rng=seed), Rotation.random(5, rng=seed + 1)
    ours = relative_quaternion(torch.tensor(source.as_quat()), torch.tensor(target.as_quat()))
    theirs = (source.inv() * target).as_quat()
    sign = np.sign((ours.numpy() * theirs).sum(1, keepdims=True))
    np.testing.assert_allclose(ours.numpy(), sign * theirs, atol=1e-12)


def test_equal_views_give_the_identity_action() -> None:
    latents = torch.cat([torch.tensor(Rotation.random(3, rng=0).as_quat()), torch.rand(3, 2, dtype=torch.float64)], dim=1)
    expected = torch.tensor([0.0, 0, 0, 1, 0, 0], dtype=torch.float64).expand(3, -1)
    torch.testing.assert_close(SPACE.relative(latents, latents), expected)


def test_differences_are_target_minus_source() -> None:
    source, target = torch.rand(4, 7), torch.rand(4, 7)
    torch.testing.assert_close(THREE.relative(source, target), target - source)


def test_plain_values_and_back() -> None:
    assert FactorSpace.from_dict(SPACE.to_dict()) == SPACE
