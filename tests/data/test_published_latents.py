"""Latent files of 3DIEBench, 3DIEBench-T and 3DIEBench-OOD: what their numbers mean, and which are refused."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from contextssl.data.published_latents import (
    FACTORS,
    RAW_RANGES,
    THREE_FACTORS,
    TRANSLATED_FACTORS,
    TRANSLATED_RANGES,
    absolute_latents,
    factors_named,
    read_latent,
    unseen_rotations,
    width_of,
)
from contextssl.errors import DataError, SettingsError

LOW, HIGH = np.array(TRANSLATED_RANGES).T


def drawn(seed: int, views: int = 5) -> np.ndarray:
    return np.random.default_rng(seed).uniform(LOW, HIGH, (views, 10))


def test_offsets_stand_as_they_are_after_the_six_numbers_of_3diebench() -> None:
    raw = drawn(0)
    found = absolute_latents(raw)
    assert found.shape == (5, 9) and found.dtype == np.float32
    np.testing.assert_array_equal(found[:, :6], absolute_latents(raw[:, :7]))
    np.testing.assert_array_equal(found[:, 6:], raw[:, 7:].astype(np.float32))


def test_the_action_of_a_translation_is_the_difference_of_the_three_numbers() -> None:
    """As EquiCaps' code has it, whatever the poses are."""
    raw = drawn(1, 2)
    source, target = torch.from_numpy(absolute_latents(raw))
    action = TRANSLATED_FACTORS.relative(source, target)
    np.testing.assert_allclose(action[TRANSLATED_FACTORS.slice("translation")].numpy(), raw[1, 7:] - raw[0, 7:], atol=1e-6)
    np.testing.assert_allclose(action[:6].numpy(), FACTORS.relative(source[:6], target[:6]).numpy())


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 10**6))
def test_unseen_poses_are_a_quarter_turn_farther_and_nothing_else_changes(seed: int) -> None:
    raw = drawn(seed)
    moved = unseen_rotations(raw)
    turned = np.abs(moved[:, :3])
    assert ((turned >= np.pi / 2) & (turned <= np.pi)).all()
    np.testing.assert_array_equal(moved[:, 3:], raw[:, 3:])
    np.testing.assert_array_equal(np.sign(moved[:, :3]), np.sign(raw[:, :3]))
    np.testing.assert_allclose(turned - np.abs(raw[:, :3]), np.pi / 2)


@pytest.mark.parametrize(
    ("made", "names", "wanted"),
    [
        (FACTORS, None, "rotation color"),
        (FACTORS, ["rotation", "floor", "light"], "rotation floor light"),
        (TRANSLATED_FACTORS, None, "rotation color translation"),
        (TRANSLATED_FACTORS, ["rotation", "floor", "light", "translation"], "rotation floor light translation"),
    ],
)
def test_the_numbers_are_divided_in_two_ways(made: object, names: list[str] | None, wanted: str) -> None:
    assert factors_named(names, made).names == tuple(wanted.split())  # type: ignore[arg-type]


def test_other_divisions_are_refused_by_name() -> None:
    assert factors_named(list(THREE_FACTORS.names)) == THREE_FACTORS
    with pytest.raises(SettingsError, match=re.escape("[rotation,color,translation] or [rotation,floor,light,translation]")):
        factors_named(["rotation", "color"], TRANSLATED_FACTORS)


@pytest.mark.parametrize("width", [7, 10])
@pytest.mark.parametrize("kind", [np.float64, np.float32])
def test_both_widths_are_read(tmp_path: Path, width: int, kind: type[np.floating]) -> None:
    raw = drawn(3, 1)[0, :width].astype(kind)
    np.save(tmp_path / "latent_0.npy", raw)
    found = read_latent(tmp_path / "latent_0.npy")
    assert found.dtype == np.float64
    np.testing.assert_array_equal(found, raw.astype(np.float64))
    assert width_of(tmp_path / "latent_0.npy") == width
    with pytest.raises(DataError, match=rf"holds {width} numbers and the first object's {17 - width}"):
        read_latent(tmp_path / "latent_0.npy", width=17 - width)


def test_angles_of_ood_are_taken_together_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "latent_0.npy"
    low, high = np.array(RAW_RANGES).T
    raw = unseen_rotations(np.random.default_rng(0).uniform(low, high, (1, 7)))[0]
    np.save(path, raw)
    np.testing.assert_array_equal(read_latent(path), raw)
    # One angle of an ordinary pose that is out of range is no pose of OOD, and neither is one of a turn and more.
    for angles in ([2.0, 0.1, 0.1], [2.0, 2.0, 0.1], [2.0, 2.0, 3.3]):
        np.save(path, np.array([*angles, *raw[3:]]))
        with pytest.raises(DataError, match=r"euler . is .*, outside its range -1\.571 to 1\.571"):
            read_latent(path)


def test_an_offset_beyond_its_range_is_named(tmp_path: Path) -> None:
    raw = drawn(4, 1)[0]
    raw[8] = 0.51
    np.save(tmp_path / "latent_0.npy", raw)
    with pytest.raises(DataError, match=r"translation y is 0\.51, outside its range -0\.5 to 0\.5"):
        read_latent(tmp_path / "latent_0.npy")
    np.save(tmp_path / "latent_0.npy", np.zeros(9))
    with pytest.raises(DataError, match=r"shape \(9,\) of float64, not \(7,\)"):
        read_latent(tmp_path / "latent_0.npy")
    assert width_of(tmp_path / "latent_0.npy") == width_of(tmp_path / "nowhere.npy") == 7
