"""What processes of one run have together, in two real processes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
from torch.multiprocessing.spawn import spawn

from contextssl.system.distributed import Launch, is_first_process, joined, launched

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


def test_a_process_that_is_done_leaves_its_group_before_it_ends(tmp_path: Path) -> None:
    code = f"""
import atexit
import torch.distributed as dist
from contextssl.system.distributed import leave_group_at_exit
leave_group_at_exit()
atexit.register(lambda: print("still in it" if dist.is_initialized() else "left"))
dist.init_process_group("gloo", init_method="file://{tmp_path}/meeting", rank=0, world_size=1)
leave_group_at_exit()
print("working in it" if dist.is_initialized() else "left too early")
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=True)
    # Gloo of some versions says that it is connected.
    assert [line for line in done.stdout.splitlines() if not line.startswith("[Gloo]")][:2] == ["working in it", "left"]


def test_unequal_shares_are_joined_in_order_and_gradients_come_back(tmp_path: Path) -> None:
    spawn(_process, (str(tmp_path),), nprocs=len(SHARES))
    expected = torch.cat([_rows(rank) for rank in range(len(SHARES))])
    for rank in range(len(SHARES)):
        got = torch.load(tmp_path / f"{rank}.pt")
        assert torch.equal(got["whole"], expected)
        assert torch.equal(got["items"], torch.tensor([0, 0, 0, 1]))
        # Of x²: 2 x, from both losses, which weigh 1 and 2.
        assert torch.equal(got["gradient"], 2 * _rows(rank) * (1 + 2))


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, Launch()),
        ({"RANK": "1"}, Launch()),
        ({"RANK": "1", "WORLD_SIZE": "4"}, Launch()),
        ({"LOCAL_RANK": "1"}, Launch()),
        ({"SLURM_PROCID": "1"}, Launch()),
        ({"SLURM_PROCID": "1", "SLURM_NTASKS": "1", "SLURM_JOB_NAME": "train"}, Launch()),
        ({"SLURM_PROCID": "1", "SLURM_NTASKS": "2", "SLURM_JOB_NAME": "bash"}, Launch()),
        ({"SLURM_PROCID": "1", "SLURM_NTASKS": "2", "SLURM_JOB_NAME": "train"}, Launch(False, 2, "SLURM_NTASKS")),
        ({"SLURM_PROCID": "0", "SLURM_NTASKS": "2"}, Launch(True, 2, "SLURM_NTASKS")),
        ({"TORCHELASTIC_RUN_ID": "7", "RANK": "3", "WORLD_SIZE": "4", "SLURM_NTASKS": "2"}, Launch(False, 4, "WORLD_SIZE")),
        ({"TORCHELASTIC_RUN_ID": "7", "RANK": "0", "WORLD_SIZE": "4"}, Launch(True, 4, "WORLD_SIZE")),
        ({"LOCAL_RANK": "1", "NODE_RANK": "0", "WORLD_SIZE": "2"}, Launch(False, 2, "WORLD_SIZE")),
        ({"LOCAL_RANK": "0", "NODE_RANK": "1", "WORLD_SIZE": "2"}, Launch(False, 2, "WORLD_SIZE")),
        ({"LOCAL_RANK": "one", "WORLD_SIZE": "two"}, Launch()),
    ],
)
def test_a_rank_counts_only_among_several(environment: dict[str, str], expected: Launch, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RANK", "LOCAL_RANK", "WORLD_SIZE", "NODE_RANK", "GROUP_RANK", "TORCHELASTIC_RUN_ID", "SLURM_NTASKS", "SLURM_JOB_NAME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert launched() == expected
    assert is_first_process() is expected.first
