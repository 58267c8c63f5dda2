"""Damage is found before anything of it is used; what the system refuses is said as such."""

from __future__ import annotations

import errno
import random
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch

from contextssl.checkpoints import file as checkpoint_file
from contextssl.checkpoints.file import check_archive, read_checked
from contextssl.errors import CheckpointError

WEIGHT = torch.randn(300, 100, generator=torch.Generator().manual_seed(0))
CONTENT = {"weight": WEIGHT, "words": ["a", 1, None]}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "some.ckpt"
    torch.save(CONTENT, path)
    return path


def test_a_flipped_bit_is_found_wherever_it_changes_anything(file: Path) -> None:
    whole, draws = file.read_bytes(), random.Random(0)
    found = 0
    for _ in range(150):
        damaged = bytearray(whole)
        damaged[draws.randrange(len(whole))] ^= 1 << draws.randrange(8)
        file.write_bytes(damaged)
        try:
            content = read_checked(file)
        except CheckpointError as error:
            assert "is damaged or no checkpoint" in str(error) and "\n" not in str(error)
            found += 1
        else:
            assert torch.equal(content["weight"], WEIGHT) and content["words"] == CONTENT["words"]
    assert found > 140


def test_the_record_that_is_wrong_is_named(file: Path) -> None:
    data = bytearray(file.read_bytes())
    data[data.index(WEIGHT.numpy().tobytes()[:64]) + 1000] ^= 1
    file.write_bytes(data)
    with pytest.raises(CheckpointError, match=r"the checksum of its record some/data/0 is wrong\): copy it again or use an earlier one"):
        read_checked(file)


def test_a_file_written_without_checksums_is_read(file: Path) -> None:
    torch.serialization.set_crc32_options(False)
    try:
        torch.save(CONTENT, file)
    finally:
        torch.serialization.set_crc32_options(True)
    assert torch.equal(read_checked(file)["weight"], WEIGHT)


def test_the_format_before_archives_is_read(file: Path) -> None:
    torch.save(CONTENT, file, _use_new_zipfile_serialization=False)
    assert torch.equal(read_checked(file)["weight"], WEIGHT)


def test_a_compressed_archive_is_read_but_no_bomb(file: Path, tmp_path: Path) -> None:
    squeezed, bomb = tmp_path / "squeezed.ckpt", tmp_path / "bomb.ckpt"
    with zipfile.ZipFile(file) as source, zipfile.ZipFile(squeezed, "w", zipfile.ZIP_DEFLATED) as target:
        for record in source.infolist():
            target.writestr(record.filename, source.read(record))
    assert torch.equal(read_checked(squeezed)["weight"], WEIGHT)
    with zipfile.ZipFile(squeezed) as source, zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as target:
        for record in source.infolist():
            target.writestr(record.filename, bytes(1 << 25) if record.filename.endswith("data/0") else source.read(record))
    with pytest.raises(CheckpointError, match=r"holds .* KiB but declares records of 32.0 MiB: it is damaged or made to exhaust memory"):
        read_checked(bomb)


@pytest.mark.parametrize(
    ("raised", "message"),
    [
        (PermissionError(errno.EACCES, "Permission denied"), "cannot read .*some.ckpt: Permission denied; .*may"),
        (OSError(errno.EMFILE, "Too many open files"), "cannot read .*some.ckpt: Too many open files"),
        (RuntimeError("CUDA error: device-side assert triggered\nCUDA kernel errors"), "cannot read .*some.ckpt: CUDA error: device-side"),
        (RuntimeError("PytorchStreamReader failed locating file"), "is damaged or no checkpoint"),
        (MemoryError(), "does not fit into memory"),
    ],
)
def test_what_the_system_refuses_is_not_called_damage(file: Path, monkeypatch: pytest.MonkeyPatch, raised: Exception, message: str) -> None:
    def refuse(*args: Any, **kwargs: Any) -> None:
        raise raised

    monkeypatch.setattr(torch, "load", refuse)
    with pytest.raises(CheckpointError, match=message) as caught:
        read_checked(file)
    assert "\n" not in str(caught.value)
    assert ("damaged" in str(caught.value)) == ("damaged" in message)


def test_a_folder_that_may_not_be_entered_is_said_to_be(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: Path) -> bool:
        raise PermissionError(errno.EACCES, "Permission denied", str(self))

    monkeypatch.setattr(Path, "is_file", refuse)
    with pytest.raises(CheckpointError, match="cannot read .*some.ckpt: Permission denied"):
        read_checked(file)


@pytest.mark.parametrize(
    "called",
    [b"cbuiltins\nbytearray\n", b"ctorch\nTensor\n", b"ctorch\nFloatTensor\n", b"ctorch.storage\nUntypedStorage\n"],
    ids=["bytes", "tensor", "kind", "storage"],
)
@pytest.mark.parametrize("archive", [True, False])
def test_memory_is_not_taken_because_a_file_asks_for_it(tmp_path: Path, called: bytes, archive: bool) -> None:
    """PyTorch itself allows these calls: each takes a terabyte here."""
    values = b"\x80\x02" + called + b"\x8a\x06" + (1 << 40).to_bytes(6, "little") + b"\x85R."
    path = tmp_path / "x.ckpt"
    if archive:
        with zipfile.ZipFile(path, "w") as made:
            for name, data in (("data.pkl", values), ("version", b"3\n"), ("byteorder", b"little")):
                made.writestr(f"archive/{name}", data)
    else:
        path.write_bytes(values)
    with pytest.raises(CheckpointError, match="carries code or objects .*, which is never executed"):
        read_checked(path)


def test_too_many_records_and_too_many_values_are_refused(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoint_file, "PICKLE_BYTES", 10)
    with pytest.raises(CheckpointError, match="of plain values, more than the 10 B that are read"):
        read_checked(file)
    monkeypatch.setattr(checkpoint_file, "MOST_RECORDS", 2)
    with pytest.raises(CheckpointError, match="records, more than the 2 that are read"):
        read_checked(file)


def test_a_process_that_was_killed_meanwhile_is_not_called_damage(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """PyTorch's handler raises this wherever the first process is, also while it compares checksums."""

    def killed(self: zipfile.ZipFile) -> None:
        raise RuntimeError("DataLoader worker (pid 7) is killed by signal: Killed. ")

    monkeypatch.setattr(zipfile.ZipFile, "infolist", killed)
    with pytest.raises(RuntimeError, match="killed by signal") as caught:
        check_archive(file)
    assert not isinstance(caught.value, CheckpointError)
