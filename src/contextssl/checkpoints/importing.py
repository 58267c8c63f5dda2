"""A published checkpoint as a model file of ours, which every command takes without being told its sizes again."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import torch

from contextssl.checkpoints.content import FORMAT
from contextssl.checkpoints.loading import load
from contextssl.config.settings import TrainSettings
from contextssl.errors import CheckpointError
from contextssl.models.contextssl import ContextSSL
from contextssl.models.hub import write_files
from contextssl.models.published_weights import backbone_of
from contextssl.system.files import atomic_folder
from contextssl.version import __version__

# Images by which the written model is compared with the one that was read.
COMPARED = 4


def import_published(model: ContextSSL, out: Path) -> None:
    """Writes a model of the published format, as :func:`contextssl.load` gives it, to a folder; its weights are not rounded.

    Raises:
        CheckpointError: for a model that is ours already, or where what was written gives other embeddings.
        DataError: where it cannot be written.
    """
    if model.recipe is not None:
        raise CheckpointError("this is a model of contextssl already: contextssl.load takes it as it is")
    model.recipe = recipe_of_published(model)
    with atomic_folder(out, out.parent / f".{out.name}.importing") as folder:
        write_files(model, folder, half=False)
        images = torch.randint(0, 256, (COMPARED, *(model.view_shape or ())), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
        again = load(folder, device=model.device.type).embed(images)
        if not torch.allclose(again, model.embed(images), rtol=1e-4, atol=1e-5):
            raise CheckpointError("the imported model gives other embeddings than the checkpoint: it was not written")


def recipe_of_published(model: ContextSSL) -> dict[str, object]:
    """Plain values that rebuild it: the paper's settings, with the sizes that its tensors have."""
    sizes = model.architecture()
    first = next(model.encoder.parameters())
    settings = TrainSettings(
        backbone=backbone_of(model.encoder.state_dict()),
        stem="default" if first.shape[-1] == 7 else "small",
        projection_dim=sizes["projection_dim"],
        width=sizes["width"],
        n_layer=sizes["n_layer"],
        n_head=sizes["n_head"],
        block_size=sizes["block_size"],
        auxiliary_width=sizes["auxiliary_width"],
    )
    return {
        "format": FORMAT,
        "version": __version__,
        "settings": dataclasses.asdict(settings),
        "factors": model.factors.to_dict(),
        "view_shape": list(model.view_shape or ()),
        "image_mean": sizes["image_mean"],
        "image_std": sizes["image_std"],
        "columns": None,
        "labels": None,
        "class_names": [],
        "data": {"kind": "3diebench", "places": {}},
        "encoder": None,
        "feature_width": model.feature_width,
    }
