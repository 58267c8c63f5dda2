from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

import contextssl
from contextssl.errors import DataError, InputError
from contextssl.factors import COLOR, FactorSpace
from contextssl.models import adapted as adapting
from tests.used import as_tensor, loaded, pixels

IMAGES = as_tensor(pixels(20))
PAIRS = IMAGES[:14].unflatten(0, (7, 2))


@pytest.mark.parametrize("kind", ["examples", "actions"])
@pytest.mark.parametrize("with_context", [True, False])
def test_one_module_does_what_the_model_does(kind: str, with_context: bool, tmp_path: Path) -> None:
    model = loaded(tmp_path, kind)
    context = None
    if with_context:
        context = model.context(PAIRS) if kind == "examples" else model.context(IMAGES[:7], torch.randn(7, 6), IMAGES[7:14])
    adapted = model.adapt(context)
    with torch.no_grad():
        torch.testing.assert_close(adapted(IMAGES), model.embed(IMAGES, context))
    adapted.save(tmp_path / "adapted.pt2")
    program = torch.export.load(tmp_path / "adapted.pt2").module()
    for count in (1, 5):
        torch.testing.assert_close(program(IMAGES[:count]), model.embed(IMAGES[:count], context), rtol=1e-4, atol=1e-4)


def test_onnx_gives_the_same(tmp_path: Path) -> None:
    onnxruntime = pytest.importorskip("onnxruntime", reason="the extra onnx is not installed")
    model = loaded(tmp_path)
    context = model.context(PAIRS)
    model.adapt(context).save(tmp_path / "adapted.onnx")
    session = onnxruntime.InferenceSession(str(tmp_path / "adapted.onnx"), providers=["CPUExecutionProvider"])
    for count in (1, 20):
        (found,) = session.run(None, {"images": IMAGES[:count].numpy()})
        torch.testing.assert_close(torch.from_numpy(found), model.embed(IMAGES[:count], context), rtol=1e-4, atol=1e-4)
    assert [path.name for path in tmp_path.iterdir() if path.name.endswith("adapted.onnx")] == ["adapted.onnx"]


@pytest.mark.parametrize("name", ["adapted.pt2", "adapted.onnx"])
def test_nobody_is_told_where_it_was_made(tmp_path: Path, name: str) -> None:
    if name.endswith(".onnx"):
        pytest.importorskip("onnxruntime", reason="the extra onnx is not installed")
    loaded(tmp_path).adapt().save(tmp_path / name)
    written = (tmp_path / name).read_bytes()
    for place in (Path(contextssl.__file__).parent, Path(torch.__file__).parent, tmp_path):
        assert str(place).encode() not in written


def test_a_file_that_differs_is_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = adapting._run
    monkeypatch.setattr(adapting, "_run", lambda path, images: run(path, images) + 0.01 * (len(images) > 1))
    with pytest.raises(InputError, match=r"differs by .* in a batch of 64: it was not written"):
        loaded(tmp_path).adapt().save(tmp_path / "adapted.pt2")
    assert not (tmp_path / "adapted.pt2").exists()


def test_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(program: object, path: Path) -> None:
        path.write_bytes(b"half")
        raise RuntimeError("basic_ios::clear: iostream error")

    adapted = loaded(tmp_path).adapt()
    monkeypatch.setattr(torch.export, "save", full)
    with pytest.raises(DataError, match=r"cannot write .*adapted\.pt2: .*disk seems to be full .* free.*; free some space"):
        adapted.save(tmp_path / "adapted.pt2")
    assert not [path for path in tmp_path.iterdir() if "adapted" in path.name]


def test_what_cannot_be_adapted(tmp_path: Path) -> None:
    model = loaded(tmp_path)
    with pytest.raises(InputError, match="belongs to another model"):
        model.adapt(loaded(tmp_path, seed=1).context(PAIRS))
    with pytest.raises(InputError, match=r"neither \.onnx nor \.pt2"):
        model.adapt().save(tmp_path / "adapted.pickle")
    built = contextssl.ContextSSL(nn.Linear(4, 4), FactorSpace((COLOR,)), feature_width=4, projection_dim=4, width=8)
    with pytest.raises(InputError, match="known size and normalisation"):
        built.adapt()
