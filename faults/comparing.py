"""Whether what a disturbed command made is what the undisturbed one made: bit for bit, but for times and what measures a machine."""

from __future__ import annotations

import csv
import hashlib
import json
import math
import zipfile
from pathlib import Path
from typing import Any

import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from contextssl.records.metrics_lines import COLUMNS
from contextssl.system.checksum_file import SUFFIX

# Of a process and a machine, not of the run.
OWN_METRICS = ("train/images_per_second", "memory_mib")
OWN_VALUES = (
    "seconds",
    "date",
    "commit",
    "machine",
    "times",
    "load",
    "run_dir",
    "resume",
    "max_minutes",
    "version",
    "code",
    "metrics_crc32",
)
# Logs, and what another process may hold.
PASSED_OVER = (".lock", ".results.lock", "packing.lock", "writing.lock")


def different_files(folder: Path, undisturbed: Path, names: bool = False) -> str | None:
    """Other files, or other bytes in one; with ``names`` only the files themselves are compared."""
    ours, theirs = (_files(each) for each in (folder, undisturbed))
    if missing := sorted(theirs.keys() - ours.keys()):
        return f"{missing[0]} is missing"
    if more := sorted(ours.keys() - theirs.keys()):
        return f"{more[0]} was left behind"
    for name, path in () if names else sorted(ours.items()):
        if path.suffix == SUFFIX:
            # Of the file that is there: of one that is the same in content its bytes may differ.
            if path.read_text().split()[0] != hashlib.sha256(path.with_suffix("").read_bytes()).hexdigest():
                return f"{name} is not that of its file"
            continue
        if _digest(path) != _digest(theirs[name]):
            return f"{name} differs"
    return None


def _files(folder: Path) -> dict[str, Path]:
    return {
        str(path.relative_to(folder)): path
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name not in PASSED_OVER and "tfevents" not in path.name
    }


def _digest(path: Path) -> str:
    if path.name == "results.json":
        return _text_digest(plain_results(path))
    if path.name in ("metrics.csv",):
        return _text_digest(metrics(path))
    if path.suffix == ".ckpt":
        return _text_digest(checkpoint_values(path))
    if path.suffix in (".json", ".md", ".html", ".csv", ".yaml"):
        return _text_digest(_without_own(json.loads(path.read_text()))) if path.suffix == ".json" else ""
    if path.suffix == ".safetensors":
        # The order of its metadata is another in each process.
        data = path.read_bytes()
        length = int.from_bytes(data[:8], "little")
        return _text_digest([json.dumps(json.loads(data[8 : 8 + length]), sort_keys=True), hashlib.sha256(data[8 + length :]).hexdigest()])
    if path.suffix == ".pt2":
        with zipfile.ZipFile(path) as archive:
            return _text_digest(sorted((member.filename.partition("/")[2], member.CRC) for member in archive.infolist()))
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _text_digest(value: Any) -> str:
    return hashlib.sha256(repr(value).encode()).hexdigest()


def different_runs(run: Path, undisturbed: Path) -> str | None:
    """The weights, states of the optimiser and the best score of both checkpoints; what was logged, in both files; results; other files."""
    for name in ("last", "best"):
        ours, theirs = (run / f"checkpoints/{name}.ckpt" for run in (run, undisturbed))
        if theirs.is_file() != ours.is_file():
            return f"{name}.ckpt is {'missing' if theirs.is_file() else 'too many'}"
        if theirs.is_file() and (what := _first_difference(checkpoint_values(ours), checkpoint_values(theirs))):
            return f"{name}.ckpt differs in {what}"
    if what := _first_difference(metrics(run / "metrics.csv"), metrics(undisturbed / "metrics.csv")):
        return f"metrics.csv differs in {what}"
    if what := _first_difference(scalars(run), scalars(undisturbed)):
        return f"TensorBoard differs in {what}"
    if what := _first_difference(plain_results(run / "results.json"), plain_results(undisturbed / "results.json")):
        return f"results.json differs in {what}"
    there, wanted = ({name for name in _files(each) if "cache" not in name} for each in (run, undisturbed))
    return f"{sorted(there ^ wanted)[0]} is {'left behind' if there - wanted else 'missing'}" if there != wanted else None


def checkpoint_values(path: Path) -> dict[str, Any]:
    """Weights, optimiser, step, and what the run keeps of its best score and its metrics."""
    content = torch.load(path, map_location="cpu", weights_only=True)
    states = content.get("callbacks", {}).get("contextssl", {})
    return {
        "step": content["global_step"],
        "epoch": content["epoch"],
        "weights": content["state_dict"],
        "optimizers": content.get("optimizer_states"),
        "schedules": content.get("lr_schedulers"),
        "best": states.get("best"),
    }


def metrics(path: Path) -> list[tuple[str, ...]]:
    """The rows of ``metrics.csv`` but for those of a machine; steps never go back."""
    with path.open() as file:
        return [tuple(row[column] for column in COLUMNS) for row in csv.DictReader(file) if row["name"] not in OWN_METRICS]


def scalars(run: Path) -> dict[str, list[tuple[int, float]]]:
    """What TensorBoard reads, doubles included."""
    events = EventAccumulator(str(run / "tensorboard"), size_guidance={"scalars": 0}, purge_orphaned_data=False).Reload()
    return {tag: [(event.step, event.value) for event in events.Scalars(tag)] for tag in events.Tags()["scalars"] if tag not in OWN_METRICS}


def plain_results(path: Path) -> Any:
    """Of ``results.json`` all but times, dates and machines; the rows in an order of their own."""
    content = _without_own(json.loads(path.read_text()))
    content["rows"] = sorted(json.dumps(row, sort_keys=True) for row in content["rows"])
    return content


def _without_own(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            name: _without_own(each) for name, each in value.items() if name not in OWN_VALUES and not name.endswith(("digest", "sha256"))
        }
    return [_without_own(each) for each in value] if isinstance(value, list) else value


def _first_difference(ours: Any, theirs: Any, where: str = "") -> str | None:
    """Where two values differ first, down to the tensor; None where they are the same. A NaN equals itself."""
    if isinstance(ours, torch.Tensor) and isinstance(theirs, torch.Tensor):
        same = ours.shape == theirs.shape and ours.dtype == theirs.dtype and bool(torch.equal(ours.nan_to_num(), theirs.nan_to_num()))
        return None if same else where or "a tensor"
    if isinstance(ours, dict) and isinstance(theirs, dict):
        if ours.keys() != theirs.keys():
            return f"{where} {sorted(map(str, ours.keys() ^ theirs.keys()))[0]}".strip()
        pairs = [(ours[key], theirs[key], f"{where} {key}".strip()) for key in theirs]
    elif isinstance(ours, list | tuple) and isinstance(theirs, list | tuple):
        pairs = [(a, b, f"{where} {number}".strip()) for number, (a, b) in enumerate(zip(ours, theirs, strict=False))]
        if not any(found := [_first_difference(*pair) for pair in pairs]) and len(ours) != len(theirs):
            return f"{where} its length ({len(ours)}, not {len(theirs)})".strip()
        return next(filter(None, found), None)
    else:
        same = ours == theirs or (isinstance(ours, float) and isinstance(theirs, float) and math.isnan(ours) and math.isnan(theirs))
        return None if same else f"{where} ({str(ours)[:80]}, not {str(theirs)[:80]})".strip()
    return next(filter(None, (_first_difference(*pair) for pair in pairs)), None)
