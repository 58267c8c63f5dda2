"""`contextssl evaluate context-sensitivity` and `erasure` from the command line, contexts of classes not seen in training among them."""

from __future__ import annotations

from pathlib import Path

import pytest
import trimesh

from contextssl.cli import main
from contextssl.records.results import read_results
from tests.sources import write_photos
from tests.test_cli import TINY, error_of

SHAPES = ["dataset=shapes", "classes=[chair,car]", "objects=6", "val_objects=15", "views=10", "resolution=16"]


# Few views are too few for some numbers, and the commands say so.
@pytest.mark.long
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


# Few views are too few for some numbers, and the commands say so.
@pytest.mark.long
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_contexts_of_meshes_and_photos(in_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("kornia")
    for name in range(3):
        (in_folder / "my_meshes/block").mkdir(parents=True, exist_ok=True)
        trimesh.creation.box((1, 1 + name, 2)).export(in_folder / f"my_meshes/block/{name}.ply")
    grid, quiet = "grid={rotation:3,color:3}", "progress=false"
    assert main(["data", "shapes", "meshes", "meshes=my_meshes", "val_objects=1", grid, "resolution=16", "workers=1", quiet]) == 0
    write_photos(in_folder / "album", 6)
    assert main(["train", *SHAPES, *TINY, grid, "val_objects=4", "context=examples", "run_dir=run"]) == 0
    words = ["evaluate", "context-sensitivity", "run", "train_views=2", "contexts=1", "eval_ctxt=[6]", "accelerator=cpu", quiet]
    foreign = "meshes:meshes,photos:{data_dir:album,factors:{rotation:rotate,color:color}}"
    capsys.readouterr()
    assert main([*words, f"foreign={{{foreign}}}"]) == 0
    out = capsys.readouterr().out
    assert "rotation, pairs of meshes" in out and "color, pairs of photos" in out
    assert "pairs of …: contexts of pairs of the data that foreign names, which training never saw" in " ".join(out.split())
    run, rows = read_results(in_folder / "run")
    found = {(row.environment, row.length) for row in rows if row.context == "pairs of photos"}
    assert found == {(row.environment, row.length) for row in rows if row.context == "pairs of meshes"} == {("rotation", 6), ("color", 6)}
    made = run["evaluations"]["context-sensitivity"]
    assert made["notes"][0].startswith(f"pairs of meshes: 2 items of {in_folder / 'meshes'} (fingerprint ")
    assert "pairs of …" in made["definitions"] and made["settings"]["foreign"]["meshes"] == "meshes"
    assert main(["report", "run"]) == 0
    assert "pairs of meshes" in (in_folder / "run/report.html").read_text()
    (in_folder / "empty").mkdir()
    for given, said in (
        ("meshes:nowhere", "foreign meshes: there is nothing at nowhere: check the path"),
        ("photos:{data_dir:empty,factors:{rotation:rotate,color:color}}", "foreign photos: empty holds no image"),
        ("photos:{data_dir:album,factors:{rotation:rotate,colour:color}}", "did you mean 'color'?"),
    ):
        assert said in error_of(capsys, *words, f"foreign={{{given}}}")
