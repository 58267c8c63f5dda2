"""Settings of the test run: seeded, without deadlines, away from the user's folders."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import jaxtyping
import pytest
import torch
from hypothesis import settings

from tests import type_checker

# Before any of these is imported: each of their functions then checks what it is given and what it gives. The rest holds no tensors: settings and
# results check themselves, and of the report's many small calls checking would take half of the tests' time again.
WITH_TENSORS = ("checkpoints", "data", "evaluation", "explorer", "models", "training", "factors", "randomness")
jaxtyping.install_import_hook([f"contextssl.{name}" for name in WITH_TENSORS], f"{type_checker.__name__}.checked")

# Threads that spin while they wait slow every other process down on a busy machine.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

settings.register_profile("contextssl", deadline=None, max_examples=25, derandomize=True)
settings.load_profile("contextssl")

# Files that take longest, in the order in which processes take them, so that none ends long after the others.
LONGEST = [
    "faults/test_sample.py",
    "faults/test_hostile.py",
    "test_photos.py",
    "test_contexts.py",
    "test_demo.py",
    "evaluation/test_fairness_rows.py",
    "training/test_frozen.py",
    "datasets/test_pairs.py",
    "test_tables.py",
    "config/test_sweep.py",
    "explorer/test_one_file.py",
    "evaluation/test_foreign_pairs.py",
    "training/test_methods.py",
    "test_readme.py",
    "test_shipped.py",
    "models/test_adapted.py",
    "system/test_distributed.py",
    "test_compare.py",
    "test_rooms.py",
    "data/test_parallel.py",
    "datasets/test_shapes.py",
]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Long files first; within a file, and among the others, the order stays."""
    here = Path(__file__).parent
    rank = {here / name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: rank.get(item.path, len(rank)))


@pytest.fixture(autouse=True)
def _seeded() -> None:
    """Tests draw from explicit generators; where a module is built without one, from this seed."""
    torch.manual_seed(0)


@pytest.fixture
def unchecked_types() -> Iterator[None]:
    """Wrong types reach the function, as they do outside the tests: what it says of them is what is tested."""
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)


@pytest.fixture
def in_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The test runs in an empty folder of its own; modules that it imports from there are gone afterwards, for another test's of the same name."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    yield tmp_path
    for name, module in list(sys.modules.items()):
        if (file := getattr(module, "__file__", None)) is not None and tmp_path.resolve() in Path(file).resolve().parents:
            del sys.modules[name]


@pytest.fixture
def ctrl_c() -> Iterator[None]:
    """Ctrl-C as in a terminal; a shell that runs the tests in the background ignores it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)
