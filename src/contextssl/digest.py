"""Digests of what something was made from: equal values have equal digests. Stores, runs and caches record them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from typing import Any


def digest_of(values: Any) -> str:
    """16 hexadecimal digits of plain values (those of JSON); the order of a mapping's keys does not count."""
    return digest_of_bytes([json.dumps(values, sort_keys=True)])


def digest_of_bytes(parts: Iterable[bytes | memoryview | str], digits: int = 16) -> str:
    """Hexadecimal digits (of SHA-256, 64 at most) of concatenated bytes and texts."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(_bytes(part))
    return digest.hexdigest()[:digits]


def number_of(text: str) -> int:
    """A 64-bit integer from a text; for millions of texts, in half the time."""
    return int.from_bytes(hashlib.blake2b(_bytes(text), digest_size=8).digest(), "big")


def _bytes(part: bytes | memoryview | str) -> bytes | memoryview:
    # A file name need not be valid in any encoding.
    return part.encode("utf-8", "surrogateescape") if isinstance(part, str) else part
