"""SCARF: an encoder of table rows by contrast of a row and its corruption with other rows; no factor is active, there is no context.

Source: Bahri, Jiang, Tay & Metzler, "SCARF: Self-Supervised Contrastive Learning using Random Feature Corruption", ICLR 2022, algorithm 1: 60 % of
the columns redrawn from their marginals, cosine similarities at temperature 1, Adam 1e-3. The loss is NT-Xent, in which row and corruption are
both anchors; in the paper only the row is an anchor.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from contextssl.data.tables.corruption import Corruption
from contextssl.models.contrast import nt_xent
from contextssl.models.table_encoder import TableEncoder
from contextssl.randomness import DrawingFrom, seeded_generator

RATE = 0.6
TEMPERATURE = 1.0
LEARNING_RATE = 1e-3
HEAD_WIDTH = 256


def train_scarf(
    encoder: TableEncoder, rows: Float[Tensor, "n W"], marginals: Float[Tensor, "M W"], *, epochs: int, batch_size: int = 256, seed: int = 0
) -> TableEncoder:
    """Train a freshly built encoder in place, on the CPU or wherever it is, on encoded ``rows``, and return it in evaluation mode. Every column
    may be corrupted, a factor's like any other, with values of the rows ``marginals``.
    """
    device = next(encoder.parameters()).device
    corruption = Corruption(encoder.columns, (), marginals, RATE)
    with DrawingFrom(seeded_generator(seed, "scarf head")):
        head = nn.Sequential(nn.Linear(encoder.num_features, HEAD_WIDTH), nn.ReLU(), nn.Linear(HEAD_WIDTH, HEAD_WIDTH)).to(device)
    optimiser = torch.optim.Adam([*encoder.parameters(), *head.parameters()], lr=LEARNING_RATE)
    encoder.train()
    for epoch in range(epochs):
        generator = seeded_generator(seed, "scarf", epoch)
        for index in torch.randperm(len(rows), generator=generator).split(batch_size):
            if len(index) < 2:
                continue
            anchors = rows[index]
            views = torch.cat([anchors, corruption.redrawn_columns(anchors, generator)]).to(device)
            z = head(encoder(views)).unflatten(0, (2, -1)).transpose(0, 1)
            optimiser.zero_grad(set_to_none=True)
            nt_xent(z, TEMPERATURE).backward()
            optimiser.step()
    return encoder.eval()
