"""Trains and writes a model that comes with the package, and its card: python benchmarks/shipped_models.py shapes|photos [FOLDER] [train=false]

FOLDER keeps the run (default: runs/shipped_NAME); a run that is there is resumed, or taken as it is with train=false. For photos the images lie in
cifar10_images/train and /test (a link will do). Writes src/contextssl/shipped/NAME.safetensors and NAME.md.
"""

from __future__ import annotations

import shlex
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import contextssl
from contextssl.checkpoints import SHIPPED, read
from contextssl.checkpoints.loading import load
from contextssl.cli import main as contextssl_command
from contextssl.config.settings import TrainSettings
from contextssl.data.dataset import open_data
from contextssl.data.environments import environments_of
from contextssl.models.by_examples import ByExamples
from contextssl.models.model_file import write_model
from contextssl.records.results import ResultRow, read_results
from contextssl.system.files import readable_bytes, write_text
from contextssl.training.carried_views import DrawnViews


@dataclass(frozen=True)
class Shipped:
    """A model that comes with the package.

    Args:
        train: the words of its training, but run_dir.
        evaluate, check: of the evaluation of its card, and of the small one that the tests repeat.
        effect: the metric of how far a factor moves embeddings: shares of variance where items have many views, else sensitivity.
        data, limits, licence: what the card says of its data, of what it cannot do, and of the rights.
    """

    train: str
    evaluate: str
    check: str
    effect: str
    data: str
    limits: str
    licence: str


# What a table calls an effect, before the factor, and what it is.
EFFECTS = {
    "variance_share": ("share of", "Share: the part of the embeddings' variance that the factor explains."),
    "sensitivity": (
        "sensitivity to",
        "Sensitivity: squared distance between views that differ in the factor alone, over that of different items.",
    ),
}
LENGTHS = "train_views=5 probe_views=4 bottleneck=[0]"
MODELS = {
    "shapes": Shipped(
        "experiment=shapes_examples classes=[sofa,laptop,camera,ship,teapot,aeroplane,car,chair,mug,lamp] objects=900 epochs=30 warmup_epochs=0.5 "
        "log_interval=5",
        f"objects=100 val_objects=20 eval_ctxt=[0,2,14,62] contexts=5 {LENGTHS}",
        f"objects=30 val_objects=5 eval_ctxt=[0,14] contexts=2 {LENGTHS}",
        "variance_share",
        "Objects of ten classes (sofa, laptop, camera, ship, teapot, aeroplane, car, chair, mug, lamp), made and rendered by contextssl at 32 px: "
        "9,000 objects in 25 poses, each in two of 25 colours of floor and light. Nothing of it comes from elsewhere.",
        "It knows rendered objects on a floor, of 32 px; of photos it has seen none. What examples say to ignore no longer affects distances and "
        "neighbours, but ridge regression without noise still predicts it. With examples of the same object alone, part of the rotation stays.",
        "MIT, as the package",
    ),
    "photos": Shipped(
        "dataset=images data_dir=cifar10_images/train context=examples factors=[color,rotate,blur,crop] val_fraction=0.5 epochs=5 "
        "warmup_epochs=0.2 save_interval=1",
        "data_dir=cifar10_images/train eval_ctxt=[0,14,62] contexts=3 train_items=1000 items=500 train_views=4 probe_views=4 bottleneck=[0]",
        "data_dir=cifar10_images/train eval_ctxt=[0,14] contexts=2 train_items=200 items=100 train_views=4 probe_views=4 bottleneck=[0]",
        "sensitivity",
        "25,000 of the 50,000 training photos of CIFAR-10 (Krizhevsky, 2009), 32 px, without labels; each is shown under changes of colour, "
        "rotation, blur and crop.",
        "It knows photos of ten kinds of things at 32 px; larger ones are scaled down. Changes of colour, rotation and blur are read from "
        "examples, of crop in part. Its own task was to tell 25,000 photos apart: nearest neighbours share a class rarely.",
        "MIT for the weights; the photos are CIFAR-10's, which names no licence",
    ),
}


def main(name: str, folder: str | None = None, *words: str) -> None:
    model = MODELS[name]
    run = Path(folder or f"runs/shipped_{name}")
    if "train=false" not in words:
        there = (run / "checkpoints/last.ckpt").is_file()
        command("train", *([f"resume={run}"] if there else [*shlex.split(model.train), f"run_dir={run}"]))
    write(name, run)
    about = read_results(run)[0]
    tables = {what: evaluated(name, getattr(model, what), run.parent / f"{run.name}_{what}") for what in ("evaluate", "check")}
    write_text(SHIPPED / f"{name}.md", card(name, model, about, tables))
    print(f"{SHIPPED / name}.safetensors: {readable_bytes((SHIPPED / f'{name}.safetensors').stat().st_size)}")


def command(*words: str) -> None:
    print("contextssl", *words, flush=True)
    if contextssl_command(words):
        raise SystemExit(f"contextssl {' '.join(words)} failed")


def write(name: str, run: Path) -> None:
    """The weights in float16, and views that are carried of contexts of one factor alone and of the object, which describe a context too."""
    trained = load(run, device="cpu")
    assert isinstance(trained, ByExamples) and trained.recipe is not None
    settings = TrainSettings(**trained.recipe["settings"])
    drawn = DrawnViews.draw(open_data(settings).train, environments_of(settings, trained.factors).environments, settings.seed)
    assert drawn is not None
    trained.carried = drawn.encoded(trained)
    write_model(trained, SHIPPED / f"{name}.safetensors")
    read(SHIPPED / f"{name}.safetensors")


def evaluated(name: str, words: str, folder: Path) -> list[ResultRow]:
    """The rows of geometry of the shipped weights."""
    command("evaluate", "geometry", name, *shlex.split(words), f"run_dir={folder}")
    return [
        row for row in read_results(folder)[1] if row.protocol == "geometry" and row.representation == "embedding" and not row.bottleneck
    ]


def card(name: str, model: Shipped, about: dict[str, Any], tables: dict[str, list[ResultRow]]) -> str:
    loaded = contextssl.load(name, device="cpu")
    size = readable_bytes((SHIPPED / f"{name}.safetensors").stat().st_size)
    shape = "×".join(map(str, loaded.view_shape or ()))
    weights = sum(parameter.numel() for parameter in loaded.parameters())
    made = f"{about['seconds'] / 60:.0f} minutes, {about['steps']:,} steps, {about['images']:,} images"
    where = f"{about['machine']}, {about['threads']} thread(s), torch {about['torch']}, commit {about['commit']}, seed {about['seed']}"
    return f"""---
library_name: contextssl
license: mit
tags: [self-supervised-learning, in-context-learning, equivariance]
---

# {name}: a small model of contextssl

Shown a few pairs of images that count as the same, it embeds images so that what differs within the pairs does not count, and what they share does
(in-context symmetries, [arXiv 2405.18193](https://arxiv.org/abs/2405.18193), with contexts of examples).

```python
import contextssl

model = contextssl.load("{name}")
z = model.embed("path/to/images", model.context("pairs.csv"))
```

- **Data.** {model.data}
- **Factors.** {", ".join(loaded.factors.names)}.
- **Images** of {shape}; embeddings of {loaded.projection_dim} numbers; contexts of up to {loaded.longest_context // 2} pairs.
- **Size.** {weights:,} weights, float16, {size}.
- **Training.** {made}; {about["date"]}, {where}. One run; the last checkpoint; no setting was chosen on the numbers below.
- **Limits.** {model.limits}
- **Licence.** {model.licence}.

## Made by

```sh
python benchmarks/shipped_models.py {name}
```

which is `contextssl train {model.train}`, then the weights rounded to float16, then the evaluations below of the rounded weights.

## Results

`contextssl evaluate geometry {name} {model.evaluate}` ({time.strftime("%Y-%m-%d")}); items that training did not see.

{table(tables["evaluate"], model.effect)}

{EFFECTS[model.effect][1]} R² by kNN: how well a view's nearest neighbours give the factor. Floor: what no information gives.

## Check

The tests repeat this smaller evaluation: `contextssl evaluate geometry {name} {model.check}`

{table(tables["check"], model.effect)}
"""


def table(rows: Sequence[ResultRow], effect: str) -> str:
    """A line for each context: how far each factor moves embeddings, and what nearest neighbours give."""
    factors = [factor for factor in dict.fromkeys(row.factor for row in rows if row.factor) if factor != "class"]
    columns: list[tuple[str, str | None, str | None, str]] = [
        (effect, None, factor, f"{EFFECTS[effect][0]} {factor}") for factor in (*factors, "class")
    ]
    columns += [("r2_pooled", "knn", factor, f"R² of {factor} by kNN") for factor in factors] + [("accuracy", "knn", None, "class by kNN")]
    found: dict[tuple[Any, ...], ResultRow] = {}
    for row in rows:
        found.setdefault((row.metric, row.head, row.factor if row.metric != "accuracy" else None, row.environment, row.length), row)
    columns = [column for column in columns if any(key[:3] == column[:3] for key in found)]
    lines = [f"| pairs that share | {' | '.join(title for *_, title in columns)} |", f"|{'---|' * (len(columns) + 1)}"]
    for environment, length in dict.fromkeys((row.environment, row.length) for row in rows):
        cells = [found.get((*column[:3], environment, length)) for column in columns]
        context = "none given" if not length else f"{environment or ''}, {length // 2}"
        lines.append(f"| {context} | {' | '.join('' if cell is None else f'{cell.mean:.3f}' for cell in cells)} |")
    first = [next((row for key, row in found.items() if key[:3] == column[:3]), None) for column in columns]
    floors = ["" if row is None or row.floor is None else f"{row.floor:.2f}" for row in first]
    return "\n".join([*lines, f"| floor | {' | '.join(floors)} |"])


if __name__ == "__main__":
    main(*sys.argv[1:])
