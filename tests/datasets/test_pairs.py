"""A folder of listed pairs, from the list to the report, through the command line."""

from __future__ import annotations

import csv
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

import contextssl
from contextssl.cli import main
from contextssl.records.results import read_results
from tests.listed import write_images, write_list, write_pairs

WORDS = "epochs=1 batch_size=16 pairs_per_item=2 projection_dim=8 width=16 n_layer=1 n_head=2 block_size=16 val_pairs=8 eval_ctxt=[0,4] "
SMALL = [*WORDS.split(), "log_interval=1", "resolution=16", "accelerator=cpu", "progress=false"]
QUIET = ["progress=false", "accelerator=cpu"]


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_from_a_list_to_numbers(in_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_pairs(in_folder / "mine")
    assert main(["train", "dataset=pairs", "data_dir=mine", *SMALL, "run_dir=run"]) == 0
    about, trained = read_results(in_folder / "run")
    assert about["settings"]["context"] == "examples" and about["data"]["kind"] == "pairs"
    assert about["data"]["source"]["kinds"] == ["same_colour", "same_place"]
    assert {row.environment for row in trained} == {None, "same_colour", "same_place"}
    assert not [row for row in trained if row.head == "auxiliary"]
    # The list and its images are no longer needed: the store has the pairs.
    shutil.rmtree(in_folder / "mine")
    assert main(["evaluate", "all", "run", "eval_ctxt=[0,4]", *QUIET]) == 0
    assert "same_colour/same_place" in capsys.readouterr().out.replace("\n", "")
    about, rows = read_results(in_folder / "run")
    assert [*about["evaluations"]] == ["partners"]
    rows = [row for row in rows if row.protocol == "partners"]
    assert {(row.environment, row.length, row.context) for row in rows if row.representation == "embedding"} == {
        (None, 0, None),
        *((kind, 4, how) for kind in ("same_colour", "same_place") for how in (None, "partners dealt anew")),
    }
    for row in rows:
        assert row.floor is not None and 0 < row.floor < 1 and 0 <= row.mean <= 1 and row.item_std is None and row.items is None
    assert main(["report", "run"]) == 0
    page = (in_folder / "run/report.html").read_text()
    assert "should agree in what its pairs share" in page and "Under each neighbour" not in page, "no factor has a value"
    assert "Partners of listed pairs" in page and "Same_colour context of 2 pairs" in page.replace("A same_colour", "Same_colour")
    assert "was not evaluated by" not in page and "nan" not in page.lower().split("<style>")[0]
    assert (in_folder / "run/figures/examples.png").is_file() and (in_folder / "run/figures/partners.png").is_file()
    for protocol in ("geometry", "probe", "retrieval"):
        assert main(["evaluate", protocol, "run", *QUIET]) == 2
        assert "reads factor values, and of listed pairs there are none: evaluate partners" in capsys.readouterr().err
    model = contextssl.load(in_folder / "run")
    pairs = torch.from_numpy(np.random.default_rng(0).integers(0, 255, (5, 2, 3, 16, 16)).astype(np.uint8))
    context = model.context(pairs)
    assert model.embed(pairs[:, 0], context).shape == (5, 8)
    assert set(context.describe().factors) == {"same_colour", "same_place"}


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_rendered_shapes_as_listed_pairs_train(in_folder: Path) -> None:
    """The loss falls below that of chance among the pairs of a sequence, and a context raises its own kind of pair above the other's."""
    script = Path(__file__).parents[2] / "examples/shapes_as_pairs.py"
    subprocess.run([sys.executable, script, "mine", "objects=8", "val_objects=4"], check=True)
    assert main(["data", "check", "mine", "progress=false"]) == 0
    words = ["epochs=4", "warmup_epochs=0.5", "log_interval=4", *QUIET, "run_dir=run"]
    assert main(["train", "dataset=pairs", "data_dir=mine", *words]) == 0
    with (in_folder / "run/metrics.csv").open() as file:
        losses = [float(row["value"]) for row in csv.DictReader(file) if row["name"] == "train/contrastive_loss"]
    assert losses[-1] < losses[0]
    assert main(["evaluate", "partners", "run", "eval_ctxt=[0,14]", *QUIET]) == 0
    rows = [row for row in read_results(in_folder / "run")[1] if row.protocol == "partners" and row.metric == "mrr"]
    mrr = {(row.environment, row.factor): row.mean for row in rows if row.context is None and row.length == 14}
    assert (
        mrr["same_pose", "same_pose"] > mrr["same_colour", "same_pose"]
        or mrr["same_colour", "same_colour"] > mrr["same_pose", "same_colour"]
    )


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_a_stopped_run_resumes_to_the_same_weights(in_folder: Path) -> None:
    write_pairs(in_folder / "mine", items=4)
    words = ["train", "dataset=pairs", "path=mine/pairs.csv", *SMALL[1:], "epochs=2"]
    assert main([*words, "max_minutes=0.00001", "run_dir=a"]) == 0
    assert main(["train", "resume=a", "progress=false"]) == 0
    assert main([*words, "run_dir=b"]) == 0
    a, b = (contextssl.load(in_folder / name).state_dict() for name in "ab")
    for name, tensor in a.items():
        torch.testing.assert_close(tensor, b[name], atol=1e-5, rtol=1e-4, msg=name)


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("method", ["simclr", "conditional"])
def test_baselines_of_invariance_and_by_name_take_pairs(method: str, in_folder: Path) -> None:
    write_pairs(in_folder / "mine", items=4)
    assert main(["train", "dataset=pairs", "data_dir=mine", f"method={method}", *SMALL, "run_dir=run"]) == 0
    assert main(["evaluate", "partners", "run", *QUIET]) == 0
    rows = [row for row in read_results(in_folder / "run")[1] if row.protocol == "partners"]
    assert {row.factor for row in rows} == {"same_colour", "same_place"}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("context=actions", "context=actions needs actions, which listed pairs have none of: say context=examples"),
        ("context=evidence", "context=evidence needs actions"),
        ("method=sie", "method=sie reads actions or factor values"),
        ("method=conditional context=actions", "context=actions needs actions"),
        ("method=vicreg+", "method=vicreg+ reads actions or factor values"),
        ("method=supervised-latents", "method=supervised-latents reads actions or factor values"),
        ("weight_equiv_loss=5", "weight_equiv_loss is 5: it reads factor values, which listed pairs have none of; say weight_equiv_loss=0"),
        ("weight_labels=1", "weight_labels is 1"),
        ("weight_inactive=1", "weight_inactive is 1"),
        ("factors=[crop]", "factors: those of listed pairs are their kinds"),
        ("env_ratio={same_plase:1.0}", "no factor 'same_plase', did you mean 'same_place'"),
        ("env_ratio={same_place+same_colour:1.0}", "no pair is listed as same_colour+same_place: each is of one kind"),
    ],
)
def test_what_reads_actions_or_values_is_refused(words: str, said: str, in_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_pairs(in_folder / "mine", items=4)
    assert main(["train", "dataset=pairs", "data_dir=mine", *SMALL, "run_dir=run", *words.split()]) == 2
    assert said in capsys.readouterr().err
    assert not (in_folder / "run/checkpoints").exists()


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_a_damaged_image_is_named(in_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_pairs(in_folder / "mine", items=4)
    (in_folder / "mine/item1/00.png").write_bytes((in_folder / "mine/item1/00.png").read_bytes()[:60])
    words = ["dataset=pairs", "data_dir=mine"]
    assert main(["train", *words, *SMALL, "run_dir=run"]) == 2
    assert "item1/00.png cannot be decoded" in capsys.readouterr().err
    assert main(["data", "check", *words[1:], "progress=false"]) == 1
    out = capsys.readouterr().out
    assert "image: mine/item1/00.png cannot be decoded" in out and "1 faults" in out
    assert main(["train", *words, *SMALL, "run_dir=skipped", "unreadable=skip"]) == 0
    source = read_results(in_folder / "skipped")[0]["data"]["source"]
    assert (source["skipped"], sum(source["items"].values()), source["pairs"]) == (1, 4 * 9 - 1, 4 * 18 - 4)


def test_a_check_shows_what_there_is(in_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = write_pairs(in_folder / "mine", items=4)
    file.write_text(file.read_text() + "item0/00.png,item0/01.png,same_place,item 0\n")
    assert main(["data", "check", "mine", "progress=false"]) == 0
    out = capsys.readouterr().out
    assert "pairs mine/pairs.csv" in out and "same_colour: 36, same_place: 36" in out and "ok: no fault found" in out
    assert "1 pairs are listed before, and passed over, such as that of line 74" in out
    assert (in_folder / "mine-views.png").is_file()


def test_a_check_names_every_fault(in_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_images(in_folder / "mine", items=1)
    rows = [["item0/00.png", "item0/00.png", "same_place"], ["item0/00.png", "item0/99.png", "same_place"]]
    write_list(in_folder / "mine", rows, "first,second,environment")
    assert main(["data", "check", "mine", "progress=false"]) == 1
    out = capsys.readouterr().out
    assert "line 2 pairs item0/00.png with itself" in out and "line 3: there is no image mine/item0/99.png" in out
