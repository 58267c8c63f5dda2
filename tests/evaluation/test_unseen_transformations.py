"""Unseen transformations: against a loop, on a model that reads its examples by construction, the rule, and from the command line."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

pytest.importorskip("kornia")

from contextssl.cli import main
from contextssl.data.augmentations import Augmentation
from contextssl.data.augmentations.compose import Augmentations
from contextssl.data.augmented import AugmentedPairs, AugmentedViews
from contextssl.errors import SettingsError
from contextssl.evaluation.contexts import Contexts
from contextssl.evaluation.embeddings import Embedder
from contextssl.evaluation.transformation_verdict import lines_of, verdict
from contextssl.evaluation.transformations import Transformation, transformations_of
from contextssl.evaluation.unseen_transformations import reciprocal_ranks, unseen_transformation_rows
from contextssl.evaluation.view_sets import ViewSet
from contextssl.models.by_examples import ByExamples
from contextssl.models.predictor import Context
from contextssl.randomness import seeded_generator
from contextssl.records.results import ResultRow, read_results
from tests.evaluation.test_transformations import SIDE, photos
from tests.evaluation.tiny import generator, tiny_model
from tests.sources import write_photos
from tests.test_cli import error_of
from tests.test_contexts import IMAGES, SMALL

WIDTH = 3 * SIDE * SIDE


def model(kind: type[ByExamples], views: AugmentedViews, encoder: nn.Module, width: int) -> ByExamples:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        about: dict[str, Any] = {"image_mean": (0.5,) * 3, "image_std": (0.25,) * 3, "auxiliary_width": 16, "init": "fan_in"}
        return kind(
            encoder, views.factors, feature_width=width, projection_dim=8, width=16, n_layer=2, n_head=2, block_size=16, **about
        ).eval()


def rows_of(made: ByExamples, views: AugmentedViews, transformations: list[Transformation], **given: Any) -> list[ResultRow]:
    test = ViewSet.choose(photos(7), "val", 0, 0, 0)
    embedder = Embedder(made, Contexts.draw(AugmentedPairs(views), 2, 1, 0), {})
    usual = {"lengths": [2, 6], "contexts": 2, "seed": 3}
    return list(unseen_transformation_rows(embedder, views, test, transformations, **{**usual, **given}))


def numbers(rows: list[ResultRow]) -> dict[tuple[Any, ...], ResultRow]:
    found = {(row.metric, row.factor, row.length, row.context, row.representation): row for row in rows}
    assert len(found) == len(rows)
    return found


def test_numbers_are_the_loops() -> None:
    views = photos()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        encoder = nn.Sequential(nn.Flatten(), nn.Linear(WIDTH, 12))
    made = model(ByExamples, views, encoder, 12)
    transformations = transformations_of(views, ["flip", "grayscale"])
    found = numbers(rows_of(made, views, transformations))
    images = photos(7).photographed(torch.arange(7))
    flip, grayscale = (each.changed(images, seeded_generator(3, "transformed", "val", each.name)) for each in transformations[:2])

    def expected(changed: Tensor, context: Context | None) -> tuple[float, float]:
        """Sensitivity and MRR, one image at a time."""
        z, moved = (F.normalize(torch.cat([made.embed(x[None], context) for x in part]), dim=-1).double() for part in (images, changed))
        step = sum(float((moved[i] - z[i]).square().sum()) for i in range(7)) / 7
        apart = [float((z[i] - z[j]).square().sum()) for i in range(7) for j in range(7) if i != j]
        ranks = [1 + sum(float(z[i] @ moved[j]) > float(z[i] @ moved[i]) for j in range(7)) for i in range(7)]
        return step / (sum(apart) / len(apart)), sum(1 / rank for rank in ranks) / 7

    def contexts() -> list[Context]:
        drawn = []
        for draw in range(2):
            items = torch.randperm(12, generator=seeded_generator(3, "transformed context", draw))[:3]
            shown = views.photographed(items)
            flipped = transformations[0].changed(shown, seeded_generator(3, "transformed context", draw, "flip"))
            drawn.append(made.context(shown, target=flipped))
        return drawn

    for changed, name in ((flip, "flip"), (grayscale, "grayscale")):
        start, first = expected(changed, None)
        assert found["sensitivity", name, 0, None, "embedding"].mean == pytest.approx(start, rel=1e-4)
        assert found["mrr", name, 0, None, "embedding"].mean == pytest.approx(first)
    several = [expected(flip, context) for context in contexts()]
    row = found["sensitivity", "flip", 6, None, "embedding"]
    assert row.mean == pytest.approx(sum(each[0] for each in several) / 2, rel=1e-4)
    assert (row.n, row.count, row.items, row.over, row.environment) == (2, 7, 7, "contexts", None) and row.item_std
    assert found["mrr", "flip", 6, None, "embedding"].mean == pytest.approx(sum(each[1] for each in several) / 2)
    # Its examples are shown to the transformation before it too, as the wrong ones.
    (last,) = (each for each in transformations if each.title == "color (trained)")
    wrong = [expected(last.changed(images, seeded_generator(3, "transformed", "val", "color")), context) for context in contexts()]
    row = found["sensitivity", "color (trained)", 6, "examples of flip", "embedding"]
    assert row.mean == pytest.approx(sum(each[0] for each in wrong) / 2, rel=1e-4)
    assert {row.context for row in found.values() if row.factor == "flip"} == {None, "examples of grayscale", "partners dealt anew"}
    assert {row.representation for row in found.values()} == {"feature", "embedding", "erased-pairs"}
    assert {row.protocol for row in found.values()} == {"unseen-transformations"}


def test_ranks_are_the_loops_and_ties_take_their_mean() -> None:
    z, changed = (torch.randn(40, 5, generator=generator(seed), dtype=torch.float64) for seed in (0, 1))
    cosines = F.normalize(z, dim=-1) @ F.normalize(changed, dim=-1).T
    loop = [1 / (1 + sum(float(cosines[i, j]) > float(cosines[i, i]) for j in range(40))) for i in range(40)]
    assert reciprocal_ranks(z, changed).tolist() == pytest.approx(loop)
    assert reciprocal_ranks(z, z).tolist() == [1] * 40
    same = torch.ones(4, 3, dtype=torch.float64)
    assert reciprocal_ranks(same, same).tolist() == pytest.approx([(1 + 1 / 2 + 1 / 3 + 1 / 4) / 4] * 4)


@dataclass(frozen=True)
class Dot(Augmentation):
    """Another level at one place of the red channel: one direction of the pixels."""

    parameters: ClassVar[tuple[str, ...]] = ("level",)
    identity: ClassVar[tuple[float, ...]] = (0.0,)

    at: int = 0

    @property
    def name(self) -> str:  # type: ignore[override]
        return f"dot{self.at}"

    def draw(self, count: int, generator: torch.Generator) -> Tensor:
        return 0.5 + torch.rand(count, 1, generator=generator) / 2

    def apply(self, images: Tensor, parameters: Tensor) -> Tensor:
        made = images.clone()
        made[:, 0, self.at, 0] = parameters[:, 0]
        return made

    def words(self, parameters: Tensor) -> str:
        return ""


class Reader(ByExamples):
    """A model that does what examples should do: of the features, those that differ within its pairs count no more."""

    def embed_features(self, features: Tensor, context: Context | None = None, actions: Tensor | None = None, **_: Any) -> Tensor:
        if context is None or context.features is None:
            return features
        differs = ((context.features[:, 1] - context.features[:, 0]).abs() > 1e-6).any(dim=0)
        return features * ~differs


class Corners(nn.Module):
    """The two dots, and two other places."""

    num_features = 4

    def forward(self, views: Tensor) -> Tensor:
        return torch.stack([views[:, 0, 0, 0], views[:, 0, 1, 0], views[:, 1, 2, 2], views[:, 2, 3, 3]], dim=1)


def test_a_model_that_reads_its_examples_is_found_to() -> None:
    views = photos(factors=("crop",))
    dots = [Transformation(f"dot{at}", False, Augmentations((Dot(at),))) for at in (0, 1)]
    rows = rows_of(model(Reader, views, Corners(), 4), views, dots)
    found = numbers(rows)
    for name, other in (("dot0", "dot1"), ("dot1", "dot0")):
        start = found["sensitivity", name, 0, None, "embedding"].mean
        assert start > 0.1 and found["mrr", name, 0, None, "embedding"].mean < 1
        for length in (2, 6):
            assert found["sensitivity", name, length, None, "embedding"].mean == pytest.approx(0, abs=1e-9)
            assert found["mrr", name, length, None, "embedding"].mean == 1
            assert found["sensitivity", name, length, f"examples of {other}", "embedding"].mean > 0.1
    said = verdict(rows)
    assert said is not None and said.says == "of 2 transformations that training never varied, examples of 2 are read"
    assert said.length == 6 and said.kept == {"dot0": pytest.approx(0, abs=1e-9), "dot1": pytest.approx(0, abs=1e-9)}


def test_a_linear_eraser_of_the_same_pairs_does_it_too_where_a_transformation_is_one_direction() -> None:
    class Plain(Reader):
        def embed_features(self, features: Tensor, context: Context | None = None, actions: Tensor | None = None, **_: Any) -> Tensor:
            # Of a constant so large that normalising leaves directions as they are.
            return torch.cat([features, torch.full((len(features), 1), 1e3, device=features.device)], dim=1)

    views = photos(factors=("crop",))
    dots = [Transformation(f"dot{at}", False, Augmentations((Dot(at),))) for at in (0, 1)]
    rows = rows_of(model(Plain, views, Corners(), 4), views, dots, lengths=[2])
    found = numbers(rows)
    for name in ("dot0", "dot1"):
        start = found["sensitivity", name, 0, None, "embedding"].mean
        assert found["sensitivity", name, 2, None, "embedding"].mean == pytest.approx(start), "this model reads no context"
        assert found["sensitivity", name, 2, None, "erased-pairs"].mean < 0.01 * start
    said = verdict(rows)
    assert said is not None and said.says == "of 2 transformations that training never varied, examples of 0 are read"


def row(factor: str, length: int, mean: float, **about: Any) -> ResultRow:
    given = {"representation": "embedding", **about}
    return ResultRow("unseen-transformations", "sensitivity", mean, factor=factor, length=length, split="val", **given)


def test_the_rule_on_made_up_rows() -> None:
    rows = [
        *(row("flip", length, mean) for length, mean in ((0, 0.9), (2, 0.2), (14, 0.3))),
        *(row("blur", length, mean) for length, mean in ((0, 0.3), (2, 0.05), (14, 0.12))),
        *(row("hue", length, 0.01) for length in (0, 2, 14)),
        *(row("crop (trained)", length, mean) for length, mean in ((0, 0.5), (2, 0.1), (14, 0.05))),
        row("flip", 14, 0.8, context="examples of blur"),
        row("flip", 14, 0.7, context="partners dealt anew"),
        row("flip", 14, 0.4, representation="erased-pairs"),
        row("flip", 0, 0.6, representation="feature"),
    ]
    flip, blur, hue, crop = lines_of(rows)
    assert (flip.read, blur.read, hue.read, crop.read) == (True, False, None, True)
    assert flip.left == pytest.approx(1 / 3) and math.isnan(hue.left) and crop.trained and not flip.trained
    assert [part.mean for part in (flip.other, flip.dealt, flip.erased) if part is not None] == [0.8, 0.7, 0.4]
    assert blur.other is None and [blur.by_length[length].mean for length in (0, 2, 14)] == [0.3, 0.05, 0.12]
    said = verdict(rows)
    assert said is not None
    assert said.sentence == (
        "Of 2 transformations that training never varied, examples of 1 are read: a third or less remains of the sensitivity without a "
        "context, under 7 pairs of a transformation's own; there remains: flip 33 %, blur 40 %, crop (trained) 10 %."
    )
    assert verdict([]) is None
    without = verdict([each for each in rows if each.length == 0])
    assert without is not None and without.sentence == "No verdict: it takes contexts of at least one pair."
    trained = verdict([each for each in rows if "trained" in str(each.factor)])
    assert trained is not None and trained.sentence == "No verdict: all of these were trained."


def test_what_cannot_be_is_refused() -> None:
    views = photos()
    embedder = Embedder(tiny_model(), Contexts.draw(AugmentedPairs(views), 2, 1, 0), {})
    with pytest.raises(SettingsError, match="train one with context=examples"):
        list(unseen_transformation_rows(embedder, views, ViewSet.choose(views, "val", 0, 0, 0), [], lengths=[2], contexts=1))
    made = model(Reader, views, Corners(), 4)
    one = ViewSet.choose(photos(1), "val", 0, 0, 0)
    with pytest.raises(SettingsError, match="only one on the val split: raise items"):
        list(unseen_transformation_rows(Embedder(made, embedder.contexts, {}), views, one, [], lengths=[2], contexts=1))


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_from_the_command_line(in_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_photos(in_folder / "photos")
    chosen = ["dataset=images", "data_dir=photos", "factors=[color,rotate]", "val_fraction=0.25", *IMAGES, *SMALL, "epochs=1"]
    assert main(["train", *chosen, "context=examples", "env_ratio={color:0.5,none:0.5}", "run_dir=runs/a"]) == 0
    quick = ["contexts=1", "accelerator=cpu", "progress=false"]
    named = "transformations=[grayscale,kornia:RandomSolarize]"
    capsys.readouterr()
    assert main(["evaluate", "unseen-transformations", "runs/a", named, "transformed_items=3", *quick]) == 0
    out = capsys.readouterr().out
    assert "RandomSolarize" in out and "color (trained)" in out and "f 2 transformations that training never varied, examples of" in out
    run, rows = read_results(in_folder / "runs/a")
    rows = [each for each in rows if each.protocol == "unseen-transformations"]
    assert {each.factor for each in rows} == {"grayscale", "RandomSolarize", "color (trained)", "rotate (trained)"}
    assert {each.length for each in rows} == {None, 0, 2, 6, 14} and {each.count for each in rows} == {3}
    assert run["evaluations"]["unseen-transformations"]["verdict"]["measure"] == "sensitivity"
    assert main(["report", "runs/a", "gallery=false"]) == 0
    page = (in_folder / "runs/a/report.html").read_text()
    assert 'id="unseen-transformations"' in page and "RandomSolarize" in page
    asked = ["evaluate", "unseen-transformations", "runs/a", *quick]
    assert "unknown augmentation 'greyscale'" in error_of(capsys, *asked, "transformations=[greyscale]")
    assert main(["train", *chosen, "context=actions", "env_ratio={color:0.5,none:0.5}", "run_dir=runs/b"]) == 0
    assert "train one with context=examples" in error_of(capsys, "evaluate", "unseen-transformations", "runs/b", named, *quick)
