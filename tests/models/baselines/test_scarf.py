"""SCARF tells rows from each other, and depends on its seed alone."""

from __future__ import annotations

from pathlib import Path

import torch
import torch.nn.functional as F

from contextssl.models.baselines.scarf import train_scarf
from contextssl.models.table_encoder import TableEncoder
from tests.people import opened_people


def test_a_row_is_nearer_to_its_corruption_than_others(tmp_path: Path) -> None:
    opened = opened_people(tmp_path / "p.csv")
    views = opened.pairs["train"].views

    def trained(epochs: int) -> TableEncoder:
        torch.manual_seed(0)
        return train_scarf(TableEncoder(opened.columns, width=32), views.rows, views.rows, epochs=epochs, batch_size=64, seed=0)

    encoder = trained(15)
    assert not encoder.training
    assert torch.equal(trained(2)(views.rows[:5]), trained(2)(views.rows[:5]))
    drawn = views.corruption.redrawn_columns(views.rows, torch.Generator().manual_seed(3))

    def hits(encoder: TableEncoder) -> float:
        with torch.no_grad():
            one, other = (F.normalize(encoder(rows), dim=-1) for rows in (views.rows, drawn))
        return float(((one * other).sum(1)[:, None] > one @ other.T).float().mean())

    assert hits(encoder) > 0.8
