"""The actions of queries, from a CSV file: a line for each image."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from contextssl.data.listed import read_csv
from contextssl.errors import DataError
from contextssl.factors import FactorSpace

NAME = "name"


def action_columns(factors: FactorSpace) -> list[str]:
    """What the numbers of an action are called in a file: ``factor.component``, such as ``rotation.x``."""
    return [
        name if name.startswith(f"{factor.name}.") else f"{factor.name}.{name}" for factor in factors.factors for name in factor.components
    ]


def parsed_actions(rows: Sequence[Sequence[str]], where: str) -> Float[Tensor, "k A"]:
    """Numbers from text. Raises DataError for what is no finite number."""
    try:
        actions = torch.tensor([[float(cell) for cell in row] for row in rows])
    except ValueError as error:
        raise DataError(f"{where}: an action is no number ({error}): write numbers with a point") from error
    if not bool(actions.isfinite().all()):
        raise DataError(f"{where}: an action is NaN or infinite: fix it, or remove the line")
    return actions


def read_actions(file: Path, factors: FactorSpace, names: Sequence[str] | None, count: int) -> Float[Tensor, "n A"]:
    """The action of each image.

    Args:
        file: with the columns of :func:`action_columns`, and a column ``name`` where lines are not in the order of the images.
        names, count: of the images.

    Raises:
        DataError: where it is missing or no such file, lacks a column, or an image.
    """
    try:
        lines = csv.DictReader(io.StringIO(read_csv(file), newline=""))
        lines.fieldnames = [name.strip() for name in lines.fieldnames or ()]
        rows = list(lines)
    except csv.Error as error:
        raise DataError(f"{file} is no CSV ({error}): save it as CSV, with commas between the columns") from error
    wanted, there = action_columns(factors), {*(lines.fieldnames or ())}
    if missing := [name for name in wanted if name not in there]:
        raise DataError(f"{file} has no column {missing[0]}: an action is {', '.join(wanted)}")
    if NAME in there and names is not None:
        by_name = {row[NAME]: row for row in rows}
        if absent := [name for name in names if name not in by_name]:
            raise DataError(f"{file} has no line of {absent[0]}: give each image one, by the name that embed gives it")
        rows = [by_name[name] for name in names]
    if len(rows) != count:
        raise DataError(f"{file} has {len(rows)} lines and there are {count} images: give each one, or a column {NAME}")
    return parsed_actions([[row[name] or "" for name in wanted] for row in rows], str(file))
