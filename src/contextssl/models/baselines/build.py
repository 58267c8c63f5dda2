"""Which terms make which method."""

from __future__ import annotations

from collections.abc import Callable

from torch import nn

from contextssl.config.settings import MethodSettings
from contextssl.errors import SettingsError
from contextssl.factors import FactorSpace
from contextssl.models.baselines.action_regression import ActionRegression
from contextssl.models.baselines.bootstrap import Bootstrap
from contextssl.models.baselines.equivariance import PredictedContrast
from contextssl.models.baselines.invariance import Contrast, VarianceInvarianceCovariance
from contextssl.models.baselines.sequence import SequencePrediction
from contextssl.models.baselines.split import SplitInvariantEquivariant
from contextssl.models.baselines.supervision import ClassSupervision, LatentSupervision
from contextssl.models.baselines.term import Term

# equivariance_weight where none is given: of SIE the smaller of its two published factors (of its invariance coefficient).
EQUIVARIANCE_WEIGHTS = {"sie": 0.45}
# ema_momentum where none is given: of BYOL and of seq-JEPA alike.
EMA_MOMENTUM = 0.996


def build_terms(
    settings: MethodSettings,
    encoder: nn.Module,
    feature_width: int,
    factors: FactorSpace,
    *,
    width: int,
    temperature: float,
    classes: int,
    pairs_per_item: int = 1,
) -> list[Term]:
    """The terms of ``settings.method``.

    Args:
        encoder: that the method trains; what follows it slowly starts as its copy.
        width: D, of projections.
        temperature: of contrastive terms.
        classes: how many the data have.
        pairs_per_item: that a batch has of each of its items.

    Raises:
        SettingsError: for coefficients that cannot be, and widths that a method cannot halve.
    """
    method, hidden, actions = settings.method, settings.projector_width, factors.width
    coefficients = vicreg_coefficients(settings)
    sizes = (("projection_dim", width), ("projector_width", hidden), ("sequence_layers", settings.sequence_layers))
    for name, value in (*sizes, ("sequence_heads", settings.sequence_heads)):
        if value < 1:
            raise SettingsError(f"{name} is {value}: it must be at least 1")
    weight = settings.equivariance_weight
    weight = EQUIVARIANCE_WEIGHTS.get(method, 1.0) if weight is None else weight
    if weight < 0:
        raise SettingsError(f"equivariance_weight is {weight}: it must be 0 or more")
    momentum = EMA_MOMENTUM if settings.ema_momentum is None else settings.ema_momentum
    if not 0 <= momentum < 1:
        raise SettingsError(f"ema_momentum is {momentum}: the share of its old weights that a follower keeps lies from 0 to below 1")

    def contrast() -> Term:
        return Contrast(feature_width, hidden, width, temperature)

    def predicted() -> Term:
        return PredictedContrast(feature_width, actions, hidden, width, temperature, weight)

    made: dict[str, Callable[[], list[Term]]] = {
        "simclr": lambda: [contrast()],
        "vicreg": lambda: [VarianceInvarianceCovariance(feature_width, hidden, width, coefficients)],
        "byol": lambda: [Bootstrap(encoder, feature_width, hidden, width, momentum)],
        "sen": lambda: [predicted()],
        "equimod": lambda: [contrast(), predicted()],
        "augself": lambda: [contrast(), ActionRegression(feature_width, factors, hidden, weight)],
        "sie": lambda: [SplitInvariantEquivariant(feature_width, actions, hidden, width, coefficients, weight)],
        "seq-jepa": lambda: [
            SequencePrediction(
                encoder,
                feature_width,
                factors,
                hidden,
                settings.sequence_layers,
                settings.sequence_heads,
                momentum,
                pairs_per_item,
            )
        ],
        "supervised": lambda: [ClassSupervision(feature_width, classes)],
        "supervised-latents": lambda: [LatentSupervision(feature_width, factors, hidden)],
        "random": list,
    }
    return made[method]()


def vicreg_coefficients(settings: MethodSettings) -> tuple[float, float, float]:
    """
    Raises:
        SettingsError: where they are not three numbers of 0 or more.
    """
    given = settings.vicreg_coefficients
    if len(given) != 3 or min(given) < 0:
        raise SettingsError(f"vicreg_coefficients is {list(given)}: give invariance, variance and covariance, each 0 or more")
    invariance, variance, covariance = given
    return invariance, variance, covariance
