"""The lines of ``metrics.csv``: a number each, and after it a checksum of all numbers so far, so that none is changed, lost or doubled unseen."""

from __future__ import annotations

import csv
import io
import warnings
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from contextssl.errors import DataError, NewerFormatError
from contextssl.system.files import read_regular, storage_error

COLUMNS = ("step", "epoch", "name", "value")
# Files of version 0.1 have no such column.
CHECKSUM = "crc32"
END = b"\r\n"


class Row(NamedTuple):
    """One number; the epoch is empty where none was given."""

    step: int
    epoch: int | None
    name: str
    value: float


class Lines(NamedTuple):
    """What a file holds: its rows, after each the CRC-32 of the four columns of all lines up to it, and that of the header."""

    rows: list[Row]
    checksums: list[int]

    @property
    def checksum(self) -> int:
        """0 of a file without rows, as of one that is not there."""
        return self.checksums[-1] if self.checksums else 0


def lines_of(rows: Iterable[Row], checksum: int = 0) -> tuple[bytes, int]:
    """Rows as lines to append, and the checksum after them. ``checksum`` is that of the lines before; where it is 0 a header comes first."""
    parts = []
    if checksum == 0:
        header = _line(COLUMNS)
        checksum = zlib.crc32(header)
        parts.append(header.removesuffix(END) + b"," + CHECKSUM.encode() + END)
    for row in rows:
        line = _line(row)
        checksum = zlib.crc32(line, checksum)
        parts.append(line.removesuffix(END) + f",{checksum:08x}".encode() + END)
    return b"".join(parts), checksum


def read_lines(path: Path, fix: str) -> Lines:
    """What a file holds. A last line that was cut short is left out, with a warning.

    Args:
        fix: what to do about a damaged file, as ``"move it away"``.

    Raises:
        DataError: where it cannot be read, or a line is damaged or was changed, naming it; NewerFormatError for columns of a newer version.
    """
    try:
        data = read_regular(path)
    except OSError as error:
        raise storage_error(error, path, "read") from error
    lines = data.split(b"\n")
    found, checked = Lines([], []), False
    if tail := lines.pop():
        # Every line is written with its end: this one was cut short, or its end is damaged.
        warnings.warn(f"the last line of {path} is cut short ({tail[:60].decode(errors='replace')!r}): it is left out", stacklevel=3)
    checksum = 0
    for number, line in enumerate(lines, start=1):
        try:
            own, comma, after = line.removesuffix(b"\r").rpartition(b",")
            if number == 1:
                checked = after == CHECKSUM.encode()
            text = own if checked else own + comma + after
            checksum = zlib.crc32(text + END, checksum)
            if checked and number > 1 and after != f"{checksum:08x}".encode():
                raise ValueError("its checksum differs: it, or a line before it, was changed or is gone")
            fields = next(csv.reader([text.decode()], strict=True))
            if number == 1:
                if tuple(fields[: len(COLUMNS)]) == COLUMNS and len(fields) > len(COLUMNS) and not checked:
                    raise NewerFormatError(
                        f"{path} has columns that this version does not know ({', '.join(fields[len(COLUMNS) :])}): it was written by a newer "
                        "version of contextssl; update contextssl to read it"
                    )
                if tuple(fields) != COLUMNS:
                    raise ValueError("another header")
                continue
            row = _row(fields)
            if found.rows and row.step < found.rows[-1].step:
                raise ValueError("steps go backwards")
        except NewerFormatError:
            raise
        except (ValueError, csv.Error, StopIteration) as error:
            raise DataError(f"{path} is damaged at line {number} ({error}): {fix}") from None
        found.rows.append(row)
        found.checksums.append(checksum)
    return found


def _row(fields: list[str]) -> Row:
    step, epoch, name, value = fields
    if not name:
        raise ValueError("a number without a name")
    return Row(int(step), int(epoch) if epoch else None, name, float(value))


def _line(fields: Iterable[object]) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text).writerow(fields)
    return text.getvalue().encode()
