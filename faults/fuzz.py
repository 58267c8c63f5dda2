"""Makes up input for each parser that is the project's own, for so many minutes of a processor: the parser takes it, or refuses it by an
error of its own, within seconds.

    python -m faults.fuzz [TARGET …] [--minutes 1] [--seed 0] [--list]

Input is drawn and, where it fails, made smaller by Hypothesis. Atheris, which is led by what code is reached, has no such step; and most of what is
read here is text and JSON, whose grammar a strategy knows. What failed is kept in faults/findings/TARGET/, and a test tries it again for good.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib
import json
import os
import random
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

from hypothesis import HealthCheck, Phase, given, seed, settings

from contextssl.errors import ContextSSLError
from faults.fuzz_targets import TARGETS, Target
from faults.hostile import LOADED
from faults.hostile_judge import limit_memory

FINDINGS = Path(__file__).parent / "findings"
# Of input that is bytes, and of plain values.
BYTES_SUFFIX, JSON_SUFFIX = ".bin", ".json"
# Seconds of one input; bytes of the whole process beyond what the libraries map.
SECONDS, BYTES = 10, 3 * 2**30
# Inputs between two looks at the clock.
EXAMPLES = 200
# After so many the parser is to be mended first.
MOST_FINDINGS = 5


class TooSlow(Exception):
    """An input took longer than any may."""


def load() -> None:
    """Imports what parsers need, which is no part of their time and memory."""
    for module in (*LOADED, "pandas", "pyarrow.csv", "contextssl.explorer.uploads", "contextssl.report.collect"):
        importlib.import_module(module)


def tried(target: Target, value: Any, folder: Path) -> None:
    """Gives a value to a parser. Raises what is no error of the project's own, and TooSlow."""
    with _deadline():
        try:
            target.parse(value, folder)
        except ContextSSLError as error:
            if not str(error).strip():
                raise AssertionError("an error that says nothing") from error


@contextmanager
def _deadline() -> Iterator[None]:
    def ring(number: int, frame: FrameType | None) -> None:
        raise TooSlow(f"more than {SECONDS} s")

    # Of a processor: what else the machine does is no fault of a parser.
    before = signal.signal(signal.SIGPROF, ring)
    signal.setitimer(signal.ITIMER_PROF, SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


def fuzzed(target: Target, minutes: float, first: int, folder: Path) -> tuple[int, int]:
    """How many inputs were tried, and how many findings were kept."""
    tries, found = 0, 0
    last: list[Any] = []
    # Of a processor: beside other work the clock would count minutes in which nothing was tried.
    end = time.process_time() + 60 * minutes

    def once(value: Any) -> None:
        nonlocal tries
        tries += 1
        last[:] = [value]
        tried(target, value, folder)

    while time.process_time() < end and found < MOST_FINDINGS:
        drawn = settings(
            max_examples=EXAMPLES,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
            phases=(Phase.generate, Phase.shrink),
        )
        try:
            seed(first + tries)(drawn(given(target.strategy)(once)))()
        except Exception:
            # Hypothesis ends with the smallest input that fails.
            file = keep(target, last[0])
            found += 1
            print(f"{target.name}: {file}: {what_fails(target, last[0], folder)}", flush=True)
    return tries, found


def what_fails(target: Target, value: Any, folder: Path) -> str:
    try:
        tried(target, value, folder)
    except Exception as error:
        where = traceback.extract_tb(error.__traceback__)[-1]
        return f"{type(error).__name__}: {str(error)[:200]} ({Path(where.filename).name}:{where.lineno})"
    return "it fails no more: what it fails by depends on what came before"


def keep(target: Target, value: Any) -> Path:
    """Writes an input down, under the digest of its content."""
    data = value if isinstance(value, bytes) else json.dumps(value).encode()
    path = FINDINGS / target.name / f"{hashlib.sha256(data).hexdigest()[:12]}{BYTES_SUFFIX if isinstance(value, bytes) else JSON_SUFFIX}"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def kept(path: Path) -> Any:
    """The inverse of :func:`keep`."""
    return path.read_bytes() if path.suffix == BYTES_SUFFIX else json.loads(path.read_bytes())


def main(words: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("targets", nargs="*", help="parsers; default: all")
    parser.add_argument("--minutes", type=float, default=1.0, help="of a processor, for each")
    parser.add_argument("--seed", type=int, default=None, help="default: another each time, which is printed")
    parser.add_argument("--list", action="store_true", help="names the parsers and tries nothing")
    chosen = parser.parse_args(words)
    if chosen.list:
        print("\n".join(f"{target.name:20}{target.about}" for target in TARGETS.values()))
        return 0
    if unknown := [name for name in chosen.targets if name not in TARGETS]:
        parser.error(f"unknown {unknown[0]}: known are {', '.join(TARGETS)}")
    first = random.randrange(10**9) if chosen.seed is None else chosen.seed
    print(f"seed {first}, {chosen.minutes:g} minutes each")
    load()
    failed = False
    for name in chosen.targets or TARGETS:
        # Each in a process of its own, whose memory has a limit.
        number = os.fork()
        if number == 0:
            with tempfile.TemporaryDirectory(prefix="fuzz-") as folder:
                limit_memory(BYTES)
                os.chdir(folder)
                began = time.process_time()
                tries, found = fuzzed(TARGETS[name], chosen.minutes, first, Path(folder))
                print(f"{name:20}{tries:>9,} inputs{found:>4} findings{time.process_time() - began:>8.0f} s", flush=True)
            os._exit(1 if found else 0)
        failed |= os.waitstatus_to_exitcode(os.waitpid(number, 0)[1]) != 0
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
