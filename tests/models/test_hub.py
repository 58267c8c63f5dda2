from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import pytest
import torch

import contextssl
from contextssl import ContextSSL
from contextssl.errors import CheckpointError
from contextssl.models.by_examples import ByExamples
from tests.used import as_tensor, loaded, pixels


def test_a_folder_as_the_hub_has_it(tmp_path: Path) -> None:
    model, images = loaded(tmp_path), as_tensor(pixels(5))
    model.save_pretrained(tmp_path / "shared")
    assert {path.name for path in (tmp_path / "shared").iterdir()} == {"model.safetensors", "config.json", "README.md"}
    assert "factors rotation, color" in (tmp_path / "shared/README.md").read_text()
    for again in (ContextSSL.from_pretrained(tmp_path / "shared"), ByExamples.from_pretrained(str(tmp_path / "shared"), device="cpu")):
        assert isinstance(again, ByExamples)
        torch.testing.assert_close(again.embed(images), model.embed(images), rtol=0.02, atol=0.02)
    # Every command takes it too.
    contextssl.load(tmp_path / "shared")


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody(*arguments: Any, **named: Any) -> Any:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", nobody)
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.mark.usefixtures("no_network")
@pytest.mark.parametrize(
    ("name", "message"),
    [("someone/something", "hub cannot be reached"), ("a b c", "no model of the hub"), ("./nowhere/at/all", "no model of the hub")],
)
def test_a_name_without_a_network_fails_at_once(name: str, message: str) -> None:
    with pytest.raises(CheckpointError, match=message):
        ContextSSL.from_pretrained(name)


def test_a_folder_without_a_model(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"no run or checkpoint at .*model\.safetensors"):
        ContextSSL.from_pretrained(tmp_path)


def test_a_model_of_another_kind(tmp_path: Path) -> None:
    loaded(tmp_path, "actions").save_pretrained(tmp_path / "shared")
    with pytest.raises(CheckpointError, match="holds a ContextSSL, not a ByExamples"):
        ByExamples.from_pretrained(tmp_path / "shared")
