"""Many small heads of one architecture, trained at once on as many versions of the same data: each as if it were trained alone."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from contextssl.randomness import seeded_generator

PREDICT_BATCH = 8192


class StackedHeads(nn.Module):
    """``count`` linear maps or ReLU networks that share nothing but their initial weights: (count, n, widths[0]) → (count, n, widths[-1]).

    Those are uniform within ± 1 / √fan-in, as ``nn.Linear`` draws them: what differs in the end is due to the data.
    """

    def __init__(self, count: int, widths: Sequence[int], generator: torch.Generator) -> None:
        super().__init__()
        self.weights, self.biases = nn.ParameterList(), nn.ParameterList()
        for fan_in, out in pairwise(widths):
            bound = 1 / math.sqrt(fan_in)
            weight, bias = ((2 * torch.rand(1, *shape, generator=generator) - 1) * bound for shape in ((fan_in, out), (1, out)))
            self.weights.append(nn.Parameter(weight.repeat(count, 1, 1)))
            self.biases.append(nn.Parameter(bias.repeat(count, 1, 1)))

    def forward(self, x: Float[Tensor, "heads n d"]) -> Float[Tensor, "heads n t"]:
        for layer, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            x = torch.baddbmm(bias, x if layer == 0 else F.relu(x), weight)
        return x

    @torch.no_grad()
    def predict(self, inputs: Callable[[Tensor], Tensor], rows: int) -> Float[Tensor, "heads rows t"]:
        """Outputs for ``rows`` rows on the CPU, a piece at a time; ``inputs`` maps row numbers to (heads, b, d)."""
        device = self.weights[0].device
        return torch.cat([self(inputs(index)).cpu() for index in torch.arange(rows, device=device).split(PREDICT_BATCH)], dim=1)


def regression_loss(output: Float[Tensor, "heads n t"], rows: Int[Tensor, " n"], target: Float[Tensor, "N t"]) -> Float[Tensor, ""]:
    """The sum over heads of each one's mean squared error, so that no head's gradient depends on how many there are."""
    return (output - target[rows]).square().mean(dim=(1, 2)).sum()


def class_loss(output: Float[Tensor, "heads n t"], rows: Int[Tensor, " n"], target: Int[Tensor, " N"]) -> Float[Tensor, ""]:
    """The sum over heads of each one's mean cross-entropy."""
    heads, n, classes = output.shape
    wanted = target[rows].expand(heads, n)
    return F.cross_entropy(output.reshape(-1, classes), wanted.reshape(-1), reduction="sum") / n


def train_heads(
    inputs: Callable[[Int[Tensor, " b"]], Float[Tensor, "heads b d"]],
    rows: int,
    loss: Callable[[Float[Tensor, "heads b t"], Int[Tensor, " b"]], Float[Tensor, ""]],
    *,
    count: int,
    widths: Sequence[int],
    epochs: int,
    learning_rate: float = 1e-3,
    batch_size: int = 512,
    seed: int = 0,
    device: torch.device | str = "cpu",
    batches: Callable[[int], Iterable[Tensor]] | None = None,
) -> StackedHeads:
    """Adam on every head at once. Order of rows and initial weights depend on the seed alone; the last, smaller batch counts too.

    Args:
        inputs: row numbers (on ``device``) → inputs of every head.
        loss: outputs and row numbers → a sum of one term per head (Adam treats every weight separately, so heads are independent).
        batches: of each epoch, in place of all ``rows`` once in a random order.
    """
    heads = StackedHeads(count, widths, seeded_generator(seed, "heads", len(widths))).to(device)
    optimiser = torch.optim.Adam(heads.parameters(), lr=learning_rate)

    def every_row(epoch: int) -> Iterable[Tensor]:
        return torch.randperm(rows, generator=seeded_generator(seed, "head order", epoch)).split(batch_size)

    for epoch in range(epochs):
        for drawn in every_row(epoch) if batches is None else batches(epoch):
            index = drawn.to(device)
            optimiser.zero_grad(set_to_none=True)
            loss(heads(inputs(index)), index).backward()
            optimiser.step()
    return heads
