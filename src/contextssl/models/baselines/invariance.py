"""Both views of a pair are to be one point: SimCLR's contrast, or VICReg's three terms, in a projector's space."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor

from contextssl.config.settings import MethodSettings
from contextssl.errors import SettingsError
from contextssl.models.baselines.term import Projected, Seen
from contextssl.models.contrast import nt_xent
from contextssl.models.objectives import vicreg


class Contrast(Projected):
    """NT-Xent between the projections of a pair's views (Chen et al., "SimCLR", ICML 2020). Other views of an item are no negatives of it."""

    def __init__(self, feature_width: int, hidden: int, width: int, temperature: float) -> None:
        super().__init__(feature_width, hidden, width)
        self.temperature = temperature

    def forward(self, seen: Seen) -> dict[str, Float[Tensor, ""]]:
        return {"invariance": nt_xent(self.projections(seen), self.temperature, items=seen.batch.items, whole=seen.whole)}


class VarianceInvarianceCovariance(Projected):
    """VICReg between the projections of a pair's views (Bardes et al., ICLR 2022)."""

    def __init__(self, feature_width: int, hidden: int, width: int, coefficients: tuple[float, float, float]) -> None:
        super().__init__(feature_width, hidden, width)
        self.coefficients = coefficients

    def forward(self, seen: Seen) -> dict[str, Float[Tensor, ""]]:
        return vicreg(self.projections(seen), *self.coefficients)


def coefficients_of(settings: MethodSettings) -> tuple[float, float, float]:
    """Of VICReg's three terms. Raises SettingsError where they are not three numbers."""
    match settings.vicreg_coefficients:
        case [invariance, variance, covariance]:
            return invariance, variance, covariance
        case given:
            raise SettingsError(f"vicreg_coefficients is {list(given)}: give invariance, variance and covariance, each 0 or more")
