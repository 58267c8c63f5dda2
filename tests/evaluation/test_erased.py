"""Erasure after the fact: on planted features, what goes, what stays, and how many pairs it takes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
import torch
from torch import Tensor

from contextssl.data.pairs import ViewPairs
from contextssl.data.views import Views
from contextssl.errors import SettingsError
from contextssl.evaluation.contexts import Contexts
from contextssl.evaluation.embeddings import Embedder
from contextssl.evaluation.erased import concept, erasure_rows
from contextssl.evaluation.leace import fit_erasure
from contextssl.evaluation.single_views import SingleViews
from contextssl.evaluation.variance_share import basis, item_folds, variance_share
from contextssl.evaluation.view_sets import ViewSet
from contextssl.factors import Environment
from contextssl.head import HEADS
from contextssl.records.results import ResultRow
from tests.evaluation.tiny import FACTORS, tiny_model

CLASSES = 3
DRAWS = 3
# An erasure takes as many directions as its concept has numbers, needed or not: noise enough that the few that matter are seldom among them.
NOISE = 80
# Of the planted features: a constant, rotation, colour, the class, colour squared, noise.
WIDTH = 1 + 4 + 2 + CLASSES + 2 + NOISE


class Planted(Embedder):
    """An encoder that reads its features out of the bytes of the image."""

    def encode(self, images: Tensor) -> Tensor:
        return images.permute(0, 2, 3, 1).flatten(1).contiguous().view(torch.float32)


class PlainFirst(Views):
    """Views of which the first has had nothing done to it."""

    @property
    def plain_view(self) -> int:
        return 0


def planted(split: str, items: int, views: int = 5, *, squares: float = 0.0, kind: type[Views] = Views) -> Views:
    """Rotation, colour and class in directions of their own, beside a constant so large that the norm hardly differs between views."""
    rng = np.random.default_rng([len(split), items])
    turn = rng.standard_normal((items, views, 4))
    turn /= np.linalg.norm(turn, axis=-1, keepdims=True)
    color = rng.uniform(-1, 1, (items, views, 2))
    labels = np.arange(items) % CLASSES
    kinds = np.broadcast_to(np.eye(CLASSES)[labels][:, None], (items, views, CLASSES))
    blocks = [
        np.full((items, views, 1), 20.0),
        2 * turn,
        color,
        kinds,
        squares * color**2,
        0.05 * rng.standard_normal((items, views, NOISE)),
    ]
    features = np.concatenate(blocks, axis=-1).astype(np.float32)
    assert features.shape[-1] == WIDTH
    return kind(
        images=features.view(np.uint8).reshape(items, views, 1, 4 * WIDTH, 1),
        latents=np.concatenate([turn, color], axis=-1).astype(np.float32),
        labels=labels,
        factors=FACTORS,
        class_names=tuple(f"kind{label}" for label in range(CLASSES)),
        item_names=[f"{split}_{index}" for index in range(items)],
    )


def single_views(*, squares: float = 0.0, kind: type[Views] = Views) -> SingleViews:
    train, test = planted("train", 240, squares=squares, kind=kind), planted("val", 64, squares=squares, kind=kind)
    embedder = Planted(tiny_model(), Contexts.draw(ViewPairs(train), 60, DRAWS, 0), {})
    read = ViewSet.choose(test, "val", 0, 0, 0)
    return SingleViews(embedder, ViewSet.choose(train, "train", 0, 0, 0), read, read.rows(3, 0))


def environments(*names: str) -> list[Environment]:
    return [FACTORS.environment(name) for name in names]


def rows_of(
    views: SingleViews,
    *names: str,
    lengths: Sequence[int] = (4, 120),
    heads: Sequence[str] = ("ridge", "knn"),
    shares: Sequence[float] = (0.0,),
) -> list[ResultRow]:
    return list(erasure_rows(views, environments(*names), lengths, heads=[HEADS.find(head) for head in heads], shares=shares, k=10))


def value(rows: Sequence[ResultRow], metric: str, **about: object) -> ResultRow:
    """The one row of this description; without noise, where none is asked for."""
    about = {"metric": metric, "bottleneck": 0.0, **about}
    (found,) = [row for row in rows if all(getattr(row, name) == wanted for name, wanted in about.items())]
    return found


def test_active_factors_stay_and_the_rest_goes() -> None:
    rows = rows_of(single_views(), "rotation", "color")
    for remains, goes in (("rotation", "color"), ("color", "rotation")):
        # 13 or 14 polynomials take a seventh of these 92 directions, and some of what should remain with them.
        for representation, kept in (("erased-train", 0.99), ("erased-train-basis", 0.8)):
            of = {"environment": remains, "representation": representation}
            assert value(rows, "r2", factor=remains, head="ridge", **of).mean > kept
            for metric in ("r2", "r2_pooled"):
                gone = value(rows, metric, factor=goes, head="ridge", **of)
                assert gone.floor is not None and gone.mean < gone.floor + 0.01
            assert value(rows, "r2", factor=goes, head="knn", **of).mean < 0.1
            assert value(rows, "variance_share", factor=goes, **of).mean < 0.02
            assert value(rows, "variance_share", factor=remains, **of).mean > 0.3
            # The class lies in directions that have nothing to do with the factors.
            assert value(rows, "accuracy", factor="class", head="ridge", **of).mean == 1
            assert value(rows, "accuracy", factor="class", head="knn", **of).mean > 0.9


def test_without_active_factors_everything_is_erased() -> None:
    rows = rows_of(single_views(), "none", lengths=[0])
    assert {row.representation for row in rows} == {"erased-train", "erased-train-basis"}
    for row in rows:
        if row.metric == "r2":
            assert row.mean < 0.1
    assert value(rows, "accuracy", factor="class", head="ridge", representation="erased-train").mean == 1


def test_many_pairs_erase_what_few_cannot() -> None:
    rows = rows_of(single_views(), "rotation", lengths=(4, 20, 120))
    of = {"representation": "erased-context", "environment": "rotation", "factor": "color"}
    for metric, about in (("r2", {"head": "ridge"}), ("variance_share", {})):
        few, some, many = (value(rows, metric, length=length, **of, **about).mean for length in (4, 20, 120))
        assert few > some > many
    shares = [value(rows, "variance_share", length=length, **of).mean for length in (4, 120)]
    assert shares[0] > 0.05 and shares[1] < 0.02
    kept = value(rows, "r2", length=120, head="ridge", **{**of, "factor": "rotation"})
    assert kept.mean > 0.95


def test_telling_every_factor_gives_no_rows() -> None:
    views = single_views()
    assert rows_of(views, "rotation+color") == []
    assert {row.environment for row in rows_of(views, "all", "color", heads=())} == {"color"}


def test_names_of_rows() -> None:
    rows = rows_of(single_views(), "rotation", "none", shares=(0.0, 0.3), lengths=(0, 4, 120))
    assert {(row.protocol, row.split) for row in rows} == {("erasure", "val")}
    fitted = {(row.representation, row.length) for row in rows}
    assert fitted == {("erased-context", 4), ("erased-context", 120), ("erased-train", None), ("erased-train-basis", None)}
    assert {row.environment for row in rows} == {"rotation", "none"}
    assert {row.bottleneck for row in rows} == {0.0, 0.3}
    for row in rows:
        drawn = row.representation == "erased-context"
        assert row.n == (DRAWS if drawn else 1) and (row.std is not None) == drawn
        assert row.floor is not None
        assert row.count == (64 * 5 if row.metric == "variance_share" else 64 * 3)
        assert row.bottleneck == 0 or row.metric != "variance_share"
    read = {(row.metric, row.factor, row.head) for row in rows}
    for head in ("ridge", "knn"):
        expected = {("r2", "color"), ("r2_pooled", "color"), ("r2", "rotation"), ("r2_pooled", "rotation"), ("angle_deg", "rotation")}
        expected |= {("accuracy", "class"), ("balanced_accuracy", "class")}
        assert {(metric, factor) for metric, factor, which in read if which == head} == expected
    # Each is one number: environments × what was fitted on × (shares × heads × 7 + two variance shares).
    assert len(rows) == 2 * 4 * (2 * 2 * 7 + 2) == len({row.key() + f"{row}" for row in rows})
    noisy, clean = (
        value(rows, "r2", factor="rotation", head="ridge", environment="rotation", representation="erased-train", bottleneck=share).mean
        for share in (0.3, 0.0)
    )
    assert noisy < clean - 0.01
    assert {row.head for row in rows_of(single_views(), "color", heads=("ridge", "mlp"))} == {"ridge", None}


def test_a_context_row_is_the_mean_over_contexts_of_both_views_of_its_first_pairs() -> None:
    views = single_views()
    test = views.test
    design, folds = basis(test.latents[:, FACTORS.slice("color")], FACTORS["color"]), item_folds(test)
    found = []
    for pairs in views.embedder.contexts.shared:
        few, known = [], []
        for pair in range(8):
            for images, latents in ((pairs.source, pairs.source_latents), (pairs.target, pairs.target_latents)):
                features = views.embedder.encode(images[pair : pair + 1])[0]
                few.append(features / features.norm())
                known.append(latents[pair, 4:])
        erasure = fit_erasure(torch.stack(few), torch.stack(known))
        found.append(variance_share(erasure(views.embedder.unit(test, None)), design, folds))
    row = value(rows_of(views, "rotation", lengths=[16], heads=()), "variance_share", factor="color", representation="erased-context")
    assert row.mean == pytest.approx(np.mean(found), abs=1e-5)
    assert row.std == pytest.approx(np.std(found, ddof=1), abs=1e-5)


def test_polynomials_of_a_factor_go_only_where_they_are_named() -> None:
    rows = rows_of(single_views(squares=3.0), "rotation", lengths=[0])
    left, gone = (
        value(rows, "variance_share", factor="color", representation=representation).mean
        for representation in ("erased-train", "erased-train-basis")
    )
    # The square of a hue is uncorrelated with it: a linear erasure leaves it where it is.
    assert left > 0.2 and gone < 0.02
    latents = torch.cat([torch.nn.functional.normalize(torch.randn(9, 4), dim=1), torch.rand(9, 2)], dim=1)
    assert concept(latents, FACTORS, ["color"]).shape == (9, 2)
    assert concept(latents, FACTORS, ["rotation", "color"], polynomial=True).shape == (9, 13 + 14)


def test_the_same_again() -> None:
    first, again = (rows_of(single_views(), "rotation", shares=(0.0, 0.3)) for _ in range(2))
    assert first == again


def test_the_class_of_augmented_data_is_read_from_plain_views() -> None:
    rows = rows_of(single_views(kind=PlainFirst), "rotation", lengths=[0])
    assert {row.count for row in rows if row.factor == "class"} == {64}
    assert {row.count for row in rows if row.head is not None and row.factor != "class"} == {64 * 3}
    assert len([row for row in rows if row.metric == "variance_share"]) == 2 * 2


@pytest.mark.parametrize("length", [3, -2, 122])
def test_a_length_that_was_not_drawn_is_refused(length: int) -> None:
    with pytest.raises(SettingsError, match=f"context of {length} tokens: .* at most 120"):
        rows_of(single_views(), "rotation", lengths=[length])


def test_too_few_views_for_a_variance_share_are_said() -> None:
    views = single_views()
    few = planted("val", 20)
    test = ViewSet.choose(few, "val", 0, 0, 0)
    with pytest.warns(UserWarning, match="share of .* is left out: 100 val views") as caught:
        rows = rows_of(SingleViews(views.embedder, views.train, test, torch.arange(len(test))), "rotation", lengths=[0])
    assert len(caught) == 2 and rows and not [row for row in rows if row.metric == "variance_share"]
