"""Text that commands read: lists of pairs, tables, actions, splits; and the records of runs and stores."""

from __future__ import annotations

import gzip
import json
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import Any

from faults.hostile_case import MODULE, Case, Maker, write_module
from faults.hostile_images import png

SAMPLES = Path(__file__).parents[1] / "tests" / "samples" / "0.1"
HEADER = "first,second,environment\n"
NAMES = (
    "../../beside.txt", "/etc/passwd", "/dev/zero", "a\nb.png", "a\0b.png", "C:\\x.png", "..\\x.png", "file:///etc/passwd", "http://localhost/x.png", "x" * 100_000 + ".png",
    "$(touch EXECUTED).png", "`touch EXECUTED`.png", "a.png;touch EXECUTED", "|touch EXECUTED.png", "~/x.png", "a.png\u202egnp.exe", "<script>alert(1)</script>.png", "=cmd|'/c calc'!A1.png",
)  # fmt: skip


def text(name: str, content: str | bytes | Callable[[], bytes], words: Sequence[str], *, images: bool = True) -> Maker:
    def make(folder: Path, random: Random) -> Sequence[str]:
        data = content() if callable(content) else content.encode() if isinstance(content, str) else content
        (folder / name).write_bytes(data)
        for image in ("a.png", "b.png") if images else ():
            (folder / image).write_bytes(png(32, 32))
        return [word.format(file=folder / name, folder=folder) for word in words]

    return make


def pipe(name: str, words: Sequence[str]) -> Maker:
    def make(folder: Path, random: Random) -> Sequence[str]:
        os.mkfifo(folder / name)
        return [word.format(file=folder / name, folder=folder) for word in words]

    return make


def hole(name: str, start: bytes, words: Sequence[str]) -> Maker:
    def make(folder: Path, random: Random) -> Sequence[str]:
        with (folder / name).open("wb") as file:
            file.write(start)
            file.truncate(64 << 30)
        return [word.format(file=folder / name, folder=folder) for word in words]

    return make


def pair_cases() -> Iterator[Case]:
    make_context = ("context", "make", "shapes", "{file}", "progress=false")
    check = ("data", "check", "dataset=pairs", "path={file}", "progress=false")
    contents: dict[str, Any] = {
        **{f"the path {name[:24]!r}": HEADER + f'"{name}",b.png,k\n' for name in NAMES if "\n" not in name},
        "a path with a line break": HEADER + '"a\nb.png",b.png,k\n', "no bytes": "", "a header alone": HEADER, "NUL": b"first,second\n\0\0\0\n", "no UTF-8": b"first,second\n\xff\xfe,\xff\n",
        "UTF-16": (HEADER + "a.png,b.png,k\n").encode("utf-16"), "a quote without end": HEADER + '"a.png,b.png,k\n' * 1000, "a field of 100 MB": lambda: HEADER.encode() + b"x" * 10**8,
        "a million columns": lambda: ("first,second," + ",".join(f"c{n}" for n in range(10**6)) + "\n" + "x," * 10**6 + "\n").encode(), "ten million empty lines": lambda: HEADER.encode() + b"\n" * 10**7,
        "three million pairs of nothing": lambda: HEADER.encode() + b"".join(b"x%d.png,y%d.png,k\n" % (n, n) for n in range(3 * 10**6)), "thirty million short lines": lambda: HEADER.encode() + b"a,b,k\n" * 3 * 10**7,
        "ten million commas": lambda: HEADER.encode() + b"," * 10**7, "a number for a name": HEADER + "1,2,3\n", "a kind of code": HEADER + f"a.png,b.png,{MODULE}:THING\n", "a kind of 10 MB": lambda: HEADER.encode() + b"a.png,b.png," + b"k" * 10**7 + b"\n",
        "a pickle": b"\x80\x04cos\nsystem\n.", "an archive": b"PK\3\4" + bytes(100),
    }  # fmt: skip
    for name, content in contents.items():
        for door, words in (("context", make_context), ("check", check)):
            wanted: Any = "either" if name == "a kind of code" else "refused"
            yield Case("pairs.csv", f"{name}: {door}", text("pairs.csv", content, words), wanted)
    for door, words in (("context", make_context), ("check", check)):
        yield Case("pairs.csv", f"a pipe: {door}", pipe("pairs.csv", words))
        yield Case("pairs.csv", f"a hole of 64 GiB: {door}", hole("pairs.csv", HEADER.encode(), words))


def table_cases() -> Iterator[Case]:
    words = ("data", "check", "dataset=table", "label=a", "factors=[b]", "progress=false", "path={file}")
    rows = "a,b,c\n" + "x,1,2\ny,2,3\n" * 50

    def zeros(count: int) -> Callable[[], bytes]:
        return lambda: gzip.compress(b"a,b\n" + bytes(count), 1)

    def lines(count: int) -> Callable[[], bytes]:
        return lambda: gzip.compress(b"a,b\n" + b"x,1\n" * count, 1)

    contents: dict[str, tuple[str, Any, str]] = {
        "no bytes": ("t.csv", "", "refused"), "a header alone": ("t.csv", "a,b\n", "refused"), "NUL": ("t.csv", b"a,b\n\0,\0\n" * 100, "either"), "no UTF-8": ("t.csv", b"a,b\n\xff,\xfe\n", "refused"),
        "a quote without end": ("t.csv", 'a,b\n"' + "x,1\n" * 10**6, "refused"), "a field of 100 MB": ("t.csv", lambda: b"a,b\n" + b"x" * 10**8 + b",1\n", "refused"),
        "a million columns": ("t.csv", lambda: (",".join(f"c{n}" for n in range(10**6)) + "\n" + ",".join("1" * 10**6) + "\n").encode(), "refused"), "rows of other lengths": ("t.csv", rows + "x,1\n", "refused"),
        "a column twice": ("t.csv", "a,a,b\n1,2,3\n", "refused"), "numbers of a thousand digits": ("t.csv", "a,b\n" + f"x,{'9' * 1000}\ny,{'9' * 1000}\n" * 20, "either"), "NaN and infinity": ("t.csv", "a,b\nx,nan\ny,inf\n" * 20, "either"),
        "gzip: 4 GiB of zeros": ("t.csv.gz", zeros(2 << 30), "refused"), "gzip: two billion bytes of lines": ("t.csv.gz", lines(500_000_000), "refused"), "gzip of gzip": ("t.csv.gz", lambda: gzip.compress(gzip.compress(b"a,b\n")), "refused"),
        "gzip cut short": ("t.csv.gz", gzip.compress(rows.encode())[:30], "refused"), "gzip named .csv": ("t.csv", gzip.compress(rows.encode()), "refused"), "bzip2 of noise": ("t.csv.bz2", b"BZh9" + bytes(100), "refused"),
        "zstd of a window of 2 GiB": ("t.csv.zst", b"\x28\xb5\x2f\xfd\x00\xa8" + bytes(50), "refused"), "a spreadsheet": ("t.xlsx", b"PK\3\4" + bytes(100), "refused"), "a pickle named .pkl": ("t.pkl", b"\x80\x04cos\nsystem\n.", "refused"),
        "formulas": ("t.csv", "a,b\n=cmd|'/c calc'!A1,1\n@SUM(1),2\n" * 30, "either"), "a column named by a script": ("t.csv", "a,b,<script>alert(1)</script>\n" + "x,1,2\ny,2,3\n" * 50, "either"),
    }  # fmt: skip
    for name, (file, content, wanted) in contents.items():
        yield Case("table", name, text(file, content, words, images=False), wanted)  # type: ignore[arg-type]
    yield Case("table", "a pipe", pipe("t.csv", words))
    yield Case("table", "a hole of 64 GiB", hole("t.csv", b"a,b\n", words))
    mimic = ("data", "check", "dataset=mimic3", "data_dir={folder}", "progress=false")
    for name in ("no bytes", "NUL", "a quote without end", "a million columns"):
        yield Case("table", f"MIMIC-III: {name}", text("ADMISSIONS.csv", contents[name][1], mimic, images=False))
    yield Case("table", "MIMIC-III: gzip of zeros", text("ADMISSIONS.csv.gz", zeros(1 << 31), mimic, images=False))
    yield Case("table", "MIMIC-III: a pipe", pipe("ADMISSIONS.csv", mimic))
    adult = ("data", "check", "dataset=adult", "data_dir={folder}", "progress=false")
    yield Case("table", "Adult: a pipe", pipe("adult.data", adult))
    yield Case("table", "Adult: a field of 100 MB", text("adult.data", lambda: b"x" * 10**8, adult, images=False))
    actions = ("python:read_actions", "{file}")
    lists: dict[str, Any] = {
        "no bytes": "", "NaN": "name,rotation.x\na,nan\n", "words": "name,rotation.x\na,b\n", "short lines": "rotation.x,rotation.y,rotation.z,rotation.w\n1\n", "long lines": "rotation.x\n1,2,3\n", "a quote without end": '"' * 1001,
        "a field of 100 MB": lambda: b"x" * 10**8, "a number of a thousand digits": "rotation.x\n" + "9" * 1000, "NUL": b"rotation.x\n\0\n",
    }  # fmt: skip
    for name, content in lists.items():
        yield Case("actions", name, text("actions.csv", content, actions, images=False))
    yield Case("actions", "a pipe", pipe("actions.csv", actions))


def split_cases() -> Iterator[Case]:
    for name, content in {
        "a path that leads out": "../../beside.txt,train\n", "no UTF-8": b"\xff\xff,train\n", "a line of 50 MB": lambda: b"x" * 5 * 10**7, "a line of spaces": lambda: b"a" + b" " * 10**5 + b"b", "NUL": b"\0,train\n",
        "two million lines": lambda: b"x.png,train\n" * 2 * 10**6, "blanks in the middle": lambda: b"a " * 50_000 + b"\n", "no bytes": "", "commas": lambda: b"a" + b"," * 30_000 + b"\n",
    }.items():  # fmt: skip
        yield Case("split file", name, split(content))
    yield Case("split file", "a pipe", split(None))


def split(content: Any) -> Maker:
    def make(folder: Path, random: Random) -> Sequence[str]:
        images = folder / "images" / "cat"
        images.mkdir(parents=True)
        (images / "a.png").write_bytes(png(32, 32))
        file = folder / "splits.csv"
        if content is None:
            os.mkfifo(file)
        else:
            file.write_bytes(content() if callable(content) else content.encode() if isinstance(content, str) else content)
        return (
            "data",
            "pack",
            str(folder / "images"),
            str(folder / "store"),
            f"split_file={file}",
            "dataset=images",
            "resolution=16",
            "progress=false",
        )

    return make


def run_with(file: str, change: Callable[[bytes], bytes] | None, words: Sequence[str]) -> Maker:
    """The kept run of version 0.1 with one of its files changed (None: a pipe in its place)."""

    def make(folder: Path, random: Random) -> Sequence[str]:
        run = folder / "run"
        shutil.copytree(SAMPLES / "run", run)
        path = run / file
        if change is None:
            path.unlink(missing_ok=True)
            os.mkfifo(path)
        else:
            path.write_bytes(change(path.read_bytes() if path.is_file() else b""))
        write_module(folder)
        return [word.format(run=run, folder=folder) for word in words]

    return make


def with_value(*place: Any, value: Any) -> Callable[[bytes], bytes]:
    def change(data: bytes) -> bytes:
        content = json.loads(data)
        at = content
        for name in place[:-1]:
            at = at[name]
        at[place[-1]] = value
        return json.dumps(content).encode()

    return change


JSON: dict[str, Callable[[bytes], bytes]] = {
    "no bytes": lambda data: b"", "100,000 deep": lambda data: b"[" * 100_000, "100,000 deep and closed": lambda data: b"[" * 100_000 + b"]" * 100_000, "100,000 mappings": lambda data: b'{"run":' * 100_000,
    "a number of a million digits": lambda data: b'{"run": ' + b"9" * 10**6 + b"}", "NaN": lambda data: b"NaN", "a list": lambda data: b"[]", "a number": lambda data: b"1", "no text": lambda data: b"\xff\xfe\x00",
    "400 MB of zeros": lambda data: b"[" + b"0," * 2 * 10**8 + b"0]", "cut short": lambda data: data[: len(data) // 2], "two of them": lambda data: data + data, "a pickle": lambda data: b"\x80\x04cos\nsystem\n.", "null": lambda data: b"null",
}  # fmt: skip


def record_cases() -> Iterator[Case]:
    report = ("report", "{run}", "out={folder}/report.html", "progress=false")
    resume = ("train", "resume={run}", "epochs=3", "progress=false")
    compare = ("compare", "runs=[{run}]", "out={folder}/compare")
    for name, change in JSON.items():
        yield Case("results.json", f"{name}: report", run_with("results.json", change, report))
        yield Case("gallery.json", f"{name}: report", run_with("gallery.json", change, report), "either")
        yield Case("settings.json", f"{name}: resume", run_with("settings.json", change, resume), "either")
    code = f"{MODULE}:THING"
    places: list[tuple[Any, Any]] = [
        (("run", "settings", "dataset"), code), (("run", "settings", "method"), code), (("run", "settings", "factors"), [code]), (("run", "evaluations"), {code: {"settings": {"dataset": code}}}), (("rows", 0, "protocol"), code),
        (("rows", 0, "mean"), "x"), (("rows", 0, "mean"), 10**400), (("rows", 0, "n"), 10**400), (("rows", 0, "factor"), "x" * 10**6), (("rows", 0, "length"), -(10**30)), (("run", "settings"), [[]]), (("run", "data"), {"path": "/dev/zero"}),
        (("rows", 0, "factor"), "<script>alert(1)</script>"), (("rows", 0, "metric"), "$\\frac{1}{$"), (("rows", 0, "environment"), "\x1b[2J\x07"), (("format",), 10**400), (("format",), 2), (("rows",), [[]] * 10**6), (("run", "name"), [[]]),
        (("run", "settings", "backbone"), {"_target_": f"{MODULE}.THING"}), (("run", "settings", "backbone"), "${oc.env:HOME}"), (("run", "version"), {"x": []}), (("run", "commit"), [1]),
    ]  # fmt: skip
    for place, value in places:
        yield Case(
            "results.json",
            f"{'.'.join(map(str, place))} is {_short(value)}: report",
            run_with("results.json", with_value(*place, value=value), report),
            "either",
        )
    places = [
        (("settings", "method"), code), (("settings", "dataset"), code), (("settings", "factors"), [code]), (("settings", "backbone"), "${oc.env:HOME}"), (("settings", "epochs"), 10**400), (("settings", "epochs"), -1), (("settings", "run_dir"), "/etc"),
        (("settings",), []), (("settings",), {"unknown": 1}), (("format",), 99), (("settings", "backbone"), {"_target_": f"{MODULE}.THING"}),
    ]  # fmt: skip
    for place, value in places:
        yield Case(
            "settings.json",
            f"{'.'.join(map(str, place))} is {_short(value)}: resume",
            run_with("settings.json", with_value(*place, value=value), resume),
            "either",
        )
    metrics: dict[str, Callable[[bytes], bytes]] = {
        "no header": lambda data: data.partition(b"\n")[2], "NUL": lambda data: data + b"\0\0\0\n", "a quote without end": lambda data: data + b'"' + b"x\n" * 10**6, "a number of a thousand digits": lambda data: data + b"9" * 1000 + b",1,loss,1\n",
        "a number of ten thousand digits": lambda data: data + b"9" * 10_000 + b",1,loss,1\n", "NaN": lambda data: data + b"4,1,loss,nan\n", "another header": lambda data: b"a,b\n" + data, "backwards": lambda data: data + b"-5,1,loss,1\n",
        "a name of script": lambda data: data + b"9,1,<script>alert(1)</script>,1\n", "a million columns": lambda data: b"," * 10**6 + b"\n" + data, "a field of 50 MB": lambda data: data + b"x" * 5 * 10**7 + b"\n", "a million names": lambda data: data + b"".join(b"9,1,n%d,1\n" % n for n in range(10**6)),
    }  # fmt: skip
    for name, change in metrics.items():
        yield Case("metrics.csv", f"{name}: report", run_with("metrics.csv", change, report), "either")
        yield Case("metrics.csv", f"{name}: resume", run_with("metrics.csv", change, resume), "either")
    for file, words in (
        ("results.json", report),
        ("gallery.json", report),
        ("settings.json", resume),
        ("metrics.csv", report),
        ("metrics.csv", resume),
    ):
        yield Case(file, f"a pipe: {words[0]}", run_with(file, None, words), "either")
    yield Case("results.json", "compare of a deep one", run_with("results.json", JSON["100,000 deep"], compare))


def _short(value: Any) -> str:
    return repr(value)[:30] if not isinstance(value, int) or abs(value) < 10**9 else "a number of many digits"


def store_with(file: str, change: Callable[[bytes], bytes] | None) -> Maker:
    def make(folder: Path, random: Random) -> Sequence[str]:
        store = folder / "store"
        shutil.copytree(SAMPLES / "shapes-store", store)
        if change is None:
            (store / file).unlink()
            os.mkfifo(store / file)
        else:
            (store / file).write_bytes(change((store / file).read_bytes()))
        write_module(folder)
        return "data", "check", str(store), "progress=false"

    return make


def resigned(*place: Any, value: Any) -> Callable[[bytes], bytes]:
    """A manifest with another value and its own fingerprint."""

    def change(data: bytes) -> bytes:
        from contextssl.data.store import digest_of_statistics, fingerprint

        content = json.loads(with_value(*place, value=value)(data))
        if "statistics_digest" in content:
            content["statistics_digest"] = digest_of_statistics(content)
        with suppress(KeyError, TypeError, ValueError):
            content["fingerprint"] = fingerprint(content)
        return json.dumps(content).encode()

    return change


def store_cases() -> Iterator[Case]:
    for name, change in JSON.items():
        yield Case("store", f"manifest: {name}", store_with("manifest.json", change))
        yield Case("store", f"names: {name}", store_with("names.json", change))
    factor = {"name": "rotation", "width": 4, "relation": "rotation", "components": ["x", "y", "z", "w"]}
    for place, value in (
        (("shape",), [10**12, 6, 16, 16, 3]), (("shape",), [10, 6, 16, 16, 10**12]), (("shape",), [10, 6, 16, 16]), (("shape",), [10, 6, 16, 16, "3"]), (("shape",), [10, -6, 16, 16, 3]), (("shape",), "10"), (("shape",), [10.5, 6, 16, 16, 3]), (("shape",), [float("inf"), 6, 16, 16, 3]),
        (("splits",), {"train": [0, 10**18]}), (("splits",), {"train": [-5, 10]}), (("splits",), {"../x": [0, 10]}), (("splits",), {}), (("splits",), []), (("splits",), {"train": "01"}), (("splits",), {"train": [0, float("nan")]}),
        (("factors",), [{**factor, "width": 10**9}]), (("factors",), [{**factor, "relation": f"{MODULE}:THING"}]), (("factors",), [{}]), (("factors",), 3), (("factors",), [{**factor, "name": "<script>"}]), (("factors",), [{**factor, "width": -4}]), (("factors",), [{**factor, "components": [[]]}]),
        (("class_names",), 7), (("class_names",), [[]] * 2), (("class_names",), ["\x1b[2J", "</script>"]), (("files",), {"../../beside.txt": {"bytes": 9, "crc32": 0}}), (("files",), {"/dev/zero": {"bytes": 9, "crc32": 0}}), (("files",), {"/etc/passwd": {"bytes": 9, "crc32": 0}}),
        (("files",), []), (("files",), {"latents.npy": 3}), (("files", "latents.npy"), {"bytes": -1, "crc32": "x"}), (("files", "names.json"), None), (("image_mean",), ["x"]), (("image_mean",), [float("nan")] * 3), (("image_std",), [0, 0, 0]), (("image_std",), None), (("version",), 10**400), (("version",), [1]), (("format",), {}),
        (("source",), {"kind": f"{MODULE}:THING"}), (("source",), {"_target_": f"{MODULE}.THING"}), (("made_by",), [[]]), (("made_by",), "\x1b[2J"), (("raw_width",), -1),
    ):  # fmt: skip
        yield Case(
            "store",
            f"{'.'.join(map(str, place))} is {json.dumps(value)[:60]}",
            store_with("manifest.json", resigned(*place, value=value)),
            "either",
        )
    for file in ("latents.npy", "labels.npy", "checksums.npy", "raw_latents.npy", "images.npy", "manifest.json", "names.json"):
        yield Case("store", f"{file} is a pipe", store_with(file, None))
        yield Case("store", f"{file} is empty", store_with(file, lambda data: b""))
    yield Case("store", "images of a hole", store_with("images.npy", lambda data: data[:200]))
    yield Case("store", "half written, of nonsense", half_written(b'{"shape": [1000000000000, 2, 2, 2, 3], "raw_width": 7}'))
    yield Case("store", "half written, 100,000 deep", half_written(b"[" * 100_000))
    yield Case("store", "half written, no shape", half_written(b"{}"))


def half_written(settings: bytes) -> Maker:
    def make(folder: Path, random: Random) -> Sequence[str]:
        store = folder / "store"
        store.mkdir()
        (store / "packing.json").write_bytes(settings)
        (store / "packing.journal").write_bytes(bytes(10_000))
        return "data", "check", str(store), "progress=false"

    return make


def cases() -> Iterator[Case]:
    yield from pair_cases()
    yield from table_cases()
    yield from split_cases()
    yield from record_cases()
    yield from store_cases()
