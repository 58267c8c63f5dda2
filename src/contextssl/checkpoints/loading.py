"""Loading models: of runs, and of the published format. Checkpoints are read as tensors and plain values, never as code."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from contextssl.checkpoints.content import (
    CARRIED,
    FORMAT,
    RECIPE,
    check_depths,
    check_plain,
    check_tensors,
    recipe_of,
    refuse_other_method,
    settings_of,
    weights_of,
)
from contextssl.checkpoints.file import read_checked
from contextssl.checkpoints.weights import check_same_tensors, load_weights
from contextssl.config.settings import TrainSettings
from contextssl.data.dataset import Data, data_kind
from contextssl.data.published_latents import FACTORS as THREEDIEBENCH
from contextssl.errors import CheckpointError, ContextSSLError, SettingsError, memory_shortage
from contextssl.factors import Factor, FactorSpace
from contextssl.models import published_weights as published
from contextssl.models.build import build_model
from contextssl.models.by_examples import ByExamples
from contextssl.models.carried_views import CarriedViews
from contextssl.models.contextssl import ContextSSL
from contextssl.models.encoders import build_encoder
from contextssl.models.hub import WEIGHTS
from contextssl.models.label_space import LabelSpace
from contextssl.models.model_file import SUFFIX, read_model
from contextssl.models.view_encoder import ViewEncoder
from contextssl.randomness import WithoutDrawing, without_values
from contextssl.system.device import chosen_device
from contextssl.system.files import storage_error, too_large
from contextssl.system.precision import BF16, FLOAT32, choose_precision
from contextssl.version import __version__

MODEL_PREFIX = "model."
# Of the paper's images, height and width.
PUBLISHED_RESOLUTION = 128
PRECISIONS = (FLOAT32, BF16, "auto")
# Models that come with the package.
SHIPPED = Path(__file__).parents[1] / "shipped"


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
        "data": {**data.description, "kind": data_kind(data)},
        "encoder": type(model.encoder).__qualname__ if own_encoder else None,
        "feature_width": model.feature_width,
    }


def read(path: str | Path) -> dict[str, Any]:
    """The content of a checkpoint file: tensors and plain values. Raises CheckpointError for a file that is missing, damaged (see
    :mod:`~contextssl.checkpoints.file`), no checkpoint, or a pickle that would run code (which is not executed).
    """
    path = Path(path)
    if path.suffix == SUFFIX:
        made, weights, carried = read_model(path)
        check_plain(made, str(path))
        return {RECIPE: {**made, CARRIED: carried}, "state_dict": {MODEL_PREFIX + name: each for name, each in weights.items()}}
    content = read_checked(path)
    if not isinstance(content, dict):
        raise CheckpointError(f"{path} holds a {type(content).__name__}, not a state dict or a checkpoint of a run")
    check_plain(content, str(path))
    return content


def find_checkpoint(run: str | Path, which: str = "last") -> Path:
    """The checkpoint file of a run folder (``checkpoints/last.ckpt``) or of a folder of ``save_pretrained``, the path itself where it is a file, or
    that of a model that comes with the package, by its name. Raises CheckpointError where there is none, naming those that are there.
    """
    run = Path(run)
    folder = run / "checkpoints"
    wanted = folder / f"{which}.ckpt"
    try:
        if run.is_file():
            return run
        if wanted.is_file():
            return wanted
        if not folder.is_dir() and (run / WEIGHTS).is_file():
            return run / WEIGHTS
    except OSError as error:
        raise CheckpointError(str(storage_error(error, error.filename or run, "read"))) from error
    # Hidden files are what a killed process was writing.
    there = sorted(path.stem for path in folder.glob("*.ckpt") if not path.name.startswith(".")) if folder.is_dir() else []
    if there:
        raise CheckpointError(f"{run} has no checkpoint {which!r}: it has {', '.join(there)}")
    if (shipped := SHIPPED / f"{run}{SUFFIX}").is_file() and len(run.parts) == 1:
        return shipped
    if run.is_dir():
        raise CheckpointError(f"{run} has no checkpoints: train it first, or name another run")
    names = " and ".join(shipped_models())
    raise CheckpointError(
        f"no run or checkpoint at {run}: check the path{f' (models that come with contextssl: {names})' if names else ''}"
    )


def shipped_models() -> list[str]:
    """The names of the models that come with the package."""
    return sorted(path.stem for path in SHIPPED.glob(f"*{SUFFIX}"))


def load(
    path: str | Path,
    *,
    encoder: nn.Module | None = None,
    method: str | None = None,
    checkpoint: str = "last",
    device: str = "auto",
    precision: str = "32-true",
    n_head: int | None = None,
    block_size: int | None = None,
    factors: FactorSpace | None = None,
    image_mean: Sequence[float] | None = None,
    image_std: Sequence[float] | None = None,
) -> ContextSSL:
    """A trained in-context model, in evaluation mode, ready for use. Other arguments and errors as of :func:`load_any`.

    Args:
        path: also the name of a model that comes with the package, ``"shapes"`` or ``"photos"``.
        device: what it computes on: ``"cpu"``, ``"cuda"``, ``"mps"``; ``"auto"``: the best that is there.
        precision: of what it computes: ``"32-true"``; ``"bf16-mixed"``, which changes neighbours and R² a little; ``"auto"``: that where the device
            gains from it.

    Raises:
        CheckpointError: also for a run of a method without contexts.
        SettingsError: for a device that this machine has not.
    """
    if precision not in PRECISIONS:
        raise SettingsError(f"precision is {precision!r}: give {', '.join(PRECISIONS)}")
    chosen = chosen_device(device)
    of_published: Any = {"n_head": n_head, "block_size": block_size, "factors": factors, "image_mean": image_mean, "image_std": image_std}
    file = find_checkpoint(path, checkpoint)
    model = load_content(file, read(file), encoder=encoder, method=method, **of_published)
    if not isinstance(model, ContextSSL):
        raise CheckpointError(f"{path} was trained by a method without contexts: contextssl.load_any gives its features and embeddings")
    if (card := file.with_suffix(".md")).is_file() and card.parent == SHIPPED:
        model.card = card.read_text()
    model.precision = choose_precision(precision, chosen.type)
    return model.to(chosen)


def load_any(
    path: str | Path,
    *,
    encoder: nn.Module | None = None,
    method: str | None = None,
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
        method: for a run of a method of your own: its place, ``"package.module:Name"``, since no code is imported because a file names it.
        checkpoint: which of a run folder's: ``"last"``, ``"best"``, ``"epoch=0099"``.
        n_head, block_size: of a published checkpoint, whose tensors do not hold them; default: 4 and 128, as in the paper.
        factors: of a published checkpoint; default: 3DIEBench's, where the widths agree.
        image_mean, image_std: of a published checkpoint: what its images were normalised by, in units of 0 to 1; default: the published
            constants (:data:`~contextssl.models.published_weights.IMAGE_MEAN`).

    Raises:
        CheckpointError: naming the tensors that differ, where the file is of another architecture; see also :func:`read`.
    """
    file = find_checkpoint(path, checkpoint)
    of_published = {"n_head": n_head, "block_size": block_size, "factors": factors, "image_mean": image_mean, "image_std": image_std}
    return load_content(file, read(file), encoder=encoder, method=method, **of_published)


def load_content(
    file: Path, content: Mapping[str, Any], *, encoder: nn.Module | None = None, method: str | None = None, **of_published: Any
) -> ViewEncoder:
    """As :func:`load_any`, from what :func:`read` gave of ``file``."""
    with _of_the_file(file):
        if RECIPE in content:
            if needless := [name for name, value in of_published.items() if value is not None]:
                raise CheckpointError(f"{file} is a run of ours and knows its {', '.join(needless)}: leave them out")
            return _load_ours(file, content, encoder, method)
        if encoder is not None:
            raise CheckpointError(f"{file} is of the published format, whose encoders are known: leave encoder out")
        refuse_other_method(published.METHOD, method, str(file))
        state = published.state_in(content)
        if state is None:
            raise CheckpointError(f"{file} is neither a run of ours nor of the published format: it has none of their tensors")
        return _load_published(file, state, **of_published)


@contextmanager
def _of_the_file(file: Path) -> Iterator[None]:
    """Errors of building a model from a file's content name the file."""
    try:
        yield
    except CheckpointError as error:
        if str(file) in str(error):
            raise
        raise CheckpointError(f"{file}: {error}") from error
    except ContextSSLError as error:
        raise CheckpointError(f"{file}: {error}") from error
    except (KeyError, TypeError, ValueError, AttributeError, IndexError, OverflowError, RuntimeError, MemoryError) as error:
        if memory_shortage(error) is not None:
            # What it describes was compared with the file's own tensors before memory was taken.
            raise CheckpointError(str(too_large(file))) from error
        reason = f"{type(error).__name__}: {str(error).splitlines()[0]}" if str(error) else type(error).__name__
        raise CheckpointError(f"{file} describes no model that can be built ({reason}): it is damaged; use an earlier one") from error


def _load_ours(file: Path, content: Mapping[str, Any], encoder: nn.Module | None, method: str | None) -> ViewEncoder:
    where = str(file)
    made, settings = recipe_of(content, where), settings_of(content, where, method=method)
    refuse_other_method(settings.method, method, where)
    if made["encoder"] is not None and encoder is None:
        raise CheckpointError(f"{file} was trained with your own encoder {made['encoder']}: pass it, freshly built, as encoder=…")
    state = weights_of(content, MODEL_PREFIX, where)
    check_depths(settings, state, where)
    settings.pretrained = False
    columns = None
    if made.get("columns") is not None:
        # Tables are an extra; a checkpoint of images does not need it.
        from contextssl.data.tables.columns import Columns

        columns = Columns.from_list(made["columns"])

    def built() -> ViewEncoder:
        return build_model(
            settings,
            FactorSpace.from_dict(made["factors"]),
            view_shape=made["view_shape"],
            image_mean=made["image_mean"],
            image_std=made["image_std"],
            columns=columns,
            classes=len(made["class_names"]),
            labels=LabelSpace.from_dict(made["labels"]) if made.get("labels") is not None else None,
            encoder=encoder,
        )

    if encoder is None:
        # Compared without memory, before the real one is built. A few backbones compute with their own weights while they are built, which nothing
        # on the meta device can; all are of a known size.
        with suppress(RuntimeError), without_values():
            check_same_tensors(built().state_dict(), state, where)
    with WithoutDrawing():
        model = built()
    model.view_shape, model.columns = tuple(made["view_shape"]), columns
    model.recipe = {name: value for name, value in made.items() if name != CARRIED}
    if isinstance(model, ByExamples) and made.get(CARRIED) is not None:
        model.carried = CarriedViews.from_dict(made[CARRIED])
        if not model.carried.finite():
            raise CheckpointError(f"{file} carries views that are not finite: it is damaged; use an earlier one")
    return load_weights(model, state, where).eval()


def _load_published(
    file: Path,
    state: Mapping[str, Tensor],
    n_head: int | None = None,
    block_size: int | None = None,
    factors: FactorSpace | None = None,
    image_mean: Sequence[float] | None = None,
    image_std: Sequence[float] | None = None,
) -> ContextSSL:
    if image_mean is None and image_std is None:
        image_mean, image_std = published.statistics_of(state)
    translated = published.translate(check_tensors(state, str(file)))
    widths: dict[str, Any] = dict(published.architecture(translated))
    of_encoder = {name: widths.pop(name) for name in ("backbone", "channels", "stem")}
    action_width = widths.pop("action_width")
    if factors is None:
        factors = THREEDIEBENCH if action_width == THREEDIEBENCH.width else FactorSpace((Factor("action", action_width),))
    if factors.width != action_width:
        raise CheckpointError(f"{file} has actions of {action_width} numbers, but the factors given have {factors.width}: name its own")
    sizes = {"n_head": 4 if n_head is None else n_head, "block_size": 128 if block_size is None else block_size, **widths}
    chosen = factors

    def built() -> ContextSSL:
        return ContextSSL(build_encoder(**of_encoder), chosen, **sizes, image_mean=image_mean, image_std=image_std)

    def with_ours(own: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The published tensors, and what they never hold: the bottleneck's and the images' statistics."""
        ours = ("bottleneck.variance", "bottleneck.batches", "image_mean", "image_std")
        return {**translated, **{name: own[name] for name in ours if name in own}}

    with without_values():
        own = built().state_dict()
    check_same_tensors(own, with_ours(own), str(file))
    with WithoutDrawing():
        model = built()
    # Its tensors do not hold the images' size; this is the paper's.
    model.view_shape = (of_encoder["channels"], PUBLISHED_RESOLUTION, PUBLISHED_RESOLUTION)
    return load_weights(model, with_ours(model.state_dict()), str(file)).eval()
