"""What is logged while training: ``metrics.csv``, and the same numbers for TensorBoard. Both only grow, in whole lines and records; a resumed run
takes back what came after its checkpoint.
"""

from __future__ import annotations

import io
import math
import os
import socket
import time
import warnings
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from lightning.pytorch.loggers.logger import Logger
from lightning.pytorch.utilities import rank_zero_only
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.compat.tensorflow_stub.pywrap_tensorflow import masked_crc32c
from tensorboard.summary.writer.record_writer import RecordWriter

from contextssl.errors import DataError
from contextssl.records.metrics_lines import Row, lines_of, read_lines
from contextssl.records.run_folder import EVENTS, METRICS
from contextssl.system.files import read_regular, storage_error, write_bytes

RESUME = "fix that line, or move the file away, and resume again; checkpoints do not need it"


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


class MetricsCSV(_FileLogger):
    """``metrics.csv`` with a row per number: step, epoch, name, value, and a checksum of all rows up to it."""

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
        if not self.path.exists():
            self.checksum = 0
        data, checksum = lines_of(rows, self.checksum)
        _append(self.path, data)
        self.checksum = checksum

    def drop_after(self, step: int, checksum: int | None = None) -> list[Row]:
        """Drop the rows of steps from ``step`` on, which a resumed run repeats, and return the others. A last line that was cut short is dropped
        with a warning; so is said where the rows that are kept have another checksum than :attr:`checksum` was after that step (0 where nothing had
        been logged, None where unknown). Raises DataError where another line is damaged, naming it.
        """
        if not self.path.exists():
            if checksum:
                warnings.warn(f"{self.path} is gone: the new one begins at step {step}", stacklevel=2)
            return []
        rows = [row for row in read_lines(self.path, RESUME).rows if row.step < step]
        data, self.checksum = lines_of(rows)
        if checksum is not None and checksum not in (self.checksum, *([0] if not rows else [])):
            warnings.warn(
                f"{self.path} is not as it was when the checkpoint of step {step} was saved (edited, damaged, or written again since): its rows "
                "before that step are kept as they are",
                stacklevel=2,
            )
        write_bytes(self.path, data)
        return rows


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
    """The (step, time) of the events in a file, up to where it is damaged, which a warning says. A record is its length (8 bytes), a checksum (4),
    it, a checksum.
    """
    try:
        data = read_regular(path)
    except (OSError, DataError):
        return
    start = 0
    while start + 12 <= len(data):
        head = data[start : start + 8]
        length = int.from_bytes(head, "little")
        body, end = data[start + 12 : start + 12 + length], data[start + 12 + length : start + 16 + length]
        sound = data[start + 8 : start + 12] == _checksum(head)
        if sound and len(end) < 4:
            # A process was killed while it wrote.
            return
        event = Event()
        try:
            if not sound or end != _checksum(body):
                raise ValueError
            event.ParseFromString(body)
        except Exception:  # protobuf's own kinds of error differ between its versions
            warnings.warn(f"{path} is damaged at byte {start}: the numbers are those of {METRICS}, later times are not known", stacklevel=4)
            return
        if event.HasField("summary") and math.isfinite(event.wall_time):
            yield event.step, event.wall_time
        start += 16 + length


def _checksum(data: bytes) -> bytes:
    return masked_crc32c(data).to_bytes(4, "little")
