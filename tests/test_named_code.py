from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from contextssl.errors import SettingsError
from contextssl.named_code import imported, made_by, own_encoder

MODULE = """
from torch import nn

def encoder():
    return nn.Linear(3, 2)

def broken():
    raise RuntimeError("no weights")

number = 3
"""


@pytest.fixture
def module(in_folder: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A module in the working directory, which is not on Python's path."""
    monkeypatch.setattr(sys, "path", [entry for entry in sys.path if entry not in ("", str(in_folder))])
    name = "module_of_a_user"
    (in_folder / f"{name}.py").write_text(MODULE)
    return name


def test_a_module_of_the_working_directory_is_found(module: str) -> None:
    before = list(sys.path)
    assert imported(f"{module}:number", "setting") == 3
    assert sys.path == [*before, ""]


def test_the_path_stays_as_it_is_where_the_module_is_found(in_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [entry for entry in sys.path if entry != ""])
    before = list(sys.path)
    assert imported("json:dumps", "setting")({}) == "{}"
    assert sys.path == before


def test_an_encoder_is_a_function_of_the_seed(module: str) -> None:
    first, again, other = (own_encoder(f"{module}:encoder", seed) for seed in (0, 0, 1))
    assert torch.equal(first.weight, again.weight) and not torch.equal(first.weight, other.weight)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("nowhere_at_all:data", "cannot be imported.*nowhere_at_all"),
        ("{}:missing", "cannot be imported.*missing"),
        ("{}", "not of the form"),
        ("{}:number", "is a int: name a function"),
        ("{}:broken", "failed: RuntimeError: no weights"),
        ("builtins:dict", "returned a dict: it must return a module"),
    ],
)
def test_what_cannot_be_made_is_one_line(module: str, name: str, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        made_by(name.format(module), "encoder_factory", nn.Module, "a module")
