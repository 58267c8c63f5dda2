"""encode, embed, predict and context take images as users have them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from contextssl.errors import DataError, InputError
from tests.used import as_tensor, loaded, pixels, write_images


def test_every_door_takes_every_kind(tmp_path: Path) -> None:
    model, images = loaded(tmp_path), pixels(6)
    paths, tensor = write_images(tmp_path / "few", images), as_tensor(images)
    context = model.context(tensor.unflatten(0, (3, 2)))
    wanted = model.embed(tensor, context)
    for given in (paths, tmp_path / "few", [Image.fromarray(image) for image in images], images / 255, iter(list(images))):
        torch.testing.assert_close(model.embed(given, context), wanted)
    torch.testing.assert_close(model.encode(tmp_path / "few"), model.encode(tensor))
    torch.testing.assert_close(
        model.embed(paths, model.context([(paths[0], paths[1]), (paths[2], paths[3])])), model.embed(tensor, context.prefix(4))
    )
    (tmp_path / "few/pairs.csv").write_text("first,second\nimage000.png,image001.png\nimage002.png,image003.png\n")
    torch.testing.assert_close(model.embed(paths, model.context(tmp_path / "few/pairs.csv")), model.embed(tensor, context.prefix(4)))


def test_a_model_of_actions_reads_them_from_the_list(tmp_path: Path) -> None:
    model, images = loaded(tmp_path, "actions"), pixels(4)
    paths, actions = write_images(tmp_path, images), torch.tensor([[0, 0, 0.6, 0.8, 0.5, -0.5], [1, 0, 0, 0, 0, 0]])
    columns = "first,second,environment,rotation.x,rotation.y,rotation.z,rotation.w,color.floor hue,color.light hue"
    rows = [[paths[2 * n].name, paths[2 * n + 1].name, "rotation", *map(str, actions[n].tolist())] for n in range(2)]
    (tmp_path / "pairs.csv").write_text("\n".join([columns, *map(",".join, rows)]))
    found = model.context(tmp_path / "pairs.csv", environment="rotation")
    wanted = model.context(as_tensor(images[::2]), actions, as_tensor(images[1::2]), environment="rotation")
    torch.testing.assert_close(found.keys, wanted.keys)
    torch.testing.assert_close(model.predict(paths, torch.zeros(4, 6), found), model.predict(as_tensor(images), torch.zeros(4, 6), wanted))


@pytest.mark.parametrize("batch", [1, 2, 100])
def test_parts_are_put_together_in_order(batch: int, tmp_path: Path) -> None:
    model, images = loaded(tmp_path), as_tensor(pixels(5))
    torch.testing.assert_close(model.encode(images, batch), torch.cat([model.encode(image[None]) for image in images]))
    assert model.encode(images[:0]).shape == model.encode([]).shape == (0, model.feature_width)
    assert model.embed([]).shape == (0, 8)


def test_a_table_of_embeddings(tmp_path: Path) -> None:
    model, images = loaded(tmp_path), pixels(4)
    paths = write_images(tmp_path / "few", images)
    context = model.context(as_tensor(images).unflatten(0, (2, 2)))
    table = model.embed_table(tmp_path / "few", context)
    assert isinstance(table, pd.DataFrame) and table["name"].tolist() == [path.name for path in paths] and not table.attrs["skipped"]
    torch.testing.assert_close(torch.from_numpy(np.stack(table["embedding"].tolist())), model.embed(images, context))
    paths[1].write_bytes(b"no image")
    with pytest.raises(DataError, match=r"image001\.png cannot be decoded"):
        model.embed_table(tmp_path / "few")
    table = model.embed_table(tmp_path / "few", unreadable="skip")
    assert len(table) == 3 and [*table.attrs["skipped"]] == ["image001.png"]


def test_progress_is_shown_from_a_thousand_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = loaded(tmp_path)
    model.encode(torch.zeros(999, 3, 8, 8, dtype=torch.uint8))
    assert not capsys.readouterr().err
    model.encode(torch.zeros(1000, 3, 8, 8, dtype=torch.uint8))
    assert "encoding: 1,000 of 1,000 images" in capsys.readouterr().err
    model.encode(torch.zeros(1000, 3, 8, 8, dtype=torch.uint8), progress=False)
    assert not capsys.readouterr().err


def test_precision_is_asked_for_once(tmp_path: Path) -> None:
    model, images = loaded(tmp_path), as_tensor(pixels(6))
    exact = model.embed(images, model.context(images.unflatten(0, (3, 2))))
    model.precision = "bf16-mixed"
    rough = model.embed(images, model.context(images.unflatten(0, (3, 2))))
    assert rough.dtype == model.encode(images).dtype == torch.float32
    torch.testing.assert_close(rough, exact, rtol=0.1, atol=0.1)


def test_a_model_of_images_takes_no_table(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot read the image age"):
        loaded(tmp_path).encode(pd.DataFrame({"age": [1, 2]}))


@pytest.mark.usefixtures("unchecked_types")
def test_what_is_nothing_of_the_kind(tmp_path: Path) -> None:
    for given in (3, None):
        with pytest.raises(InputError, match="give paths, PIL images"):
            loaded(tmp_path).encode(given)  # type: ignore[arg-type]
