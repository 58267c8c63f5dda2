"""One function over many items, in worker processes: what packing, writing and checking image data share."""

from __future__ import annotations

import itertools
import multiprocessing
import os
import pickle
import signal
import sys
import tempfile
import threading
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, suppress
from multiprocessing import connection
from multiprocessing.context import BaseContext
from multiprocessing.process import BaseProcess
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

import torch

from contextssl.errors import DataError

Shared = TypeVar("Shared")
Task = TypeVar("Task")
Result = TypeVar("Result")


def available_cpus() -> int:
    """How many processors this process may use, at least 1."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def chosen_workers(workers: int | None, tasks: int) -> int:
    """How many worker processes to start: one per processor where ``workers`` is None, never more than tasks; 0 and 1 mean none. Raises DataError
    for a negative number.
    """
    if workers is not None and workers < 0:
        raise DataError(f"workers={workers}: give 0 to work in this process, a number of processes, or nothing for one per processor")
    return min(available_cpus() if workers is None else workers, tasks)


def map_tasks(
    function: Callable[[Shared, Task], Result], shared: Shared, tasks: Iterable[Task], workers: int
) -> Generator[Result, None, None]:
    """The results of ``function(shared, task)`` over ``tasks``, in the order in which they are done.

    ``shared`` goes to each worker once, so it may be large; a task goes by itself, so it should be small. With ``workers`` at 0 or 1 all is done
    in this process. When the caller leaves early (an error, Ctrl-C), the tasks that have not begun are dropped and the pool is shut down; what
    had been done by then is lost unless the caller took it. Raises DataError where worker processes cannot be started, or one dies. Whatever
    ``function`` raises comes through.
    """
    if workers <= 1:
        for task in tasks:
            yield function(shared, task)
        return
    own_script = _needs_main((function, shared))
    before = set(multiprocessing.active_children())
    try:
        executor = ProcessPoolExecutor(workers, mp_context=_context(), initializer=_begin_worker, initargs=(function, shared))
    except OSError as error:
        raise _cannot_start(error) from error
    remaining = iter(tasks)
    pending: set[Future[Result]] = set()
    processes: set[BaseProcess] = set()
    try:
        with _silent_end_of_threads():
            while True:
                # A few tasks ahead of the workers keep them busy, however many there are in all.
                for task in itertools.islice(remaining, 3 * workers - len(pending)):
                    pending.add(_submit(executor, task, own_script))
                    if len(processes) < workers:
                        processes |= set(multiprocessing.active_children()) - before
                if not pending:
                    break
                done, pending = wait(pending, timeout=LOOK_SECONDS, return_when=FIRST_COMPLETED)
                if not done and not _is_managed(executor):
                    # Nothing would ever be done again.
                    for process in processes:
                        process.kill()
                        process.join()
                    raise DataError(NO_THREAD)
                for future in done:
                    yield future.result()
    except BrokenProcessPool as error:
        executor.shutdown(wait=True, cancel_futures=True)
        # From Python 3.12 on the executor notices it by itself.
        raise DataError(NO_THREAD if REFUSED in str(error.__cause__) else _cause_of_death(processes, own_script)) from error
    finally:
        executor.shutdown(wait=True, cancel_futures=True)


# How often the thread that hands tasks to the workers is looked at.
LOOK_SECONDS = 1.0
# What Python says of a thread that the system refuses.
REFUSED = "can't start new thread"
NO_THREAD = (
    "the system refused this process another thread, for want of memory or by a limit (ulimit -u, ulimit -v): run the same command again with fewer "
    "workers (workers=0 uses none); what was done is kept"
)
SERVER_ENDED = (
    "the process that starts the workers was ended, most often for want of memory: run the same command again with fewer workers (workers=0 uses "
    "none); what was done is kept"
)


def _is_managed(executor: ProcessPoolExecutor) -> bool:
    """Whether the executor's own thread is alive: it ends, and no task with it, where it cannot start the one that writes to the workers."""
    thread = getattr(executor, "_executor_manager_thread", None)
    return thread is None or thread.is_alive()


@contextmanager
def _silent_end_of_threads() -> Iterator[None]:
    """Without the traceback of a thread that could not start another: the error says it."""
    before = threading.excepthook

    def say(given: threading.ExceptHookArgs) -> None:
        if REFUSED not in str(given.exc_value):
            before(given)

    threading.excepthook = say
    try:
        yield
    finally:
        threading.excepthook = before


def _submit(executor: ProcessPoolExecutor, task: Any, own_script: bool) -> Future[Any]:
    """Hands a task over, for which the executor may start a process, which would import the user's script again, and start all of its work again
    where the script does not guard against that. Where nothing that is sent is defined there, it is started as if there were no script.
    """
    main = sys.modules["__main__"]
    # In a process of a launcher (joblib's) new ones would be given its start method, which they do not know.
    way = multiprocessing.get_start_method(allow_none=True)
    foreign = way is not None and way not in multiprocessing.get_all_start_methods()
    if foreign:
        multiprocessing.set_start_method("spawn", force=True)
    if not own_script:
        sys.modules["__main__"] = ModuleType("__main__")
    try:
        return executor.submit(_run_task, task)
    except OSError as error:
        raise _cannot_start(error) from error
    except EOFError as error:
        raise DataError(SERVER_ENDED) from error
    finally:
        sys.modules["__main__"] = main
        if foreign:
            multiprocessing.set_start_method(way, force=True)


def _needs_main(value: Any) -> bool:
    """Whether anything in ``value`` is defined in the script that runs, so that unpickling it imports that script."""

    class Looking(pickle.Pickler):
        found = False

        def persistent_id(self, obj: Any) -> None:
            self.found = self.found or "__main__" in (getattr(obj, "__module__", None), type(obj).__module__)

    try:
        with Path(os.devnull).open("wb") as nowhere:
            looking = Looking(nowhere, protocol=pickle.HIGHEST_PROTOCOL)
            looking.dump(value)
    except Exception:  # what cannot be pickled is reported where it is sent
        return True
    return looking.found


def _cannot_start(error: OSError) -> DataError:
    return DataError(f"cannot start worker processes ({error.strerror or error}): workers=0 does the work in this process")


def _cause_of_death(processes: Iterable[BaseProcess], own_script: bool) -> str:
    """Why a worker died, as far as its exit code says; the others were then ended by SIGTERM."""
    code = next((process.exitcode for process in processes if process.exitcode not in (None, 0, -signal.SIGTERM)), None)
    again = "run the same command again"
    if code == -signal.SIGKILL:
        return f"a worker process was killed, most often for want of memory: {again} with fewer workers (workers=0 uses none)"
    if code is not None and code < 0:
        name = signal.Signals(-code).name
        cut = "; a file that it read was cut short, or a disk is full" if name == "SIGBUS" else ""
        return f"a worker process was ended by {name}{cut}: {again} with workers=0, which uses none, to see where"
    script = getattr(sys.modules["__main__"], "__file__", None)
    if code == 1 and own_script and script is not None:
        return (
            f"worker processes import {script} again, since it defines what they are to run: keep the work that it does under "
            "if __name__ == '__main__':, or put those definitions into a module; workers=0 uses no processes"
        )
    return (
        f"a worker process ended before its work was done (exit code {code}): what it printed says why; {again} with workers=0 to use none"
    )


# What a fork server's socket adds to the folder for temporary files, and how long its path may be in all.
SOCKET_NAME, SOCKET_PATH = len("/pymp-12345678/listener-12345678"), 103


def _context() -> BaseContext:
    """Processes that hold none of this one's threads, locks and files: forked from a server that has done the imports, or new where the path of
    its socket, in the folder for temporary files, would be too long.
    """
    short = len(os.fsencode(tempfile.gettempdir())) + SOCKET_NAME <= SOCKET_PATH
    if "forkserver" not in multiprocessing.get_all_start_methods() or not short:
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["contextssl.data.parallel", "PIL.Image", "numpy"])
    return context


_job: tuple[Callable[[Any, Any], Any], Any]


def _begin_worker(function: Callable[[Any, Any], Any], shared: Any) -> None:
    """Keeps the job for the tasks to come, leaves Ctrl-C to the parent, ends with the parent, and keeps to one thread."""
    global _job
    _job = function, shared
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    torch.set_num_threads(1)
    parent = multiprocessing.parent_process()
    if parent is not None:
        _signal_at_end_of(parent.sentinel)
        threading.Thread(target=_end_with, args=(parent.sentinel,), daemon=True).start()


def _run_task(task: Any) -> Any:
    function, shared = _job
    return function(shared, task)


def _signal_at_end_of(sentinel: int) -> None:
    """Has the system end this process with its parent, by a signal when the pipe between them closes: a thread would wait for its turn while a long
    computation continues.
    """
    with suppress(ImportError, AttributeError, OSError):  # on a system without it the thread does it
        import fcntl

        signal.signal(signal.SIGIO, signal.SIG_DFL)
        fcntl.fcntl(sentinel, fcntl.F_SETOWN, os.getpid())
        fcntl.fcntl(sentinel, fcntl.F_SETFL, fcntl.fcntl(sentinel, fcntl.F_GETFL) | os.O_ASYNC)


def _end_with(sentinel: int) -> None:
    connection.wait([sentinel])
    os._exit(1)
