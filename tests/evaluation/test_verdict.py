"""Whether a model depends on its context: the rule on made-up rows, and on models made by hand that depend on one thing or the other."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation
from torch import Tensor, nn

from contextssl.data.pairs import ViewPairs
from contextssl.data.views import Views
from contextssl.evaluation.contexts import Contexts
from contextssl.evaluation.disturbed_contexts import context_sensitivity_rows
from contextssl.evaluation.embeddings import Embedder
from contextssl.evaluation.single_views import SingleViews
from contextssl.evaluation.verdict import ON_ACTIVE, ON_NOTHING, ON_PAIRS, verdict
from contextssl.evaluation.view_sets import ViewSet
from contextssl.models.contextssl import ContextSSL
from contextssl.models.predictor import Context
from contextssl.records.results import ResultRow
from tests.evaluation.tiny import FACTORS

Shares = tuple[float, float]
# Shares of (rotation, colour) by environment, of a trained model: contexts as drawn, and with all pairs wrong.
DRAWN = {"rotation": (0.54, -0.02), "color": (-0.01, 0.58)}
MIDDLE = {"rotation": (0.25, 0.25), "color": (0.25, 0.25)}


def rows(
    drawn: Mapping[str, Shares], disturbed: Mapping[str, Mapping[str, Shares]], length: int = 14, std: float = 0.01, n: int = 3
) -> list[ResultRow]:
    made = []
    for context, by in ((None, drawn), *disturbed.items()):
        for environment, shares in by.items():
            for factor, share in zip(("rotation", "color"), shares, strict=True):
                at = 2 if str(context).startswith("one pair") else length
                about = {"environment": environment, "length": at, "context": context, "std": std, "n": n}
                made.append(ResultRow("context-sensitivity", "variance_share", share, factor, **about))  # type: ignore[arg-type]
    return made


def test_the_block_alone() -> None:
    """A published model as it was measured: nothing but which block is active counts."""
    found = verdict(
        rows(
            DRAWN,
            {
                "wrong pairs 100 %": {"rotation": (0.53, -0.02), "color": (-0.01, 0.57)},
                "random actions": {"rotation": (0.52, -0.01), "color": (0.0, 0.56)},
                "blank images": {"rotation": (0.52, -0.02), "color": (-0.01, 0.55)},
                "one pair of zeros": DRAWN,
            },
        )
    )
    assert found is not None and found.says == ON_ACTIVE and found.length == 14 and found.measure == "variance_share"
    assert found.contrast == pytest.approx(0.60)
    # By hand: ⟨(0.54, -0.59), (0.55, -0.60)⟩ / |(0.55, -0.60)|².
    assert found.kept is not None and found.kept["wrong pairs 100 %"] == pytest.approx((0.54 * 0.55 + 0.59 * 0.6) / (0.55**2 + 0.6**2))
    assert found.kept["one pair of zeros"] == pytest.approx(1)
    assert found.sentence.startswith(
        "This model depends on which factors are active, not on the pairs: the active factors change the share of the variance of color by 0.60"
    )
    assert "100 % with one pair of zeros" in found.sentence and "98 % with a target of another item in every pair" in found.sentence


def test_the_pairs() -> None:
    """Other partners leave no difference between the contexts, wherever both then end."""
    for end in (MIDDLE, dict.fromkeys(DRAWN, DRAWN["rotation"])):
        found = verdict(rows(DRAWN, {"wrong pairs 100 %": end, "random actions": DRAWN}))
        assert found is not None and found.says == ON_PAIRS and "0 % with a target of another item" in found.why
    alone = verdict(rows(DRAWN, {"random actions": MIDDLE}))
    assert alone is not None and alone.says == ON_PAIRS


def test_nothing_of_the_context() -> None:
    flat = {"rotation": (0.23, 0.24), "color": (0.22, 0.26)}
    found = verdict(rows(flat, {"wrong pairs 100 %": flat, "random actions": flat}))
    assert found is not None and found.says == ON_NOTHING and "by more than 0.02" in found.why
    # The active factors change nothing, and wrong pairs do: neither of the three.
    other = verdict(rows(flat, {"wrong pairs 100 %": {"rotation": (0.05, 0.24), "color": (0.05, 0.26)}}))
    assert other is not None and other.says is None and "and yet wrong pairs or actions do, by 0.18" in other.why


def test_where_it_cannot_be_told() -> None:
    assert verdict([]) is None and verdict([ResultRow("geometry", "variance_share", 0.5, "rotation", "rotation", 14)]) is None
    half = {name: tuple(0.5 * a + 0.5 * b for a, b in zip(DRAWN[name], MIDDLE[name], strict=True)) for name in DRAWN}
    for made, why in (
        (rows({"rotation": DRAWN["rotation"]}, {}), "contexts of two environments"),
        (rows(DRAWN, {}), "no contexts of wrong pairs or actions were evaluated"),
        (rows(DRAWN, {"wrong pairs 100 %": half}), "there remain 50 %"),  # type: ignore[dict-item]
        (rows(DRAWN, {"wrong pairs 100 %": DRAWN}, std=0.6), "within the error over contexts"),
        (rows({"rotation": (0.2, 0.2), "color": (0.2, 0.2)}, {}), "no contexts of wrong pairs or actions were evaluated"),
    ):
        found = verdict(made)
        assert found is not None and found.says is None and why in found.why and found.sentence.startswith("No verdict: ")


def test_an_environment_that_tells_nothing_and_lengths() -> None:
    """Its actions are zeros: at another pair they are the same zeros."""
    drawn = {"rotation": (0.5, 0.0), "none": (0.02, 0.04)}
    found = verdict(rows(drawn, {"random actions": {"rotation": (0.49, 0.0)}}))
    assert found is not None and found.says == ON_ACTIVE
    both = [*rows(DRAWN, {"wrong pairs 100 %": DRAWN}, 2), *rows(DRAWN, {"wrong pairs 100 %": MIDDLE}, 62)]
    longest = verdict(both)
    assert longest is not None and longest.length == 62 and longest.says == ON_PAIRS


def test_neighbours_where_there_are_no_shares_and_undefined_numbers() -> None:
    by_neighbours = [
        ResultRow(
            "context-sensitivity", "r2_pooled", row.mean, row.factor, row.environment, row.length, "embedding", "knn", context=row.context
        )
        for row in rows(DRAWN, {"wrong pairs 100 %": DRAWN})
    ]
    own = [ResultRow("context-sensitivity", "r2_pooled", -9.0, "color", "rotation", 14, "embedding", "auxiliary")]
    found = verdict([*by_neighbours, *own])
    assert found is not None and found.says == ON_ACTIVE and "R² by nearest neighbours of color by 0.60" in found.why
    undefined = [ResultRow("context-sensitivity", "variance_share", math.nan, "rotation", name, 14) for name in DRAWN]
    nothing = verdict(undefined)
    assert nothing is not None and nothing.says is None


# -- models made by hand ----------------------------------------------------------------------------------------------------------------


class Sees(nn.Module):
    """Latents are written into the first pixels of each image, and read from them."""

    def forward(self, images: Tensor) -> Tensor:
        return images.flatten(1)[:, :6]


class ByHand(ContextSSL):
    """Keeps the factors that are active in its context by the rule ``by``, and all where none is.

    ``by="pairs"``: the action is the true one between the two views. ``by="block"``: it is not zero. ``by="nothing"``: everything is kept.
    """

    def __init__(self, by: str) -> None:
        mean_and_std = {"image_mean": (0.5,) * 3, "image_std": (0.5,) * 3}
        super().__init__(Sees(), FACTORS, feature_width=6, projection_dim=6, width=8, n_layer=1, n_head=1, block_size=16, **mean_and_std)  # type: ignore[arg-type]
        self.by = by

    def context_from_features(
        self, features: Tensor, action: Tensor | None = None, environment: object = None, *, beyond_block: bool = False
    ) -> Context:
        assert action is not None
        masked = action * FACTORS.mask(FACTORS.environment(str(environment)))
        wanted = masked if self.by == "block" else masked - FACTORS.relative(features[:, 0], features[:, 1])
        sizes = torch.stack([wanted[:, FACTORS.slice(name)].norm(dim=1) for name in FACTORS.names], dim=1)
        asked = (sizes > 0.1) if self.by == "block" else (sizes < 0.1)
        tokens = asked.float().repeat_interleave(2, dim=0)[None, None]
        return Context(tokens, tokens, str(environment))

    def embed_features(self, features: Tensor, context: Context | None = None, *_: object, **__: object) -> Tensor:
        asked = torch.zeros(2) if context is None else context.keys[0, 0].mean(0) > 0.5
        kept = asked.float() if self.by != "nothing" and bool(asked.any()) else torch.ones(2)
        return features * torch.cat([kept[:1].expand(4), kept[1:].expand(2)])


def seen(items: int, views: int, seed: int) -> ViewPairs:
    generator = np.random.default_rng(seed)
    turns = Rotation.random(items * views, random_state=seed).as_quat()
    latents = np.concatenate([turns, generator.uniform(-1, 1, (items * views, 2))], axis=1).astype(np.float32)
    images = np.zeros((items * views, 8, 8, 3), np.uint8)
    images[:, 0, :6, 0] = np.round(255 * (latents + 1) / 2)
    shape = (items, views)
    names = [str(item) for item in range(items)]
    return ViewPairs(
        Views(images.reshape(*shape, 8, 8, 3), latents.reshape(*shape, 6), np.zeros(items, np.int64), FACTORS, ("one",), names)
    )


@pytest.mark.parametrize(("by", "says"), [("pairs", ON_PAIRS), ("block", ON_ACTIVE), ("nothing", ON_NOTHING)])
def test_models_by_hand(by: str, says: str) -> None:
    train, val = seen(9, 4, 0), seen(12, 25, 1)
    embedder = Embedder(ByHand(by).eval(), Contexts.draw(train, 7, 2, 0), {})
    sets = ViewSet.choose(train.views, "train", 0, 0, 0), ViewSet.choose(val.views, "val", 0, 0, 0)
    views = SingleViews(embedder, *sets, sets[1].rows(3, 0))
    environments = [FACTORS.environment(name) for name in ("rotation", "color")]
    made = [row for row in context_sensitivity_rows(views, train, environments, k=5, lengths=[14]) if row.head != "auxiliary"]
    found = verdict(made)
    assert found is not None and found.says == says, found and found.sentence
    shares = {(row.environment, row.context, row.factor): row.mean for row in made if row.metric == "variance_share"}
    if by == "pairs":
        assert found.kept is not None and found.kept["one pair"] == pytest.approx(1, abs=0.05)
        # Nothing happens between two black views: the action of the inactive block matches, that of the other does not.
        assert found.kept["blank images"] < 0 and found.kept["one pair of zeros"] < 0
        assert shares["rotation", "all factors active", "color"] > 0.1, "two actions that are borne out ask for both"
        assert shares["rotation", "scaled actions 0.5", "color"] > 0.1, "half an action is not borne out"
    if by == "block":
        assert found.kept is not None and found.kept["blank images"] == pytest.approx(1) == found.kept["one pair of zeros"]
        assert shares["rotation", "scaled actions 0.5", "color"] < 0.01 and shares["color", "no factor active", "rotation"] > 0.1
