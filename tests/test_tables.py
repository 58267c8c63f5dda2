"""Tables from the command line: every command of the guide on made-up people, and what can be wrong with a table."""

from __future__ import annotations

import re
import runpy
import shlex
from pathlib import Path

import pandas as pd
import pytest
import torch

pytest.importorskip("fairlearn")

import contextssl
from contextssl.cli import main
from contextssl.config.overrides import settings_from
from contextssl.config.settings import TrainSettings
from contextssl.data.dataset import open_data
from contextssl.models.table_encoder import TableEncoder
from contextssl.records.results import read_results
from tests.data.tables.test_adult_files import write_adult
from tests.people import people, write_people

ROOT = Path(__file__).parents[1]
GUIDE = (ROOT / "docs/tables.md").read_text()
MIMIC = Path(__file__).parents[2] / "shared/data/mimic3_demo"
TRAIN = [
    *("epochs=1", "batch_size=16", "encoder_width=16", "width=32", "n_layer=1", "projection_dim=8", "block_size=8", "log_interval=1"),
    *("val_pairs=16", "eval_ctxt=[0,6]", "row_views=4", "accelerator=cpu", "progress=false"),
]
EVALUATE = [
    *("epochs=1", "contexts=2", "eval_ctxt=[0,6]", "train_views=3", "probe_views=3", "queries=2", "neighbours=3", "scarf_epochs=1"),
    # Boosting takes most of the time, and tests/evaluation/test_fairness.py has it.
    *("fairness_bottleneck=[0.5]", "adversaries=[logistic]", "accelerator=cpu", "progress=false"),
]


def small(words: list[str]) -> list[str]:
    extra = TRAIN if words[0] == "train" else EVALUATE if words[0] == "evaluate" else []
    replaced = {word.split("=", 1)[0] for word in extra}
    return [word for word in words if word.split("=", 1)[0] not in replaced] + extra


def guide(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", GUIDE, flags=re.DOTALL)


# A handful of rows are too few for some numbers, and the commands say so.
@pytest.mark.long
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_every_command_of_the_guide_runs(in_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_adult(in_folder / "path/to/adult")
    write_people(in_folder / "people.csv")
    ran = []
    for line in "".join(guide("sh")).splitlines():
        program, *words = shlex.split(line)
        if program == "pip":
            assert words == ["install", "-e", ".[tables]"]
            continue
        if program != "contextssl":
            assert line.startswith("python benchmarks/"), "printed beside the numbers that it made"
            continue
        if "mimic3" in line and not MIMIC.is_dir():
            continue
        assert main(small([word.replace("path/to/mimic3", str(MIMIC)) for word in words])) == 0, line
        ran.append(words[0])
    assert {"data", "train", "evaluate", "report"} <= set(ran)
    _, rows = read_results(in_folder / "runs/adult")
    assert {row.protocol for row in rows} >= {"geometry", "fairness"}
    page = (in_folder / "runs/adult/report.html").read_text()
    assert "Fairness by context" in page and "LEACE, all rows" in page and "rows of a table have no pictures" in page
    assert (in_folder / "runs/adult/figures/fairness.png").stat().st_size > 1000
    capsys.readouterr()
    runpy.run_path(str(ROOT / "benchmarks/fairness.py"))["main"](["runs/adult"], "test")
    assert "| raw, no factor |" in capsys.readouterr().out
    scope: dict[str, object] = {}
    for code in guide("python"):
        exec(code, scope)
    z = scope["z"]
    assert isinstance(z, torch.Tensor) and z.shape[1] == 8


@pytest.mark.long
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_a_run_reads_new_rows_and_knows_its_columns(in_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_people(in_folder / "people.csv")
    words = ["experiment=table", "path=people.csv", "label=income", "factors=[sex,job]", "proxy_columns={title:sex}", *TRAIN]
    assert main(["train", *words[:-1], "progress=true", "run_dir=runs/p"]) == 0
    said = capsys.readouterr().err
    assert "3 columns: 2 read as categories (sex, job); 1 read as numbers (age)" in said and "rows are dropped" in said
    model = contextssl.load("runs/p")
    assert model.factors.names == ("sex", "job") and isinstance(model.encoder, TableEncoder)
    rows = model.encoder.rows(people(5, seed=9))
    data = open_data(settings_from("train", TrainSettings, words), progress=False)
    pairs = data.train.draw(torch.arange(3), torch.Generator().manual_seed(0))
    contexts = [model.context(pairs.source, pairs.action, pairs.target, told) for told in ("none", "sex", "sex+job")]
    assert all(model.embed(rows, context).shape == (5, 8) for context in contexts)
    environments = {row.environment for row in read_results(Path("runs/p"))[1] if row.environment}
    assert environments == {"sex", "job", "none"}
    assert main(["evaluate", "all", "runs/p", "heads=[ridge]", *EVALUATE]) == 0
    assert {row.protocol for row in read_results(Path("runs/p"))[1]} == {
        "online",
        "equivariance",
        "retrieval",
        "probe",
        "geometry",
        "fairness",
    }
    assert main(["report", "runs/p"]) == 0


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_a_table_that_has_changed_is_not_read_by_old_codes(in_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_people(in_folder / "people.csv", 80)
    words = ["experiment=table", f"path={in_folder / 'people.csv'}", "label=income", "factors=[sex]", "run_dir=runs/p", *TRAIN]
    assert main(["train", *words]) == 0
    frame = people(80)
    frame["job"] = frame["job"].replace({"nurse": "baker"})
    frame.to_csv(in_folder / "people.csv", index=False)
    assert main(["evaluate", "fairness", "runs/p", *EVALUATE]) == 2
    assert "is not the one that runs/p was trained on: job would be encoded differently" in capsys.readouterr().err


@pytest.mark.long
@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.skipif(not MIMIC.is_dir(), reason="MIMIC-III's demo is not beside this checkout")
def test_the_mimic_demo_runs_end_to_end_and_says_what_it_is(in_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "experiment=mimic3", f"data_dir={MIMIC}", *TRAIN[:-1], "progress=true", "run_dir=runs/m"]) == 0
    assert "129 admissions show that the program runs, no more" in capsys.readouterr().err
    assert main(["evaluate", "fairness", "runs/m", "split=test", *EVALUATE]) == 0
    _, rows = read_results(Path("runs/m"))
    assert {row.target for row in rows if row.target} == {"long_stay", "length_of_stay", "treatment"}
    assert main(["report", "runs/m", "split=test"]) == 0
    assert "show that the program runs, no more" in Path("runs/m/report.html").read_text()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["path=none.csv", "label=income", "factors=[sex]"], "there is no file none.csv"),
        (["path=people.csv", "factors=[sex]"], "no label is named"),
        (["path=people.csv", "label=income"], "no factor is named"),
        (["path=people.csv", "label=income", "factors=[income]"], "is the label and a factor"),
        (["path=people.csv", "label=income", "factors=[sex,sex]"], "factor named twice|listed twice"),
        (["path=people.csv", "label=income", "factors=[sex]", "backbone=resnet18"], "takes images, and these views are rows"),
        (["path=people.csv", "label=income", "factors=[sex]", "drop_columns=[sexx]"], "did you mean 'sex'"),
        (["path=people.csv", "label=income", "factors=[sex]", "corruption=2"], "corruption is 2"),
        (["path=short.csv", "label=income", "factors=[sex]"], "line 3 has 4 fields where there should be 5"),
        (["path=semicolons.csv", "label=income", "factors=[sex]"], "say delimiter=';'"),
        (["path=twice.csv", "label=income", "factors=[sex]"], "has the column 'age' twice"),
        (
            ["path=empty_column.csv", "label=income", "factors=[sex]"],
            "the column nothing is missing in every row: leave it out by drop_columns=\\[nothing\\]",
        ),
        (["label=income", "factors=[sex]"], "no table: give path=FILE"),
        (["dataset=adult", "data_dir=."], "no adult.data in"),
        (["dataset=adult"], "give data_dir=DIR, the folder of UCI Adult"),
        (["dataset=mimic3", "data_dir=."], "no ADMISSIONS.csv"),
    ],
)
def test_tables_that_cannot_be(in_folder: Path, capsys: pytest.CaptureFixture[str], words: list[str], message: str) -> None:
    frame = people(60)
    frame.to_csv("people.csv", index=False)
    frame.to_csv("semicolons.csv", index=False, sep=";")
    frame.assign(nothing=None).to_csv("empty_column.csv", index=False)
    lines = Path("people.csv").read_text().splitlines()
    Path("short.csv").write_text("\n".join([*lines[:2], lines[2].rsplit(",", 1)[0], *lines[3:]]))
    Path("twice.csv").write_text("\n".join([lines[0].replace("job", "age"), *lines[1:]]))
    assert main(["train", "experiment=table", *TRAIN, *words]) == 2
    said = capsys.readouterr().err
    assert re.search(message, said) and len(said.strip().splitlines()) == 1


def test_a_table_is_looked_over(in_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    people(500).assign(who=[f"person {i}" for i in range(500)], nothing=None).to_csv("people.csv", index=False)
    assert main(["data", "check", "people.csv"]) == 1
    said = capsys.readouterr().out
    for words in (
        "category of 2: Male",
        "number, 20 to 70",
        "% missing",
        "who looks like an identifier",
        "nothing is missing in every row",
    ):
        assert words in said
    pd.DataFrame(people(50)).to_parquet("people.parquet")
    assert main(["data", "check", "people.parquet"]) == 0
    write_adult(in_folder / "adult")
    assert main(["data", "check", "adult"]) == 0 and "splits" in capsys.readouterr().out
    assert main(["data", "check", "nowhere.csv"]) == 2
