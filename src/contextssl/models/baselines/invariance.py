"""Both views of a pair are to be one point: SimCLR's contrast, or VICReg's three terms, in a projector's space."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor

from contextssl.config.settings import MethodSettings
from contextssl.errors import SettingsError
from contextssl.models.baselines.heads import projector
from contextssl.models.baselines.term import Seen, Term
from contextssl.models.objectives import nt_xent, vicreg


class Contrast(Term):
    """NT-Xent between the projections of a pair's views (Chen et al., "SimCLR", ICML 2020). Other views of an item are no negatives of it."""

    def __init__(self, feature_width: int, hidden: int, width: int, temperature: float) -> None:
        super().__init__()
        self.projector, self.embedding_width, self.temperature = projector(feature_width, hidden, width), width, temperature

    def forward(self, seen: Seen) -> dict[str, Float[Tensor, ""]]:
        z = self.projector(seen.features.flatten(0, 1)).unflatten(0, (-1, 2))
        return {"invariance": nt_xent(z, self.temperature, items=seen.batch.items)}

    def embed(self, features: Float[Tensor, "n F"]) -> Float[Tensor, "n D"]:
        return self.projector(features)


class VarianceInvarianceCovariance(Term):
    """VICReg between the projections of a pair's views (Bardes et al., ICLR 2022)."""

    def __init__(self, feature_width: int, hidden: int, width: int, coefficients: tuple[float, float, float]) -> None:
        super().__init__()
        self.projector, self.embedding_width, self.coefficients = projector(feature_width, hidden, width), width, coefficients

    def forward(self, seen: Seen) -> dict[str, Float[Tensor, ""]]:
        return vicreg(self.projector(seen.features.flatten(0, 1)).unflatten(0, (-1, 2)), *self.coefficients)

    def embed(self, features: Float[Tensor, "n F"]) -> Float[Tensor, "n D"]:
        return self.projector(features)


def coefficients_of(settings: MethodSettings) -> tuple[float, float, float]:
    """Of VICReg's three terms. Raises SettingsError where they are not three numbers."""
    given = settings.vicreg_coefficients
    if len(given) != 3:
        raise SettingsError(f"vicreg_coefficients is {list(given)}: give invariance, variance and covariance, each 0 or more")
    invariance, variance, covariance = given
    return invariance, variance, covariance
