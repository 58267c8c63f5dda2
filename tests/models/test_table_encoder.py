"""The encoder of rows: its codes against a loop, and that what was never seen tells nothing."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor

from contextssl.config.settings import ModelSettings
from contextssl.data.tables.columns import Columns
from contextssl.errors import DataError, InputError, SettingsError
from contextssl.models.build import build_table_encoder
from contextssl.models.table_encoder import PiecewiseLinear, TableEncoder
from tests.people import people


@pytest.fixture
def columns() -> Columns:
    return Columns.fit(people().drop(columns=["income"]))


def filled(value: float, edges: tuple[float, ...]) -> list[float]:
    """Gorishniy et al., 2022, equation 1, as a loop."""
    bins = len(edges) - 1
    codes = []
    for t in range(bins):
        share = (value - edges[t]) / (edges[t + 1] - edges[t])
        if t > 0:
            share = max(share, 0.0)
        if t < bins - 1:
            share = min(share, 1.0)
        codes.append(share)
    return codes


def test_numbers_are_coded_as_published() -> None:
    edges = [(-1.0, 0.0, 0.5, 2.0), (0.0, 1.0)]
    layer = PiecewiseLinear(edges, 4)
    values = torch.tensor([[-3.0, 0.2], [-0.5, 5.0], [0.25, -1.0], [7.0, 0.0]])
    expected = []
    for row in values.tolist():
        per_column = []
        for index, (value, each) in enumerate(zip(row, edges, strict=True)):
            codes = torch.tensor(filled(value, each))
            per_column.append((codes @ layer.weight[index, : len(codes)] + layer.bias[index]).relu())
        expected.append(torch.cat(per_column))
    assert torch.allclose(layer(values), torch.stack(expected), atol=1e-6)


@pytest.mark.parametrize("kind", ["table_mlp", "table_resnet"])
def test_rows_become_features(columns: Columns, kind: str) -> None:
    encoder = TableEncoder(columns, kind, width=24, depth=2, column_width=4, feature_norm="batch")
    rows = encoder.rows(people())
    features = encoder(rows)
    assert features.shape == (400, 24) and encoder.num_features == 24
    assert torch.allclose(features.mean(0), torch.zeros(24), atol=1e-4)
    features.square().sum().backward()
    assert all(parameter.grad is not None and bool(parameter.grad.isfinite().all()) for parameter in encoder.parameters())


def test_what_was_not_seen_tells_nothing(columns: Columns) -> None:
    encoder = TableEncoder(columns, width=8).eval()
    rows = encoder.rows(people(2))
    place = columns.places("job")[0]
    rows[0, place] = rows[1, place] = 0

    def embedded(rows: Tensor) -> Tensor:
        return encoder.embedding(rows[:, encoder.categories].long() + encoder.offsets)[:, encoder.categories.index(place)]

    assert torch.equal(embedded(rows), torch.zeros(2, 16))


def test_tables_of_one_kind_of_column() -> None:
    numbers = pd.DataFrame({"a": np.arange(9.0), "b": np.arange(9.0) ** 2})
    words = pd.DataFrame({"a": list("xyzxyzxyz")})
    for frame in (numbers, words):
        encoder = TableEncoder(Columns.fit(frame), width=8)
        assert encoder(encoder.rows(frame)).shape == (9, 8)


def test_a_fresh_one_has_the_same_shape_and_other_weights(columns: Columns) -> None:
    encoder = TableEncoder(columns, "table_resnet", width=8, depth=1)
    fresh = encoder.fresh()
    assert {k: v.shape for k, v in fresh.state_dict().items()} == {k: v.shape for k, v in encoder.state_dict().items()}
    assert not torch.equal(fresh.embedding.weight, encoder.embedding.weight)


def test_what_cannot_be(columns: Columns) -> None:
    with pytest.raises(SettingsError, match="unknown encoder of tables 'mlp'"):
        TableEncoder(columns, "mlp")
    with pytest.raises(SettingsError, match="encoder_depth is 0"):
        TableEncoder(columns, depth=0)
    with pytest.raises(InputError, match=rf"rows must have shape \(n, {len(columns)}\)"):
        TableEncoder(columns)(torch.zeros(3, 2))
    with pytest.raises(DataError, match="the table lacks the columns age"):
        TableEncoder(columns).rows(people().drop(columns=["age"]))
    with pytest.raises(
        SettingsError, match="backbone=resnet18 takes images, and these views are rows of a table: use table_mlp or table_resnet"
    ):
        build_table_encoder(ModelSettings(), columns)
