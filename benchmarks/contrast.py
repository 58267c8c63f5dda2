"""NT-Xent in chunks of rows beside all cosines at once, forward and backward: ``python benchmarks/contrast.py [PAIRS …]``

Each in a process of its own, whose peak of memory is beyond that of a small batch. All at once is left out where it would not fit into 12 GiB.
"""

from __future__ import annotations

import subprocess
import sys
import time

import torch
from torch import Tensor

from contextssl.models.contrast import ENTRIES, PUBLISHED_CLAMP, nt_xent
from contextssl.system.memory import peak_memory_mib

WIDTH = 128
# Bytes for each cosine, of all that is made of it.
BYTES_A_COSINE, MOST_BYTES = 8 * 4, 12 * 2**30


def made(pairs: int, entries: int) -> tuple[Tensor, Tensor]:
    """Loss and gradient."""
    z = torch.randn(pairs, 2, WIDTH, generator=torch.Generator().manual_seed(0), requires_grad=True)
    loss = nt_xent(z, 0.1, PUBLISHED_CLAMP, entries=entries)
    (gradient,) = torch.autograd.grad(loss, z)
    return loss.detach(), gradient


def measured(pairs: int, entries: int) -> None:
    made(64, entries)
    before = peak_memory_mib()
    began = time.monotonic()
    loss, gradient = made(pairs, entries)
    seconds, peak = time.monotonic() - began, peak_memory_mib() - before
    print(
        f"{pairs:>7,} pairs: loss {float(loss):.6f}, gradient {float(gradient.norm()):.6f}, {seconds:7.1f} s, {peak:7,.0f} MiB", flush=True
    )


def main(words: list[str]) -> None:
    if words[:1] == ["--one"]:
        measured(int(words[1]), int(words[2]))
        return
    a, b = made(2048, ENTRIES), made(2048, 4096**2)
    apart = (a[1] - b[1]).abs().max() / b[1].abs().max()
    print(f"2,048 pairs: losses {float((a[0] - b[0]).abs()):.1e} apart, gradients {float(apart):.1e} of the largest")
    for pairs in [int(word) for word in words] or [2048, 8192, 65536]:
        for what, entries in (("in chunks", ENTRIES), ("at once", (2 * pairs) ** 2)):
            if what == "in chunks" or entries * BYTES_A_COSINE < MOST_BYTES:
                print(f"{what:10}", end="", flush=True)
                subprocess.run([sys.executable, __file__, "--one", str(pairs), str(entries)], check=True)


if __name__ == "__main__":
    main(sys.argv[1:])
