"""Tensors and arrays that declare more than they hold: .safetensors models and contexts, .npy, .npz, .parquet."""

from __future__ import annotations

import json
import os
import struct
import zipfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import torch

from faults.hostile_case import MARK, MODULE, Case, Maker, write_module


def safetensors(header: Any, data: bytes = b"", length: int | None = None) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + data


def written(name: str, data: bytes | Callable[[], bytes], *words: str, size: int | None = None) -> Maker:
    """A file of these bytes, with a hole after them up to ``size``."""

    def make(folder: Path, random: Random) -> Sequence[str]:
        with (folder / name).open("wb") as file:
            file.write(data() if callable(data) else data)
            if size is not None:
                file.truncate(size)
        return [word.format(file=folder / name, folder=folder) for word in words]

    return make


def tensor(shape: Sequence[int], first: int, last: int, kind: str = "F32") -> dict[str, Any]:
    return {"dtype": kind, "shape": list(shape), "data_offsets": [first, last]}


def model_with(change: Any) -> Maker:
    """A model file whose digest is right, and which holds something else than a model."""

    def make(folder: Path, random: Random) -> Sequence[str]:
        from safetensors.torch import save

        import contextssl
        from contextssl.models import model_file

        model: Any = contextssl.load("shapes", device="cpu")
        recipe = json.loads(json.dumps(model_file.shareable(model.recipe)))
        tensors = {
            model_file.WEIGHTS + name: each.half() if each.is_floating_point() else each for name, each in model.state_dict().items()
        }
        words = change(recipe, tensors, folder) or ["python:load", "{file}"]
        about = json.dumps(recipe)
        path = folder / "model.safetensors"
        path.write_bytes(save(tensors, {model_file.ABOUT: about, model_file.DIGEST: model_file._digest(about, tensors)}))
        return [word.format(file=path, folder=folder) for word in words]

    return make


def setting(name: str, value: Any) -> Any:
    return lambda recipe, tensors, folder: recipe["settings"].__setitem__(name, value)


def part(name: str, value: Any) -> Any:
    return lambda recipe, tensors, folder: recipe.__setitem__(name, value)


def named_code(name: str, words: Sequence[str]) -> Any:
    def change(recipe: dict[str, Any], tensors: Any, folder: Path) -> Sequence[str]:
        write_module(folder)
        value = f"{MODULE}:THING"
        recipe["settings"][name] = [value] if name == "factors" else value
        if name == "factors":
            recipe["settings"]["dataset"] = "images"
        return words

    return change


def weight(value: float) -> Any:
    def change(recipe: Any, tensors: dict[str, torch.Tensor], folder: Path) -> None:
        name = max(tensors, key=lambda each: tensors[each].numel())
        tensors[name] = tensors[name].clone()
        tensors[name].flatten()[7] = value

    return change


def context_with(change: Any) -> Maker:
    def make(folder: Path, random: Random) -> Sequence[str]:
        from safetensors.torch import save

        about: dict[str, Any] = {"format": 1, "version": "0.1", "model": "0" * 16, "environment": None, "held": 1}
        tensors = {"context.keys": torch.zeros(2, 2, 4, 8), "context.values": torch.zeros(2, 2, 4, 8)}
        change(about, tensors)
        path = folder / "context.safetensors"
        path.write_bytes(save(tensors, {"contextssl.context": about if isinstance(about, str) else json.dumps(about)}))
        return "context", "describe", "shapes", str(path)

    return make


def set_about(name: str, value: Any) -> Any:
    return lambda about, tensors: about.__setitem__(name, value)


def tensor_cases() -> Iterator[Case]:
    load, describe = ("python:load", "{file}"), ("context", "describe", "shapes", "{file}")
    headers: dict[str, tuple[bytes | Callable[[], bytes], int | None]] = {
        "a header of 2^63 bytes": (safetensors({}, length=1 << 63), None),
        "a header that is longer than the file": (safetensors({}, length=1000), None),
        "a header of 4 GiB in a hole": (safetensors({}, length=1 << 32), 5 << 30),
        "a hole of 64 GiB": (b"", 64 << 30),
        "a hole of 64 GiB after a header": (safetensors({}), 64 << 30),
        "a tensor of 64 GiB in a hole": (safetensors({"x": tensor([1 << 34], 0, 1 << 36)}), (1 << 36) + 200),
        "no bytes": (b"", None),
        "seven bytes": (b"1234567", None),
        "a header that is no JSON": (safetensors(b"{" * 50), None),
        "a header 100,000 deep": (lambda: safetensors(b'{"x":' * 100_000 + b"1" + b"}" * 100_000), None),
        "metadata 5,000 deep": (lambda: safetensors(b'{"__metadata__":' + b"[" * 5000 + b"]" * 5000 + b"}"), None),
        "a header of 90 MB": (lambda: safetensors(b'{"__metadata__":{"x":"' + b"y" * 90_000_000 + b'"}}'), None),
        "a million tensors": (lambda: safetensors({f"t{i}": tensor([0], 0, 0) for i in range(1_000_000)}), None),
        "a header that is no text": (safetensors(b"\xff\xfe\x00"), None),
        "a list": (safetensors([]), None),
        "shapes that overflow": (safetensors({"x": tensor([1 << 40, 1 << 40], 0, 4)}, bytes(4)), None),
        "a negative size": (safetensors({"x": tensor([-1], 0, 4)}, bytes(4)), None),
        "offsets beyond the file": (safetensors({"x": tensor([1 << 30], 0, 4 << 30)}, bytes(4)), None),
        "offsets backwards": (safetensors({"x": tensor([1], 4, 0)}, bytes(4)), None),
        "tensors that overlap": (safetensors({"x": tensor([1], 0, 4), "y": tensor([1], 0, 4)}, bytes(4)), None),
        "a gap": (safetensors({"x": tensor([1], 4, 8)}, bytes(8)), None),
        "an unknown kind": (safetensors({"x": tensor([1], 0, 4, "CODE")}, bytes(4)), None),
        "metadata that are numbers": (safetensors({"__metadata__": {"contextssl.model": 3}}), None),
        "a model that is no JSON": (safetensors({"__metadata__": {"contextssl.model": "{", "contextssl.digest": "0"}}), None),
        "a model 100,000 deep": (lambda: safetensors({"__metadata__": {"contextssl.model": "[" * 100_000, "contextssl.digest": "0"}}), None),
        "a context 100,000 deep": (lambda: safetensors({"__metadata__": {"contextssl.context": "[" * 100_000}}), None),
        "a context that is a list": (safetensors({"__metadata__": {"contextssl.context": "[]"}}), None),
        "a context without tensors": (safetensors({"__metadata__": {"contextssl.context": '{"format":1}'}}), None),
        "a pickle": (b"\x80\x04cos\nsystem\n.", None),
    }  # fmt: skip
    for name, (data, size) in headers.items():
        for kind, words in (("model file", load), ("context file", describe)):
            yield Case(kind, name, written("file.safetensors", data, *words, size=size))
    models = {
        "NaN": weight(float("nan")), "infinity": weight(float("inf")),
        "a layer's width of a million": setting("width", 10**6), "a million layers": setting("n_layer", 10**6), "a block of 10^12": setting("block_size", 10**12),
        "no settings": part("settings", None), "factors of 10^9 numbers": part("factors", [{"name": "a", "width": 10**9, "relation": "difference", "components": []}]),
        "factors without names": part("factors", [{}]), "views of 2^19": part("view_shape", [3, 1 << 19, 1 << 19]), "a million classes": part("class_names", ["x"] * 10**6),
        "a path": part("data", {"kind": "shapes", "path": "/etc", "places": {"data_dir": "/etc"}}), "labels of nonsense": part("labels", {"x": [[]]}),
        "columns of nonsense": part("columns", [{"kind": "x"}]), "settings that are a list": part("settings", []), "a format of later": part("format", 99),
        "a backbone that is not there": setting("backbone", "../../x"), "a pretrained backbone": setting("pretrained", True), "an image deviation of 0": part("image_std", [0.0, 0.0, 0.0]),
    }  # fmt: skip
    for name, change in models.items():
        wanted: Any = (
            "either"
            if name in ("a pretrained backbone", "a path", "a million classes", "an image deviation of 0", "a block of 10^12")
            else "refused"
        )
        yield Case("model file", name, model_with(change), wanted)
    for name in ("method", "dataset", "factors", "encoder_factory"):
        doors: dict[str, Sequence[str]] = {
            "load": load, "embed": ("embed", "{file}", "{folder}"), "evaluate": ("evaluate", "all", "{file}", "out={folder}/out", "progress=false"),
            "begin from it": ("train", "from={file}", "run_dir={folder}/next"), "explore": ("python:explore", "{file}"),
        }  # fmt: skip
        for door, command in doors.items():
            yield Case("code named by a file", f"a model file names {name}: {door}", model_with(named_code(name, command)), "either")
    contexts: dict[str, Any] = {
        "held is 0": set_about("held", 0), "held is 2^70": set_about("held", 1 << 70), "held is true": set_about("held", True), "a format of a thousand digits": set_about("format", 10**1000),
        "an environment that is a list": set_about("environment", [["x"]]), "a model of 10 MB": set_about("model", "x" * 10**7), "an environment of 10 MB": set_about("environment", "x" * 10**7),
        "another model": set_about("model", "f" * 16), "keys without tokens": lambda about, tensors: tensors.update({"context.keys": torch.zeros(2, 2, 0, 8), "context.values": torch.zeros(2, 2, 0, 8)}),
        "NaN": lambda about, tensors: tensors["context.keys"].fill_(float("nan")), "whole numbers": lambda about, tensors: tensors.update({"context.keys": torch.zeros(2, 2, 4, 8, dtype=torch.int8)}),
        "other shapes": lambda about, tensors: tensors.update({"context.values": torch.zeros(1)}), "features of another width": lambda about, tensors: tensors.update({"context.features": torch.zeros(4, 2, 10**5)}),
    }  # fmt: skip
    for name, change in contexts.items():
        yield Case("context file", name, context_with(change))


def npy(shape: str, kind: str = "<f4", data: bytes = bytes(16), version: tuple[int, int] = (1, 0), header: str | None = None) -> bytes:
    text = header if header is not None else f"{{'descr': {kind!r}, 'fortran_order': False, 'shape': {shape}, }}"
    body = text.encode() + b" " * (-(len(text) + 11) % 64) + b"\n"
    size = struct.pack("<H", len(body)) if version == (1, 0) else struct.pack("<L", len(body))
    return b"\x93NUMPY" + bytes(version) + size + body + data


def array_cases() -> Iterator[Case]:
    mark = f"open('{MARK}','w').close()"
    arrays = {
        "10^12 numbers": npy("(1000000000000,)"), "10^12 rows": npy("(1000000000000, 4)"), "more than 2^64": npy("(9999999999999, 9999999999999)"),
        "2^31 numbers": npy("(2147483648,)"), "words of 2^30 letters": npy("(4,)", "<U1073741824"), "bytes of 2^30": npy("(1000,)", "|S1073741824"), "voids of 2^31": npy("(4,)", "|V2147483647"),
        "words without letters": npy("(1000000000000,)", "<U0", b""), "nothing of each": npy("(1000000000000,)", "|V0", b""),
        "a negative size": npy("(-1,)"), "objects": npy("(4,)", "|O"), "a header with a call": npy("", header=f"{{'descr': {mark}, 'shape': (1,), 'fortran_order': False}}"),
        "a header that is nested": npy("", header="(" * 5000 + ")" * 5000), "a header of 4 GiB": b"\x93NUMPY\x02\x00" + struct.pack("<L", 0xFFFFFFFF) + b"{", "a long header": npy("", version=(2, 0), header="{" + " " * 2_000_000 + "}"),
        "version 9": npy("(4,)", version=(9, 9)), "a nested kind": npy("(1,)", header="{'descr': [('a', [('b', '<f4', (100000, 100000))])], 'fortran_order': False, 'shape': (1,)}"),
        "no header": b"\x93NUMPY", "nothing": b"", "a pickle": b"\x80\x04cos\nsystem\n.", "NaN": npy("(2, 2)", data=struct.pack("<4f", 0, float("nan"), 0, 0)), "one number": npy("()"),
        "columns of 0": npy("(0, 4)", data=b""), "whole numbers": npy("(2, 2)", "<i4"), "dates": npy("(2, 1)", "<M8[s]"), "complex": npy("(2, 1)", "<c8"), "true for a size": npy("(True, 4)", data=bytes(16)),
    }  # fmt: skip
    for name, data in arrays.items():
        features = ("data", "check", "dataset=features", "features={file}", "path={folder}/table.csv", "progress=false")
        yield Case("features", f"npy: {name}", written("features.npy", data, *features))
        yield Case("arrays of 3DIEBench", name, meta_of(data))
    yield Case(
        "features", "npy: a hole of 64 GiB", written("features.npy", npy("(268435456, 64)", data=b""), *features, size=128 + (64 << 30))
    )
    yield Case("features", "npy: a pipe", piped("features.npy", features))
    for name, make in npz_makers().items():
        yield Case("features", f"npz: {name}", make)
    for name, make in parquet_makers().items():
        yield Case("parquet", name, make)


def piped(name: str, words: Sequence[str]) -> Maker:
    def make(folder: Path, random: Random) -> Sequence[str]:
        os.mkfifo(folder / name)
        return [word.format(file=folder / name, folder=folder) for word in words]

    return make


def meta_of(data: bytes) -> Maker:
    """A folder of the published layout, whose list is that array."""

    def make(folder: Path, random: Random) -> Sequence[str]:
        root = folder / "data"
        (root / "meta").mkdir(parents=True)
        (root / "meta" / "train_images.npy").write_bytes(data)
        np.save(root / "meta" / "train_labels.npy", np.zeros(4, np.int64))
        return "data", "check", str(root), "progress=false"

    return make


FEATURES = ("data", "check", "dataset=features", "progress=false")


def npz_makers() -> dict[str, Maker]:
    def of(change: Any) -> Maker:
        def make(folder: Path, random: Random) -> Sequence[str]:
            path = folder / "features.npz"
            with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as made:
                change(made)
            return *FEATURES, f"features={path}"

        return make

    def zeros(made: zipfile.ZipFile) -> None:
        with made.open("x.npy", "w", force_zip64=True) as member:
            member.write(npy("(67108864, 16)", data=b""))
            for _ in range(256):
                member.write(bytes(1 << 24))

    def many(made: zipfile.ZipFile) -> None:
        for index in range(20_000):
            made.writestr(f"x{index}.npy", npy("(2, 2)"))

    return {
        "4 GiB of zeros": of(zeros),
        "20,000 arrays": of(many),
        "10^12 numbers": of(lambda made: made.writestr("x.npy", npy("(1000000000000, 4)"))),
        "objects": of(lambda made: made.writestr("x.npy", npy("(4, 1)", "|O"))),
        "a name that leads out": of(lambda made: made.writestr("../../beside.txt", npy("(2, 2)"))),
        "a member that is no array": of(lambda made: made.writestr("x.npy", b"\x80\x04cos\nsystem\n.")),
        "no member": of(lambda made: None),
        "names of objects": of(lambda made: (made.writestr("x.npy", npy("(4, 1)")), made.writestr("names.npy", npy("(4,)", "|O")))),
        "cut short": written("features.npz", b"PK\3\4" + bytes(50), *FEATURES, "features={file}"),
    }


def parquet_makers() -> dict[str, Maker]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    words = ("data", "check", "dataset=table", "label=a", "factors=[b]", "progress=false", "path={file}")

    def of(build: Any, words: Sequence[str] = words, change: Any = None, **options: Any) -> Maker:
        def make(folder: Path, random: Random) -> Sequence[str]:
            path = folder / "table.parquet"
            build(path, **options)
            if change is not None:
                path.write_bytes(change(path.read_bytes()))
            return [word.format(file=path, folder=folder) for word in words]

        return make

    def constant(path: Path, rows: int = 10**6, groups: int = 1000, value: Any = 0) -> None:
        """A few kilobytes that say how often a value stands there."""
        batch = pa.table({"a": pa.array([value]).take(pa.array(np.zeros(rows, np.int32))), "b": pa.array(np.zeros(rows, np.int8))})
        with pq.ParquetWriter(path, batch.schema, compression="zstd", use_dictionary=True) as writer:
            for _ in range(groups):
                writer.write_table(batch)

    def words_of(path: Path, letters: int, rows: int) -> None:
        indices = pa.array(np.zeros(rows, np.int32))
        kept = pa.DictionaryArray.from_arrays(indices, pa.array(["x" * letters]))
        pq.write_table(pa.table({"a": kept, "b": pa.array(np.zeros(rows, np.int8))}), path, store_schema=False)

    def wide(path: Path, columns: int) -> None:
        pq.write_table(pa.table({f"c{index}": [0] for index in range(columns)}), path)

    def lists(path: Path) -> None:
        values = pa.ListArray.from_arrays(pa.array([0, 1, 3]), pa.array([1.0, 2.0, 3.0]))
        pq.write_table(pa.table({"embedding": values}), path)

    def deep(path: Path) -> None:
        value: Any = 1.0
        for _ in range(200):
            value = [value]
        pq.write_table(pa.table({"a": [value], "b": [1]}), path)

    def small(path: Path) -> None:
        pq.write_table(pa.table({"a": ["x", "y"] * 50, "b": list(range(100))}), path)

    features = (*FEATURES, "features={file}")
    return {
        "a billion rows of a number": of(constant),
        "words of 100 MB, a thousand times": of(words_of, letters=10**8, rows=1000),
        "words of 1 MB, a million times": of(words_of, letters=10**6, rows=10**6),
        "50,000 columns": of(wide, columns=50_000),
        "lists of several lengths": of(lists, features),
        "fifty million rows of features": of(constant, features, value=[0.0], groups=50),
        "lists 200 deep": of(deep),
        "a footer of 2 GiB": of(small, change=lambda data: data[:-8] + struct.pack("<L", 0x7FFFFFFF) + b"PAR1"),
        "a footer of no bytes": of(small, change=lambda data: data[:-8] + struct.pack("<L", 0) + b"PAR1"),
        "a footer of noise": of(small, change=lambda data: data[:-208] + bytes(range(200)) + data[-8:]),
        "pages of noise": of(small, change=lambda data: data[:4] + bytes(byte ^ 0xA5 for byte in data[4:300]) + data[300:]),
        "cut short": of(small, change=lambda data: data[: len(data) // 2]),
        "a pickle": written("table.parquet", b"\x80\x04cos\nsystem\n.", *words),
        "a hole of 64 GiB": written("table.parquet", b"PAR1", *words, size=64 << 30),
        "a pipe": piped("table.parquet", words),
    }


def cases() -> Iterator[Case]:
    yield from tensor_cases()
    yield from array_cases()
