from __future__ import annotations

from pathlib import Path

import pytest

from contextssl.errors import BusyError, DataError, SettingsError
from contextssl.records.run_folder import LOCK, SETTINGS, held, new_run_folder, tidy, training_folder


def test_run_folders_are_new(tmp_path: Path) -> None:
    folders = {new_run_folder(tmp_path, "shapes") for _ in range(5)}
    assert len(folders) == 5 and all(folder.is_dir() for folder in folders)
    assert new_run_folder(tmp_path, "x", tmp_path / "mine") == tmp_path / "mine"
    (tmp_path / "mine" / "results.json").touch()
    with pytest.raises(SettingsError, match="mine is not empty"):
        new_run_folder(tmp_path, "x", tmp_path / "mine")


def test_a_run_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match="file"):
        new_run_folder(tmp_path / "file", "shapes")


EARLY = ("settings.json", "metrics.csv", "tensorboard/events.out.tfevents.1.host.2.0", "checkpoints/.last.0123abcd.tmp.ckpt")


def filled(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)
    return folder


def test_a_run_that_was_stopped_before_its_first_checkpoint_leaves_its_folder_free(tmp_path: Path) -> None:
    folder = filled(tmp_path / "run", *EARLY)
    with training_folder(tmp_path, "x", folder) as taken:
        assert taken == folder and sorted(path.name for path in taken.iterdir()) == [LOCK, SETTINGS]


@pytest.mark.parametrize(
    "name",
    [
        "notes.txt",
        ".notes.0123abcd.tmp.txt",
        "tensorboard/notes.txt",
        "checkpoints/best.ckpt",
        "checkpoints/mine/last.ckpt",
        "results.json",
    ],
)
def test_a_folder_with_anything_else_is_not_touched(tmp_path: Path, name: str) -> None:
    folder = filled(tmp_path / "run", *EARLY, name)
    with pytest.raises(SettingsError, match="is not empty: choose another"), training_folder(tmp_path, "x", folder):
        pass
    assert all((folder / file).read_text() == file for file in (*EARLY, name))


def test_links_are_not_followed(tmp_path: Path) -> None:
    kept = filled(tmp_path / "kept", "events.out.tfevents.1")
    folder = filled(tmp_path / "run", "settings.json")
    (folder / "tensorboard").symlink_to(kept)
    with pytest.raises(SettingsError, match="is not empty"), training_folder(tmp_path, "x", folder):
        pass
    assert (kept / "events.out.tfevents.1").exists()


def test_a_start_that_fails_leaves_nothing(tmp_path: Path) -> None:
    def start(folder: Path, *names: str) -> None:
        with training_folder(tmp_path, "x", folder):
            filled(folder, *names)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        start(tmp_path / "new", *EARLY)
    assert not (tmp_path / "new").exists()
    (tmp_path / "old").mkdir()
    with pytest.raises(RuntimeError):
        start(tmp_path / "old", *EARLY)
    assert list((tmp_path / "old").iterdir()) == []
    with pytest.raises(RuntimeError):
        start(tmp_path / "saved", *EARLY, "checkpoints/last.ckpt")
    assert (tmp_path / "saved/checkpoints/last.ckpt").exists() and (tmp_path / "saved/metrics.csv").exists()


def test_one_training_at_a_time_in_a_folder(tmp_path: Path) -> None:
    with training_folder(tmp_path, "x", tmp_path / "run") as folder:
        for attempt in (training_folder(tmp_path, "x", folder), held(folder)):
            with pytest.raises(BusyError, match="another process is training in .*run: wait for it to end"), attempt:
                pass
    assert list(folder.iterdir()) == [], "the lock itself leaves nothing"
    with held(folder):
        pass


def test_what_a_killed_process_was_writing_is_removed(tmp_path: Path) -> None:
    folder = filled(tmp_path / "run", *EARLY, ".metrics.0123abcd.tmp.csv", "checkpoints/last.ckpt", ".hidden")
    tidy(folder)
    left = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    assert left == [".hidden", "checkpoints/last.ckpt", *sorted(EARLY[:3])]
