"""A short name for what something was made from: equal values, equal name."""

from __future__ import annotations

import hashlib
import json
from typing import Any


def digest_of(values: Any) -> str:
    """16 hexadecimal digits of plain values (whatever JSON holds), whatever the order of a mapping's keys."""
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:16]
