from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load, save_file
from torch import nn

import contextssl
from contextssl.errors import CheckpointError, InputError
from contextssl.factors import COLOR, FactorSpace
from contextssl.models.model_file import ABOUT, DIGEST, write_model
from tests.used import as_tensor, loaded, pixels

IMAGES = as_tensor(pixels(20))
PAIRS = IMAGES[:14].unflatten(0, (7, 2))


@pytest.mark.parametrize("context", ["examples", "actions", "evidence"])
def test_a_written_model_is_the_same(context: str, tmp_path: Path) -> None:
    model = loaded(tmp_path, context)
    write_model(model, tmp_path / "whole.safetensors", half=False)
    again = contextssl.load(tmp_path / "whole.safetensors", device="cpu")
    assert type(again) is type(model) and again.view_shape == model.view_shape
    assert {name: each.dtype for name, each in again.state_dict().items()} == {
        name: each.dtype for name, each in model.state_dict().items()
    }
    for name, tensor in model.state_dict().items():
        assert torch.equal(again.state_dict()[name], tensor), name
    torch.testing.assert_close(again.embed(IMAGES), model.embed(IMAGES))


def test_half_the_bytes_and_nearly_the_same_numbers(tmp_path: Path) -> None:
    model = loaded(tmp_path)
    write_model(model, tmp_path / "whole.safetensors", half=False)
    write_model(model, tmp_path / "half.safetensors")
    whole, half = ((tmp_path / f"{name}.safetensors").stat().st_size for name in ("whole", "half"))
    assert half < 0.75 * whole
    again = contextssl.load(tmp_path / "half.safetensors", device="cpu")
    torch.testing.assert_close(again.embed(IMAGES), model.embed(IMAGES), rtol=0.02, atol=0.02)
    assert str(again.context(PAIRS).describe()).splitlines()[0] == "7 examples"


def test_a_context_travels_with_its_model(tmp_path: Path) -> None:
    model = loaded(tmp_path)
    context, file = model.context(PAIRS), tmp_path / "adapted.safetensors"
    write_model(model, file, context)
    again = contextssl.load(file, device="cpu")
    torch.testing.assert_close(again.embed(IMAGES, again.load_context(file)), model.embed(IMAGES, context))
    with pytest.raises(InputError, match="belongs to weights as they are"):
        write_model(model, file, context, half=True)
    with pytest.raises(InputError, match="belongs to another model"):
        write_model(loaded(tmp_path, seed=1), file, context)


def test_no_place_of_the_machine_is_in_the_file(tmp_path: Path) -> None:
    model = loaded(tmp_path)
    assert model.recipe is not None
    model.recipe["settings"] |= {"data_dir": "/home/someone/data", "run_dir": "/home/someone/run"}
    model.recipe["data"] |= {"path": "/home/someone/data", "places": {"data_dir": "/home/someone/data"}}
    model.recipe["data"]["source"] = {"kind": "images", "path": "/home/someone/data", "validation": {"split_file": "/home/someone/file"}}
    write_model(model, tmp_path / "shared.safetensors")
    assert b"someone" not in (tmp_path / "shared.safetensors").read_bytes()
    contextssl.load(tmp_path / "shared.safetensors")


def test_damage_is_noticed(tmp_path: Path) -> None:
    file = tmp_path / "model.safetensors"
    write_model(loaded(tmp_path), file)
    whole = file.read_bytes()
    for place in range(0, len(whole), len(whole) // 40):
        file.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        with pytest.raises(CheckpointError):
            contextssl.load(file)
    file.write_bytes(whole[:-100])
    with pytest.raises(CheckpointError, match="is damaged, or no safetensors file"):
        contextssl.load(file)


def test_files_of_others(tmp_path: Path) -> None:
    file = tmp_path / "model.safetensors"
    save_file({"weight": torch.zeros(2)}, file)
    with pytest.raises(CheckpointError, match="holds no model of contextssl"):
        contextssl.load(file)
    write_model(loaded(tmp_path), file)
    save_file(load(file.read_bytes()), file, {ABOUT: json.dumps({"format": 1}), DIGEST: "0"})
    with pytest.raises(CheckpointError, match="its digest is not that of its content"):
        contextssl.load(file)


def test_what_cannot_be_written(tmp_path: Path) -> None:
    built = contextssl.ContextSSL(nn.Linear(4, 4), FactorSpace((COLOR,)), feature_width=4, projection_dim=4, width=8)
    with pytest.raises(InputError, match="built by hand"):
        write_model(built, tmp_path / "model.safetensors")
    large = loaded(tmp_path)
    with torch.no_grad():
        large.predictor.read_out.bias[0] = 1e6
    with pytest.raises(InputError, match="read_out.bias has numbers that float16 cannot hold"):
        write_model(large, tmp_path / "model.safetensors")
    assert not (tmp_path / "model.safetensors").exists()
