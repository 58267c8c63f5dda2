"""Signals: in a program of the user's (here), and in the command (processes of their own)."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from contextssl.system import interruptions

pytestmark = pytest.mark.usefixtures("ctrl_c")


def test_deferred_work_is_left_at_its_own_boundary_and_handlers_come_back() -> None:
    before = {number: signal.getsignal(number) for number in (*interruptions.ENDING, *interruptions.WARNING)}
    for number, kind, code in (
        (signal.SIGINT, KeyboardInterrupt, 130),
        (signal.SIGTERM, SystemExit, 143),
        (signal.SIGUSR1, SystemExit, 138),
    ):
        with interruptions.deferred(lambda: "resume so") as signals:
            os.kill(os.getpid(), number)
            assert signals.asked == number and signals.code == code
        error = signals.error()
        assert type(error) is kind and (kind is SystemExit or str(error) == "resume so")
        assert {number: signal.getsignal(number) for number in before} == before


def test_threads_that_overlap_leave_nothing_behind() -> None:
    """Two trainings in threads, the first of which ends first: the next one in the main thread still defers signals."""
    began, ended = threading.Event(), threading.Event()

    def first() -> None:
        with interruptions.deferred():
            began.set()
            assert second_began.wait(10)
        ended.set()

    def second() -> None:
        assert began.wait(10)
        with interruptions.deferred():
            second_began.set()
            assert ended.wait(10)

    second_began = threading.Event()
    threads = [threading.Thread(target=each) for each in (first, second)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with interruptions.deferred() as signals:
        os.kill(os.getpid(), signal.SIGINT)
        assert signals.asked == signal.SIGINT
    with interruptions.deferred() as outer:
        thread = threading.Thread(target=first)
        second_began.set()
        thread.start()
        thread.join()
        os.kill(os.getpid(), signal.SIGUSR1)
        assert outer.asked == signal.SIGUSR1, "a thread took nothing away from the main one"


def test_a_second_ctrl_c_ends_deferred_work_at_once() -> None:
    with pytest.raises(KeyboardInterrupt, match="resume so"), interruptions.deferred(lambda: "resume so"):
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(5)
        raise AssertionError("still here")


def test_somebody_elses_handler_and_ignored_signals_stay() -> None:
    seen = []
    before = signal.signal(signal.SIGTERM, lambda number, _: seen.append(number))
    hup = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with interruptions.deferred() as signals:
            os.kill(os.getpid(), signal.SIGTERM)
            os.kill(os.getpid(), signal.SIGHUP)
        assert seen == [signal.SIGTERM] and signals.asked is None
    finally:
        signal.signal(signal.SIGTERM, before)
        signal.signal(signal.SIGHUP, hup)


# What a command does: plain work, work in small steps that looks at signals, or one step that no signal reaches, while a file is written.
COMMAND = """
import hashlib, sys, time
from contextlib import nullcontext
from contextssl.system import interruptions
interruptions.PATIENCE, interruptions.LIMIT = 0.5, 1.5
kind = sys.argv[1]
with interruptions.command() as signals:
    try:
        if kind == "plain":
            print("ready", flush=True)
            time.sleep(30)
        else:
            with interruptions.deferred(lambda: "resume so"), interruptions.writing() if kind == "writing" else nullcontext():
                print("ready", flush=True)
                if kind == "steps":
                    while signals.asked is None:
                        time.sleep(0.01)
                else:
                    hashlib.pbkdf2_hmac("sha256", b"a", b"b", 400_000_000)
            raise signals.error()
    except KeyboardInterrupt as error:
        print(f"said: {error}", file=sys.stderr)
        signals.leave()
"""


@pytest.mark.parametrize(
    ("kind", "sent", "code", "says", "within"),
    [
        ("plain", [signal.SIGTERM], 143, "said: \n", 0.5),
        ("steps", [signal.SIGTERM], 143, "said: resume so\n", 0.5),
        ("steps", [signal.SIGINT], 130, "said: resume so\n", 0.5),
        ("steps", [signal.SIGUSR1], 138, "said: resume so\n", 0.5),
        ("stuck", [signal.SIGINT], 130, "contextssl: resume so\n", 1.4),
        ("stuck", [signal.SIGTERM], 143, "contextssl: resume so\n", 1.4),
        ("stuck", [signal.SIGINT, signal.SIGINT], 130, "contextssl: resume so\n", 0.5),
        ("writing", [signal.SIGINT], 130, "contextssl: resume so\n", 3.0),
    ],
)
def test_a_command_ends_in_time_whatever_it_does(kind: str, sent: list[signal.Signals], code: int, says: str, within: float) -> None:
    process = subprocess.Popen([sys.executable, "-c", COMMAND, kind], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None and process.stdout.readline() == "ready\n"
    began = time.monotonic()
    for number in sent:
        process.send_signal(number)
        time.sleep(0.2)
    _, said = process.communicate(timeout=60)
    assert (process.returncode, said) == (code, says)
    # A busy machine takes its time; but it is far from the half minute of the work.
    assert time.monotonic() - began < within + 8
