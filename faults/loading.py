"""A process that loads damaged files, one request a line: what is in a file, as a digest of all that a user gets of it, or how it was refused.

It is a process of its own, for a damaged file may end one (a mapped file that was cut short does), and one for all, so that thousands of files take
minutes.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import traceback
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from contextssl.errors import ContextSSLError


def content(value: Any) -> str:
    """A digest of plain values, arrays and tensors, to the last bit."""
    digest = hashlib.sha256()

    def add(each: Any) -> None:
        if isinstance(each, torch.Tensor):
            add(each.detach().cpu().contiguous().numpy())
        elif isinstance(each, np.ndarray):
            digest.update(f"{each.dtype}{each.shape}".encode())
            digest.update(np.ascontiguousarray(each).tobytes())
        elif isinstance(each, dict):
            for name in sorted(each, key=str):
                digest.update(f"{name}:".encode())
                add(each[name])
        elif isinstance(each, list | tuple):
            for part in each:
                add(part)
        else:
            digest.update(f"{type(each).__name__}{each!r};".encode())

    add(value)
    return digest.hexdigest()


def checkpoint(folder: Path) -> Any:
    """A run's model, and all that a resumed training takes from it."""
    import contextssl
    from contextssl import checkpoints

    path = folder / "run/checkpoints/last.ckpt"
    model = contextssl.load(path, device="cpu")
    return [model.state_dict(), model.factors.to_dict(), checkpoints.read(path)]


def exported(folder: Path) -> Any:
    """A model with a context in it, as ``contextssl adapt`` writes it."""
    import contextssl

    model = contextssl.load(folder / "adapted.safetensors", device="cpu")
    images = torch.arange(3 * 16 * 16, dtype=torch.int64).reshape(1, 3, 16, 16).remainder(256).to(torch.uint8)
    return [model.state_dict(), model.embed(images)]


def shipped(folder: Path) -> Any:
    import contextssl

    return contextssl.load(folder / "shapes.safetensors", device="cpu").state_dict()


def store(folder: Path) -> Any:
    from contextssl.data.store import open_store

    opened = open_store(folder / "store", verify="full")
    splits = [opened[name] for name in opened]
    parts = [[np.asarray(each.images), each.latents, each.labels, each.item_names, each.raw_latents] for each in splits]
    return [parts, opened.factors.to_dict(), opened.class_names, opened.image_mean, opened.image_std, opened.fingerprint]


def results(folder: Path) -> Any:
    from contextssl.records.results import read_results

    run, rows = read_results(folder / "run")
    return [run, [vars(row) for row in rows]]


def settings(folder: Path) -> Any:
    from contextssl.training.resume import stored_settings

    return stored_settings(folder / "run")


def metrics(folder: Path) -> Any:
    """What a resumed run keeps of its metrics."""
    from contextssl.checkpoints import read
    from contextssl.training.metrics_files import MetricsCSV

    saved = read(folder / "run/checkpoints/last.ckpt")
    return [tuple(row) for row in MetricsCSV(folder / "run").drop_after(saved["global_step"], saved["callbacks"]["contextssl"]["metrics"])]


def cached(folder: Path) -> Any:
    """Every array of an evaluation's cache; one that is made again is right."""
    from contextssl.evaluation.cache import ArrayCache

    found = []
    for about in sorted(Path(os.environ["CONTEXTSSL_FAULTS_CACHE"]).glob("*.json")):
        described = json.loads(about.read_text())
        right = torch.from_numpy(np.load(about.with_suffix(".npy")))
        cache = ArrayCache(folder / "run/cache")
        found.append(cache.get(about.stem.rpartition("-")[0], described["made_from"], partial(torch.clone, right)).clone())
    return found


LOADERS: dict[str, Callable[[Path], Any]] = {
    each.__name__: each for each in (checkpoint, exported, shipped, store, results, settings, metrics, cached)
}


def answer(loader: str, folder: Path) -> dict[str, str]:
    """``digest`` and what was ``warned``; what was ``refused``; or the ``traceback`` of anything else."""
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        try:
            found = content(LOADERS[loader](folder))
        except ContextSSLError as error:
            return {"refused": str(error)}
        except Exception:
            return {"traceback": traceback.format_exc(limit=-3)}
    return {"digest": found, "warned": "; ".join(str(each.message) for each in warned if issubclass(each.category, UserWarning))}


if __name__ == "__main__":
    torch.set_num_threads(1)
    own = os.dup(1)
    os.dup2(2, 1)
    for line in sys.stdin:
        asked = json.loads(line)
        os.write(own, json.dumps(answer(asked["loader"], Path(asked["folder"]))).encode() + b"\n")
