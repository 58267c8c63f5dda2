"""``contextssl embed``: embeddings of images, in a file."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor

from contextssl.commands.used_model import needed, used_context, used_model
from contextssl.config.use_settings import EmbedSettings
from contextssl.data.given_actions import read_actions
from contextssl.data.given_images import Chunk, GivenImages, Unreadable
from contextssl.data.tables import is_table_file
from contextssl.errors import DataError, SettingsError
from contextssl.models.contextssl import ContextSSL
from contextssl.models.predictor import Context
from contextssl.records.embeddings_file import check_suffix, embeddings_file
from contextssl.system.console import warn
from contextssl.system.progress import Meter
from contextssl.version import __version__

# Names of images that cannot be read, in the warning.
SHOWN = 5


def run_embed(settings: EmbedSettings) -> int:
    images = needed(settings, "images", "the images", "embed MODEL IMAGES")
    out = Path(settings.out)
    check_suffix(out)
    model = used_model(settings)
    context = used_context(model, settings)
    if settings.representation == "feature" and (context is not None or settings.actions is not None):
        raise SettingsError("representation=feature is the encoder's output, which no context and no action changes: leave them out")
    given = given_of(model, images, settings.batch_size, cast(Unreadable, settings.unreadable))
    actions = None
    if settings.actions is not None:
        if not model.reads_actions:
            raise SettingsError(
                "actions are of a model that predicts, and this one was trained with context=examples, without any: leave them out"
            )
        actions = read_actions(Path(settings.actions), model.factors, given.names, given.count or 0)
    made_by = {**model.embedding_of(context, actions), "representation": settings.representation}
    made_from = None if given.digest is None else _made_from(settings, model, made_by, given.digest)
    parts = -(-(given.count or 0) // settings.batch_size)
    with embeddings_file(out, made_from) as file:
        there = [number for number in range(parts) if file.done(number)]
        if there:
            print(f"{len(there)} of {parts} parts were made before: going on", file=sys.stderr)
        left = given.without(there)
        with Meter("embedding", left.count or 0, "images", show=settings.progress) as meter:
            for number, chunk in zip((n for n in range(parts) if n not in there), left, strict=True):
                own = None if actions is None else _of_chunk(actions, given, chunk, number * settings.batch_size)
                file.add(number, chunk.names, _vectors(model, context, chunk, settings.representation, own), chunk.skipped)
                meter.advance(len(chunk.names) + len(chunk.skipped))
        count, skipped = file.finish(parts, made_by)
    if skipped:
        more = f" and {len(skipped) - SHOWN} more" if len(skipped) > SHOWN else ""
        names = ", ".join(name for name, _ in skipped[:SHOWN])
        warn(f"{len(skipped)} images cannot be read and were left out: {names}{more} ({skipped[0][1]})")
    if not count:
        raise DataError(f"none of the images of {images} can be read: check the folder")
    print(
        f"{out}: {count:,} embeddings of {model.projection_dim if settings.representation == 'embedding' else model.feature_width} numbers"
    )
    return 0


def given_of(model: ContextSSL, images: str, batch_size: int | None = None, unreadable: Unreadable = "refuse") -> GivenImages:
    """What a path names: images, or of a model of tables the rows of a file."""
    if model.columns is None:
        if is_table_file(Path(images)):
            raise DataError(f"{images} is a table, and this model takes images: name a folder of them")
        return model.given(images, batch_size, unreadable)
    from contextssl.data.tables.table_file import read_file

    return model.given(read_file(Path(images)), batch_size)


def _of_chunk(actions: Tensor, given: GivenImages, chunk: Chunk, first: int) -> Tensor:
    """Those of a chunk's images, without those that were left out."""
    whole = actions[first : first + len(chunk.names) + len(chunk.skipped)]
    if not chunk.skipped or given.names is None:
        return whole
    kept = {*chunk.names}
    return whole[[number for number, name in enumerate(given.names[first : first + len(whole)]) if name in kept]]


def _vectors(model: ContextSSL, context: Context | None, chunk: Chunk, representation: str, actions: Tensor | None) -> Any:
    if not len(chunk.images):
        z = torch.zeros(0, model.projection_dim if representation == "embedding" else model.feature_width)
    else:
        features = model.encode(chunk.images, progress=False)
        z = features if representation == "feature" else model.embed_features(features, context, actions)
    return z.float().cpu().numpy()


def _made_from(settings: EmbedSettings, model: ContextSSL, made_by: Mapping[str, Any], images: str) -> dict[str, Any]:
    """All that the numbers depend on."""
    names = ("unreadable", "batch_size", "precision")
    return {
        **made_by,
        "version": __version__,
        "images": images,
        "device": model.device.type,
        **{name: getattr(settings, name) for name in names},
    }
