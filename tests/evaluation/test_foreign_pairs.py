"""Pairs of data that training never saw: their contexts are those of just these pairs, and what cannot be is said before anything is computed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F

pytest.importorskip("kornia")

from contextssl.data.dataset import Data
from contextssl.data.pairs import ViewPairs
from contextssl.data.store import open_store
from contextssl.errors import ContextSSLError, DataError, SettingsError
from contextssl.evaluation.contexts import Contexts
from contextssl.evaluation.disturbed_contexts import context_sensitivity_rows
from contextssl.evaluation.embeddings import Embedder
from contextssl.evaluation.evaluated import Evaluated
from contextssl.evaluation.foreign_pairs import ForeignPairs, open_foreign
from contextssl.evaluation.single_views import SingleViews
from contextssl.evaluation.variance_share import item_folds, share_designs, variance_share
from contextssl.evaluation.view_sets import ViewSet
from contextssl.factors import FLOOR, LIGHT, ROTATION, SCALE, FactorSpace
from contextssl.models.by_evidence import ByEvidence
from contextssl.models.by_examples import ByExamples
from contextssl.models.view_encoder import ViewEncoder
from contextssl.randomness import derive_seed, seeded_generator
from tests.evaluation.tiny import FACTORS, SIZE, tiny_model, views_of
from tests.sources import ToySource, toy_store, write_photos

GRID = (5, 5)
TRAIN, VAL = ViewPairs(views_of(9, split="train", grid=GRID)), views_of(16, grid=GRID)
ENVIRONMENTS = [FACTORS.environment(name) for name in ("rotation", "color", "none")]
STANDING = {"rotation": "rotate", "color": "color"}


def evaluated(kind: type[Any] = ByExamples, **description: str) -> Evaluated:
    data = Data(TRAIN, ViewPairs(VAL), (3, SIZE, SIZE), description=description)
    return Evaluated(tiny_model(kind=kind), data, Path("nowhere"))


def foreign_store(path: Path, seed: int = 5, resolution: int = SIZE, **source: Any) -> Path:
    """Other items than the run's, on a grid."""
    source = {"grid": GRID, "num_views": GRID[0] * GRID[1], **source}
    return toy_store(path, ToySource({"train": 9, "val": 2}, seed=seed, **source), resolution).path


def opened(what: Any, model: type[Any] = ByExamples, **description: str) -> ForeignPairs:
    ((found,), _) = open_foreign({"them": what}, evaluated(model, **description), ENVIRONMENTS, progress=False)
    return found


@pytest.fixture
def album(in_folder: Path) -> str:
    return str(write_photos(in_folder / "album", 8))


# The tiny views are too few for some shares, and it is said.
@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("of", ["store", "photos"])
def test_rows_are_the_models_in_a_context_of_these_pairs(of: str, album: str, in_folder: Path) -> None:
    """From images, by the model's own doors."""
    found = opened(str(foreign_store(in_folder / "store")) if of == "store" else {"data_dir": album, "factors": STANDING})
    model = tiny_model(kind=ByExamples)
    embedder = Embedder(model, Contexts.draw(TRAIN, 7, 2, 0, "examples"), {})
    read = ViewSet.choose(VAL, "val", 0, 0, 0)
    views = SingleViews(embedder, ViewSet.choose(TRAIN.views, "train", 0, 0, 0), read, read.rows(3, 0))
    rows = list(context_sensitivity_rows(views, TRAIN, ENVIRONMENTS, lengths=[6], disturbances=["pairs of"], foreign=[found], k=5, seed=3))
    assert {row.environment for row in rows if row.context == "pairs of them"} == {"rotation", "color", "none"}
    assert {row.context for row in rows if not str(row.context).startswith("erased")} == {None, "pairs of them"}
    source, images = found.source, VAL.gather_views(read.items, read.views)
    there = source.factors
    rotation, color = (there.slice(found.factors[name]) for name in ("rotation", "color"))
    held = torch.zeros(7, there.width, dtype=torch.bool)
    held[:, rotation] = True
    expected = []
    for index in range(2):
        drawing = seeded_generator(derive_seed(3, "pairs of them"), "context", index)
        items = torch.randperm(source.num_items, generator=drawing)[:7]
        pairs = source.complete(source.draw(items, drawing, held=held))
        assert torch.equal(pairs.source_latents[:, rotation], pairs.target_latents[:, rotation])
        assert bool((pairs.source_latents[:, color] != pairs.target_latents[:, color]).any(dim=1).all())
        z = F.normalize(model.embed(images, model.context(pairs.source[:3], target=pairs.target[:3])), dim=-1)
        expected.append(variance_share(z, share_designs(read)["color"], item_folds(read)))
    (row,) = [
        row
        for row in rows
        if (row.context, row.environment, row.factor, row.metric) == ("pairs of them", "rotation", "color", "variance_share")
    ]
    assert row.mean == pytest.approx(sum(expected) / 2, abs=1e-5) and (row.length, row.n) == (6, 2)


def test_no_latents_of_other_factors_get_into_a_context(album: str) -> None:
    found = opened({"data_dir": album, "factors": {"rotation": "rotate", "color": "blur"}})
    assert found.source.factors.width == 3 != FACTORS.width
    embedder = Embedder(tiny_model(kind=ByExamples), Contexts.draw(TRAIN, 7, 2, 0, "examples"), {})
    encoded = found.encoded(embedder, 7, 2, 0, ENVIRONMENTS[0])
    assert len(encoded) == 2 and all(each.action.shape == (7, FACTORS.width) and not each.action.any() for each in encoded)


def test_one_thing_may_stand_for_several_factors() -> None:
    ours = FactorSpace((ROTATION, FLOOR, LIGHT))
    found = ForeignPairs("them", TRAIN, {"rotation": "rotation", "floor": "color", "light": "color"})
    named = {name: found.environment(ours.environment(name)) for name in ("rotation", "floor", "floor+light", "none", "all")}
    assert {name: None if each is None else each.name for name, each in named.items()} == {
        "rotation": "rotation",
        "floor": None,
        "floor+light": "color",
        "none": "none",
        "all": "rotation+color",
    }
    assert found.draw(2, 1, 0, ours.environment("floor"), "examples") == []


def test_evidence_takes_the_actions_of_its_own_factors(album: str, tmp_path: Path) -> None:
    """And needs no grid."""
    found = opened(str(foreign_store(tmp_path / "store", grid=None, num_views=4)), ByEvidence)
    embedder = Embedder(tiny_model(kind=ByEvidence), Contexts.draw(TRAIN, 7, 1, 0, "evidence"), {})
    (encoded,) = found.encoded(embedder, 7, 1, 0, ENVIRONMENTS[0])
    (drawn,) = found.draw(7, 1, 0, ENVIRONMENTS[0], "evidence")
    assert torch.equal(encoded.action, drawn.action) and bool(encoded.action.any(dim=1).all())
    with pytest.raises(DataError, match="foreign them: this model reads actions, which must be of its own factors rotation, color"):
        opened({"data_dir": album, "factors": STANDING}, ByEvidence)


@pytest.mark.parametrize(
    ("what", "message"),
    [
        (3, r"give the folder of a packed store, or \{data_dir:DIR"),
        ({"factors": STANDING}, "give the folder of a packed store"),
        ("nowhere", "there is nothing at nowhere: check the path"),
        ({"data_dir": "nowhere", "factors": STANDING}, "there is nothing at nowhere"),
        ({"data_dir": "album", "factor": STANDING}, "unknown 'factor': did you mean 'factors'"),
        ({"data_dir": "album", "factors": "rotate"}, r"factors is 'rotate': say what stands for each, \{rotation:AUGMENTATION\}"),
        ({"data_dir": "album", "factors": {"rotatoin": "rotate", "color": "color"}}, "'rotatoin', which is no factor of the run: did you mean 'rot"),
        ({"data_dir": "album", "factors": {"rotation": "rotate"}}, "factors says nothing of color"),
        ({"data_dir": "album", "factors": {"rotation": "rotat", "color": "color"}}, "unknown augmentation 'rotat'"),
        ("album", r"album is no packed store of views: .*'foreign=\{them:\{data_dir:album,factors:\{rotation:AUGMENTATION,color:AUGMENTATION\}\}\}'"),
        ({"data_dir": "album"}, "album is no packed store of views"),
        ({"data_dir": "empty", "factors": STANDING}, "empty holds no image"),
    ],
)  # fmt: skip
def test_what_cannot_be_opened_is_said(album: str, in_folder: Path, what: Any, message: str) -> None:
    (in_folder / "empty").mkdir()
    with pytest.raises(ContextSSLError, match=f"^foreign them: .*{message}"):
        opened(what)


def test_stores_that_do_not_fit(tmp_path: Path) -> None:
    def said(store: Path, factors: dict[str, str] | None = None, **description: Any) -> str:
        with pytest.raises(ContextSSLError) as caught:
            opened({"data_dir": str(store), "factors": factors}, **description)
        return str(caught.value)

    other = foreign_store(tmp_path / "other", factors=FactorSpace((ROTATION, SCALE)), grid=None)
    assert "has the factors rotation, scale, and the run rotation, color: make data of the same, such as 'grid={rotation:7" in said(other)
    assert "has no factor 'size': known: rotation, scale" in said(other, {"rotation": "rotation", "color": "size"})
    large = foreign_store(tmp_path / "large", resolution=12)
    assert "views of 3 channels and 12 × 12 pixels, and the run's are of 3 channels and 8 × 8 pixels: make it with resolution=8" in said(
        large
    )
    assert "views of 1 channel and 8" in said(foreign_store(tmp_path / "grey", channels=1))
    free = foreign_store(tmp_path / "free", grid=None, num_views=6)
    assert "foreign them: examples need pairs of views: item" in (found := said(free)) and "render a grid of values" in found
    store = foreign_store(tmp_path / "store")
    assert "the very data that the run was trained on" in said(store, path=str(store))
    assert "the very data" in said(store, fingerprint=open_store(store).fingerprint)


def test_models_that_take_no_such_pairs(tmp_path: Path) -> None:
    foreign = {"them": str(tmp_path)}
    actions = evaluated()
    actions.model = tiny_model()
    without = evaluated()
    without.model = ViewEncoder(without.model.encoder, FACTORS, feature_width=12)
    for each in (actions, without):
        with pytest.raises(SettingsError, match="contexts need actions of its own factors.* trained with context=examples"):
            open_foreign(foreign, each, ENVIRONMENTS)
    rows = evaluated()
    rows.data = replace(rows.data, view_shape=(4,))
    with pytest.raises(SettingsError, match="foreign pairs are of images"):
        open_foreign(foreign, rows, ENVIRONMENTS)
