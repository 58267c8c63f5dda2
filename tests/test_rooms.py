"""No package imports one that uses it, and what many must start quickly does not load what it does not need."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import contextssl

SOURCE = Path(contextssl.__file__).parent
# Each knows those before it.
ROOMS = ("system", "config", "data", "models", "checkpoints", "records", "evaluation", "training", "report", "methods", "commands")


def test_a_package_imports_only_those_below_it() -> None:
    assert {path.name for path in SOURCE.iterdir() if (path / "__init__.py").is_file()} == set(ROOMS)
    wrong = []
    for place, room in enumerate(ROOMS):
        allowed = {*ROOMS[: place + 1]} - ({"training"} if room == "report" else set())
        for file in sorted((SOURCE / room).rglob("*.py")):
            for node in ast.walk(ast.parse(file.read_text())):
                if isinstance(node, ast.ImportFrom) and node.module is not None and node.module.startswith("contextssl"):
                    names = [node.module] if node.module != "contextssl" else [f"contextssl.{each.name}" for each in node.names]
                    wrong += [f"{file.relative_to(SOURCE)}: {name}" for name in names if name.split(".")[1] in {*ROOMS} - allowed]
    assert not wrong


@pytest.mark.parametrize(
    ("module", "without"),
    [
        ("contextssl.cli", ("torch", "lightning", "matplotlib")),
        ("contextssl.commands.check_command", ("lightning", "timm", "torchvision")),
        ("contextssl.commands.report_command", ("lightning",)),
        ("contextssl.commands.evaluate_command", ("lightning",)),
        ("contextssl.training", ("lightning", "hydra")),
    ],
)
def test_what_starts_without_what(module: str, without: tuple[str, ...]) -> None:
    code = f"import sys, {module}; print(*sorted({set(without)!r} & set(sys.modules)))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == ""
