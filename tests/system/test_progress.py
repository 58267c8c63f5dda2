"""How far something has come, on a terminal and elsewhere."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import pytest
from rich.console import Console

from contextssl.system.progress import Meter, say


def test_plain_lines_where_there_is_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    with Meter("packing x", 100, "images", done=20, seconds=-1.0) as meter:
        meter.advance(30)
        meter.advance(50)
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].startswith("packing x: 50 of 100 images (50%), ") and "images/s" in lines[0]
    assert lines[-1].startswith("packing x: 100 of 100 images (100%)")
    with Meter("packing x", 100, "images", show=False) as meter:
        meter.advance(100)
    assert capsys.readouterr().err == ""


def test_lines_of_ones_own_come_now_and_then(capsys: pytest.CaptureFixture[str]) -> None:
    with Meter("epoch 1/3", 9, "steps", seconds=3600, line=lambda: "loss [1]") as meter:
        meter.advance(3, lambda: pytest.fail("it costs something, and nobody sees it"))
        meter.stop()
    assert capsys.readouterr().err == "loss [1]\n", "only the last one, in its own words"


def test_a_bar_on_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    meter = Meter("packing x", 100, "images", console=Console(force_terminal=True, stderr=True, width=120))
    with meter:
        meter.advance(100)
    shown = capsys.readouterr().err
    assert "packing x" in shown and "100%" in shown and "images/s" in shown


def test_what_cannot_be_counted_is_a_line_where_it_lasts(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    say("a moment", lasting=False)
    say("features of 9 views", lasting=True)
    assert capsys.readouterr().err == "features of 9 views …\n"
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    say("a moment", lasting=False)
    assert capsys.readouterr().err == "\r\x1b[2Ka moment …"


def test_a_bar_in_a_notebook_is_one_output(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[str] = []

    class Place:
        def update(self, what: str) -> None:
            shown.append(what)

    display = SimpleNamespace(HTML=str, display=lambda what, display_id: Place())
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(display=display))
    monkeypatch.setitem(sys.modules, "IPython.display", display)
    monkeypatch.setattr("contextssl.system.progress.BAR_SECONDS", -1.0)
    with Meter("packing <x>", 100, "images", console=Console(force_jupyter=True)) as meter:
        meter.advance(30, lambda: "loss 1")
        meter.advance(70, lambda: "loss 0")
    assert [bar.partition("value=")[2] for bar in shown[:1]] == ['"30"></progress> 30% loss 1</div>']
    assert shown[-1] == '<div>packing &lt;x&gt; <progress max="100" value="100"></progress> 100% loss 0</div>'
    assert capsys.readouterr() == ("", "")
