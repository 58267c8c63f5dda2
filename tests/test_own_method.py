"""A method of the user's own goes through every command, named by its place and never imported because a file names it."""

from __future__ import annotations

import json
import re
import shutil
import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest
import torch

import contextssl
from contextssl import checkpoints
from contextssl.cli import main
from contextssl.config.settings import TrainSettings
from contextssl.demo import evaluation_settings
from contextssl.errors import CheckpointError, SettingsError
from contextssl.method import METHODS, method_and_condition
from contextssl.models.baselines.baseline import Baseline
from contextssl.models.contextssl import ContextSSL
from contextssl.records.results import read_results
from contextssl.report.collect import read_run
from tests.own_methods import Pulled
from tests.sources import ToySource, toy_store
from tests.test_cli import TINY, error_of

PULL, FOLLOW, IN_CONTEXT = (f"tests.own_methods:{name}" for name in ("Pull", "Follow", "InContext"))
QUICK = [
    *("contexts=1", "train_views=2", "probe_views=2", "neighbours=2", "eval_ctxt=[0]", "sensitivity_items=0"),
    *("accelerator=cpu", "progress=false"),
]


@pytest.fixture(scope="module")
def words(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    store = tmp_path_factory.mktemp("toy") / "store"
    toy_store(store, ToySource(items={"train": 12, "val": 60}, num_views=6), resolution=8)
    return [*TINY, "dataset=shapes", f"data_dir={store}", "resolution=8", "feature_norm=batch", "precision=32-true"]


@pytest.fixture(scope="module")
def trained(words: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("own") / "pull"
    assert main(["train", *words, f"method={PULL}", "pull_weight=3", "epochs=2", "save_interval=1", f"run_dir={folder}"]) == 0
    return folder


@pytest.fixture
def run(trained: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(trained, tmp_path / "run"))


def test_files_hold_its_name_and_settings(trained: Path) -> None:
    described, _ = read_results(trained)
    for settings in (described["settings"], json.loads((trained / "settings.json").read_text())["settings"]):
        assert settings["method"] == PULL and settings["own"] == {"pull_weight": 3.0}
    assert described["method"] == {"title": PULL, "aim": "invariance", "contexts": False, "by_name": False}
    assert not read_run(trained).takes_context


def test_it_is_loaded_where_it_is_named(trained: Path) -> None:
    model = contextssl.load_any(trained, method=PULL)
    assert isinstance(model, Baseline) and model.method == PULL
    (term,) = model.terms
    assert isinstance(term, Pulled) and term.weight == 3
    with pytest.raises(CheckpointError, match=f"a method of its author's, {PULL}, .* name it again by method={PULL}"):
        contextssl.load_any(trained)
    with pytest.raises(CheckpointError, match="a method of its author's"):
        contextssl.load_any(trained, method="simclr")
    with pytest.raises(CheckpointError, match="a method without contexts"):
        contextssl.load(trained, method=PULL)


def test_it_is_evaluated_and_reported_where_it_is_named(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert f"name it again by method={PULL}" in error_of(capsys, "evaluate", "geometry", str(run), *QUICK)
    assert main(["evaluate", "geometry", str(run), f"method={PULL}", *QUICK]) == 0
    assert read_results(run)[0]["evaluations"]["geometry"]["settings"]["method"] == PULL
    assert main(["report", str(run), "figures=false"]) == 0
    assert "is of a method that takes no context" in (run / "report.html").read_text()


def test_it_is_resumed_where_it_is_named(run: Path, trained: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = run / "checkpoints"
    (folder / "last.ckpt").unlink()
    (folder / "epoch=0000.ckpt").rename(folder / "last.ckpt")
    assert f"name it again by method={PULL}" in error_of(capsys, "train", f"resume={run}", "progress=false")
    assert "differs from the run that is resumed" in error_of(
        capsys, "train", f"resume={run}", f"method={PULL}", "pull_weight=2", "progress=false"
    )
    assert main(["train", f"resume={run}", f"method={PULL}", "progress=false"]) == 0
    first, second = (checkpoints.read(each / "checkpoints/last.ckpt")["state_dict"] for each in (trained, run))
    assert [key for key in first if not torch.equal(first[key], second[key])] == []


def test_code_that_a_file_names_is_not_imported(run: Path, in_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (in_folder / "planted.py").write_text("open('it ran', 'w').close()\n")
    for name in ("settings.json", "results.json"):
        # Whoever plants a name leaves the digest out, or computes it.
        lines = (run / name).read_text().replace(PULL, "planted:METHOD").splitlines(keepends=True)
        (run / name).write_text("".join(line for line in lines if not line.startswith(' "digest"')))
    file = run / "checkpoints" / "last.ckpt"
    content = torch.load(file, weights_only=True)
    content[checkpoints.RECIPE]["settings"]["method"] = "planted:METHOD"
    torch.save(content, file)
    with pytest.raises(CheckpointError, match="planted:METHOD, which is not imported"):
        contextssl.load_any(run)
    for command in (["evaluate", "geometry", str(run)], ["evaluate", "geometry", str(run), "method=simclr"], ["train", f"resume={run}"]):
        assert "planted:METHOD, which is not imported" in error_of(capsys, *command, "progress=false")
    assert main(["report", str(run), "figures=false"]) == 0
    # Before a run's first checkpoint its settings.json alone names it.
    early = in_folder / "early"
    early.mkdir()
    shutil.copy(run / "settings.json", early)
    assert "planted:METHOD, which is not imported" in error_of(capsys, "train", f"resume={early}", "progress=false")
    assert "planted" not in sys.modules and not (in_folder / "it ran").exists()


def test_an_in_context_method_of_ones_own(words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = tmp_path / "run"
    assert main(["train", *words, f"method={IN_CONTEXT}", f"run_dir={run}"]) == 0
    assert isinstance(contextssl.load(run, method=IN_CONTEXT), ContextSSL)
    assert read_results(run)[0]["method"]["title"] == "In my context" and read_run(run).takes_context
    assert main(["report", str(run), "figures=false"]) == 0
    assert f"name it again by method={IN_CONTEXT}" in (run / "report.html").read_text() and not (run / "gallery.json").exists()
    assert main(["report", str(run), "figures=false", f"method={IN_CONTEXT}"]) == 0
    assert (run / "gallery.json").exists()


def test_it_stands_in_a_comparison(words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked = ["compare", *words, f"methods=[random,{PULL},{FOLLOW}:color]", "seeds=[0]", "protocols=[geometry]", f"compare_dir={tmp_path}"]
    assert main([*asked, "pull_weight=2"]) == 0
    assert "3 runs" in capsys.readouterr().out
    settings = {path.parts[-3]: read_results(path.parent)[0]["settings"] for path in tmp_path.glob("*/seed0/results.json")}
    pull, follow = PULL.replace(":", "-"), FOLLOW.replace(":", "-") + "-color"
    assert set(settings) == {"random", pull, follow}
    assert settings[pull]["own"] == {"pull_weight": 2.0} and settings["random"]["own"] == settings[follow]["own"] == {}
    assert settings[follow]["method"] == FOLLOW and settings[follow]["condition"] == "color"
    assert main([*asked, "pull_weight=2"]) == 0
    assert "3 finished, 0 to do" in capsys.readouterr().out
    assert "own: {'pull_weight': 2.0} there, {'pull_weight': 3.0} asked" in error_of(capsys, *asked, "pull_weight=3")
    (table,) = tmp_path.glob("*.md")
    assert f"{FOLLOW}:color" in table.read_text() and PULL in table.read_text()


def test_its_settings_are_those_of_the_command(words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", f"method={PULL}", "--help"]) == 0
    shown = capsys.readouterr().out
    assert "\nPull:\n  pull_weight=1.0" in shown and "mask_prob" not in shown
    assert "did you mean 'pull_weight'" in error_of(capsys, "train", f"method={PULL}", "pull_wight=1")
    assert "pull_weight is -1: it must be above 0" in error_of(capsys, "train", f"method={PULL}", "pull_weight=-1")
    assert "unknown setting 'pull_weight'" in error_of(capsys, "train", "method=simclr", "pull_weight=1")
    out = f"output_dir={tmp_path}"
    assert main(["train", "-m", *words, f"method=random,{PULL}", "pull_weight=2", "temperature=2", out]) == 0
    assert "temperature" in capsys.readouterr().err
    made = [read_results(path.parent)[0]["settings"] for path in tmp_path.glob("*/results.json")]
    assert {settings["method"]: settings["own"] for settings in made} == {"random": {}, PULL: {"pull_weight": 2.0}}


def test_from_python_too_its_settings_are_checked() -> None:
    with pytest.raises(SettingsError, match="own holds 'pull_wight', .* did you mean 'pull_weight'"):
        contextssl.train(TrainSettings(method=PULL, own={"pull_wight": 2.0}))
    with pytest.raises(SettingsError, match="own holds 'pull_weight', which no plug-in that is used declares"):
        contextssl.train(TrainSettings(method="simclr", own={"pull_weight": 2.0}))


def test_the_demos_evaluation_names_it() -> None:
    assert evaluation_settings(Path("run"), TrainSettings(method=PULL)).method == PULL
    assert evaluation_settings(Path("run"), TrainSettings()).method is None


@pytest.mark.parametrize(
    ("named", "said"),
    [
        ("tests.own_methods:Nothing", "method 'tests.own_methods:Nothing' cannot be imported"),
        ("tests.own_methods:Pulled", "method 'tests.own_methods:Pulled' is a .*: it must be a contextssl.method.Method"),
        ("tests.own_methods:NoAim", "has the aim 'glory': it must be one of context, invariance"),
        ("tests.own_methods:Misread", r"reads 'projecton_dim', which is not a setting of training: did you mean 'projection_dim'\?"),
    ],
)
def test_what_is_no_method_is_said_in_one_line(named: str, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert re.search(said, error_of(capsys, "train", f"method={named}"))


def test_an_installed_method_needs_no_naming(words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    point = EntryPoint("pull", PULL, "contextssl.methods")
    monkeypatch.setitem(METHODS.__dict__, "_installed", {"pull": point})
    assert main(["train", *words, "method=pull", "pull_weight=2", f"run_dir={tmp_path / 'run'}"]) == 0
    model = contextssl.load_any(tmp_path / "run")
    assert isinstance(model, Baseline) and model.method == "pull"
    assert main(["evaluate", "geometry", str(tmp_path / "run"), *QUICK]) == 0
    with pytest.raises(CheckpointError, match="was trained by method=pull, not by simclr: leave method out"):
        contextssl.load_any(tmp_path / "run", method="simclr")
    monkeypatch.setitem(METHODS.__dict__, "_installed", {})
    with pytest.raises(CheckpointError, match="neither of this version nor installed"):
        contextssl.load_any(tmp_path / "run")


@pytest.mark.parametrize(
    ("named", "expected"),
    [
        ("sie", ("sie", None)),
        ("sie:rotation+color", ("sie", "rotation+color")),
        ("mine:Foo", ("mine:Foo", None)),
        ("a.b:Foo:rotation+color", ("a.b:Foo", "rotation+color")),
    ],
)
def test_a_comparison_tells_a_condition_from_a_place(named: str, expected: tuple[str, str | None]) -> None:
    assert method_and_condition(named) == expected
