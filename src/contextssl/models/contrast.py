"""Contrast of every token of a batch with all others: NT-Xent, telling items apart, and which tokens are no negatives.

Cosines of all tokens with all would need memory that is quadratic in the batch. So rows of them are made a few at a time, each with its gradient at
once; and where several processes share a batch, each makes the rows of its own tokens alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeAlias

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor

from contextssl.models.whole_batch import ALONE, WholeBatch

# The published implementation's floor on cosine similarities (it keeps a negative of negative cosine from any gradient).
PUBLISHED_CLAMP = 1e-7
# Cosines that are in memory at once, at most: 32 MiB, and some eight times as much for what is made of them.
ENTRIES = 2**23

# Of some tokens: True where another token (column) is no negative of it.
LeftOut: TypeAlias = Callable[[slice], Bool[Tensor, "rows tokens"]]
# The sum of the losses of some tokens, given their cosines with all; and how many of them count.
LossOfRows: TypeAlias = Callable[[Float[Tensor, "rows tokens"], slice], tuple[Tensor, Tensor]]


def nt_xent(
    z: Float[Tensor, "pairs 2 D"],
    temperature: float,
    clamp: float | None = None,
    items: Int[Tensor, " pairs"] | None = None,
    left_out: Sequence[LeftOut] = (),
    whole: WholeBatch = ALONE,
    entries: int = ENTRIES,
) -> Float[Tensor, ""]:
    """Normalised-temperature cross-entropy: each token picks its partner out of all others (Chen et al., 2020, equation 1).

    Args:
        z: predictions, not normalised; of all processes.
        temperature: τ.
        clamp: floor on the cosines before the temperature; :data:`PUBLISHED_CLAMP` gives the published loss, None the textbook one.
        items: of each pair, where another pair of the same item is not to count among the others: what is to be invariant to a view must not
            be pushed away from another view of the same item. None: every other pair counts.
        left_out: further tokens that are no negatives: :func:`alike_in_context`, :func:`in_other_sequences`.
        whole: the processes that share the batch.
        entries: cosines in memory at once.
    """
    of_token = None if items is None else items.repeat_interleave(2)

    def loss_of_rows(cosines: Tensor, rows: slice) -> tuple[Tensor, Tensor]:
        logits = (cosines if clamp is None else cosines.clamp(min=clamp)) / temperature
        row = torch.arange(rows.start, rows.stop, device=cosines.device)
        partner = row ^ 1
        excluded = torch.zeros_like(cosines, dtype=torch.bool).scatter(1, row[:, None], True)
        if of_token is not None:
            excluded = excluded | (of_token[rows, None] == of_token[None]).scatter(1, partner[:, None], False)
        for mask in left_out:
            excluded = excluded | mask(rows).scatter(1, partner[:, None], False)
        loss = F.cross_entropy(logits.masked_fill(excluded, float("-inf")), partner, reduction="sum")
        return loss, torch.ones_like(loss) * len(row)

    return _of_all_rows(tokens(z), loss_of_rows, whole, entries)


def item_contrast(
    z: Float[Tensor, "tokens W"], items: Int[Tensor, " tokens"], temperature: float, whole: WholeBatch = ALONE, entries: int = ENTRIES
) -> Float[Tensor, ""]:
    """Each token picks out each other view of its item from all tokens, averaged over those views and over tokens.

    Source: Khosla et al., "Supervised Contrastive Learning", 2020, equation 2, with items in the place of classes. Tokens whose item has no other
    view count for nothing.
    """

    def loss_of_rows(cosines: Tensor, rows: slice) -> tuple[Tensor, Tensor]:
        row = torch.arange(rows.start, rows.stop, device=cosines.device)
        alone = torch.zeros_like(cosines, dtype=torch.bool).scatter(1, row[:, None], True)
        log_share = (cosines / temperature).masked_fill(alone, float("-inf")).log_softmax(dim=1)
        same = (items[rows, None] == items[None]) & ~alone
        counted = same.any(dim=1)
        losses = -(log_share.masked_fill(~same, 0)).sum(dim=1) / same.sum(dim=1).clamp(min=1)
        return (losses * counted).sum(), counted.sum().to(losses.dtype)

    return _of_all_rows(_normalised(z), loss_of_rows, whole, entries)


def tokens(z: Float[Tensor, "pairs 2 D"]) -> Float[Tensor, "2*pairs D"]:
    """Rows 2k and 2k + 1 are a pair; normalised, in float32 whatever the precision of ``z``."""
    return _normalised(z.flatten(0, 1))


def _normalised(z: Float[Tensor, "tokens D"]) -> Float[Tensor, "tokens D"]:
    return F.normalize(z.float(), dim=-1)


def _cosines(rows: Float[Tensor, "rows D"], unit: Float[Tensor, "tokens D"]) -> Float[Tensor, "rows tokens"]:
    with torch.autocast(unit.device.type, enabled=False):
        return rows @ unit.T


def _of_all_rows(unit: Tensor, loss_of_rows: LossOfRows, whole: WholeBatch, entries: int) -> Tensor:
    """The mean over all tokens that count."""
    chunks = list(_chunks(whole.own(len(unit)), max(entries // len(unit), 1)))
    if len(chunks) == 1:
        loss, count = loss_of_rows(_cosines(unit[chunks[0]], unit), chunks[0])
    else:
        loss, count = _InChunks.apply(unit, loss_of_rows, chunks)
    loss, count = whole.total(torch.stack([loss, count])).unbind()
    return loss / count.clamp(min=1)


def _chunks(rows: slice, most: int) -> Iterator[slice]:
    for first in range(rows.start, max(rows.stop, rows.start + 1), most):
        yield slice(first, min(first + most, rows.stop))


class _InChunks(torch.autograd.Function):
    """The loss is one number, so its gradient is known up to a factor as soon as it is: each chunk's is made with it, and nothing is made twice."""

    @staticmethod
    def forward(ctx: Any, unit: Tensor, loss_of_rows: LossOfRows, chunks: list[slice]) -> tuple[Tensor, Tensor]:
        wanted = ctx.needs_input_grad[0]
        gradient = torch.zeros_like(unit) if wanted else None
        # Added up in place: what small tensors stay from each chunk lie between large ones, whose memory is then not used again.
        total_loss, total_count = unit.new_zeros(()), unit.new_zeros(())
        for rows in chunks:
            cosines = _cosines(unit[rows], unit).requires_grad_(wanted)
            with torch.set_grad_enabled(wanted):
                loss, count = loss_of_rows(cosines, rows)
            if gradient is not None:
                # Of the cosines alone, and added in place: through the products, PyTorch would make two gradients of all tokens for each chunk.
                (of_cosines,) = torch.autograd.grad(loss, cosines)
                with torch.autocast(unit.device.type, enabled=False):
                    gradient[rows].addmm_(of_cosines, unit)
                    gradient.addmm_(of_cosines.T, unit[rows])
            total_loss += loss.detach()
            total_count += count
        ctx.mark_non_differentiable(total_count)
        ctx.gradient = gradient
        return total_loss, total_count

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, None, None]:
        return None if ctx.gradient is None else ctx.gradient * gradients[0], None, None


def alike_in_context(
    items: Int[Tensor, " pairs"],
    latents: Float[Tensor, "pairs 2 A"],
    active: Bool[Tensor, "pairs A"],
    rows: slice = slice(None),
) -> Bool[Tensor, "rows tokens"]:
    """Which tokens count as the same as each token in that token's context: views of its item that agree in all of its active factors.

    Where no factor is active, all views of the item. Not in the paper, where an environment without active factors is not trained.

    Args:
        rows: the tokens that are asked about.
    """
    of_token, values, counted = items.repeat_interleave(2), latents.flatten(0, 1), active.repeat_interleave(2, dim=0)
    alike = of_token[rows, None] == of_token[None]
    # One number after the other: all at once would take the memory of all.
    for value, counts in zip(values.unbind(1), counted.unbind(1), strict=True):
        alike = alike & ((value[rows, None] == value[None]) | ~counts[rows, None])
    return alike


def in_other_sequences(pairs: int, sequence: int, device: torch.device, rows: slice = slice(None)) -> Bool[Tensor, "rows tokens"]:
    """Which tokens lie in another sequence of so many pairs than each token; ``rows``: the tokens that are asked about."""
    of_token = torch.arange(2 * pairs, device=device) // (2 * sequence)
    return of_token[rows, None] != of_token[None]


def mean_similarities(unit: Float[Tensor, "tokens D"], published: bool = False) -> tuple[Float[Tensor, ""], Float[Tensor, ""]]:
    """Mean cosine of positive pairs, and of all other pairs of different tokens.

    With ``published``, the numbers that the published implementation logs: the mean absolute cosine of positives, and the mean of the whole
    matrix, each token's cosine with itself and the positives included.

    Args:
        unit: as of :func:`tokens`; the sum of all its cosines is the square of the length of its sum.
    """
    count = len(unit)
    positives = (unit[::2] * unit[1::2]).sum(dim=-1)
    everything = unit.sum(dim=0).square().sum()
    if published:
        return positives.abs().mean(), everything / count**2
    negatives = everything - unit.square().sum() - 2 * positives.sum()
    return positives.mean(), negatives / max(count * (count - 2), 1)
