"""Rows as items with fixed views, and pairs of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from contextssl.data.tables.open_table import OpenTable
from contextssl.data.tables.rows import BLOCK, RowViews
from contextssl.errors import DataError, SettingsError
from tests.people import opened_people, people


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> OpenTable:
    return opened_people(tmp_path_factory.mktemp("people") / "people.csv", exact_chance=0.2)


def test_the_first_view_is_the_row(opened: OpenTable) -> None:
    views = opened.pairs["val"].views
    items = torch.arange(views.num_items)
    assert torch.equal(views.gather_views(items, torch.zeros_like(items)), views.rows) and views.plain_view == 0
    one = views.gather_views(items, torch.full_like(items, 3))
    assert not torch.equal(one, views.rows)
    back = items.flip(0)
    assert torch.equal(views.gather_views(back, torch.full_like(items, 3)), one.flip(0))
    assert torch.equal(views.gather_latents(items, torch.full_like(items, 3)), views.corruption.latents(one))


def test_views_do_not_depend_on_what_was_asked_before(tmp_path: Path) -> None:
    views = opened_people(tmp_path / "p.csv").pairs["train"].views
    again = RowViews(views.rows.repeat(8, 1), views.targets, views.corruption, views.num_views, views.seed)
    items = torch.tensor([BLOCK + 5, 7, 2 * BLOCK - 1])
    first = again.gather_views(items, torch.tensor([1, 2, 3]))
    fresh = RowViews(views.rows.repeat(8, 1), views.targets, views.corruption, views.num_views, views.seed)
    assert torch.equal(fresh.gather_views(items.flip(0), torch.tensor([3, 2, 1])).flip(0), first)


def test_pairs_tell_how_the_factor_differs(opened: OpenTable) -> None:
    pairs = opened.pairs["train"]
    batch = pairs.draw(torch.arange(200), torch.Generator().manual_seed(0))
    (factor,) = pairs.views.row_factors
    source, target = factor.of(batch.source), factor.of(batch.target)
    assert torch.equal(batch.action.abs().sum(1) == 0, source == target)
    assert torch.equal(batch.action.argmax(1)[source != target], target[source != target])
    assert batch.exact is not None and 0 < int(batch.exact.sum()) < 200
    assert torch.equal(pairs.complete(batch).source, batch.source)
    words = pairs.captions(batch, 0)
    assert all("sex" in word and "age" in word for word in words)
    again = pairs.draw(torch.arange(200), torch.Generator().manual_seed(0))
    assert torch.equal(again.source, batch.source) and torch.equal(again.target, batch.target)
    share = pairs.draw(torch.arange(200), torch.Generator().manual_seed(0), slice(150, 170))
    for name in ("source", "target", "action", "items", "labels", "exact"):
        assert torch.equal(getattr(share, name), getattr(batch, name)[150:170]), f"{name}: the same in any share"


def test_a_pair_of_a_file_is_the_same_in_any_share(tmp_path: Path) -> None:
    together = {"factors": ["sex", "age"], "proxy_columns": {"title": "sex"}, "proxies": "together", "exact_chance": 0.2}
    pairs = opened_people(tmp_path / "people.csv", **together).pairs["train"]
    space, items = pairs.factors, torch.arange(60)
    held = torch.stack([space.mask(name) for name in ("sex", "age", "none", "all")]).repeat(15, 1)
    whole = pairs.draw(items, torch.Generator().manual_seed(0), held=held)
    part = pairs.draw(items, torch.Generator().manual_seed(0), slice(17, 30), held)
    for name in ("source", "target", "action", "items", "labels", "exact", "source_latents", "target_latents"):
        assert torch.equal(getattr(part, name), getattr(whole, name)[17:30]), f"{name}: the same in any share"
    moved = torch.stack([(whole.action[:, space.slice(name)] != 0).any(dim=1) for name in space.names], dim=1)
    assert moved.tolist() == [[False, True], [True, False], [True, True], [False, False]] * 15


def test_a_factor_drawn_anew_leaves_the_rest(opened: OpenTable) -> None:
    views = opened.pairs["val"].views
    items = torch.arange(views.num_items).repeat(20)
    shown = torch.ones_like(items)
    rows, drawn = views.gather_views(items, shown), views.redrawn(items, shown, "sex", torch.Generator().manual_seed(1))
    place = views.row_factors[0].place
    others = [p for p in range(rows.shape[1]) if p != place]
    assert torch.equal(rows[:, others], drawn[:, others]) and abs(float((rows[:, place] != drawn[:, place]).float().mean()) - 0.5) < 0.1


def test_a_bank_says_what_settles_it(tmp_path: Path) -> None:
    first = opened_people(tmp_path / "a.csv").pairs["val"].views
    same = opened_people(tmp_path / "b.csv").pairs["val"].views
    other = opened_people(tmp_path / "c.csv", corruption=0.5).pairs["val"].views
    assert first.digest() == same.digest() != other.digest()
    assert first.caption(0, 0) in ("sex Male", "sex Female") and first.label == "income" and first.class_names == ("<=50K", ">50K")
    assert first.view_shape == (len(first.columns),) and first.num_classes == 2


def test_what_a_row_must_have(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="row_views is 1"):
        opened_people(tmp_path / "a.csv", row_views=1)


def test_proxies(tmp_path: Path) -> None:
    dropped = opened_people(tmp_path / "a.csv")
    together = opened_people(tmp_path / "b.csv", proxies="together")
    kept = opened_people(tmp_path / "c.csv", proxies="keep")
    assert "title" not in dropped.columns.names
    title = together.columns.places("title")
    assert set(title) <= set(together.pairs["train"].views.row_factors[0].moved)
    assert "title" in kept.columns.names and not set(title) <= set(kept.pairs["train"].views.row_factors[0].moved)
    with pytest.raises(SettingsError, match="unknown proxies='hide'"):
        opened_people(tmp_path / "d.csv", proxies="hide")
    with pytest.raises(SettingsError, match=r"unknown factor 'sec'.*did you mean 'sex'"):
        opened_people(tmp_path / "e.csv", proxy_columns={"title": "sec"})
    with pytest.raises(SettingsError, match="names 'sex', which is a factor itself"):
        opened_people(tmp_path / "f.csv", proxy_columns=["sex"])


def test_splits_hold_what_the_file_holds(opened: OpenTable) -> None:
    frame = people()
    assert sum(pairs.num_items for pairs in opened.pairs.values()) == len(frame)
    ages = torch.cat([pairs.views.rows[:, opened.columns.places("age")[0]] for pairs in opened.pairs.values()])
    column = opened.columns["age"]
    ages = (ages * column.scale + column.centre).round()
    expected = frame["age"].fillna(round(column.centre)).to_numpy()
    assert np.array_equal(np.sort(ages.numpy()), np.sort(expected.astype(np.float32)))


def test_kinds_named_twice(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="'age' is named as categorical and as numeric"):
        opened_people(tmp_path / "a.csv", categorical=["age"], numeric=["age"])
