"""What processes of one run have together, in two real processes."""

from __future__ import annotations

from pathlib import Path

import torch
import torch.distributed as dist
from torch.multiprocessing.spawn import spawn

from contextssl.distributed import joined

SHARES = (3, 1)


def _rows(rank: int) -> torch.Tensor:
    return torch.arange(SHARES[rank] * 2, dtype=torch.float32).reshape(-1, 2) + 10 * rank


def _process(rank: int, folder: str) -> None:
    dist.init_process_group("gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=len(SHARES))
    z = _rows(rank).requires_grad_()
    whole = joined(z, SHARES)
    # Each process's loss weighs the rows in its own way, and reaches all of them.
    ((rank + 1) * whole.square()).sum().backward()
    items = joined(torch.full((SHARES[rank],), rank), SHARES)
    torch.save({"whole": whole.detach(), "gradient": z.grad, "items": items}, f"{folder}/{rank}.pt")
    dist.destroy_process_group()


def test_unequal_shares_are_joined_in_order_and_gradients_come_back(tmp_path: Path) -> None:
    spawn(_process, (str(tmp_path),), nprocs=len(SHARES))
    expected = torch.cat([_rows(rank) for rank in range(len(SHARES))])
    for rank in range(len(SHARES)):
        got = torch.load(tmp_path / f"{rank}.pt")
        assert torch.equal(got["whole"], expected)
        assert torch.equal(got["items"], torch.tensor([0, 0, 0, 1]))
        # Of x²: 2 x, from both losses, which weigh 1 and 2.
        assert torch.equal(got["gradient"], 2 * _rows(rank) * (1 + 2))
