"""Errors that the user can fix: each says what is wrong, where, and how to fix it.

The command line prints the message alone; the library raises it as an ordinary exception, so that a caller can catch either
:class:`ContextSSLError` or the built-in class that it also is.
"""

from __future__ import annotations

import difflib
import re
import reprlib
from collections.abc import Iterable

# Up to this many known names are listed in a message.
FEW = 24


class ContextSSLError(Exception):
    """An error that the user can fix. The message is one line: the thing, what is wrong with it, the fix."""


class SettingsError(ContextSSLError, ValueError):
    """A setting that is unknown, of the wrong type or out of range."""


class InputError(ContextSSLError, ValueError):
    """A tensor passed to the library with the wrong shape, dtype, range or channel order, or values that are not finite."""


class DataError(ContextSSLError, ValueError):
    """A file or a data set that is missing, damaged or not what it claims to be."""


class NewerFormatError(DataError):
    """A file that a newer version wrote: whole, and not to be written over."""


class StorageError(DataError):
    """What the operating system refused (``what``), and what to do (``fix``): work that can be resumed says how in place of the usual advice."""

    what, fix, full = "", "", False

    @classmethod
    def of(cls, what: str, fix: str, full: bool) -> StorageError:
        """``full``: for want of space."""
        error = cls(f"{what}; {fix}")
        error.what, error.fix, error.full = what, fix, full
        return error


class CheckpointError(ContextSSLError, ValueError):
    """A checkpoint that is missing, damaged, unsafe or of another model."""


class DamagedCheckpointError(CheckpointError):
    """A checkpoint that is not what was written; another of the same run may be whole."""


class TrainingError(ContextSSLError, RuntimeError):
    """A run that cannot continue, such as one whose loss is no longer finite."""


class BusyError(ContextSSLError, RuntimeError):
    """A folder that another process is working in."""


def nearest(name: str, known: Iterable[str], count: int = 1) -> str:
    """The end of an error message about an unknown ``name``: the nearest ``known`` names, ``count`` at most; if none is near, all of them, or the
    nearest three of many.
    """
    known = sorted(set(known))
    close = difflib.get_close_matches(name, known, n=count, cutoff=0.6)
    if close:
        return f"did you mean {' or '.join(map(repr, close))}?"
    if len(known) <= FEW:
        return f"known: {', '.join(known)}"
    return f"the nearest are {', '.join(difflib.get_close_matches(name, known, n=3, cutoff=0.0))}"


# Letters of a message at most, and what a terminal or a page takes for something else than a letter: control, and turns of the direction of writing.
LONGEST = 2000
NO_LETTER = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
_BRIEF = reprlib.Repr()
_BRIEF.maxstring, _BRIEF.maxother, _BRIEF.maxlevel = 60, 60, 2


def brief(value: object) -> str:
    """A value of a file for a message: its beginning, whatever it holds."""
    try:
        return _BRIEF.repr(value)
    except ValueError:  # a number of more digits than Python writes
        return f"a {type(value).__name__}"


def one_line(message: str) -> str:
    """A message in one line of letters, whatever names of files and values are in it; the middle of a longer one is left out."""
    plain = NO_LETTER.sub(lambda match: match[0].encode("unicode_escape").decode(), message)
    return plain if len(plain) <= LONGEST else f"{plain[: LONGEST // 2 - 2]} … {plain[1 - LONGEST // 2 :]}"


# In the messages of PyTorch, CUDA, PyTorch's loader, and the system.
NO_MEMORY = re.compile(
    "can't allocate memory|Cannot allocate memory|out of memory|DefaultCPUAllocator|CUBLAS_STATUS_ALLOC_FAILED|allocate shared memory|"
    "can't start new thread|std::bad_alloc|cannot allocate memory|could not create a (?:primitive|memory)"
)
KILLED_WORKER = re.compile(r"DataLoader worker .*(killed by signal: (Killed|Bus error)|exited unexpectedly)")


def memory_shortage(error: BaseException) -> str | None:
    """What ran out, where an error means that memory did, and how much was asked for; None for any other error."""
    text = str(error)
    if KILLED_WORKER.search(text):
        return "a process that drew batches was killed, most likely for lack of memory (or of /dev/shm)"
    if not isinstance(error, MemoryError) and type(error).__name__ != "OutOfMemoryError" and not NO_MEMORY.search(text):
        return None
    if "could not create a" in text:
        return f"memory is full, most likely ({text.splitlines()[0]})"
    if "shared memory" in text:
        return "shared memory (/dev/shm; of a container: --shm-size) is full"
    asked = re.search(r"(?:allocate|you tried to allocate)\s+(\d[\d.]*\s*(?:bytes|[KMGT]iB))", text, re.IGNORECASE)
    device = "the GPU's memory" if "CUDA" in text or "CUBLAS" in text or "MPS" in text else "memory"
    return f"{device} is full{f' ({asked[1]} more were asked for)' if asked else ''}"


def out_of_memory(error: BaseException) -> str | None:
    """A message for an error that means that memory ran out; None for any other error."""
    shortage = memory_shortage(error)
    if shortage is None or KILLED_WORKER.search(str(error)):
        return None if shortage is None else f"{shortage}: lower workers, batch_size or resolution; what was saved is whole"
    return (
        f"{shortage}: lower batch_size, resolution or workers, in an evaluation train_views, probe_views or items, or free memory; "
        "what was saved is whole, and the same command goes on from it"
    )
