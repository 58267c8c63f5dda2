"""The methods that can be trained and compared: what each is called, what it is trained for, and what its actions tell."""

from __future__ import annotations

from dataclasses import dataclass

from contextssl.config.settings import TrainSettings
from contextssl.errors import SettingsError, nearest
from contextssl.factors import NO_FACTOR, FactorSpace
from contextssl.pairs import EnvironmentMix


@dataclass(frozen=True)
class Method:
    """One method.

    Args:
        name: of the setting ``method``.
        title: as papers write it.
        aim: what it is trained for: ``"context"``, ``"invariance"``, ``"equivariance"``, ``"ceiling"`` or ``"floor"``.
        contexts: whether it is the in-context model, with any objective.
        source: where it comes from.
    """

    name: str
    title: str
    aim: str
    contexts: bool = False
    source: str = ""

    @property
    def takes_action(self) -> bool:
        return self.aim in ("context", "equivariance")

    @property
    def trains(self) -> bool:
        return self.aim != "floor"


METHODS = {
    method.name: method
    for method in (
        Method("contextssl", "ContextSSL", "context", True, "Gupta et al., 2024"),
        Method("simclr", "SimCLR", "invariance", source="Chen et al., 2020"),
        Method("vicreg", "VICReg", "invariance", source="Bardes et al., 2022"),
        Method("byol", "BYOL", "invariance", source="Grill et al., 2020"),
        Method("simclr+", "SimCLR+", "invariance", True, "Gupta et al., 2024"),
        Method("vicreg+", "VICReg+", "invariance", True, "Gupta et al., 2024"),
        Method("sen", "SEN", "equivariance", source="Park et al., 2022"),
        Method("equimod", "EquiMod", "equivariance", source="Devillers & Lefort, 2023"),
        Method("augself", "AugSelf", "equivariance", source="Lee et al., 2021"),
        Method("sie", "SIE", "equivariance", source="Garrido et al., 2023"),
        Method("seq-jepa", "seq-JEPA", "equivariance", source="Ghaemi et al., 2025"),
        Method("supervised", "supervised: class", "ceiling"),
        Method("supervised-latents", "supervised: latents", "ceiling"),
        Method("random", "untrained", "floor"),
    )
}


def method_of(name: str) -> Method:
    """
    Raises:
        SettingsError: for an unknown method, naming the nearest.
    """
    if name not in METHODS:
        raise SettingsError(f"unknown method {name!r}: {nearest(name, METHODS)}")
    return METHODS[name]


def environments_of(settings: TrainSettings, factors: FactorSpace) -> EnvironmentMix:
    """What the actions of a run tell: of ContextSSL its environments; of a rival the one that it is conditioned on, all factors where none is
    named; nothing of a method that takes no action.

    Raises:
        SettingsError: for an unknown method or environment, and for a condition where the method has none.
    """
    method = method_of(settings.method)
    if settings.condition is not None and (method.aim != "equivariance"):
        mend = "env_ratio says which environments it learns" if method.aim == "context" else "it takes no action"
        raise SettingsError(f"condition={settings.condition} is for methods that follow one action; {method.name} does not: {mend}")
    if method.aim == "context":
        return EnvironmentMix.parse(settings.env_ratio, factors, settings.env_per)
    told = (settings.condition or "+".join(factors.names)) if method.aim == "equivariance" else NO_FACTOR
    return EnvironmentMix.parse({told: 1.0}, factors)
