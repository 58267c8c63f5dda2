"""The files of a folder, or of an archive of one: listed once, then read by name in any order, with nothing unpacked to the disk.

Neither kind holds an open file, so both can be pickled to worker processes. A member of a plain tar or of a zip is read from its place in
the archive. A compressed tar has no such places: it is read through once, and what is wanted of it is kept in memory, once per process.

The standard library lists the members and does not extract them: ``tarfile``'s filter ``"data"`` writes every member to the disk, ``zipfile``
reads the list of all members again each time a worker opens an archive, and neither bounds what a member may unpack to.
"""

from __future__ import annotations

import bz2
import gzip
import lzma
import os
import re
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import IO, Any, NamedTuple

from contextssl.data.listed import FILE_BYTES, Files, list_folder
from contextssl.data.origins import content_mark
from contextssl.data.unpacked import UNPACKED_BYTES, UNPACKED_RATIO, Unpacked
from contextssl.errors import DataError
from contextssl.system.files import readable_bytes, storage_error, too_large
from contextssl.system.zip_directory import ENTRY_SIZE, listed_members

# A compressed tar that holds more is refused, since every worker process keeps all of it.
MEMORY_BYTES = 2**30
# Members of an archive at most: each takes half a kilobyte of memory.
MOST_MEMBERS = 2_000_000
# From so many on, bytes of a member at least on average: no image has fewer, and listing what is nothing takes a minute.
MANY_MEMBERS, SMALLEST = 100_000, 64
# What a compressed tar begins with, by tarfile's name of its compression.
COMPRESSED = {"gz": b"\x1f\x8b", "bz2": b"BZh", "xz": b"\xfd7zXZ"}
OPENED: Mapping[str, Callable[[Path], Any]] = {"gz": gzip.open, "bz2": bz2.open, "xz": lzma.open}
ARCHIVES = ".tar, .tar.gz, .tgz, .tar.bz2 or .zip"
DAMAGE = (tarfile.TarError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, NotImplementedError, ValueError)
# A name that is the same when it is taken apart and put together.
PLAIN_NAME = re.compile(r"(?:[^/.\0\\][^/\0\\]*/)*[^/.\0\\][^/\0\\]*")
# How long the header of a zip's member is, up to its name, and where in it the lengths of the name and of what follows it are.
ZIP_HEADER, ZIP_NAME, ZIP_EXTRA = 30, 26, 28


def open_files(path: str | Path, wanted: Callable[[str], bool]) -> Files:
    """Lists a folder, or an archive of one. Of a compressed tar only the ``wanted`` names can be read. Raises DataError where there is nothing at
    ``path``, or it is neither a folder nor an archive that can be read.
    """
    path = Path(path)
    if path.is_dir():
        return list_folder(path)
    if not path.exists():
        where = "" if path.is_absolute() else f" (that is {path.absolute()})"
        raise DataError(f"there is no folder or archive {path}{where}: check the path")
    if not path.is_file():
        raise DataError(f"{path} is neither a folder nor a file: give a folder, or a {ARCHIVES} of one")
    try:
        with path.open("rb") as file:
            start = file.read(8)
        if start.startswith(b"PK"):
            return list_zip(path)
        compression = next((kind for kind, sign in COMPRESSED.items() if start.startswith(sign)), None)
        return list_tar(path) if compression is None else list_compressed_tar(path, compression, wanted)
    except tarfile.ReadError as error:
        if not path.name.endswith((".tar", ".tgz", ".gz", ".bz2", ".xz")):
            raise DataError(f"{path} is neither a folder nor an archive: give a folder, or a {ARCHIVES} of one") from error
        raise _damaged(path, error) from error
    except DataError:
        raise
    except MemoryError as error:
        raise too_large(path) from error
    except DAMAGE as error:
        raise _damaged(path, error) from error
    except OSError as error:
        if error.errno is None:  # a checksum that differs
            raise _damaged(path, error) from error
        raise storage_error(error, path, "read") from error


class Place(NamedTuple):
    """Where the bytes of a member are: the first (of a zip its header's) and how many; of a zip its method, its checksum and how many bytes it
    unpacks to; of a tar the time of its last change.
    """

    offset: int
    size: int
    method: int | None = None
    checksum: int = 0
    unpacked: int = 0
    time: float = 0.0


@dataclass(frozen=True)
class ArchiveFiles(Files):
    """Files in a tar or a zip.

    Args:
        places: where each file lies in it; None for a link to a file that is not there.
        held: the wanted files of a compressed tar, one after the other; None where they are read from the disk.
    """

    places: dict[str, Place | None] = field(default_factory=dict, repr=False)
    held: bytearray | None = field(default=None, repr=False)

    def read(self, name: str) -> bytes:
        place = self.places.get(name)
        if place is None:
            raise DataError(f"{self.path} holds no file {name}: make the archive again")
        _refuse_large(self.path, name, max(place.size, place.unpacked))
        if self.held is not None:
            return bytes(self.held[place.offset : place.offset + place.size])
        try:
            with self.path.open("rb") as file:
                return _from_zip(file, place) if place.method is not None else _at(file, place.offset, place.size)
        except OSError as error:
            raise storage_error(error, self.path, "read") from error
        except DAMAGE as error:
            raise DataError(f"{name} in {self.path} is damaged ({error}): copy or make the archive again") from error

    def mark(self, name: str) -> str:
        """Of a zip its checksum, of a compressed tar one of the bytes that are held, of a plain tar size, place and time of change."""
        place = self.places.get(name)
        if place is None:
            return "missing"
        if place.method is not None:
            return f"{place.unpacked} {place.checksum}"
        if self.held is not None:
            return content_mark(bytes(self.held[place.offset : place.offset + place.size]))
        return f"{place.size} {place.offset} {place.time}"


def list_tar(path: Path) -> ArchiveFiles:
    """The places in a plain tar. Raises DataError or tarfile's errors where it is damaged."""
    size, members = path.stat().st_size, _Members(path)
    with path.open("rb") as file, Unpacked(path, file, size).tar() as tar:
        for member in _each(tar):
            if member.offset_data + (0 if member.issparse() else member.size) > size:
                raise tarfile.ReadError("unexpected end of data")
            members.add(member, Place(member.offset_data, member.size, time=member.mtime))
        # tarfile takes any header that it cannot read for the end of the archive, whose true sign is a block of zeros.
        if any(_at(file, tar.offset, tarfile.BLOCKSIZE, whole=False)):
            raise tarfile.ReadError(f"a bad header after {members.count:,} files")
    return members.listed()


def list_compressed_tar(path: Path, compression: str, wanted: Callable[[str], bool]) -> ArchiveFiles:
    """Reads a compressed tar through once, and keeps the ``wanted`` files in memory. ``compression`` is gz, bz2 or xz. Raises DataError where
    they are more than ``MEMORY_BYTES``, or the whole unpacks to far more than its own size. Damage raises the errors of tarfile and of the
    compression.
    """
    members, held = _Members(path), bytearray()
    with OPENED[compression](path) as file:
        unpacked = Unpacked(path, file, UNPACKED_BYTES + UNPACKED_RATIO * path.stat().st_size)
        with unpacked.tar() as tar:
            for member in _each(tar):
                if not member.isreg() or member.issparse() or not wanted(member.name):
                    members.add(member, Place(len(held), 0))
                    continue
                # Looked at before anything is read: a few bytes may unpack to many gigabytes.
                _refuse_large(path, member.name, member.size)
                if len(held) + member.size > MEMORY_BYTES:
                    raise DataError(
                        f"{path} holds more than {readable_bytes(MEMORY_BYTES)} of images, and a compressed tar must be kept in memory: "
                        "unpack it, or make a plain .tar or a .zip of it"
                    )
                members.add(member, Place(len(held), member.size))
                unpacked.seek(member.offset_data)
                unpacked.read_into(held, member.size)
            unpacked.skip()  # to the end, where the checksum is
    return members.listed(held)


def list_zip(path: Path) -> ArchiveFiles:
    """The places in a zip. Raises DataError where it is encrypted or of an unusual compression, zipfile's errors where it is damaged."""
    places: dict[str, Place | None] = {}
    folders: list[str] = []
    listed = listed_members(path)
    _refuse_many(path, listed, path.stat().st_size - listed * ENTRY_SIZE)
    with zipfile.ZipFile(path) as archive:
        for member in archive.infolist():
            name = _clean(path, member.filename.replace("\\", "/"))
            if member.is_dir():
                folders.append(name)
                continue
            if member.flag_bits & 1:
                raise DataError(f"{path} is encrypted: unpack it with its password, and give the folder")
            if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                raise DataError(f"{path} is compressed in an unusual way (method {member.compress_type}): unpack it, and give the folder")
            place = Place(member.header_offset, member.compress_size, member.compress_type, member.CRC, unpacked=member.file_size)
            places[name] = None if stat.S_ISLNK(member.external_attr >> 16) else place
    return _found(path, places, folders)


class _Members:
    """The members of a tar by name. A later one of the same name replaces an earlier one, and a link has the place of what it leads to."""

    def __init__(self, path: Path) -> None:
        self.path, self.count, self.bytes = path, 0, 0
        self._places: dict[str, Place | None] = {}
        self._links: list[tuple[str, str]] = []
        self._folders: list[str] = []

    def add(self, member: tarfile.TarInfo, place: Place) -> None:
        """``place``: of its bytes, where it is a file. Raises DataError for a name that leads out of the archive, and for too many members."""
        self.count += 1
        self.bytes += member.size
        _refuse_many(self.path, self.count, self.bytes)
        if member.isreg():
            # A sparse file is a list of the places of its bytes, which nobody makes of an image.
            self._places[_clean(self.path, member.name)] = None if member.issparse() else place
        elif member.issym() or member.islnk():
            name = _clean(self.path, member.name)
            target = os.path.normpath(PurePosixPath(name).parent / member.linkname) if member.issym() else member.linkname
            self._links.append((name, target.removeprefix("./")))
        elif member.isdir():
            self._folders.append(_clean(self.path, member.name))

    def listed(self, held: bytearray | None = None) -> ArchiveFiles:
        for name, target in self._links:
            self._places[name] = self._places.get(target)
        return _found(self.path, self._places, self._folders, held)


def _each(tar: tarfile.TarFile) -> Iterator[tarfile.TarInfo]:
    """The members one after the other; tarfile itself would keep all of them."""
    while (member := tar.next()) is not None:
        tar.members.clear()  # type: ignore[attr-defined]
        yield member


def _refuse_many(path: Path, count: int, size: int) -> None:
    """``size``: bytes of so many members together."""
    if count > MOST_MEMBERS:
        raise DataError(f"{path} lists more than the {MOST_MEMBERS:,} members that are read: unpack it, and give the folder")
    if count > MANY_MEMBERS and size < SMALLEST * count:
        raise DataError(
            f"{path} lists more than {MANY_MEMBERS:,} members of {max(size, 0) / count:.0f} bytes on average, and no image has so few: "
            "make the archive again"
        )


def _clean(path: Path, name: str) -> str:
    """``./a//b/`` as ``a/b``. Raises DataError for a name that leads out of the archive."""
    if PLAIN_NAME.fullmatch(name):
        return name
    parts = PurePosixPath(name).parts
    if not name or ".." in parts or name.startswith("/") or "\0" in name:
        raise DataError(f"{path} lists {name!r}, which is no path below its top: make the archive again")
    return "/".join(parts)


def _found(path: Path, places: dict[str, Place | None], listed: list[str], held: bytearray | None = None) -> ArchiveFiles:
    """Of these places, and of the folders that are listed or that a name lies in."""
    above: set[str] = set()
    for name in [*places, *listed]:
        folder = name.rpartition("/")[0]
        while folder and folder not in above:
            above.add(folder)
            folder = folder.rpartition("/")[0]
    folders = tuple(sorted({*above, *listed} - {".", ""}))
    # Those of a compressed tar were checked when it was read through; a plain one has none.
    checked = held is not None or any(place is not None and place.method is not None for place in places.values())
    return ArchiveFiles(path, tuple(sorted(places)), folders, path.stat().st_size, checked, places, held)


def _from_zip(file: IO[bytes], place: Place) -> bytes:
    """The bytes of a zip's member, checked against its checksum."""
    header = _at(file, place.offset, ZIP_HEADER)
    skipped = sum(int.from_bytes(header[at : at + 2], "little") for at in (ZIP_NAME, ZIP_EXTRA))
    data = _at(file, place.offset + ZIP_HEADER + skipped, place.size)
    if place.method == zipfile.ZIP_DEFLATED:
        # Never more than the archive says of it, whatever the bytes would unpack to.
        stream = zlib.decompressobj(-zlib.MAX_WBITS)
        data = stream.decompress(data, place.unpacked + 1)
        if not stream.eof or len(data) != place.unpacked:
            raise zipfile.BadZipFile("it does not unpack to the size that the archive states")
    if zlib.crc32(data) != place.checksum:
        raise zipfile.BadZipFile("its checksum differs")
    return data


def _at(file: IO[bytes], offset: int, count: int, whole: bool = True) -> bytes:
    file.seek(offset)
    data = file.read(count)
    if whole and len(data) < count:
        raise EOFError("the archive ends before it")
    return data


def _refuse_large(path: Path, name: str, size: int) -> None:
    if size > FILE_BYTES:
        raise DataError(
            f"{name} in {path} unpacks to {readable_bytes(size)}, more than the {readable_bytes(FILE_BYTES)} that are read of a file, against "
            "decompression bombs: remove it"
        )


def _damaged(path: Path, error: Exception) -> DataError:
    return DataError(f"{path} is damaged or cut short ({error}): copy or make the archive again")
