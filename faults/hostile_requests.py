"""Requests to the explorer's server that another page, or no browser, would send; and meshes, which trimesh reads."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from random import Random
from typing import Any

from faults.hostile_case import Case, Maker
from faults.hostile_images import png

JSON = {"content-type": "application/json"}


def asked(method: str, path: str, headers: dict[str, str] | None = None, body: Any = b"", chunks: Sequence[int] | None = None) -> Maker:
    def make(folder: Path, random: Random) -> Sequence[str]:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        (folder / "request.json").write_text(
            json.dumps({"method": method, "path": path, "headers": headers or {}, "body": data.hex(), "chunks": chunks})
        )
        return "python:request", str(folder / "request.json")

    return make


def request_cases() -> Iterator[Case]:
    kind = "request"
    for host in (
        "evil.example",
        "127.0.0.1.evil.example",
        "localhost.evil.example",
        "",
        "[::1",
        "127.0.0.1@evil.example",
        "xn--1",
        "a" * 10_000,
        "evil.example:8765",
        "0x7f.1",
    ):
        yield Case(kind, f"the host {host[:40]!r}", asked("GET", "/data", {"host": host}))
    for origin in (
        "http://evil.example",
        "null",
        "http://127.0.0.1:8765.evil.example",
        "http://127.0.0.1:1",
        "file://",
        "http://127.0.0.1:8765@evil.example",
        "javascript:alert(1)",
        "http://[",
        "",
    ):
        yield Case(kind, f"the origin {origin!r}", asked("POST", "/images", {"origin": origin}, png(32, 32)))
    for site in ("cross-site", "same-site", "NONE"):
        yield Case(kind, f"from {site}", asked("POST", "/images", {"sec-fetch-site": site}, png(32, 32)))
    bodies: dict[str, Any] = {
        "no JSON": b"{", "100,000 deep": b"[" * 60_000, "100,000 deep and closed": b'{"pairs":' * 5000 + b"1" + b"}" * 5000, "a list": [], "null": None, "a number of many digits": b'{"pairs": ' + b"9" * 5000 + b"}", "NaN": b"NaN",
        "no pairs": {"query": "v0"}, "pairs of a word": {"pairs": "v0"}, "pairs of numbers": {"pairs": [[1, 2]]}, "pairs of three": {"pairs": [["v0", "v1", "v2"]]}, "a view that is not there": {"pairs": [["v9", "v999999"]]}, "thousands of pairs": {"pairs": [["v0", "v1"]] * 5000},
        "a token that leads out": {"pairs": [["u../../x", "v0"]]}, "a name of code": {"pairs": [["v0\n", "v1"]]}, "digits of another script": {"pairs": [["v\u0660", "v1"]]}, "no UTF-8": b"\xff\xfe", "a query of a list": {"pairs": [], "query": []}, "values": {"pairs": [], "query": "v0", "values": [1e308]},
        "values of NaN": b'{"pairs": [], "query": "v0", "values": [NaN]}', "a view of many digits": {"pairs": [], "query": "v" + "9" * 1000},
    }  # fmt: skip
    for what, body in bodies.items():
        for path in ("/answer", "/describe", "/left"):
            if path != "/answer" and what in ("a query of a list", "values", "values of NaN", "a view of many digits"):
                continue
            yield Case(kind, f"{path}: {what}", asked("POST", path, JSON, body))
    yield Case(
        kind, "a question that is a form", asked("POST", "/answer", {"content-type": "application/x-www-form-urlencoded"}, b"pairs=1")
    )
    yield Case(kind, "a question of 64 MiB", asked("POST", "/answer", JSON, chunks=(1024, 65_536)))
    yield Case(kind, "an image of 256 MiB in pieces", asked("POST", "/images", chunks=(4096, 65_536)))
    yield Case(kind, "an image of a declared size alone", asked("POST", "/images", {"content-length": "99999999999"}, b""))
    for path in (
        "/files/../page.py",
        "/files/%2e%2e%2fpage.py",
        "/files/..%5c..%5cx",
        "/%00",
        "/files/" + "x" * 60_000,
        "//evil.example/",
        "/files/explorer.js%00.png",
    ):
        yield Case(kind, f"the path {path[:40]}", asked("GET", path), "either")
    for method in ("PUT", "DELETE", "OPTIONS", "TRACE", "PATCH"):
        yield Case(kind, f"the method {method}", asked(method, "/images", {"origin": "http://evil.example"}))


def mesh_cases() -> Iterator[Case]:
    files = {
        "a PLY of 10^12 corners": ("a.ply", b"ply\nformat binary_little_endian 1.0\nelement vertex 1000000000000\nproperty float x\nproperty float y\nproperty float z\nelement face 1\nproperty list uchar int vertex_indices\nend_header\n" + bytes(64)),
        "a text PLY of 10^9 corners": ("a.ply", b"ply\nformat ascii 1.0\nelement vertex 1000000000\nproperty float x\nend_header\n1\n"), "an STL of 2^32 triangles": ("a.stl", bytes(80) + b"\xff\xff\xff\xff" + bytes(100)), "an OFF of 10^12": ("a.off", b"OFF\n1000000000000 1 0\n0 0 0\n"),
        "an OBJ of no corners": ("a.obj", b"f 1 2 3\n"), "an OBJ of NaN": ("a.obj", b"v nan 0 0\nv 0 1 0\nv 1 0 0\nf 1 2 3\n"), "an OBJ of corners that are not there": ("a.obj", b"v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 999999999\n"), "an OBJ of another's material": ("a.obj", b"mtllib ../../beside.txt\nv 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\n"),
        "a glTF of a file outside": ("a.gltf", json.dumps({"asset": {"version": "2.0"}, "buffers": [{"uri": "../../beside.txt", "byteLength": 9}], "meshes": [], "scenes": [{}]}).encode()), "a GLB of 2^32 bytes": ("a.glb", b"glTF\x02\0\0\0\xff\xff\xff\xff\xff\xff\xff\xffJSON"),
        "a GLB 100,000 deep": ("a.glb", b"glTF\x02\0\0\0" + (100_020).to_bytes(4, "little") + (100_000).to_bytes(4, "little") + b"JSON" + b"[" * 100_000), "no bytes": ("a.stl", b""), "noise": ("a.ply", bytes(range(256)) * 20), "a pickle": ("a.obj", b"\x80\x04cos\nsystem\n."),
    }  # fmt: skip
    for name, (file, data) in files.items():
        yield Case("mesh", name, mesh(file, data), "either" if "material" in name else "refused")


def mesh(name: str, data: bytes) -> Maker:
    def make(folder: Path, random: Random) -> Sequence[str]:
        (folder / name).write_bytes(data)
        return "python:mesh", str(folder / name)

    return make


def cases() -> Iterator[Case]:
    yield from request_cases()
    yield from mesh_cases()
