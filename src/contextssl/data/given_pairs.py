"""Pairs of images as users have them, for a context: a tensor, a list of pairs, or a file that lists them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from contextssl.data.given_actions import action_columns, parsed_actions
from contextssl.data.given_images import Given
from contextssl.data.pair_list import pair_file
from contextssl.data.pair_rows import Fault, Row, missing_images, read_rows
from contextssl.errors import DataError, InputError, nearest
from contextssl.factors import FactorSpace


@dataclass(frozen=True)
class ListedPairs:
    """k pairs of a list: paths of their images, and the actions from the first to the second where they were asked for, (k, A)."""

    first: list[Path]
    second: list[Path]
    actions: Float[Tensor, "k A"] | None = None


def ends_of(pairs: Given, environment: str | None = None) -> tuple[Given, Given]:
    """The first and the second images of pairs: of a tensor or an array (k, 2, ...), of a list of pairs, or of the path of a list, of which
    ``environment`` says which kind. Raises InputError for anything else; DataError as :func:`read_pairs`.
    """
    if isinstance(pairs, (str, os.PathLike)):
        listed = read_pairs(Path(pairs), environment)
        return listed.first, listed.second
    if isinstance(pairs, (Tensor, np.ndarray)):
        if pairs.ndim < 3 or pairs.shape[1] != 2:
            raise InputError(
                f"examples have shape {tuple(pairs.shape)}: give pairs as (k, 2, ...), or their first views and their second as two tensors"
            )
        return pairs[:, 0], pairs[:, 1]
    if not isinstance(pairs, Sequence):
        raise InputError(
            f"examples are a {type(pairs).__name__}: give a tensor (k, 2, ...), a list of pairs of images, or the path of a pairs.csv"
        )
    for number, pair in enumerate(pairs):
        if not isinstance(pair, (Tensor, np.ndarray)) and (isinstance(pair, str) or not isinstance(pair, Sequence)):
            raise InputError(f"pair {number} is a {type(pair).__name__}: give each as two images")
        if len(pair) != 2:
            raise InputError(f"pair {number} has {len(pair)} images: give each as two")
    return _same_kind([pair[0] for pair in pairs]), _same_kind([pair[1] for pair in pairs])


def _same_kind(images: list[Any]) -> Given:
    """Tensors of one size as one; anything else as it is."""
    tensors = [image for image in images if isinstance(image, Tensor)]
    return torch.stack(tensors) if images and len(tensors) == len(images) and len({each.shape for each in tensors}) == 1 else images


def read_pairs(file: Path, environment: str | None = None, factors: FactorSpace | None = None) -> ListedPairs:
    """The pairs of a list for a context: columns ``first`` and ``second``, paths relative to its folder.

    Args:
        file: the list, or a folder with a ``pairs.csv``.
        environment: of a list with a column ``environment`` of several kinds, the one.
        factors: read the actions too, from the columns ``factor.component`` (such as ``rotation.x``).

    Raises:
        DataError: naming the first line that is wrong; for several kinds and none chosen, one that is not there, or columns that are missing.
    """
    file = pair_file(None, str(file))
    faults: list[Fault] = []
    rows, columns, _ = read_rows(file, faults, kinds=False)
    faults += missing_images(file.parent, tuple({image for row in rows for image in row.images}), rows)
    if faults:
        raise DataError(f"{file}, {faults[0][1]}{f' (and {len(faults) - 1:,} more)' if len(faults) > 1 else ''}")
    kinds = sorted({row.values.get("environment", "") for row in rows})
    if environment is not None and "environment" in columns:
        if environment not in kinds:
            raise DataError(f"{file} has no pair of the environment {environment!r}: {nearest(environment, kinds)}")
        rows = [row for row in rows if row.values["environment"] == environment]
    elif len(kinds) > 1:
        raise DataError(f"{file} holds pairs of {' and '.join(kinds)}: a context is of one; say which by environment={kinds[0]}")
    if not rows:
        raise DataError(f"{file} lists no pair: a context needs at least one")
    first, second = ([file.parent / row.images[end] for row in rows] for end in (0, 1))
    return ListedPairs(first, second, None if factors is None else _actions(file, rows, columns, factors))


def _actions(file: Path, rows: Sequence[Row], columns: Sequence[str], factors: FactorSpace) -> Float[Tensor, "k A"]:
    wanted = action_columns(factors)
    if missing := [name for name in wanted if name.lower() not in columns]:
        raise DataError(
            f"{file} has no column {missing[0]}: this model's contexts need the actions, in the columns {', '.join(wanted)}; only a model that was "
            "trained with context=examples needs none"
        )
    return parsed_actions([[row.values[name.lower()] for name in wanted] for row in rows], str(file))
