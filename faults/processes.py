"""Starting commands, signalling them, and waiting until they and all that they have started are gone."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from faults.frame import SLOWNESS, Ended

ROOT = Path(__file__).parent.parent
# What changes how a command computes or draws its messages; each of them has one thread, for several run at once.
ENVIRONMENT = {"OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE", "COLUMNS": "200", "PYTHONFAULTHANDLER": "", "NO_COLOR": "1"}
# Seconds within which a command that was asked to end has ended, and those that its processes have after it was killed.
PROMISED = 10.0 * SLOWNESS
# Seconds that a tiny command may take on a busy machine.
PATIENCE = 400.0
Hook = tuple[str, dict[str, Any]]


def environment() -> dict[str, str]:
    path = os.pathsep.join([str(ROOT / "src"), str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    return {**os.environ, **ENVIRONMENT, "PYTHONPATH": path}


class Running:
    """A command that runs; its session holds all processes that it has started."""

    def __init__(self, pid: int, said: Path, ended: Any) -> None:
        self.pid, self.said, self._ended = pid, said, ended
        self.began = time.monotonic()
        self.signalled: float | None = None

    def poll(self) -> int | None:
        """The exit code, None while it runs."""
        code = self._ended()
        return None if code is None else int(code)

    def signal(self, number: int, whole_group: bool = False) -> bool:
        """Send it; False where the process has ended."""
        try:
            (os.killpg if whole_group else os.kill)(self.pid, number)
        except ProcessLookupError:
            return False
        self.signalled = self.signalled or time.monotonic()
        return True

    def wait(self, seconds: float = PATIENCE) -> Ended:
        """Until it has ended, or so many seconds have passed; then all that is left of it is killed."""
        until = time.monotonic() + seconds
        while (code := self.poll()) is None and time.monotonic() < until:
            time.sleep(0.01)
        ran = time.monotonic() - self.began
        # What it had started has as long to go, and at least the time that is promised.
        until = max(time.monotonic() + 2.0, min(until, time.monotonic() + PROMISED))
        while (left := members(self.pid)) and time.monotonic() < until:
            time.sleep(0.02)
        since = None if self.signalled is None else time.monotonic() - self.signalled
        for pid in members(self.pid):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        while self.poll() is None:
            time.sleep(0.01)
        text = self.said.read_text(errors="replace") if self.said.exists() else ""
        return Ended(code, text, ran, since, len(left) if code is not None else 0)


def members(session: int) -> list[int]:
    """The processes of a session that are no zombies."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with suppress(OSError, IndexError, ValueError):
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
                if int(fields[3]) == session and fields[0] != "Z":
                    found.append(int(entry.name))
    return found


@dataclass
class Warm:
    """The process that commands are forked from; see :mod:`faults.warm`."""

    process: subprocess.Popen[bytes]
    codes: dict[int, int] = field(default_factory=dict)
    pids: dict[int, int] = field(default_factory=dict)
    count: int = 0
    rest: bytes = b""

    def start(
        self, words: Sequence[str], folder: Path, said: Path, hooks: Sequence[Hook] = (), environment: Mapping[str, str] | None = None
    ) -> Running:
        """Start ``contextssl WORDS`` in a folder; each hook is a ``module:function`` of this package that the process calls before."""
        self.count += 1
        number = self.count
        request = {"id": number, "words": list(words), "folder": str(folder), "said": str(said)}
        request |= {"hooks": list(hooks), "environment": dict(environment or {})}
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(request).encode() + b"\n")
        self.process.stdin.flush()
        while number not in self.pids:
            self._hear(None)
        return Running(self.pids[number], said, lambda: self._code(number))

    def _code(self, number: int) -> int | None:
        self._hear(0.0)
        return self.codes.get(number)

    def _hear(self, wait: float | None) -> None:
        assert self.process.stdout is not None
        while select.select([self.process.stdout], [], [], wait)[0]:
            came = os.read(self.process.stdout.fileno(), 1 << 16)
            if not came:
                raise RuntimeError("the process that commands are forked from has ended")
            *lines, self.rest = (self.rest + came).split(b"\n")
            for line in lines:
                value = json.loads(line)
                if "code" in value:
                    self.codes[value["id"]] = value["code"]
                elif "pid" in value:
                    self.pids[value["id"]] = value["pid"]
            if wait is None:
                return


@contextmanager
def warm(modules: Sequence[str]) -> Iterator[Warm]:
    """A process that has imported these modules, as long as the block lasts."""
    words = [sys.executable, "-m", "faults.warm"]
    process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment(), cwd=ROOT)
    try:
        assert process.stdout is not None and process.stdin is not None
        process.stdin.write(json.dumps(list(modules)).encode() + b"\n")
        process.stdin.flush()
        if b"ready" not in (line := process.stdout.readline()):
            raise RuntimeError(f"the process that commands are forked from did not start: {line!r}")
        yield Warm(process)
    finally:
        process.kill()
        process.wait()


def as_in_a_terminal() -> None:
    """A shell that runs the campaign in the background ignores Ctrl-C, and what is started would too."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def real(words: Sequence[str], folder: Path, said: Path) -> Running:
    """Start ``python -m contextssl WORDS``, as a user does."""
    with said.open("ab") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", "contextssl", *words],
            cwd=folder, env=environment(), stdin=subprocess.DEVNULL, stdout=file, stderr=file, start_new_session=True, preexec_fn=as_in_a_terminal,
        )  # fmt: skip
    return Running(process.pid, said, process.poll)
