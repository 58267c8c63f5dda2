"""VICReg: invariance between two views of an item, variance and decorrelation of the embedding's dimensions."""

from __future__ import annotations

from contextssl.method import Method, Parts, PublishedRow, Terms


def terms(parts: Parts) -> Terms:
    from contextssl.models.baselines.invariance import VarianceInvarianceCovariance, coefficients_of

    settings = parts.settings
    return [VarianceInvarianceCovariance(parts.feature_width, settings.projector_width, settings.projection_dim, coefficients_of(settings))]


METHOD = Method(
    "vicreg",
    "invariance",
    terms,
    title="VICReg",
    place=2,
    source="Bardes et al., 2022",
    reads=("projector_width", "projection_dim", "vicreg_coefficients"),
    published=(PublishedRow(3, "invariance", "VICReg", 0.371, 0.023, 0.763),),
)
