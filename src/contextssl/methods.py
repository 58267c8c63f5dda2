"""The methods that can be trained and compared: what each is called and trained for. Settings read this, so it must not import torch."""

from __future__ import annotations

from dataclasses import dataclass

from contextssl.errors import SettingsError, nearest


@dataclass(frozen=True)
class Method:
    """One method.

    Args:
        name: of the setting ``method``.
        title: as papers write it.
        aim: what it is trained for: ``"context"``, ``"invariance"``, ``"equivariance"``, ``"ceiling"`` or ``"floor"``.
        contexts: whether it is the in-context model, with any objective.
        by_name: whether it is told its environment by name, in the place of a context.
        source: where it comes from.
        compared: whether a comparison that names no methods has it.
    """

    name: str
    title: str
    aim: str
    contexts: bool = False
    by_name: bool = False
    source: str = ""
    compared: bool = True

    @property
    def takes_action(self) -> bool:
        return self.aim in ("context", "equivariance")

    @property
    def trains(self) -> bool:
        return self.aim != "floor"


# In the order of a comparison's tables.
METHODS = {
    method.name: method
    for method in (
        Method("simclr", "SimCLR", "invariance", source="Chen et al., 2020"),
        Method("vicreg", "VICReg", "invariance", source="Bardes et al., 2022"),
        Method("byol", "BYOL", "invariance", source="Grill et al., 2020"),
        Method("simclr+", "SimCLR+", "invariance", True, source="Gupta et al., 2024"),
        Method("vicreg+", "VICReg+", "invariance", True, source="Gupta et al., 2024"),
        Method("sen", "SEN", "equivariance", source="Park et al., 2022"),
        Method("equimod", "EquiMod", "equivariance", source="Devillers & Lefort, 2023"),
        Method("augself", "AugSelf", "equivariance", source="Lee et al., 2021"),
        Method("sie", "SIE", "equivariance", source="Garrido et al., 2023"),
        # At the length of a comparison on a CPU it learns nothing: docs/compare.md.
        Method("seq-jepa", "seq-JEPA", "equivariance", source="Ghaemi et al., 2025", compared=False),
        Method("supervised", "supervised: class", "ceiling"),
        Method("supervised-latents", "supervised: latents", "ceiling"),
        Method("random", "untrained", "floor"),
        Method("conditional", "conditional (environment by name)", "context", by_name=True),
        Method("contextssl", "ContextSSL", "context", True, source="Gupta et al., 2024"),
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
