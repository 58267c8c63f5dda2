"""A small explorer of toy views, and the run of rendered shapes that the others are made of."""

from __future__ import annotations

from pathlib import Path

import torch

from contextssl.cli import main
from contextssl.data.pairs import ViewPairs
from contextssl.explorer.answers import Explorer
from contextssl.explorer.kinds import kinds_of
from contextssl.explorer.shown_views import views_of_bank
from contextssl.models.by_examples import ByExamples
from contextssl.models.carried_views import CarriedViews
from tests.evaluation.tiny import FACTORS, SIZE, tiny_model, views_of

# A model of seconds: what it has learned does not matter here, only that its answers are its own.
# fmt: off
TRAIN = [
    "dataset=shapes", "classes=2", "objects=6", "val_objects=3", "grid={rotation:3,color:3}", "resolution=16", "backbone=resnet_compact",
    "context=examples", "env_ratio={rotation:0.4,color:0.4,none:0.2}", "epochs=1", "warmup_epochs=0", "batch_size=8", "pairs_per_item=2",
    "width=32", "n_layer=1", "projection_dim=16", "auxiliary_width=16", "block_size=18", "log_interval=1", "val_pairs=8", "eval_ctxt=[0,6]",
    "accelerator=cpu", "progress=false",
]
# fmt: on


def tiny_explorer(items: int = 4, block_size: int = 16) -> Explorer:
    """Toy views of 3 poses × 3 colours an item, and a model of seeded weights that carries views."""
    model = tiny_model(kind=ByExamples, block_size=block_size)
    assert isinstance(model, ByExamples)
    generator = torch.Generator().manual_seed(0)
    pairs = {name: torch.randn(6, 2, 12, generator=generator) for name in FACTORS.names}
    model.carried = CarriedViews(pairs, torch.randn(6, 2, 12, generator=generator), {"none": torch.randn(3, 2, 12, generator=generator)})
    model.view_shape = (3, SIZE, SIZE)
    shown = views_of_bank(views_of(items, grid=(3, 3)), "val", 100)
    environments = [FACTORS.environment(name) for name in ("rotation", "color", "none", "rotation+color")]
    kinds = kinds_of(ViewPairs(views_of(8, split="train", grid=(3, 3))), environments, 7)
    return Explorer(model, shown, kinds, about="toy views", name="toy")


def trained(folder: Path) -> Path:
    """The run, in a folder of its own."""
    assert main(["train", *TRAIN, f"run_dir={folder / 'run'}", f"data_dir={folder / 'store'}"]) == 0
    return folder / "run"
