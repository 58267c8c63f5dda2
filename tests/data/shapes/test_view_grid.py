"""Views on a grid of factor values: which views share which values, and that nothing else does."""

from __future__ import annotations

import itertools
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contextssl.data.published_latents import FACTORS, absolute_latents
from contextssl.data.shapes import ShapesSource, render_views
from contextssl.data.shapes.view_grid import FACTORS_OF_SHAPES, RANGES_OF_SHAPES, RAW_COLUMNS, ViewGrid, split_moves
from contextssl.errors import SettingsError

NAMES = [factor.name for factor in FACTORS_OF_SHAPES]


def seed(number: int = 0) -> np.random.SeedSequence:
    return np.random.SeedSequence(number)


def small(**settings: object) -> ShapesSource:
    return ShapesSource(**{"classes": 2, "objects_per_class": 2, "val_objects_per_class": 1, **settings})  # type: ignore[arg-type]


@st.composite
def grids(draw: st.DrawFn) -> dict[str, int]:
    """Factors in any order, each with two to four values."""
    names = draw(st.lists(st.sampled_from(NAMES), min_size=1, max_size=3, unique=True))
    if "color" in names:
        names = [name for name in names if name not in ("floor", "light")]
    return {name: draw(st.integers(2, 4)) for name in names}


@given(grids(), st.integers(0, 100))
def test_every_combination_is_one_view_in_row_major_order(counts: dict[str, int], number: int) -> None:
    grid = ViewGrid(counts)
    names = [name for name in NAMES if name in counts]
    assert grid.factors.names == tuple(names)
    raw = grid.raw_latents(seed(number))
    latents = grid.latents(raw)
    assert latents.shape == (grid.num_views, grid.factors.width) and latents.dtype == np.float32
    # Slow and obvious: a loop over the combinations, the last factor's value the first to change.
    combinations = list(itertools.product(*(range(counts[name]) for name in names)))
    assert len(combinations) == grid.num_views == len(raw)
    for axis, name in enumerate(names):
        block = latents[:, grid.factors.slice(name)]
        for (one, here), (other, there) in itertools.combinations(enumerate(combinations), 2):
            same = block[one].tobytes() == block[other].tobytes()
            assert same == (here[axis] == there[axis]), f"{name} of views {one} and {other}"


@given(grids())
def test_what_is_not_named_is_drawn_anew_for_each_view(counts: dict[str, int]) -> None:
    grid = ViewGrid(counts)
    raw = grid.raw_latents(seed())
    named = {column for name in counts for column in RAW_COLUMNS[name]}
    for column in set(range(7)) - named:
        assert len(np.unique(raw[:, column])) == grid.num_views
    assert grid.raw_width == raw.shape[1] == (11 if {"translation", "scale"} & set(counts) else 7)
    for column in set(range(7, grid.raw_width)) - named:
        assert not raw[:, column].any(), "it does not move"
    low, high = np.array(RANGES_OF_SHAPES[: grid.raw_width]).T
    inside = (raw >= low) & (raw <= high)
    assert inside[:, sorted(named | set(range(7)))].all()


def test_a_factors_values_depend_on_its_name_alone() -> None:
    few, many = ViewGrid({"rotation": 3, "color": 2}), ViewGrid({"color": 4, "rotation": 5})
    first, more = few.raw_latents(seed()), many.raw_latents(seed())
    np.testing.assert_array_equal(first[::2, :3], more[::4, :3][:3])
    np.testing.assert_array_equal(first[:2, [3, 6]], more[:2, [3, 6]])
    alone = ViewGrid({"rotation": 3}).raw_latents(seed())
    np.testing.assert_array_equal(alone[:, :3], first[::2, :3])
    assert (ViewGrid({"rotation": 3}).raw_latents(seed(1))[:, :3] != alone[:, :3]).all()


def test_values_are_uniform_and_factors_independent() -> None:
    grid = ViewGrid({"rotation": 2, "color": 2, "translation": 2, "scale": 2, "azimuth": 2})
    raw = np.stack([grid.raw_latents(seed(number)) for number in range(1000)])
    low, high = np.array(RANGES_OF_SHAPES).T
    np.testing.assert_allclose((raw.mean(axis=(0, 1)) - low) / (high - low), 0.5, atol=0.04)
    np.testing.assert_allclose(raw.std(axis=(0, 1)), (high - low) / np.sqrt(12), rtol=0.05)
    between = np.corrcoef(raw[:, 0].T)
    assert np.abs(between - np.eye(11)).max() < 0.12
    assert abs(np.corrcoef(raw[:, 0, 0], raw[:, -1, 0])[0, 1]) < 0.12, "two poses of an item"


def test_rotation_and_color_are_the_published_six_numbers() -> None:
    grid = ViewGrid({"color": 3, "rotation": 3})
    assert grid.factors == FACTORS and grid.raw_width == 7
    raw = grid.raw_latents(seed())
    np.testing.assert_allclose(grid.latents(raw), absolute_latents(raw), atol=1e-6)


def test_latents_of_any_leading_shape() -> None:
    grid = ViewGrid({"rotation": 2, "floor": 3})
    raw = grid.raw_latents(seed())
    several = np.stack([raw, grid.raw_latents(seed(1))])
    assert grid.latents(several).shape == (2, 6, 5)
    np.testing.assert_array_equal(grid.latents(several)[0], grid.latents(raw))
    np.testing.assert_array_equal(grid.latents(raw[3]), grid.latents(raw)[3])


def test_what_the_new_factors_numbers_mean() -> None:
    grid = ViewGrid({"azimuth": 3, "scale": 2, "translation": 2})
    assert grid.factors.names == ("translation", "scale", "azimuth") and grid.factors.width == 6
    assert dict(grid.counts) == {"translation": 2, "scale": 2, "azimuth": 3}
    raw = grid.raw_latents(seed())
    latents = grid.latents(raw)
    published, offsets, sizes = split_moves(raw)
    assert offsets is not None and sizes is not None
    np.testing.assert_array_equal(published, raw[:, :7])
    np.testing.assert_allclose(latents[:, :3], offsets, rtol=1e-6)
    np.testing.assert_allclose(np.exp(latents[:, 3]), sizes, rtol=1e-6)
    assert 0.55 <= sizes.min() < sizes.max() <= 1.1
    np.testing.assert_allclose(latents[:, 4], np.cos(raw[:, 5]), atol=1e-6)
    np.testing.assert_allclose(latents[:, 5], np.sin(raw[:, 5]), atol=1e-6)
    assert split_moves(raw[:, :7])[1:] == (None, None)


def test_a_source_renders_moved_and_resized_objects() -> None:
    source = small(grid={"translation": 2, "scale": 2, "azimuth": 2})
    images, raw = source.read("val", 0, 32)
    assert raw.shape == (8, 11)
    expected = render_views(source.mesh("val", 0), raw[:, :7], 32, offsets=raw[:, 7:10], sizes=np.exp(raw[:, 10]))
    np.testing.assert_array_equal(images, expected)
    assert (source.render("val", 0, raw[:, :7], 32) != images).any(axis=(1, 2, 3)).all()


@pytest.mark.parametrize(
    ("counts", "message"),
    [
        ({}, "names no factor"),
        ({"rotatoin": 3}, "unknown factor 'rotatoin': did you mean 'rotation'"),
        ({"rotation": 1}, "gives rotation 1 values: it must be at least 2"),
        ({"color": 3, "light": 2}, "names color and light: color is both hues"),
        ({"color": 3, "light": 2, "floor": 2}, "names color and floor and light"),
    ],
)
def test_what_is_no_grid_is_refused(counts: dict[str, int], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        ViewGrid(counts)
    with pytest.raises(SettingsError, match=message):
        small(grid=counts)


def test_a_source_renders_its_grid() -> None:
    source = small(grid={"color": 2, "rotation": 3})
    assert (source.num_views, source.raw_width, source.grid) == (6, 7, {"rotation": 3, "color": 2})
    images, raw = source.read("train", 1, 24)
    latents = source.latents(raw)
    assert images.shape == (6, 24, 24, 3) and latents.shape == (6, 6)
    np.testing.assert_array_equal(source.render("train", 1, raw, 24), images)
    # Each item has values of its own, whatever others there are, and in any process.
    assert not np.isin(source.raw_latents("train", 0), raw).any()
    again = pickle.loads(pickle.dumps(small(grid={"rotation": 3, "color": 2}, objects_per_class=5)))
    np.testing.assert_array_equal(again.read("train", 1, 24)[0], images)


def test_the_description_holds_the_grid_and_without_one_is_what_it_was() -> None:
    kept = [
        "kind",
        "version",
        "seed",
        "classes",
        "objects_per_class",
        "val_objects_per_class",
        "num_views",
        "supersample",
        "meshes",
        "files",
    ]
    assert list(small(num_views=6).description) == kept
    source = small(grid={"color": 2, "rotation": 3})
    assert source.description == {**small(num_views=6).description, "grid": {"rotation": 3, "color": 2}}
    assert small(grid={"color": 3, "rotation": 2}).description != source.description


def test_views_and_a_grid_contradict_each_other() -> None:
    with pytest.raises(SettingsError, match="num_views is 4, but the grid has 6: give one of the two"):
        small(grid={"rotation": 3, "color": 2}, num_views=4)
    assert small(grid={"rotation": 3, "color": 2}, num_views=6).num_views == 6


@pytest.mark.parametrize(("rows", "columns", "views"), [(25, 25, 50), (4, 4, 8), (4, 4, 16), (10, 5, 20), (3, 6, 12)])
def test_some_views_of_a_grid_hold_every_value_equally_often(rows: int, columns: int, views: int) -> None:
    some = ViewGrid({"rotation": rows, "color": columns}, views)
    raw = some.raw_latents(np.random.SeedSequence(3))
    assert len(raw) == some.num_views == views
    poses, of_pose = np.unique(raw[:, :3], axis=0, return_counts=True)
    colours, of_colour = np.unique(raw[:, [3, 6]], axis=0, return_counts=True)
    assert len(poses) == rows and len(colours) == columns
    assert set(of_pose) == {views // rows} and set(of_colour) == {views // columns}
    assert len(np.unique(raw[:, [0, 1, 2, 3, 6]], axis=0)) == views
    # The values are those of the whole grid.
    whole = ViewGrid({"rotation": rows, "color": columns}).raw_latents(np.random.SeedSequence(3))
    assert {tuple(row) for row in raw[:, [0, 1, 2, 3, 6]]} <= {tuple(row) for row in whole[:, [0, 1, 2, 3, 6]]}


@pytest.mark.parametrize(
    ("counts", "views", "message"),
    [
        ({"rotation": 25, "color": 25}, 60, "must be a multiple of 25 from 50 to 625"),
        ({"rotation": 25, "color": 25}, 25, "must be a multiple of 25 from 50 to 625"),
        ({"rotation": 4, "color": 8}, 24, None),
        ({"rotation": 4, "color": 8}, 20, "must be a multiple of 8 from 16 to 32"),
        ({"rotation": 4, "color": 6}, 12, "needs as many values of rotation as of color, or a multiple"),
        ({"rotation": 4, "floor": 4, "light": 4}, 16, "for a grid of two factors, not of rotation, floor, light"),
    ],
)
def test_numbers_of_views_that_no_diagonals_have(counts: dict[str, int], views: int, message: str | None) -> None:
    if message is None:
        assert ViewGrid(counts, views).num_views == views
    else:
        with pytest.raises(SettingsError, match=message):
            ViewGrid(counts, views)
