"""What is kept of a step whose loss or gradient was not finite, so that it can be repeated: its whole batch, and torch's random states before it.

Next to it stands a checkpoint with the weights from before the step. Everything else that a step draws is a function of the seed and the step.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save
from torch import Tensor

from contextssl.data.pairs import PairBatch
from contextssl.digest import digest_of_bytes
from contextssl.errors import DataError
from contextssl.models.tensors_file import read_tensors
from contextssl.records.run_folder import CHECKPOINTS
from contextssl.system.files import read_json, readable_bytes, write_bytes, write_json

NAME = "before-non-finite"
RECORD, TENSORS, WEIGHTS = f"{NAME}.json", f"{NAME}.safetensors", f"{CHECKPOINTS}/{NAME}.ckpt"
# A larger batch is not kept: 512 pairs of 128 px take 50 MB.
MOST_BYTES = 1 << 30
BATCH, RANDOM = "batch/", "random/"
NEEDED = ("global_step", "epoch", "step", "precision")


@dataclass(frozen=True)
class BadStep:
    """A step as it was kept.

    Args:
        about: plain values: ``global_step``, ``epoch``, ``step``, ``precision``, the processes, and the batch's items and views.
        batch: of all processes.
        states: of torch's global generators before the step, by device type.
    """

    about: Mapping[str, Any]
    batch: PairBatch
    states: Mapping[str, Tensor]


def random_states(device: torch.device) -> dict[str, Tensor]:
    """Of torch's global generators, which dropout inside an encoder draws from. On CUDA it is read on the host, without waiting."""
    states = {"cpu": torch.get_rng_state()}
    return {**states, "cuda": torch.cuda.get_rng_state(device)} if device.type == "cuda" else states


def write_bad_step(folder: Path, about: Mapping[str, Any], batch: PairBatch, states: Mapping[str, Tensor]) -> None:
    """Writes the tensors, and then the record, which names them. Raises DataError where the disk is full."""
    there = batch.tensors()
    indices = {name: there[name].tolist() for name in ("items", "source_views", "target_views")}
    # Copies, since two of them may be one piece of memory.
    tensors = {BATCH + name: value.detach().cpu().contiguous().clone() for name, value in there.items()}
    tensors |= {RANDOM + name: state.cpu() for name, state in states.items()}
    size = sum(tensor.nbytes for tensor in tensors.values())
    kept: dict[str, Any] = {"bytes": size, "digest": None}
    if size <= MOST_BYTES:
        data = save(tensors)
        kept["digest"] = digest_of_bytes([data])
        write_bytes(folder / TENSORS, data)
    write_json(folder / RECORD, {**about, "batch": kept, **indices})


def read_bad_step(folder: Path) -> BadStep:
    """What :func:`write_bad_step` wrote.

    Raises:
        DataError: where there is nothing to read, it is damaged, or the batch was too large to be kept.
    """
    if not (folder / RECORD).is_file():
        raise DataError(
            f"{folder} holds no step to replay: a run writes {RECORD} where its loss is not finite; name the folder of such a run"
        )
    about = read_json(folder / RECORD)
    if not isinstance(about, dict) or not isinstance(about.get("batch"), dict) or [name for name in NEEDED if name not in about]:
        raise DataError(
            f"{folder / RECORD} is damaged, or of a version that kept no batch: train again by the same command to have it written anew"
        )
    if about["batch"].get("digest") is None:
        size = readable_bytes(int(about["batch"].get("bytes", 0)))
        raise DataError(
            f"the batch of {folder / RECORD} was not kept, since it has {size}, more than {readable_bytes(MOST_BYTES)}: lower batch_size"
        )
    _, tensors = read_tensors(folder / TENSORS)
    if digest_of_bytes([(folder / TENSORS).read_bytes()]) != about["batch"]["digest"]:
        raise DataError(f"{folder / TENSORS} is not what was written: copy it again, or train again by the same command")
    named = {name.removeprefix(BATCH): tensor for name, tensor in tensors.items() if name.startswith(BATCH)}
    return BadStep(
        about, PairBatch(**named), {name.removeprefix(RANDOM): each for name, each in tensors.items() if name.startswith(RANDOM)}
    )
