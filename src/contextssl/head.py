"""What reads factors and the class out of frozen embeddings: a name, how it is trained or solved, how it is called in tables."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from contextssl.errors import SettingsError
from contextssl.plugins import Kind

if TYPE_CHECKING:
    import torch
    from jaxtyping import Bool, Float
    from torch import Tensor


@dataclass(frozen=True)
class ToRead:
    """What a head that is fitted at once reads.

    Args:
        train: float32, of the training split.
        targets: what is to be read of each: latents, then classes as one-hot numbers.
        test: what is read.
        held_out: the training rows that a penalty may be chosen on; all views of an item lie on one side.
        groups: columns of the targets that belong together: a factor's, the classes'.
        neighbours: k of kNN.
        device: to compute on.
    """

    train: Float[Tensor, "n d"]
    targets: Float[Tensor, "n t"]
    test: Float[Tensor, "m d"]
    held_out: Bool[Tensor, " n"]
    groups: tuple[slice, ...]
    neighbours: int
    device: torch.device


@dataclass(frozen=True)
class Head:
    """
    Args:
        name: of the setting ``heads``, and in rows.
        title: in sentences and tables.
        short: over a column of the terminal.
        about: for ``--help``.
        definition: how to read its numbers.
        hidden: widths of the hidden layers of one that is trained by Adam; () is a linear map.
        fit: of one that is fitted at once: what is read of ``test``, (m, t) float on the CPU.
        trains: whether the settings of training (epochs and the rest) are its.
        reads_pairs: whether it reads actions from two embeddings side by side too.
    """

    name: str
    title: str
    short: str = ""
    about: str = ""
    definition: str = ""
    hidden: tuple[int, ...] | None = None
    fit: Callable[[ToRead], Float[Tensor, "m t"]] | None = None
    trains: bool = False
    reads_pairs: bool = True
    place: int = 100
    settings: None = None


def _head(name: str, found: Any) -> Head:
    if not isinstance(found, Head) or (found.fit is None) == (found.hidden is None):
        raise SettingsError(f"head {name!r} is a {type(found).__name__}: it must be a contextssl.head.Head with either fit or hidden")
    return found


HEADS = Kind("head", "contextssl.heads", "HEAD", _head)
