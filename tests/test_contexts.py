"""Each kind of context from the command line to numbers, on every kind of data that it is for."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

import contextssl
from contextssl.cli import main
from contextssl.data.folder import write_folder
from contextssl.records.results import read_results
from tests.people import write_people
from tests.sources import ToySource, write_photos

# fmt: off
SMALL = [
    "warmup_epochs=0", "batch_size=8", "pairs_per_item=2", "width=32", "n_layer=1", "projection_dim=16", "auxiliary_width=16", "block_size=18",
    "log_interval=1", "val_pairs=8", "eval_ctxt=[0,6]", "accelerator=cpu", "progress=false",
]
# fmt: on
IMAGES = ["resolution=16", "backbone=resnet_compact"]
EVALUATE = ["contexts=2", "neighbours=3", "accelerator=cpu", "progress=false"]


def words_of(data: str, folder: Path) -> list[str]:
    if data == "photos":
        write_photos(folder / "photos")
        chosen = ["dataset=images", "data_dir=photos", "factors=[color,rotate]", *IMAGES]
        return [*chosen, "env_ratio={color:0.4,rotate:0.3,none:0.3}"]
    if data == "table":
        write_people(folder / "people.csv")
        return ["dataset=table", "path=people.csv", "label=income", "factors=[sex]", "encoder_width=16", "row_views=4"]
    if data == "3diebench":
        write_folder(ToySource(items={"train": 10, "val": 4}), folder / "data", 24, workers=0, progress=False)
        return ["dataset=3diebench", "data_dir=data", *IMAGES]
    return ["dataset=shapes", "classes=2", "objects=6", "val_objects=3", "grid={rotation:4,floor:2,scale:2}", *IMAGES]


# A tiny data set is too small for some numbers, and the commands say so.
@pytest.mark.long
@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize(
    ("kind", "data"),
    [("examples", "photos"), ("examples", "table"), ("examples", "shapes"), ("evidence", "3diebench")],
)
def test_from_data_to_numbers(kind: str, data: str, in_folder: Path) -> None:
    chosen = words_of(data, in_folder)
    assert main(["train", *chosen, f"context={kind}", *SMALL, "epochs=1", "run_dir=runs/a"]) == 0
    assert main(["evaluate", "context-sensitivity", "runs/a", "eval_ctxt=[6]", *EVALUATE]) == 0
    rows = [row for row in read_results(in_folder / "runs/a")[1] if row.protocol == "context-sensitivity"]
    found = {row.context for row in rows}
    assert {None, "partners dealt anew", "wrong pairs 100 %", "one pair", "beyond the block"} <= found
    assert ("erased by the same pairs" in found) == (kind == "examples")
    assert ("random actions" in found) == (kind == "evidence") and not {"no factor active", "scaled actions 0.5"} & found
    model = contextssl.load(in_folder / "runs/a")
    assert model.context_kind == kind and model.reads_actions == (kind == "evidence")
    # The same run again, stopped before its end and resumed, has the same weights.
    assert main(["train", *chosen, f"context={kind}", *SMALL, "epochs=2", "max_minutes=0.00001", "run_dir=runs/b"]) == 0
    assert main(["train", "resume=runs/b", "progress=false"]) == 0
    assert main(["train", *chosen, f"context={kind}", *SMALL, "epochs=2", "run_dir=runs/c"]) == 0
    b, c = (contextssl.load(in_folder / f"runs/{name}").state_dict() for name in ("b", "c"))
    for name, tensor in b.items():
        torch.testing.assert_close(tensor, c[name], atol=1e-5, rtol=1e-4, msg=name)


def test_views_without_shared_values_are_refused_before_training(in_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = words_of("3diebench", in_folder)
    assert main(["train", *words, "context=examples", *SMALL, "epochs=1", "run_dir=runs/a"]) == 2
    assert "no two views with the same rotation and another color; render a grid of values" in capsys.readouterr().err
    assert not (in_folder / "runs/a/checkpoints").exists()


def test_tables_have_no_third_view(in_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = words_of("table", in_folder)
    assert main(["train", *words, "context=evidence", *SMALL, "epochs=1", "run_dir=runs/a"]) == 2
    assert "context=evidence needs actions to a third view, which RowPairs does not give" in capsys.readouterr().err
