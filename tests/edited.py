"""JSON files as a person changes them who means it: without the digest, which is of what was written."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from contextssl.system.digested_json import DIGEST


def edit_json(path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Changes the values of a file, in place, and removes its digest."""
    values = json.loads(path.read_text())
    values.pop(DIGEST, None)
    change(values)
    path.write_text(json.dumps(values))
