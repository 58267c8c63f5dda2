"""Loading models: runs of ours, and the published format. Checkpoints are read as tensors and plain values, never as code."""

from __future__ import annotations

import dataclasses
import pickle
import re
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from contextssl.config.settings import TrainSettings
from contextssl.context_labels import LabelSpace
from contextssl.data.dataset import Data
from contextssl.data.threediebench import FACTORS as THREEDIEBENCH
from contextssl.errors import CheckpointError
from contextssl.factors import Factor, FactorSpace
from contextssl.models import published
from contextssl.models.build import build_model
from contextssl.models.contextssl import ContextSSL
from contextssl.models.encoders import build_encoder
from contextssl.models.view_encoder import ViewEncoder
from contextssl.version import __version__

# Under this name a checkpoint holds what rebuilds the model (everything else in it is Lightning's).
RECIPE = "contextssl"
FORMAT = 1
MODEL_PREFIX = "model."

Model = TypeVar("Model", bound=nn.Module)


def recipe(model: ViewEncoder, settings: TrainSettings, data: Data, own_encoder: bool) -> dict[str, Any]:
    """Plain values that, with the weights, rebuild the model and say where it came from."""
    return {
        "format": FORMAT,
        "version": __version__,
        "settings": dataclasses.asdict(settings),
        "factors": model.factors.to_dict(),
        "view_shape": list(data.view_shape),
        "image_mean": None if model.image_mean is None else model.image_mean.flatten().tolist(),
        "image_std": None if model.image_std is None else model.image_std.flatten().tolist(),
        "columns": None if data.columns is None else data.columns.to_list(),
        "labels": model.label_space.to_dict() if isinstance(model, ContextSSL) and model.label_space is not None else None,
        "class_names": list(data.train.class_names),
        "data": dict(data.description),
        "encoder": type(model.encoder).__qualname__ if own_encoder else None,
        "feature_width": model.feature_width,
    }


def read(path: str | Path) -> dict[str, Any]:
    """The content of a checkpoint file: tensors and plain values.

    Raises:
        CheckpointError: for a file that is missing, damaged, no checkpoint, or a pickle that would run code (which is not executed).
    """
    path = Path(path)
    if not path.is_file():
        raise CheckpointError(f"no checkpoint at {path}: check the path")
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Detected pickle protocol")
            content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        if match := re.search(r"(?:GLOBAL|global) ([\w.]+)", str(error)):
            raise CheckpointError(
                f"{path} carries code or objects ({match[1]}), which is never executed: save it again as a plain state dict of tensors"
            ) from None
        raise CheckpointError(
            f"{path} is damaged or no checkpoint (nothing in it was executed): copy it again or use an earlier one"
        ) from None
    except (RuntimeError, EOFError, OSError, KeyError, ValueError, AttributeError, IndexError, TypeError, AssertionError):
        raise CheckpointError(f"{path} is damaged or no checkpoint (truncated?): copy it again or use an earlier one") from None
    if not isinstance(content, dict):
        raise CheckpointError(f"{path} holds a {type(content).__name__}, not a state dict or a checkpoint of a run")
    return content


def find_checkpoint(run: str | Path, which: str = "last") -> Path:
    """The checkpoint file of a run folder (``checkpoints/last.ckpt``), or the path itself where it is a file.

    Raises:
        CheckpointError: where there is none, naming those that are there.
    """
    run = Path(run)
    if run.is_file():
        return run
    folder = run / "checkpoints"
    wanted = folder / f"{which}.ckpt"
    if wanted.is_file():
        return wanted
    # Hidden ones are what a process was writing that was killed.
    there = sorted(path.stem for path in folder.glob("*.ckpt") if not path.name.startswith(".")) if folder.is_dir() else []
    if there:
        raise CheckpointError(f"{run} has no checkpoint {which!r}: it has {', '.join(there)}")
    if run.is_dir():
        raise CheckpointError(f"{run} has no checkpoints: train it first, or name another run")
    raise CheckpointError(f"no run or checkpoint at {run}: check the path")


def load(
    path: str | Path,
    *,
    encoder: nn.Module | None = None,
    checkpoint: str = "last",
    n_head: int | None = None,
    block_size: int | None = None,
    factors: FactorSpace | None = None,
    image_mean: Sequence[float] | None = None,
    image_std: Sequence[float] | None = None,
) -> ContextSSL:
    """A trained in-context model, in evaluation mode on the CPU. Arguments and errors as of :func:`load_any`.

    Raises:
        CheckpointError: for a run of a method that knows no contexts, too.
    """
    model = load_any(
        path,
        encoder=encoder,
        checkpoint=checkpoint,
        n_head=n_head,
        block_size=block_size,
        factors=factors,
        image_mean=image_mean,
        image_std=image_std,
    )
    if not isinstance(model, ContextSSL):
        raise CheckpointError(f"{path} was trained by a method without contexts: contextssl.load_any gives its features and embeddings")
    return model


def load_any(
    path: str | Path,
    *,
    encoder: nn.Module | None = None,
    checkpoint: str = "last",
    n_head: int | None = None,
    block_size: int | None = None,
    factors: FactorSpace | None = None,
    image_mean: Sequence[float] | None = None,
    image_std: Sequence[float] | None = None,
) -> ViewEncoder:
    """A trained model of any method, in evaluation mode on the CPU.

    Args:
        path: a run folder of ours, a checkpoint of ours, or a state dict in the published format.
        encoder: for a run that was trained with a module of your own: that module, freshly built.
        checkpoint: which of a run folder's: ``"last"``, ``"best"``, ``"epoch=0099"``.
        n_head, block_size: of a published checkpoint, whose tensors don't tell (4 and 128 in the paper; taken where left out).
        factors: of a published checkpoint; 3DIEBench's where left out and the widths agree.
        image_mean, image_std: of a published checkpoint, to let it normalise uint8 images by itself.

    Raises:
        CheckpointError: naming the tensors that differ, where the file is of another architecture; see also :func:`read`.
    """
    file = find_checkpoint(path, checkpoint)
    content = read(file)
    if RECIPE in content:
        given = {"n_head": n_head, "block_size": block_size, "factors": factors, "image_mean": image_mean, "image_std": image_std}
        needless = [name for name, value in given.items() if value is not None]
        if needless:
            raise CheckpointError(f"{file} is a run of ours and knows its {', '.join(needless)}: leave them out")
        return _load_ours(file, content, encoder)
    state = _published_state(content)
    if state is None:
        raise CheckpointError(f"{file} is neither a run of ours nor of the published format: it has none of their tensors")
    return _load_published(file, state, n_head or 4, block_size or 128, factors, image_mean, image_std)


def _load_ours(file: Path, content: Mapping[str, Any], encoder: nn.Module | None) -> ViewEncoder:
    made = content[RECIPE]
    check_format(content, file)
    if made["encoder"] is not None and encoder is None:
        raise CheckpointError(f"{file} was trained with your own encoder {made['encoder']}: pass it, freshly built, as encoder=…")
    settings = settings_of(content)
    settings.pretrained = False
    columns = None
    if made.get("columns") is not None:
        # Tables are an extra; a checkpoint of images does not need it.
        from contextssl.data.tables.columns import Columns

        columns = Columns.from_list(made["columns"])
    model = build_model(
        settings,
        FactorSpace.from_dict(made["factors"]),
        # Checkpoints from before there were tables say image_shape.
        view_shape=made.get("view_shape") or made["image_shape"],
        image_mean=made["image_mean"],
        image_std=made["image_std"],
        columns=columns,
        classes=len(made["class_names"]),
        labels=LabelSpace.from_dict(made["labels"]) if made.get("labels") is not None else None,
        encoder=encoder,
    )
    prefix = MODEL_PREFIX
    state = {key.removeprefix(prefix): value for key, value in content["state_dict"].items() if key.startswith(prefix)}
    return load_weights(model, state, str(file)).eval()


def check_format(content: Mapping[str, Any], file: Path) -> None:
    """
    Raises:
        CheckpointError: where a run's checkpoint is of a format that this version does not read.
    """
    made = content[RECIPE]
    written = made.get("format") if isinstance(made, Mapping) else None
    if written != FORMAT:
        version = made.get("version") if isinstance(made, Mapping) else None
        raise CheckpointError(f"{file} has format {written}, written by version {version}: this version reads {FORMAT}")


def settings_of(content: Mapping[str, Any]) -> TrainSettings:
    """The settings of a run, from its checkpoint; words that this version no longer has are left out."""
    known = {field.name for field in dataclasses.fields(TrainSettings)}
    return TrainSettings(**{key: value for key, value in content[RECIPE]["settings"].items() if key in known})


def _published_state(content: Mapping[str, Any]) -> dict[str, Tensor] | None:
    for candidate in (
        content,
        *(content[key] for key in ("state_dict", "model", "model_state_dict") if isinstance(content.get(key), dict)),
    ):
        state = published.strip_wrappers(candidate)
        if published.is_published(state):
            return state
    return None


def _load_published(
    file: Path,
    state: Mapping[str, Tensor],
    n_head: int,
    block_size: int,
    factors: FactorSpace | None,
    image_mean: Sequence[float] | None,
    image_std: Sequence[float] | None,
) -> ContextSSL:
    translated = published.translate(state)
    arch = published.architecture(translated)
    action_width = int(arch["action_width"])
    if factors is None:
        factors = THREEDIEBENCH if action_width == THREEDIEBENCH.width else FactorSpace((Factor("action", action_width),))
    if factors.width != action_width:
        raise CheckpointError(f"{file} has actions of {action_width} numbers, but the factors given have {factors.width}: name its own")
    encoder = build_encoder(str(arch["backbone"]), channels=int(arch["channels"]), stem=str(arch["stem"]))
    model = ContextSSL(
        encoder,
        factors,
        feature_width=int(arch["feature_width"]),
        projection_dim=int(arch["projection_dim"]),
        width=int(arch["width"]),
        n_layer=int(arch["n_layer"]),
        n_head=n_head,
        block_size=block_size,
        auxiliary_width=int(arch["auxiliary_width"]),
        image_mean=image_mean,
        image_std=image_std,
    )
    for name in ("bottleneck.variance", "bottleneck.batches", "image_mean", "image_std"):
        if name in model.state_dict():
            translated[name] = model.state_dict()[name]
    return load_weights(model, translated, str(file)).eval()


def load_weights(model: Model, state: Mapping[str, Tensor], where: str) -> Model:
    """Put weights into a model, exactly.

    Raises:
        CheckpointError: listing the tensors that are missing, unknown, or of another shape.
    """
    own = model.state_dict()
    differ = [
        f"{key} is {tuple(state[key].shape)} there, {tuple(own[key].shape)} here"
        for key in own
        if key in state and own[key].shape != state[key].shape
    ]
    differ += [f"{key} is missing there" for key in own if key not in state]
    differ += [f"{key} is unknown here" for key in state if key not in own]
    if differ:
        shown = "; ".join(differ[:5]) + (f"; and {len(differ) - 5} more" if len(differ) > 5 else "")
        raise CheckpointError(f"{where} is of another architecture: {shown}")
    model.load_state_dict(dict(state))
    return model
