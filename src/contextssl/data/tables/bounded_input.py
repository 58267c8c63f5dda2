"""Text of tables as pyarrow reads it: compressed text never unpacks to far more than its file, and no header has more columns than a table."""

from __future__ import annotations

import io
from pathlib import Path

import pyarrow as pa

from contextssl.errors import DataError
from contextssl.system.files import readable_bytes

# What compressed text may unpack to: so much, and so many times its own size. Tables of words and codes shrink to a tenth.
UNPACKED_BYTES, UNPACKED_RATIO = 2**28, 20
# Columns of a header at most, and the bytes of its line.
MOST_COLUMNS, HEADER_BYTES = 20_000, 2**22


class BoundedInput(io.RawIOBase):
    """A file of text, unpacked where it is compressed.

    Args:
        compression: of the file, by pyarrow's name; ``"detect"``: what its suffix says.
        delimiter: of its columns.

    Raises:
        DataError: while it is read, for text that unpacks to more than is meant, and a first line of too many columns.
    """

    def __init__(self, path: Path, delimiter: str, compression: str | None = "detect") -> None:
        self.path, self.delimiter, self.came = path, delimiter, 0
        self.stream = pa.input_stream(path, compression=compression)
        size = path.stat().st_size
        self.packed = not isinstance(self.stream, pa.NativeFile) or "Compressed" in type(self.stream).__name__
        self.most = UNPACKED_BYTES + UNPACKED_RATIO * size if self.packed else size

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1, /) -> bytes:
        data: bytes = self.stream.read(size if size >= 0 else self.most + 1)
        if not self.came:
            self._check_header(data)
        self.came += len(data)
        if self.packed and self.came > self.most:
            raise DataError(
                f"{self.path} unpacks to more than {readable_bytes(self.most)}, against decompression bombs: unpack it yourself, and give the text"
            )
        return data

    def _check_header(self, start: bytes) -> None:
        line = start[:HEADER_BYTES].split(b"\n", 1)[0]
        if (columns := 1 + line.count(self.delimiter.encode())) > MOST_COLUMNS:
            raise DataError(f"{self.path} has {columns:,} columns, more than the {MOST_COLUMNS:,} that are read: it is no such table")

    def close(self) -> None:
        if not self.closed:
            self.stream.close()
        super().close()
