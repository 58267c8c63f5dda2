from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from contextssl.data.given_images import given_images
from contextssl.data.given_pairs import ends_of, read_pairs
from contextssl.errors import DataError, InputError
from contextssl.factors import COLOR, ROTATION, Factor, FactorSpace
from tests.used import as_tensor, pixels, write_images


def whole(given: Any) -> torch.Tensor:
    return torch.cat([chunk.images for chunk in given_images(given, (3, 8, 8))])


def test_every_kind_of_pairs_has_the_same_ends(tmp_path: Path) -> None:
    images = pixels(6)
    paths = write_images(tmp_path, images)
    tensor = as_tensor(images)
    (tmp_path / "pairs.csv").write_text("first,second\n" + "".join(f"{paths[2 * n].name},{paths[2 * n + 1].name}\n" for n in range(3)))
    of_pil = [tuple(Image.fromarray(images[2 * n + end]) for end in (0, 1)) for n in range(3)]
    for pairs in (
        tensor.unflatten(0, (3, 2)),
        images.reshape(3, 2, 8, 8, 3),
        of_pil,
        [list(map(str, paths[2 * n : 2 * n + 2])) for n in range(3)],
        list(tensor.unflatten(0, (3, 2))),
        [(tensor[2 * n], tensor[2 * n + 1]) for n in range(3)],
        tmp_path / "pairs.csv",
        str(tmp_path),
    ):
        first, second = ends_of(pairs)
        assert torch.equal(whole(first), tensor[::2]) and torch.equal(whole(second), tensor[1::2])


@pytest.mark.parametrize(
    ("pairs", "message"),
    [
        (torch.zeros(3, 4, 3, 8, 8), r"give pairs as \(k, 2"),
        ([("a.png", "b.png", "c.png")], "pair 0 has 3 images"),
        (["ab"], "pair 0 is a str"),
        ([3], "pair 0 is a int"),
        ({"a": 1}, "examples are a dict"),
    ],
)
def test_what_is_no_pair(pairs: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        ends_of(pairs)


def listed(folder: Path, text: str) -> Path:
    write_images(folder, pixels(4))
    (folder / "pairs.csv").write_text(text)
    return folder / "pairs.csv"


def test_of_several_kinds_one_is_chosen(tmp_path: Path) -> None:
    file = listed(tmp_path, "first,second,environment\nimage000.png,image001.png,rotation+color\nimage002.png,image003.png,none\n")
    assert [path.name for path in read_pairs(file, "none").first] == ["image002.png"]
    assert [path.name for path in read_pairs(file, "rotation+color").second] == ["image001.png"]
    with pytest.raises(DataError, match=r"holds pairs of none and rotation\+color: .* environment=none"):
        read_pairs(file)
    with pytest.raises(DataError, match="no pair of the environment 'colour'"):
        read_pairs(file, "colour")


def test_actions_stand_in_columns_by_their_names(tmp_path: Path) -> None:
    factors = FactorSpace((ROTATION, COLOR, Factor("crop", 1)))
    columns = "rotation.x,rotation.y,rotation.z,rotation.w,color.floor hue,color.light hue,crop.0"
    file = listed(tmp_path, f"first,second,{columns}\nimage000.png,image001.png,0,0,0.6,0.8,-0.5,0.25,1\n")
    actions = read_pairs(file, factors=factors).actions
    torch.testing.assert_close(actions, torch.tensor([[0, 0, 0.6, 0.8, -0.5, 0.25, 1]]))
    with pytest.raises(DataError, match=r"no column rotation\.x: this model's contexts need the actions"):
        read_pairs(listed(tmp_path, "first,second\nimage000.png,image001.png\n"), factors=factors)
    for bad, message in (("far", "no number"), ("nan", "NaN or infinite")):
        with pytest.raises(DataError, match=message):
            read_pairs(
                listed(tmp_path, f"first,second,crop.0\nimage000.png,image001.png,{bad}\n"), factors=FactorSpace((Factor("crop", 1),))
            )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("first,second\n", "lists no pair"),
        ("one,two\na,b\n", "no column first"),
        ("first,second\nimage000.png,nowhere.png\n", "line 2: there is no image"),
        ("first,second\nimage000.png,image000.png\n", "pairs image000.png with itself"),
        ("first,second\n../a.png,image000.png\n", "leaves the folder"),
        ("first,second\nimage000.png,\n", "line 2 has no second"),
        ("", "is empty"),
    ],
)
def test_a_list_that_is_wrong_names_the_line(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=message):
        read_pairs(listed(tmp_path, text))
