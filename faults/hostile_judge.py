"""What becomes of a hostile file: it is given to its command in a process of its own, with its time, its memory and what it leaves watched.

The process is forked from one that has loaded the package and never computed anything, so that a case takes a tenth of a second rather than the
seconds of loading PyTorch.
"""

from __future__ import annotations

import json
import os
import re
import resource
import shutil
import signal
import time
import traceback
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Literal, TypeAlias

from faults.frame import SLOWNESS
from faults.hostile_case import MARK, Case

Outcome: TypeAlias = Literal["held", "traceback", "silent", "too slow", "too much memory", "executed", "outside its folder", "not made"]
# What is promised of every refusal.
MOST_SECONDS, MOST_BYTES = 10.0 * SLOWNESS, 2 * 2**30
# When the process is ended: it may not harm the machine that tries it.
END_SECONDS, END_BYTES = 90 * SLOWNESS, 6 * 2**30
# Letters of a sentence at most.
MOST_LETTERS = 2100
UNFORESEEN = 99
# Not within a sentence, which may quote a file.
TRACEBACK = re.compile(r"^[\s|+]*Traceback \(most recent call last\)", re.MULTILINE)


@dataclass(frozen=True)
class Verdict:
    """
    Args:
        said: the last line of what the command said.
        seconds: of a processor, which do not depend on what else the machine does.
        memory: peak of the process, in bytes.
    """

    case: Case
    outcome: Outcome
    said: str
    seconds: float
    memory: int


def judge(case: Case, folder: Path, seed: int = 0) -> Verdict:
    """Makes a case in ``folder``, which is emptied, and tries it."""
    shutil.rmtree(folder, ignore_errors=True)
    inside = folder / "inside"
    (inside / "home").mkdir(parents=True)
    (folder / "beside.txt").write_text("as it was")
    words_file = inside / "words.json"

    def made() -> int:
        words = case.make(inside, Random(f"{seed} {case.kind} {case.name}"))
        words_file.write_text(json.dumps(list(words)))
        return 0

    code, *_ = _in_a_process(made, folder / "making.txt", inside, None)
    if code != 0:
        said = (folder / "making.txt").read_text(errors="replace") if (folder / "making.txt").is_file() else ""
        shutil.rmtree(folder, ignore_errors=True)
        return Verdict(case, "not made", said[-400:], 0.0, 0)
    words = json.loads(words_file.read_text())

    def tried() -> int:
        from faults.hostile_doors import enter

        return enter(words)

    code, seconds, memory, ended = _in_a_process(tried, folder / "said.txt", inside, END_BYTES)
    said = (folder / "said.txt").read_text(errors="replace")
    lines = [line for line in said.splitlines() if line.strip()] or [""]
    outcome = _outcome(case, code, said, lines[-1], seconds, memory, ended)
    if list(inside.rglob(MARK)) or (folder / MARK).exists():
        outcome = "executed"
    elif _changed(folder):
        outcome = "outside its folder"
    shown = lines[-1] if outcome == "held" else " | ".join(lines[-3:])
    shutil.rmtree(folder, ignore_errors=True)
    return Verdict(case, outcome, shown[:400], seconds, memory)


def _outcome(case: Case, code: int, said: str, last: str, seconds: float, memory: int, ended: bool) -> Outcome:
    if ended or seconds > MOST_SECONDS:
        return "too slow"
    if memory > MOST_BYTES:
        return "too much memory"
    if code < 0 or code == UNFORESEEN or TRACEBACK.search(said):
        return "traceback"
    if code == 0:
        return "silent" if case.wanted == "refused" else "held"
    # A check prints a report; everything else ends in one sentence.
    sentence = last.startswith("contextssl: error: ") or code == 1
    if not sentence or len(last) > MOST_LETTERS or case.wanted == "read":
        return "traceback"
    return "held"


def _changed(folder: Path) -> bool:
    """Whether anything but the case's own folder was touched."""
    there = {path.name for path in folder.iterdir()}
    return there != {"inside", "beside.txt", "making.txt", "said.txt"} or (folder / "beside.txt").read_text() != "as it was"


def _in_a_process(work: object, output: Path, where: Path, most_bytes: int | None) -> tuple[int, float, int, bool]:
    """The exit code (negative: a signal) of a forked process, its seconds of a processor, its peak of memory, and whether it had to be ended."""
    assert callable(work)
    began = time.monotonic()
    number = os.fork()
    if number == 0:
        code = UNFORESEEN
        try:
            os.setsid()
            os.chdir(where)
            os.environ["HOME"] = str(where / "home")
            for descriptor in (1, 2):
                os.dup2(os.open(output, os.O_WRONLY | os.O_CREAT | os.O_APPEND), descriptor)
            os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
            if most_bytes is not None:
                limit_memory(most_bytes)
            code = int(work())
        except SystemExit as error:
            code = error.code if isinstance(error.code, int) else UNFORESEEN
        except BaseException:
            traceback.print_exc()
        finally:
            with suppress(Exception):
                import sys

                sys.stdout.flush()
                sys.stderr.flush()
            os._exit(code)
    return _watched(number, began)


def _watched(number: int, began: float) -> tuple[int, float, int, bool]:
    ended = False
    while True:
        found, status, used = os.wait4(number, os.WNOHANG)
        if found:
            break
        if not ended and time.monotonic() - began > END_SECONDS:
            ended = True
            with suppress(ProcessLookupError):
                os.killpg(number, signal.SIGKILL)
        time.sleep(0.01)
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(number, signal.SIGKILL)  # workers that it left
    return os.waitstatus_to_exitcode(status), used.ru_utime + used.ru_stime, used.ru_maxrss * 1024, ended


def limit_memory(most: int) -> None:
    """So much more than what is mapped now: libraries alone are many gigabytes of addresses."""
    with suppress(OSError, ValueError):
        mapped = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (mapped + most, mapped + most))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def table(verdicts: Sequence[Verdict]) -> str:
    """Of each kind how many were tried, and what became of them."""
    outcomes = ("held", "traceback", "silent", "too slow", "too much memory", "executed", "outside its folder", "not made")
    lines = [f"{'kind':24}{'tried':>7}" + "".join(f"{name:>{max(len(name) + 2, 7)}}" for name in outcomes) + f"{'seconds':>9}{'MiB':>7}"]
    kinds = [*dict.fromkeys(verdict.case.kind for verdict in verdicts), None]
    for kind in kinds:
        own = [verdict for verdict in verdicts if kind in (None, verdict.case.kind)]
        counts = [sum(verdict.outcome == name for verdict in own) for name in outcomes]
        cells = "".join(f"{count:>{max(len(name) + 2, 7)}}" for name, count in zip(outcomes, counts, strict=True))
        most = max((verdict.seconds for verdict in own), default=0), max((verdict.memory for verdict in own), default=0) / 2**20
        lines.append(f"{kind or 'all':24}{len(own):>7}{cells}{most[0]:>9.1f}{most[1]:>7.0f}")
    return "\n".join(lines)
