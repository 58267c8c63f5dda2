from __future__ import annotations

import csv
from pathlib import Path

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from contextssl.errors import DataError
from contextssl.training.metrics_files import EventFile, MetricsCSV


def rows_of(metrics: MetricsCSV) -> list[tuple[str, ...]]:
    with metrics.path.open() as file:
        return [tuple(row.values())[:-1] for row in csv.DictReader(file)]


def test_metrics_grow_and_drop_what_a_resumed_run_repeats(tmp_path: Path) -> None:
    metrics = MetricsCSV(tmp_path)
    for step in range(5):
        metrics.log_metrics({"loss": step / 2, "epoch": step // 3}, step)
        if step == 2:
            then = metrics.checksum
    resumed = MetricsCSV(tmp_path)
    kept = resumed.drop_after(3, then)
    assert [(row.step, row.value) for row in kept] == [(0, 0.0), (1, 0.5), (2, 1.0)]
    assert resumed.checksum == then
    resumed.log_metrics({"loss": float("nan")}, 3)
    assert rows_of(resumed) == [("0", "0", "loss", "0.0"), ("1", "0", "loss", "0.5"), ("2", "0", "loss", "1.0"), ("3", "", "loss", "nan")]


def written(folder: Path) -> MetricsCSV:
    metrics = MetricsCSV(folder)
    for step in range(4):
        metrics.log_metrics({"loss": step / 2, "epoch": 0}, step)
    return metrics


@pytest.mark.parametrize("cut", [1, 2, 5])
def test_a_last_line_that_was_cut_short_is_dropped_and_told_of(tmp_path: Path, cut: int) -> None:
    metrics = written(tmp_path)
    data = metrics.path.read_bytes()
    metrics.path.write_bytes(data[:-cut])
    with pytest.warns(UserWarning, match=r"the last line of .*metrics.csv is cut short .*: it is left out"):
        assert len(MetricsCSV(tmp_path).drop_after(10)) == 3


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"1,0,loss,0.5", b"1,0,loss"),
        (b"1,0,loss,0.5", b"x,0,loss,0.5"),
        (b"1,0,loss,0.5", b"1,0,loss,0..5"),
        (b"1,0,loss,0.5", b"1,0,l\xffss,0.5"),
        (b"1,0,loss,0.5", b"\0\0\0\0\0"),
        (b"1,0,loss,0.5", b"9,0,loss,0.5"),
        (b"1,0,loss,0.5", b'1,0,"loss,0.5'),
        (b"step,", b"stop,"),
        (b"1,0,loss,0.5", b""),
    ],
)
def test_damage_is_named_by_its_line(tmp_path: Path, old: bytes, new: bytes) -> None:
    metrics = written(tmp_path)
    damaged = metrics.path.read_bytes().replace(old, new)
    metrics.path.write_bytes(damaged)
    with pytest.raises(DataError, match=r"metrics.csv is damaged at line \d .*fix that line, or move the file away"):
        MetricsCSV(tmp_path).drop_after(10)
    assert metrics.path.read_bytes() == damaged


def test_changed_numbers_and_a_missing_file_are_told_of(tmp_path: Path) -> None:
    metrics = written(tmp_path)
    whole = metrics.path.read_bytes()
    metrics.path.write_bytes(whole.replace(b"0.5", b"0.7"))
    with pytest.raises(DataError, match=r"metrics.csv is damaged at line 3 \(its checksum differs"):
        MetricsCSV(tmp_path).drop_after(4, metrics.checksum)
    metrics.path.write_bytes(b"".join(whole.splitlines(keepends=True)[:-1]))
    with pytest.warns(UserWarning, match="is not as it was when the checkpoint of step 4 was saved"):
        MetricsCSV(tmp_path).drop_after(4, metrics.checksum)
    metrics.path.unlink()
    with pytest.warns(UserWarning, match="is gone: the new one begins at step 4"):
        assert MetricsCSV(tmp_path).drop_after(4, metrics.checksum) == []
    assert MetricsCSV(tmp_path).drop_after(4, 0) == [], "nothing had been logged"


def test_a_row_that_does_not_fit_on_the_disk_leaves_whole_lines(tmp_path: Path) -> None:
    metrics = MetricsCSV(tmp_path)
    metrics.path.symlink_to("/dev/full")
    if not Path("/dev/full").exists():
        pytest.skip("needs /dev/full")
    with pytest.raises(DataError, match=r"metrics.csv: No space left on device"):
        metrics.log_metrics({"loss": 1.0}, 0)


def scalars(folder: Path) -> dict[str, list[tuple[int, float]]]:
    events = EventAccumulator(str(folder / "tensorboard"), size_guidance={"scalars": 0}, purge_orphaned_data=False)
    events.Reload()
    return {tag: [(event.step, event.value) for event in events.Scalars(tag)] for tag in events.Tags()["scalars"]}


def test_tensorboard_reads_the_same_numbers_without_gaps_or_doubles(tmp_path: Path) -> None:
    metrics, events = MetricsCSV(tmp_path), EventFile(tmp_path)
    for step in range(5):
        for logger in (metrics, events):
            logger.log_metrics({"loss": step / 2, "epoch": 0}, step)
    # A process that was killed in the middle of a record, and numbers that it had not written.
    events.path.write_bytes(events.path.read_bytes()[:-60])
    old = events.path.rename(events.path.with_name("events.out.tfevents.1.host.2.0"))
    times = {event.step: event.wall_time for event in EventAccumulator(str(old)).Reload().Scalars("loss")}
    resumed = EventFile(tmp_path)
    resumed.begin_with(MetricsCSV(tmp_path).drop_after(4))
    resumed.log_metrics({"loss": 7.0}, 4)
    assert scalars(tmp_path) == {"loss": [(0, 0.0), (1, 0.5), (2, 1.0), (3, 1.5), (4, 7.0)]}
    kept = {event.step: event.wall_time for event in EventAccumulator(str(resumed.path)).Reload().Scalars("loss")}
    assert all(kept[step] == times[step] for step in (0, 1, 2))
    assert [path.name for path in resumed.folder.iterdir()] == [resumed.path.name]
