"""A step whose loss is not finite is kept, and found again: at the tensor that an obvious loop over the encoder's layers finds."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from contextssl import checkpoints
from contextssl.cli import main
from contextssl.data.dataset import Data
from contextssl.errors import DataError, TrainingError
from contextssl.randomness import DrawingFrom, seeded_generator
from contextssl.training import non_finite
from contextssl.training.non_finite import RECORD, TENSORS, WEIGHTS, read_bad_step
from contextssl.training.replay import replay
from contextssl.training.run import train
from tests.training.runs import tiny_settings, toy_data
from tests.training.test_module import FiniteWithoutGradient

TABLE = ("dataset=table", "path=people.csv", "label=income", "factors=[sex]", "epochs=3", "warmup_epochs=0", "devices=1", "accelerator=cpu")


class Layers(nn.Sequential):
    num_features = 12


def layers() -> nn.Module:
    with DrawingFrom(seeded_generator(0, "encoder")):
        return Layers(nn.Flatten(), nn.Linear(192, 12), nn.Softplus(), nn.Linear(12, 12), nn.Linear(12, 12))


class FailsByChance(nn.Module):
    """Its gate is shut where dropout drops all of five numbers, as torch's global generator has it."""

    num_features = 12

    def __init__(self) -> None:
        super().__init__()
        self.linear, self.gate = nn.Linear(192, 12), nn.Dropout(0.5)

    def forward(self, images: Tensor) -> Tensor:
        open_ = (self.gate(torch.ones(5)) > 0).any()
        return self.linear(images.flatten(1)) / open_


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Data:
    return toy_data(tmp_path_factory.mktemp("store") / "store")


def stopped(folder: Path, data: Data, encoder: nn.Module, **given: Any) -> str:
    with pytest.raises(TrainingError) as caught:
        train(tiny_settings(run_dir=str(folder), **given), data=data, encoder=encoder)
    return str(caught.value)


def test_the_place_is_that_of_an_obvious_loop(data: Data, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    said = stopped(folder, data, layers(), learning_rate=1e20, warmup_epochs=0, feature_norm="none")
    assert f"contextssl replay {folder} repeats that step" in said
    kept, content = read_bad_step(folder), checkpoints.read(folder / WEIGHTS)
    assert kept.about["global_step"] == content["global_step"] and len(kept.batch) == 8
    model = checkpoints.load_content(folder / WEIGHTS, content, encoder=layers())
    x, first = model.normalise(torch.cat([kept.batch.source, kept.batch.target])), None
    assert isinstance(model.encoder, Layers)
    for index, layer in enumerate(model.encoder):
        x = layer(x)
        if first is None and not bool(x.isfinite().all()):
            first = f"encoder.{index} ({type(layer).__name__})", int((~x.isfinite()).sum())
    assert first is not None, "what the settings are chosen for"
    found = replay(folder, encoder=layers(), accelerator="cpu").found
    assert found is not None and (found.what, found.tensor.bad) == (f"the output of {first[0]}", first[1])
    assert {size.name for size in found.around} == {"input 0", "weight weight", "weight bias"}
    assert max(size.largest for size in found.around) > 1e18


def test_a_gradient_is_found_by_the_weight_that_it_is_of(data: Data, tmp_path: Path) -> None:
    stopped(tmp_path / "run", data, FiniteWithoutGradient())
    replayed = replay(tmp_path / "run", encoder=FiniteWithoutGradient(), accelerator="cpu")
    assert replayed.found is not None and replayed.found.what == "the gradient of the weight encoder.w"
    assert replayed.loss is not None and replayed.loss > 0


def test_what_the_encoder_draws_is_drawn_again(data: Data, tmp_path: Path) -> None:
    """Chance would shut the gate once in 32 times."""
    folder = tmp_path / "run"
    torch.manual_seed(3)
    stopped(folder, data, FailsByChance(), epochs=200, log_interval=200)
    assert read_bad_step(folder).about["global_step"] > 0
    for _ in range(3):
        encoder, before = FailsByChance(), torch.get_rng_state()
        found = replay(folder, encoder=encoder, accelerator="cpu").found
        assert found is not None and found.what == "the output of encoder (FailsByChance)"
        assert torch.equal(torch.get_rng_state(), before), "the caller's own draws go on"
    kept = read_bad_step(folder)
    other = {"cpu": torch.Generator().manual_seed(0).get_state()}
    non_finite.write_bad_step(folder, {name: kept.about[name] for name in non_finite.NEEDED}, kept.batch, other)
    replayed = replay(folder, encoder=FailsByChance(), accelerator="cpu")
    assert replayed.found is None and replayed.loss is not None


def people(folder: Path) -> None:
    generator = torch.Generator().manual_seed(0)
    numbers = torch.randint(0, 1000, (120, 4), generator=generator).tolist()
    rows = [f"{18 + a % 60},{'MF'[b % 2]},{10 + c % 50},{('low', 'high')[d % 2]}" for a, b, c, d in numbers]
    (folder / "people.csv").write_text("age,sex,hours,income\n" + "\n".join(rows) + "\n")


@pytest.mark.parametrize(
    ("rate", "found"),
    [("1e30", r"first not finite: the output of encoder\.\S+ \(Linear\): [\d,]+ of [\d,]+ numbers\nit was made of:\n  input 0 "),
     ("1e42", r"first not finite: the weight \S+, before the step: the step before it made it so: ")],
)  # fmt: skip
def test_by_the_command(in_folder: Path, capsys: pytest.CaptureFixture[str], rate: str, found: str) -> None:
    people(in_folder)
    assert main(["train", *TABLE, f"learning_rate={rate}", "run_dir=bad", "progress=false"]) == 2
    err = capsys.readouterr().err
    (said,) = [line for line in err.splitlines() if "error: " in line]
    assert re.search(r"not finite at step 1 \(epoch \d, batch \d\): contextssl replay bad repeats that step", said)
    assert main(["replay", "bad"]) == 0
    out = capsys.readouterr().out
    assert re.match(r"step 1 \(epoch \d, batch \d\) of bad, on cpu in ", out) and re.search(found, out), out
    assert re.search(r"\n  source +\(\d+, 3\) +norm [\d.]+ +largest [\d.]+\n", out)


def test_what_cannot_be_replayed_is_one_sentence(data: Data, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["replay"]) == 2 and "name the run: contextssl replay RUN" in capsys.readouterr().err
    assert main(["replay", str(tmp_path)]) == 2
    assert "holds no step to replay" in capsys.readouterr().err
    folder = tmp_path / "run"
    stopped(folder, data, FiniteWithoutGradient())
    assert main(["replay", str(folder)]) == 2
    assert "was trained with your own encoder FiniteWithoutGradient" in capsys.readouterr().err
    whole = (folder / TENSORS).read_bytes()
    (folder / TENSORS).write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    with pytest.raises(DataError, match="is not what was written"):
        replay(folder, encoder=FiniteWithoutGradient())
    (folder / TENSORS).write_bytes(whole[:100])
    with pytest.raises(DataError, match="is damaged"):
        replay(folder, encoder=FiniteWithoutGradient())
    record = json.loads((folder / RECORD).read_text())
    (folder / RECORD).write_text(json.dumps({name: value for name, value in record.items() if name != "batch"}))
    with pytest.raises(DataError, match="of a version that kept no batch"):
        replay(folder)


def test_a_batch_that_is_too_large_is_not_kept(data: Data, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(non_finite, "MOST_BYTES", 1000)
    folder = tmp_path / "run"
    stopped(folder, data, FiniteWithoutGradient())
    assert not (folder / TENSORS).exists() and len(json.loads((folder / RECORD).read_text())["items"]) == 8
    with pytest.raises(DataError, match=r"was not kept, since it has \d.* KiB, more than 1000 B: lower batch_size"):
        replay(folder, encoder=FiniteWithoutGradient())
