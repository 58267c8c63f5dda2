"""Small disks: file systems in memory, mounted where a task writes, that are too small, turn read-only, or vanish.

In a mount namespace of the campaign's own (``unshare --user --map-root-user --mount``, which needs no privileges where the kernel allows it), so that
nothing is left mounted however it ends.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

# Set in the process that has a namespace of its own.
OWN = "CONTEXTSSL_FAULTS_NAMESPACE"
UNSHARE = ("unshare", "--user", "--map-root-user", "--mount", "--propagation", "private")


@cache
def may_mount() -> bool:
    """Whether this process has a namespace in which it may mount."""
    return os.environ.get(OWN) == "1"


def enter_namespace(words: list[str]) -> None:
    """This program once more in a namespace of its own, where the system has them; it does not come back from that. Else it does."""
    if OWN in os.environ or shutil.which("unshare") is None:
        return
    if subprocess.run([*UNSHARE, "mount", "-t", "tmpfs", "tmpfs", "/mnt"], capture_output=True, check=False).returncode:
        return
    os.environ[OWN] = "1"
    os.execvp("unshare", [*UNSHARE, sys.executable, "-m", "faults", *words])


def mount(at: Path, size: int, more: str = "") -> None:
    """A file system of so many bytes, rounded up to pages."""
    at.mkdir(parents=True, exist_ok=True)
    _run("mount", "-t", "tmpfs", "-o", f"size={max(4096, size)}{more}", "tmpfs", str(at))


def resize(at: Path, size: int) -> None:
    _run("mount", "-o", f"remount,rw,size={size}", str(at))


def read_only(at: Path) -> bool:
    """False while a file there is open for writing."""
    return subprocess.run(["mount", "-o", "remount,ro", str(at)], capture_output=True, check=False).returncode == 0


def read_write(at: Path) -> None:
    _run("mount", "-o", "remount,rw", str(at))


def bind(there: Path, at: Path) -> None:
    """The same file system at a second place, from which it can come back."""
    at.mkdir(parents=True, exist_ok=True)
    _run("mount", "--bind", str(there), str(at))


def vanish(at: Path) -> None:
    """Unmount it under whoever uses it; open files stay open."""
    _run("umount", "-l", str(at))


def unmount_all(folder: Path) -> None:
    """Everything that is mounted within a folder, also one over the other."""
    mounted = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    for place in reversed([each for each in mounted if each.startswith(f"{folder}/")]):
        subprocess.run(["umount", "-l", place], capture_output=True, check=False)


def _run(*words: str) -> None:
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode:
        raise OSError(f"{' '.join(words)}: {done.stderr.strip()}")
