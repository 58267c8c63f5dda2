"""The parsers that are the project's own, and what is made up for each."""

from __future__ import annotations

import io
import json
import shutil
import tarfile
import warnings
import zipfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from faults.hostile_images import encoded, png

SAMPLES = Path(__file__).parents[1] / "tests" / "samples" / "0.1"


@dataclass(frozen=True)
class Target:
    """
    Args:
        strategy: of what is made up.
        parse: takes a value and an empty folder; raises an error of the project's own for what it refuses.
    """

    name: str
    about: str
    strategy: SearchStrategy[Any]
    parse: Callable[[Any, Path], object]


# Letters that mean something to one of the parsers, and a few that no one expects.
SPECIAL = "\0\t\n\r\"',;=:{}[]()/\\.-+~$<>&|#% éß\u2028\u202e\udc80aA0195"
TEXT = st.text(st.one_of(st.sampled_from(SPECIAL), st.characters(codec="utf-8")), max_size=60)
SURE_TEXT = TEXT.map(lambda text: text.encode("utf-8", "surrogatepass"))
NUMBERS = st.one_of(st.integers(-3, 9), st.integers(), st.sampled_from([2**31, 2**63, 10**400, -(10**30)]), st.floats())
PLAIN = st.recursive(
    st.one_of(st.none(), st.booleans(), NUMBERS, TEXT, st.sampled_from(["module:THING", "../x", "/etc/passwd", "\ud800"])),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(TEXT, inner, max_size=4)),
    max_leaves=12,
)


@st.composite
def edited(draw: Any, base: bytes) -> bytes:
    """Bytes of which some were changed, left out, doubled, or added."""
    data = bytearray(base)
    for _ in range(draw(st.integers(1, 6))):
        at = draw(st.integers(0, max(0, len(data) - 1)))
        what = draw(st.sampled_from(["change", "cut", "double", "add", "end", "number"]))
        if what == "change" and data:
            data[at] = draw(st.integers(0, 255))
        elif what == "cut":
            del data[at : at + draw(st.integers(1, 64))]
        elif what == "double":
            data[at:at] = data[at : at + draw(st.integers(1, 64))]
        elif what == "add":
            data[at:at] = draw(st.one_of(st.binary(max_size=16), SURE_TEXT))
        elif what == "number":
            width = draw(st.sampled_from([1, 2, 4, 8]))
            data[at : at + width] = draw(st.sampled_from([b"\0", b"\xff", b"\x7f", b"\x80"])) * width
        else:
            del data[at:]
    return bytes(data)


@st.composite
def exchanged(draw: Any, base: Any) -> Any:
    """Plain values of which some were exchanged for others, left out, or added."""
    content = json.loads(json.dumps(base))
    for _ in range(draw(st.integers(1, 3))):
        at: Any = content
        above: Any = None
        key: Any = None
        while isinstance(at, dict | list) and at and (above is None or draw(st.booleans())):
            above, key = at, draw(st.sampled_from(sorted(at))) if isinstance(at, dict) else draw(st.integers(0, len(at) - 1))
            at = above[key]
        if above is None:
            return draw(PLAIN)
        what = draw(st.sampled_from(["exchange", "leave out", "add"]))
        if what == "leave out":
            del above[key]
        elif what == "add" and isinstance(above, dict):
            above[draw(TEXT)] = draw(PLAIN)
        else:
            above[key] = draw(PLAIN)
    return content


def as_json(content: Any) -> bytes:
    return json.dumps(content).encode("utf-8", "surrogatepass")


def written(folder: Path, name: str, data: bytes) -> Path:
    (folder / name).write_bytes(data)
    return folder / name


@st.composite
def tables(draw: Any, columns: tuple[str, ...]) -> bytes:
    """Lines of a table whose header is nearly right."""
    header = [draw(st.sampled_from([name, name.upper(), f" {name}"])) if draw(st.integers(0, 9)) else draw(TEXT) for name in columns]
    cell = st.one_of(TEXT, st.sampled_from(["a.png", "b.png", "same_pose", "train", "val", "1", "2.5", "nan", "", '"', "../x.png"]))
    rows = draw(st.lists(st.lists(cell, min_size=len(columns) - 1, max_size=len(columns) + 1), max_size=6))
    end = draw(st.sampled_from(["\n", "\r\n", "\r"]))
    text = end.join(draw(st.sampled_from([",", ",", ",", ";", "\t"])).join(row) for row in [header, *rows])
    return text.encode("utf-8", "surrogatepass")


def pair_list(data: bytes, folder: Path) -> None:
    from contextssl.data.given_pairs import read_pairs
    from contextssl.data.pair_list import look_over

    file = written(folder, "pairs.csv", data)
    for name in ("a.png", "b.png"):
        written(folder, name, b"")
    look_over(file)
    read_pairs(file)


def split_file(data: bytes, folder: Path) -> None:
    from contextssl.data.layout import Listing, read_split_file
    from contextssl.data.listed import Files

    names = ("a.png", "b.png")
    read_split_file(written(folder, "splits.csv", data), Listing(Files(folder, names, ()), "", names, (), 0))


def actions(data: bytes, folder: Path) -> None:
    from contextssl.data.given_actions import read_actions
    from contextssl.factors import COLOR, FactorSpace

    read_actions(written(folder, "actions.csv", data), FactorSpace((COLOR,)), ["a.png", "b.png"], 2)


def words(given: list[str], folder: Path) -> None:
    from contextssl.commands import COMMANDS
    from contextssl.config.bare_words import named
    from contextssl.config.overrides import given_words, settings_of

    name, *rest = given
    command = COMMANDS[name]
    made = named(name, command.schema, command.positional, command.several, rest)
    settings_of(name, command.schema, given_words(name, command.schema, made))


@cache
def setting_names() -> tuple[str, ...]:
    from contextssl.config.published_words import words_of
    from contextssl.config.settings import TrainSettings
    from contextssl.config.validation import fields_of

    return (*fields_of(TrainSettings), *words_of("train"), "experiment", "hydra.x")


@st.composite
def command_words(draw: Any) -> list[str]:
    value = st.one_of(
        TEXT,
        st.sampled_from(
            ["null", "true", "[a,b]", "{a:1}", "1e3", "[", "{a:", "'x", "[[[", "1_0", "nan", "-inf", "0x1", "shapes", "\\", "+20"]
        ),
    )
    # A name with a colon is code of the user's own, which is imported.
    value = value.map(lambda text: text.replace(":", "="))
    word = st.one_of(TEXT, st.builds(lambda name, text: f"{name}={text}", st.sampled_from(setting_names()), value))
    return [draw(st.sampled_from(["train", "data check", "embed", "report", "evaluate all"])), *draw(st.lists(word, max_size=5))]


@cache
def archive_bytes(kind: str) -> bytes:
    buffer = io.BytesIO()
    images = {"train/cat/a.png": png(4, 4), "train/dog/b.png": png(4, 5), "note.txt": b"x"}
    if kind == "zip":
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as made:
            for name, data in images.items():
                made.writestr(name, data)
        return buffer.getvalue()
    with tarfile.open(fileobj=buffer, mode=f"w:{kind}" if kind else "w") as made:  # type: ignore[call-overload]
        for name, data in images.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            made.addfile(member, io.BytesIO(data))
        link = tarfile.TarInfo("train/cat/c.png")
        link.type, link.linkname = tarfile.SYMTYPE, "a.png"
        made.addfile(link)
    return buffer.getvalue()


def archive(data: bytes, folder: Path) -> None:
    from contextssl.data.layout import lay_out, list_images

    listing = list_images(written(folder, "archive.tar", data))
    lay_out(listing, listing.names)
    for name in listing.names:
        listing.read(name)


def photo(data: bytes, folder: Path) -> None:
    from contextssl.data.photo import read_photo

    read_photo(data, "the image", 16)


def upload(data: bytes, folder: Path) -> None:
    import torch

    from contextssl.explorer.uploads import Uploads

    Uploads((3, 8, 8), lambda images: torch.zeros(1, 4)).add(data)


def question(content: Any, folder: Path) -> None:
    from contextssl.errors import InputError
    from contextssl.explorer.answers import NAME
    from contextssl.explorer.page_data import names_in

    pairs = names_in(content)
    if pairs is None:
        raise InputError("no pairs")
    [NAME.fullmatch(name) for pair in pairs for name in pair]


def array(data: bytes, folder: Path) -> None:
    from contextssl.data.published_latents import read_latent
    from contextssl.system.files import parse_array

    parse_array(data, "x.npy")
    read_latent(written(folder, "latent_0.npy", data))


def features(data: bytes, folder: Path) -> None:
    from contextssl.data.brought_features import read_features

    read_features(str(written(folder, "features.npz" if data[:2] == b"PK" else "features.npy", data)))


@cache
def array_bytes(kind: str) -> bytes:
    buffer = io.BytesIO()
    if kind == "npz":
        np.savez(buffer, x=np.zeros((3, 2), np.float32), names=np.array(["a", "b", "c"]))
    else:
        np.save(buffer, np.zeros(7) if kind == "latent" else np.zeros((3, 2), np.float32))
    return buffer.getvalue()


def text_table(data: bytes, folder: Path) -> None:
    from contextssl.data.tables.text_file import read_text

    read_text(written(folder, "table.csv", data))


def store(content: Any, folder: Path) -> None:
    from contextssl.data.store import faults, fingerprint

    place = folder / "store"
    shutil.rmtree(place, ignore_errors=True)
    shutil.copytree(SAMPLES / "shapes-store", place)
    # As one who forges a manifest would sign it.
    if isinstance(content, dict):
        with suppress(KeyError, TypeError, ValueError):
            content = {**content, "fingerprint": fingerprint(content)}
    (place / "manifest.json").write_bytes(as_json(content))
    list(faults(place))


def results(content: Any, folder: Path) -> None:
    from contextssl.records.results import read_results

    written(folder, "results.json", as_json(content))
    read_results(folder)


def metrics(data: bytes, folder: Path) -> None:
    from contextssl.report.collect import read_training

    read_training(written(folder, "metrics.csv", data))


@cache
def context_bytes() -> bytes:
    import torch
    from safetensors.torch import save

    about = {"format": 1, "version": "0.1", "model": "0" * 16, "environment": None, "held": 1}
    tensors = {"context.keys": torch.zeros(1, 1, 2, 4), "context.values": torch.zeros(1, 1, 2, 4)}
    return save(tensors, {"contextssl.context": json.dumps(about)})


def context(data: bytes, folder: Path) -> None:
    from contextssl.models.context_file import read_context

    read_context(written(folder, "context.safetensors", data))


@cache
def model_content() -> Any:
    import contextssl

    model: Any = contextssl.load("shapes", device="cpu")
    return json.loads(json.dumps({name: value for name, value in model.recipe.items() if name != "carried"}))


@cache
def model_state() -> Any:
    import contextssl
    from contextssl.checkpoints import MODEL_PREFIX

    return {MODEL_PREFIX + name: each for name, each in contextssl.load("shapes", device="cpu").state_dict().items()}


def recipe(content: Any, folder: Path) -> None:
    """What a checkpoint says of its model, from the file's content on."""
    from contextssl.checkpoints.content import check_plain
    from contextssl.checkpoints.loading import load_content

    found = {"contextssl": content, "state_dict": model_state()}
    check_plain(content, "model.ckpt")
    load_content(Path("model.ckpt"), found)


def model_file(data: bytes, folder: Path) -> None:
    from contextssl.models.model_file import read_model

    read_model(written(folder, "model.safetensors", data))


def page(text: str, folder: Path) -> None:
    """Whatever a text holds, an element has no other than itself."""
    from html.parser import HTMLParser

    from contextssl.report.markup import element, with_links

    tags: list[str] = []

    class Reader(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            tags.append(tag)
            assert {name for name, _ in attrs} <= {"title", "alt", "href"}
            assert not dict(attrs).get("href", "").strip().lower().startswith("javascript:")  # type: ignore[union-attr]

    Reader().feed(str(element("p", text, element("img", alt=text), title=text)))
    assert tags == ["p", "img"]
    tags.clear()
    Reader().feed(str(with_links(text)))
    assert set(tags) <= {"a"}


def quiet(parse: Callable[[Any, Path], object]) -> Callable[[Any, Path], object]:
    def parsed(value: Any, folder: Path) -> object:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return parse(value, folder)

    return parsed


def _bases(*bases: bytes) -> SearchStrategy[bytes]:
    return st.one_of(*(edited(base) for base in bases), st.binary(max_size=64))


def _json_of(path: str) -> Any:
    return json.loads((SAMPLES / path).read_text())


def _lazily(strategy: Callable[[], SearchStrategy[Any]]) -> SearchStrategy[Any]:
    return st.deferred(strategy)


TARGETS: Mapping[str, Target] = {
    name: Target(name, about, strategy, quiet(parse))
    for name, about, strategy, parse in (
        ("pairs", "lists of pairs", st.one_of(tables(("first", "second", "environment", "split")), SURE_TEXT), pair_list),
        ("splits", "split files", st.one_of(tables(("path", "split")), SURE_TEXT), split_file),
        ("actions", "actions of queries", st.one_of(tables(("name", "color.floor hue", "color.light hue")), SURE_TEXT), actions),
        ("words", "settings, bare words, published words", command_words(), words),
        ("tables", "text tables", st.one_of(tables(("a", "b", "c")), edited(b"a,b\n1,x\n2,y\n"), SURE_TEXT), text_table),
        ("archives", "tar, tar.gz, zip", _lazily(lambda: _bases(*map(archive_bytes, ("", "gz", "zip", "xz", "bz2")))), archive),
        (
            "photos",
            "images",
            _lazily(lambda: _bases(png(4, 4), *(encoded(kind, (9, 7)) for kind in ("JPEG", "GIF", "BMP", "TIFF", "WEBP", "PPM")))),
            photo,
        ),
        (
            "uploads",
            "uploads of the explorer",
            _lazily(lambda: _bases(png(4, 4), encoded("JPEG", (9, 7)), encoded("WEBP", (9, 7)))),
            upload,
        ),
        (
            "questions",
            "questions to the explorer",
            st.one_of(PLAIN, st.lists(st.lists(st.one_of(TEXT, st.sampled_from(["v0", "e1a", "ux"])), max_size=3), max_size=3)),
            question,
        ),
        ("arrays", "arrays and latents of 3DIEBench", _lazily(lambda: _bases(array_bytes("latent"), array_bytes("npy"))), array),
        ("features", "features of a user's own", _lazily(lambda: _bases(array_bytes("npy"), array_bytes("npz"))), features),
        ("stores", "manifests of stores", _lazily(lambda: exchanged(_json_of("shapes-store/manifest.json"))), store),
        ("results", "results.json", _lazily(lambda: exchanged(_json_of("run/results.json"))), results),
        ("metrics", "metrics.csv", st.one_of(tables(("step", "epoch", "name", "value")), SURE_TEXT), metrics),
        ("contexts", "context files", _lazily(lambda: _bases(context_bytes())), context),
        (
            "models",
            "model files",
            _lazily(lambda: _bases(context_bytes().replace(b"contextssl.context", b"contextssl.model!!"))),
            model_file,
        ),
        ("checkpoints", "what a checkpoint says of its model", _lazily(lambda: exchanged(model_content())), recipe),
        ("pages", "markup of pages", st.one_of(TEXT, st.builds("[{}]({})".format, TEXT, TEXT)), page),
    )
}
