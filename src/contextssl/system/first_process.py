"""A process that the first one of a run has started ends with it, however that ended: else it would wait for it, for half an hour."""

from __future__ import annotations

import os
import threading
import time

# In the environment of processes that the first one starts: its own number.
STARTED_BY = "CONTEXTSSL_STARTED_BY"
# Between two looks.
LOOK_SECONDS = 0.5


def end_with_first() -> None:
    """From here on; does nothing in a process that no other one of a run has started. Called as early as can be: libraries take seconds to load."""
    first = os.environ.pop(STARTED_BY, "")
    if first.isdecimal():
        threading.Thread(target=_end_without, args=(int(first),), name="first process", daemon=True).start()


def _end_without(first: int) -> None:
    while os.getppid() == first:
        time.sleep(LOOK_SECONDS)
    os._exit(1)
