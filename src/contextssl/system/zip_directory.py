"""How many members a zip lists, from its last bytes: Python reads the whole list before it tells, and takes a kilobyte of memory for each."""

from __future__ import annotations

import zipfile
from pathlib import Path

# The records at the end of a zip: their signs, and where in them the number of members is. The second is there where the first has no room.
END, END_SIZE, LARGE_END = b"PK\x05\x06", 22, b"PK\x06\x06"
LONGEST_COMMENT = 1 << 16
LOCATOR, LOCATOR_SIZE = b"PK\x06\x07", 20
# Bytes of a member in the list, at least.
ENTRY_SIZE = 46


def listed_members(path: Path) -> int:
    """How many members a zip lists at most, by the length of its list. Raises zipfile.BadZipFile where there is none, OSError."""
    with path.open("rb") as file:
        size = file.seek(0, 2)
        start = max(0, size - LONGEST_COMMENT - END_SIZE - LOCATOR_SIZE)
        file.seek(start)
        tail = file.read(size - start)
        at = tail.rfind(END)
        if at < 0 or at + END_SIZE > len(tail):
            raise zipfile.BadZipFile("it does not end as a zip does")
        length = int.from_bytes(tail[at + 12 : at + 16], "little")
        if tail[max(0, at - LOCATOR_SIZE) : at].startswith(LOCATOR):
            file.seek(min(size, int.from_bytes(tail[at - LOCATOR_SIZE + 8 : at - LOCATOR_SIZE + 16], "little")))
            large = file.read(56)
            if large.startswith(LARGE_END):
                length = max(length if length < 0xFFFFFFFF else 0, int.from_bytes(large[40:48], "little"))
    return min(length, size) // ENTRY_SIZE
