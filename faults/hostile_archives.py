"""Archives of images that unpack to far more than they are, lead out of their folder, or hold what is no file."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

from faults.hostile_case import Case, Maker
from faults.hostile_images import png

KIND = "archive"
EMBED = ("embed", "shapes", "{file}", "out=out.npy", "progress=false")
PACK = ("data", "check", "{file}", "progress=false")
Build = Callable[[Any], object]


def given(name: str, build: Callable[[Path], object], words: Sequence[str] = EMBED) -> Maker:
    def make(folder: Path, random: Random) -> Sequence[str]:
        build(folder / name)
        return [word.format(file=folder / name, folder=folder) for word in words]

    return make


def in_zip(build: Build, compression: int = zipfile.ZIP_DEFLATED) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        with zipfile.ZipFile(path, "w", compression) as made:
            made.writestr("cat/sound.png", png(32, 32))
            build(made)

    return write


def in_tar(build: Build, mode: str = "w") -> Callable[[Path], None]:
    def write(path: Path) -> None:
        with tarfile.open(path, mode) as made:  # type: ignore[call-overload]
            add(made, "cat/sound.png", png(32, 32))
            build(made)

    return write


def put(made: zipfile.ZipFile, name: str) -> None:
    made.writestr(name, png(32, 32))


def add(made: tarfile.TarFile, name: str, data: bytes = b"", **fields: Any) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(data)
    for field, value in fields.items():
        setattr(member, field, value)
    made.addfile(member, io.BytesIO(data) if data else None)


PACKERS: Mapping[str, Callable[[bytes], bytes]] = {"gz": gzip.compress, "bz2": bz2.compress, "xz": lzma.compress}
PIECE = 1 << 24


def packed(kind: str, parts: Iterable[bytes | int]) -> bytes:
    """Bytes, and zeros in these numbers, as streams one after the other, which every reader takes for one. A piece of zeros is packed once."""
    pack, zeros = PACKERS[kind], b""
    found = []
    for part in parts:
        if isinstance(part, bytes):
            found.append(pack(part))
            continue
        zeros = zeros or pack(bytes(PIECE))
        found += [zeros] * (part // PIECE) + [pack(bytes(part % PIECE))]
    return b"".join(found)


def zeros_in_zip(name: str, size: int) -> Callable[[Path], None]:
    """A zip of one image of zeros, written by hand: Python would compress for a minute."""

    def write(path: Path) -> None:
        stream = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
        piece = stream.compress(bytes(PIECE)) + stream.flush(zlib.Z_FULL_FLUSH)
        data, called = piece * (size // PIECE) + stream.flush(), name.encode()
        small = min(size, 0xFFFFFFFE)
        head = struct.pack("<5H3L2H", 20, 0, 8, 0, 33, 0, len(data), small, len(called), 0)
        file = b"PK\3\4" + head + called + data
        listed = b"PK\1\2" + struct.pack("<H", 20) + head + struct.pack("<3H2L", 0, 0, 0, 0, 0) + called
        path.write_bytes(file + listed + struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 1, 1, len(listed), len(file), 0))

    return write


def zeros_in_tar(name: str, size: int, kind: str, times: int = 1) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        parts: list[bytes | int] = []
        for number in range(times):
            member = tarfile.TarInfo(name.format(number))
            member.size = size
            parts += [member.tobuf(tarfile.GNU_FORMAT), size]
        path.write_bytes(packed(kind, [*parts, bytes(1024)]))

    return write


def many_in_zip(count: int) -> Callable[[Path], None]:
    """Members without a byte, listed in a directory that is written by hand: Python would take a minute."""

    def write(path: Path) -> None:
        with path.open("wb") as file:
            name = b"cat/0000000.png"
            file.write(struct.pack("<4s5H3L2H", b"PK\3\4", 20, 0, 0, 0, 33, 0, 0, 0, len(name), 0) + name)
            start = file.tell()
            head = struct.pack("<4s6H3L5H2L", b"PK\1\2", 20, 20, 0, 0, 0, 33, 0, 0, 0, len(name), 0, 0, 0, 0, 0, 0)
            file.write(b"".join(head + b"cat/%07d.png" % number for number in range(count)))
            size = file.tell() - start
            file.write(struct.pack("<4sQ2H2L4Q", b"PK\6\6", 44, 45, 45, 0, 0, count, count, size, start))
            file.write(struct.pack("<4sLQL", b"PK\6\7", 0, start + size, 1))
            file.write(struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0))

    return write


def many_in_tar(count: int, compressed: bool) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        member = tarfile.TarInfo("cat/0000000.png")
        block = member.tobuf(tarfile.USTAR_FORMAT)
        ten_thousand = gzip.compress(block * 10_000, 1) if compressed else block * 10_000
        end = gzip.compress(bytes(1024)) if compressed else bytes(1024)
        with path.open("wb") as file:
            for _ in range(count // 10_000):
                file.write(ten_thousand)
            file.write(end)

    return write


def header_of_zeros(kind: bytes, size: int) -> Callable[[Path], None]:
    """A long name, or a header of pax, of so many bytes: tarfile reads it whole before it looks at it."""

    def write(path: Path) -> None:
        member = tarfile.TarInfo("././@LongLink")
        member.type, member.size = kind, size
        path.write_bytes(packed("gz", [member.tobuf(tarfile.GNU_FORMAT), size]))

    return write


def trailing(size: int) -> Callable[[Path], None]:
    """Zeros after the end of a tar."""

    def write(path: Path) -> None:
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w") as made:
            add(made, "cat/sound.png", png(32, 32))
        path.write_bytes(packed("gz", [buffer.getvalue(), size]))

    return write


def sparse(size: int) -> Callable[[Path], None]:
    """A member of GNU's sparse kind: no bytes, and a size of many."""

    def write(path: Path) -> None:
        member = tarfile.TarInfo("cat/hole.png")
        member.type = tarfile.GNUTYPE_SPARSE
        block = bytearray(member.tobuf(tarfile.GNU_FORMAT))
        block[386:410] = b"%011o\0%011o\0" % (0, 0)
        block[483:495] = b"%011o\0" % min(size, 0o77777777777)
        block[148:156] = b" " * 8
        block[148:156] = b"%06o\0 " % sum(block)
        with gzip.open(path, "wb") as file:
            file.write(bytes(block) + bytes(10_240))

    return write


def xz_of_a_large_dictionary(path: Path) -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as made:
        add(made, "cat/sound.png", png(32, 32))
    filters = [{"id": lzma.FILTER_LZMA2, "preset": 0, "dict_size": 1 << 20}]
    data = bytearray(lzma.compress(buffer.getvalue(), filters=filters))
    # The size of the dictionary is one byte of the block's header: 4 GiB.
    at = data.index(b"\x21\x01", 12) + 2
    data[at] = 40
    head = data[12 : 12 + (data[12] + 1) * 4]
    data[12 + len(head) - 4 : 12 + len(head)] = struct.pack("<L", zlib.crc32(bytes(data[12 : 12 + len(head) - 4])))
    path.write_bytes(bytes(data))


def lying_zip(field: str) -> Callable[[Path], None]:
    """A zip whose directory says something else than is there."""

    def write(path: Path) -> None:
        in_zip(lambda made: None, zipfile.ZIP_STORED)(path)
        data = bytearray(path.read_bytes())
        at = data.index(b"PK\1\2")
        places = {"size": (at + 24, struct.pack("<L", 0x3FFFFFFF)), "compressed size": (at + 20, struct.pack("<L", 0x3FFFFFFF)), "place": (at + 42, struct.pack("<L", 0x7FFFFFFF)),
                  "method": (at + 10, struct.pack("<H", 99)), "encryption": (at + 8, struct.pack("<H", 1)), "checksum": (at + 16, b"1234")}  # fmt: skip
        place, value = places[field]
        data[place : place + len(value)] = value
        path.write_bytes(bytes(data))

    return write


def links(target: str, kind: bytes = tarfile.SYMTYPE) -> Build:
    return lambda made: add(made, "cat/link.png", type=kind, linkname=target)


def zip_link(made: zipfile.ZipFile) -> None:
    info = zipfile.ZipInfo("cat/link.png")
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    made.writestr(info, "/etc/passwd")


def cases() -> Iterator[Case]:
    for number, name in enumerate(
        (
            "../beside.txt",
            "/etc/x.png",
            "a/../../x.png",
            "..\\x.png",
            "C:\\x.png",
            "a\0b.png",
            "",
            "x" * 5000 + ".png",
            "cat/\x1b[2J.png",
            "cat/a\nb.png",
        )
    ):
        wanted: Any = "refused" if number in (0, 1, 2, 3) else "either"
        yield Case(
            KIND,
            f"zip: the name {name[:20]!r}",
            given("a.zip", in_zip(partial(put, name=name or "."))),
            wanted,
        )
        if name and "\0" not in name:
            build = in_tar(partial(add, name=name, data=png(32, 32)))
            yield Case(KIND, f"tar: the name {name[:20]!r}", given("a.tar", build), wanted if number != 3 else "either")
            gz = in_tar(partial(add, name=name, data=png(32, 32)), "w:gz")
            yield Case(KIND, f"tar.gz: the name {name[:20]!r}", given("a.tar.gz", gz), wanted if number != 3 else "either")
    for target in ("/etc/passwd", "../../beside.txt", "link.png", "cat", "/dev/zero"):
        for kind, what in ((tarfile.SYMTYPE, "link"), (tarfile.LNKTYPE, "hard link")):
            yield Case(KIND, f"tar: a {what} to {target}", given("a.tar", in_tar(links(target, kind))))
    for kind, what in ((tarfile.FIFOTYPE, "pipe"), (tarfile.CHRTYPE, "device"), (tarfile.BLKTYPE, "disk")):
        yield Case(
            KIND,
            f"tar: a {what}",
            given("a.tar", in_tar(partial(add, name="cat/x.png", type=kind, devmajor=1, devminor=5))),
            "either",
        )
    yield Case(KIND, "zip: a link", given("a.zip", in_zip(zip_link)))
    for field in ("size", "compressed size", "place", "method", "encryption", "checksum"):
        yield Case(KIND, f"zip: a wrong {field}", given("a.zip", lying_zip(field)))
    for words, door in ((EMBED, "embed"), (PACK, "check")):
        yield Case(KIND, f"zip: an image of 900 MiB of zeros: {door}", given("a.zip", zeros_in_zip("cat/x.png", 900 << 20), words))
        yield Case(KIND, f"zip: an image of 6 GiB of zeros: {door}", given("a.zip", zeros_in_zip("cat/x.png", 6 << 30), words))
        yield Case(
            KIND, f"tar.gz: an image of 900 MiB of zeros: {door}", given("a.tar.gz", zeros_in_tar("cat/x.png", 900 << 20, "gz"), words)
        )
        yield Case(
            KIND,
            f"tar.gz: 40 images of 100 MiB of zeros: {door}",
            given("a.tar.gz", zeros_in_tar("cat/{}.png", 100 << 20, "gz", 40), words),
        )
        yield Case(
            KIND, f"tar.gz: a file of 8 GiB that is no image: {door}", given("a.tar.gz", zeros_in_tar("cat/x.bin", 8 << 30, "gz"), words)
        )
        yield Case(KIND, f"tar.gz: zeros of 8 GiB after its end: {door}", given("a.tar.gz", trailing(8 << 30), words))
        yield Case(KIND, f"tar.gz: a name of 4 GiB: {door}", given("a.tar.gz", header_of_zeros(tarfile.GNUTYPE_LONGNAME, 4 << 30), words))
        yield Case(KIND, f"tar.gz: a pax header of 4 GiB: {door}", given("a.tar.gz", header_of_zeros(tarfile.XHDTYPE, 4 << 30), words))
        yield Case(
            KIND, f"tar.gz: a global pax header of 4 GiB: {door}", given("a.tar.gz", header_of_zeros(tarfile.XGLTYPE, 4 << 30), words)
        )
        yield Case(KIND, f"tar.gz: a hole of 8 GiB: {door}", given("a.tar.gz", sparse(8 << 30), words))
        yield Case(KIND, f"tar.gz: a hole of 900 MiB: {door}", given("a.tar.gz", sparse(900 << 20), words))
    yield Case(KIND, "zip: a million members", given("a.zip", many_in_zip(1_000_000)))
    yield Case(KIND, "zip: five million members", given("a.zip", many_in_zip(5_000_000)))
    yield Case(KIND, "tar: a million members", given("a.tar", many_in_tar(1_000_000, False)))
    yield Case(KIND, "tar.gz: five million members", given("a.tar.gz", many_in_tar(5_000_000, True)))
    yield Case(KIND, "tar.xz: a dictionary of 4 GiB", given("a.tar.xz", xz_of_a_large_dictionary), "either")
    yield Case(KIND, "tar.xz: 4 GiB of zeros", given("a.tar.xz", zeros_in_tar("cat/x.png", 4 << 30, "xz")))
    yield Case(KIND, "tar.bz2: 4 GiB of zeros", given("a.tar.bz2", zeros_in_tar("cat/x.png", 4 << 30, "bz2")))
    starts = {"a.zip": b"PK\3\4", "a.tar": b"cat/x.png", "a.tar.gz": b"\x1f\x8b\x08", "a.tar.xz": b"\xfd7zXZ\0", "a.tar.bz2": b"BZh9"}
    for name, start in starts.items():
        yield Case(KIND, f"{name}: noise", given(name, partial(noise, start=start)))
        yield Case(KIND, f"{name}: no bytes", given(name, Path.touch))
        yield Case(KIND, f"{name}: a hole of 64 GiB", given(name, partial(hole, start=start)))


def noise(path: Path, start: bytes) -> None:
    path.write_bytes(start + bytes(range(256)) * 40)


def hole(path: Path, start: bytes) -> None:
    with path.open("wb") as file:
        file.write(start)
        file.truncate(64 << 30)
