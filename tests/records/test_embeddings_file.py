from __future__ import annotations

import csv
import json
from contextlib import suppress
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contextssl.errors import BusyError, SettingsError
from contextssl.models.stored_embeddings import about_file, names_file
from contextssl.records.embeddings_file import embeddings_file
from contextssl.system.checksum_file import checksum_file


def read(path: Path) -> tuple[list[str], np.ndarray]:
    """What another program reads."""
    if path.suffix == ".npy":
        return json.loads(path.with_suffix(".names.json").read_text()), np.load(path)
    if path.suffix == ".csv":
        with path.open(newline="") as file:
            header, *rows = csv.reader(file)
        assert header[:2] == ["name", "e0"]
        return [row[0] for row in rows], np.array([row[1:] for row in rows], np.float32)
    import pandas as pd

    table = pd.read_parquet(path)
    return table["name"].tolist(), np.stack(table["embedding"].tolist()) if len(table) else np.zeros((0, 2), np.float32)


@given(
    sizes=st.lists(st.integers(0, 4), min_size=1, max_size=4), suffix=st.sampled_from([".npy", ".csv", ".parquet"]), seed=st.integers(0, 9)
)
def test_what_is_written_is_read(tmp_path_factory: pytest.TempPathFactory, sizes: list[int], suffix: str, seed: int) -> None:
    out = tmp_path_factory.mktemp("made") / f"vectors{suffix}"
    vectors = np.random.default_rng(seed).standard_normal((sum(sizes), 3)).astype(np.float32)
    names = [f'{number}, "é\n".png' for number in range(len(vectors))]
    bounds = np.cumsum([0, *sizes])
    with embeddings_file(out, {"a": 1}) as file:
        for number, (first, last) in enumerate(pairwise(bounds)):
            file.add(number, tuple(names[first:last]), vectors[first:last])
        assert file.finish(len(sizes), {}) == (len(vectors), [])
    found, numbers = read(out)
    assert found == names and (not len(names) or np.array_equal(numbers, vectors))
    made = [out, *([names_file(out)] if suffix == ".npy" else [])]
    about = [about_file(out)] if suffix == ".npy" else []
    assert {*out.parent.iterdir()} == {*made, *about, *map(checksum_file, made)}


def test_the_schema_of_parquet(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    with embeddings_file(tmp_path / "vectors.parquet", None) as file:
        file.add(0, ("a.png",), np.ones((1, 4), np.float32))
        file.finish(1, {})
    schema = pq.read_schema(tmp_path / "vectors.parquet")
    assert schema.field("name").type == pa.string() and schema.field("embedding").type == pa.list_(pa.float32(), 4)


def test_parts_of_the_same_making_are_kept_others_are_not(tmp_path: Path) -> None:
    out = tmp_path / "vectors.npy"

    def stopped(made_from: dict[str, int] | None) -> list[bool]:
        with pytest.raises(KeyboardInterrupt), embeddings_file(out, made_from) as file:
            there = [file.done(number) for number in range(2)]
            file.add(len([each for each in there if each]), ("x",), np.ones((1, 2), np.float32), (("bad.png", "damaged"),))
            raise KeyboardInterrupt
        return there

    assert stopped({"a": 1}) == [False, False]
    assert stopped({"a": 1}) == [True, False]
    assert stopped({"a": 2}) == [False, False]
    assert stopped(None) == stopped(None) == [False, False]
    assert not out.exists()
    assert stopped({"a": 3}) == [False, False] and stopped({"a": 3}) == [True, False]
    with embeddings_file(out, {"a": 3}) as file:
        assert file.finish(2, {}) == (2, [("bad.png", "damaged")] * 2)
    assert {path.name.removesuffix(".sha256") for path in tmp_path.iterdir()} == {"vectors.npy", "vectors.names.json", "vectors.about.json"}


def test_a_half_written_part_is_made_again(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), embeddings_file(tmp_path / "vectors.npy", {"a": 1}) as file:
        file.add(0, ("x",), np.ones((1, 2), np.float32))
        (file.parts / "000001.npy").write_bytes(b"half")
        raise KeyboardInterrupt
    with embeddings_file(tmp_path / "vectors.npy", {"a": 1}) as file:
        assert [file.done(number) for number in range(2)] == [True, False]


def test_one_process_at_a_time(tmp_path: Path) -> None:
    with (
        embeddings_file(tmp_path / "vectors.npy", None) as file,
        pytest.raises(BusyError, match="another process is making"),
        embeddings_file(tmp_path / "vectors.npy", None),
    ):
        pass
    assert not file.parts.exists()


def test_another_ending(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"written as \.parquet, \.npy or \.csv"), embeddings_file(tmp_path / "vectors.h5", None):
        pass


def test_a_process_that_is_killed_while_it_removes_the_parts_leaves_none_that_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between any two of them; the same command then makes the whole file."""
    out = tmp_path / "z.npy"
    rows = np.arange(6, dtype=np.float32).reshape(3, 2)

    def make() -> None:
        with embeddings_file(out, {"of": "this"}) as file:
            for number in range(3):
                if not file.done(number):
                    file.add(number, (f"{number}.png",), rows[number : number + 1])
            file.finish(3, {})

    original = Path.unlink
    for survived in range(8):
        removed = 0

        def unlink(self: Path, missing_ok: bool = False, survived: int = survived) -> None:
            nonlocal removed
            if self.parent.name == ".z.npy.parts" and self.name != ".lock" and ".tmp" not in self.name:
                removed += 1
                if removed > survived:
                    raise KeyboardInterrupt
            original(self, missing_ok)

        monkeypatch.setattr(Path, "unlink", unlink)
        with suppress(KeyboardInterrupt):
            make()
        monkeypatch.undo()
        out.unlink()
        make()
        assert np.array_equal(np.load(out), rows)
        assert not (tmp_path / ".z.npy.parts").exists()
