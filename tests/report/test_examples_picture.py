from __future__ import annotations

import base64
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, UnidentifiedImageError

from contextssl.report.examples_picture import examples_figure, examples_files, said
from contextssl.report.gallery import data_uri


def gallery() -> dict[str, object]:
    images = {str(index): data_uri(np.full((8, 8, 3), 20 * index, np.uint8)) for index in range(9)}
    apart = {"rotation": "20°", "color": "0.10"}
    near = [{"image": str(index), "apart": apart, "same_object": False} for index in range(6)]
    pairs = [{"source": "6", "target": "7"}] * 3
    environments = {name: {"neighbours": near} for name in ("rotation", "color", "none")}
    query = {"class": "sofa", "query": "8", "apart": apart, "without": near, "environments": environments}
    return {"images": images, "length": 14, "queries": [query], "examples": dict.fromkeys(environments, pairs)}


def test_the_picture_has_the_examples_the_query_and_its_neighbours(tmp_path: Path) -> None:
    figure = examples_figure(gallery())
    # A query and five neighbours in each row; two pairs in all but the first.
    assert len(figure.axes) == 4 * 6 + 3 * 4
    boxes = [axes.get_position() for axes in figure.axes]
    assert all(box.x0 >= 0 and box.x1 <= 1 and box.y0 >= 0 and box.y1 <= 1 for box in boxes)
    for index, box in enumerate(boxes):
        for other in boxes[:index]:
            assert min(box.x1, other.x1) <= max(box.x0, other.x0) + 1e-9 or min(box.y1, other.y1) <= max(box.y0, other.y0) + 1e-9
    files = examples_files(gallery(), tmp_path)
    assert [file.name for file in files] == ["examples.png", "examples.svg"]
    with Image.open(files[0]) as picture:
        assert picture.size[0] > 1000


def test_examples_in_words() -> None:
    assert said(None, gallery()) == "no examples"
    assert said("rotation", gallery()) == "same rotation,\nother colour"
    assert said("none", gallery()) == "same object,\nother rotation\nand colour"
    assert said("rotation+color", gallery()) == "same rotation and colour"


def test_a_picture_of_a_gallery_is_read_by_no_other_decoder(tmp_path: Path) -> None:
    made = gallery()
    postscript = base64.b64encode(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\nshowpage\n").decode()
    images = dict.fromkeys(map(str, range(9)), f"data:image/png;base64,{postscript}")
    with pytest.raises(UnidentifiedImageError):
        examples_figure({**made, "images": images})
