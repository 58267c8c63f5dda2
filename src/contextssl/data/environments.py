"""The environments of a run, by its method and settings."""

from __future__ import annotations

from contextssl.config.settings import TrainSettings
from contextssl.data.environment_mix import EnvironmentMix
from contextssl.errors import SettingsError
from contextssl.factors import NO_FACTOR, FactorSpace
from contextssl.method import METHODS


def environments_of(settings: TrainSettings, factors: FactorSpace) -> EnvironmentMix:
    """The environments that a run is trained on: of ContextSSL those of the settings; of a baseline the one that it is conditioned on (default:
    all factors are active); ``none`` for a method without actions. Raises SettingsError for an unknown method or environment, and for a condition
    where the method has none.
    """
    method = METHODS.find(settings.method)
    condition = settings.condition
    if condition is not None and method.aim != "equivariance":
        fix = "env_ratio says which environments it learns" if method.aim == "context" else "it takes no action"
        raise SettingsError(f"condition={condition} is for methods that are conditioned on one action; {method.name} is not: {fix}")
    if method.aim == "context":
        # Where an example's views differ in all factors but one, those of one photo are too hard to tell from another's (docs/results.md).
        all_but_one = settings.context == "examples" and factors.has_values
        return EnvironmentMix.parse(settings.env_ratio, factors, settings.env_per, all_but_one=all_but_one)
    active = (condition or "+".join(factors.names)) if method.aim == "equivariance" else NO_FACTOR
    return EnvironmentMix.parse({active: 1.0}, factors)
