"""An orderly end within seconds: Ctrl-C, SIGTERM and the like, whatever this process is doing.

Python runs a signal's handler between two of its own instructions. So a long call into PyTorch delays it, and an exception that is raised there
can come at an unsafe point: in the middle of a training step, or while a library holds a lock. Therefore a training only notes the signal, and
saves and stops after the step that it is in (:func:`deferred`); everything else is left by a KeyboardInterrupt. In the command
(:func:`command`) a thread sees signals at once, and ends the process where neither happens in time, or where Ctrl-C comes twice. It can do so
because files are written under a temporary name and renamed.
"""

from __future__ import annotations

import os
import select
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

# Seconds after a signal at which the process is ended by force; a file that is being written has until the second.
PATIENCE, LIMIT = 6.0, 8.5
# Seconds within which a second SIGINT is the same Ctrl-C, handed on by a program that started this one.
SAME_PRESS = 0.1
PLAIN = "interrupted; what was saved is whole"
# Windows has only some of them.
ENDING = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))
# Slurm's and others' warning that the time is nearly up: a training saves and stops.
WARNING = tuple(getattr(signal, name) for name in ("SIGUSR1",) if hasattr(signal, name))


class Interruptions:
    """What a process does about signals that ask it to end. A thread may end it ``by_force`` in the command alone, not in a user's own program."""

    def __init__(self, by_force: bool) -> None:
        self.by_force = by_force
        self.asked: signal.Signals | None = None
        self.message: Callable[[], str] = lambda: PLAIN
        self.patience: float | None = None
        self.deferred = 0
        self.writing = 0
        self._before: dict[int, Any] = {}
        self._raised = False
        self._ends: tuple[socket.socket, socket.socket] | None = None

    def take(self, signals: tuple[signal.Signals, ...]) -> None:
        """Handle these signals from now on; those that are ignored (``nohup``), or that other code handles, stay as they are."""
        if not _in_main_thread():
            return
        for number in signals:
            before = signal.getsignal(number)
            if before == signal.SIG_DFL or (number == signal.SIGINT and callable(before)):
                self._before[number] = before
        self.take_again()

    def take_again(self) -> None:
        """Once more, after a library has put handlers of its own in their place."""
        if _in_main_thread():
            for number in self._before:
                signal.signal(number, self._noted)

    def give_back(self, signals: tuple[signal.Signals, ...] = ENDING) -> None:
        """The handlers that were there before."""
        if not _in_main_thread():
            return
        for number in signals:
            if number in self._before:
                signal.signal(number, self._before.pop(number))

    def error(self) -> BaseException:
        """What ends this process's work: KeyboardInterrupt, or in a user's own program SystemExit for SIGTERM and the like."""
        self._raised = True
        if self.by_force or self.asked in (None, signal.SIGINT):
            return KeyboardInterrupt(self.message())
        return SystemExit(self.code)

    @property
    def code(self) -> int:
        """The exit code: 128 and the signal's number."""
        return 128 + (self.asked or signal.SIGINT)

    def _noted(self, number: int, frame: object) -> None:
        again = self._raised or self.asked is not None
        self.asked = self.asked or signal.Signals(number)
        if self.by_force:
            # The thread answers a second one.
            if not self.deferred and not self._raised:
                # Without a message, so that the interrupted code can say what was kept.
                self._raised = True
                raise KeyboardInterrupt
        elif not self.deferred or (again and number == signal.SIGINT):
            raise self.error()

    def watch(self) -> None:
        """Start the thread. Python writes a signal's number to its socket as soon as it comes, whatever the main thread is doing."""
        reading, writing = self._ends = socket.socketpair()
        writing.setblocking(False)
        signal.set_wakeup_fd(writing.fileno(), warn_on_full_buffer=False)
        threading.Thread(target=self._watch, args=(reading,), name="interruptions", daemon=True).start()

    def leave(self) -> None:
        """End the process now that its work has ended and its message is printed. Python's own exit takes seconds on a busy machine, out of the
        thread's reach; only Weights & Biases still has something to send.
        """
        if self.by_force and "wandb" not in sys.modules:
            with suppress(Exception):
                sys.stdout.flush()
                sys.stderr.flush()
            self._exit()

    def close(self) -> None:
        """End the thread, unless it is needed: a process that was asked to end may still hang on its way out."""
        if self._ends is None or self.asked is not None:
            return
        signal.set_wakeup_fd(-1)
        self._ends[1].close()
        self._ends = None

    def _watch(self, reading: socket.socket) -> None:
        first: float | None = None
        while True:
            patience = PATIENCE if self.patience is None else self.patience
            wait = None if first is None else max(0.05, first + patience - time.monotonic())
            came = reading.recv(64) if select.select([reading], [], [], wait)[0] else None
            if came == b"":
                reading.close()
                return
            now = time.monotonic()
            for number in came or b"":
                if number not in self._before:
                    continue
                if first is None:
                    first = now
                    self.asked = self.asked or signal.Signals(number)
                elif number == signal.SIGINT and now - first > SAME_PRESS:
                    self._end_by_force()
            if first is not None and now >= first + (LIMIT if self.writing else patience):
                self._end_by_force()

    def _end_by_force(self) -> None:
        with suppress(Exception):
            os.write(2, f"contextssl: {self.message()}\n".encode())
        self._exit()

    def _exit(self) -> None:
        if "multiprocessing" in sys.modules:
            with suppress(Exception):
                for child in sys.modules["multiprocessing"].active_children():
                    child.kill()
        os._exit(self.code)


def _in_main_thread() -> bool:
    """Signals are handled there alone."""
    return threading.current_thread() is threading.main_thread()


# Of the main thread. Another thread may follow it and never sets it: threads do not end in the order in which they nest.
_present: Interruptions | None = None


@contextmanager
def command() -> Iterator[Interruptions]:
    """Around a command: signals end it in an orderly way, and within ten seconds in any case."""
    global _present
    if _present is not None and _present.by_force:
        yield _present
        return
    made = _present = Interruptions(by_force=True)
    made.deferred += 1
    made.take(ENDING)
    made.watch()
    made.deferred -= 1
    if made.asked is not None:
        made._end_by_force()
    try:
        yield made
    finally:
        made.close()
        if made.asked is None:
            made.give_back()
            _present = None


@contextmanager
def deferred(message: Callable[[], str] | None = None, patience: float | None = None) -> Iterator[Interruptions]:
    """Around work that checks ``asked`` by itself, and stops at a safe point: signals raise nothing there.

    ``message`` is printed when the work is ended; a command has ``patience`` seconds for it (default: :data:`PATIENCE`).
    """
    global _present
    outer = _present
    here = outer if outer is not None else Interruptions(by_force=False)
    if _in_main_thread():
        _present = here
    if outer is None:
        here.take(ENDING)
    here.take(WARNING)
    before = here.message, here.patience
    here.message, here.patience = message or here.message, patience
    here.deferred += 1
    try:
        yield here
    finally:
        here.deferred -= 1
        here.give_back(WARNING)
        if here.asked is None:
            here.message, here.patience = before
        if outer is None:
            here.give_back()
        if _in_main_thread():
            _present = outer


@contextmanager
def writing() -> Iterator[None]:
    """Around the writing of a file that is worth waiting for."""
    here = _present or Interruptions(by_force=False)
    here.writing += 1
    try:
        yield
    finally:
        here.writing -= 1


def _in_child() -> None:
    """A process that was forked off answers signals as it would have without all this, and reports none."""
    global _present
    if _present is None:
        return
    with suppress(ValueError):
        signal.set_wakeup_fd(-1)
    _present.give_back(ENDING + WARNING)
    _present = None


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_in_child)
