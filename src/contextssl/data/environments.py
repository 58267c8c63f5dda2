"""What the actions of a run tell, by its method and settings."""

from __future__ import annotations

from contextssl.config.settings import TrainSettings
from contextssl.data.environment_mix import EnvironmentMix
from contextssl.errors import SettingsError
from contextssl.factors import NO_FACTOR, FactorSpace
from contextssl.method import METHODS


def environments_of(settings: TrainSettings, factors: FactorSpace) -> EnvironmentMix:
    """What the actions of a run tell: of ContextSSL its environments; of a rival the one that it is conditioned on, all factors where none is
    named; nothing of a method that takes no action.

    Raises:
        SettingsError: for an unknown method or environment, and for a condition where the method has none.
    """
    method = METHODS.find(settings.method)
    if settings.condition is not None and (method.aim != "equivariance"):
        mend = "env_ratio says which environments it learns" if method.aim == "context" else "it takes no action"
        raise SettingsError(f"condition={settings.condition} is for methods that follow one action; {method.name} does not: {mend}")
    if method.aim == "context":
        return EnvironmentMix.parse(settings.env_ratio, factors, settings.env_per)
    told = (settings.condition or "+".join(factors.names)) if method.aim == "equivariance" else NO_FACTOR
    return EnvironmentMix.parse({told: 1.0}, factors)
