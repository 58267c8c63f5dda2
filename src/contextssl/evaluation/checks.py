"""Invalid settings of an evaluation, refused before anything is computed."""

from __future__ import annotations

from collections.abc import Sequence

from contextssl.config.evaluation_settings import BASELINES, CLASSIFIERS, EvaluateSettings
from contextssl.config.own_settings import check_own, declared_by
from contextssl.config.validation import checked
from contextssl.errors import SettingsError, nearest
from contextssl.protocol import Protocol


def check_settings(settings: EvaluateSettings, protocols: Sequence[Protocol]) -> None:
    """
    Args:
        protocols: to be run.

    Raises:
        SettingsError: for invalid values, naming the setting.
    """
    checked(settings)
    check_own(settings, [*declared_by(settings), *(protocol.settings for protocol in protocols if protocol.settings is not None)])
    for what, names, known in (
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
