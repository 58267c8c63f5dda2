"""`contextssl demo` at a tiny size: the same way from nothing to the page."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import torch

import contextssl
from contextssl import demo
from contextssl.cli import main
from contextssl.config.evaluation_settings import EvaluateSettings
from contextssl.config.overrides import settings_from
from contextssl.config.settings import DemoSettings, TrainSettings
from contextssl.protocol import in_all
from contextssl.records.results import read_results

TINY = [
    "classes=2",
    "objects=6",
    "val_objects=10",
    "resolution=16",
    "epochs=1",
    "batch_size=8",
    "pairs_per_item=2",
    "width=32",
    "n_layer=1",
    "projection_dim=16",
    "auxiliary_width=16",
    "block_size=18",
    "log_interval=1",
    "val_pairs=8",
    "accelerator=cpu",
    "progress=false",
]


def test_the_demo_is_the_experiment() -> None:
    started = settings_from("demo", DemoSettings, [])
    trained = settings_from("train", TrainSettings, ["experiment=shapes_examples"])
    assert dataclasses.asdict(started) == dataclasses.asdict(trained) and trained.context == "examples"
    # The paper's contexts are on data without a grid.
    for kind in ("actions", "evidence"):
        others = settings_from("demo", DemoSettings, [f"context={kind}"])
        assert others == dataclasses.replace(settings_from("demo", DemoSettings, ["experiment=shapes_minutes"]), context=kind)
        assert others.grid is None
    assert settings_from("demo", DemoSettings, ["epochs=3"]).epochs == 3


@pytest.mark.long
def test_from_nothing_to_the_page_by_examples(in_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["demo", *TINY, "grid={rotation:4,color:4}", "grid_views=null", "run_dir=runs/demo"]) == 0
    printed = capsys.readouterr().out
    screen = printed[printed.index("One model") :].rstrip().splitlines()
    assert len(screen) <= 24 and max(len(line) for line in screen) <= 80
    for word in ("same rotation, 7 pairs", "same object, 7 pairs", "class", "nearest views of a", "no examples", "rotation apart"):
        assert word in "\n".join(screen), word
    assert "MRR" not in "\n".join(screen)
    assert (in_folder / "runs/demo/figures/examples.png").stat().st_size > 5_000
    page = (in_folder / "runs/demo/report.html").read_text()
    assert "The examples: 7 pairs" in page and "nearest to the predicted target" not in page and "evaluate retrieval" not in page
    run, rows = read_results(in_folder / "runs/demo")
    # What an action makes of a view cannot be asked.
    assert set(run["evaluations"]) == {protocol.name for protocol in in_all("images")} - {"retrieval"}
    assert {row.length for row in rows if row.protocol == "geometry"} == {0, 2, 14, None}
    model = contextssl.load("runs/demo")
    context = model.context(torch.randint(0, 256, (7, 2, 3, 16, 16), dtype=torch.uint8))
    assert set(context.describe().factors) == {"rotation", "color"} and context.prefix(6).describe().pairs == 3
    assert main(["evaluate", "retrieval", "runs/demo", "progress=false"]) == 2
    assert "retrieval asks what an action makes of a view" in capsys.readouterr().err
    assert main(["evaluate", "context-sensitivity", "runs/demo", "train_views=3", "probe_views=2", "progress=false"]) == 0
    found = {row.context for row in read_results(in_folder / "runs/demo")[1] if row.protocol == "context-sensitivity"}
    assert {"partners dealt anew", "half the pairs of color", "one image everywhere", "wrong pairs 100 %"} <= found
    assert not {"random actions", "no factor active", "one pair of zeros"} & found


def test_from_nothing_to_the_page(in_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["demo", "context=actions", *TINY, "views=16", "run_dir=runs/demo"]) == 0
    printed = capsys.readouterr().out
    screen = printed[printed.index("One model") :].rstrip().splitlines()
    assert len(screen) <= 14
    assert max(len(line) for line in screen) <= 80
    for word in ("rotation, 7 pairs", "colour, 7 pairs", "MRR", "20 unseen objects", "3 contexts", "GiB"):
        assert word in "\n".join(screen), word
    assert screen[-1] == "open the report: runs/demo/report.html"
    assert (in_folder / "runs/demo/report.html").stat().st_size > 10_000
    assert (in_folder / "runs/demo/figures/adaptation.png").exists()
    run, rows = read_results(in_folder / "runs/demo")
    protocols = {protocol.name for protocol in in_all("images")}
    assert set(run["evaluations"]) == protocols
    assert {row.protocol for row in rows} == {"online", *protocols}


def test_the_numbers_on_the_screen_are_those_of_the_rows() -> None:
    from contextssl.records.results import ResultRow
    from contextssl.report.collect import Run
    from contextssl.report.screen import adaptation_screen

    def share(factor: str, environment: str | None, length: int, mean: float) -> ResultRow:
        return ResultRow(
            "geometry", "variance_share", mean, factor, environment, length, representation="embedding", split="val", floor=0.0
        )

    rows = [
        share("rotation", None, 0, 0.21),
        share("color", None, 0, 0.26),
        share("rotation", "rotation", 14, 0.49),
        share("color", "rotation", 14, 0.004),
        share("rotation", "rotation", 30, 0.91),
        share("color", "rotation", 30, 0.92),
        share("rotation", "color", 14, 0.01),
        share("color", "color", 14, 0.51),
    ]
    table = adaptation_screen(Run(Path("r"), "r", {}, tuple(rows), {}, "val"))
    assert table is not None
    cells = [list(column.cells) for column in table.columns]
    assert cells == [
        ["no context", "rotation, 7 pairs", "colour, 7 pairs", "constant, chance"],
        ["0.21/0.26", "0.49/0.00", "0.01/0.51", "0.00/0.00"],
    ]
    assert adaptation_screen(Run(Path("r"), "r", {}, (), {}, "val")) is None


def test_the_evaluation_is_what_the_command_would_do(tmp_path: Path) -> None:
    settings = demo.evaluation_settings(tmp_path, TrainSettings(accelerator="cpu"))
    words = [f"heads=[{','.join(demo.HEADS)}]", f"epochs={demo.EPOCHS}", f"train_views={demo.TRAIN_VIEWS}"]
    words += [f"probe_views={demo.PROBE_VIEWS}", f"queries={demo.QUERIES}", "accelerator=cpu", f"load_model={tmp_path}"]
    assert settings_from("evaluate all", EvaluateSettings, words) == settings


@pytest.mark.slow
def test_the_demo_adapts_to_examples(in_folder: Path) -> None:
    """Ten minutes on two cores: the whole demo. The bounds leave room for other machines' rounding; docs/results.md has the numbers."""
    assert main(["demo", "run_dir=runs/demo", "accelerator=cpu", "progress=false"]) == 0
    _, rows = read_results(in_folder / "runs/demo")
    share = {
        (row.environment, row.factor): row.mean
        for row in rows
        if (row.protocol, row.metric, row.length, row.representation) == ("geometry", "variance_share", 14, "embedding")
    }
    assert share["rotation", "rotation"] >= 0.4 and share["rotation", "color"] <= 0.03
    assert share["color", "color"] >= 0.55 and share["color", "rotation"] <= 0.03
    assert share["none", "class"] >= 0.45 and max(share["none", "rotation"], share["none", "color"]) <= 0.08


@pytest.mark.slow
def test_the_demo_shows_adaptation(in_folder: Path) -> None:
    """Eight minutes on two cores: the demo of the paper's contexts. The bounds leave room for other machines' rounding; docs/results.md has the
    numbers."""
    assert main(["demo", "context=actions", "run_dir=runs/demo", "accelerator=cpu", "progress=false"]) == 0
    _, rows = read_results(in_folder / "runs/demo")

    def value(protocol: str, metric: str, context: str, **fields: object) -> float:
        environment, length = (None, 0) if context == "none" else (context, 14)
        if protocol == "retrieval" and length == 0:
            environment = str(fields.pop("active"))
        wanted = {"bottleneck": 0.0, "representation": "embedding", "environment": environment, "length": length, **fields}
        found = [r for r in rows if (r.protocol, r.metric) == (protocol, metric) and all(getattr(r, k) == v for k, v in wanted.items())]
        assert len(found) == 1, (protocol, metric, wanted)
        return found[0].mean

    other = {"rotation": "color", "color": "rotation"}
    for active, inactive in other.items():
        share = {factor: value("geometry", "variance_share", active, factor=factor) for factor in other}
        assert value("geometry", "variance_share", "none", factor=active) >= 0.10
        assert share[active] >= 0.35 and share[inactive] <= 0.03
        own = {factor: value("probe", "r2_pooled", active, factor=factor, head="auxiliary") for factor in other}
        before = value("probe", "r2_pooled", "none", factor=inactive, head="auxiliary")
        assert own[active] >= {"rotation": 0.80, "color": 0.75}[active]
        assert before - own[inactive] >= {"rotation": 0.15, "color": 0.40}[inactive]
        assert value("retrieval", "mrr", active) >= {"rotation": 0.35, "color": 0.40}[active]
        assert value("retrieval", "mrr", active) > value("retrieval", "mrr", "none", active=active)
    near = [value("geometry", "r2_pooled", context, factor="color", head="knn") for context in ("none", "rotation")]
    assert near[0] - near[1] >= 0.4
    assert value("probe", "r2_pooled", "rotation", factor="color", head="ridge", bottleneck=0.3) <= 0.25 + 0.05
