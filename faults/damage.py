"""Damage to a file as disks, copies and cables do it: a flipped bit, a zeroed or overwritten range, a cut, bytes at the end."""

from __future__ import annotations

from pathlib import Path

from numpy.random import Generator

KINDS = ("flip", "zero", "overwrite", "cut", "append")
# A zeroed or overwritten range, and what is appended, is at most so long: a block of most disks.
MOST = 4096


def damage(path: Path, kind: str, generator: Generator) -> str:
    """Damages a file in place, and says how: ``"bit 3 of byte 17 flipped"``. A file of no bytes only grows.

    Args:
        kind: one of :data:`KINDS`.
        generator: where, and how much.

    Raises:
        ValueError: for another kind.
    """
    if kind not in KINDS:
        raise ValueError(f"no kind of damage is called {kind!r}: {', '.join(KINDS)}")
    before = path.read_bytes()
    data, said = _damaged(before, kind, generator)
    path.write_bytes(data)
    return said if data != before else f"{said}, which changed nothing"


def _damaged(data: bytes, kind: str, generator: Generator) -> tuple[bytes, str]:
    size = len(data)
    if kind == "append" or not size:
        more = generator.bytes(int(generator.integers(1, MOST + 1)))
        return data + more, f"{len(more)} bytes appended"
    place = int(generator.integers(size))
    if kind == "flip":
        bit = int(generator.integers(8))
        return data[:place] + bytes([data[place] ^ 1 << bit]) + data[place + 1 :], f"bit {bit} of byte {place} flipped"
    if kind == "cut":
        return data[:place], f"cut to {place} of {size} bytes"
    # Short ranges are as likely as long ones.
    length = min(size - place, int(2 ** generator.uniform(0, 12.01)))
    new = bytes(length) if kind == "zero" else generator.bytes(length)
    return data[:place] + new + data[place + length :], f"{length} bytes from {place} on {'zeroed' if kind == 'zero' else 'overwritten'}"
