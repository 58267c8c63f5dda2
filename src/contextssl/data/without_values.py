"""What reads actions or factor values, which listed pairs have none of, is refused before they are opened."""

from __future__ import annotations

from typing import Any

from contextssl.errors import SettingsError
from contextssl.method import METHODS

# Settings that read factor values or actions.
READ_VALUES = ("weight_equiv_loss", "weight_inactive", "weight_labels")


def refuse_what_reads_values(settings: Any) -> None:
    """
    Raises:
        SettingsError: for a method, or a setting, that reads actions or factor values.
    """
    method = METHODS.find(settings.method)
    by_examples = "context" in method.reads
    if by_examples and settings.context != "examples":
        raise SettingsError(f"context={settings.context} needs actions, which listed pairs have none of: say context=examples")
    reads_actions = method.aim == "equivariance" or ((method.by_name or method.contexts) and not by_examples)
    if reads_actions or method.name == "supervised-latents":
        raise SettingsError(
            f"method={method.name} reads actions or factor values, which listed pairs have none of: use contextssl, or a baseline of "
            "invariance such as simclr"
        )
    for name in READ_VALUES if by_examples else ():
        if getattr(settings, name) > 0:
            raise SettingsError(
                f"{name} is {getattr(settings, name):g}: it reads factor values, which listed pairs have none of; say {name}=0"
            )
    if settings.factors is not None:
        raise SettingsError("factors: those of listed pairs are their kinds, the column environment; leave factors out")
