"""Variance shares and factor sensitivity: against cases solved by hand and slow loops."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation
from torch import Tensor

from contextssl.data.pack import pack
from contextssl.data.published_latents import THREE_FACTORS
from contextssl.data.shapes.rendered_items import ShapesSource, shapes_renderer
from contextssl.data.store import open_store
from contextssl.evaluation.contexts import ContextPoint, Contexts
from contextssl.evaluation.embeddings import Embedder
from contextssl.evaluation.sensitivity import Variations, render_variations, sensitivity
from contextssl.evaluation.single_views import SingleViews
from contextssl.evaluation.variance_share import basis, geometry_rows, item_folds, variance_share
from contextssl.evaluation.view_sets import ViewSet
from contextssl.factors import COLOR, ROTATION, Factor
from tests.evaluation.tiny import tiny_model, views_of


def hues(count: int = 2000, seed: int = 0) -> Tensor:
    return torch.rand(count, 2, generator=torch.Generator().manual_seed(seed))


def test_share_by_hand() -> None:
    """Variance 3 : 1 between a direction that the factor moves along and one that it knows nothing of."""
    values = hues()
    z = torch.zeros(2000, 5)
    z[:, 1] = 3**0.5 * (values[:, 0] - 0.5) * 12**0.5
    z[:, 3] = torch.randn(2000, generator=torch.Generator().manual_seed(1))
    folds = torch.arange(2000) % 5
    design = basis(values, COLOR)
    assert variance_share(z, design, folds) == pytest.approx(0.75, abs=0.02)
    assert variance_share(z[:, 1:2], design, folds) == pytest.approx(1, abs=1e-6)
    assert variance_share(z + 100, design, folds) == pytest.approx(variance_share(z, design, folds), abs=1e-4)
    assert variance_share(torch.ones(2000, 3), design, folds) != variance_share(torch.ones(2000, 3), design, folds)  # NaN


def test_share_of_an_unrelated_factor_is_zero_however_many_terms() -> None:
    generator = torch.Generator().manual_seed(0)
    shares = [
        variance_share(
            torch.randn(300, 30, generator=generator), basis(torch.rand(300, 2, generator=generator), COLOR), torch.arange(300) % 5
        )
        for _ in range(20)
    ]
    assert -0.08 < float(np.mean(shares)) < 0 and max(shares) < 0.01  # 14 terms, 300 views: a fit in sample would claim 0.05


def test_share_is_a_slow_loop_over_folds() -> None:
    generator = torch.Generator().manual_seed(0)
    values, z = torch.rand(60, 2, generator=generator), torch.randn(60, 3, generator=generator)
    z = z + values @ torch.randn(2, 3, generator=generator)
    folds = torch.arange(60) % 3
    design = basis(values, COLOR).numpy()
    residual = 0.0
    for fold in range(3):
        rest = (folds != fold).numpy()
        weight = np.linalg.lstsq(design[rest], z.numpy()[rest], rcond=None)[0]
        residual += float(np.square(z.numpy()[~rest] - design[~rest] @ weight).sum())
    total = float((z - z.mean(0)).square().sum())
    assert variance_share(z, torch.from_numpy(design), folds) == pytest.approx(1 - residual / total, abs=1e-4)


def test_bases() -> None:
    turn = torch.from_numpy(Rotation.random(500, random_state=0).as_quat())
    design = basis(turn, ROTATION)
    assert design.shape == (500, 14)
    assert int(torch.linalg.matrix_rank(design)) == 14
    matrix = torch.from_numpy(Rotation.from_quat(turn.numpy()).as_matrix()).flatten(1)
    # The rotation matrix is a quadratic function of the quaternion, whatever its sign.
    assert (
        variance_share(matrix, basis(turn * torch.where(torch.rand(500) < 0.5, -1.0, 1.0)[:, None], ROTATION), torch.arange(500) % 5)
        > 0.999
    )
    assert basis(torch.rand(9, 2), COLOR).shape == (9, 15)
    assert basis(torch.rand(9, 4), Factor("crop", 4)).shape == (9, 35)
    assert basis(torch.rand(9, 7), Factor("many", 7)).shape == (9, 36)
    constant = torch.cat([torch.rand(300, 1), torch.ones(300, 1)], dim=1)
    assert variance_share(constant[:, :1], basis(constant, COLOR), torch.arange(300) % 5) == pytest.approx(1, abs=1e-3)


def test_folds_keep_items_together() -> None:
    folds = item_folds(ViewSet.choose(views_of(7, 3), "val", 0, 0, 0))
    assert folds.tolist() == [i % 5 for i in range(7) for _ in range(3)]
    assert len(item_folds(ViewSet.choose(views_of(1, 6), "val", 0, 0, 0)).unique()) == 5


def test_sensitivity_is_a_slow_loop_and_zero_where_nothing_moves() -> None:
    model = tiny_model()
    generator = torch.Generator().manual_seed(0)
    original = torch.randint(256, (12, 3, 8, 8), generator=generator, dtype=torch.uint8)
    other = torch.randint(256, (12, 3, 8, 8), generator=generator, dtype=torch.uint8)
    items = torch.arange(4).repeat_interleave(3)
    variations = Variations(original, items, {"rotation": other, "color": original})
    embedder = Embedder(model, Contexts([]), {})
    point = ContextPoint(None, 0, 0)
    found = sensitivity(embedder, variations, point)
    z, moved = (torch.nn.functional.normalize(model.embed(images), dim=-1) for images in (original, other))
    apart = [float((z[i] - z[j]).square().sum()) for i in range(12) for j in range(12) if items[i] != items[j]]
    expected = float((z - moved).square().sum(1).mean()) / (sum(apart) / len(apart))
    assert found["rotation"] == pytest.approx(expected, rel=1e-4)
    assert found["color"] == pytest.approx(0, abs=1e-9)


def test_rendered_variations_change_one_factor(tmp_path: Path) -> None:
    pytest.importorskip("embreex")
    source = ShapesSource(classes=2, objects_per_class=1, val_objects_per_class=2, num_views=3)
    store = open_store(pack(source, tmp_path / "store", 12, workers=0, progress=False))
    views = ViewSet.choose(store["val"], "val", 0, 0, 0)
    found, note = render_variations(views, store.manifest["source"], max_items=3, per_item=2, seed=0)
    assert note is None and found is not None
    assert len(found) == 6 and found.items.tolist() == [0, 0, 2, 2, 3, 3]
    assert set(found.changed) == {"rotation", "color"}
    stored = store["val"].gather_views(found.items, torch.tensor([0, 1] * 3))
    torch.testing.assert_close(found.original, stored)
    for images in found.changed.values():
        assert images.shape == found.original.shape
        assert all(not torch.equal(a, b) for a, b in zip(images, found.original, strict=True))
    # Of a view whose colours alone are drawn anew the outline stays: rendered again with the old hues it is the same.
    renderer = shapes_renderer(store.manifest["source"])
    raw = store["val"].raw_latents
    assert raw is not None
    np.testing.assert_array_equal(renderer.render("val", 2, raw[2], 12), store["val"].images[2])
    again, _ = render_variations(views, store.manifest["source"], max_items=3, per_item=2, seed=0)
    assert again is not None and torch.equal(again.changed["rotation"], found.changed["rotation"])
    # Each hue by itself: the floor's changes other pixels than the light's.
    divided = ViewSet.choose(replace(store["val"], factors=THREE_FACTORS), "val", 0, 0, 0)
    parts, _ = render_variations(divided, store.manifest["source"], max_items=3, per_item=2, seed=0)
    assert parts is not None and set(parts.changed) == {"rotation", "floor", "light"}
    assert not torch.equal(parts.changed["floor"], parts.changed["light"])


def test_each_factor_of_a_grid_is_rendered_anew(tmp_path: Path) -> None:
    pytest.importorskip("embreex")
    grid = {"rotation": 2, "floor": 2, "translation": 2, "scale": 2, "azimuth": 2}
    source = ShapesSource(classes=2, objects_per_class=1, val_objects_per_class=1, grid=grid)
    store = open_store(pack(source, tmp_path / "store", 24, workers=0, progress=False))
    views = ViewSet.choose(store["val"], "val", 0, 0, 0)
    found, note = render_variations(views, store.manifest["source"], max_items=2, per_item=2, seed=0)
    assert note is None and found is not None and set(found.changed) == set(grid)
    torch.testing.assert_close(found.original, store["val"].gather_views(found.items, torch.tensor([0, 1] * 2)))
    for images in found.changed.values():
        assert not torch.equal(images, found.original)


def test_no_renderer_is_said() -> None:
    views = ViewSet.choose(views_of(3, 2), "val", 0, 0, 0)
    for source in (None, {"kind": "toy"}):
        found, note = render_variations(views, source, max_items=2, per_item=1, seed=0)
        assert found is None and note is not None and "not rendered shapes" in note
    one = ViewSet.choose(views_of(1, 2), "val", 0, 0, 0)
    assert "another object" in str(render_variations(one, {"kind": "shapes"}, max_items=2, per_item=1, seed=0)[1])


def test_too_few_views_for_a_share_are_said() -> None:
    train, test = (ViewSet.choose(views_of(4, 3, split), split, 0, 0, 0) for split in ("train", "val"))
    views = SingleViews(Embedder(tiny_model(), Contexts([]), {}), train, test, torch.arange(len(test)))
    with pytest.warns(UserWarning) as caught:
        rows = list(geometry_rows(views, [ContextPoint(None, 0, 0)], shares=[0.0], k=3))
    for name, warning in zip(("rotation", "color", "class"), caught, strict=True):
        assert f"share of {name} is left out: 12 val views" in str(warning.message)
    assert not [row for row in rows if row.metric == "variance_share"]
    assert {row.head for row in rows if row.metric == "r2"} == {"knn"}
