from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import pytest
import torch

import contextssl
from contextssl.checkpoints import find_checkpoint, read
from contextssl.errors import CheckpointError
from contextssl.factors import Factor, FactorSpace
from contextssl.models.published_weights import rename
from tests.reference import published_state


@pytest.fixture(scope="module")
def state() -> dict[str, torch.Tensor]:
    return published_state()


@pytest.fixture
def published(state: dict[str, torch.Tensor], tmp_path: Path) -> Path:
    path = tmp_path / "published.pt"
    torch.save(state, path)
    return path


def saved(path: Path, content: Any) -> Path:
    torch.save(content, path)
    return path


WRAPPED = {
    "state_dict": lambda s: {"state_dict": s},
    "DataParallel": lambda s: {f"module.{k}": v for k, v in s.items()},
    "compiled and DataParallel": lambda s: {f"_orig_mod.module.{k}": v for k, v in s.items()},
    "encoder alone": lambda s: {k.replace("enc.", "enc.module._orig_mod.", 1) if k.startswith("enc.") else k: v for k, v in s.items()},
    "Lightning": lambda s: {"epoch": 3, "state_dict": {**{f"model.{k}": v for k, v in s.items()}, "criterion.weight": torch.ones(2)}},
    "net": lambda s: {"net": s, "optimizer": {"state": {0: torch.ones(2)}}},
    "under other names": lambda s: {"run": {"weights": {f"network.module.{k}": v for k, v in s.items()}}},
}


@pytest.mark.parametrize("wrap", WRAPPED.values(), ids=WRAPPED)
def test_published_weights_however_they_are_wrapped(state: dict[str, torch.Tensor], tmp_path: Path, wrap: Any) -> None:
    model = contextssl.load(saved(tmp_path / "wrapped.pt", wrap(state)), n_head=4, block_size=8)
    assert not model.training
    assert torch.equal(model.predictor.read_in.weight, state["predictor._read_in.weight"])
    assert model.predictor.block_size == 8 and model.factors.names == ("rotation", "color")


def test_published_weights_can_be_told_how_to_normalise(published: Path) -> None:
    images = torch.randint(0, 256, (2, 3, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    model = contextssl.load(published, image_mean=(0.5, 0.5, 0.5), image_std=(0.2, 0.2, 0.2))
    torch.testing.assert_close(model.encode(images), contextssl.load(published).encode((images / 255 - 0.5) / 0.2))


def test_published_weights_normalise_as_published(published: Path) -> None:
    images = torch.randint(0, 256, (2, 3, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    mean, std = torch.tensor([0.5016, 0.5037, 0.5060]).view(3, 1, 1), torch.tensor([0.1030, 0.0999, 0.0969]).view(3, 1, 1)
    model = contextssl.load(published)
    torch.testing.assert_close(model.encode(images), model.encode((images / 255 - mean) / std), atol=1e-3, rtol=1e-3)
    with pytest.raises(CheckpointError, match=r"published.pt: image_mean is .* divide them by 255"):
        contextssl.load(published, image_mean=(127.0, 127.0, 127.0), image_std=(25.0, 25.0, 25.0))


@pytest.mark.parametrize("given", [{"n_head": 0}, {"block_size": 0}, {"block_size": 7}, {"n_head": -1}])
def test_numbers_that_cannot_be_are_not_taken_for_left_out(published: Path, given: dict[str, int]) -> None:
    with pytest.raises(CheckpointError, match=f"published.pt: .*{next(iter(given))}"):
        contextssl.load(published, **given)  # type: ignore[arg-type]


def test_several_models_in_one_file_are_not_chosen_among(state: dict[str, torch.Tensor], tmp_path: Path) -> None:
    two = {f"{name}.{key}": value for name in ("student", "teacher") for key, value in state.items()}
    for content, message in (
        (two, "several models, student., teacher."),
        ({"first": state, "second": state}, "several models, first, second"),
        ({**state, **{f"module.{key}": value for key, value in state.items()}}, "two tensors"),
    ):
        with pytest.raises(CheckpointError, match=message):
            contextssl.load(saved(tmp_path / "two.pt", content))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"predictor._read_in.weight": torch.zeros(3)}, "read_in.weight has shape"),
        ({"aug_predictor.4.weight": None}, "auxiliary.4.weight is missing"),
        ({"predictor._read_out.weight": torch.full((512, 64), torch.nan)}, "holds NaN or infinity in predictor._read_out.weight"),
        ({"enc.conv1.weight": torch.zeros(1, 1, 1, 1).expand(1 << 20, 1 << 10, 7, 7)}, "more than the file holds"),
        ({"predictor.transformer.h.900000.ln_1.weight": torch.zeros(64)}, "not numbered from 0 on"),
    ],
)
def test_a_published_checkpoint_of_odd_tensors(
    state: dict[str, torch.Tensor], tmp_path: Path, change: dict[str, torch.Tensor | None], message: str
) -> None:
    changed = {key: value for key, value in {**state, **change}.items() if value is not None}
    with pytest.raises(CheckpointError, match=message):
        contextssl.load(saved(tmp_path / "odd.pt", changed))


def test_another_architecture_names_the_tensors_that_differ(state: dict[str, torch.Tensor], tmp_path: Path) -> None:
    changed = dict(state)
    changed["aug_predictor.2.weight"] = torch.zeros(1024, 1000)
    del changed["enc.layer2.0.conv2.weight"]
    changed["enc.extra"] = torch.zeros(1)
    with pytest.raises(CheckpointError) as caught:
        contextssl.load(saved(tmp_path / "changed.pt", changed), n_head=4, block_size=8)
    message = str(caught.value)
    assert "auxiliary.2.weight is (1024, 1000) there, (1024, 1024) here" in message
    assert "encoder.layer2.0.conv2.weight is missing there" in message
    assert "encoder.extra is unknown here" in message


def test_heads_that_do_not_divide_the_width(published: Path) -> None:
    with pytest.raises(ValueError, match="n_head 5"):
        contextssl.load(published, n_head=5)


def test_factors_must_have_the_width_of_the_actions(published: Path) -> None:
    with pytest.raises(CheckpointError, match="actions of 6 numbers, but the factors given have 2"):
        contextssl.load(published, factors=FactorSpace((Factor("shift", 2),)))


@pytest.mark.parametrize("size", [0, 10, 1000, 100_000])
def test_a_truncated_checkpoint(published: Path, size: int) -> None:
    published.write_bytes(published.read_bytes()[:size])
    with pytest.raises(CheckpointError, match=r"published.pt is damaged or no checkpoint"):
        contextssl.load(published)


class Mischief:
    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (Path("executed"),))


@pytest.mark.parametrize("legacy", [False, True])
def test_code_in_a_pickle_is_never_executed(in_folder: Path, legacy: bool) -> None:
    path = in_folder / "evil.pt"
    if legacy:
        path.write_bytes(pickle.dumps({"enc.conv1.weight": Mischief()}, protocol=2))
    else:
        torch.save({"enc.conv1.weight": Mischief()}, path)
    with pytest.raises(CheckpointError, match="never executed: save it again as a plain state dict"):
        contextssl.load(path)
    assert not Path("executed").exists()


def test_files_that_are_no_checkpoint(tmp_path: Path) -> None:
    text = tmp_path / "notes.pt"
    text.write_text("not a checkpoint")
    with pytest.raises(CheckpointError, match="damaged or no checkpoint"):
        read(text)
    with pytest.raises(CheckpointError, match="holds a list"):
        read(saved(tmp_path / "list.pt", [torch.zeros(2)]))
    with pytest.raises(CheckpointError, match="neither a run of ours nor of the published format"):
        contextssl.load(saved(tmp_path / "other.pt", {"weight": torch.zeros(2)}))


def test_runs_without_checkpoints(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="no run or checkpoint at .*nowhere: check the path"):
        find_checkpoint(tmp_path / "nowhere")
    (tmp_path / "run").mkdir()
    with pytest.raises(CheckpointError, match="run has no checkpoints: train it first"):
        find_checkpoint(tmp_path / "run")
    (tmp_path / "run" / "checkpoints").mkdir()
    (tmp_path / "run" / "checkpoints" / "best.ckpt").touch()
    with pytest.raises(CheckpointError, match="has no checkpoint 'last': it has best"):
        find_checkpoint(tmp_path / "run")


def test_names_outside_the_published_format() -> None:
    with pytest.raises(CheckpointError, match="'decoder.weight' is not of the published format"):
        rename("decoder.weight")
    with pytest.raises(CheckpointError, match="predictor"):
        rename("predictor.transformer.wte.weight")
