"""Encode once: embeddings are the model's own, and the cache gives them back only for the weights, data and context that made them."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from contextssl.data.pairs import ViewPairs
from contextssl.errors import SettingsError
from contextssl.evaluation.cache import ArrayCache, code_fingerprint
from contextssl.evaluation.contexts import ContextPoint, Contexts, check_lengths, context_points, draw_contexts
from contextssl.evaluation.embeddings import Embedder
from contextssl.evaluation.view_sets import ViewSet, distinct
from contextssl.models.contextssl import ContextSSL
from contextssl.models.weights_mark import weights_fingerprint
from tests.evaluation.tiny import FACTORS, tiny_model, views_of

TRAIN = views_of(9, 4, "train")
VAL = views_of(5, 4)
POINT = ContextPoint("rotation", 4, 1)


def embedder(folder: Path | None, model: ContextSSL | None = None, seed: int = 0, data: dict[str, Any] | None = None) -> Embedder:
    contexts = Contexts.draw(ViewPairs(TRAIN), 7, 2, seed)
    return Embedder(model or tiny_model(), contexts, data or {"fingerprint": "a"}, seed, cache=ArrayCache(folder))


def val_set() -> ViewSet:
    return ViewSet.choose(VAL, "val", 0, 0, 0)


def test_embeddings_are_the_models_own(tmp_path: Path) -> None:
    ours, views = embedder(tmp_path), val_set()
    model = ours.model
    assert isinstance(model, ContextSSL)
    images = VAL.gather_views(views.items, views.views)
    assert len(views) == 5 * 4 == len(set(zip(views.items.tolist(), views.views.tolist(), strict=True)))
    torch.testing.assert_close(ours.features(views), ours.model.encode(images))
    pairs = ours.contexts.shared[1]
    context = model.context(pairs.source[:2], pairs.action[:2], pairs.target[:2], environment="rotation")
    torch.testing.assert_close(ours.embeddings(views, POINT), model.embed(images, context), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(ours.embeddings(views, ContextPoint(None, 0, 0)), model.embed(images), rtol=1e-4, atol=1e-5)
    unit = ours.unit(views, POINT)
    torch.testing.assert_close(unit.norm(dim=1), torch.ones(20))
    assert not torch.allclose(unit, ours.unit(views, ContextPoint("color", 4, 1)), atol=1e-4)


def test_the_second_time_reads_the_cache(tmp_path: Path) -> None:
    first, views = embedder(tmp_path), val_set()
    made = first.embeddings(views, POINT)
    again = embedder(tmp_path)
    again.model.encoder = None  # type: ignore[assignment]  # what is read is not computed
    torch.testing.assert_close(again.embeddings(views, POINT), made, rtol=0, atol=0)
    assert (again.cache.hits, again.cache.made) == (1, 0)


@pytest.mark.parametrize("what", ["weight", "heads", "data", "seed", "views", "precision"])
def test_what_changes_is_computed_anew(tmp_path: Path, what: str) -> None:
    old, views = embedder(tmp_path), val_set()
    before = old.embeddings(views, POINT).clone()
    model = tiny_model()
    if what == "weight":
        with torch.no_grad():
            model.predictor.read_out.bias[0] += 1e-3
    if what == "heads":
        for block in model.predictor.blocks:
            block.heads = 4  # type: ignore[assignment]
    if what == "views":
        views = ViewSet.choose(VAL, "val", 2, 0, 0)
    new = embedder(tmp_path, model, seed=5 if what == "seed" else 0, data={"fingerprint": "b"} if what == "data" else None)
    if what == "precision":
        new.precision = "bf16-mixed"
    after = new.embeddings(views, POINT)
    assert new.cache.made >= 1
    fresh = embedder(None, model, seed=new.seed)
    fresh.precision = new.precision
    torch.testing.assert_close(after, fresh.embeddings(views, POINT), rtol=0, atol=0)
    assert what == "data" or after.shape != before.shape or not torch.equal(after, before)
    # Both are kept: whoever asks for the first again finds it.
    assert len(list(tmp_path.glob("embedding-val-rotation-4-1-*.npy"))) == 2
    again = embedder(tmp_path)
    torch.testing.assert_close(again.embeddings(val_set(), POINT), before, rtol=0, atol=0)
    assert again.cache.made == 0


@pytest.mark.parametrize("damage", ["flipped", "cut", "empty", "about", "pickle", "missing"])
def test_a_damaged_file_is_made_again(tmp_path: Path, damage: str) -> None:
    old, views = embedder(tmp_path), val_set()
    before = old.embeddings(views, POINT).clone()
    (path,) = tmp_path.glob("embedding-*.npy")
    content = path.read_bytes()
    about = path.with_suffix(".json")
    if damage == "flipped":
        path.write_bytes(content[:-3] + bytes([content[-3] ^ 1]) + content[-2:])
    elif damage in ("cut", "empty"):
        path.write_bytes(content[: len(content) // 2] if damage == "cut" else b"")
    elif damage == "about":
        about.write_text("{")
    elif damage == "pickle":
        np.save(path, np.array([{}], dtype=object), allow_pickle=True)
    else:
        path.unlink()
    new = embedder(tmp_path)
    torch.testing.assert_close(new.embeddings(views, POINT), before, rtol=0, atol=0)
    assert new.cache.made == 1
    assert json.loads(about.read_text())["made_from"]["weights"] == new.weights


def test_evaluations_of_other_sizes_do_not_push_each_other_out(tmp_path: Path) -> None:
    made = []
    for per_item in (2, 3, 2, 3):
        one = embedder(tmp_path)
        one.embeddings(ViewSet.choose(TRAIN, "train", per_item, 0, 0), POINT)
        made.append(one.cache.made)
    assert made == [2, 2, 0, 0]
    in_memory = embedder(None)
    calls: list[str] = []
    in_memory.progress = calls.append
    for per_item in (2, 3, 2, 3):
        in_memory.features(ViewSet.choose(TRAIN, "train", per_item, 0, 0))
    assert len(calls) == 2


def test_a_full_cache_drops_the_least_recently_read(tmp_path: Path) -> None:
    """Four arrays of 400 bytes and their headers where three fit."""
    cache = ArrayCache(tmp_path, limit=3 * 600)

    def there() -> set[str]:
        return {path.name.split("-")[0] for path in tmp_path.glob("*.npy")}

    for name in ("a", "b", "c"):
        cache.get(name, {"of": name}, lambda: torch.zeros(10, 10))
    cache.get("a", {"of": "a"}, lambda: torch.ones(10, 10))
    assert there() == {"a", "b", "c"} and cache.hits == 1
    cache.get("d", {"of": "d"}, lambda: torch.zeros(10, 10))
    assert there() == {"a", "c", "d"}, "b was read longest ago"
    assert len(list(tmp_path.glob("b-*"))) == 0
    large = cache.get("e", {"of": "e"}, lambda: torch.zeros(30, 30))
    assert large.shape == (30, 30) and there() == {"a", "c", "d"}, "what is larger than the limit is not kept, and pushes nothing out"
    memory = ArrayCache(None, limit=3 * 400)
    for name in ("a", "b", "c", "a", "d"):
        memory.get(name, {"of": name}, lambda: torch.zeros(10, 10))
    assert [stem.split("-")[0] for stem in memory._memory] == ["c", "a", "d"]


@pytest.mark.parametrize("file", ["data/augmentations/blur.py", "data/tables/corruption.py", "data/views.py", "photo.py", "models/x/y.py"])
def test_code_that_makes_views_is_part_of_the_key(tmp_path: Path, file: str) -> None:
    for name in (file, "report/page.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("old")
    before = code_fingerprint.__wrapped__(tmp_path)
    (tmp_path / "report/page.py").write_text("new")
    assert code_fingerprint.__wrapped__(tmp_path) == before, "a page makes no view"
    (tmp_path / file).write_text("new")
    assert code_fingerprint.__wrapped__(tmp_path) != before


def test_what_no_weight_tells_is_part_of_the_key(tmp_path: Path) -> None:
    """Two encoders of your own with the same weights: another activation, another forward."""

    class Mine(torch.nn.Sequential):
        def forward(self, x: Tensor) -> Tensor:
            return 2 * super().forward(x)

    plain, views = embedder(tmp_path).features(val_set()).clone(), val_set()
    for change in (lambda encoder: torch.nn.Sequential(*encoder, torch.nn.ReLU()), lambda encoder: Mine(*encoder)):
        model = tiny_model()
        model.encoder = change(model.encoder)
        assert weights_fingerprint(model) == weights_fingerprint(tiny_model())
        assert not torch.equal(embedder(tmp_path, model).features(views), plain)


def test_fingerprints() -> None:
    model = tiny_model()
    same = weights_fingerprint(tiny_model())
    assert weights_fingerprint(model) == same and len(same) == 16
    model.bottleneck.variance += 1
    assert weights_fingerprint(model) != same
    whole = VAL.digest()
    images = VAL.images.copy()
    images[4, 3, 7, 7, 2] ^= 1
    assert replace(VAL, images=images).digest() != whole == VAL.digest() != TRAIN.digest()


def test_contexts_are_fixed_by_the_seed_and_their_number() -> None:
    source = ViewPairs(TRAIN)
    three, two = draw_contexts(source, 7, 3, 0), draw_contexts(source, 7, 2, 0)
    assert torch.equal(three[1].source_views, two[1].source_views) and torch.equal(three[1].items, two[1].items)
    assert not torch.equal(three[0].items, three[1].items) or not torch.equal(three[0].source_views, three[1].source_views)
    assert len(set(three[0].items.tolist())) == 7  # of 9 items
    assert len(draw_contexts(source, 20, 1, 0)[0]) == 20


def test_points() -> None:
    rotation, color = FACTORS.environment("rotation"), FACTORS.environment("color")
    points = context_points([rotation, color], [4, 0, 2], 3)
    assert [p.name for p in points[:3]] == ["none-given", "rotation-2-0", "rotation-2-1"]
    assert len(points) == 1 + 2 * 2 * 3
    assert context_points([rotation], [2], 1) == [ContextPoint("rotation", 2, 0)]
    for lengths, words in (([3], "two per pair"), ([-2], "two per pair"), ([16], "at most 14"), ([], "names no context")):
        with pytest.raises(SettingsError, match=words):
            check_lengths(lengths, 14)
    check_lengths([0, 2, 14], 14)


@given(st.integers(1, 9), st.integers(0, 12))
def test_some_items_are_spread_evenly(there: int, most: int) -> None:
    views = ViewSet.choose(TRAIN, "train", 0, there, 0)
    found, every = views.spread_items(most), views.items[:: TRAIN.num_views]
    assert len(found) == (min(there, most) if most else there) and set(found.tolist()) <= set(every.tolist())
    places = torch.searchsorted(every.contiguous(), found.contiguous())
    assert int(places[0]) == 0 and (most == 1 or int(places[-1]) == len(every) - 1), "from the first to the last"
    steps = places.diff()
    assert len(steps) == 0 or int(steps.max() - steps.min()) <= 1


def test_view_sets_hold_the_same_number_of_every_item() -> None:
    views = ViewSet.choose(TRAIN, "train", 3, 0, 0)
    assert views.items.tolist() == [i for i in range(9) for _ in range(3)]
    assert all(len(set(part.tolist())) == 3 for part in views.views.split(3))
    assert views.views.tolist() != ViewSet.choose(TRAIN, "train", 3, 0, 1).views.tolist()
    rows = torch.arange(len(views))
    partners = views.partners(rows, 0)
    assert torch.equal(views.items[partners], views.items) and not partners.eq(rows).any()
    held = views.held_out(0)
    assert held.view(9, 3).sum(1).tolist().count(3) == 2 and int(held.sum()) == 6  # whole items
    some = views.rows(2, 0)
    assert views.items[some].bincount().tolist() == [2] * 9
    assert ViewSet.choose(TRAIN, "train", 0, 4, 0).num_items == 4
    one = ViewSet.choose(views_of(1, 4), "val", 0, 0, 0)
    assert 0 < int(one.held_out(0).sum()) < 4
    with pytest.raises(SettingsError, match="pairs need two"):
        ViewSet.choose(TRAIN, "train", 1, 0, 0).partners(torch.arange(9), 0)


def test_distinct_numbers() -> None:
    drawn: Tensor = distinct(50, 6, 3, torch.Generator().manual_seed(0))
    assert all(len(set(row.tolist())) == 3 for row in drawn)
    assert drawn.flatten().bincount().min() > 10
    assert distinct(2, 3, 5, torch.Generator()).tolist() == [[0, 1, 2]] * 2
