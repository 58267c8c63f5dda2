"""ContextSSL in a loop of one's own: model, pairs, loss, optimiser, without Lightning or Hydra. 1,250 steps, minutes on a CPU."""

from __future__ import annotations

from typing import Any

import torch

from contextssl import ContextSSL, TrainSettings
from contextssl.data.dataset import open_data
from contextssl.data.environment_mix import EnvironmentMix
from contextssl.data.pair_sampler import PairSampler
from contextssl.evaluation.metrics import r2
from contextssl.evaluation.neighbours import knn_means
from contextssl.models.encoders import build_encoder
from contextssl.training import Objective, contextssl_loss, warmup_cosine


def main(epochs: int = 100, objects: int = 200, batch_size: int = 128, seed: int = 0) -> ContextSSL:
    # Rendered objects, each seen from 50 poses under lights of 50 colours; they are rendered at the first call, into ./datasets.
    data = open_data(TrainSettings(dataset="shapes", classes=["sofa", "camera"], objects=objects, val_objects=10, resolution=32))
    # Which factors are active is drawn per sequence: the embedding is to keep those, and to lose the others.
    environments = EnvironmentMix.parse({"rotation": 0.6, "color": 0.4}, data.train.factors, scope="sequence")
    # Four pairs of an object in a batch: other views of it are negatives. Sequences of 32 pairs.
    sampler = PairSampler(data.train, environments, batch_size, block_size=64, pairs_per_item=4, seed=seed)

    torch.manual_seed(seed)
    encoder = build_encoder("resnet_compact", resolution=32, pool="flatten", feature_norm="batch")
    sizes: dict[str, Any] = {"projection_dim": 128, "width": 256, "block_size": 64, "auxiliary_width": 0}
    scales: dict[str, Any] = {"init": "fan_in", "auxiliary_scale": "sqrt_width", "image_mean": data.image_mean, "image_std": data.image_std}
    model = ContextSSL(encoder, data.train.factors, **sizes, **scales)
    # The contrastive loss between predicted and true embeddings, and the regression of the active factors.
    objective = Objective(temperature=0.1, clamp=None, auxiliary_weight=80.0)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=1e-2)
    total = epochs * sampler.steps_per_epoch
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: warmup_cosine(step, total, total // 20))
    noise = torch.Generator().manual_seed(seed)

    for epoch in range(epochs):
        for step in range(sampler.steps_per_epoch):
            losses = contextssl_loss(model, sampler.batch(epoch, step), objective, noise)
            optimizer.zero_grad()
            losses.total.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            schedule.step()
        print(f"epoch {epoch}: " + ", ".join(f"{name} {float(loss):.3f}" for name, loss in losses.parts.items()), flush=True)

    # At use: a few pairs make a context, and nearest neighbours agree in its active factors. No weight changes.
    model.eval()
    bank, asked = (
        pairs.draw(torch.arange(pairs.num_items).repeat(5), torch.Generator().manual_seed(1)) for pairs in (data.train, data.val)
    )
    for active in data.train.factors.names:
        context = model.context(bank.source[:16], bank.action[:16], bank.target[:16], environment=active)
        found = knn_means(model.embed(bank.target, context), bank.target_latents, model.embed(asked.target, context))
        places = zip(model.factors.names, model.factors.slices, strict=True)
        scores = {name: float(r2(found[:, where], asked.target_latents[:, where])) for name, where in places}
        print(f"{active} active, R² by kNN:", ", ".join(f"{name} {value:.2f}" for name, value in scores.items()))
    return model


if __name__ == "__main__":
    main()
