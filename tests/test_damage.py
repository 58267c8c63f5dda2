"""Of every kind of file that is read back: flipped bits, zeroed and overwritten ranges, cuts and appended bytes never give something else unsaid."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import contextssl
from contextssl import checkpoints
from contextssl.config.settings import TrainSettings
from contextssl.data import feature_store, store
from contextssl.data.feature_store import FEATURES, open_features
from contextssl.data.journal import IMAGES, JOURNAL, SETTINGS, SYNCED
from contextssl.data.pack import pack
from contextssl.data.packing_plan import ORIGINS
from contextssl.data.store import CHECKSUMS, LABELS, LATENTS, MANIFEST, NAMES, RAW_LATENTS, open_store
from contextssl.errors import DataError
from contextssl.evaluation.cache import ArrayCache
from contextssl.models.context_file import read_context
from contextssl.models.model_file import write_model
from contextssl.records.embeddings_file import embeddings_file
from contextssl.records.metrics_lines import Row, lines_of
from contextssl.records.results import ResultRow, read_results, write_results
from contextssl.report.collect import read_training
from contextssl.system.checksum_file import checksum_file
from contextssl.system.digested_json import read_digested, write_digested
from contextssl.training.metrics_files import EventFile, MetricsCSV
from contextssl.training.resume import stored_settings, write_settings
from faults.damage import KINDS, damage
from tests.damaged import TRIES, outcomes
from tests.data.test_feature_packing import WANTED
from tests.data.test_feature_packing import packed as packed_features
from tests.sources import ToySource, toy_store
from tests.used import as_tensor, loaded, pixels, saved


def test_checkpoints(tmp_path: Path) -> None:
    file = saved(tmp_path)
    assert outcomes(file, lambda: checkpoints.read(file), tries=100)["refused"] > 60


def test_models_and_contexts(tmp_path: Path) -> None:
    model = loaded(tmp_path)
    context = model.context(as_tensor(pixels(6)).unflatten(0, (3, 2)))
    for name, given in (("alone", None), ("both", context)):
        file = tmp_path / f"{name}.safetensors"
        write_model(model, file, given)
        assert outcomes(file, lambda file=file: checkpoints.read(file))["refused"] > 35  # type: ignore[misc]
    context.save(tmp_path / "context.safetensors")
    for file in (tmp_path / "context.safetensors", tmp_path / "both.safetensors"):

        def read(file: Path = file) -> Any:
            found = read_context(file)
            return found.keys, found.values, found.environment, found.held, found.features

        assert outcomes(file, read)["refused"] > 35


@pytest.mark.parametrize("name", contextssl.checkpoints.shipped_models())
def test_models_that_come_with_the_package(tmp_path: Path, name: str) -> None:
    file = tmp_path / "shipped.safetensors"
    shutil.copy(checkpoints.SHIPPED / f"{name}.safetensors", file)
    assert outcomes(file, lambda: checkpoints.read(file), tries=10)["refused"] >= 9


@pytest.mark.parametrize("at_once", [0, store.FULL_CHECK_BYTES])
@pytest.mark.parametrize("name", [IMAGES, LATENTS, RAW_LATENTS, LABELS, NAMES, CHECKSUMS, MANIFEST])
def test_stores(tmp_path: Path, name: str, at_once: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Small ones, whose items are compared when they are opened, and large ones, when they are read."""
    monkeypatch.setattr(store, "FULL_CHECK_BYTES", at_once)
    path = toy_store(tmp_path / "store").path

    def read() -> Any:
        opened = open_store(path)
        split = opened["train"]
        places = torch.cartesian_prod(torch.arange(split.num_items), torch.arange(split.num_views)).unbind(1)
        return (
            opened.manifest,
            split.gather_views(*places),
            split.gather_latents(*places),
            split.labels,
            split.item_names,
            split.raw_latents,
        )

    found = outcomes(path / name, read)
    assert found["refused"] > (20 if name == IMAGES and at_once == 0 else 33) and not found["told"]


@pytest.mark.parametrize("at_once", [0, store.FULL_CHECK_BYTES])
@pytest.mark.parametrize("name", [FEATURES, CHECKSUMS, MANIFEST])
def test_stores_of_features(tmp_path: Path, name: str, at_once: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feature_store, "FULL_CHECK_BYTES", at_once)
    path = packed_features(tmp_path / "store").path

    def read() -> Any:
        opened = open_features(path, WANTED)
        for split, features in opened.features.items():
            if split in opened.checks:
                opened.checks[split].check(features, np.arange(len(features)))
        return opened.manifest, dict(opened.features)

    assert outcomes(path / name, read)["refused"] > 33


class Stopping(ToySource):
    """Stops at an item, as Ctrl-C does."""

    def read(self, split: str, index: int, resolution: int) -> Any:
        if index == 3:
            raise KeyboardInterrupt
        return super().read(split, index, resolution)


@pytest.mark.parametrize("name", [SETTINGS, JOURNAL, SYNCED, IMAGES])
def test_stores_that_are_half_packed(tmp_path: Path, name: str) -> None:
    """What is not surely on the disk is compared, and packed again where it is damaged."""
    half = tmp_path / "half"
    with pytest.raises(KeyboardInterrupt):
        pack(Stopping(), half, 8, workers=0, progress=False)
    assert (half / name).stat().st_size

    def finished() -> Any:
        shutil.rmtree(tmp_path / "store", ignore_errors=True)
        shutil.copytree(half, tmp_path / "store")
        opened = open_store(pack(ToySource(), tmp_path / "store", 8, workers=0, progress=False))
        return opened.fingerprint, {split: np.asarray(views.images) for split, views in opened.items()}

    found = outcomes(half / name, finished, tries=20)
    assert found == ({"refused": 20} if name == SETTINGS else {"same": 20})


def test_caches_are_made_again(tmp_path: Path) -> None:
    values = torch.randn(20, 5, generator=torch.Generator().manual_seed(0))

    def read() -> Any:
        return ArrayCache(tmp_path).get("features", {"of": 1}, values.clone)

    read()
    for suffix in (".npy", ".json"):
        assert outcomes(next(tmp_path.glob(f"*{suffix}")), read) == {"same": TRIES}


def results(folder: Path) -> Path:
    rows = [ResultRow("probe", "r2", number / 7, "rotation", length=2 * number, count=100 + number) for number in range(12)]
    return write_results(folder, {"seed": 3, "settings": {"epochs": 20}}, rows)


def settings_of(folder: Path) -> Path:
    write_settings(folder, TrainSettings(epochs=20), "abc", {"data": {"kind": "toy"}})
    return folder / "settings.json"


def gallery(folder: Path) -> Path:
    write_digested(folder / "gallery.json", {"format": 2, "images": {"a": "data:0123456789"}, "queries": [{"rank": 3}] * 9})
    return folder / "gallery.json"


@pytest.mark.parametrize(
    ("made", "read"),
    [
        (results, read_results),
        (settings_of, stored_settings),
        (gallery, lambda folder: read_digested(folder / "gallery.json", "remove it")),
    ],
)
def test_results_settings_and_galleries(tmp_path: Path, made: Callable[[Path], Path], read: Callable[[Path], Any]) -> None:
    assert outcomes(made(tmp_path), lambda: read(tmp_path), tries=100)["refused"] > 80


ROWS = [Row(step, step // 10, name, step / 7 + len(name)) for step in range(30) for name in ("train/loss", "train/gradient_norm")]


def test_metrics(tmp_path: Path) -> None:
    """Of a finished run, whose results know the last line, and of one that is resumed, whose checkpoint does."""
    data, checksum = lines_of(ROWS)
    (tmp_path / "metrics.csv").write_bytes(data)
    found = outcomes(tmp_path / "metrics.csv", lambda: read_training(tmp_path / "metrics.csv", f"{checksum:08x}"), tries=100)
    assert found["refused"] > 60
    found = outcomes(tmp_path / "metrics.csv", lambda: MetricsCSV(tmp_path).drop_after(30, checksum), tries=100)
    assert found["refused"] > 60


def test_events_of_tensorboard(tmp_path: Path) -> None:
    """Their numbers are written again from metrics.csv; the times of what is damaged are not known."""
    events = EventFile(tmp_path)
    for row in ROWS:
        events.log_metrics({row.name: row.value}, row.step)
    whole = events.path.read_bytes()

    def read() -> Any:
        again = EventFile(tmp_path)
        again.path = again.path.with_name("events.out.tfevents.2.host.1.0")
        again.begin_with(ROWS)
        made = again.path.read_bytes()
        again.path.unlink()
        events.path.write_bytes(whole)
        return made

    generator = np.random.default_rng(0)
    expected = read()
    for number in range(TRIES):
        said = damage(events.path, KINDS[number % len(KINDS)], generator)
        with warnings.catch_warnings(record=True) as warned:
            warnings.simplefilter("always")
            made = read()
        assert len(made) == len(expected) and (made == expected or warned or " cut " in f" {said} "), said


def test_parts_of_embeddings(tmp_path: Path) -> None:
    """A damaged part is made again."""
    out, vectors = tmp_path / "vectors.npy", np.random.default_rng(0).standard_normal((2, 4, 3)).astype(np.float32)
    parts = tmp_path / f".{out.name}.parts"
    made: list[int] = []

    def read() -> Any:
        with pytest.raises(KeyboardInterrupt), embeddings_file(out, {"a": 1}) as file:
            for number in range(2):
                if not file.done(number):
                    made.append(number)
                    file.add(number, tuple(f"{number}-{row}" for row in range(4)), vectors[number])
            count = file.finish(2, {})
            found = np.load(out), (tmp_path / "vectors.names.json").read_text(), count
            raise KeyboardInterrupt
        return found

    read()
    for name in ("000001.npy", "000001.json"):
        made.clear()
        assert outcomes(parts / name, read) == {"same": TRIES} and len(made) > 30


def test_files_for_other_programs_have_their_checksum_beside_them(tmp_path: Path) -> None:
    with embeddings_file(tmp_path / "vectors.csv", {"a": 1}) as file:
        file.add(0, ("a", "b"), np.ones((2, 3), np.float32))
        file.finish(1, {})
    loaded(tmp_path, "actions").adapt().save(tmp_path / "adapted.pt2")
    for path in (tmp_path / "vectors.csv", tmp_path / "adapted.pt2"):
        digest, name = checksum_file(path).read_text().split()
        assert (digest, name) == (hashlib.sha256(path.read_bytes()).hexdigest(), path.name)
        if shutil.which("sha256sum"):
            command = ["sha256sum", "--check", "--quiet", checksum_file(path).name]
            assert subprocess.run(command, cwd=tmp_path, capture_output=True).returncode == 0
            damage(path, "flip", np.random.default_rng(0))
            assert subprocess.run(command, cwd=tmp_path, capture_output=True).returncode == 1


@pytest.mark.parametrize("name", [ORIGINS])
def test_marks_of_files_decide_about_packing_alone(tmp_path: Path, name: str) -> None:
    """They are no part of what is opened."""
    path = toy_store(tmp_path / "store").path
    (path / name).write_bytes(b"damaged")
    assert len(open_store(path)) == 2


def test_a_damage_is_told_as_it_was_done(tmp_path: Path) -> None:
    file, generator = tmp_path / "file", np.random.default_rng(0)
    for kind in KINDS:
        file.write_bytes(b"0123456789")
        said = damage(file, kind, generator)
        assert (file.read_bytes() != b"0123456789") == ("changed nothing" not in said), said
    file.write_bytes(b"")
    assert damage(file, "cut", generator).endswith("appended") and file.stat().st_size
    with pytest.raises(ValueError, match="no kind of damage is called 'burn'"):
        damage(file, "burn", generator)
    with pytest.raises(DataError, match="is damaged"):
        read_digested(file, "remove it")
