"""The label head's accuracy by environment and length: against slow loops, and answers that were planted."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from contextssl.data.pairs import ViewPairs
from contextssl.errors import InputError
from contextssl.evaluation.context_labels import bound_without_context, context_label_rows, labels_under
from contextssl.evaluation.contexts import ContextPoint, Contexts, context_points
from contextssl.evaluation.embeddings import Embedder
from contextssl.evaluation.single_views import SingleViews
from contextssl.evaluation.view_sets import ViewSet
from contextssl.models.contextssl import ContextSSL
from contextssl.models.label_space import LabelSpace
from contextssl.models.linear_head import LinearHead
from contextssl.records.results import ResultRow
from tests.evaluation.tiny import FACTORS, tiny_model, views_of

TRAIN = views_of(9, 4, "train")
VAL = views_of(6, 5)
ENVIRONMENTS = [FACTORS.environment(name) for name in ("rotation", "color")]
NOTHING = ContextPoint(None, 0, 0)


def label_space(bins: int = 2) -> LabelSpace:
    return LabelSpace.fit(ViewSet.choose(TRAIN, "train", 0, 0, 0).latents, FACTORS, VAL.num_classes, bins=bins)


def single_views(rows: Tensor | None = None, embedder: Embedder | None = None) -> SingleViews:
    if embedder is None:
        embedder = Embedder(tiny_model(), Contexts.draw(ViewPairs(TRAIN), 7, 2, 0), {"fingerprint": "a"})
    train, test = ViewSet.choose(TRAIN, "train", 0, 0, 0), ViewSet.choose(VAL, "val", 0, 0, 0)
    return SingleViews(embedder, train, test, torch.arange(len(test)) if rows is None else rows)


def by_name(rows: Sequence[ResultRow]) -> dict[tuple[str, str | None, str | None, int | None], ResultRow]:
    found = {(row.metric, row.factor, row.environment, row.length): row for row in rows}
    assert len(found) == len(rows)
    return found


def most_frequent(labels: list[int]) -> float:
    return max(labels.count(label) for label in labels) / len(labels)


@pytest.mark.parametrize("bins", [2, 3])
def test_accuracies_are_the_loop(bins: int) -> None:
    """A tiny model and a head of any weights, one view at a time, by the model's own embedding of images."""
    space = label_space(bins)
    chosen = torch.tensor([0, 3, 4, 8, 13, 14, 20, 25, 28])
    views, head = single_views(chosen), LinearHead(8, space.count)
    with torch.no_grad():
        head.linear.weight.mul_(5)
    found = by_name(list(context_label_rows(views, context_points(ENVIRONMENTS, [0, 4], 2), head, space)))
    assert len(found) == 2 * 2 * 2 + 1
    test, model = views.test, views.embedder.model
    assert isinstance(model, ContextSSL)
    for environment in ("rotation", "color"):
        mask = FACTORS.mask(environment)[None]
        labels = [int(space.labels(test.latents[r][None], test.labels[r][None], mask)) for r in chosen]
        for length in (0, 4):
            shares, bin_shares = [], []
            for draw in range(2 if length else 1):
                pairs = views.embedder.contexts.shared[draw]
                context = model.context(pairs.source[:2], pairs.action[:2], pairs.target[:2], environment) if length else None
                answers = []
                for r in chosen:
                    z = model.embed(VAL.gather_views(test.items[r][None], test.views[r][None]), context)[0]
                    answers.append(int(head(z / z.norm()).argmax()))
                shares.append(sum(a == b for a, b in zip(answers, labels, strict=True)) / len(chosen))
                bin_shares.append(sum(a % bins == b % bins for a, b in zip(answers, labels, strict=True)) / len(chosen))
            row = found["accuracy", f"class+{environment}", environment, length]
            assert row.mean == pytest.approx(sum(shares) / len(shares)) and row.floor == pytest.approx(most_frequent(labels))
            row = found["accuracy", environment, environment, length]
            assert row.mean == pytest.approx(sum(bin_shares) / len(shares))
            assert row.floor == pytest.approx(most_frequent([label % bins for label in labels]))
            assert (row.n, row.count, row.head, row.representation, row.protocol, row.split) == (
                len(shares), 9, "label", "embedding", "labels", "val",
            )  # fmt: skip


class Planted(Embedder):
    """An embedder whose embedding *is* an answer: the right label of the context's environment, and of rotation's without a context.

    In the context of number 1 every answer is of the wrong bin.
    """

    space: LabelSpace

    def unit(self, views: ViewSet, point: ContextPoint | None) -> Tensor:
        assert point is not None
        mask = FACTORS.mask(point.environment or "rotation").expand(len(views), -1)
        labels = self.space.labels(views.latents, views.labels, mask)
        return F.one_hot(labels ^ point.draw, self.space.count).float()


def planted() -> tuple[SingleViews, LinearHead, LabelSpace]:
    space = label_space()
    embedder = Planted(tiny_model(), Contexts.draw(ViewPairs(TRAIN), 7, 2, 0), {"fingerprint": "a"})
    embedder.space = space
    head = LinearHead(space.count, space.count)
    with torch.no_grad():
        head.linear.weight.copy_(torch.eye(space.count))
        head.linear.bias.zero_()
    return single_views(embedder=embedder), head, space


def test_planted_answers() -> None:
    views, head, space = planted()
    agree = float((labels_under(views, space, "rotation") == labels_under(views, space, "color")).double().mean())
    assert 0.2 < agree < 0.8, "else this test tells nothing"
    found = by_name(list(context_label_rows(views, context_points(ENVIRONMENTS, [0, 2], 1), head, space)))
    for environment in ("rotation", "color"):
        row = found["accuracy", f"class+{environment}", environment, 2]
        assert (row.mean, row.std, row.n, row.count) == (1.0, None, 1, 30)
    # One answer is held against both questions: it is right about rotation, and about colour where that happens to have the same bin.
    assert found["accuracy", "class+rotation", "rotation", 0].mean == 1
    assert found["accuracy", "class+color", "color", 0].mean == pytest.approx(agree)
    # Such an answer is as good as one can be without a context.
    bound = found["accuracy_bound", "class+bin", None, 0]
    assert bound.mean == pytest.approx((1 + agree) / 2) and (bound.head, bound.representation, bound.floor) == (None, None, None)
    assert all(row.floor is not None and 1 / space.count <= row.floor < 1 for row in found.values() if row.metric == "accuracy")


def test_draws_are_averaged() -> None:
    views, head, space = planted()
    found = by_name(list(context_label_rows(views, context_points(ENVIRONMENTS, [2], 2), head, space)))
    row = found["accuracy", "class+color", "color", 2]
    assert (row.mean, row.n) == (0.5, 2) and row.std == pytest.approx(0.5**0.5)
    assert ("accuracy_bound", "class+bin", None, 0) not in found, "without length 0 nothing is said of it"


def test_environments_that_ask_nothing_have_no_rows() -> None:
    views, head, space = planted()
    points = [ContextPoint(name, 2, 0) for name in ("rotation+color", "none")]
    assert list(context_label_rows(views, points, head, space)) == []
    narrow = LabelSpace.fit(views.train.latents, FACTORS, space.classes, names=("color",))
    rows = list(context_label_rows(views, [NOTHING, ContextPoint("rotation", 2, 0), ContextPoint("color", 2, 0)], head, narrow))
    assert {row.environment for row in rows if row.metric == "accuracy"} == {"color"}


def test_a_head_of_another_space_is_refused() -> None:
    views, head, space = planted()
    other = label_space(3)
    with pytest.raises(InputError, match=rf"the head has {space.count} labels, the label space {other.count} \(3 classes × 3 bins\)"):
        list(context_label_rows(views, [NOTHING], head, other))


def test_the_bound_by_hand() -> None:
    assert bound_without_context(torch.tensor([[0, 1, 2, 3], [0, 1, 3, 2]])) == pytest.approx(0.75)
    # Three questions: all agree, two agree, none do.
    assert bound_without_context(torch.tensor([[4, 1, 1], [4, 1, 2], [4, 0, 3]])) == pytest.approx((1 + 2 / 3 + 1 / 3) / 3)
    assert bound_without_context(torch.tensor([[7, 8]])) == 1


@pytest.mark.parametrize("bins", [2, 4])
def test_the_bound_of_unrelated_factors(bins: int) -> None:
    asked = torch.randint(bins, (2, 20_000), generator=torch.Generator().manual_seed(0))
    assert bound_without_context(asked) == pytest.approx(0.5 + 0.5 / bins, abs=0.01)


def test_no_answer_without_the_question_beats_the_bound() -> None:
    generator = torch.Generator().manual_seed(0)
    asked = torch.randint(3, (3, 500), generator=generator)
    answers = [torch.randint(3, (500,), generator=generator), asked[0], asked[2], asked.mode(dim=0).values]
    reached = [float((answer == asked).double().mean()) for answer in answers]
    assert max(reached) == pytest.approx(bound_without_context(asked)) == pytest.approx(reached[-1])
