"""Images that ask for memory or time, run other programs, or are none: in a folder, and as an upload."""

from __future__ import annotations

import io
import os
import struct
import zlib
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

from PIL import Image

from faults.hostile_case import MARK, Case, Maker


def encoded(kind: str, size: tuple[int, int] = (32, 32), mode: str = "RGB", **options: Any) -> bytes:
    buffer = io.BytesIO()
    Image.new(mode, size).save(buffer, kind, **options)
    return buffer.getvalue()


def chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">L", len(data)) + name + data + struct.pack(">L", zlib.crc32(name + data))


def png(
    width: int, height: int, *chunks: bytes, pixels: bytes | None = None, depth: int = 8, colour: int = 2, interlaced: int = 0
) -> bytes:
    head = chunk(b"IHDR", struct.pack(">2L5B", width, height, depth, colour, 0, 0, interlaced))
    body = zlib.compress((b"\0" + bytes(3 * width)) * height) if pixels is None else pixels
    return b"\x89PNG\r\n\x1a\n" + head + b"".join(chunks) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


@cache
def _pieces() -> tuple[bytes, bytes]:
    """16 MiB of zeros, compressed, to begin with and to go on with."""
    whole, raw = zlib.compressobj(9), zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    zeros = bytes(1 << 24)
    return whole.compress(zeros) + whole.flush(zlib.Z_FULL_FLUSH), raw.compress(zeros) + raw.flush(zlib.Z_FULL_FLUSH)


def zeros(count: int) -> bytes:
    """At least so many zeros, compressed; of more than 16 MiB the checksum is missing."""
    if count <= 1 << 24:
        return zlib.compress(bytes(count), 9)
    first, next_ = _pieces()
    return first + next_ * (count >> 24) + b"\3\0"


def tiff(entries: Sequence[tuple[int, int, int, int]], extra: bytes = b"", count: int | None = None) -> bytes:
    """Tags (tag, type, count, value or place)."""
    body = b"".join(struct.pack("<2H2L", *entry) for entry in entries)
    return b"II*\0" + struct.pack("<LH", 8, len(entries) if count is None else count) + body + struct.pack("<L", 0) + extra


def many_tags(size: int) -> bytes:
    """65,000 tags that all point at the same bytes: read one by one they are gigabytes."""
    start = 8 + 2 + 12 * 65_000 + 4
    return tiff([(tag, 7, size, start) for tag in range(1, 65_001)], bytes(size))


def jpeg_with(segment: bytes) -> bytes:
    sound = encoded("JPEG")
    return sound[:2] + segment + sound[2:]


def exif_segments(exif: bytes) -> bytes:
    parts = [exif[start : start + 65_000] for start in range(0, len(exif), 65_000)]
    return b"".join(b"\xff\xe1" + struct.pack(">H", len(part) + 8) + b"Exif\0\0" + part for part in parts)


def scans(side: int, count: int) -> bytes:
    """A progressive JPEG of many scans that change nothing: each goes over all pixels again."""
    sound = encoded("JPEG", (side, side), "L", progressive=True, quality=10)
    first = sound.index(b"\xff\xda")
    (length,) = struct.unpack(">H", sound[first + 2 : first + 4])
    second = sound.index(b"\xff", first + 2 + length)
    while sound[second + 1] in (0, *range(0xD0, 0xD8)):
        second = sound.index(b"\xff", second + 1)
    table = b"\xff\xc4" + struct.pack(">H", 20) + b"\x10" + bytes([1, *[0] * 15]) + b"\xe0"
    # End-of-band runs of 2^14 blocks: a few bytes a scan.
    blocks = (-(-side // 8)) ** 2
    bits = "".join("0" + "1" * 14 for _ in range(-(-blocks // (2**15 - 1))))
    bits += "1" * (-len(bits) % 8)
    data = bytes(int(bits[at : at + 8], 2) for at in range(0, len(bits), 8)).replace(b"\xff", b"\xff\0")
    scan = b"\xff\xda" + struct.pack(">H", 8) + b"\x01\x01\x00\x01\x3f\x00" + data
    return sound[:second] + table + scan * count + b"\xff\xd9"


def gif(width: int, height: int, frames: int, *, code: bytes = b"\x02\x02\x4c\x01\x00") -> bytes:
    frame = b"\x2c" + struct.pack("<4HB", 0, 0, width, height, 0) + code
    return b"GIF89a" + struct.pack("<2H3B", width, height, 0x80, 0, 0) + b"\0\0\0\xff\xff\xff" + frame * frames + b"\x3b"


def bmp(width: int, height: int, compression: int, data: bytes) -> bytes:
    header = struct.pack("<L2l2H2L2l2L", 40, width, height, 1, 8, compression, len(data), 1, 1, 256, 0)
    return b"BM" + struct.pack("<L2HL", 54 + 1024 + len(data), 0, 0, 54 + 1024) + header + bytes(1024) + data


def pictures() -> Iterator[tuple[str, str, Any, str]]:
    """A name, a file's name, its bytes (or what makes them), and what is right."""
    yield "400 million pixels, all declared", "a.png", lambda: png(20_000, 20_000, pixels=zeros(1 << 26)), "refused"
    yield "2^31 by 2^31 pixels", "a.png", lambda: png(0x7FFFFFFF, 0x7FFFFFFF, pixels=b""), "refused"
    yield "89 million pixels", "a.png", lambda: png(9400, 9400, pixels=zeros(9400 * 28_201)), "either"
    yield "89 million pixels that are not there", "a.png", lambda: png(9400, 9400, pixels=zlib.compress(b"")), "refused"
    yield (
        "89 million pixels of 16 bits, with transparency",
        "a.png",
        lambda: png(9400, 9400, pixels=zeros(9400 * 75_201), depth=16, colour=6),
        "either",
    )
    yield "89 million pixels, interlaced", "a.png", lambda: png(9400, 9400, pixels=zeros(1 << 28), interlaced=1), "either"
    yield "4 GiB of pixels for a few", "a.png", lambda: png(32, 32, pixels=zeros(4 << 30)), "either"
    for name, head in (("zTXt", b"k\0\0"), ("iTXt", b"k\0\1\0\0\0"), ("iCCP", b"k\0\0")):
        yield f"{name} of 2 GiB", "a.png", lambda name=name, head=head: png(32, 32, chunk(name.encode(), head + zeros(2 << 30))), "either"
    yield (
        "a thousand zTXt of 1 MB",
        "a.png",
        lambda: png(32, 32, *[chunk(b"zTXt", b"k%d\0\0" % i + zeros(1 << 20)) for i in range(1000)]),
        "either",
    )
    yield "a million empty chunks", "a.png", lambda: png(32, 32, chunk(b"teXt", b"") * 1_000_000), "either"
    yield "20 million empty chunks", "a.png", lambda: png(32, 32, chunk(b"teXt", b"") * 20_000_000), "refused"
    yield "a chunk of 2 GiB", "a.png", lambda: png(32, 32)[:33] + struct.pack(">L", 0x7FFFFFFF) + b"IDAT", "refused"
    yield "an eXIf of many tags", "a.png", lambda: png(32, 32, chunk(b"eXIf", many_tags(1 << 22))), "either"
    yield "an APNG of 2^31 frames", "a.png", lambda: png(32, 32, chunk(b"acTL", struct.pack(">2L", 0x7FFFFFFF, 0))), "either"
    yield "a JPEG of 65,500 by 65,500", "a.jpg", lambda: jpeg_size(65_500, 65_500), "refused"
    yield "a JPEG of 9,400 by 9,400 that ends", "a.jpg", lambda: jpeg_size(9400, 9400), "either"
    yield "a JPEG of 2,000 scans", "a.jpg", lambda: scans(5000, 2000), "refused"
    yield "a JPEG of 200 scans of 81 million pixels", "a.jpg", lambda: scans(9000, 200), "refused"
    yield "a JPEG of five million empty segments", "a.jpg", lambda: jpeg_with(b"\xff\xfe\0\2" * 5_000_000), "either"
    yield "a JPEG of 50 million empty segments", "a.jpg", lambda: jpeg_with(b"\xff\xfe\0\2" * 50_000_000), "refused"
    yield "a JPEG of 100 million fill bytes", "a.jpg", lambda: jpeg_with(b"\xff" * 100_000_000), "either"
    yield "EXIF of many tags", "a.jpg", lambda: jpeg_with(exif_segments(many_tags(1 << 22))), "either"
    yield "EXIF whose directory is itself", "a.jpg", lambda: jpeg_with(exif_segments(tiff([(0x8769, 4, 1, 8), (0x0112, 3, 1, 6)]))), "read"
    yield "an orientation of 99", "a.jpg", lambda: jpeg_with(exif_segments(tiff([(0x0112, 3, 1, 99)]))), "read"
    yield (
        "an ICC profile of noise",
        "a.jpg",
        lambda: jpeg_with(b"\xff\xe2" + struct.pack(">H", 1016) + b"ICC_PROFILE\0\1\1" + bytes(1000)),
        "read",
    )
    yield "a TIFF of many tags", "a.tif", lambda: many_tags(1 << 22), "refused"
    yield "a TIFF of 65,535 tags, none there", "a.tif", lambda: tiff([], count=0xFFFF), "refused"
    yield "a TIFF of 400 million pixels", "a.tif", lambda: tiff_of(20_000, 20_000), "refused"
    yield "a TIFF whose pages are a ring", "a.tif", lambda: ring(), "either"
    yield "a BigTIFF of 2^60 tags", "a.tif", lambda: b"II+\0" + struct.pack("<2HQQ", 8, 0, 16, 1 << 60) + bytes(20) * 5_000_000, "refused"
    yield "a TIFF strip of 2^31 bytes", "a.tif", lambda: tiff_of(32, 32, count=0x7FFFFFFF), "either"
    yield "a GIF of 65,535 by 65,535", "a.gif", lambda: gif(65_535, 65_535, 1), "refused"
    yield "a GIF of a million frames", "a.gif", lambda: gif(32, 32, 1_000_000), "either"
    yield (
        "a GIF whose first frame is beyond it",
        "a.gif",
        lambda: gif(32, 32, 1).replace(b"\x2c\0\0\0\0 \0 \0", b"\x2c\0\0\0\0\xff\xff\xff\xff"),
        "refused",
    )
    yield "a GIF of 20 million empty comments", "a.gif", lambda: gif(32, 32, 0)[:-1] + b"\x21\xfe\0" * 20_000_000, "refused"
    yield "a BMP of run lengths without end", "a.bmp", lambda: bmp(8000, 8000, 1, b"\0\0" * 50_000_000), "refused"
    yield "a BMP of 2^31 by 2^31", "a.bmp", lambda: bmp(0x7FFFFFFF, 0x7FFFFFFF, 0, b""), "refused"
    yield "a BMP of negative height", "a.bmp", lambda: bmp(9000, -9000, 0, b""), "refused"
    yield "a plain PPM of 80 million pixels", "a.ppm", lambda: b"P3 9000 9000 255 " + b"1 " * 60_000_000, "refused"
    yield "a PPM of spaces", "a.ppm", lambda: b"P3" + b" " * 200_000_000, "refused"
    yield "a PPM of a comment without end", "a.ppm", lambda: b"P6 #" + b"x" * 200_000_000, "refused"
    yield "a PPM of 10^30 pixels", "a.ppm", lambda: b"P6 " + b"9" * 30 + b" 1 255\n", "refused"
    yield "a WebP of 16,383 by 16,383", "a.webp", lambda: encoded("WEBP", (16_383, 5000), lossless=True), "either"
    yield "a WebP that lies about its size", "a.webp", lambda: encoded("WEBP")[:4] + b"\xff\xff\xff\x7f" + encoded("WEBP")[8:], "either"
    yield "a JPEG 2000 of 60,000 by 60,000", "a.jp2", lambda: jp2_of(60_000, 60_000, 64), "refused"
    yield "a JPEG 2000 of tiles of a pixel", "a.jp2", lambda: jp2_of(9000, 9000, 1), "refused"
    yield "a JPEG 2000 box of 2^64 bytes", "a.jp2", lambda: b"\0\0\0\x0cjP  \r\n\x87\n" + b"\0\0\0\1jp2h" + b"\xff" * 8, "refused"
    yield "an AVIF of noise", "a.avif", lambda: b"\0\0\0\x1cftypavif" + bytes(range(256)) * 50, "refused"
    for suffix in (".jpg", ".png", ".tif", ".webp", ".ppm"):
        yield f"PostScript named {suffix}", f"a{suffix}", lambda: postscript(), "refused"
    for name, data in other_programs().items():
        yield f"{name} named .png", "a.png", lambda data=data: data, "refused"
    yield "no bytes", "a.png", lambda: b"", "refused"
    yield "floating point", "a.tif", lambda: encoded("TIFF", mode="F"), "refused"
    yield "a PNG cut short", "a.png", lambda: png(32, 32)[:60], "refused"
    yield "a PNG of a wrong checksum", "a.png", lambda: png(32, 32).replace(b"IDAT", b"IDAU"), "refused"


def postscript() -> bytes:
    return f"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 32 32\n%%EndComments\n({MARK}) (w) file closefile showpage\n%%EOF\n".encode()


def other_programs() -> dict[str, bytes]:
    """Formats that other decoders of Pillow take, and no decoder should here."""
    return {
        "an SVG that runs a script": f"<svg xmlns='http://www.w3.org/2000/svg'><script>{MARK}</script></svg>".encode(),
        "a PDF": b"%PDF-1.4\n1 0 obj<</OpenAction<</S/JavaScript/JS(app.alert(1))>>>>endobj",
        "an icon": b"\0\0\1\0\xff\xff" + bytes(16) * 1000, "an FPX": b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(1000), "a WMF": b"\xd7\xcd\xc6\x9a" + bytes(100),
        "a PSD": b"8BPS\0\1" + bytes(6) + struct.pack(">H2L2H", 3, 300_000, 300_000, 8, 3), "a DDS": b"DDS " + struct.pack("<4L", 124, 0x1007, 60_000, 60_000) + bytes(108),
        "an SGI": b"\x01\xda\1\1\0\3" + struct.pack(">3H", 60_000, 60_000, 3) + bytes(500), "a MIC": b"\xd0\xcf\x11\xe0" + bytes(600), "a TGA": b"\0\0\x0a" + bytes(9) + struct.pack("<2H2B", 60_000, 60_000, 24, 0),
        "a FITS": b"SIMPLE  = " + b" " * 70 + b"NAXIS1  = 99999999", "a QOI": b"qoif" + struct.pack(">2L2B", 60_000, 60_000, 3, 0), "a shell script": f"#!/bin/sh\ntouch {MARK}\n".encode(),
        "an HTML page": b"<html><script>alert(1)</script></html>", "a zip": b"PK\3\4" + bytes(200), "a pickle": b"\x80\x04cos\nsystem\n.",
    }  # fmt: skip


def jpeg_size(width: int, height: int) -> bytes:
    sound = encoded("JPEG")
    at = sound.index(b"\xff\xc0")
    return sound[: at + 5] + struct.pack(">2H", height, width) + sound[at + 9 :]


def tiff_of(width: int, height: int, count: int | None = None) -> bytes:
    size = width * height if count is None else count
    tags = [
        (256, 4, 1, width),
        (257, 4, 1, height),
        (258, 3, 1, 8),
        (259, 3, 1, 1),
        (262, 3, 1, 1),
        (273, 4, 1, 200),
        (277, 3, 1, 1),
        (278, 4, 1, height),
    ]
    return tiff([*tags, (279, 4, 1, size)], bytes(2000))


def ring() -> bytes:
    data = bytearray(tiff_of(32, 32))
    (count,) = struct.unpack("<H", data[8:10])
    data[10 + 12 * count : 14 + 12 * count] = struct.pack("<L", 8)
    return bytes(data)


def jp2_of(width: int, height: int, tile: int) -> bytes:
    """A codestream whose header declares this much, of one that is sound."""
    data = bytearray(encoded("JPEG2000"))
    at = data.index(b"\xff\x51") + 6
    data[at : at + 8] = struct.pack(">2L", width, height)
    data[at + 16 : at + 24] = struct.pack(">2L", tile, tile)
    head = data.find(b"ihdr")
    if head >= 0:
        data[head + 4 : head + 12] = struct.pack(">2L", height, width)
    return bytes(data)


def in_folder(name: str, build: Any) -> Maker:
    def make(folder: Path, random: Random) -> Sequence[str]:
        images = folder / "images" / "cat"
        images.mkdir(parents=True)
        (images / name).write_bytes(build())
        return "embed", "shapes", str(folder / "images"), "out=out.npy", "progress=false"

    return make


def uploaded(name: str, build: Any) -> Maker:
    def make(folder: Path, random: Random) -> Sequence[str]:
        (folder / name).write_bytes(build())
        return "python:upload", str(folder / name)

    return make


def special(kind: str, words: Sequence[str]) -> Maker:
    def make(folder: Path, random: Random) -> Sequence[str]:
        path = folder / "images" / "cat" / "a.png"
        path.parent.mkdir(parents=True)
        for number in range(3):
            (path.parent / f"sound{number}.png").write_bytes(png(32, 32))
        if kind == "a pipe":
            os.mkfifo(path)
        elif kind == "a folder that holds itself":
            (path.parent / "again").symlink_to(folder / "images")
        elif kind == "a hole of 64 GiB":
            with path.open("wb") as file:
                file.truncate(64 << 30)
        else:
            path.symlink_to(
                {
                    "an endless device": "/dev/zero",
                    "the terminal": "/dev/tty",
                    "a loop of links": "a.png",
                    "a link to nothing": "nothing.png",
                }[kind]
            )
        return [word.format(folder=folder, images=folder / "images") for word in words]

    return make


def cases() -> Iterator[Case]:
    for name, file, build, wanted in pictures():
        yield Case("image", name, in_folder(file, build), wanted)  # type: ignore[arg-type]
    for name, file, build, wanted in pictures():
        # What has more than 8 MiB is refused by its size.
        yield Case("upload", name, uploaded(file, build), "either" if wanted == "read" else wanted)  # type: ignore[arg-type]
    doors = {
        "embed": ("embed", "shapes", "{images}", "out=out.npy", "progress=false"), "check": ("data", "check", "{images}", "progress=false"),
        "train": ("train", "dataset=images", "data_dir={images}", "factors=[crop]", "run_dir={folder}/run", "progress=false"),
        "neighbours": ("neighbours", "shapes", "{images}/cat/a.png", "{images}", "progress=false"),
    }  # fmt: skip
    for kind in (
        "a pipe",
        "an endless device",
        "the terminal",
        "a loop of links",
        "a link to nothing",
        "a hole of 64 GiB",
        "a folder that holds itself",
    ):
        for door, words in doors.items():
            harmless = kind == "a folder that holds itself"
            yield Case("image", f"{kind}: {door}", special(kind, words), "either" if harmless else "refused")
