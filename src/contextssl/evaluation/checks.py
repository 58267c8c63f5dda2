"""Settings of an evaluation that cannot be, refused before anything is computed."""

from __future__ import annotations

from contextssl.config.evaluation_settings import EvaluateSettings
from contextssl.config.validation import checked
from contextssl.errors import SettingsError, nearest
from contextssl.evaluation.protocols import BASELINES, CLASSIFIERS
from contextssl.evaluation.readers import HEADS


def check_settings(settings: EvaluateSettings) -> None:
    """
    Raises:
        SettingsError: for values that cannot be, naming the setting.
    """
    checked(settings)
    for name in ("contexts", "epochs", "batch_size", "neighbours", "sensitivity_views"):
        value = getattr(settings, name)
        if value is not None and value < 1:
            raise SettingsError(f"{name} is {value}: it must be at least 1")
    for name in ("train_views", "train_items", "probe_views", "items", "queries", "sensitivity_items"):
        if getattr(settings, name) < 0:
            raise SettingsError(f"{name} is {getattr(settings, name)}: it must be 0 (all) or more")
    if not settings.cache_gb > 0:
        raise SettingsError(f"cache_gb is {settings.cache_gb}: it must be above 0; cache=false keeps nothing on disk")
    for name, choices in (("sources", ("all", "first", "published")), ("pairs", ("fixed", "fresh"))):
        if getattr(settings, name) not in choices:
            raise SettingsError(f"{name} is {getattr(settings, name)!r}: use {', '.join(choices)}")
    if settings.learning_rate <= 0:
        raise SettingsError(f"learning_rate is {settings.learning_rate}: it must be above 0")
    for what, names, known in (("adversaries", settings.adversaries, CLASSIFIERS), ("baselines", settings.baselines, BASELINES)):
        for name in names:
            if name not in known:
                raise SettingsError(f"{what} holds {name!r}: {nearest(name, known)} (choices: {', '.join(known)})")
    if settings.forget_bottleneck is not None and min(settings.forget_bottleneck, default=0.0) < 0:
        raise SettingsError(f"forget_bottleneck is {settings.forget_bottleneck}: noise shares are 0 or more")
    for head in settings.heads:
        if head not in HEADS:
            raise SettingsError(f"unknown head {head!r}: {nearest(head, HEADS)} (choices: {', '.join(HEADS)})")
    if not settings.bottleneck or min(settings.bottleneck) < 0:
        raise SettingsError(f"bottleneck is {settings.bottleneck}: give noise shares of 0 or more, such as [0,0.3,1.0]")
    if (settings.image_mean is None) != (settings.image_std is None):
        raise SettingsError("image_mean and image_std go together: give both or neither")
    if settings.split not in ("val", "train", "test"):
        raise SettingsError(f"split is {settings.split!r}: use val, train or test")
