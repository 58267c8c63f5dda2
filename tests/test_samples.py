"""What an earlier version wrote is read, with equal numbers: samples of a run, a store and their results are kept in ``tests/samples/VERSION``."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

import contextssl
from contextssl import checkpoints
from contextssl.cli import main
from contextssl.data.feature_store import open_features
from contextssl.data.store import open_store
from contextssl.data.tables.table_file import read_file
from contextssl.models.context_file import read_context
from contextssl.records.metrics_lines import read_lines
from contextssl.records.results import ResultRow, read_results
from contextssl.report.collect import read_training
from contextssl.system.digested_json import read_digested
from contextssl.training.resume import stored_settings
from tests.make_samples import METRICS, RESULTS

SAMPLES = Path(__file__).parent / "samples"
VERSIONS = sorted(path.name for path in SAMPLES.iterdir() if (path / "run").is_dir())


@pytest.fixture(params=VERSIONS)
def sample(request: pytest.FixtureRequest, in_folder: Path) -> Path:
    shutil.copytree(SAMPLES / request.param, in_folder, dirs_exist_ok=True)
    return in_folder


def numbers(rows: list[ResultRow], *protocols: str) -> dict[tuple[object, ...], tuple[float, float | None]]:
    return {
        (row.protocol, row.metric, row.factor, row.environment, row.length, row.representation, row.head, row.bottleneck, row.target): (
            row.mean,
            row.floor,
        )
        for row in rows
        if row.protocol in protocols
    }


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_a_run_is_evaluated_to_the_same_numbers(sample: Path) -> None:
    about, before = read_results(sample / "run")
    for protocol in ("geometry", "probe"):
        told = about["evaluations"][protocol]["settings"]
        words = ["heads=[ridge,linear]", f"epochs={told['epochs']}"] if protocol == "probe" else []
        assert main(["evaluate", protocol, "run", "run_dir=again", "contexts=2", *words, "accelerator=cpu", "progress=false"]) == 0
    after = numbers(read_results(sample / "again")[1], "geometry", "probe")
    expected = numbers(before, "geometry", "probe")
    assert after.keys() == expected.keys() and len(after) > 100
    for key, (mean, floor) in expected.items():
        # Other processors add up sums in another order; trained heads carry that on.
        np.testing.assert_allclose(after[key][0], mean, atol=5e-3, rtol=1e-3, err_msg=str(key))
        assert (floor is None) == (after[key][1] is None)


def test_settings_have_their_present_names(sample: Path) -> None:
    """The run's files say weight_untold and giveaways."""
    written = json.loads((sample / "run/settings.json").read_text())["settings"]
    assert written["weight_untold"] == 10.0 and "weight_inactive" not in written
    content = checkpoints.read(sample / "run/checkpoints/last.ckpt")
    about = read_results(sample / "run")[0]
    for settings in (vars(checkpoints.settings_of(content)), stored_settings(sample / "run"), about["settings"]):
        assert (settings["weight_inactive"], settings["proxies"], settings["proxy_columns"]) == (10.0, "drop", None)
    for made in about["evaluations"].values():
        assert made["settings"]["fairness_bottleneck"] is None and "forget_bottleneck" not in made["settings"]


def test_a_run_is_reported_and_resumed(sample: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", "run", "gallery=false", "figures=false"]) == 0
    page = (sample / "run/report.html").read_text()
    assert "Every number of geometry" in page and "table_mlp" in page
    assert main(["train", "resume=run"]) == 0
    assert "27 steps, 1,728 views" in capsys.readouterr().out, "nothing is left to train"
    assert contextssl.load("run").factors.names == ("sex",)


def test_a_store_is_whole_and_holds_the_same_pixels(sample: Path) -> None:
    store = open_store(sample / "shapes-store")
    assert main(["data", "check", "shapes-store", "progress=false"]) == 0
    assert store.fingerprint == json.loads((sample / "expected.json").read_text())["fingerprint"]
    assert {split: len(store[split].images) for split in store} == {"train": 6, "val": 4}


NEW = SAMPLES / "0.2"


def test_formats_that_came_after_the_first_version() -> None:
    """Of ``tests/make_samples.py``."""
    expected = json.loads((NEW / "expected.json").read_text())
    model = contextssl.load(NEW / "model.safetensors", device="cpu")
    found = model.embed(read_file(SAMPLES / "0.1/people.csv"))[:3]
    np.testing.assert_allclose(found.flatten().tolist(), expected["embedding"], atol=1e-4, rtol=1e-4)
    np.testing.assert_allclose(read_context(NEW / "context.safetensors").keys.flatten().tolist(), expected["keys"], rtol=1e-6)
    assert open_store(NEW / "store", "full").fingerprint == expected["store"]
    manifest = json.loads((NEW / "features/manifest.json").read_text())
    features = open_features(NEW / "features", manifest, "full")
    assert features.fingerprint == expected["features"]
    np.testing.assert_allclose(features.features["val"].astype(np.float64).sum(), expected["feature_sum"], rtol=1e-9)
    assert np.load(NEW / "embeddings.npy").tolist() == [[1.0, 2.0], [3.0, 4.0]]


def test_records_that_came_after_the_first_version(recwarn: pytest.WarningsRecorder) -> None:
    about, rows = read_results(NEW / "records")
    assert about["seed"] == 3 and rows == RESULTS
    assert read_lines(NEW / "records/metrics.csv", "move it away").rows == METRICS
    assert read_training(NEW / "records/metrics.csv", about["metrics_crc32"])["train/loss"][0] == (0, 2.5)
    assert stored_settings(NEW / "records")["epochs"] == 20
    assert read_digested(NEW / "records/gallery.json", "remove it")["format"] == 2
    assert not recwarn.list
