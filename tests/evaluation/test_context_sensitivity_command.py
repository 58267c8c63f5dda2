"""`contextssl evaluate context-sensitivity` and `erasure` from the command line, contexts of classes not seen in training among them."""

from __future__ import annotations

from pathlib import Path

import pytest

from contextssl.cli import main
from contextssl.records.results import read_results
from tests.test_cli import TINY, error_of

SHAPES = ["dataset=shapes", "classes=[chair,car]", "objects=6", "val_objects=15", "views=10", "resolution=16"]


# Few views are too few for some numbers, and the commands say so.
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_contexts_of_unseen_classes_and_what_cannot_be(in_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", *SHAPES, *TINY, "run_dir=run"]) == 0
    quick = ["items=10", "train_views=2", "contexts=1", "accelerator=cpu", "progress=false"]
    assert main(["evaluate", "context-sensitivity", "run", *quick, "eval_ctxt=[6]", "unseen_classes=[mug]"]) == 0
    out = capsys.readouterr().out
    assert "o verdict: " in out or "his model " in out, "what the rows say together"
    run = read_results(in_folder / "run")[0]
    assert {"says", "why", "kept", "contrast", "length", "measure"} == set(run["evaluations"]["context-sensitivity"]["verdict"])
    assert "unseen classes" in out and "wrong environment (color)" in out and "random actions" in out
    rows = [row for row in read_results(in_folder / "run")[1] if row.protocol == "context-sensitivity"]
    assert {row.context for row in rows} >= {None, "shuffled", "unseen classes", "beyond the block", "wrong pairs 50 %"}
    assert main(["evaluate", "reading", "run", *quick, "eval_ctxt=[6]", "unseen_classes=[mug]", "run_dir=former"]) == 0
    assert read_results(in_folder / "former")[1] == rows
    assert "training contains: name others" in error_of(capsys, "evaluate", "context-sensitivity", "run", *quick, "unseen_classes=[car]")
    assert main(["evaluate", "erasure", "run", *quick, "eval_ctxt=[6]", "heads=[ridge,knn]", "bottleneck=[0]"]) == 0
    assert "erased-train-basis" in capsys.readouterr().out
    assert "has no head for labels that depend on the context: train one" in error_of(capsys, "evaluate", "labels", "run", *quick)

    assert main(["evaluate", "geometry", "run", *quick, "eval_ctxt=[6]", "sensitivity_items=2", "checkpoint=best"]) == 0
    evaluated = read_results(in_folder / "run")[0]["evaluations"]["geometry"]
    assert (evaluated["checkpoint"], evaluated["checkpoint_chosen_on"]) == ("best", "val")
    assert any("checkpoint=best was chosen while training by its score on the val split" in note for note in evaluated["notes"])
    rows = [row for row in read_results(in_folder / "run")[1] if row.protocol == "geometry"]
    assert {row.factor for row in rows if row.metric == "factor_nats"} == {"rotation", "color"}
    assert all(row.item_std is not None and row.items == 10 for row in rows if row.metric == "r2" and row.mean == row.mean)

    assert main(["train", *SHAPES, *TINY, "method=simclr", "projector_width=16", "run_dir=baseline"]) == 0
    assert "class accuracy by kNN on features" in capsys.readouterr().out
    assert "this model takes no context pairs" in error_of(capsys, "evaluate", "context-sensitivity", "baseline", *quick)
    assert "this model takes no context: leave eval_ctxt out" in error_of(
        capsys, "evaluate", "erasure", "baseline", *quick, "eval_ctxt=[6]"
    )
