"""Probe heads: what predicts factors and the class from frozen embeddings, and how it is trained or solved."""

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
class ProbeData:
    """The data of a head that is fitted in closed form.

    Args:
        train, test: float32 embeddings to fit to, and to predict for.
        targets: of each training row: latents, then one-hot classes.
        held_out: the training rows that a penalty may be chosen on; all views of an item lie on one side.
        groups: columns of the targets per factor, and of the classes.
        neighbours: k of kNN.
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
        name: in the setting ``heads`` and in rows.
        title: in sentences and tables.
        short: title of a column in the terminal.
        about: in ``--help``.
        definition: of its numbers, kept with the results.
        hidden: widths of the hidden layers of one that is trained by Adam; () is a linear map.
        fit: of one in closed form: the predictions for ``test``, (m, t) float on the CPU.
        trains: whether it has the settings of training (epochs, learning rate, …).
        probes_pairs: whether it regresses actions from two embeddings too.
    """

    name: str
    title: str
    short: str = ""
    about: str = ""
    definition: str = ""
    hidden: tuple[int, ...] | None = None
    fit: Callable[[ProbeData], Float[Tensor, "m t"]] | None = None
    trains: bool = False
    probes_pairs: bool = True
    place: int = 100
    settings: None = None


def _head(name: str, found: Any) -> Head:
    if not isinstance(found, Head) or (found.fit is None) == (found.hidden is None):
        raise SettingsError(f"head {name!r} is a {type(found).__name__}: it must be a contextssl.head.Head with either fit or hidden")
    return found


HEADS = Kind("head", "contextssl.heads", "HEAD", _head)
