"""A folder of listed pairs out of rendered shapes: images and pairs.csv, nothing else. No factor value leaves this script.

    python examples/shapes_as_pairs.py datasets/pairs objects=80
    contextssl data check datasets/pairs
    contextssl train dataset=pairs data_dir=datasets/pairs epochs=1 warmup_epochs=0.1 run_dir=runs/shapes_as_pairs
    contextssl evaluate partners runs/shapes_as_pairs

Each object is rendered in 25 poses, each in two of 25 colours, and each colour in two poses: 25 pairs of the same pose in two colours, and 25
of the same colour in two poses. Settings of dataset=shapes can be given: classes=[sofa,ship] objects=80 val_objects=10 resolution=32 data_seed=1.
"""

from __future__ import annotations

import csv
import sys
from itertools import combinations
from pathlib import Path

import numpy as np
from PIL import Image

from contextssl.config.overrides import settings_from
from contextssl.config.settings import TrainSettings
from contextssl.data.dataset import open_data
from contextssl.data.pairs import PairSource
from contextssl.data.views import Views

COLUMNS = ("first", "second", "environment", "item", "label", "split")
KINDS = {"rotation": "same_pose", "color": "same_colour"}


def write(source: PairSource, split: str, folder: Path) -> list[list[str]]:
    """The images of a split, and the rows of its pairs."""
    views = source.views
    assert isinstance(views, Views)
    rows = []
    for item, latents in enumerate(views.latents):
        name = f"{split}/{item:05d}"
        (folder / name).mkdir(parents=True, exist_ok=True)
        for view, pixels in enumerate(views.images[item]):
            Image.fromarray(pixels).save(folder / name / f"{view:02d}.png")
        label = views.class_names[int(views.labels[item])]
        for one, two in combinations(range(views.num_views), 2):
            blocks = {factor: views.factors.slice(factor) for factor in KINDS}
            shared = [factor for factor, block in blocks.items() if np.array_equal(latents[one, block], latents[two, block])]
            if len(shared) == 1:
                rows.append([f"{name}/{one:02d}.png", f"{name}/{two:02d}.png", KINDS[shared[0]], name, label, split])
    return rows


def main(folder: Path, words: list[str]) -> None:
    settings = settings_from("train", TrainSettings, ["experiment=shapes_examples", *words])
    data = open_data(settings)
    rows = [row for split in ("train", "val") for row in write(data.split(split), split, folder)]
    with (folder / "pairs.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([COLUMNS, *rows])
    print(f"{folder / 'pairs.csv'}: {len(rows):,} pairs")


if __name__ == "__main__":
    if len(sys.argv) < 2 or "=" in sys.argv[1]:
        sys.exit("say where to write: python examples/shapes_as_pairs.py FOLDER [objects=100 …]")
    main(Path(sys.argv[1]), sys.argv[2:])
