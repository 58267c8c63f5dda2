"""What is logged while training: ``metrics.csv``, and the same numbers for TensorBoard. Both only grow, in whole lines and records; a resumed run
takes back what came after its checkpoint.
"""

from __future__ import annotations

import csv
import io
import math
import os
import socket
import struct
import time
import warnings
import zlib
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from lightning.pytorch.loggers.logger import Logger
from lightning.pytorch.utilities import rank_zero_only
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.summary.writer.record_writer import RecordWriter

from contextssl.errors import DataError
from contextssl.records.run_folder import EVENTS, METRICS
from contextssl.system.files import storage_error, write_bytes

COLUMNS = ("step", "epoch", "name", "value")


class _FileLogger(Logger):
    """A logger of ours: no name, no version, and nothing to say about settings, which are in results.json and in every checkpoint."""

    path: Path
    name = ""
    version = ""

    @property
    def save_dir(self) -> str:
        return str(self.path.parent)

    @rank_zero_only
    def log_hyperparams(self, params: Any, *args: Any, **kwargs: Any) -> None:
        pass


class Row(NamedTuple):
    """One number of ``metrics.csv``; the epoch is empty where none was given."""

    step: int
    epoch: int | None
    name: str
    value: float


class MetricsCSV(_FileLogger):
    """``metrics.csv`` with a row per number: step, epoch, name, value."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.path = folder / METRICS
        # Of all that was written, so that a checkpoint can show whether the file has changed since.
        self.checksum = 0

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        metrics = dict(metrics)
        epoch = metrics.pop("epoch", None)
        rows = [Row(step or 0, None if epoch is None else int(epoch), name, float(value)) for name, value in metrics.items()]
        data = _lines(rows, header=not self.path.exists())
        _append(self.path, data)
        self.checksum = zlib.crc32(data, self.checksum)

    def drop_after(self, step: int, checksum: int | None = None) -> list[Row]:
        """Drop the rows of steps from ``step`` on, which a resumed run repeats, and return the others. A last line that was cut short is dropped
        with a warning; so is said where the rows that are kept have another checksum than :attr:`checksum` was after that step (0 where nothing had
        been logged, None where unknown). Raises DataError where another line is damaged, naming it.
        """
        if not self.path.exists():
            if checksum:
                warnings.warn(f"{self.path} is gone: the new one begins at step {step}", stacklevel=2)
            return []
        rows = [row for row in _read(self.path) if row.step < step]
        data = _lines(rows, header=True)
        self.checksum = zlib.crc32(data)
        if checksum is not None and checksum != self.checksum:
            warnings.warn(
                f"{self.path} is not as it was when the checkpoint of step {step} was saved (edited, damaged, or written again since): its rows "
                "before that step are kept as they are",
                stacklevel=2,
            )
        write_bytes(self.path, data)
        return rows


def _lines(rows: list[Row], header: bool) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    if header:
        writer.writerow(COLUMNS)
    writer.writerows(rows)
    return text.getvalue().encode()


def _append(path: Path, data: bytes) -> None:
    """All of ``data`` at the end of a file, or none of it. Raises DataError where it cannot be written."""
    try:
        with path.open("ab", buffering=0) as file:
            size = file.tell()
            try:
                if file.write(data) != len(data):
                    file.write(data[file.tell() - size :])
            except OSError:
                with suppress(OSError):
                    file.truncate(size)
                raise
    except OSError as error:
        raise storage_error(error, path, "append to") from error


def _read(path: Path) -> list[Row]:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise storage_error(error, path, "read") from error
    lines = data.split(b"\n")
    rows: list[Row] = []
    if tail := lines.pop():
        # Every line is written with its end: this one was cut short, or its end is damaged.
        warnings.warn(f"the last line of {path} is cut short ({tail[:60].decode(errors='replace')!r}): it is dropped", stacklevel=3)
    for number, line in enumerate(lines, start=1):
        try:
            fields = next(csv.reader([line.decode().removesuffix("\r")], strict=True))
            if number == 1:
                if tuple(fields) != COLUMNS:
                    raise ValueError("another header")
                continue
            step, epoch, name, value = fields
            if not name:
                raise ValueError("a number without a name")
            row = Row(int(step), int(epoch) if epoch else None, name, float(value))
            if rows and row.step < rows[-1].step:
                raise ValueError("steps go backwards")
        except (ValueError, csv.Error, StopIteration) as error:
            raise DataError(
                f"{path} is damaged at line {number} ({error}): fix that line, or move the file away, and resume again; checkpoints do not need it"
            ) from None
        rows.append(row)
    return rows


class EventFile(_FileLogger):
    """The numbers of ``metrics.csv`` in TensorBoard's format, written at once: no thread to wait for, nothing that a killed process has yet to
    write.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.folder = folder / EVENTS
        self.path = self.folder / f"events.out.tfevents.{int(time.time()):010d}.{socket.gethostname()}.{os.getpid()}.0"

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        now = time.time()
        data = b"" if self.path.exists() else _version(now)
        values = [Summary.Value(tag=name, simple_value=float(value)) for name, value in metrics.items() if name != "epoch"]
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise storage_error(error, self.folder, "make") from error
        _append(self.path, data + _record(Event(wall_time=now, step=step, summary=Summary(value=values))))

    def begin_with(self, rows: list[Row]) -> None:
        """One file of these rows in place of all that are there, with their times."""
        there = sorted(path for path in self.folder.glob("events.out.tfevents.*") if path.is_file())
        if not there and not rows:
            return
        times = {step: wall_time for path in there for step, wall_time in _times(path)}
        data, last = [], min(times.values(), default=time.time())
        data.append(_version(last))
        for row in rows:
            last = times.get(row.step, last)
            values = [Summary.Value(tag=row.name, simple_value=row.value)]
            data.append(_record(Event(wall_time=last, step=row.step, summary=Summary(value=values))))
        write_bytes(self.path, b"".join(data))
        for path in there:
            if path != self.path:
                path.unlink(missing_ok=True)


def _version(now: float) -> bytes:
    return _record(Event(wall_time=now, file_version="brain.Event:2"))


def _record(event: Event) -> bytes:
    buffer = io.BytesIO()
    RecordWriter(buffer).write(event.SerializeToString())
    return buffer.getvalue()


def _times(path: Path) -> Iterator[tuple[int, float]]:
    """The (step, time) of the events in a file, up to where it is damaged. A record is its length (8 bytes), a checksum (4), it, a checksum."""
    try:
        data = path.read_bytes()
    except OSError:
        return
    start = 0
    while start + 12 <= len(data):
        (length,) = struct.unpack_from("<Q", data, start)
        body = data[start + 12 : start + 12 + length]
        if len(body) < length:
            return
        try:
            event = Event.FromString(body)
        except Exception:  # protobuf's own kinds of error differ between its versions
            return
        if event.HasField("summary") and math.isfinite(event.wall_time):
            yield event.step, event.wall_time
        start += 16 + length
