"""Photos from the command line: every command of the guide on a small folder, and what can be wrong with one."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

pytest.importorskip("kornia")

import contextssl
from contextssl.cli import main
from contextssl.config.overrides import settings_from
from contextssl.config.settings import TrainSettings
from contextssl.data.dataset import open_data
from contextssl.errors import DataError
from contextssl.records.results import read_results
from tests.sources import write_photos

GUIDE = (Path(__file__).parents[1] / "docs/photos.md").read_text()
SMALL = {
    "train": "resolution=12 epochs=1 batch_size=8 pairs_per_item=2 width=32 n_layer=1 projection_dim=16 auxiliary_width=16 block_size=8 "
    "log_interval=1 val_pairs=8 eval_ctxt=[0,6] eval_views=12 accelerator=cpu progress=false",
    "evaluate": "epochs=1 contexts=2 train_views=3 probe_views=3 queries=5 neighbours=3 accelerator=cpu progress=false",
}
SMALL_TRAIN, SMALL_EVALUATE = (SMALL[name].split() for name in ("train", "evaluate"))


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_photos(tmp_path_factory.mktemp("photos") / "photos")


def guide(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", GUIDE, flags=re.DOTALL)


def small(words: list[str]) -> list[str]:
    extra = SMALL_TRAIN if words[0] == "train" else SMALL_EVALUATE if words[0] == "evaluate" else []
    replaced = {word.split("=", 1)[0] for word in extra}
    return [word for word in words if word.split("=", 1)[0] not in replaced] + extra


# Twelve small images are too few for some numbers, and the commands say so.
@pytest.mark.long
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_every_command_of_the_guide_runs(photos: Path, in_folder: Path) -> None:
    (in_folder / "path/to").mkdir(parents=True)
    shutil.copytree(photos, in_folder / "path/to/photos")
    (code,) = guide("python")
    (in_folder / "mine.py").write_text(code)
    ran = []
    for line in "".join(guide("sh")).splitlines():
        program, *words = shlex.split(line)
        if program == "pip":
            assert words == ["install", "-e", ".[photos]"]
            continue
        assert program == "contextssl"
        assert main(small(words)) == 0, line
        ran.append(words[0])
    assert ran == ["data", "train", "evaluate", "report", "train", "train"]
    assert (in_folder / "photos-views.png").stat().st_size > 1000
    assert not [path for path in (in_folder / "path/to/photos").rglob("*") if path.suffix not in ("", ".png")], "nothing of ours in there"
    run, rows = read_results(in_folder / "runs/photos")
    assert run["data"]["augmentations"]["augmentations"][0]["name"] == "crop"
    assert {row.factor for row in rows} >= {"crop", "blur", "class"}
    for protocol, metric in (("equivariance", "r2_pooled"), ("probe", "accuracy"), ("retrieval", "mrr"), ("geometry", "sensitivity")):
        assert [row for row in rows if (row.protocol, row.metric) == (protocol, metric)], protocol
    page = (in_folder / "runs/photos/report.html").read_text()
    assert re.search(r"crop \d+ %, blur σ \d", page), "sample views with their parameters in words"


@pytest.mark.long
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_the_class_is_read_from_the_images_themselves(photos: Path, in_folder: Path) -> None:
    assert main(["train", "experiment=photos_minutes", f"data_dir={photos}", "val_fraction=0.25", "run_dir=runs/p", *SMALL_TRAIN]) == 0
    assert main(["evaluate", "probe", "runs/p", "heads=[ridge,linear,knn]", *SMALL_EVALUATE]) == 0
    _, rows = read_results(Path("runs/p"))
    classes = [row for row in rows if row.factor == "class" and row.protocol == "probe"]
    assert {row.count for row in classes} == {6}, "one view of each of six images"
    assert {row.head for row in classes} == {"ridge", "linear", "knn"}
    read = [row for row in rows if row.factor == "blur" and row.protocol == "probe" and row.head == "ridge"]
    assert {row.count for row in read} == {6 * 3}

    model = contextssl.load("runs/p")
    data = open_data(settings_from("train", TrainSettings, ["experiment=photos_minutes", f"data_dir={photos}", *SMALL_TRAIN]))
    batch = data.train.complete(data.train.draw(torch.arange(3), torch.Generator().manual_seed(0)))
    assert model.embed(batch.source, model.context(batch.source, batch.action, batch.target, environment="blur")).shape == (3, 16)


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_a_run_with_kornias_augmentations_needs_no_code_named_again(photos: Path, in_folder: Path) -> None:
    words = ["factors=[crop,kornia:RandomErasing]", "augmentation_settings={RandomErasing:{p:0.7,scale:[0.1,0.2]}}"]
    assert main(["train", "experiment=photos_minutes", f"data_dir={photos}", "run_dir=runs/p", *words, *SMALL_TRAIN]) == 0
    assert main(["evaluate", "geometry", "runs/p", *SMALL_EVALUATE]) == 0
    run, rows = read_results(Path("runs/p"))
    assert run["data"]["augmentations"]["augmentations"][1] == {
        "name": "kornia:RandomErasing",
        "ranges": {"p": 0.7, "scale": [0.1, 0.2], "shape": [3, 12, 12]},
    }
    assert {row.factor for row in rows} >= {"crop", "RandomErasing"}
    assert main(["data", "check", str(photos), *words, "progress=false"]) == 0


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_grey_images_without_labels(in_folder: Path) -> None:
    write_photos(in_folder / "album", 8, classes=("",))
    words = ["train", "experiment=photos_minutes", "data_dir=album", "channels=1", "factors=[color]", "run_dir=runs/p", *SMALL_TRAIN]
    assert main(words) == 0
    assert main(["evaluate", "all", "runs/p", "heads=[ridge]", *SMALL_EVALUATE]) == 0
    _, rows = read_results(Path("runs/p"))
    assert not [row for row in rows if row.factor == "class" and row.protocol != "online"], "one class is nothing to read"
    assert main(["report", "runs/p"]) == 0


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["factors=[crop,blurr]"], "unknown augmentation 'blurr'.*blur"),
        (["factors=[crop,crop]"], "listed twice: crop"),
        (["factors=[]"], "no augmentation"),
        (["blur_sigma=[2,1]"], "sigma"),
        (["crop_area=[0.2,1.5]"], "area"),
        (["env_ratio={rotation:1.0}"], "no factor 'rotation'"),
        (["eval_views=1"], "at least two"),
        (["val_fraction=0"], "val_fraction"),
        (["split_file=missing.csv"], "missing.csv"),
        (["latent_scale=[1,2]"], "scale 2"),
    ],
)
def test_settings_that_cannot_be(photos: Path, in_folder: Path, capsys: pytest.CaptureFixture[str], words: list[str], message: str) -> None:
    assert main(["train", "experiment=photos_minutes", f"data_dir={photos}", *SMALL_TRAIN[:-3], *words, "progress=false"]) == 2
    said = capsys.readouterr().err
    assert re.search(message, said) and len(said.strip().splitlines()) == 1


def test_folders_that_cannot_be(in_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def said(*words: str) -> str:
        assert main(["train", "experiment=photos_minutes", "progress=false", *words]) == 2
        (line,) = capsys.readouterr().err.strip().splitlines()
        return line

    assert "give data_dir=DIR, a folder of images" in said()
    assert "nowhere" in said("data_dir=nowhere")
    Path("empty").mkdir()
    assert "no image" in said("data_dir=empty")
    write_photos(Path("alone"), 1, classes=("cat",))
    assert "alone" in said("data_dir=alone")
    write_photos(Path("album"), 4, classes=("",))
    assert "folder" in said("data_dir=album", "labels=true")
    write_photos(Path("damaged"), 6)
    (Path("damaged") / "cat/3.png").write_bytes((Path("damaged") / "cat/3.png").read_bytes()[:60])
    assert "cat/3.png" in said("data_dir=damaged")
    assert main(["data", "check", "damaged", "progress=false"]) == 1
    assert "cat/3.png" in capsys.readouterr().out
    with pytest.warns(UserWarning, match="1 of 12 images in damaged cannot be read and are skipped: cat/3.png"):
        skipped = open_data(
            settings_from("train", TrainSettings, ["experiment=photos_minutes", "data_dir=damaged", "unreadable=skip"]), progress=False
        )
    assert skipped.train.num_items + skipped.val.num_items == 11
    assert "no CIFAR-10 in" in said("dataset=cifar10", "data_dir=empty")
    store = skipped.description["path"]
    with pytest.raises(DataError, match="pairs need at least two views"):
        open_data(settings_from("train", TrainSettings, ["dataset=shapes", f"data_dir={store}", "resolution=32"]), progress=False)


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_a_run_is_evaluated_and_resumed_from_another_directory(in_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its data were named by a path relative to where it was trained; the images may even be gone since."""
    write_photos(in_folder / "album", 8)
    assert main(["train", "experiment=photos_minutes", "data_dir=album", "run_dir=runs/p", *SMALL_TRAIN]) == 0
    before, _ = read_results(Path("runs/p"))
    assert before["data"]["places"] == {"data_dir": str(in_folder / "album")} and Path(before["data"]["path"]).is_absolute()
    (in_folder / "elsewhere").mkdir()
    monkeypatch.chdir(in_folder / "elsewhere")
    assert main(["evaluate", "geometry", "../runs/p", "items=2", *SMALL_EVALUATE]) == 0
    assert main(["train", "resume=../runs/p", "progress=false"]) == 0
    after, _ = read_results(in_folder / "runs/p")
    assert not list(Path().iterdir()), "nothing is packed anew"
    assert after["data"]["fingerprint"] == before["data"]["fingerprint"] and after["data"]["places"] == before["data"]["places"]
    # Not finished, as far as anybody can tell.
    (in_folder / "runs/p/results.json").unlink()
    shutil.rmtree(in_folder / "datasets")
    write_photos(in_folder / "other", 8, side=20)
    shutil.rmtree(in_folder / "album")
    (in_folder / "other").rename(in_folder / "album")
    assert main(["train", "resume=../runs/p", "progress=false"]) == 2, "on other images it would be another run"


@pytest.mark.long
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_a_sweep_of_two_jobs_at_once_on_images_that_nobody_has_packed(in_folder: Path) -> None:
    write_photos(in_folder / "album", 40)
    words = ["train", "experiment=photos_minutes", "data_dir=album", "-m", "seed=0,1", "hydra/launcher=joblib", "hydra.launcher.n_jobs=2"]
    run = subprocess.run([sys.executable, "-m", "contextssl", *words, *SMALL_TRAIN], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    made = list(Path("runs").glob("images-*/results.json"))
    assert len(made) == 2 and len(list(Path("datasets").iterdir())) == 1
