"""Samples of the formats that version 0.1 had not yet, as this version writes them: ``python -m tests.make_samples tests/samples/0.2``.

They are made once, when a format is new, and kept: what is in the folder is not written again by later versions.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch

import contextssl
from contextssl.config.settings import TrainSettings
from contextssl.data.tables.table_file import read_file
from contextssl.models.model_file import write_model
from contextssl.records.embeddings_file import embeddings_file
from contextssl.records.metrics_lines import Row, lines_of
from contextssl.records.results import ResultRow, write_results
from contextssl.system.digested_json import write_digested
from contextssl.training.resume import write_settings
from tests.data.test_feature_packing import packed as packed_features
from tests.sources import ToySource, toy_store
from tests.used import as_tensor, loaded, pixels

METRICS = [Row(step, 0, "train/loss", 2.5 / (1 + step)) for step in range(3)]
RESULTS = [ResultRow("probe", "r2", 0.5, "rotation", length=14, count=100)]
FIRST = Path(__file__).parent / "samples/0.1"


def make(out: Path) -> None:
    """A model, a context, stores of images and of features, the records of a run, embeddings; and what is to be read of them."""
    out.mkdir(parents=True)
    # The smallest that there is.
    model = contextssl.load(FIRST / "run", device="cpu")
    write_model(model, out / "model.safetensors", half=False)
    with tempfile.TemporaryDirectory() as folder:
        context = loaded(Path(folder)).context(as_tensor(pixels(6)).unflatten(0, (3, 2)))
    context.save(out / "context.safetensors")
    store = toy_store(out / "store", ToySource({"train": 3, "val": 2}), resolution=8)
    features = packed_features(out / "features")
    run = out / "records"
    run.mkdir()
    write_settings(run, TrainSettings(epochs=20), None, {"data": {"kind": "toy"}})
    data, checksum = lines_of(METRICS)
    (run / "metrics.csv").write_bytes(data)
    write_results(run, {"seed": 3, "metrics_crc32": f"{checksum:08x}"}, RESULTS)
    write_digested(run / "gallery.json", {"format": 2, "split": "val", "queries": []})
    with embeddings_file(out / "embeddings.npy", None) as file:
        file.add(0, ("a", "b"), np.array([[1.0, 2.0], [3.0, 4.0]], np.float32))
        file.finish(1, {})
    expected = {
        "embedding": model.embed(read_file(FIRST / "people.csv"))[:3].flatten().tolist(),
        "keys": context.keys.flatten().tolist(),
        "store": store.fingerprint,
        "features": features.fingerprint,
        "feature_sum": float(features.features["val"].astype(np.float64).sum()),
    }
    (out / "expected.json").write_text(json.dumps(expected, indent=1) + "\n")


if __name__ == "__main__":
    torch.manual_seed(0)
    make(Path(sys.argv[1]))
