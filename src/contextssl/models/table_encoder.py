"""An encoder of table rows: embeddings of categories, piecewise-linear codes of numbers, then an MLP or residual blocks.

Numbers are coded as in Gorishniy, Rubachev & Babenko, "On Embeddings for Numerical Features in Tabular Deep Learning", 2022, section 3.2: each
bin between two quantiles is filled from 0 to 1 as the number passes through it, and each number has a linear map of its own. Residual blocks
follow Gorishniy et al., "Revisiting Deep Learning Models for Tabular Data", 2021, section 3.2.
"""

from __future__ import annotations

from itertools import pairwise

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from contextssl.data.tables.columns import UNKNOWN, Columns
from contextssl.errors import InputError, SettingsError

KINDS = ("table_mlp", "table_resnet")


class PiecewiseLinear(nn.Module):
    """Numbers (n, C), standardised → (n, C · width): each through its own bins and its own linear map, then ReLU. The outer bins are not bounded,
    so that a number beyond the training range is distinguished from the greatest one.
    """

    low: Tensor
    length: Tensor
    first: Tensor
    last: Tensor
    used: Tensor

    def __init__(self, edges: list[tuple[float, ...]], width: int) -> None:
        super().__init__()
        counts = torch.tensor([[len(each) - 1] for each in edges])
        bins = int(counts.max())
        low, length = torch.zeros(len(edges), bins), torch.ones(len(edges), bins)
        for index, each in enumerate(map(torch.tensor, edges)):
            low[index, : len(each) - 1], length[index, : len(each) - 1] = each[:-1], each.diff()
        place = torch.arange(bins).expand(len(edges), -1)
        used = (place < counts).float()
        for name, value in (("low", low), ("length", length), ("first", place == 0), ("last", place == counts - 1), ("used", used)):
            self.register_buffer(name, value, persistent=False)
        self.weight = nn.Parameter(torch.randn(len(edges), bins, width) * used.sum(1)[:, None, None].rsqrt())
        self.bias = nn.Parameter(torch.zeros(len(edges), width))

    def forward(self, numbers: Float[Tensor, "n C"]) -> Float[Tensor, "n C_width"]:
        filled = (numbers[:, :, None] - self.low) / self.length
        filled = torch.where(self.first, filled, filled.clamp(min=0))
        filled = torch.where(self.last, filled, filled.clamp(max=1)) * self.used
        return F.relu(torch.einsum("ncb,cbw->ncw", filled, self.weight) + self.bias).flatten(1)


class TableEncoder(nn.Module):
    """Encoded rows (n, W) float → features (n, ``num_features``).

    Args:
        columns: what each number of a row is; kept, so that a table can be turned into rows (:meth:`rows`).
        kind: ``"table_mlp"`` (linear layers with ReLU) or ``"table_resnet"`` (pre-normalised residual blocks).
        width, depth: of the hidden layers (and the features), and how many, or how many residual blocks.
        column_width: numbers that each column is embedded in.
        feature_norm: ``"batch"`` normalises features over the batch before the predictor.

    Raises:
        SettingsError: for an unknown kind or a number below 1.
    """

    offsets: Tensor

    def __init__(
        self,
        columns: Columns,
        kind: str = "table_mlp",
        *,
        width: int = 256,
        depth: int = 2,
        column_width: int = 16,
        feature_norm: str = "none",
    ) -> None:
        super().__init__()
        if kind not in KINDS:
            raise SettingsError(f"unknown encoder of tables {kind!r}: use {' or '.join(KINDS)}")
        for name, value in (("encoder_width", width), ("encoder_depth", depth), ("column_width", column_width)):
            if value < 1:
                raise SettingsError(f"{name} is {value}: it must be at least 1")
        self.columns = columns
        self.num_features = width
        self._made_with = {"kind": kind, "width": width, "depth": depth, "column_width": column_width, "feature_norm": feature_norm}
        self.categories, self.numbers = (
            [index for index, column in enumerate(columns.columns) if column.kind == kind] for kind in ("category", "number")
        )
        sizes = torch.tensor([1 + len(columns.columns[index].categories) for index in self.categories], dtype=torch.long)
        self.register_buffer("offsets", sizes.cumsum(0) - sizes, persistent=False)
        self.embedding = nn.Embedding(int(sizes.sum()) or 1, column_width)
        with torch.no_grad():
            # What was never seen in training carries no information.
            self.embedding.weight[self.offsets + UNKNOWN] = 0
        self.piecewise = PiecewiseLinear([columns.columns[index].edges for index in self.numbers], column_width) if self.numbers else None
        read = column_width * len(columns)
        if kind == "table_mlp":
            layers: list[nn.Module] = [layer for a, b in pairwise([read] + [width] * depth) for layer in (nn.Linear(a, b), nn.ReLU())]
        else:
            layers = [nn.Linear(read, width), *(ResidualBlock(width) for _ in range(depth)), nn.LayerNorm(width), nn.ReLU()]
        self.body = nn.Sequential(*layers, nn.Linear(width, width))
        self.norm = nn.BatchNorm1d(width, affine=False) if feature_norm == "batch" else nn.Identity()

    def forward(self, rows: Float[Tensor, "n W"]) -> Float[Tensor, "n F"]:
        if rows.ndim != 2 or rows.shape[1] != len(self.columns):
            raise InputError(f"rows must have shape (n, {len(self.columns)}), one number per column, not {tuple(rows.shape)}")
        parts = []
        if self.categories:
            parts.append(self.embedding(rows[:, self.categories].long() + self.offsets).flatten(1))
        if self.piecewise is not None:
            parts.append(self.piecewise(rows[:, self.numbers]))
        return self.norm(self.body(torch.cat(parts, dim=1)))

    def fresh(self) -> TableEncoder:
        """Another encoder of the same architecture, with weights of its own."""
        return TableEncoder(self.columns, **self._made_with)  # type: ignore[arg-type]

    def rows(self, frame: object) -> Float[Tensor, "n W"]:
        """A pandas DataFrame with the training table's columns as rows for this encoder. Raises DataError naming the columns that are missing, or
        a number that is none.
        """
        return torch.from_numpy(self.columns.encode(frame))  # type: ignore[arg-type]


class ResidualBlock(nn.Module):
    """x + linear(ReLU(linear(norm(x))))."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, 2 * width), nn.ReLU(), nn.Linear(2 * width, width))

    def forward(self, x: Float[Tensor, "n width"]) -> Float[Tensor, "n width"]:
        return x + self.layers(x)
