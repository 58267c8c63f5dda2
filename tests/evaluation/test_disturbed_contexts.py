"""Disturbed contexts: each disturbance does what its name says and no more, and its rows are those of the model in that context."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from contextssl.data.pairs import ViewPairs
from contextssl.errors import DataError, InputError, SettingsError
from contextssl.evaluation.contexts import ContextPoint, Contexts, context_points, draw_contexts
from contextssl.evaluation.disturbances import DISTURBANCES, EncodedPairs, cycle, shuffled
from contextssl.evaluation.disturbed_contexts import context_sensitivity_rows
from contextssl.evaluation.embeddings import Embedder
from contextssl.evaluation.single_views import SingleViews, probe_rows
from contextssl.evaluation.trained_probes import HeadTraining
from contextssl.evaluation.variance_share import basis, geometry_rows, item_folds, variance_share
from contextssl.evaluation.view_sets import ViewSet
from contextssl.factors import Environment
from contextssl.models.contextssl import ContextSSL
from contextssl.randomness import derive_seed, seeded_generator
from contextssl.records.results import RESULTS, ResultRow, read_results, write_results
from tests.edited import edit_json
from tests.evaluation.tiny import FACTORS, encoded, generator, tiny_model, views_of

# What a seed changes.
UNSETTLED = {"mean": 0, "std": 0, "item_std": 0}
PAIRS = 7  # what the tiny model's block of 16 tokens holds next to a query
TRAIN, VAL = ViewPairs(views_of(9, 4, "train")), ViewPairs(views_of(12, 25))
ROTATION, COLOR, NONE = (FACTORS.environment(name) for name in ("rotation", "color", "none"))


def single_views(model: ContextSSL | None = None, draws: int = 2) -> SingleViews:
    embedder = Embedder(model or tiny_model(), Contexts.draw(TRAIN, PAIRS, draws, 0), {})
    train, test = ViewSet.choose(TRAIN.views, "train", 0, 0, 0), ViewSet.choose(VAL.views, "val", 0, 0, 0)
    return SingleViews(embedder, train, test, test.rows(3, 0))


def rows_of(views: SingleViews | None = None, environments: tuple[Environment, ...] = (ROTATION, COLOR), **given: Any) -> list[ResultRow]:
    return list(context_sensitivity_rows(views or single_views(), TRAIN, environments, **{"k": 5, "lengths": [6], **given}))


def numbers(rows: list[ResultRow]) -> dict[ResultRow, float]:
    """The mean of each row by all else that it says, whichever protocol it is of."""
    found = {replace(row, protocol="", mean=0.0, std=None, item_std=None): row.mean for row in rows}
    assert len(found) == len(rows)
    return found


def embedded(model: ContextSSL, pairs: EncodedPairs, queries: Tensor, *, beyond_block: bool = False) -> Tensor:
    context = model.context_from_features(pairs.features, pairs.action, "rotation", beyond_block=beyond_block)
    return model.embed_features(queries, context)


def test_one_layer_sees_no_order_and_two_do() -> None:
    """A query sees all pairs in the same way, but from the second layer on what it sees of a pair has itself seen the earlier pairs."""
    pairs, queries = encoded(7, 0), torch.randn(20, 12, generator=generator())
    other = shuffled(pairs, generator())
    model = tiny_model()
    assert len(model.predictor.blocks) == 2
    assert float((embedded(model, pairs, queries) - embedded(model, other, queries)).abs().max()) > 1e-3
    del model.predictor.blocks[1]
    torch.testing.assert_close(embedded(model, pairs, queries), embedded(model, other, queries), rtol=1e-5, atol=1e-5)
    assert not torch.allclose(embedded(model, pairs, queries), model.embed_features(queries), atol=1e-3)  # the context matters all the same


def test_beyond_the_block_is_a_model_with_a_larger_block() -> None:
    small, large = tiny_model(), tiny_model(block_size=32)
    large.load_state_dict(small.state_dict())
    pairs, queries = encoded(2 * PAIRS, 0), torch.randn(20, 12, generator=generator())
    with pytest.raises(InputError, match="14 pairs .* do not fit into a block of 16 tokens"):
        embedded(small, pairs, queries)
    found = embedded(small, pairs, queries, beyond_block=True)
    torch.testing.assert_close(found, embedded(large, pairs, queries), rtol=1e-5, atol=1e-6)
    assert not torch.allclose(found, embedded(small, pairs[:PAIRS], queries), atol=1e-3)
    # What fits is not changed by the word.
    torch.testing.assert_close(embedded(small, pairs[:3], queries, beyond_block=True), embedded(small, pairs[:3], queries), rtol=0, atol=0)


def test_rows_say_what_was_done() -> None:
    rows = rows_of(unseen=VAL, lengths=None)
    assert {row.context for row in rows if row.environment == "rotation"} == {
        None, "shuffled", "wrong environment (color)", "random actions", "partners dealt anew", "wrong pairs 25 %",
        "wrong pairs 50 %", "wrong pairs 100 %", "one image everywhere", "blank images", "no factor active", "all factors active",
        "scaled actions 0.5", "scaled actions 0.3", "scaled actions 0.2", "scaled actions 0.1",
        "one pair", "one pair of zeros", "unseen classes", "beyond the block",
    }  # fmt: skip
    assert {row.context for row in rows if row.environment == "color"} >= {"wrong environment (rotation)", "shuffled"}
    assert {row.length for row in rows if row.context == "beyond the block"} == {28}
    assert {row.length for row in rows if str(row.context).startswith("one pair")} == {2}
    assert {row.length for row in rows if not str(row.context).startswith(("one pair", "beyond"))} == {14}
    assert {(row.representation, row.split, row.bottleneck, row.protocol) for row in rows} == {
        ("embedding", "val", 0, "context-sensitivity")
    }
    assert {row.context for row in rows if row.n != 2} == {"one pair of zeros"}
    assert {(row.metric, row.head, row.count) for row in rows if row.metric in ("variance_share", "r2_pooled")} == {
        ("variance_share", None, 300),
        ("r2_pooled", "knn", 36),
        ("r2_pooled", "auxiliary", 36),
    }
    assert {row.factor for row in rows} == {"rotation", "color"}
    cells = {(row.context, row.environment) for row in rows}
    # Each disturbance moves the numbers, and two never agree.
    repeated = ("environment", "active")  # another environment's context is that of its own row; all and none are the same in each
    shares = [
        numbers_of(rows, context, environment) for context, environment in cells if not any(word in str(context) for word in repeated)
    ]
    assert len({tuple(share) for share in shares}) == len(shares) == 34


def numbers_of(rows: list[ResultRow], context: str | None, environment: str | None) -> list[float]:
    return [row.mean for row in rows if (row.context, row.environment) == (context, environment)]


def test_as_drawn_is_what_geometry_and_probe_say() -> None:
    views = single_views()
    drawn = numbers([row for row in rows_of(views, disturbances=[]) if row.head != "auxiliary"])
    points = context_points([ROTATION, COLOR], [6], 2)
    known = numbers(list(geometry_rows(views, points, shares=[0.0], k=5)))
    known = {row: mean for row, mean in known.items() if row.factor != "class" and row.representation == "embedding"}
    assert known.keys() == drawn.keys() and len(known) == 2 * 2 * 3 + 2
    for row, mean in known.items():
        assert drawn[row] == pytest.approx(mean, abs=1e-6)
    heads = numbers([row for row in rows_of(views, disturbances=[]) if row.head == "auxiliary"])
    probed = probe_rows(views, points, heads=[], shares=[0.0], training=HeadTraining(1, 1e-3, 10, 0))
    assert heads == pytest.approx(numbers([row for row in probed if row.head == "auxiliary"]), abs=1e-6)


def test_another_environment_is_that_environments_context() -> None:
    """The pairs are the same: an environment is only which blocks of their actions are active."""
    rows = rows_of(disturbances=["wrong environment"])
    for own, other in (("rotation", "color"), ("color", "rotation")):
        assert numbers_of(rows, f"wrong environment ({other})", own) == numbers_of(rows, None, other) != numbers_of(rows, None, own)
    both = FACTORS.environment("both")
    named = {
        row.context for row in rows_of(environments=(ROTATION,), disturbances=["wrong environment"], other_environments=[both, COLOR, NONE])
    }
    assert named == {None, "wrong environment (color)"}  # only environments of one factor stand in the place of another


@pytest.mark.parametrize(
    "kind",
    [
        "random actions",
        "wrong pairs",
        "blank images",
        "no factor active",
        "all factors active",
        "scaled actions",
        "unseen classes",
        "beyond the block",
    ],
)
def test_rows_are_the_models_in_that_context(kind: str) -> None:
    """From images, by the model's own doors and a context made by hand."""
    views = single_views(draws=2)
    rows = rows_of(views, (COLOR,), disturbances=[kind], unseen=VAL, seed=3, lengths=[10])
    model, test = views.embedder.model, views.test
    assert isinstance(model, ContextSSL)
    images = VAL.views.gather_views(test.items, test.views)
    expected = []
    for index, drawn in enumerate(views.embedder.contexts.shared):
        source, action, target = (part[:5].clone() for part in (drawn.source, drawn.action, drawn.target))
        if kind == "random actions":
            action = action[cycle(5, seeded_generator(3, kind, index))]
        if kind == "wrong pairs":
            spare = _other_draws(TRAIN, "spare pairs")[index]
            for place in torch.randperm(5, generator=seeded_generator(3, kind, index))[:3].tolist():
                taken = next(j % PAIRS for j in range(place, place + PAIRS) if spare.items[j % PAIRS] != drawn.items[place])
                target[place] = spare.target[taken]
        if kind == "unseen classes":
            strangers = _other_draws(VAL, kind)[index]
            source, action, target = (part[:5] for part in (strangers.source, strangers.action, strangers.target))
        environment = {"no factor active": "none", "all factors active": "all"}.get(kind, "color")
        source, target = (part * (kind != "blank images") for part in (source, target))
        action = 0.3 * action if kind == "scaled actions" else action
        if kind == "beyond the block":
            spare = _other_draws(TRAIN, "spare pairs")[index]
            parts = ((drawn.source, spare.source), (drawn.action, spare.action), (drawn.target, spare.target))
            source, action, target = (torch.cat(part) for part in parts)
            model = tiny_model(block_size=32)
        z = F.normalize(model.embed(images, model.context(source, action, target, environment)), dim=-1)
        expected.append(variance_share(z, basis(test.latents[:, :4], FACTORS["rotation"]), item_folds(test)))
    name = {"wrong pairs": "wrong pairs 50 %", "scaled actions": "scaled actions 0.3"}.get(kind, kind)
    (row,) = [row for row in rows if (row.context, row.metric, row.factor) == (name, "variance_share", "rotation")]
    assert row.mean == pytest.approx(sum(expected) / 2, abs=1e-5) and row.length == (28 if kind == "beyond the block" else 10)
    assert row.std == pytest.approx(abs(expected[0] - expected[1]) / 2**0.5, abs=1e-5)


def _other_draws(source: ViewPairs, purpose: str) -> list[Any]:
    return list(draw_contexts(source, PAIRS, 2, derive_seed(3, purpose)))


def test_the_seed_settles_every_disturbance_and_not_what_was_drawn() -> None:
    first, again, other = (rows_of(environments=(ROTATION,), unseen=VAL, seed=seed) for seed in (0, 0, 1))
    assert first == again and [asdict(row) | UNSETTLED for row in first] == [asdict(row) | UNSETTLED for row in other]
    for context in {row.context for row in first}:
        same = numbers_of(first, context, "rotation") == numbers_of(other, context, "rotation")
        seeded = str(context).startswith(("shuffled", "random actions", "partners", "wrong pairs", "unseen classes", "beyond the block"))
        assert same == (not seeded)


def test_a_choice_of_disturbances_gives_the_same_numbers() -> None:
    every = numbers(rows_of(environments=(ROTATION,)))
    chosen = numbers(rows_of(environments=(ROTATION,), disturbances=["wrong pairs"]))
    assert {row.context for row in chosen} == {None, "wrong pairs 25 %", "wrong pairs 50 %", "wrong pairs 100 %"}
    assert all(every[row] == mean for row, mean in chosen.items())


def test_what_cannot_be_shown_is_left_out() -> None:
    one_pair = {row.context for row in rows_of(environments=(ROTATION,), lengths=[0, 2])}
    assert {"shuffled", "random actions"} & one_pair == set() and {None, "wrong pairs 100 %", "blank images"} <= one_pair
    telling_nothing = {row.context for row in rows_of(environments=(NONE,), lengths=[6])}
    assert {"random actions", "no factor active", "scaled actions 0.5"} & telling_nothing == set() and "shuffled" in telling_nothing
    telling_all = {row.context for row in rows_of(environments=(FACTORS.environment("all"),), lengths=[6])}
    assert "all factors active" not in telling_all and "no factor active" in telling_all
    headless = tiny_model()
    headless.auxiliary = None
    assert {row.head for row in rows_of(single_views(headless), (ROTATION,), disturbances=[])} == {None, "knn"}


def test_too_few_views_for_a_share_are_said() -> None:
    views = single_views()
    views = replace(views, test=ViewSet.choose(VAL.views, "val", 3, 0, 0), rows=torch.arange(36))
    with pytest.warns(UserWarning) as caught:
        rows = rows_of(views, disturbances=[])
    assert [str(warning.message).split(":")[0] for warning in caught] == [
        f"the variance share of {name} is left out" for name in ("rotation", "color")
    ]
    assert {row.head for row in rows} == {"knn", "auxiliary"}


def test_views_are_not_encoded_for_every_context(monkeypatch: pytest.MonkeyPatch) -> None:
    views = single_views()
    encode, seen = views.embedder.encode, []

    def counted(images: Tensor) -> Tensor:
        seen.append(len(images))
        return encode(images)

    monkeypatch.setattr(views.embedder, "encode", counted)
    rows_of(views, unseen=VAL)
    # Each view set once; of two draws own, spare and unseen pairs, once each; a blank view.
    assert sum(seen) == len(views.train) + len(views.test) + 2 * 2 * PAIRS * 3 + 1


def test_wrong_words() -> None:
    with pytest.raises(SettingsError, match="unknown disturbance 'shufled': did you mean 'shuffled'"):
        rows_of(disturbances=["shufled"])
    with pytest.raises(SettingsError, match="takes contexts of at most 14"):
        rows_of(lengths=[16])
    with pytest.raises(DataError, match="wrong pairs need a target of another item"):
        list(context_sensitivity_rows(single_views(), ViewPairs(views_of(1, 4, "train")), [ROTATION]))
    assert all("'" not in kind and "%" not in kind for kind in DISTURBANCES)  # they are words of the command line


def test_a_model_without_contexts_is_refused() -> None:
    from contextssl.models.view_encoder import ViewEncoder

    views = single_views()
    views.embedder.model = ViewEncoder(views.embedder.model.encoder, FACTORS, feature_width=12)
    with pytest.raises(SettingsError, match="this model takes no context pairs"):
        rows_of(views)


def test_results_keep_the_disturbance_and_old_files_are_read(tmp_path: Path) -> None:
    rows = [ResultRow("context-sensitivity", "variance_share", 0.5, context="shuffled"), ResultRow("geometry", "variance_share", 0.25)]
    write_results(tmp_path, {}, rows)
    assert read_results(tmp_path)[1] == rows
    former = ("context", "over", "item_std", "items")
    edit_json(tmp_path / RESULTS, lambda content: [row.pop(name) for row in content["rows"] for name in former])
    assert read_results(tmp_path)[1] == [replace(row, context=None) for row in rows]


def test_points_are_those_of_the_embedder() -> None:
    """A context as drawn has the same point that the other protocols cache."""
    views = single_views()
    rows_of(views, (ROTATION,), disturbances=[])
    views.embedder.model.encoder = None  # type: ignore[assignment]  # what is in the cache is not computed
    assert views.embedder.unit(views.test, ContextPoint("rotation", 6, 1)).shape == (300, 8)
