"""`contextssl explore` from the command line."""

from __future__ import annotations

import json
import re
import shlex
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from contextssl.cli import main
from contextssl.commands import COMMANDS, explore_command
from contextssl.config.bare_words import named
from contextssl.config.overrides import settings_from
from contextssl.errors import SettingsError
from contextssl.explorer import serving
from tests.test_cli import error_of


@pytest.mark.usefixtures("ctrl_c")
def test_it_serves_until_ctrl_c_and_ends_at_once(run: Path) -> None:
    words = ["explore", str(run), "port=0", "open=false", "views=72", "accelerator=cpu", "progress=false"]
    process = subprocess.Popen([sys.executable, "-m", "contextssl", *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None and process.stderr is not None
        line = process.stdout.readline()
        assert line.startswith("explorer: http://127.0.0.1:") and line.endswith("/ (Ctrl-C ends it)\n"), (line, process.poll())
        address = line.split()[1]
        with urllib.request.urlopen(address) as page:
            assert b"contextssl explorer" in page.read()
        asked = urllib.request.Request(
            f"{address}answer", json.dumps({"pairs": [["e0a", "e0b"]], "query": "v0"}).encode(), {"content-type": "application/json"}
        )
        with urllib.request.urlopen(asked) as answered:
            assert json.load(answered)["pairs"] == 1
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 130
        assert process.stderr.read() == "contextssl: the explorer has ended\n"
    finally:
        process.kill()
        process.communicate()


def test_a_port_that_is_taken_is_said_before_the_model_is_loaded(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        said = error_of(capsys, "explore", str(run), f"port={port}", "open=false")
    assert f"cannot listen on port {port} of 127.0.0.1" in said and "port=0 for any that is free" in said


def test_other_addresses_are_warned_of(run: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    served = []
    monkeypatch.setattr(
        serving, "serve", lambda explorer, listening, host, *, open_browser: served.append((host, listening.getsockname()[0]))
    )
    assert main(["explore", str(run), "host=0.0.0.0", "port=0", "accelerator=cpu", "progress=false", "views=72"]) == 0
    assert "host=0.0.0.0 lets in everybody who can reach this machine there, without a password" in capsys.readouterr().err
    assert main(["explore", str(run), "port=0", "accelerator=cpu", "progress=false", "views=72"]) == 0
    assert "password" not in capsys.readouterr().err and served == [("0.0.0.0", "0.0.0.0"), ("127.0.0.1", "127.0.0.1")]


def test_a_host_that_is_none_is_one_sentence() -> None:
    with pytest.raises(SettingsError, match="host=no such host is no name or address"), serving.bound("no such host", 0):
        pass


def test_without_what_it_needs_it_says_how_to_get_it(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(explore_command, "NEEDED", ("starlette", "no_such_module"))
    assert "the explorer needs no_such_module: pip install 'contextssl[explorer]'" in error_of(capsys, "explore", "RUN")


def test_a_model_that_is_not_there_is_one_sentence(capsys: pytest.CaptureFixture[str], in_folder: Path) -> None:
    assert "no run or checkpoint at nothing" in error_of(capsys, "explore", "nothing", "port=0", "open=false")


@pytest.mark.parametrize(("host", "address"), [("0.0.0.0", "localhost"), ("127.0.0.1", "127.0.0.1"), ("::1", "[::1]")])
def test_the_address_is_one_that_a_browser_opens(host: str, address: str) -> None:
    assert serving.address_of(host, 80) == f"http://{address}:80/"


def test_the_guides_commands_are_commands() -> None:
    guide = (Path(__file__).parents[2] / "docs/explorer.md").read_text()
    lines = re.findall(r"^contextssl (.+)$", guide, flags=re.MULTILINE)
    assert len(lines) == 3
    for line in lines:
        name, *rest = shlex.split(line)
        command = COMMANDS[name]
        settings_from(name, command.schema, named(name, command.schema, command.positional, command.several, rest))
