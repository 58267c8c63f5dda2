"""Contexts in files, and that none is given to another model."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load, save_file

from contextssl.errors import DataError, InputError
from contextssl.models.context_file import ABOUT, read_context
from contextssl.models.weights_mark import mark_of
from tests.used import as_tensor, loaded, pixels

IMAGES = as_tensor(pixels(20))
PAIRS = IMAGES[:14].unflatten(0, (7, 2))


def test_a_saved_context_does_the_same(tmp_path: Path) -> None:
    model = loaded(tmp_path)
    context = model.context(PAIRS, environment="mine")
    context.save(tmp_path / "kept.safetensors")
    again = model.load_context(tmp_path / "kept.safetensors")
    assert (again.pairs, again.environment) == (7, "mine")
    torch.testing.assert_close(model.embed(IMAGES, again), model.embed(IMAGES, context))
    torch.testing.assert_close(model.embed(IMAGES, again.prefix(6)), model.embed(IMAGES, model.context(PAIRS[:3])))
    assert str(again.describe()) == str(context.describe())


def test_a_context_of_actions_is_saved_too(tmp_path: Path) -> None:
    model = loaded(tmp_path, "actions")
    context = model.context(IMAGES[:4], torch.randn(4, 6), IMAGES[4:8], environment="rotation")
    context.save(tmp_path / "kept.safetensors")
    torch.testing.assert_close(model.embed(IMAGES, model.load_context(tmp_path / "kept.safetensors")), model.embed(IMAGES, context))


def test_another_models_context_is_refused(tmp_path: Path) -> None:
    model, other = loaded(tmp_path), loaded(tmp_path, seed=1)
    context = model.context(PAIRS)
    with pytest.raises(InputError, match="belongs to another model"):
        other.embed(IMAGES, context)
    context.save(tmp_path / "kept.safetensors")
    with pytest.raises(InputError, match=r"kept\.safetensors belongs to another model"):
        other.load_context(tmp_path / "kept.safetensors")


def test_the_same_weights_are_the_same_model(tmp_path: Path) -> None:
    model = loaded(tmp_path)
    context, embedded = model.context(PAIRS), model.embed(IMAGES, model.context(PAIRS))
    for same in (loaded(tmp_path), copy.deepcopy(model)):
        torch.testing.assert_close(same.embed(IMAGES, context), embedded)
    # What is measured of embeddings is no weight.
    model.measure_variance(IMAGES)
    model.embed(IMAGES, context, bottleneck=0.3)


def test_a_context_of_weights_that_have_changed_is_refused(tmp_path: Path) -> None:
    model = loaded(tmp_path)
    context = model.context(PAIRS)
    mark = mark_of(model)
    assert mark is mark_of(model)
    with torch.no_grad():
        model.predictor.read_out.bias.add_(1)
    assert mark is not mark_of(model)
    with pytest.raises(InputError, match="its weights have changed since"):
        model.embed(IMAGES, context)
    with pytest.raises(InputError, match="weights of the model have changed"):
        context.save(tmp_path / "kept.safetensors")
    assert not (tmp_path / "kept.safetensors").exists()
    model.embed(IMAGES, model.context(PAIRS))


def test_files_that_are_no_context(tmp_path: Path) -> None:
    model = loaded(tmp_path)
    file = tmp_path / "kept.safetensors"
    model.context(PAIRS).save(file)
    whole = file.read_bytes()
    tensors = load(whole)
    about = {"format": 1, "version": "1", "model": mark_of(model).digest, "environment": None, "held": 1}

    def refused(message: str) -> None:
        with pytest.raises(DataError, match=message):
            read_context(file)

    file.write_bytes(whole[: len(whole) // 2])
    refused("is damaged, or no safetensors file")
    file.write_bytes(b"")
    refused("is damaged, or no safetensors file")
    save_file(tensors, file)
    refused("holds no context")
    for wrong, message in (
        ({**about, "format": 99}, "has format 99"),
        ({**about, "held": 3}, "tensors are not those of a context"),
        ({**about, "held": 0}, "tensors are not those of a context"),
        ({**about, "held": "1"}, "tensors are not those of a context"),
        ({**about, "model": None}, "tensors are not those of a context"),
    ):
        save_file(tensors, file, {ABOUT: json.dumps(wrong)})
        refused(message)
    save_file({**tensors, "context.keys": tensors["context.keys"] * torch.nan}, file, {ABOUT: json.dumps(about)})
    refused("tensors are not those of a context")
    save_file({name: each for name, each in tensors.items() if name != "context.values"}, file, {ABOUT: json.dumps(about)})
    refused("tensors are not those of a context")
    file.unlink()
    refused("cannot read")
    file.mkdir()
    refused("cannot read")
