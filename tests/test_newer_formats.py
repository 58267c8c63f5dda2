"""What a newer version wrote is refused by its name, by every door, and is not written over."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

import contextssl
from contextssl import checkpoints
from contextssl.cli import main
from contextssl.compare import _check_same
from contextssl.config.settings import TrainSettings
from contextssl.data.feature_packing import pack_features
from contextssl.data.feature_store import open_features
from contextssl.data.journal import SETTINGS as PACKING
from contextssl.data.pack import pack
from contextssl.data.store import open_store
from contextssl.errors import CheckpointError, DataError, NewerFormatError
from contextssl.models.context_file import ABOUT, read_context
from contextssl.models.model_file import write_model
from contextssl.models.tensors_file import CONTENT, read_tensors, write_tensors
from contextssl.records.metrics_lines import read_lines
from contextssl.report.collect import read_run
from tests.data.test_feature_packing import BANKS, WANTED, Encoder
from tests.data.test_feature_packing import packed as packed_features
from tests.edited import edit_json
from tests.sources import ToySource, toy_store
from tests.test_samples import SAMPLES
from tests.used import as_tensor, loaded, pixels

NEWER = "has format 99, written by"


@pytest.fixture
def run(in_folder: Path) -> Path:
    shutil.copytree(SAMPLES / "0.1", in_folder, dirs_exist_ok=True)
    return in_folder / "run"


def refused(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert main([*words]) != 0
    said = capsys.readouterr().err
    assert said.count("\n") <= 1 and "Traceback" not in said, said
    return said


@pytest.mark.parametrize(
    "words",
    [
        ("train", "resume=run"),
        ("evaluate", "geometry", "run"),
        ("train", "from=run", "epochs=+1"),
        ("embed", "run", "people.csv", "out=z.csv"),
    ],
)
def test_a_checkpoint_by_each_command(run: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...]) -> None:
    path = run / "checkpoints/last.ckpt"
    content = checkpoints.read(path)
    content[checkpoints.RECIPE].update(format=99, version="9.0")
    torch.save(content, path)
    before = {file: file.read_bytes() for file in run.rglob("*") if file.is_file()}
    assert f"{NEWER} version 9.0: this version reads 1" in refused(capsys, *words, "progress=false")
    assert {file: file.read_bytes() for file in run.rglob("*") if file.is_file()} == before


@pytest.mark.parametrize(
    "words", [("report", "run"), ("evaluate", "geometry", "run", "progress=false"), ("train", "resume=run", "progress=false")]
)
def test_results_by_each_command(run: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...]) -> None:
    edit_json(run / "results.json", lambda content: content.update(format=99))
    before = (run / "results.json").read_bytes()
    assert f"results.json {NEWER} a newer version of contextssl: this version reads 1; update" in refused(capsys, *words)
    assert (run / "results.json").read_bytes() == before
    with pytest.raises(NewerFormatError):
        read_run(run)


def test_settings_by_resuming_and_comparing(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    edit_json(run / "settings.json", lambda content: content.update(format=99, version="9.0"))
    before = (run / "settings.json").read_bytes()
    assert f"settings.json {NEWER} contextssl 9.0" in refused(capsys, "train", "resume=run", "progress=false")
    with pytest.raises(NewerFormatError, match=f"settings.json {NEWER} contextssl 9.0"):
        _check_same(TrainSettings(), run)
    assert (run / "settings.json").read_bytes() == before


def test_models_and_contexts(tmp_path: Path) -> None:
    model = loaded(tmp_path)
    context = model.context(as_tensor(pixels(6)).unflatten(0, (3, 2)))
    assert model.recipe is not None
    model.recipe.update(format=99, version="9.0")
    write_model(model, tmp_path / "model.safetensors")
    with pytest.raises(CheckpointError, match=f"model.safetensors {NEWER} version 9.0: this version reads 1"):
        contextssl.load(tmp_path / "model.safetensors")
    context.save(tmp_path / "context.safetensors")
    metadata, tensors = read_tensors(tmp_path / "context.safetensors")
    about = {**json.loads(metadata[ABOUT]), "format": 99, "version": "9.0"}
    del metadata[CONTENT]
    write_tensors(tmp_path / "context.safetensors", {**metadata, ABOUT: json.dumps(about)}, tensors)
    with pytest.raises(DataError, match=f"context.safetensors {NEWER} version 9.0: this version reads 1"):
        read_context(tmp_path / "context.safetensors")


class Stopping(ToySource):
    def read(self, split: str, index: int, resolution: int) -> Any:
        raise KeyboardInterrupt


def test_stores_whole_and_half_packed(tmp_path: Path) -> None:
    path = toy_store(tmp_path / "store").path
    edit_json(path / "manifest.json", lambda manifest: manifest.update(version=99, made_by="contextssl 9.0"))
    doors: list[Callable[[], Any]] = [
        lambda: open_store(path),
        lambda: pack(ToySource(), path, 16, workers=0, progress=False),
        lambda: pack(ToySource(), tmp_path / "half", 16, workers=0, progress=False),
    ]
    with pytest.raises(KeyboardInterrupt):
        pack(Stopping(), tmp_path / "half", 16, workers=0, progress=False)
    edit_json(tmp_path / "half" / PACKING, lambda settings: settings.update(version=99))
    for door in doors:
        with pytest.raises(DataError, match=rf"(manifest|packing)\.json {NEWER} .*: this version reads 1; update contextssl"):
            door()


def test_stores_of_features_whole_and_half_packed(tmp_path: Path) -> None:
    path = packed_features(tmp_path / "store").path
    edit_json(path / "manifest.json", lambda manifest: manifest.update(version=99))
    with pytest.raises(NewerFormatError, match=f"manifest.json {NEWER}"):
        open_features(path, WANTED)
    with pytest.raises(KeyboardInterrupt):
        packed_features(tmp_path / "half", Encoder(stop_after=1))
    edit_json(tmp_path / "half" / PACKING, lambda settings: settings.update(version=99))
    with pytest.raises(NewerFormatError, match=f"packing.json {NEWER}"):
        pack_features(tmp_path / "half", BANKS, WANTED, Encoder(), progress=False)


def test_metrics_with_columns_of_a_newer_version(tmp_path: Path) -> None:
    path = tmp_path / "metrics.csv"
    path.write_text("step,epoch,name,value,rank\n1,0,loss,0.5,0\n")
    with pytest.raises(NewerFormatError, match=r"metrics.csv has columns that this version does not know \(rank\)"):
        read_lines(path, "move it away")
