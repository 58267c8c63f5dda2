"""Files of folders and archives: the same names and bytes from each, and what damaged archives say."""

from __future__ import annotations

import bz2
import gzip
import io
import os
import pickle
import shutil
import tarfile
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from contextssl.data import archive
from contextssl.data.archive import list_compressed_tar, open_files
from contextssl.data.listed import Files
from contextssl.errors import DataError

CONTENTS = {
    "train/cat/a.jpg": bytes(range(256)) * 8,
    "train/cat/b.jpg": np.random.default_rng(0).bytes(3000),
    "train/dog/with space.jpg": b"x",
    "val/dog/é.jpg": b"",
    "readme.txt": b"hello",
}


def everything(name: str) -> bool:
    return True


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, data in CONTENTS.items():
        (tmp_path / "f" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "f" / name).write_bytes(data)
    (tmp_path / "f" / "train" / "empty").mkdir()
    return tmp_path / "f"


def archived(folder: Path, suffix: str, top: str = "") -> Path:
    """An archive of ``folder`` next to it, everything below the folder ``top`` where one is given."""
    path = folder.with_name(f"{folder.name}{top}{suffix}")
    files = sorted(folder.rglob("*"))
    if suffix.startswith(".zip"):
        with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED if suffix == ".zip0" else zipfile.ZIP_DEFLATED) as made:
            for file in files:
                made.write(file, Path(top) / file.relative_to(folder))
        return path
    mode = {".tar": "w", ".tar.gz": "w:gz", ".tgz": "w:gz", ".tar.bz2": "w:bz2", ".tar.xz": "w:xz"}[suffix]
    with tarfile.open(path, mode) as made:  # type: ignore[call-overload]
        for file in files:
            made.add(file, f"{top or '.'}/{file.relative_to(folder)}", recursive=False)
    return path


SUFFIXES = [".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".zip", ".zip0"]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_an_archive_holds_what_its_folder_holds(folder: Path, suffix: str) -> None:
    plain: Files = open_files(folder, everything)
    assert set(plain.names) == set(CONTENTS) and plain.names == tuple(sorted(CONTENTS)) and plain.size is None
    assert plain.folders == ("train", "train/cat", "train/dog", "train/empty", "val", "val/dog")
    path = archived(folder, suffix)
    found: Files = pickle.loads(pickle.dumps(open_files(path, everything)))
    assert (found.names, found.folders, found.size) == (plain.names, plain.folders, path.stat().st_size)
    for name in reversed(found.names):
        assert found.read(name) == plain.read(name) == CONTENTS[name]
    with pytest.raises(DataError, match=r"holds no file nothing\.jpg"):
        found.read("nothing.jpg")
    with pytest.raises(DataError, match=r"cannot read .*nothing\.jpg: No such file"):
        plain.read("nothing.jpg")


def test_only_what_is_wanted_of_a_compressed_tar_is_kept(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = list_compressed_tar(archived(folder, ".tgz"), "gz", lambda name: "cat" in name)
    assert found.held is not None and len(found.held) == 2048 + 3000 and set(found.names) == set(CONTENTS)
    monkeypatch.setattr(archive, "MEMORY_BYTES", 4096)
    with pytest.raises(DataError, match=r"holds more than 4\.0 KiB of images, .*: unpack it, or make a plain \.tar or a \.zip"):
        open_files(folder.with_name("f.tgz"), everything)


def test_links_lead_to_files(folder: Path, tmp_path: Path) -> None:
    (folder / "train/dog/link.jpg").symlink_to("../cat/a.jpg")
    (folder / "train/dog/lost.jpg").symlink_to("nowhere.jpg")
    os.link(folder / "train/cat/a.jpg", folder / "train/dog/twin.jpg")
    (folder / "train/loop").symlink_to("..")
    (folder / "others").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere/c.jpg").write_bytes(b"c")
    plain = open_files(folder, everything)
    assert plain.read("train/dog/link.jpg") == plain.read("train/cat/a.jpg") and plain.read("others/c.jpg") == b"c"
    assert not any(name.startswith("train/loop/train/loop") for name in plain.names)
    (folder / "train/loop").unlink()
    (folder / "others").unlink()
    found = open_files(archived(folder, ".tar"), everything)
    for name in ("link", "twin"):
        assert found.read(f"train/dog/{name}.jpg") == CONTENTS["train/cat/a.jpg"]
    for files in (plain, found):
        with pytest.raises(DataError, match=r"train/dog/lost\.jpg"):
            files.read("train/dog/lost.jpg")


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_archives_cut_short_or_damaged_are_refused(folder: Path, suffix: str) -> None:
    path = archived(folder, suffix)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match=r"is damaged or cut short \(.+\): copy or make the archive again"):
        open_files(path, everything)
    path.write_bytes(b"")
    with pytest.raises(DataError, match=r"damaged or cut short|neither a folder nor an archive"):
        open_files(path, everything)


def test_damage_inside_is_refused(folder: Path) -> None:
    with tarfile.open(folder.with_name("plain.tar"), "w", format=tarfile.GNU_FORMAT) as made:
        made.add(folder, ".")
    plain = folder.with_name("plain.tar").read_bytes()
    header = plain.index(b"./train/dog")
    path = folder.with_name("bad.tar")
    path.write_bytes(plain[:header] + b"#" * 512 + plain[header + 512 :])
    with pytest.raises(DataError, match=r"is damaged or cut short \(a bad header after \d files\)"):
        open_files(path, everything)
    packed = bytearray(gzip.compress(plain))
    packed[-8] ^= 255  # the checksum, which comes after all files
    folder.with_name("bad.tgz").write_bytes(packed)
    with pytest.raises(DataError, match=r"bad\.tgz is damaged or cut short \(CRC check failed"):
        open_files(folder.with_name("bad.tgz"), everything)
    folder.with_name("text.tar.bz2").write_bytes(bz2.compress(b"no tar at all"))
    with pytest.raises(DataError, match=r"text\.tar\.bz2 is damaged"):
        open_files(folder.with_name("text.tar.bz2"), everything)
    for suffix in (".zip", ".zip0"):
        path = archived(folder, suffix)
        whole = bytearray(path.read_bytes())
        files = open_files(path, everything)
        place = next(info.header_offset for info in zipfile.ZipFile(path).infolist() if info.filename.endswith("b.jpg"))
        whole[place + 1000] ^= 255
        path.write_bytes(whole)
        with pytest.raises(DataError, match=r"train/cat/b\.jpg in .* is damaged"):
            files.read("train/cat/b.jpg")
        path.unlink()
        with pytest.raises(DataError, match=r"cannot read .*No such file"):
            files.read("train/cat/b.jpg")


def test_what_is_no_archive(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="there is no folder or archive .*: check the path"):
        open_files(tmp_path / "none", everything)
    (tmp_path / "a.jpg").write_bytes(b"no archive")
    with pytest.raises(DataError, match=r"a\.jpg is neither a folder nor an archive: give a folder, or a \.tar, "):
        open_files(tmp_path / "a.jpg", everything)


@pytest.mark.parametrize("name", ["../a.jpg", "/etc/a.jpg", "b/../../a.jpg"])
def test_names_that_lead_out_are_refused(tmp_path: Path, name: str) -> None:
    with tarfile.open(tmp_path / "a.tar", "w") as made:
        made.addfile(tarfile.TarInfo(name), io.BytesIO())
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as zipped:
        zipped.writestr(name, b"x")
    for path in ("a.tar", "a.zip"):
        with pytest.raises(DataError, match=r"which is no path below its top"):
            open_files(tmp_path / path, everything)


def _encrypted(data: bytearray) -> None:
    data[data.index(b"PK\x01\x02") + 8] |= 1


def _odd_method(data: bytearray) -> None:
    data[data.index(b"PK\x01\x02") + 10] = 12


@pytest.mark.parametrize(("change", "message"), [(_encrypted, "is encrypted: unpack it"), (_odd_method, r"unusual way \(method 12\)")])
def test_zips_that_cannot_be_read(folder: Path, change: Callable[[bytearray], None], message: str) -> None:
    shutil.rmtree(folder / "train")
    shutil.rmtree(folder / "val")
    path = archived(folder, ".zip")
    data = bytearray(path.read_bytes())
    change(data)
    path.write_bytes(data)
    with pytest.raises(DataError, match=message):
        open_files(path, everything)


@pytest.mark.parametrize("suffix", [".zip", ".tar.gz", ".tar"])
def test_bombs_are_refused_before_they_are_unpacked(tmp_path: Path, suffix: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "FILE_BYTES", 100_000)
    (tmp_path / "f").mkdir()
    (tmp_path / "f/a.jpg").write_bytes(bytes(10_000_000))
    path = archived(tmp_path / "f", suffix)
    tracemalloc.start()
    with pytest.raises(DataError, match=r"a\.jpg in .* unpacks to 9\.5 MiB, more than the 97\.7 KiB that are read of a file"):
        open_files(path, everything).read("a.jpg")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2_000_000
    monkeypatch.setattr(archive, "MEMORY_BYTES", 50_000)
    monkeypatch.setattr(archive, "FILE_BYTES", 2**30)
    if suffix == ".tar.gz":
        with pytest.raises(DataError, match="a compressed tar must be kept in memory"):
            open_files(path, everything)


def test_a_zip_that_unpacks_to_more_than_it_states(tmp_path: Path) -> None:
    (tmp_path / "f").mkdir()
    (tmp_path / "f/a.jpg").write_bytes(bytes(10_000_000))
    path = archived(tmp_path / "f", ".zip")
    data = bytearray(path.read_bytes())
    at = data.index(b"PK\x01\x02") + 24
    data[at : at + 4] = (5).to_bytes(4, "little")
    path.write_bytes(data)
    with pytest.raises(DataError, match="does not unpack to the size"):
        open_files(path, everything).read("a.jpg")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
def test_a_pipe_is_no_archive(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.zip")
    with pytest.raises(DataError, match="is neither a folder nor a file"):
        open_files(tmp_path / "a.zip", everything)


@pytest.mark.parametrize("name", ["a.zip", "a.tar", "a.tar.gz"])
def test_many_members_of_nothing_are_not_listed_to_the_end(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "MANY_MEMBERS", 20)
    for size, refused in ((0, True), (200, False)):
        path = tmp_path / f"{size}-{name}"
        if name == "a.zip":
            with zipfile.ZipFile(path, "w") as made:
                for number in range(40):
                    made.writestr(f"{number}.png", b"x" * size)
        else:
            with tarfile.open(path, "w:gz" if name.endswith("gz") else "w") as packed:
                for number in range(40):
                    member = tarfile.TarInfo(f"{number}.png")
                    member.size = size
                    packed.addfile(member, io.BytesIO(b"x" * size))
        if refused:
            with pytest.raises(DataError, match="lists more than 20 members of .* bytes on average, and no image has so few"):
                open_files(path, everything)
        else:
            assert len(open_files(path, everything).names) == 40
