"""Whether what makes a step fast changes what is learned: ``python benchmarks/learning_curves.py [STEPS] [SEEDS] [key=value …]``

The paper's kind of training on small rendered shapes, from the same weights, on the same batches, by the same random numbers: in the published way
(float32, contiguous images, attention written out, Adam not fused), and as a run takes its steps, in float32 and in bf16. Prints the mean loss of
each fifth of the training with its deviation over seeds, and how far the ways of one seed are apart; at the end R² by the auxiliary head on
validation pairs. Beside it the published way with other masks and nothing else changed: what chance alone does.
"""

from __future__ import annotations

import sys
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from contextssl.bench.as_published import PublishedStep, as_read
from contextssl.bench.training_step import TrainingStep
from contextssl.config.overrides import settings_from
from contextssl.config.settings import TrainSettings
from contextssl.data.dataset import Data, open_data
from contextssl.data.pairs import spread_pairs
from contextssl.evaluation.metrics import r2_pooled
from contextssl.models.contextssl import ContextSSL
from contextssl.randomness import seeded_generator
from contextssl.system.precision import BF16, FLOAT32

SMALL = (
    *(
        "dataset=shapes",
        "classes=[sofa,laptop,camera]",
        "objects=80",
        "val_objects=20",
        "views=20",
        "resolution=32",
        "backbone=resnet_compact",
    ),
    *(
        "projection_dim=64",
        "width=128",
        "n_layer=2",
        "block_size=32",
        "batch_size=64",
        "weight_equiv_loss=20",
        "init=fan_in",
        "feature_norm=batch",
    ),
)
PARTS = 5
OTHER_MASKS = "published way, other masks"
WAYS = ("published way", OTHER_MASKS, "as a run, float32", "as a run, bf16")


def trained(way: str, settings: TrainSettings, data: Data, steps: int) -> tuple[list[float], float]:
    """The loss of each step, and R² of the latents of validation pairs by the auxiliary head, in the environment of all factors."""
    step = TrainingStep(settings, data, torch.device("cpu"), BF16 if way.endswith("bf16") else FLOAT32)
    losses = []
    take: Callable[[int], Tensor] = step.whole
    model: ContextSSL = step.model
    if way.startswith("published"):
        assert data.image_mean is not None and data.image_std is not None
        statistics = data.image_mean, data.image_std
        published = PublishedStep(step.model, step.objective, 1e-4)
        model = published.model

        def by_published(number: int) -> Tensor:
            batch = step.batch(number)
            source, target = (as_read(views, *statistics) for views in (batch.source, batch.target))
            masks = seeded_generator(settings.seed, "other masks", number) if way == OTHER_MASKS else step.generator(number)
            loss = published.loss(published.predict(published.encode(source, target), batch.active_action, masks), batch)
            published.backward(loss)
            published.update()
            return loss.detach()

        take = by_published
    for number in range(steps):
        losses.append(take(number))
    model.eval()
    batch = spread_pairs(data.val, 1024, seeded_generator(settings.seed, "validation"))
    with torch.no_grad():
        features = model.pair_features(batch.source, batch.target)
        z = model.predictor(features, batch.action)
        found = model.auxiliary_prediction(torch.nn.functional.normalize(z, dim=-1))[:, 1]
    return [float(loss) for loss in losses], float(r2_pooled(found, batch.target_latents))


def main(words: list[str]) -> None:
    steps, seeds = (int(word) for word in (*words[:2], *("300", "3")[len(words[:2]) :]))
    made: dict[str, list[np.ndarray]] = {way: [] for way in WAYS}
    scores: dict[str, list[float]] = {way: [] for way in WAYS}
    for seed in range(seeds):
        settings = settings_from("train", TrainSettings, [*SMALL, *words[2:], f"seed={seed}"])
        data = open_data(settings, progress=False)
        for way in WAYS:
            losses, score = trained(way, settings, data, steps)
            made[way].append(np.array(losses))
            scores[way].append(score)
            print(f"seed {seed}, {way}: loss {np.mean(losses[-20:]):.4f}, R² {score:.3f}", flush=True)
    print(f"\nmean loss of each fifth of {steps} steps, ± over {seeds} seeds; R² pooled of all latents")
    for way in WAYS:
        parts = np.array([[part.mean() for part in np.array_split(losses, PARTS)] for losses in made[way]])
        shown = "  ".join(f"{mean:.3f} ± {std:.3f}" for mean, std in zip(parts.mean(0), parts.std(0, ddof=seeds > 1), strict=True))
        print(f"{way:28}{shown}   R² {np.mean(scores[way]):.3f} ± {np.std(scores[way], ddof=int(seeds > 1)):.3f}")
    print("\nhow far from the published way, of the same seed: mean of the difference of each fifth, over seeds")
    for way in WAYS[1:]:
        apart = np.array(
            [[part.mean() for part in np.array_split(mine - theirs, PARTS)] for mine, theirs in zip(made[way], made[WAYS[0]], strict=True)]
        )
        r2 = np.subtract(scores[way], scores[WAYS[0]])
        shown = "  ".join(f"{mean:+.4f}" for mean in apart.mean(0))
        print(f"{way:28}{shown}   R² {r2.mean():+.3f}")


if __name__ == "__main__":
    main(sys.argv[1:])
