"""Comparisons and the paper's experiments, through the command line: what is missing is made, what is there is used again."""

from __future__ import annotations

import csv
import json
import re
import shlex
import shutil
import warnings
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from contextssl.cli import _split, main
from contextssl.compare import _check_same, _evaluation, _made_with_same
from contextssl.config.bare_words import named
from contextssl.config.comparison_settings import CompareSettings
from contextssl.config.evaluation_settings import EvaluateSettings
from contextssl.config.overrides import settings_from
from contextssl.config.settings import TrainSettings
from contextssl.errors import DataError, SettingsError
from contextssl.method import METHODS
from contextssl.protocol import PROTOCOLS
from contextssl.records.results import read_results
from contextssl.reproduce import EXPERIMENTS, experiment_named
from contextssl.variants import method_variants, varied
from tests.sources import ToySource, toy_store
from tests.test_cli import TINY, error_of

FACTORS = ["rotation", "color"]


@pytest.fixture(scope="module")
def words(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    store = tmp_path_factory.mktemp("toy") / "store"
    toy_store(store, ToySource(items={"train": 12, "val": 60}, num_views=6), resolution=8)
    given = [word for word in TINY if not word.startswith("eval_ctxt")]
    return [*given, "dataset=shapes", f"data_dir={store}", "resolution=8", "projector_width=16", "feature_norm=batch", "precision=32-true"]


@pytest.mark.long
def test_a_comparison_makes_what_is_missing_and_no_more(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    asked = ["compare", *words, "methods=[simclr,sie:rotation,contextssl]", "seeds=[0,1]", "compare_lengths=[0,6]"]
    assert main(asked) == 0
    out = capsys.readouterr().out
    assert "6 runs in runs/compare: 0 finished, 6 to do" in out and "run 6 of 6: contextssl, seed 1" in out
    assert [path.name for path in tmp_path.iterdir()] == ["runs"], "nothing is left next to the runs"
    root = tmp_path / "runs/compare"
    runs = sorted(path.parent for path in root.glob("*/*/results.json"))
    assert [str(run.relative_to(root)) for run in runs] == [
        f"{name}/seed{seed}" for name in ("contextssl", "sie-rotation", "simclr") for seed in (0, 1)
    ]
    for run in runs:
        about, rows = read_results(run)
        assert about["seed"] == int(run.name[-1])
        assert {row.protocol for row in rows} == {"online", "equivariance", "retrieval", "probe", "geometry", "erasure"}
    lines = list(csv.DictReader((root / "comparison.csv").read_text().splitlines()))
    assert {line["entry"] for line in lines} == {"simclr", "sie:rotation", "contextssl"} and {line["seeds"] for line in lines} == {"2"}
    text = (root / "comparison.md").read_text()
    assert "contextssl compare" in text and "±" in text
    assert (root / "comparison.html").is_file() and (root / "figures/rotation-color.png").is_file()

    before = {run: (run / "results.json").stat().st_mtime_ns for run in runs}
    (runs[0] / "results.json").unlink()
    assert main(asked) == 0
    assert "6 runs in runs/compare: 5 finished, 1 to do" in capsys.readouterr().out
    assert all((run / "results.json").stat().st_mtime_ns == when for run, when in before.items() if run != runs[0])
    assert read_results(runs[0])[0]["steps"] == read_results(runs[1])[0]["steps"], (
        "a run whose results are missing resumes from its checkpoint"
    )

    # Another evaluation is made anew, of the same runs; other settings of the training are refused before anything is trained.
    assert main([*asked, "protocols=[context-sensitivity]"]) == 0
    assert "6 runs in runs/compare: 4 finished, 2 to do" in capsys.readouterr().out, "methods without contexts have none to disturb"
    _, rows = read_results(root / "contextssl/seed0")
    assert {row.context for row in rows if row.protocol == "context-sensitivity"} > {None, "shuffled", "random actions"}
    message = error_of(capsys, *asked, "epochs=2")
    assert "belongs to another comparison (epochs: 1 there, 2 asked): choose another compare_dir" in message


def test_a_comparison_deletes_no_folder(words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder in the place of a run that has no checkpoint to resume from is kept under another name, whatever it holds."""
    asked = ["compare", *words, f"compare_dir={tmp_path}", "methods=[random]", "seeds=[0]", "protocols=[geometry]"]
    folder = tmp_path / "random/seed0"
    for number, name in enumerate(("notes.txt", "checkpoints/best.ckpt", "checkpoints/before-non-finite.ckpt"), 1):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)
        with pytest.warns(
            UserWarning, match=f"seed0 has no checkpoint to resume from: it is kept as .*seed0.stopped-{number}, and trained again"
        ):
            monkeypatch.setattr("contextssl.system.console._show_warning", warnings.showwarning)
            assert main(asked) == 0
        assert (folder.with_name(f"seed0.stopped-{number}") / name).read_text() == name
        assert (folder / "results.json").is_file()
        for path in (folder / "results.json", folder / "checkpoints/last.ckpt"):
            path.unlink()
        shutil.move(folder, tmp_path / f"done{number}")


def test_one_job_of_a_comparison(words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked = ["compare", *words, f"compare_dir={tmp_path}", "methods=[random,supervised]", "seeds=[3]", "protocols=[geometry]"]
    assert main([*asked, "job=1"]) == 0
    assert not (tmp_path / "random").exists() and (tmp_path / "supervised/seed3/results.json").is_file()
    assert "job is 2: this comparison has runs 0 to 1" in error_of(capsys, *asked, "job=2")


def test_what_cannot_be_compared(words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked = ["compare", *words, f"compare_dir={tmp_path / 'none'}"]
    for word, message in (
        ("methods=[simlcr]", "unknown method 'simlcr': did you mean 'simclr'?"),
        ("methods=[simclr:rotation]", "simclr does not follow one action"),
        ("methods=[sie,sie:color]", "sie:color is named twice in methods"),
        ("methods=[]", "methods names no method"),
        ("conditions=[rotaton]", "rotaton"),
        ("seeds=[0,0]", "name at least one, and each once"),
        ("protocols=[probes]", "unknown protocol 'probes': did you mean 'probe'?"),
        ("vary={mask_probb:[0.5]}", "vary: unknown setting 'mask_probb': did you mean 'mask_prob'?"),
        ("vary={mask_prob:0.5}", "it takes a mapping of names to lists"),
    ):
        assert message in error_of(capsys, *asked, word)
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize(("method", "asked"), [("contextssl", False), ("conditional", False), ("simclr", True)])
def test_a_model_of_examples_is_not_asked_what_an_action_makes_of_a_view(method: str, asked: bool) -> None:
    retrieval, probe = PROTOCOLS.find("retrieval"), PROTOCOLS.find("probe")
    assert retrieval.is_of(TrainSettings(method=method, context="examples")) is asked
    assert retrieval.is_of(TrainSettings(method=method)) and probe.is_of(TrainSettings(method=method, context="examples"))


@pytest.mark.parametrize("page", ["compare", "experiments"])
def test_the_commands_of_the_guides_are_commands(page: str) -> None:
    text = (Path(__file__).parents[1] / f"docs/{page}.md").read_text()
    asked = [shlex.split(line) for block in re.findall(r"```sh\n(.*?)```", text, re.DOTALL) for line in block.splitlines()]
    assert len(asked) >= 7
    for program, *rest in asked:
        name, command, given = _split(rest)
        assert program == "contextssl"
        settings_from(name, command.schema, named(name, command.schema, command.positional, command.several, given))
    wanted = {
        "compare": [*METHODS.built_in, *EXPERIMENTS],
        "experiments": [name for name in EXPERIMENTS if name not in ("figure3", "table1")],
    }
    for name in wanted[page]:
        assert f"`{name}`" in text


def test_every_method_but_one_that_needs_longer_is_compared() -> None:
    assert set(METHODS.built_in) - set(CompareSettings().methods) == {"seq-jepa"}
    assert CompareSettings().methods[-2:] == ["conditional", "contextssl"], "the row of contexts is next to that of the same model without"


@pytest.mark.parametrize(
    ("name", "value"),
    [("contexts", 5), ("items", 3), ("seed", 1), ("neighbours", 7), ("precision", "auto"), ("normalize", False), ("train_items", 9)],
)
def test_an_evaluation_of_other_settings_is_made_anew(name: str, value: object) -> None:
    """Whatever changes a number counts; where things are does not."""
    asked = EvaluateSettings(load_model="here", cache_dir="there")
    made = {"probe": {"settings": asdict(EvaluateSettings(load_model="elsewhere", progress=False))}}
    probe, geometry = PROTOCOLS.find("probe"), PROTOCOLS.find("geometry")
    assert _made_with_same(made, probe, asked) and not _made_with_same(made, geometry, asked)
    assert not _made_with_same(made, probe, replace(asked, **{name: value}))  # type: ignore[arg-type]
    del made["probe"]["settings"][name]
    assert not _made_with_same(made, probe, asked), "what an older version did not record is not known to be the same"


def test_published_evaluation_is_the_papers_retrieval_too(tmp_path: Path) -> None:
    wanted = TrainSettings(run_dir=str(tmp_path))
    published, quick = (_evaluation(wanted, tmp_path, CompareSettings(evaluation=how)) for how in ("published", "quick"))
    assert (published.sources, quick.sources) == ("published", "all")
    assert "published" in published.heads and "published" not in quick.heads
    asked = {"settings": asdict(published)}
    retrieval = PROTOCOLS.find("retrieval")
    assert _made_with_same({"retrieval (train)": asked}, retrieval, published) and not _made_with_same(
        {"retrieval": asked}, retrieval, published
    )
    assert "evaluation=published" in EXPERIMENTS["table1"].settings


@pytest.mark.parametrize("text", ["", "{", "[]", "3", "{}", '{"settings": 3}', "\x00"])
def test_damaged_settings_of_a_run_are_one_line(tmp_path: Path, text: str) -> None:
    (tmp_path / "settings.json").write_text(text)
    with pytest.raises(DataError, match=r"settings.json (is damaged|is not valid JSON)") as caught:
        _check_same(TrainSettings(), tmp_path)
    assert "\n" not in str(caught.value)


def test_variants_by_method_condition_and_value() -> None:
    variants = method_variants(["simclr", "sie", "equimod:color", "contextssl"], FACTORS)
    assert [variant.name for variant in variants] == ["simclr", "sie:rotation", "sie:color", "equimod:color", "contextssl"]
    assert [variant.group for variant in variants] == ["invariance", "rotation", "color", "color", "context"]
    made = varied(variants[-1:], {"mask_prob": [0, 0.5], "bottleneck": [0.3]})
    assert [variant.name for variant in made] == ["mask_prob=0", "mask_prob=0.5", "bottleneck=0.3"]
    settings = made[1].settings(TrainSettings(epochs=3), 7, Path("root"))
    assert (settings.mask_prob, settings.method, settings.epochs, settings.seed, settings.run_dir) == (
        0.5,
        "contextssl",
        3,
        7,
        "root/mask_prob-0.5/seed7",
    )
    folders = {variant.folder(Path("root"), 0) for variant in [*variants, *made]}
    assert len(folders) == len(variants) + len(made)


@pytest.mark.long
def test_experiments_are_shown_and_then_run(words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, experiment in EXPERIMENTS.items():
        shown = experiment.described([])
        assert "command: contextssl compare experiment=shapes_minutes" in shown and f"compare_dir=runs/{name}" in shown
        assert "published: " in shown and "setting: " in shown
        assert "experiment=shapes" not in experiment.described(["data_dir=3DIEBench"])
    with pytest.raises(SettingsError, match="unknown experiment 'figure4': did you mean 'figure3'"):
        experiment_named("figure4")
    with pytest.warns(
        UserWarning, match="reproduce reading is reproduce context-sensitivity now, and is no longer accepted from version 1.0"
    ):
        former = experiment_named("reading")
    assert former == replace(EXPERIMENTS["context-sensitivity"], name="reading"), "its runs are in the folder of that name"
    quick = [*words, f"compare_dir={tmp_path}", "seeds=[0]", "evaluation=quick"]
    assert main(["reproduce", "labels", *quick, "compare_lengths=[0,6]"]) == 0
    out = capsys.readouterr().out
    assert "command: contextssl compare methods=[contextssl] weight_labels=1 protocols=[labels,geometry]" in out
    _, rows = read_results(tmp_path / "contextssl/seed0")
    labels = [row for row in rows if row.protocol == "labels" and row.metric == "accuracy"]
    assert {row.factor for row in labels} >= {"class+rotation", "class+color"} and {row.length for row in labels} == {0, 6}
    assert main(["reproduce", "masks", *quick, "vary={mask_prob:[0,0.5]}", "protocols=[probe]", "compare_bottleneck=[0,0.2]"]) == 0
    assert "ridge, noise 0.2" in (tmp_path / "comparison.md").read_text()
    settings = [json.loads((tmp_path / f"mask_prob-{p}/seed0/settings.json").read_text())["settings"]["mask_prob"] for p in ("0", "0.5")]
    assert settings == [0, 0.5]
    assert "name the experiment" in error_of(capsys, "reproduce")


def test_a_single_transformation_of_the_experiments_own_settings(words: list[str], tmp_path: Path) -> None:
    """The experiment's file has a list of chances where this has a mapping; each run is a job of a sweep."""
    asked = ["experiment=shapes_minutes", *words, "auxiliary_scale=unit", f"compare_dir={tmp_path}", "seeds=[0]", "compare_lengths=[6]"]
    assert main(["reproduce", "single", *asked, "protocols=[geometry]"]) == 0
    run = tmp_path / "contextssl/seed0"
    assert json.loads((run / "settings.json").read_text())["settings"]["env_ratio"] == {"rotation": 0.5, "none": 0.5}
    assert {row.environment for row in read_results(run)[1] if row.protocol == "geometry"} >= {"rotation", "none"}


@pytest.mark.long
@pytest.mark.filterwarnings("default:this model was not trained on contexts of")
def test_contexts_for_subsets_that_training_never_saw(words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked = [*words, f"compare_dir={tmp_path}", "seeds=[0]", "compare_lengths=[6]", "protocols=[geometry]"]
    assert main(["reproduce", "subsets", *asked]) == 0
    assert "not trained on contexts of none, rotation+light" in capsys.readouterr().err
    runs = sorted(path.parent for path in tmp_path.glob("*/seed0/results.json"))
    assert len(runs) == 2, "of single factors alone, and of some pairs too"
    for run in runs:
        shares = [row for row in read_results(run)[1] if row.metric == "variance_share" and row.length == 6]
        assert {row.factor for row in shares} == {"rotation", "floor", "light", "class"}
        assert {row.environment for row in shares} == {
            *("none", "rotation", "floor", "light", "rotation+floor", "rotation+light", "floor+light", "rotation+floor+light")
        }
    assert "factors=[rotation,lamp] does not divide the latents" in error_of(
        capsys, "train", *words, "factors=[rotation,lamp]", f"run_dir={tmp_path / 'none'}"
    )
