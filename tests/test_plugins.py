"""The example package, installed: its method, data set, augmentation and protocol have names in every command; and so they have from a folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from contextssl.cli import main, overview
from contextssl.errors import SettingsError
from contextssl.head import HEADS
from contextssl.method import METHODS
from contextssl.metric import METRICS
from contextssl.plugins import Kind
from contextssl.protocol import PROTOCOLS
from contextssl.records.results import read_results
from tests.example_package import PLUGIN, installed_example, look_again
from tests.sources import write_photos

SMALL = "epochs=1 batch_size=16 projection_dim=8 backbone=resnet_compact val_pairs=8 eval_ctxt=[0,4] log_interval=1 accelerator=cpu progress=false"
IN_CONTEXT = "width=16 n_layer=1 n_head=2 block_size=8 auxiliary_width=8"


@pytest.fixture
def beside(monkeypatch: pytest.MonkeyPatch, in_folder: Path) -> Path:
    """The module can be imported, and no more."""
    monkeypatch.syspath_prepend(str(PLUGIN))
    return in_folder


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch, in_folder: Path) -> Iterator[Path]:
    with installed_example(in_folder, monkeypatch):
        yield in_folder


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_one_of_each_is_found_by_its_name(installed: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "evaluate spread" in overview()
    words = f"method=barlow-twins dataset=gratings redundancy_weight=0.25 run_dir=run {SMALL}".split()
    assert main(["train", *words]) == 0
    about, _ = read_results(installed / "run")
    assert about["settings"]["method"] == "barlow-twins" and about["settings"]["own"] == {"redundancy_weight": 0.25}
    assert main(["evaluate", "spread", "run", "progress=false", "accelerator=cpu"]) == 0
    assert "spread" in capsys.readouterr().out
    (row,) = [row for row in read_results(installed / "run")[1] if row.protocol == "spread"]
    assert 0 < row.mean <= 1 and row.count == 16 * 8
    assert (
        "mean squared distance of unit embeddings" in read_results(installed / "run")[0]["evaluations"]["spread"]["definitions"]["spread"]
    )
    assert main(["report", "run", "gallery=false", "figures=false"]) == 0
    assert "Every number of spread" in (installed / "run/report.html").read_text()
    assert main(["train", "resume=run"]) == 0


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_from_a_folder_it_is_named_each_time(beside: Path, capsys: pytest.CaptureFixture[str]) -> None:
    named = ["method=contextssl_example:BARLOW", "dataset=contextssl_example:gratings"]
    assert main(["train", *named, "redundancy_weight=0.25", "run_dir=run", *SMALL.split()]) == 0
    quick = ["run", "progress=false", "accelerator=cpu"]
    assert main(["evaluate", "contextssl_example:Spread", *quick]) == 2
    assert "=contextssl_example:" in capsys.readouterr().err
    assert main(["evaluate", "contextssl_example:Spread", *quick, *named]) == 0
    assert main(["report", "run", "protocols=[contextssl_example:Spread]", "gallery=false", "figures=false"]) == 0
    assert "Every number of spread" in (beside / "run/report.html").read_text()


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_an_installed_augmentation_is_a_factor(installed: Path) -> None:
    write_photos(installed / "photos")
    words = f"dataset=images data_dir=photos resolution=16 factors=[flip,solarize] run_dir=run {SMALL} {IN_CONTEXT}".split()
    assert main(["train", *words]) == 0
    assert {row.factor for row in read_results(installed / "run")[1]} >= {"flip", "solarize"}


def test_a_comparison_has_its_method_and_its_protocol(installed: Path) -> None:
    words = f"dataset=gratings methods=[barlow-twins] seeds=[0] protocols=[spread] compare_dir=all {SMALL}".split()
    assert main(["compare", *[word for word in words if not word.startswith("eval_ctxt")]]) == 0
    text = (installed / "all/comparison.md").read_text()
    assert "## Spread" in text and "Barlow" not in text.split("## Spread")[0].split("\n")[0]


def test_help_tells_its_own_settings(installed: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "method=barlow-twins", "--help"]) == 0
    out = capsys.readouterr().out
    assert "Barlow Twins:" in out and "redundancy_weight=0.005" in out
    assert main(["train", "method=barlow-twins", "redundancy_weight=-1"]) == 2
    assert "redundancy_weight is -1: it must be 0 or more" in capsys.readouterr().err
    assert main(["train", "redundancy_weight=1"]) == 2
    assert "unknown setting 'redundancy_weight' of train" in capsys.readouterr().err


def test_what_is_no_part_is_refused(beside: Path) -> None:
    for kind, what in ((METHODS, "method"), (PROTOCOLS, "protocol"), (HEADS, "head"), (METRICS, "metric")):
        with pytest.raises(SettingsError, match=f"{what} .*dataclass"):
            kind.find("contextssl_example:dataclass")
        with pytest.raises(SettingsError, match="cannot be imported"):
            kind.find("contextssl_example:nothing")
        with pytest.raises(SettingsError, match="unknown"):
            kind.find("nothing")


def test_a_broken_package_harms_only_who_names_it(installed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    entry = installed / "site/contextssl_example-1.dist-info/entry_points.txt"
    entry.write_text("[contextssl.heads]\nbroken = no_such_module:HEAD\n")
    look_again()
    kind: Kind[object] = HEADS  # type: ignore[assignment]
    assert "broken" in kind.names() and len(list(kind.all())) == len(kind.built_in)
    with pytest.raises(SettingsError, match=r"the installed head 'broken' \(no_such_module:HEAD\) cannot be imported"):
        kind.find("broken")


def test_the_example_is_short() -> None:
    assert len([line for line in (PLUGIN / "contextssl_example.py").read_text().splitlines() if line.strip()]) < 60
