"""Settings of an evaluation that cannot be, refused before anything is computed."""

from __future__ import annotations

from contextssl.config.evaluation_settings import EvaluateSettings
from contextssl.config.protocols import BASELINES, CLASSIFIERS
from contextssl.config.validation import checked
from contextssl.errors import SettingsError, nearest
from contextssl.evaluation.readers import HEADS


def check_settings(settings: EvaluateSettings) -> None:
    """
    Raises:
        SettingsError: for values that cannot be, naming the setting.
    """
    checked(settings)
    for what, names, known in (
        ("heads", settings.heads, HEADS),
        ("adversaries", settings.adversaries, CLASSIFIERS),
        ("baselines", settings.baselines, BASELINES),
    ):
        for name in names:
            if name not in known:
                raise SettingsError(f"{what} holds {name!r}: {nearest(name, known)} (choices: {', '.join(known)})")
    if not settings.bottleneck:
        raise SettingsError("bottleneck is []: give noise shares of 0 or more, such as [0,0.3,1.0]")
    if (settings.image_mean is None) != (settings.image_std is None):
        raise SettingsError("image_mean and image_std go together: give both or neither")
