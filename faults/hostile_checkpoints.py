"""Checkpoints (.ckpt, .pt) that carry code, ask for memory, name modules, or are of odd shape."""

from __future__ import annotations

import os
import pickle
import socket
import struct
import zipfile
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

import torch

from faults.hostile_archives import zeros_in_zip
from faults.hostile_case import MARK, MODULE, Case, Maker, write_module

KIND = "checkpoint"
# What a recipe holds, and what may stand there instead.
PARTS = ("settings", "factors", "view_shape", "image_mean", "image_std", "columns", "labels", "class_names", "data", "encoder", "format")
ODD: dict[str, Any] = {
    "None": None, "a number": 10**18, "negative": -1, "a word": "x" * 50, "a list of lists": [[[]]], "a mapping": {"": {}}, "NaN": float("nan"),
    "many": [0] * 1_000_000,
}  # fmt: skip
# Settings that say how large something is.
SIZES = ("width", "n_layer", "n_head", "block_size", "projection_dim", "auxiliary_width", "encoder_depth", "sequence_layers", "resolution")


class Call:
    """Pickled as a call of a function."""

    def __init__(self, function: Any, *given: Any) -> None:
        self.function, self.given = function, given

    def __reduce__(self) -> tuple[Any, ...]:
        return self.function, self.given


def sound() -> dict[str, Any]:
    """The content of a checkpoint that loads: a shipped model's."""
    import contextssl
    from contextssl.checkpoints import MODEL_PREFIX, RECIPE

    model: Any = contextssl.load("shapes", device="cpu")
    # Of few objects, so that resuming renders them in no time.
    few = {
        "classes": 2,
        "objects": 4,
        "val_objects": 2,
        "grid": {"rotation": 2, "color": 2},
        "resolution": 16,
        "epochs": 2,
        "batch_size": 4,
        "accelerator": "cpu",
    }
    recipe = {**model.recipe, "settings": {**model.recipe["settings"], **few}}
    return {
        "epoch": 1, "global_step": 3, "pytorch-lightning_version": "2.6.0", "loops": {}, "callbacks": {}, "optimizer_states": [],
        "lr_schedulers": [], RECIPE: recipe, "state_dict": {MODEL_PREFIX + name: each for name, each in model.state_dict().items()},
    }  # fmt: skip


def run_folder(folder: Path, content: Any) -> Path:
    """A run's folder with this checkpoint."""
    path = folder / "run" / "checkpoints" / "last.ckpt"
    path.parent.mkdir(parents=True)
    torch.save(content, path)
    return folder / "run"


def archive(path: Path, data: bytes, records: Sequence[tuple[str, bytes]] = (), compression: int = zipfile.ZIP_STORED) -> None:
    """A file as torch.save writes it, around any pickle."""
    with zipfile.ZipFile(path, "w", compression) as made:
        for name, content in (("data.pkl", data), ("version", b"3\n"), ("byteorder", b"little"), *records):
            made.writestr(f"archive/{name}", content)


def payloads(folder: Path) -> dict[str, Any]:
    mark = str(folder / MARK)
    return {
        "os.system": Call(os.system, f"touch {mark}"),
        "eval": Call(eval, f"open({mark!r}, 'w').close()"),
        "exec": Call(exec, f"open({mark!r}, 'w').close()"),
        "open": Call(open, mark, "w"),
        "partial": Call(partial, os.system, f"touch {mark}"),
        "torch.load": Call(torch.load, mark),
        "os.mkdir": Call(os.mkdir, mark),
        "getattr": Call(getattr, Call(__import__, "os"), "system"),
    }


def code(form: str, payload: str) -> Maker:
    def make(folder: Path, random: Random) -> Sequence[str]:
        path, harm = folder / ("model.pt" if form == "published" else "model.ckpt"), payloads(folder)[payload]
        if form == "raw pickle":
            path.write_bytes(pickle.dumps({"state_dict": harm}, protocol=random.choice([0, 2, 4])))
        elif form == "in the weights":
            torch.save({**sound(), "state_dict": {"model.x": harm}}, path)
        elif form == "old format":
            torch.save({**sound(), "callbacks": harm}, path, _use_new_zipfile_serialization=False)
        else:
            torch.save({"predictor._read_in.weight": harm, "enc.conv1.weight": harm}, path)
        return "python:load", str(path)

    return make


def opcodes(data: bytes | Callable[[], bytes]) -> Maker:
    def make(folder: Path, random: Random) -> Sequence[str]:
        archive(folder / "model.ckpt", data() if callable(data) else data)
        return "python:load", str(folder / "model.ckpt")

    return make


def called(name: str, given: bytes) -> bytes:
    """A pickle that calls a function that PyTorch allows."""
    module, _, function = name.rpartition(".")
    return b"\x80\x02c" + f"{module}\n{function}\n".encode() + given + b"\x85R."


def number(value: int) -> bytes:
    data = value.to_bytes((value.bit_length() + 8) // 8, "little", signed=True)
    return b"\x8a" + bytes([len(data)]) + data


def doubled(depth: int) -> Any:
    """A list of ten lists of ten lists …, in a few bytes, since all ten are the same."""
    found: Any = ["x"] * 10
    for _ in range(depth):
        found = [found] * 10
    return found


def nested(depth: int) -> bytes:
    return b"\x80\x02" + b"]" * depth + b"a" * (depth - 1) + b"."


def changed(change: Any, door: str = "python:load") -> Maker:
    """A sound checkpoint with something else in it."""

    def make(folder: Path, random: Random) -> Sequence[str]:
        content = sound()
        change(content)
        if door == "resume":
            return "train", f"resume={run_folder(folder, content)}"
        torch.save(content, folder / "model.ckpt")
        return door, str(folder / "model.ckpt")

    return make


def with_part(part: str, value: Any) -> Any:
    return lambda content: content["contextssl"].__setitem__(part, value)


def with_setting(name: str, value: Any) -> Any:
    def change(content: dict[str, Any]) -> None:
        content["contextssl"]["settings"] = {**content["contextssl"]["settings"], name: value}

    return change


def with_weight(made: Any) -> Any:
    def change(content: dict[str, Any]) -> None:
        name = max(content["state_dict"], key=lambda each: content["state_dict"][each].numel())
        content["state_dict"][name] = made(content["state_dict"][name])

    return change


def one_number(value: float) -> Any:
    def made(tensor: torch.Tensor) -> torch.Tensor:
        tensor = tensor.clone()
        tensor.flatten()[tensor.numel() // 2] = value
        return tensor

    return made


def naming(words: Sequence[str], change: Any) -> Maker:
    """A run that names a module which lies in the working directory."""

    def make(folder: Path, random: Random) -> Sequence[str]:
        content = sound()
        change(content)
        write_module(folder)
        run = run_folder(folder, content)
        return [word.format(run=run, folder=folder) for word in words]

    return make


def naming_cases() -> Iterator[Case]:
    code = f"{MODULE}:THING"
    changes = {
        "the method": with_setting("method", code),
        "the data set": with_setting("dataset", code),
        "an augmentation": lambda content: (with_setting("factors", [code])(content), with_setting("dataset", "images")(content)),
        "the encoder": with_setting("encoder_factory", code),
        "the encoder's class": with_part("encoder", code),
        "the kind of data": with_part("data", {"kind": code, "path": "nowhere"}),
        "a backbone": with_setting("backbone", code),
        "a plug-in's own settings": with_setting("own", {code: {"x": 1}}),
        "a target of Hydra": with_setting("backbone", {"_target_": f"{MODULE}.THING"}),
    }
    doors = {
        "load": ["python:load", "{run}"],
        "resume": ["train", "resume={run}"],
        "evaluate": ["evaluate", "all", "{run}", "progress=false"],
        "embed": ["embed", "{run}", "{folder}"],
        "explore": ["python:explore", "{run}"],
        "begin from it": ["train", "from={run}", "run_dir={folder}/next"],
    }
    for what, change in changes.items():
        for door, words in doors.items():
            # Loading needs no data, so what names only data does no harm there.
            yield Case("code named by a file", f"a checkpoint names {what}: {door}", naming(words, change), "either")


def special(kind: str) -> Maker:
    def make(folder: Path, random: Random) -> Sequence[str]:
        path = folder / "model.ckpt"
        if kind == "a pipe":
            os.mkfifo(path)
        elif kind == "a socket":
            os.chdir(folder)
            socket.socket(socket.AF_UNIX).bind("model.ckpt")
        elif kind == "a loop of links":
            path.symlink_to(path)
        elif kind == "an endless device":
            path.symlink_to("/dev/zero")
        elif kind == "a folder":
            path.mkdir()
        elif kind == "a hole of 64 GiB":
            with path.open("wb") as file:
                file.truncate(64 << 30)
        elif kind == "a hole of 64 GiB after the mark of a zip":
            with path.open("wb") as file:
                file.write(b"PK\x03\x04")
                file.truncate(64 << 30)
        elif kind == "a hole of 64 GiB after an old magic number":
            with path.open("wb") as file:
                file.write(pickle.dumps(0x1950A86A20F9469CFC6C, protocol=2) + pickle.dumps(1001, protocol=2))
                file.truncate(64 << 30)
        return "python:load", str(path)

    return make


def bomb(gigabytes: int, record: str = "data/0") -> Maker:
    def make(folder: Path, random: Random) -> Sequence[str]:
        zeros_in_zip(f"archive/{record}", gigabytes << 30)(folder / "model.ckpt")
        return "python:load", str(folder / "model.ckpt")

    return make


def many_records(count: int) -> Maker:
    """Records without a byte: each costs memory when the archive is listed."""

    def make(folder: Path, random: Random) -> Sequence[str]:
        central, names = [], b"archive/data/%07d"
        with (folder / "model.ckpt").open("wb") as file:
            file.write(struct.pack("<4s5H3L2H", b"PK\3\4", 20, 0, 0, 0, 33, 0, 0, 0, len(names % 0), 0) + names % 0)
            start = file.tell()
            for index in range(count):
                name = names % index
                central.append(struct.pack("<4s6H3L5H2L", b"PK\1\2", 20, 20, 0, 0, 0, 33, 0, 0, 0, len(name), 0, 0, 0, 0, 0, 0) + name)
            file.write(b"".join(central))
            size = file.tell() - start
            file.write(struct.pack("<4sQ2H2L4Q", b"PK\6\6", 44, 45, 45, 0, 0, count, count, size, start))
            file.write(struct.pack("<4sLQL", b"PK\6\7", 0, start + size, 1))
            file.write(struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0))
        return "python:load", str(folder / "model.ckpt")

    return make


def cases() -> Iterator[Case]:
    for form in ("raw pickle", "in the weights", "old format", "published"):
        for payload in payloads(Path()):
            yield Case(KIND, f"{payload}, {form}", code(form, payload))
    allowed: dict[str, bytes | Callable[[], bytes]] = {
        "bytearray of 16 GiB": called("builtins.bytearray", number(1 << 34)),
        "tensor of 16 GiB": called("torch.Tensor", number(1 << 32)),
        "storage of 16 GiB": called("torch.FloatStorage", number(1 << 32)),
        "untyped storage of 16 GiB": called("torch.storage.UntypedStorage", number(1 << 34)),
        "parameter of a word": called("torch.nn.parameter.Parameter", b"X\1\0\0\0x"),
        "lists 100,000 deep": lambda: nested(100_000),
        "lists 20,000,000 deep": lambda: nested(20_000_000),
        "a word that is longer than the file": b"\x80\x04\x8d" + (1 << 40).to_bytes(8, "little") + b"x.",
        "bytes that are longer than the file": b"\x80\x04\x8e" + (1 << 40).to_bytes(8, "little") + b"x.",
        "a number of a million digits": lambda: b"\x80\x02\x8b" + (1 << 19).to_bytes(4, "little") + b"\x7f" * (1 << 19) + b".",
        "no end": b"\x80\x02" + b"]q\x00" * 1000,
        "an empty pickle": b"",
        "a stack that is empty": b"\x80\x02R.",
        "an unknown opcode": b"\x80\x02\xff.",
        "a memo that is not there": b"\x80\x02h\x07.",
        "a text protocol": b"(lp0\n.",
        "an extension": b"\x80\x02\x82\x01.",
        "an instance": b"(ios\nsystem\n.",
        "an encoding of its own": b"\x80\x02c_codecs\nencode\nX\1\0\0\0xX\x06\0\0\0hostil\x86R.",
        "a persistent object": b"\x80\x02X\x01\0\0\0xQ.",
        "a list that holds itself": b"\x80\x02]q\x00h\x00a.",
    }
    for name, data in allowed.items():
        yield Case(KIND, name, opcodes(data))
    for part in PARTS:
        for what, value in ODD.items():
            yield Case(KIND, f"{part} is {what}", changed(with_part(part, value)), "either")
        yield Case(KIND, f"{part} is missing", changed(lambda content, part=part: content["contextssl"].pop(part)), "either")
    for size in SIZES:
        for value in (10**6, 10**12, -1):
            yield Case(KIND, f"{size} is {value}", changed(with_setting(size, value)), "either")
    for depth in (6, 9, 30):
        for part in ("settings", "factors", "class_names", "data", "labels"):
            yield Case(KIND, f"{part} is a list of tens, {depth} deep", changed(with_part(part, doubled(depth))), "either")
        yield Case(KIND, f"a setting is a list of tens, {depth} deep", changed(with_setting("backbone", doubled(depth))))
        yield Case(KIND, f"factors: a list of tens, {depth} deep", changed(with_setting("factors", doubled(depth))))
    yield Case(KIND, "a setting is a word of 100 MB", changed(lambda content: with_setting("backbone", "x" * 10**8)(content)))
    yield Case(KIND, "a setting is a number of a million digits", changed(lambda content: with_setting("epochs", 10**100_000)(content)))
    yield Case(KIND, "a setting with a line break", changed(with_setting("backbone", "resnet18\nTraceback (most recent call last)")))
    yield Case(KIND, "a format of many digits", changed(with_part("format", 10**5000)))
    yield Case(KIND, "a version of 100 MB", changed(lambda content: content["contextssl"].update(format=2, version="x" * 10**8)))
    weights: dict[str, Any] = {
        "NaN": one_number(float("nan")), "infinity": one_number(float("inf")), "an expanded one": lambda each: torch.zeros(1).expand(1 << 40),
        "a sparse one": lambda each: torch.zeros(4, 4).to_sparse(), "of no device": lambda each: torch.empty(1 << 40, device="meta"),
        "a quantised one": lambda each: torch.quantize_per_tensor(torch.zeros(4), 0.1, 0, torch.qint8), "complex": lambda each: each.to(torch.complex64),
        "whole numbers": lambda each: each.to(torch.int64), "a word": lambda each: "x", "of another shape": lambda each: each[:1],
        "a sparse one of 2^40": lambda each: torch.sparse_coo_tensor(torch.zeros(1, 1, dtype=torch.long), torch.ones(1), (1 << 40,)),
    }  # fmt: skip
    for what, made in weights.items():
        for door in ("python:load", "resume"):
            yield Case(KIND, f"a weight is {what} ({door})", changed(with_weight(made), door))
    for name in ("optimizer_states", "lr_schedulers", "loops", "callbacks", "epoch", "global_step"):
        for what, value in (("None", None), ("a word", "x"), ("doubled", doubled(9)), ("negative", -1)):
            yield Case(KIND, f"resume: {name} is {what}", changed(lambda content, n=name, v=value: content.__setitem__(n, v), "resume"))
    for special_kind in (
        "a pipe", "a socket", "a loop of links", "an endless device", "a folder", "a hole of 64 GiB", "a hole of 64 GiB after the mark of a zip",
        "a hole of 64 GiB after an old magic number",
    ):  # fmt: skip
        yield Case(KIND, special_kind, special(special_kind))
    yield Case(KIND, "6 GiB of zeros, deflated", bomb(6))
    yield Case(KIND, "a pickle of 3 GiB of zeros, deflated", bomb(3, "data.pkl"))
    yield Case(KIND, "two million records", many_records(2_000_000))
    yield from naming_cases()
