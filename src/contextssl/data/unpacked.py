"""What tarfile reads an archive through: never more of it than is meant, however little it was packed to."""

from __future__ import annotations

import tarfile
from pathlib import Path
from typing import Any

from contextssl.errors import DataError
from contextssl.system.files import readable_bytes

# What a compressed tar may unpack to in all, files that are no images included: so much, and so many times its own size. Images hardly shrink.
UNPACKED_BYTES, UNPACKED_RATIO = 2**29, 20
# Of a header of a tar: a long name, or further words about a member.
HEADER_BYTES = 2**20
# What is read at once.
PIECE = 2**20


class Unpacked:
    """A binary file to tarfile.

    Args:
        path: what errors name.
        file: what it is read from, plain or unpacked on the way.
        most: bytes from its beginning that are read or passed over; DataError is raised beyond.
    """

    def __init__(self, path: Path, file: Any, most: int) -> None:
        self.path, self.file, self.most = path, file, most

    def tar(self) -> tarfile.TarFile:
        file: Any = self
        return tarfile.open(fileobj=file, mode="r:")

    def read(self, count: int) -> bytes:
        """What tarfile reads: headers. Raises DataError for one of more than ``HEADER_BYTES``."""
        if count > HEADER_BYTES:
            raise DataError(
                f"{self.path} has a header of {readable_bytes(count)}, more than the {readable_bytes(HEADER_BYTES)} that are read: it is damaged, or "
                "made to exhaust memory"
            )
        return bytes(self.file.read(count))

    def tell(self) -> int:
        return int(self.file.tell())

    def seek(self, place: int) -> int:
        if place > self.most:
            raise self._too_much()
        return int(self.file.seek(place))

    def read_into(self, held: bytearray, count: int) -> None:
        """Adds so many bytes, a piece at a time."""
        end = len(held) + count
        while len(held) < end:
            piece = self.file.read(min(PIECE, end - len(held)))
            if not piece:
                raise tarfile.ReadError("unexpected end of data")
            held += piece

    def skip(self) -> None:
        """Reads to the end."""
        while self.file.read(PIECE):
            if self.file.tell() > self.most:
                raise self._too_much()

    def _too_much(self) -> DataError:
        return DataError(
            f"{self.path} unpacks to more than {readable_bytes(self.most)}, against decompression bombs: unpack it yourself, and give the folder"
        )
