"""What is printed: in any encoding, and at any width."""

from __future__ import annotations

import io
import os
import subprocess
import sys

import pytest
from rich.console import Console
from rich.table import Table

from contextssl.cli import main
from contextssl.commands import COMMANDS
from contextssl.system.console import plain_output, show


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "latin-1", "utf-8"])
def test_help_is_printed_in_any_encoding(encoding: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for command in ["", *COMMANDS]:
        stream = io.TextIOWrapper(io.BytesIO(), encoding=encoding, errors="strict")
        monkeypatch.setattr(sys, "stdout", stream)
        assert main([*command.split(), "--help"]) == 0
        assert stream.errors == "strict", "a program that calls the command keeps its stream"
        stream.flush()
        text = stream.buffer.getvalue().decode(encoding)
        assert text.isascii() if encoding == "ascii" else len(text) > 100


def test_errors_warnings_and_tables_are_printed_in_any_encoding(monkeypatch: pytest.MonkeyPatch) -> None:
    out, err = (io.TextIOWrapper(io.BytesIO(), encoding="ascii", errors="strict") for _ in range(2))
    monkeypatch.setattr(sys, "stdout", out)
    monkeypatch.setattr(sys, "stderr", err)
    assert main(["train", " ", "méthode=√"]) == 2
    with plain_output():
        show(numbers())
        print("R² of √D …")
    out.flush()
    assert b"0.123" in out.buffer.getvalue()


def test_the_installed_command_into_a_pipe_of_another_encoding() -> None:
    environment = {**os.environ, "PYTHONIOENCODING": "cp1252"}
    done = subprocess.run([sys.executable, "-m", "contextssl", "train", "--help"], env=environment, capture_output=True, check=False)
    assert done.returncode == 0 and b"auxiliary_scale" in done.stdout


def numbers() -> Table:
    table = Table(title="R² by the auxiliary head")
    for name in ("context", "pairs", "rotation (floor -0.01)", "color (floor 0.00)", "crop", "blur"):
        table.add_column(name, justify="right")
    table.add_row("rotation+color", "126", "0.123/-2.150", "0.456/0.789", "-2.345/1.111", "17.5")
    return table


@pytest.mark.parametrize("width", [10, 40, 80, 200])
def test_no_number_is_cut_where_the_terminal_is_narrow(width: int) -> None:
    stream = io.StringIO()
    show(numbers(), Console(file=stream, width=width))
    for number in ("126", "0.123/-2.150", "0.456/0.789", "-2.345/1.111", "17.5"):
        assert number in stream.getvalue()
    assert "…" not in stream.getvalue()
