"""No package imports one that uses it, and what many must start quickly does not load what it does not need."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import contextssl

SOURCE = Path(contextssl.__file__).parent
# Whose files are found by name (contextssl.plugins), and imported by no other.
FOUND = ("metrics", "heads", "methods", "datasets", "protocols")
# Each knows those before it.
ROOMS = (
    "system",
    "config",
    "data",
    "models",
    "checkpoints",
    "records",
    "evaluation",
    "training",
    "report",
    "explorer",
    "bench",
    *FOUND,
    "commands",
)


def imported(file: Path) -> list[str]:
    """The modules of this package that a file imports."""
    found = []
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module is not None and node.module.startswith("contextssl"):
            found += [node.module] if node.module != "contextssl" else [f"contextssl.{each.name}" for each in node.names]
    return found


def test_a_package_imports_only_those_below_it() -> None:
    assert {path.name for path in SOURCE.iterdir() if (path / "__init__.py").is_file()} == set(ROOMS)
    wrong = []
    for place, room in enumerate(ROOMS):
        allowed = {*ROOMS[: place + 1]} - {*FOUND} | {room}
        allowed -= {"training"} if room in ("report", "explorer", *FOUND) and room != "methods" else set()
        allowed -= {"explorer"} if room in FOUND else set()
        for file in sorted((SOURCE / room).rglob("*.py")):
            wrong += [f"{file.relative_to(SOURCE)}: {name}" for name in imported(file) if name.split(".")[1] in {*ROOMS} - allowed]
    assert not wrong


def test_what_is_found_by_name_is_imported_by_nobody() -> None:
    files = [file for file in SOURCE.rglob("*.py") if file.relative_to(SOURCE).parts[0] not in FOUND]
    assert len(files) > 100
    assert not [f"{file}: {name}" for file in files for name in imported(file) if name.split(".")[1] in FOUND]


@pytest.mark.parametrize(
    ("module", "without"),
    [
        ("contextssl.cli", ("torch", "lightning", "matplotlib")),
        ("contextssl.commands.check_command", ("lightning", "timm", "torchvision")),
        ("contextssl.commands.report_command", ("lightning", "timm", "torchvision", "starlette")),
        ("contextssl.commands.explore_command", ("torch", "lightning", "starlette")),
        ("contextssl.explorer.one_file", ("lightning", "starlette", "uvicorn")),
        ("contextssl.commands.evaluate_command", ("lightning", "timm")),
        ("contextssl.training", ("lightning", "hydra")),
    ],
)
def test_what_starts_without_what(module: str, without: tuple[str, ...]) -> None:
    code = f"import sys, {module}; print(*sorted({set(without)!r} & set(sys.modules)))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == ""
