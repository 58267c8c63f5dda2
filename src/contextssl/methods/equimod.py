"""EquiMod: SimCLR's term in one projector's space, SEN's in another's."""

from __future__ import annotations

from contextssl.method import Method, Parts, PublishedRow, Terms
from contextssl.methods import sen, simclr


def terms(parts: Parts) -> Terms:
    return [*simclr.terms(parts), *sen.terms(parts)]


METHOD = Method(
    "equimod",
    "equivariance",
    terms,
    title="EquiMod",
    place=7,
    source="Devillers & Lefort, 2023",
    reads=("temperature", "projector_width", "projection_dim", "equivariance_weight"),
    published=(PublishedRow(5, "rotation", "EquiMod", 0.512, 0.097, 0.824), PublishedRow(9, "color", "EquiMod", 0.429, 0.859, 0.821)),
    published_retrieval={"EquiMod": {"mrr": 0.16, "hit@1": 0.05, "hit@5": 0.22}},
)
