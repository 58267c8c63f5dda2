"""Lists of pairs: what they say, and a sentence for each thing that may be wrong with one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from contextssl.data.listed_pairs import ListedViews
from contextssl.data.pair_images import ListedImages, keep_pairs, listed
from contextssl.data.pair_list import look_over, pair_file, read_pair_list, same_views
from contextssl.data.stored import stored
from contextssl.errors import DataError
from tests.listed import rows_of, write_images, write_list, write_pairs

A, B, C = "item0/00.png", "item0/01.png", "item0/11.png"
BASIC = "first,second,environment"
GOOD = [[A, B, "same_place"], [B, C, "same_colour"]]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_images(tmp_path, items=2)
    return tmp_path


def test_a_list_is_read(folder: Path) -> None:
    rows = rows_of(write_images(folder, items=2))
    found = read_pair_list(write_list(folder, [*rows, [rows[0][1], f"./{rows[0][0]}", *rows[0][2:]]]))
    assert found.kinds == ("same_colour", "same_place") and len(found.images) == 18
    assert found.pairs.shape == (36, 3) and np.bincount(found.pairs[:, 2]).tolist() == [18, 18]
    assert found.groups.tolist() == [0] * 9 + [1] * 9 and set(found.splits.tolist()) == {""}
    assert found.notes == ("1 pairs are listed before, and passed over, such as that of line 38",)
    first, second, kind = found.pairs[0]
    assert [found.images[first], found.images[second], found.kinds[kind]] == rows[0][:3]


def test_columns_in_any_order_a_mark_at_the_start_and_quotes_are_fine(folder: Path) -> None:
    text = f'\ufeffSplit,environment, note,second,first\nTrain,same_place,"a, b",{B},{A}\nval,same_colour,,item1/00.png,item1/01.png\n'
    (folder / "other.csv").write_text(text, encoding="utf-8")
    found = read_pair_list(folder / "other.csv")
    assert sorted(set(found.splits.tolist())) == ["train", "val"] and found.notes == ("columns that are not read: note",)


def test_without_items_connected_images_are_a_group_and_none_is_in_two_splits(folder: Path) -> None:
    rows = [row[:3] for row in rows_of(write_images(folder, items=5))]
    found = read_pair_list(write_list(folder, rows, BASIC))
    splits = found.with_splits(0.2, seed=0)
    assert len(set(found.groups.tolist())) == 5
    for group in range(5):
        assert len(set(splits[found.groups == group].tolist())) == 1
    assert (splits == "val").sum() == 9 and (splits == found.with_splits(0.2, seed=0)).all()
    assert any((splits != found.with_splits(0.2, seed=seed)).any() for seed in range(1, 5))


def test_a_kind_that_few_items_have_is_held_out_too(folder: Path) -> None:
    rows = rows_of(write_images(folder, items=6))
    rare = [row for row in rows if row[2] == "same_place" or row[3] in ("item 2", "item 3")]
    for seed in range(6):
        found = read_pair_list(write_list(folder, rare))
        splits = found.with_splits(0.1, seed)
        where = {(splits[first], found.kinds[kind]) for first, _, kind in found.pairs}
        assert where == {(split, kind) for split in ("train", "val") for kind in found.kinds}


def test_same_is_transitive() -> None:
    assert same_views(6, np.array([[0, 1], [3, 1], [4, 5]])).tolist() == [0, 0, 1, 0, 2, 2]


@pytest.mark.parametrize(
    ("header", "rows", "said"),
    [
        (BASIC, [[A, A, "same_place"]], f"line 2 pairs {A} with itself"),
        (BASIC, [[A, f"item0/../{A}", "same_place"]], f"line 2 pairs {A} with itself"),
        (BASIC, [["/etc/a.png", B, "same_place"]], "line 2: /etc/a.png is an absolute path: write it relative"),
        (BASIC, [["C:/a.png", B, "same_place"]], "line 2: C:/a.png is an absolute path"),
        (BASIC, [["../a.png", B, "same_place"]], "line 2: ../a.png leaves the folder of the list"),
        (BASIC, [["item0/../../a.png", B, "same_place"]], "line 2: item0/../../a.png leaves the folder"),
        (BASIC, [["item0\\00.png", B, "same_place"]], "line 2: item0\\00.png has backslashes: write /"),
        (BASIC, [["item0/00.txt", B, "same_place"]], "line 2: item0/00.txt is no image by its suffix"),
        (BASIC, [["item0/77.png", B, "same_place"]], "line 2: there is no image"),
        (BASIC, [["item0/" + 300 * "a" + ".png", B, "same_place"]], "line 2: there is no image"),
        (BASIC, [["", B, "same_place"]], "line 2 has no first: fill it in, or remove the line"),
        (BASIC, [[A, "NaN", "same_place"]], "line 2 has no second"),
        (BASIC, [[A, B, "nan"]], "line 2 has no environment"),
        (BASIC, [[A, B]], "line 2 has 2 fields, and the header 3"),
        (
            BASIC,
            [[A, B, "same place"]],
            "line 2: the kind 'same place' cannot be given in settings: a kind is a letter followed by letters, digits",
        ),
        (BASIC, [[A, B, "pose+colour"]], "the kind 'pose+colour' cannot be given"),
        (BASIC, [[A, B, "größe"]], "the kind 'größe' cannot be given"),
        (BASIC, [[A, B, "2d"]], "the kind '2d' cannot be given"),
        (BASIC, [[A, B, "none"]], "line 2: a kind cannot be called none, which has a meaning in settings"),
        (BASIC, [[A, B, "same_place"], [B, C, "same_place"]], "all pairs are of the kind same_place: a context has nothing to tell apart"),
        (BASIC, [[A, B, "same_place"], [B, A, "same_place"]], "1 pairs are listed: there must be at least two"),
        (BASIC, [], "0 pairs are listed: there must be at least two"),
        (BASIC, GOOD, "pairs connect all images with each other, so none can be held out: add a column split"),
        (f"{BASIC},split", [[A, B, "x", "trane"]], "line 2: unknown split 'trane': did you mean 'train'"),
        (f"{BASIC},split", [[A, B, "x", "train"], [B, C, "y", "val"]], f"line 3: {B} has the split train in line 2 and val in line 3"),
        (f"{BASIC},item", [[A, B, "x", "1"], [B, C, "y", "2"]], f"{B} has the item 1 in line 2 and 2 in line 3: give each image one"),
        (f"{BASIC},item", [[A, B, "x", ""], [B, C, "y", "2"]], "line 2 has no item"),
        (f"{BASIC},label", [[A, B, "x", "cat"], [B, C, "y", "dog"]], f"{B} has the label cat in line 2 and dog in line 3"),
        (
            f"{BASIC},item,split",
            [[A, B, "x", "1", "train"], ["item1/00.png", "item1/01.png", "y", "1", "val"]],
            "line 3: the item 1 is in train and in val: keep it in one",
        ),
    ],
)
def test_a_fault_has_its_sentence(folder: Path, header: str, rows: list[list[str]], said: str) -> None:
    file = write_list(folder, rows, header)
    with pytest.raises(DataError) as caught:
        read_pair_list(file)
    assert said in str(caught.value) and str(file) in str(caught.value)
    found, faults = look_over(file)
    assert found is None and said in faults[0][1]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is empty: its first line names the columns"),
        ("first,second,environment\nä.png,b.png,x\n".encode("latin-1"), "is no text in UTF-8 (byte 25): save it as CSV in UTF-8"),
        (b"first,second\na.png,b.png\n", "has no column environment: add it; the columns are first, second, environment"),
        (b"first,second,enviroment\n", "has no column environment: rename 'enviroment' to 'environment'"),
        (b"first;second;environment\n", "has no column first: put commas between the columns"),
        (b"first,second,environment,first\n", "has two columns 'first': keep one"),
        (b'first,second,environment\n"a.png,b.png,x\n', "is no CSV"),
    ],
)
def test_what_is_no_list_has_its_sentence(folder: Path, content: bytes, said: str) -> None:
    (folder / "pairs.csv").write_bytes(content)
    with pytest.raises(DataError, match=".*") as caught:
        read_pair_list(folder / "pairs.csv")
    assert said in str(caught.value)


def test_several_faults_are_counted(folder: Path) -> None:
    with pytest.raises(DataError, match=r"and 2 more: contextssl data check .* lists them"):
        read_pair_list(write_list(folder, [[A, A, "x"], [B, B, "x"], [C, C, "x"]], BASIC))


def test_where_there_is_no_list(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"give data_dir=DIR, a folder that holds pairs.csv"):
        pair_file(None)
    with pytest.raises(DataError, match=r"there is no .*pairs.csv: write one, with the columns first, second, environment"):
        pair_file(str(tmp_path))
    with pytest.raises(DataError, match=r"there is no file .*mine.csv: check the path"):
        pair_file(None, str(tmp_path / "mine.csv"))
    (tmp_path / "mine.zip").write_bytes(b"PK")
    with pytest.raises(DataError, match="is an archive: unpack it"):
        pair_file(str(tmp_path / "mine.zip"))


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([[A, B, "x", "train"], [B, C, "y", "train"]], "no pair of the kind x is in the split val: list some"),
        (
            [
                [A, B, "x", "train"],
                [B, C, "y", "train"],
                *([f"item1/0{i}.png", f"item1/1{i}.png", kind, "val"] for i, kind in enumerate("xy")),
            ],
            "all images of the kind x that are trained on count as the same",
        ),
    ],
)
def test_too_little_to_train_or_to_validate_on(folder: Path, rows: list[list[str]], said: str) -> None:
    found = read_pair_list(write_list(folder, rows, f"{BASIC},split"))
    with pytest.raises(DataError, match=said):
        ListedImages(found)


def test_a_store_keeps_its_pairs_and_notices_others(tmp_path: Path) -> None:
    from contextssl.config.settings import TrainSettings

    source = ListedImages(read_pair_list(write_pairs(tmp_path / "mine", items=3)), val_fraction=0.3)
    store = stored(source, tmp_path / "store", 16, workers=0, progress=False)
    settings = TrainSettings(resolution=16)
    with pytest.raises(DataError, match="pairs.npy"):
        listed(store, settings)
    keep_pairs(store, source)
    data = listed(store, settings)
    assert data.train.num_items == 18 and data.val.num_items == 9
    for split, bank in (("train", data.train.views), ("val", data.val.views)):
        assert isinstance(bank, ListedViews)
        names = {(bank.item_names[a], bank.item_names[b], bank.factors.names[kind]) for a, b, kind in bank.listed.tolist()}
        rows = {tuple(row[:3]) for row in rows_of(write_images(tmp_path / "mine", items=3))}
        assert names <= rows and len(names) == {"train": 36, "val": 18}[split]
    np.save(tmp_path / "store/pairs.npy", source.pairs[:-1])
    with pytest.raises(DataError, match="is not what was packed: remove"):
        listed(store, settings)
