"""SIE: one half of the features is invariant to the action, the other equivariant."""

from __future__ import annotations

from contextssl.method import Method, Parts, PublishedRow, Terms

# Default of equivariance_weight: the smaller of the two published multiples of the invariance coefficient.
EQUIVARIANCE_WEIGHT = 0.45


def terms(parts: Parts) -> Terms:
    from contextssl.models.baselines.invariance import coefficients_of
    from contextssl.models.baselines.split import SplitInvariantEquivariant

    settings = parts.settings
    weight = EQUIVARIANCE_WEIGHT if settings.equivariance_weight is None else settings.equivariance_weight
    widths = (parts.feature_width, parts.factors.width, settings.projector_width, settings.projection_dim)
    return [SplitInvariantEquivariant(*widths, coefficients_of(settings), weight)]


METHOD = Method(
    "sie",
    "equivariance",
    terms,
    title="SIE",
    place=9,
    source="Garrido et al., 2023",
    reads=("projector_width", "projection_dim", "equivariance_weight", "vicreg_coefficients"),
    published=(PublishedRow(6, "rotation", "SIE", 0.671, 0.011, 0.773), PublishedRow(10, "color", "SIE", 0.304, 0.975, 0.703)),
)
