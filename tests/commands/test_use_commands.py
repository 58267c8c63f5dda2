"""embed, neighbours, context, adapt and import, through the command line."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

import contextssl
from contextssl.cli import main
from contextssl.errors import DataError, InputError
from tests.people import write_people
from tests.reference import published_state
from tests.used import as_tensor, loaded, pixels, saved, write_images

QUIET = ["accelerator=cpu", "progress=false"]


@pytest.fixture
def folder(in_folder: Path) -> Path:
    saved(in_folder)
    paths = write_images(in_folder / "images", pixels(10))
    rows = "".join(f"{paths[2 * n].name},{paths[2 * n + 1].name}\n" for n in range(4))
    (in_folder / "images/pairs.csv").write_text("first,second\n" + rows)
    return in_folder


def read(file: str) -> list[list[str]]:
    return list(csv.reader(Path(file).read_text().splitlines()))


def test_embed_is_what_python_gives(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["embed", "examples0.ckpt", "images", "context=images/pairs.csv", "out=made/vectors.parquet", "batch_size=3", *QUIET]) == 0
    assert "10 embeddings of 8 numbers" in capsys.readouterr().out
    table = pd.read_parquet("made/vectors.parquet")
    model = loaded(folder)
    assert table["name"].tolist() == [f"image{n:03d}.png" for n in range(10)]
    wanted = model.embed("images", model.context("images/pairs.csv"))
    np.testing.assert_allclose(np.stack(table["embedding"].tolist()), wanted, rtol=1e-4, atol=1e-5)
    assert main(["embed", "examples0.ckpt", "images", "out=features.npy", "representation=feature", *QUIET]) == 0
    np.testing.assert_allclose(np.load("features.npy"), model.encode("images"), rtol=1e-4, atol=1e-5)
    assert json.loads(Path("features.names.json").read_text())[9] == "image009.png"
    assert main(["embed", "examples0.ckpt", "images/image003.png", "out=one.csv", "context=images/pairs.csv", "pairs=2", *QUIET]) == 0
    _, row = read("one.csv")
    one = model.embed("images/image003.png", model.context("images/pairs.csv").prefix(4))
    np.testing.assert_allclose(np.array(row[1:], np.float32), one[0], rtol=1e-4, atol=1e-5)


def test_embed_with_actions_is_predict(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    saved(folder, "actions")
    model, columns = (
        loaded(folder, "actions"),
        ["rotation.x", "rotation.y", "rotation.z", "rotation.w", "color.floor hue", "color.light hue"],
    )
    actions = np.random.default_rng(0).standard_normal((10, 6)).round(3)
    table = pd.DataFrame(actions, columns=columns)
    table.to_csv("actions.csv", index=False)
    words = ["embed", "actions0.ckpt", "images", "out=predicted.npy", "batch_size=4", *QUIET]
    wanted = model.predict("images", torch.from_numpy(actions).float())
    assert main([*words, "actions=actions.csv"]) == 0
    np.testing.assert_allclose(np.load("predicted.npy"), wanted, rtol=1e-4, atol=1e-5)
    table.insert(0, "name", [f"image{n:03d}.png" for n in range(10)])
    table[::-1].to_csv("named.csv", index=False)
    assert main([*words, "actions=named.csv"]) == 0
    np.testing.assert_allclose(np.load("predicted.npy"), wanted, rtol=1e-4, atol=1e-5)
    Path("images/image005.png").write_bytes(b"nothing")
    assert main([*words, "actions=named.csv", "unreadable=skip"]) == 0
    np.testing.assert_allclose(np.load("predicted.npy"), np.delete(wanted.numpy(), 5, axis=0), rtol=1e-4, atol=1e-5)
    capsys.readouterr()
    for bad, message in (
        (table[:9], "no line of image009.png"),
        (table.drop(columns="name")[:9], "has 9 lines and there are 10 images"),
        (table.drop(columns="rotation.w"), "no column rotation.w"),
        (table.assign(**{"rotation.x": "far"}), "an action is no number"),
        (table.assign(**{"rotation.x": np.inf}), "NaN or infinite"),
    ):
        bad.to_csv("bad.csv", index=False)
        assert main([*words, "actions=bad.csv"]) == 2
        assert message in capsys.readouterr().err


def test_embed_names_a_bad_image_or_leaves_it_out(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("images/image004.png").write_bytes(b"nothing")
    words = ["embed", "examples0.ckpt", "images", "out=vectors.npy", "batch_size=2", *QUIET]
    assert main(words) == 2
    assert "image004.png cannot be decoded" in capsys.readouterr().err and not Path("vectors.npy").exists()
    assert main([*words, "unreadable=skip"]) == 0
    assert "1 images cannot be read and were left out: image004.png" in capsys.readouterr().err
    assert np.load("vectors.npy").shape == (9, 8)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["embed"], "name the images: contextssl embed MODEL IMAGES"),
        (["embed", "examples0.ckpt", "nowhere"], "no folder or archive nowhere"),
        (["embed", "nowhere", "images"], "no run or checkpoint at nowhere"),
        (["embed", "examples0.ckpt", "images", "out=vectors.xls"], "written as .parquet, .npy or .csv"),
        (["embed", "examples0.ckpt", "images", "pairs=3"], "pairs is of a context, and there is none"),
        (["embed", "examples0.ckpt", "images", "context=images/pairs.csv", "pairs=5"], "holds 4 pairs, and pairs=5 are asked for"),
        (
            ["embed", "examples0.ckpt", "images", "context=images/pairs.csv", "representation=feature"],
            "which no context and no action changes",
        ),
        (["embed", "examples0.ckpt", "images", "context=nowhere.csv"], "there is no file nowhere.csv"),
        (["embed", "examples0.ckpt", "images", "actions=images/pairs.csv"], "trained with context=examples, without any"),
        (["embed", "examples0.ckpt", "images/pairs.csv"], "is a table, and this model takes images"),
        (["neighbours", "examples0.ckpt"], "name the images whose neighbours are wanted"),
        (["context", "make", "examples0.ckpt"], "name the examples"),
        (["context", "compare", "examples0.ckpt", "images"], "name two lists of pairs"),
        (["adapt", "examples0.ckpt", "out=model.bin"], "written as .onnx, .pt2 or .safetensors"),
        (["import", "examples0.ckpt", "out=new"], "a model of contextssl already"),
        (["import"], "name the published checkpoint"),
    ],
)
def test_what_is_wrong_is_one_line(words: list[str], message: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*words, *QUIET]) == 2
    error = capsys.readouterr().err
    assert message in error and len(error.strip().splitlines()) == 1
    assert not [path.name for path in folder.iterdir() if path.name not in ("examples0.ckpt", "images")]


def test_another_models_context_is_named(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    saved(folder, seed=1)
    assert main(["context", "make", "examples1.ckpt", "images/pairs.csv", "out=other.safetensors", *QUIET]) == 0
    assert main(["embed", "examples0.ckpt", "images", "context=other.safetensors", *QUIET]) == 2
    assert "other.safetensors belongs to another model" in capsys.readouterr().err


def test_contexts_are_made_described_and_compared(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["context", "make", "examples0.ckpt", "images/pairs.csv", "out=kept.safetensors", *QUIET]) == 0
    assert main(["context", "describe", "examples0.ckpt", "kept.safetensors", *QUIET]) == 0
    printed = capsys.readouterr().out
    assert printed.count("4 examples\n  rotation: ") == 2
    assert main(["context", "compare", "examples0.ckpt", "images/pairs.csv", "kept.safetensors", *QUIET]) == 0
    assert "between the embeddings of a view in both contexts: 1.00" in capsys.readouterr().out


def test_neighbours_on_the_screen_and_in_a_file(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["context=images/pairs.csv", "k=2", "show=3", "out=near.csv", *QUIET]
    assert main(["neighbours", "examples0.ckpt", "images/image005.png", "images", *words]) == 0
    assert "after 4 examples" in capsys.readouterr().out
    header, first, second = read("near.csv")
    assert header == ["query", "rank", "image", "similarity"] and first[:3] == ["images/image005.png", "1", "image005.png"]
    assert second[1] == "2"
    assert main(["neighbours", "examples0.ckpt", "images", *words]) == 0
    assert len(read("near.csv")) == 21


def test_neighbours_among_embeddings_that_were_written_before(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["context=images/pairs.csv", *QUIET]
    assert main(["embed", "examples0.ckpt", "images", "out=all.npy", *words]) == 0
    for asked in (["images/image005.png", "images"], ["images"]):
        assert main(["neighbours", "examples0.ckpt", *asked, "k=3", "out=near.csv", *words]) == 0
        stored = [word.replace("images", "all.npy") if word == "images" else word for word in asked]
        assert main(["neighbours", "examples0.ckpt", *stored, "k=3", "out=again.csv", *words]) == 0
        rows, again = read("near.csv"), read("again.csv")
        assert [row[:3] for row in again] == [row[:3] for row in rows]
        torch.testing.assert_close([float(row[3]) for row in again[1:]], [float(row[3]) for row in rows[1:]], rtol=0, atol=1e-4)

    def refused(*given: str) -> str:
        capsys.readouterr()
        assert main(["neighbours", *given, *QUIET]) == 2
        (line,) = capsys.readouterr().err.strip().splitlines()
        return line

    saved(folder, seed=1)
    assert "all.npy was made with another context" in refused("examples0.ckpt", "images/image005.png", "all.npy")
    assert "all.npy was made with another model" in refused("examples1.ckpt", "all.npy", "context=images/pairs.csv")
    assert main(["embed", "examples0.ckpt", "images", "out=f.npy", "representation=feature", *QUIET]) == 0
    assert "f.npy was made with representation=feature" in refused("examples0.ckpt", "f.npy")
    Path("f.about.json").unlink()
    assert "f.about.json" in refused("examples0.ckpt", "f.npy")
    Path("all.names.json").write_text('["one"]')
    assert "does not hold a name of each of the 10 embeddings" in refused("examples0.ckpt", "all.npy", "context=images/pairs.csv")
    data = bytearray(Path("all.npy").read_bytes())
    data[-1] ^= 1
    Path("all.npy").write_bytes(data)
    assert "all.npy is damaged (its checksum differs)" in refused("examples0.ckpt", "all.npy", "context=images/pairs.csv")
    Path("all.npy").write_bytes(data[:100])
    assert "all.npy is damaged" in refused("examples0.ckpt", "all.npy", "context=images/pairs.csv")
    assert "cannot read nowhere.npy" in refused("examples0.ckpt", "nowhere.npy")
    os.mkfifo("pipe.npy")
    assert "pipe.npy is no file" in refused("examples0.ckpt", "pipe.npy")


def test_an_adapted_model_is_written(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["adapt", "examples0.ckpt", "context=images/pairs.csv", "out=adapted.safetensors", *QUIET]) == 0
    assert main(["adapt", "examples0.ckpt", "context=images/pairs.csv", "out=adapted.pt2", *QUIET]) == 0
    assert "equal within 0.0001" in capsys.readouterr().out
    model = contextssl.load("adapted.safetensors", device="cpu")
    images = as_tensor(pixels(10))
    wanted = model.embed(images, model.load_context("adapted.safetensors"))
    torch.testing.assert_close(torch.export.load("adapted.pt2").module()(images), wanted, rtol=1e-4, atol=1e-4)


def test_a_published_checkpoint_becomes_a_model(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = folder / "published.pt"
    torch.save(published_state(), file)
    sizes = ["n_head=4", "block_size=8"]
    assert main(["import", str(file), "out=imported", *sizes, *QUIET]) == 0
    images = torch.randint(0, 256, (3, 3, 64, 64), dtype=torch.uint8)
    direct, imported = contextssl.load(file, device="cpu", n_head=4, block_size=8), contextssl.load("imported", device="cpu")
    torch.testing.assert_close(imported.embed(images), direct.embed(images))
    assert imported.architecture() == direct.architecture() and imported.view_shape == direct.view_shape == (3, 128, 128)
    assert main(["import", str(file), "out=imported", *sizes, *QUIET]) == 2
    assert "imported is there already" in capsys.readouterr().err


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_a_model_of_a_table_takes_its_rows(in_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_people(in_folder / "people.csv")
    small = (
        "epochs=1 warmup_epochs=0 batch_size=8 pairs_per_item=1 width=32 n_layer=1 projection_dim=16 auxiliary_width=16 block_size=8 val_pairs=8 "
        "eval_ctxt=[0,6] encoder_width=16 row_views=4"
    )
    words = ["train", "dataset=table", "path=people.csv", "label=income", "factors=[sex]", "context=examples", "run_dir=run"]
    assert main([*words, *small.split(), *QUIET]) == 0
    model, people = contextssl.load("run", device="cpu"), pd.read_csv("people.csv")
    context = model.context(people[:3], target=people[3:6])
    z = model.embed(people, context)
    torch.testing.assert_close(model.embed(people[::-1], context).flip(0), z)
    assert model.embed_table(people, context)["name"].tolist() == [str(row) for row in range(len(people))]
    assert main(["embed", "run", "people.csv", "out=rows.npy", *QUIET]) == 0
    np.testing.assert_allclose(np.load("rows.npy"), model.embed(people), rtol=1e-4, atol=1e-5)
    with pytest.raises(InputError, match="this model takes rows of a table: give a DataFrame with the columns"):
        model.embed("images")
    with pytest.raises(DataError, match="the table lacks the columns"):
        model.embed(people[["sex"]])
    capsys.readouterr()
    assert main(["embed", "run", "nowhere.csv", "out=rows.npy", *QUIET]) == 2
    assert "there is no file nowhere.csv" in capsys.readouterr().err


@pytest.mark.long
def test_embed_goes_on_after_a_kill(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Killed between two parts; the same command then makes the rest alone, and the file is as without the kill."""
    write_images(folder / "many", pixels(60))
    words = ["embed", "examples0.ckpt", "many", "out=vectors.npy", "batch_size=1", "accelerator=cpu"]
    process = subprocess.Popen([sys.executable, "-m", "contextssl", *words], stderr=subprocess.DEVNULL)
    parts = folder / ".vectors.npy.parts"
    deadline = time.monotonic() + 120
    while not (parts / "000002.json").is_file() and time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.005)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    if (folder / "vectors.npy").exists():
        pytest.skip("it had ended before it was killed")
    made = len(list(parts.glob("*.json"))) - 1  # beside the names of each part, what all were made from
    assert made >= 3
    assert main([*words, "progress=false"]) == 0
    assert f"{made} of 60 parts were made before: going on" in capsys.readouterr().err
    np.testing.assert_allclose(np.load("vectors.npy"), loaded(folder).embed("many"), rtol=1e-4, atol=1e-5)
    assert not parts.exists()
