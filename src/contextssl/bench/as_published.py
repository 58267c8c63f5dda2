"""How the published code spends its time, re-created: the same mathematics, done the way that it does it. For comparison alone.

What it does otherwise than this package: a view is two small files, read when it is needed; images are contiguous float32; who may attend to whom is
found by loops in Python on every call; attention is written out; every meter is read on the host in every step; the optimiser is not fused; and an
evaluation encodes all views again in every epoch of a probe, in every context, whose keys and values are copied for every row, and ranks one query
at a time. Sources: the published code of Gupta et al. (2024), and for reading that of SIE (Garrido et al., 2023).
"""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from PIL import Image
from scipy.spatial.transform import Rotation
from torch import Tensor

from contextssl.data.pairs import PairBatch
from contextssl.models.contextssl import ContextSSL
from contextssl.models.predictor import Block
from contextssl.training.loss import Objective

# How many numbers its loop reads on the host in every step.
METERS = 17


def as_read(images: Tensor, mean: Sequence[float], std: Sequence[float]) -> Tensor:
    """Images (…, C, H, W) uint8 as its step gets them: float32, normalised, contiguous."""
    centre, scale = (torch.tensor(numbers, device=images.device).view(-1, 1, 1) for numbers in (mean, std))
    return ((images.float() / 255 - centre) / scale).contiguous()


class OneByOne:
    """Pairs whose two images and two latent files are read when they are asked for.

    Args:
        root: a folder of 3DIEBench's layout, with JPEG files.
        names: of its objects.
        mean, std: of each channel, which images are normalised by.
    """

    def __init__(self, root: Path, names: Sequence[str], resolution: int, mean: Sequence[float], std: Sequence[float]) -> None:
        self.root, self.names, self.resolution = root, names, resolution
        self.mean, self.std = mean, std

    def view(self, name: str, view: int) -> tuple[Tensor, Rotation, np.ndarray]:
        """An image (3, H, W) float32, normalised, its pose, and its two hues."""
        with Image.open(self.root / name / f"image_{view}.jpg") as image:
            pixels = image.convert("RGB").resize((self.resolution, self.resolution), Image.Resampling.BILINEAR)
        tensor = torch.from_numpy(np.array(pixels)).permute(2, 0, 1)
        latents = np.load(self.root / name / f"latent_{view}.npy")
        return as_read(tensor, self.mean, self.std), Rotation.from_euler("xyz", latents[:3]), latents[[3, 6]]

    def batch(self, items: Tensor, source: Tensor, target: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Sources and targets (n, 3, H, W), and actions (n, 6), one pair at a time."""
        sources, targets, actions = [], [], []
        for item, first, second in zip(items.tolist(), source.tolist(), target.tolist(), strict=True):
            image, pose, hues = self.view(self.names[item], first)
            other, turned, others = self.view(self.names[item], second)
            relative = (pose.inv() * turned).as_quat()
            sources.append(image)
            targets.append(other)
            actions.append(torch.from_numpy(np.concatenate([relative, others - hues])).float())
        return torch.stack(sources), torch.stack(targets), torch.stack(actions)


class PublishedStep:
    """A training step on a model's own weights, copied: predictions, loss, meters, optimiser, in the published way.

    Args:
        model: of the paper's kind of contexts.
        learning_rate: of its Adam.
    """

    def __init__(self, model: ContextSSL, objective: Objective, learning_rate: float) -> None:
        self.model = copy.deepcopy(model).to(memory_format=torch.contiguous_format).train()
        self.objective = objective
        self.optimizer = torch.optim.Adam(self.model.parameters(), lr=learning_rate)
        # Its mixed precision is CUDA's; on a processor it computes in float32.
        self.scaler = torch.amp.GradScaler("cuda") if model.device.type == "cuda" else None

    def autocast(self) -> AbstractContextManager[Any]:
        return torch.autocast("cuda", dtype=torch.float16) if self.scaler is not None else nullcontext()

    def encode(self, source: Tensor, target: Tensor) -> Float[Tensor, "pairs 2 F"]:
        """Of normalised float32 images, contiguous."""
        features = self.model.encoder(torch.cat([source, target]))
        return torch.stack(features.chunk(2), dim=1)

    def predict(self, features: Tensor, actions: Tensor, generator: torch.Generator) -> Float[Tensor, "pairs 2 D"]:
        """In sequences of the block's size, of which there must be a whole number."""
        predictor = self.model.predictor
        pairs = predictor.block_size // 2
        tokens = torch.cat([features, torch.stack([actions, torch.zeros_like(actions)], dim=1)], dim=-1)
        x = predictor.read_in(tokens.reshape(-1, 2 * pairs, tokens.shape[-1]))
        drawn = [torch.rand((2 * pairs, pairs), device=x.device, generator=generator) for _ in predictor.blocks]
        for block, uniform in zip(predictor.blocks, drawn, strict=True):
            mask = looped_mask(uniform.tolist(), predictor.mask_prob).to(x.device)
            x = written_out(block, x, mask)  # type: ignore[arg-type]
        z: Tensor = predictor.read_out(predictor.norm(x))
        return z.reshape(-1, 2, z.shape[-1])

    def loss(self, z: Float[Tensor, "pairs 2 D"], batch: PairBatch) -> Tensor:
        """Contrastive loss over the whole matrix of cosines, and the auxiliary regression; every meter is read."""
        unit = F.normalize(z.float(), dim=-1)
        flat = unit.flatten(0, 1)
        cosines = flat @ flat.T
        clamped = cosines if self.objective.clamp is None else cosines.clamp(min=self.objective.clamp)
        own = torch.eye(len(flat), dtype=torch.bool, device=flat.device)
        logits = (clamped / self.objective.temperature).masked_fill(own, float("-inf"))
        partner = torch.arange(len(flat), device=flat.device) ^ 1
        contrastive = F.cross_entropy(logits, partner)
        latents = self.model.auxiliary_prediction(unit)
        squares = (latents.float() - batch.target_latents[:, None]).square().mean(1)
        terms = []
        for block in self.model.factors.slices:
            if bool(batch.active[0, block].any()):
                terms.append(squares[:, block].mean())
        auxiliary = torch.stack(terms).sum() if terms else contrastive.new_zeros(())
        total = contrastive + self.objective.auxiliary_weight * auxiliary
        meters = [
            total,
            contrastive,
            auxiliary,
            cosines[own].mean(),
            cosines.mean(),
            *latents.detach().mean((0, 1)),
            *squares.detach().mean(0),
        ]
        self.read = [float(value.detach()) for value in meters[:METERS]]
        return total

    def update(self) -> None:
        if self.scaler is not None:
            self.scaler.step(self.optimizer)
            self.scaler.update()
        else:
            self.optimizer.step()
        self.optimizer.zero_grad()

    def backward(self, loss: Tensor) -> None:
        (loss if self.scaler is None else self.scaler.scale(loss)).backward()


def looped_mask(uniform: Sequence[Sequence[float]], probability: float) -> Tensor:
    """Who may attend to whom, (tokens, tokens) bool, token by token: every earlier pair that is not hidden, and itself."""
    tokens = len(uniform)
    mask = torch.zeros(tokens, tokens, dtype=torch.bool)
    for query in range(tokens):
        for key in range(tokens):
            if key == query or (key // 2 < query // 2 and uniform[query][key // 2] >= probability):
                mask[query, key] = True
    return mask


def written_out(block: Block, x: Tensor, mask: Tensor) -> Tensor:
    """A block of the transformer, its attention written out."""

    def attend(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        weights = query @ key.transpose(-2, -1) / math.sqrt(key.shape[-1])
        return weights.masked_fill(~mask, float("-inf")).softmax(dim=-1) @ value

    made: Tensor = block(x, attend)
    return made


@torch.no_grad()
def embed_copying(model: ContextSSL, features: Float[Tensor, "n F"], pairs: Tensor, actions: Tensor) -> Float[Tensor, "n D"]:
    """Embeddings of n views after a context, which is encoded again, its keys and values copied for every row.

    Args:
        pairs: (k, 2, F) features of the context's pairs; ``actions`` (k, A) their actions.
    """
    predictor = model.predictor
    _, keys, values = predictor.sequences(pairs[None], actions[None])
    x = predictor.query_token(features, features.new_zeros(len(features), model.factors.width))[:, None]
    for block, held_keys, held_values in zip(predictor.blocks, keys, values, strict=True):

        def attend(query: Tensor, key: Tensor, value: Tensor, held: tuple[Tensor, Tensor] = (held_keys, held_values)) -> Tensor:
            every_key, every_value = (
                torch.cat([each.repeat(len(query), 1, 1, 1), own], dim=2) for each, own in zip(held, (key, value), strict=True)
            )
            return (query @ every_key.transpose(-2, -1) / math.sqrt(key.shape[-1])).softmax(dim=-1) @ every_value

        x = block(x, attend)
    z: Tensor = predictor.read_out(predictor.norm(x))[:, 0]
    return z


def ranks_one_by_one(predicted: Float[Tensor, "n D"], candidates: Float[Tensor, "n D"]) -> list[int]:
    """Of each row the place of its own candidate among all, by cosine, sorted one query at a time."""
    places = []
    for row in range(len(predicted)):
        cosines = F.normalize(candidates, dim=1) @ F.normalize(predicted[row], dim=0)
        places.append(int((cosines.argsort(descending=True) == row).nonzero()[0, 0]) + 1)
    return places
