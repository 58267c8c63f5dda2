"""Seeded generators, one for every use: a draw depends on the seed and on what it is for, never on what was drawn before it.

So a run that is resumed in the middle, or spread over more processes, draws what the undisturbed run would have drawn: items, views, augmentations'
parameters, corruptions, environments, context masks and the bottleneck's noise are drawn for the whole batch in every process, which then takes
its share. What draws from PyTorch's global generators is no part of that promise: dropout or stochastic depth inside an encoder.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch._ops import OpOverload
from torch.nn import init
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode


def derive_seed(seed: int, *purpose: str | int) -> int:
    """A 63-bit seed for one purpose, such as ``derive_seed(0, "pairs", epoch, step)``."""
    words = [zlib.crc32(part.encode()) if isinstance(part, str) else part for part in purpose]
    state = np.random.SeedSequence([seed, *words]).generate_state(1, np.uint64)[0]
    return int(state) >> 1


def seeded_generator(seed: int, *purpose: str | int, device: torch.device | str = "cpu") -> torch.Generator:
    """A torch generator on ``device`` for one purpose."""
    return torch.Generator(device=device).manual_seed(derive_seed(seed, *purpose))


class DrawingFrom(TorchDispatchMode):
    """Within ``with DrawingFrom(generator):`` whatever this thread would draw from torch's global stream on the CPU comes from ``generator``.

    For modules, whose initialisation takes no generator. It gives the numbers that the global stream with the same seed would give, but neither
    moves that stream nor is moved by other threads that draw from it.
    """

    def __init__(self, generator: torch.Generator) -> None:
        super().__init__()
        self.generator = generator

    def __torch_dispatch__(self, func: OpOverload, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None) -> Any:
        given = dict(kwargs or {})
        if torch.Tag.nondeterministic_seeded in func.tags and given.get("generator") is None:
            drawing = _with_generator(func)
            if drawing is not None and _on_cpu(args, given):
                return drawing(*args, **{**given, "generator": self.generator})
        return func(*args, **given)


class WithoutDrawing(TorchFunctionMode):
    """Within it modules are built whose weights are loaded afterwards: none is drawn, and PyTorch's global stream is not moved. Numbers that a module
    makes by ``torch.rand`` or ``torch.randn`` are those of a fixed seed.
    """

    # In place; what an initialisation draws by counts by itself, for its inner calls are not seen here.
    filling = frozenset(
        [
            torch.Tensor.normal_,
            torch.Tensor.uniform_,
            init.normal_,
            init.uniform_,
            init.trunc_normal_,
            init.kaiming_normal_,
            init.kaiming_uniform_,
        ]
    )

    def __init__(self) -> None:
        super().__init__()
        self.generator = seeded_generator(0, "replaced by loaded weights")

    def __torch_function__(self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None) -> Any:
        given = dict(kwargs or {})
        if func in self.filling:
            return args[0] if args else given["tensor"]
        if func in (torch.rand, torch.randn) and given.get("generator") is None and _on_cpu((), given):
            given["generator"] = self.generator
        return func(*args, **given)


@contextmanager
def without_values() -> Iterator[None]:
    """Within it modules are built without memory: their tensors have shapes alone (``torch.device("meta")``), and nothing is drawn for them. What
    PyTorch would draw them by takes a second to load.
    """
    with torch.device("meta"), WithoutDrawing():
        yield


def _with_generator(func: OpOverload) -> Callable[..., Any] | None:
    """The operation in the form that takes a generator: itself, or its overload that does."""
    if any(argument.name == "generator" for argument in func._schema.arguments):
        return func
    name = func._schema.overload_name
    return getattr(func.overloadpacket, f"{name}_generator" if name else "generator", None)


def _on_cpu(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> bool:
    tensors = [value for value in args if isinstance(value, torch.Tensor)]
    if tensors:
        return all(tensor.device.type == "cpu" for tensor in tensors)
    device = kwargs.get("device")
    return torch.device(device if device is not None else torch.get_default_device()).type == "cpu"
