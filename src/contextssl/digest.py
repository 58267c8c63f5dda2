"""A short name for what something was made from: equal values, equal name. Stores, runs and caches keep them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from typing import Any


def digest_of(values: Any) -> str:
    """16 hexadecimal digits of plain values (whatever JSON holds), whatever the order of a mapping's keys."""
    return digest_of_bytes([json.dumps(values, sort_keys=True)])


def digest_of_bytes(parts: Iterable[bytes | str], digits: int = 16) -> str:
    """Hexadecimal digits (of SHA-256, 64 at most) of the bytes of files and arrays, and of texts, one after the other."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(_bytes(part))
    return digest.hexdigest()[:digits]


def number_of(text: str) -> int:
    """A whole number of 64 bits; where there are millions of texts, in half the time."""
    return int.from_bytes(hashlib.blake2b(_bytes(text), digest_size=8).digest(), "big")


def _bytes(part: bytes | str) -> bytes:
    # Names of files need not be text in any encoding.
    return part.encode("utf-8", "surrogateescape") if isinstance(part, str) else part
