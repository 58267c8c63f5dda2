"""`contextssl evaluate` end to end: the published lines, runs of ours, folders and stores, and what is wrong with a word."""

from __future__ import annotations

import json
import math
import shutil
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from contextssl import checkpoints
from contextssl.cli import main
from contextssl.config.evaluation_settings import EvaluateSettings
from contextssl.config.settings import TrainSettings
from contextssl.data.dataset import Data
from contextssl.data.folder import write_folder
from contextssl.data.pairs import ViewPairs
from contextssl.errors import CheckpointError, DataError, SettingsError
from contextssl.evaluation.evaluate import evaluate
from contextssl.evaluation.evaluated import Evaluated
from contextssl.evaluation.plan import Plan
from contextssl.factors import Factor, FactorSpace
from contextssl.protocol import PROTOCOLS, in_all
from contextssl.records.results import RESULTS, ResultRow, read_results
from contextssl.training.run import train
from tests.evaluation.tiny import tiny_model, views_of
from tests.reference import published_state
from tests.sources import ToySource, toy_store
from tests.training.runs import tiny_settings

SOURCE = ToySource({"train": 12, "val": 6}, num_views=6)
FAST = ["epochs=2", "contexts=2", "probe_views=3", "train_views=3", "neighbours=3", "accelerator=cpu", "progress=false"]
# design.md's lines with the program's name changed; only the epochs are cut for the time that they take.
PUBLISHED = {
    "equivariance": "seed=42 log_interval=50 eval_ctxt=[0,2,6,14,30,126] epochs=200 learning_rate=0.001",
    "retrieval": "seed=42 log_interval=50 eval_ctxt=[0,2,14,30,126] epochs=300",
    "probe": "seed=42 log_interval=50 eval_ctxt=[0,2,14,30,126] epochs=300",
}
NAMED = "load_model=simclr_resnet18_epoch1000.pt pretrained_model_dir=./ckpt/"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the data packed, as a folder, and a run of one epoch."""
    place = tmp_path_factory.mktemp("evaluate")
    toy_store(place / "store", SOURCE, resolution=8)
    settings = tiny_settings(dataset="3diebench", data_dir=str(place / "store"), run_dir=str(place / "run"), epochs=2)
    train(settings)
    return place


@pytest.fixture
def run(place: Path, tmp_path: Path) -> Path:
    """A copy of the run that a test may write to."""
    return Path(shutil.copytree(place / "run", tmp_path / "run"))


def numbers(folder: Path) -> dict[str, float]:
    """Every number of a results file by all that names it, but for the online ones of training."""
    rows = [row for row in read_results(folder)[1] if row.protocol != "online"]
    found = {
        "/".join(
            str(part) for part in (r.protocol, r.metric, r.factor, r.environment, r.length, r.representation, r.head, r.bottleneck)
        ): r.mean
        for r in rows
    }
    assert len(found) == len(rows)  # no two rows with one name
    return found


def error_of(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert main(words) == 2
    lines = [line for line in capsys.readouterr().err.splitlines() if "warning" not in line]
    assert len(lines) == 1, lines
    return lines[0]


@pytest.mark.filterwarnings("always:.*accepted but means nothing here")
@pytest.mark.parametrize("protocol", PUBLISHED)
def test_published_lines(protocol: str, place: Path, in_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """On a published checkpoint; what the tiny one and its data differ in is added to the line."""
    Path("ckpt").mkdir()
    torch.save(published_state(), "ckpt/simclr_resnet18_epoch1000.pt")
    line = f"evaluate {protocol} {PUBLISHED[protocol]} {NAMED}".replace("epochs=200", "epochs=1").replace("epochs=300", "epochs=1")
    extra = [
        f"data_dir={place / 'store'}",
        *["resolution=8", "contexts=1", "accelerator=cpu", "progress=false"],
        *({"equivariance": ["heads=[published]"], "probe": ["heads=[published]", "bottleneck=[0.0]"]}.get(protocol, [])),
    ]
    assert main([*line.split(), *extra]) == 0
    said = capsys.readouterr()
    assert "log_interval=50 is accepted but means nothing here" in said.err
    # The published retrieval is given epochs that it has no use for.
    assert ("not used by evaluate retrieval: epochs" in said.err) == (protocol == "retrieval")
    assert said.err.count("means nothing here") == 1
    (folder,) = Path("runs").iterdir()
    assert str(folder / RESULTS).replace("\n", "") in said.out.replace("\n", "")
    content, rows = read_results(folder)
    about = content["evaluations"][protocol]
    assert about["seed"] == 42 and about["context_pairs"] == 63 and about["precision"] == "32-true"
    assert about["environments"] == ["rotation", "color", *(["none"] if protocol != "retrieval" else [])]
    lengths = {row.length for row in rows if row.representation == "embedding"}
    assert lengths == set(about["context_lengths"]) == {0, 2, 14, 30, 126} | ({6} if protocol == "equivariance" else set())
    assert {row.protocol for row in rows} == {protocol}
    assert all(row.count and row.split == "val" and row.floor is not None and row.weights == about["weights"] for row in rows)
    found = {(row.factor, row.head, row.representation) for row in rows}
    both = {("rotation", "published"), ("color", "published")}
    if protocol == "equivariance":
        assert found == {(*pair, of) for pair in both for of in ("feature", "embedding")}
    if protocol == "probe":
        wanted = {*both, ("class", "published")}
        assert found == {(*pair, of) for pair in wanted for of in ("feature", "embedding", "prediction")} | {
            (factor, "auxiliary", "embedding") for factor in ("rotation", "color")
        }
        # Contexts of three kinds for embeddings; nothing is predicted where no factor is active.
        assert {row.environment for row in rows if row.representation == "embedding" and row.length} == {"rotation", "color", "none"}
        predicted = {(row.environment, row.length) for row in rows if row.representation == "prediction"}
        assert predicted == {(environment, length) for environment in ("rotation", "color") for length in lengths}


def test_all_protocols_on_a_run(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with warnings.catch_warnings():
        # Toy views are not rendered, and few.
        warnings.filterwarnings("ignore", message="factor sensitivity|the variance share")
        assert main(["evaluate", "all", str(run), "heads=[published,linear,ridge,knn]", "environments=[rotation,color]", *FAST]) == 0
    out = capsys.readouterr().out
    for protocol in {protocol.name for protocol in in_all("images")}:
        assert f"{protocol}: val split" in out
    content, rows = read_results(run)
    assert content["settings"]["dataset"] == "3diebench" and set(content["evaluations"]) == {protocol.name for protocol in in_all("images")}
    online = [row for row in rows if row.protocol == "online"]
    assert online  # what training wrote is kept
    assert content["evaluations"]["probe"]["context_lengths"] == [0, 2, 6]  # those published that fit into 8 tokens, and the longest

    def some(**about: Any) -> list[ResultRow]:
        return [row for row in rows if all(getattr(row, key) == value for key, value in about.items())]

    for factor, head in (
        ("rotation", "published"),
        ("color", "published"),
        ("color", "linear"),
        ("rotation", "ridge"),
        ("color", "ridge"),
        ("rotation", "auxiliary"),
    ):
        found = some(protocol="probe", metric="r2_pooled", factor=factor, head=head, representation="embedding")
        assert {(row.environment, row.length, row.n) for row in found} == {
            (None, 0, 1),
            ("rotation", 2, 2),
            ("rotation", 6, 2),
            ("color", 2, 2),
            ("color", 6, 2),
        }
        # The paper's probes know no noise.
        assert {row.bottleneck for row in found} == ({0.0} if head == "published" else {0.0, 0.3, 1.0})
        assert all((row.std is None) == (row.n == 1) and row.count == 6 * 3 for row in found)
    assert some(protocol="probe", metric="balanced_accuracy", factor="class", head="linear", representation="feature", length=None)
    assert {row.factor for row in some(protocol="equivariance", metric="angle_deg")} == {"rotation"}
    assert some(protocol="geometry", metric="r2", factor="color", head="knn", length=6, environment="rotation")
    (mrr,) = some(protocol="retrieval", metric="mrr", environment="color", length=6)
    assert mrr.count == 6 * 30 and mrr.n == 2
    assert {row.environment for row in some(protocol="retrieval", length=0)} == {"rotation", "color"}
    capacity = {row.bottleneck: row.mean for row in some(metric="capacity_nats", length=6, environment="color")}
    assert capacity[0.3] > capacity[1.0] > 0
    assert json.loads((run / RESULTS).read_text())  # valid JSON


def test_again_replaces_its_own_rows_and_reads_the_cache(run: Path) -> None:
    settings = EvaluateSettings(load_model=str(run), eval_ctxt=[0, 6], contexts=1, queries=5, progress=False, accelerator="cpu")
    evaluate(settings, ["retrieval"])
    first = numbers(run)
    stamps = {path.name: path.stat().st_mtime_ns for path in (run / "cache").iterdir()}
    evaluate(settings, ["retrieval"])
    assert numbers(run) == first
    assert {path.name: path.stat().st_mtime_ns for path in (run / "cache").iterdir()} == stamps
    settings.split, settings.eval_ctxt = "train", [6]
    evaluate(settings, ["retrieval"])
    _, rows = read_results(run)
    assert {(row.split, row.length) for row in rows if row.protocol == "retrieval"} == {("val", 0), ("val", 6), ("train", 6)}
    assert {row.count for row in rows if row.protocol == "retrieval" and row.split == "train" and row.metric == "mrr"} == {12 * 5}
    settings.split = "val"
    evaluate(settings, ["retrieval"])
    _, rows = read_results(run)
    assert {(row.split, row.length) for row in rows if row.protocol == "retrieval"} == {("val", 6), ("train", 6)}
    assert any(row.protocol == "online" for row in rows)


def test_other_weights_are_never_read_from_the_cache(run: Path) -> None:
    settings = EvaluateSettings(load_model=str(run), eval_ctxt=[6], contexts=1, progress=False, accelerator="cpu")
    evaluate(settings, ["retrieval"])
    first = numbers(run)
    file = run / "checkpoints" / "last.ckpt"
    content = torch.load(file, weights_only=True)
    for name, tensor in content["state_dict"].items():
        if name.startswith("model.predictor") and name.endswith("weight"):
            tensor.mul_(torch.linspace(0.1, 3, len(tensor)).view(-1, *[1] * (tensor.ndim - 1)))
    torch.save(content, file)
    evaluate(settings, ["retrieval"])
    changed = numbers(run)
    shutil.rmtree(run / "cache")
    evaluate(settings, ["retrieval"])
    assert numbers(run) == changed != first


def test_folder_and_store_give_the_same_numbers(place: Path, run: Path, tmp_path: Path) -> None:
    write_folder(SOURCE, tmp_path / "folder", 8, image_format="png", workers=0, progress=False)
    settings: dict[str, Any] = {
        "load_model": str(run), "eval_ctxt": [0, 6], "contexts": 1, "heads": ["linear", "ridge"], "epochs": 2, "progress": False,
        "accelerator": "cpu", "cache": False, "bottleneck": [0.0], "queries": 5,
    }  # fmt: skip
    evaluate(EvaluateSettings(**settings, data_dir=str(place / "store")), ["equivariance", "probe", "retrieval"])
    from_store = numbers(run)
    evaluate(EvaluateSettings(**settings, data_dir=str(tmp_path / "folder")), ["equivariance", "probe", "retrieval"])
    assert (tmp_path / "folder" / "packed-8").is_dir()
    from_folder = numbers(run)
    assert len(from_store) > 100
    assert from_folder == from_store


def test_an_environment_that_training_never_saw_is_noted(run: Path) -> None:
    settings = EvaluateSettings(
        load_model=str(run),
        eval_ctxt=[2],
        contexts=1,
        environments=["rotation", "none"],
        progress=False,
        accelerator="cpu",
        heads=["ridge"],
    )
    with pytest.warns(UserWarning, match="not trained on contexts of none but of rotation, color"):
        evaluate(settings, ["probe"])
    content, rows = read_results(run)
    assert "not trained on contexts of none" in content["evaluations"]["probe"]["notes"][0]
    assert {row.environment for row in rows if row.protocol == "probe" and row.representation == "embedding"} == {"rotation", "none"}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["eval_ctxt=[0,3]"], "eval_ctxt holds 3: context lengths count tokens, two per pair, so they are even"),
        (["eval_ctxt=[8]"], "this model's block of 8 tokens takes contexts of at most 6"),
        (["heads=[rigde]"], "did you mean 'ridge'"),
        (["environments=[rotatoin]"], "did you mean 'rotation'"),
        (["environments=[]"], "environments is empty"),
        (["bottleneck=[-1.0]"], "bottleneck holds -1: it must be 0 or more"),
        (["contexts=0"], "contexts is 0: it must be at least 1"),
        (["epohcs=3"], "did you mean 'epochs'"),
        (["split=tset"], "did you mean 'test'|split"),
        (["n_head=4"], "is a run of ours and knows its n_head"),
        (["checkpoint=epoch=0007"], "'checkpoint=epoch=0007' is not a setting|has no checkpoint 'epoch=0007': it has best, last"),
        (["train_views=1"], "pairs need two: raise train_views"),
        (["data_dir=/nowhere"], "/nowhere"),
    ],
)
@pytest.mark.filterwarnings("ignore:.*means nothing here")
def test_a_wrong_word_is_one_line(run: Path, capsys: pytest.CaptureFixture[str], words: list[str], message: str) -> None:
    import re

    line = error_of(capsys, "evaluate", "equivariance", str(run), *FAST[-2:], *words)
    assert re.search(message, line), line


def test_no_model_and_no_checkpoints(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "load_model=RUN" in error_of(capsys, "evaluate", "all")
    (tmp_path / "empty").mkdir()
    assert "has no checkpoints: train it first" in error_of(capsys, "evaluate", "all", str(tmp_path / "empty"))
    with pytest.raises(CheckpointError, match="no run or checkpoint"):
        evaluate(EvaluateSettings(load_model=str(tmp_path / "none")))
    with pytest.raises(SettingsError, match="did you mean 'probe'"):
        evaluate(EvaluateSettings(load_model="x"), ["prob"])


def evaluated(folder: Path, val_items: int = 4, constant: str | None = None) -> Evaluated:
    train_views, val_views = views_of(8, 5, "train"), views_of(val_items, 5)
    if constant is not None:
        block = val_views.factors.slice(constant)
        val_views.latents[..., block] = val_views.latents[0, 0, block]
    folder.mkdir(exist_ok=True)
    return Evaluated(tiny_model(), Data(ViewPairs(train_views), ViewPairs(val_views), (3, 8, 8)), folder)


QUIET: dict[str, Any] = {"eval_ctxt": [0, 6], "contexts": 2, "heads": ["ridge"], "progress": False, "accelerator": "cpu", "train_views": 3}


@pytest.mark.filterwarnings("ignore:the variance share", "ignore:factor sensitivity")
def test_constant_latents_have_no_r2(tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match="R² of color is undefined on the val split.*floor hue and light hue does not vary"):
        evaluate(EvaluateSettings(**QUIET), ["probe"], evaluated=evaluated(tmp_path / "results", constant="color"))
    raw = json.loads((tmp_path / "results" / RESULTS).read_text())["rows"]
    color = [row for row in raw if row["factor"] == "color" and row["metric"].startswith("r2")]
    assert color and all(row["mean"] is None for row in color)
    assert all(row["mean"] is not None for row in raw if row["factor"] == "rotation")
    _, rows = read_results(tmp_path / "results")
    assert all(math.isnan(row.mean) for row in rows if row.factor == "color" and row.metric == "r2_pooled")


@pytest.mark.filterwarnings("ignore:the variance share", "ignore:factor sensitivity", "ignore:R² of")
def test_a_split_with_one_object_is_evaluated(tmp_path: Path) -> None:
    """Retrieval ranks among that object's views; there is no other object to compare a factor's effect with."""
    evaluate(EvaluateSettings(**QUIET, queries=0), evaluated=evaluated(tmp_path / "results", val_items=1))
    content, rows = read_results(tmp_path / "results")
    (mrr,) = [row for row in rows if row.metric == "mrr" and row.environment == "color" and row.length == 6]
    assert mrr.count == 20 and mrr.floor == pytest.approx((1 + 1 / 2 + 1 / 3 + 1 / 4 + 1 / 5) / 5)
    assert any("sensitivity is left out" in note for note in content["evaluations"]["geometry"]["notes"])


def test_data_of_other_factors_are_refused(tmp_path: Path) -> None:
    ours = evaluated(tmp_path / "results")
    views = replace(views_of(4, 5), factors=FactorSpace((Factor("pose", 4), Factor("color", 2))))
    with pytest.raises(DataError, match="the model knows the factors rotation, color, the data pose, color"):
        evaluate(
            EvaluateSettings(**QUIET),
            ["probe"],
            evaluated=Evaluated(ours.model, Data(ViewPairs(views), ViewPairs(views), (3, 8, 8)), ours.folder),
        )


def test_a_run_elsewhere_finds_its_own_data(run: Path, in_folder: Path) -> None:
    """The store that a run was trained on is found by its recorded path, whatever folder the command is called from."""
    recorded = checkpoints.read(run / "checkpoints" / "last.ckpt")[checkpoints.RECIPE]["data"]
    assert main(["evaluate", "retrieval", str(run), "eval_ctxt=[2]", "contexts=1", *FAST[-2:]]) == 0
    assert read_results(run)[0]["evaluations"]["retrieval"]["data"] == {"fingerprint": recorded["fingerprint"], "kind": "toy"}


def test_evaluation_is_in_float32_unless_less_is_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("contextssl.system.precision._gains_from_bf16", lambda: True)
    made = {}
    for precision in (None, "auto", "32-true", "bf16-mixed"):
        words: dict[str, Any] = {} if precision is None else {"precision": precision}
        folder = tmp_path / str(precision)
        evaluate(EvaluateSettings(**{**QUIET, **words}, queries=3), ["retrieval"], evaluated=evaluated(folder))
        made[precision] = read_results(folder)[0]["evaluations"]["retrieval"]["precision"]
    assert made == {None: "32-true", "auto": "bf16-mixed", "32-true": "32-true", "bf16-mixed": "bf16-mixed"}


def test_retrieval_as_published_is_one_word(tmp_path: Path) -> None:
    """The training split, the first view of each item as the source, the query whose target is its source counted."""
    folder = tmp_path / "results"
    evaluate(EvaluateSettings(**QUIET, sources="published"), ["retrieval"], evaluated=evaluated(folder))
    evaluate(EvaluateSettings(**QUIET, sources="first"), ["retrieval"], evaluated=evaluated(folder))
    run, rows = read_results(folder)
    assert list(run["evaluations"]) == ["retrieval (train)", "retrieval"]
    assert run["evaluations"]["retrieval (train)"]["items"] == 8 and run["evaluations"]["retrieval"]["items"] == 4
    found = {(row.split, row.metric): row.count for row in rows if row.environment == "color" and row.length == 6}
    # 8 training items of 5 views: from the first to each of the others; and to itself.
    assert (found["train", "mrr"], found["train", "mrr_with_identity"]) == (8 * 4, 8 * 5)
    assert found["val", "mrr"] == 4 * 4
    before = {key: row.mean for row in rows if row.split == "train" for key in [(row.metric, row.factor, row.environment, row.length)]}
    evaluate(EvaluateSettings(**QUIET, sources="first", split="train"), ["retrieval"], evaluated=evaluated(folder))
    again = [row for row in read_results(folder)[1] if row.split == "train"]
    assert {(row.metric, row.factor, row.environment, row.length): row.mean for row in again} == pytest.approx(before)


def test_probes_take_what_the_model_gives_where_normalize_is_false(tmp_path: Path) -> None:
    found = {}
    asked: dict[str, dict[str, Any]] = {"unit": {}, "plain": {"normalize": False}, "fresh": {"pairs": "fresh", "batch_size": 4}}
    for name, words in asked.items():
        settings = EvaluateSettings(**{**QUIET, "heads": ["linear", "ridge"], "eval_ctxt": [6]}, epochs=1, bottleneck=[0.0], **words)
        evaluate(settings, ["equivariance", "probe"], evaluated=evaluated(tmp_path / name))
        found[name] = numbers(tmp_path / name)
    assert found["unit"].keys() == found["plain"].keys() == found["fresh"].keys()

    def differ(one: str, other: str, part: str) -> bool:
        return all(found[one][key] != found[other][key] for key in found[one] if part in key and "/r2_pooled/" in key)

    assert differ("unit", "plain", "/ridge/") and differ("unit", "plain", "/linear/")
    assert differ("unit", "fresh", "/linear/")
    ridge = [key for key in found["unit"] if "/ridge/" in key]
    assert all(found["fresh"][key] == pytest.approx(found["unit"][key], abs=1e-6) for key in ridge), "ridge takes all views"
    # The input of the model's own head has unit length, whatever that of probes.
    own = [key for key in found["unit"] if "auxiliary" in key]
    assert own and all(found["plain"][key] == pytest.approx(found["unit"][key], abs=1e-4) for key in own)


def test_one_file_is_of_one_model(tmp_path: Path) -> None:
    ours, other = evaluated(tmp_path / "results"), evaluated(tmp_path / "results")
    ours.file, other.file = Path("last.ckpt"), Path("epoch=0000.ckpt")
    other.model = tiny_model(seed=5)
    quick: dict[str, Any] = {**QUIET, "queries": 3, "bottleneck": [0.0], "sensitivity_items": 0}
    evaluate(EvaluateSettings(**quick), ["probe"], evaluated=ours)
    text = (tmp_path / "results" / RESULTS).read_text()
    with pytest.raises(SettingsError, match=r"holds numbers of other weights than epoch=0000.ckpt \(probe of last\).*run_dir=FOLDER"):
        evaluate(EvaluateSettings(**quick), ["retrieval"], evaluated=other)
    assert (tmp_path / "results" / RESULTS).read_text() == text
    evaluate(EvaluateSettings(**quick), ["retrieval"], evaluated=ours)
    # Whatever is made anew as a whole may be of another model: nothing of the first is left.
    evaluate(EvaluateSettings(**quick), ["retrieval", "probe"], evaluated=other)
    run, rows = read_results(tmp_path / "results")
    (weights,) = {made["weights"] for made in run["evaluations"].values()}
    assert {row.weights for row in rows} == {weights} and {row.protocol for row in rows} == {"retrieval", "probe"}
    assert {made["checkpoint"] for made in run["evaluations"].values()} == {"epoch=0000"}


def test_two_checkpoints_of_a_run_in_folders_of_their_own(run: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    words = ["eval_ctxt=[2]", "contexts=1", "queries=3", *FAST[-2:]]
    assert main(["evaluate", "retrieval", str(run), *words]) == 0
    content = torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)
    for tensor in content["state_dict"].values():
        if tensor.is_floating_point():
            tensor.mul_(1.1)
    torch.save(content, run / "checkpoints" / "early.ckpt")
    said = error_of(capsys, "evaluate", "labels", str(run), "checkpoint=early", *words[:2], *FAST[-2:])
    assert "(retrieval of last)" in said and "run_dir=FOLDER" in said
    apart = tmp_path / "apart"
    for protocol in ("retrieval", "equivariance"):
        extra = ["heads=[ridge]", "train_views=2"] if protocol == "equivariance" else ["queries=3"]
        assert main(["evaluate", protocol, str(run), "checkpoint=early", f"run_dir={apart}", *words[:2], *extra, *FAST[-2:]]) == 0
    assert set(read_results(apart)[0]["evaluations"]) == {"retrieval", "equivariance"}
    assert set(read_results(run)[0]["evaluations"]) == {"retrieval"}
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "notes.txt").touch()
    assert "neither empty nor a folder of results" in error_of(
        capsys, "evaluate", "retrieval", str(run), f"run_dir={tmp_path / 'full'}", *words
    )


@pytest.mark.filterwarnings("ignore:The dirpath has changed")
def test_resuming_a_finished_run_keeps_what_was_evaluated(run: Path) -> None:
    settings = EvaluateSettings(load_model=str(run), eval_ctxt=[2], contexts=1, queries=3, progress=False, accelerator="cpu")
    evaluate(settings, ["retrieval"])
    before = numbers(run)
    train(TrainSettings(resume=str(run), progress=False))
    about, rows = read_results(run)
    assert numbers(run) == before and "retrieval" in about["evaluations"]
    assert any(row.protocol == "online" for row in rows)


def test_rows_that_another_process_adds_meanwhile_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One evaluation begins, another writes, the first writes."""
    folder = tmp_path / "results"
    quick: dict[str, Any] = {**QUIET, "queries": 3, "bottleneck": [0.0]}
    retrieval = PROTOCOLS.find("retrieval")
    rows_of = retrieval.rows

    def interrupted(plan: Plan) -> Any:
        yield from rows_of(plan)
        evaluate(EvaluateSettings(**quick), ["probe"], evaluated=evaluated(folder))

    monkeypatch.setattr(retrieval, "rows", interrupted)
    evaluate(EvaluateSettings(**quick), ["retrieval"], evaluated=evaluated(folder))
    run, rows = read_results(folder)
    assert set(run["evaluations"]) == {"retrieval", "probe"} == {row.protocol for row in rows}


@pytest.mark.filterwarnings("always:.*means nothing here")
def test_words_that_a_protocol_does_not_read_are_named(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["adversaries=[logistic]", "heads=[ridge]", "epochs=3", "queries=3", "eval_normalize=false", "eval_ctxt=[2]", "contexts=1"]
    assert main(["evaluate", "retrieval", str(run), *words, *FAST[-2:]]) == 0
    assert "not used by evaluate retrieval: adversaries, epochs, heads" in capsys.readouterr().err
    # The published word for it is honoured.
    assert read_results(run)[0]["evaluations"]["retrieval"]["settings"]["normalize"] is False
