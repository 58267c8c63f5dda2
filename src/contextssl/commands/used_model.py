"""The model and the context that a command uses."""

from __future__ import annotations

from pathlib import Path

import contextssl
from contextssl.config.use_settings import ContextSettings, UsedModelSettings
from contextssl.errors import DataError, SettingsError
from contextssl.models.contextssl import ContextSSL
from contextssl.models.model_file import SUFFIX
from contextssl.models.predictor import Context
from contextssl.named_code import own_encoder


def used_model(settings: UsedModelSettings) -> ContextSSL:
    """The model that the settings name. Raises SettingsError where none is; CheckpointError as :func:`contextssl.load`."""
    why = "name the model: a run's folder, a model file, a published checkpoint, or shapes or photos, which come with contextssl"
    return contextssl.load(
        settings.named_model(why),
        encoder=None if settings.encoder_factory is None else own_encoder(settings.encoder_factory),
        method=settings.method,
        checkpoint=settings.checkpoint,
        device=settings.accelerator,
        precision=settings.precision,
        n_head=settings.n_head,
        block_size=settings.block_size,
        image_mean=settings.image_mean,
        image_std=settings.image_std,
    )


def used_context(model: ContextSSL, settings: ContextSettings) -> Context | None:
    """The context that the settings name; None for none. Raises DataError, InputError as :meth:`ContextSSL.context` and
    :meth:`ContextSSL.load_context`, and DataError where it has fewer pairs than are asked for.
    """
    if settings.context is None:
        if given := [name for name in ("environment", "pairs") if getattr(settings, name) is not None]:
            raise SettingsError(f"{given[0]} is of a context, and there is none: give context=pairs.csv, or leave it out")
        return None
    context = context_of(model, settings.context, settings.environment)
    if settings.pairs is None:
        return context
    if settings.pairs > context.pairs:
        raise DataError(f"{settings.context} holds {context.pairs} pairs, and pairs={settings.pairs} are asked for: give fewer")
    return context.prefix(2 * settings.pairs)


def context_of(model: ContextSSL, named: str, environment: str | None) -> Context:
    """A context of a file: one that was made before, or a list of pairs."""
    path = Path(named)
    if path.suffix == SUFFIX:
        return model.load_context(path)
    return model.context(path, environment=environment)


def needed(settings: object, name: str, what: str, usage: str) -> str:
    """A setting that a command cannot do without. Raises SettingsError where it was not given."""
    value = getattr(settings, name)
    if value is None:
        raise SettingsError(f"name {what}: contextssl {usage}")
    return str(value)
