"""Commands from a process that has already imported everything: each is a fork of it, with a session of its own, and then the command's own entry.

A start of ``contextssl`` imports for seconds, which hundreds of interruptions could not afford. The fork comes before any thread is started, signals
are as in a process that was just started, and Lightning and multiprocessing are told that the main module is the command's, so the processes that
they start are the ones that a user would have. Requests come on the standard input and ends go to the standard output, one JSON value a line.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import os
import select
import signal
import sys
import threading
from contextlib import suppress
from typing import Any


def serve(modules: list[str]) -> dict[str, Any] | None:
    """Answer requests until the input ends: None. In a fork: what it is to run."""
    for name in modules:
        with suppress(Exception):
            importlib.import_module(name)
    assert threading.active_count() == 1, "a fork has only one of its threads"
    _say({"ready": os.getpid()})
    running: dict[int, int] = {}
    rest = b""
    while True:
        if select.select([0], [], [], 0.02 if running else None)[0]:
            came = os.read(0, 1 << 16)
            if not came:
                return None
            *lines, rest = (rest + came).split(b"\n")
            for line in lines:
                request = json.loads(line)
                if (pid := os.fork()) == 0:
                    return dict(request)
                running[pid] = request["id"]
                _say({"id": request["id"], "pid": pid})
        for pid in list(running):
            done, status = os.waitpid(pid, os.WNOHANG)
            if done:
                _say({"id": running.pop(pid), "code": os.waitstatus_to_exitcode(status)})


def _line() -> bytes:
    """The first of the input, a byte at a time: a fork must find nothing of it in a buffer."""
    text = b""
    while not text.endswith(b"\n") and (more := os.read(0, 1)):
        text += more
    return text


def _say(value: Any) -> None:
    os.write(1, json.dumps(value).encode() + b"\n")


def become(request: dict[str, Any]) -> None:
    """This process as the command's own."""
    os.setsid()
    nothing = os.open(os.devnull, os.O_RDONLY)
    said = os.open(request["said"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    for descriptor, target in ((nothing, 0), (said, 1), (said, 2)):
        os.dup2(descriptor, target)
    for descriptor in (nothing, said):
        os.close(descriptor)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.chdir(request["folder"])
    os.environ.update(request["environment"])
    sys.argv = [importlib.util.find_spec("contextssl.__main__").origin or "contextssl", *request["words"]]  # type: ignore[union-attr]
    sys.modules["__main__"].__spec__ = importlib.util.find_spec("contextssl.__main__")
    for hook, arguments in request["hooks"]:
        module, _, name = hook.partition(":")
        getattr(importlib.import_module(module), name)(**arguments)


if __name__ == "__main__":
    wanted = serve(json.loads(_line()))
    if wanted is not None:
        become(wanted)
        sys.exit(importlib.import_module("contextssl.__main__").main())
