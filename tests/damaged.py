"""Damages a file many times over, and says what came of reading it: refused in one sentence, or bit for bit the same."""

from __future__ import annotations

import dataclasses
import warnings
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from contextssl.errors import ContextSSLError
from faults.damage import KINDS, damage

TRIES = 40


def outcomes(path: Path, read: Callable[[], Any], tries: int = TRIES, seed: int = 0) -> Counter[str]:
    """How often a damaged file was ``refused``, was read the ``same`` as the whole one (damage where nothing is kept), or gave something else and
    was ``told``, by a warning. Anything else is an AssertionError that says what was done to the file, which is whole again afterwards.

    Args:
        read: gives what is read from it, also through other files; of arrays, tensors, dataclasses and plain values.
    """
    whole = path.read_bytes()
    generator = np.random.default_rng(seed)
    expected, found = plain(read()), Counter[str]()
    for number in range(tries):
        said = damage(path, KINDS[number % len(KINDS)], generator)
        where = f"{path.name}: {said} (seed {seed}, try {number})"
        with warnings.catch_warnings(record=True) as warned:
            warnings.simplefilter("always")
            try:
                same = plain(read()) == expected
                assert same or warned, f"silent: {where}"
                found["same" if same else "told"] += 1
            except ContextSSLError as error:
                assert "\n" not in str(error) and len(str(error)) < 1000, f"no sentence: {where}: {error}"
                found["refused"] += 1
            except AssertionError:
                raise
            except Exception as error:
                raise AssertionError(f"{type(error).__name__}: {where}: {error}") from error
            finally:
                path.write_bytes(whole)
    return found


def plain(value: Any) -> Any:
    """Values that compare bit for bit."""
    if isinstance(value, torch.Tensor):
        return str(value.dtype), tuple(value.shape), value.detach().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes()
    if isinstance(value, np.ndarray):
        return str(value.dtype), value.shape, value.tobytes()
    if isinstance(value, float):
        return value.hex()
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return plain(vars(value))
    if isinstance(value, Mapping):
        return {key: plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [plain(each) for each in value]
    return value if isinstance(value, str | int | bool | type(None)) else repr(value)
