"""Repeats a step whose loss or gradient was not finite, and finds the tensor that was the first: by the name of its module."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from contextssl import checkpoints
from contextssl.errors import CheckpointError
from contextssl.models.view_encoder import ViewEncoder
from contextssl.randomness import seeded_generator
from contextssl.system.device import chosen_device
from contextssl.training.loss import Losses, Objective, loss_of
from contextssl.training.non_finite import WEIGHTS, BadStep, read_bad_step

# Lightning's words for what a step computes in.
AUTOCAST = {"bf16-mixed": torch.bfloat16, "16-mixed": torch.float16}

# Of a batch, what says which views it has, and does not enter the model.
INDICES = ("items", "labels", "source_views", "target_views")


@dataclass(frozen=True)
class Size:
    """How large a tensor is: its Euclidean norm and largest absolute value, without the ``bad`` numbers that are not finite."""

    name: str
    shape: tuple[int, ...]
    norm: float
    largest: float
    bad: int
    count: int

    @classmethod
    def of(cls, name: str, tensor: Tensor) -> Size:
        numbers = tensor.detach().double()
        finite = numbers.isfinite()
        numbers = numbers.where(finite, 0.0)
        largest = float(numbers.abs().max()) if tensor.numel() else 0.0
        return cls(name, tuple(tensor.shape), float(numbers.norm()), largest, int((~finite).sum()), tensor.numel())


@dataclass(frozen=True)
class Found:
    """The first tensor that is not finite.

    Args:
        what: in words, such as ``"the output of encoder.stem (Conv2d)"``.
        tensor: itself.
        around: what it was made of: the module's inputs and weights.
    """

    what: str
    tensor: Size
    around: tuple[Size, ...] = ()


@dataclass(frozen=True)
class Replayed:
    """A step that was repeated; ``found`` is None where everything was finite this time."""

    step: Mapping[str, Any]
    device: str
    inputs: tuple[Size, ...]
    loss: float | None
    found: Found | None


def replay(run: Path, *, encoder: nn.Module | None = None, method: str | None = None, accelerator: str = "auto") -> Replayed:
    """Repeats the step that ``run`` kept, as one process does it.

    Args:
        encoder, method: of the user's own, as for :func:`contextssl.load_any`.
        accelerator: what it is computed on.

    Raises:
        DataError, CheckpointError: where what was kept is missing or damaged.
    """
    step = read_bad_step(run)
    file = run / WEIGHTS
    content = checkpoints.read(file)
    if checkpoints.RECIPE not in content:
        raise CheckpointError(f"{file} is no checkpoint of a run here: copy it again")
    device = chosen_device(accelerator)
    inputs = tuple(Size.of(name, value) for name, value in step.batch.tensors().items() if name not in INDICES)
    if (weights := _bad_weights(content)) is not None:
        return Replayed(step.about, str(device), inputs, None, weights)
    if (bad := next((size for size in inputs if size.bad), None)) is not None:
        return Replayed(step.about, str(device), inputs, None, Found(f"the batch's {bad.name}", bad))
    model = checkpoints.load_content(file, content, encoder=encoder, method=method).to(device)
    model = model.to(memory_format=torch.channels_last).train()
    settings = checkpoints.settings_of(content, str(file), method=method)
    with _random_states(step, device), _Finding(model) as finding:
        generator = seeded_generator(settings.seed, "step", step.about["global_step"], 0, device=device)
        with torch.autocast(
            device.type, AUTOCAST.get(step.about["precision"], torch.bfloat16), enabled=step.about["precision"] in AUTOCAST
        ):
            losses = loss_of(model, step.batch.to(device), Objective.of(settings), generator)
        finding.of_loss(losses)
        if finding.found is None:
            losses.total.backward()
            finding.of_gradients()
    return Replayed(step.about, str(device), inputs, float(losses.total.detach()), finding.found)


def _bad_weights(content: Mapping[str, Any]) -> Found | None:
    """A weight that was not finite before the step, which no model is built from."""
    for name, value in content.get("state_dict", {}).items():
        if isinstance(value, Tensor) and value.is_floating_point() and not bool(value.isfinite().all()):
            short = name.removeprefix(checkpoints.MODEL_PREFIX)
            return Found(f"the weight {short}, before the step: the step before it made it so", Size.of(short, value))
    return None


@contextmanager
def _random_states(step: BadStep, device: torch.device) -> Iterator[None]:
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.set_rng_state(step.states["cpu"])
        if device.type == "cuda" and "cuda" in step.states:
            torch.cuda.set_rng_state(step.states["cuda"], device)
        yield


class _Finding:
    """Watches every module of a model, forwards and backwards, until something is not finite."""

    def __init__(self, model: ViewEncoder) -> None:
        self.model, self.hooks = model, ExitStack()
        self.found: Found | None = None
        self.before = "the batch"

    def __enter__(self) -> _Finding:
        for name, module in self.model.named_modules():
            shown = f"{name} ({type(module).__name__})" if name else type(module).__name__
            self.hooks.callback(module.register_forward_pre_hook(self._given(shown)).remove)
            self.hooks.callback(module.register_forward_hook(self._gave(shown)).remove)
        return self

    def __exit__(self, *error: object) -> None:
        self.hooks.close()

    def _given(self, name: str) -> Any:
        def hook(module: nn.Module, inputs: Any) -> None:
            for tensor in _tensors(inputs):
                self._note(f"what {name} is given, after {self.before}", tensor)

        return hook

    def _gave(self, name: str) -> Any:
        def hook(module: nn.Module, inputs: Any, output: Any) -> None:
            weights = {f"weight {key}": value for key, value in module.named_parameters(recurse=False)}
            made_of = {**{f"input {index}": each for index, each in enumerate(_tensors(inputs))}, **weights}
            for tensor in _tensors(output):
                self._note(f"the output of {name}", tensor, made_of.items())
                if tensor.requires_grad and self.found is None:
                    tensor.register_hook(partial(self._gradient, name, {**made_of, "output": tensor}))
            self.before = name

        return hook

    def _gradient(self, name: str, made_of: Mapping[str, Tensor], gradient: Tensor) -> None:
        self._note(f"the gradient of what {name} gives", gradient, made_of.items())

    def _note(self, what: str, tensor: Tensor, made_of: Iterable[tuple[str, Tensor]] = ()) -> None:
        if self.found is None and tensor.is_floating_point() and not bool(tensor.isfinite().all()):
            self.found = Found(what, Size.of(what, tensor), tuple(Size.of(*each) for each in made_of))

    def of_loss(self, losses: Losses) -> None:
        for name, part in {**losses.parts, "total": losses.total}.items():
            self._note(f"the loss ({name}), after {self.before}", part)

    def of_gradients(self) -> None:
        for name, parameter in self.model.named_parameters():
            if parameter.grad is not None:
                self._note(f"the gradient of the weight {name}", parameter.grad, [(f"weight {name}", parameter)])


def _tensors(values: Any) -> Iterator[Tensor]:
    """The tensors of floating point in what a module takes or gives."""
    if isinstance(values, Tensor):
        if values.is_floating_point():
            yield values
    elif isinstance(values, Mapping):
        for value in values.values():
            yield from _tensors(value)
    elif isinstance(values, (tuple, list)):
        for value in values:
            yield from _tensors(value)
