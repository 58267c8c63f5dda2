"""The fairness protocol on made-up people: what each number is, against the obvious computation, and what it says where there is nothing."""

from __future__ import annotations

import math
from pathlib import Path

import pandas as pd
import pytest
import torch
import torch.nn.functional as F

from contextssl.config.evaluation_settings import EvaluateSettings
from contextssl.config.settings import TrainSettings
from contextssl.data.dataset import Data, open_data
from contextssl.data.tables.columns import Columns
from contextssl.data.tables.corruption import row_factors
from contextssl.data.tables.rows import RowViews
from contextssl.errors import SettingsError
from contextssl.evaluation.contexts import ContextPoint
from contextssl.evaluation.evaluate import Plan, evaluate
from contextssl.evaluation.evaluated import Evaluated
from contextssl.evaluation.fairness_rows import Encoded, one_hot
from contextssl.evaluation.fairness_scores import counterfactual_distance
from contextssl.evaluation.fairness_summary import fairness_summary
from contextssl.evaluation.people import People
from contextssl.evaluation.view_sets import ViewSet
from contextssl.models.contextssl import ContextSSL
from contextssl.records.results import ResultRow, read_results
from contextssl.training.run import fresh_model
from tests.people import people_data
from tests.training.runs import toy_data

SETTINGS = {"contexts": 2, "eval_ctxt": [0, 6], "accelerator": "cpu", "precision": "32-true", "cache": False, "progress": False}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Data:
    return people_data(tmp_path_factory.mktemp("people") / "people.csv")


def evaluated(data: Data, folder: Path) -> Evaluated:
    """An untrained model, which removes nothing."""
    settings = TrainSettings(
        backbone="table_mlp", encoder_width=16, projection_dim=8, width=16, n_layer=1, block_size=8, init="fan_in", auxiliary_width=0
    )
    model = fresh_model(settings, data, None).eval()
    environments = tuple(model.factors.environment(name) for name in ("sex", "none"))
    return Evaluated(model, data, folder, environments)


@pytest.fixture(scope="module")
def rows(data: Data, tmp_path_factory: pytest.TempPathFactory) -> list[ResultRow]:
    folder = tmp_path_factory.mktemp("results")
    settings = EvaluateSettings(**SETTINGS, scarf_epochs=2, fairness_bottleneck=[0.5])  # type: ignore[arg-type]
    evaluate(settings, ["fairness"], evaluated=evaluated(data, folder))
    return read_results(folder)[1]


def find(rows: list[ResultRow], **fields: object) -> list[ResultRow]:
    return [row for row in rows if all(getattr(row, name) == value for name, value in fields.items())]


def plan(data: Data, folder: Path) -> Plan:
    return Plan.of(EvaluateSettings(**SETTINGS), evaluated(data, folder))  # type: ignore[arg-type]


def test_there_is_a_row_for_everything(rows: list[ResultRow]) -> None:
    conditions = {(row.representation, row.environment, row.length, row.bottleneck) for row in rows}
    contexts: set[tuple[str, str | None, int | None, float]] = {("embedding", None, 0, share) for share in (0.0, 0.5)}
    contexts |= {("embedding", named, 6, share) for named in ("sex", "none") for share in (0.0, 0.5)}
    contexts |= {("none-erased", None, None, 0.5)}
    assert conditions == contexts | {(name, None, None, 0.0) for name in ("raw", "raw-without", "erased-context", "erased-train", "scarf")}
    for head in ("logistic", "mlp", "boosting"):
        assert len(find(rows, metric="auroc", factor="sex", head=head)) == len(conditions)
    for metric in ("equalized_odds_difference", "equal_opportunity_difference", "demographic_parity_difference", "counterfactual_flips"):
        (row,) = find(rows, metric=metric, environment="none", bottleneck=0.5)
        assert (row.factor, row.target, row.head, row.n, row.count) == ("sex", "income", "logistic", 2, 32) and row.std is not None
    assert {row.head for row in find(rows, metric="accuracy", target="income", representation="raw")} == {"logistic", "mlp", "boosting"}
    assert all(row.protocol == "fairness" and row.split == "val" for row in rows)


@pytest.mark.parametrize(("method", "named"), [("conditional", {"sex", "none"}), ("simclr", {None})])
def test_methods_without_pairs_are_evaluated_too(data: Data, tmp_path: Path, method: str, named: set[str | None]) -> None:
    settings = TrainSettings(
        method=method, backbone="table_mlp", encoder_width=16, projection_dim=8, projector_width=16, width=16, n_layer=1, block_size=8
    )
    model = fresh_model(settings, data, None).eval()
    asked = EvaluateSettings(**{**SETTINGS, "eval_ctxt": None}, scarf_epochs=1, fairness_bottleneck=[0.5], adversaries=["logistic"])  # type: ignore[arg-type]
    environments = tuple(model.factors.environment(name) for name in ("sex", "none"))
    evaluate(asked, ["fairness"], evaluated=Evaluated(model, data, tmp_path, environments, settings))
    rows = read_results(tmp_path)[1]
    assert {(row.environment, row.length) for row in find(rows, representation="embedding")} == {(name, 0) for name in named}
    erased = {"erased-context", "erased-train"} | ({"none-erased"} if "none" in named else set())
    assert {row.representation for row in rows if "erased" in str(row.representation)} == erased
    assert all(math.isfinite(row.mean) for row in find(rows, metric="accuracy", factor="sex"))


def test_raw_columns_give_the_factor_away_only_where_they_hold_it(rows: list[ResultRow]) -> None:
    (raw,) = find(rows, metric="accuracy", factor="sex", head="logistic", representation="raw")
    (without,) = find(rows, metric="accuracy", factor="sex", head="logistic", representation="raw-without")
    assert raw.mean == 1.0 and without.mean < 0.85
    (flips,) = find(rows, metric="counterfactual_flips", head="logistic", representation="raw-without")
    (moves,) = find(rows, metric="counterfactual_distance", representation="raw-without")
    assert flips.mean == 0 and moves.mean == 0, "columns without the sex do not know that it was flipped"


def test_erasure_on_all_rows_leaves_a_line_nothing(rows: list[ResultRow]) -> None:
    (erased,) = find(rows, metric="accuracy", factor="sex", head="logistic", representation="erased-train")
    (plain,) = find(rows, metric="accuracy", factor="sex", head="logistic", environment=None, length=0, bottleneck=0.0, target=None)
    assert plain.mean > 0.9 > 0.75 > erased.mean


def test_people_are_rows_as_they_stand(data: Data, tmp_path: Path) -> None:
    made = plan(data, tmp_path)
    people = People.of(made.train, made.test, seed=0)
    bank = data.val.views
    assert isinstance(bank, RowViews)
    assert torch.equal(people.test, bank.rows) and people.train_targets["income"].tolist() == data.train.views.labels.tolist()
    (factor,) = bank.row_factors
    flipped = people.flipped["sex"]
    assert (factor.of(flipped) != factor.of(people.test)).all()
    others = [place for place in range(flipped.shape[1]) if place != factor.place]
    assert torch.equal(flipped[:, others], people.test[:, others])
    point = ContextPoint("none", 6, 1)
    got = Encoded.of(made.embedder, people).embedded(made.embedder, point)
    pairs, model = made.embedder.contexts.shared[1], made.embedder.model
    assert isinstance(model, ContextSSL)
    context = model.context(pairs.source, pairs.action, pairs.target, "none")
    assert torch.allclose(got.test, F.normalize(model.embed(bank.rows, context), dim=-1), atol=1e-5)


def test_raw_columns_by_hand() -> None:
    frame = pd.DataFrame({"sex": ["Male", "Male", "Female"], "age": [20.0, 40.0, 60.0], "job": ["smith", None, "nurse"]})
    columns = Columns.fit(frame)
    rows = torch.from_numpy(columns.encode(frame))
    factors = row_factors(columns, {"sex": "sex"}, rows, {})
    age = rows[:, 1].tolist()
    expected = torch.tensor([[1, 0, age[0], 0, 1], [1, 0, age[1], 0, 0], [0, 1, age[2], 1, 0]])
    assert torch.equal(one_hot(rows, columns), expected)
    assert torch.equal(one_hot(rows, columns, factors), expected[:, 2:])


def test_distance_by_hand() -> None:
    rows = torch.tensor([[0.0, 0.0], [3.0, 4.0]])
    assert math.isclose(counterfactual_distance(rows, rows + torch.tensor([0.0, 1.0])), 1 / 5)
    assert math.isnan(counterfactual_distance(torch.zeros(3, 2), torch.zeros(3, 2)))


def test_a_constant_embedding_gives_the_floor(data: Data, tmp_path: Path) -> None:
    one = evaluated(data, tmp_path)
    assert isinstance(one.model, ContextSSL)
    with torch.no_grad():
        one.model.predictor.read_out.weight.zero_()
        one.model.predictor.read_out.bias.fill_(1.0)
    evaluate(EvaluateSettings(**SETTINGS, baselines=[], fairness_bottleneck=[]), ["fairness"], evaluated=one)  # type: ignore[arg-type]
    found = find(read_results(tmp_path)[1], representation="embedding")
    read = [row for row in found if row.metric in ("accuracy", "balanced_accuracy", "auroc")]
    assert read and all(row.floor is not None and math.isclose(row.mean, row.floor, abs_tol=1e-9) for row in read)
    assert all(row.mean == 0 for row in found if row.metric.endswith("difference") or row.metric == "counterfactual_flips")


def test_a_share_is_chosen_on_training_rows_alone(data: Data, tmp_path: Path) -> None:
    """Other rows in the evaluated split change nothing about it."""
    notes = []
    for split in ("val", "test"):
        folder = tmp_path / split
        settings = EvaluateSettings(**SETTINGS, split=split, adversaries=["logistic"], baselines=[])  # type: ignore[arg-type]
        evaluate(settings, ["fairness"], evaluated=evaluated(data, folder))
        run, rows = read_results(folder)
        name = "fairness" if split == "val" else "fairness (test)"
        notes.append(run["evaluations"][name]["notes"])
        assert any(row.bottleneck > 0 for row in rows)
    assert notes[0] == notes[1] and "noise share" in notes[0][0]


def test_the_table_on_the_screen(rows: list[ResultRow]) -> None:
    from rich.console import Console

    console = Console(width=80, record=True)
    console.print(fairness_summary(rows, "val"))
    text = console.export_text()
    assert max(map(len, text.splitlines())) <= 80
    assert "sex and income" in text and "LEACE, all rows" in text and "no factor active" in text and "most frequent" in text


def test_images_have_no_fairness(tmp_path: Path) -> None:
    data = toy_data(tmp_path / "store")
    model = fresh_model(TrainSettings(resolution=8, backbone="resnet_compact", projection_dim=8, width=16, block_size=8), data, None)
    with pytest.raises(SettingsError, match="fairness is for rows of a table"):
        evaluate(EvaluateSettings(**SETTINGS), ["fairness"], evaluated=Evaluated(model, data, tmp_path))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"adversaries": ["svm"]}, "adversaries holds 'svm'"),
        ({"baselines": ["leace"]}, "baselines holds 'leace'"),
        ({"fairness_bottleneck": [-0.1]}, "fairness_bottleneck holds"),
    ],
)
def test_settings_that_cannot_be(data: Data, tmp_path: Path, given: dict[str, object], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        evaluate(EvaluateSettings(**{**SETTINGS, **given}), ["fairness"], evaluated=evaluated(data, tmp_path))  # type: ignore[arg-type]


def test_every_number_has_the_error_of_the_people_asked(rows: list[ResultRow]) -> None:
    means = [row for row in rows if row.metric != "factor_nats" and row.mean == row.mean]
    assert means and all(row.item_std is not None and row.items == 32 for row in means)
    assert any(row.item_std for row in means if row.metric == "equalized_odds_difference")


def test_a_flipped_bit_is_bounded_under_noise(rows: list[ResultRow], data: Data, tmp_path: Path) -> None:
    bounds = find(rows, metric="factor_nats")
    assert {row.bottleneck for row in bounds} == {0.5} and all(0 <= row.mean <= math.log(2) for row in bounds)
    made = plan(data, tmp_path)
    people = People.of(made.train, made.test, 0)
    clean = Encoded.of(made.embedder, people).embedded(made.embedder, ContextPoint(None, 0, 0))
    variance = 0.5 * float(clean.train.double().var(dim=0, unbiased=False).sum()) / clean.train.shape[1]
    moved = float((clean.flipped["sex"] - clean.test).double().square().sum(1).mean())
    (row,) = [row for row in bounds if row.length == 0]
    assert row.mean == pytest.approx(min(math.log(2), 0.5 * math.log1p(moved / (4 * variance))), rel=1e-4)


def test_rows_of_one_person_are_drawn_together(tmp_path: Path) -> None:
    """Two rows a person: as many people as there are to draw from, not rows."""
    frame = pd.DataFrame({"who": [f"p{i // 2}" for i in range(160)], "sex": ["f", "m"] * 80, "hours": [i % 56 for i in range(160)]})
    frame["income"] = (frame["hours"] % 7 > 3).map({True: "high", False: "low"})
    frame.to_csv(tmp_path / "people.csv", index=False)
    settings = TrainSettings(
        dataset="table", path=str(tmp_path / "people.csv"), label="income", factors=["sex"], person="who", progress=False
    )
    val = ViewSet.choose(open_data(settings, progress=False).val.views, "val", 2, 0, 0)
    assert 2 * len(val.clusters.unique()) == val.num_items and val.plain is not None
    assert torch.equal(val.plain.clusters, val.clusters[:: val.per_item])
