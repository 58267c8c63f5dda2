"""Files that lie in a folder, on a web server, or in an object store: whatever fsspec reads by an address.

A server may be slow, stall, or drop a connection: each file is asked for again, with longer and longer pauses, before that is an error.
"""

from __future__ import annotations

import errno
import posixpath
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from contextssl.errors import ContextSSLError, DataError, SettingsError, one_line

# Seconds without a byte after which a connection counts as dropped, and pauses before each further try.
STALL_SECONDS = 30.0
PAUSES = (0.5, 2.0, 8.0, 20.0)
# What no further try would change.
FINAL = (FileNotFoundError, PermissionError, IsADirectoryError, NotADirectoryError)
# What the extras are that read an address.
NEEDS = {"s3": "s3fs", "s3a": "s3fs", "http": "aiohttp", "https": "aiohttp", "gs": "gcsfs", "gcs": "gcsfs", "az": "adlfs", "abfs": "adlfs"}


def is_address(place: str) -> bool:
    """Whether it is an address, and not a path of this machine."""
    return "://" in place


@dataclass(frozen=True)
class Place:
    """A folder at an address, or on this machine.

    Args:
        address: ``s3://bucket/folder``, ``https://…``, any that fsspec knows, or a path.
        options: of fsspec's file system for it, such as ``{"endpoint_url": "http://localhost:9000"}``.
    """

    address: str
    options: Mapping[str, Any]

    def read(self, name: str, most: int) -> bytes:
        """A file of the folder.

        Args:
            most: bytes; more is an error.

        Raises:
            DataError: where it is not there, or cannot be read after several tries.
        """
        where = self.of(name)
        for pause in (*PAUSES, None):
            try:
                data: bytes = (
                    self._system().cat_file(where, start=0, end=most + 1) if not self._is_web() else self._system().cat_file(where)
                )
            except ContextSSLError:
                raise
            except FINAL as error:
                raise DataError(
                    f"{where} cannot be read ({_reason(error)}): check the address, and that the folder was written whole"
                ) from error
            except Exception as error:  # what a server's library raises is its own
                if pause is None:
                    raise DataError(
                        f"{where} cannot be read after {len(PAUSES) + 1} tries ({_reason(error)}): check the connection, and run the same command "
                        "again; what was fetched is kept"
                    ) from error
                time.sleep(pause)
                continue
            if len(data) > most:
                raise DataError(f"{where} has more than the {most:,} bytes that it should have: it was replaced; write the shards again")
            return data
        raise AssertionError("the last try returns or raises")

    def write(self, name: str, data: bytes) -> None:
        """Raises DataError where it cannot be written."""
        where = self.of(name)
        try:
            system = self._system()
            if not is_address(self.address):
                system.makedirs(posixpath.dirname(where), exist_ok=True)
            system.pipe_file(where, data)
        except ContextSSLError:
            raise
        except Exception as error:  # as above
            full = isinstance(error, OSError) and error.errno == errno.ENOSPC
            fix = "free space" if full else "check the address, and whether it may be written to"
            raise DataError(f"{where} cannot be written ({_reason(error)}): {fix}, then run the same command again") from error

    def has(self, name: str) -> bool:
        """Whether there is such a file. Raises DataError where the server cannot be asked."""
        try:
            return bool(self._system().exists(self.of(name)))
        except ContextSSLError:
            raise
        except Exception as error:  # as above
            raise DataError(f"{self.address} cannot be read ({_reason(error)}): check the address and the connection") from error

    def of(self, name: str) -> str:
        """The address of a file of the folder."""
        return f"{self.address.rstrip('/')}/{name}"

    def _is_web(self) -> bool:
        # A web server need not answer to ranges.
        return self.address.startswith(("http://", "https://"))

    def _system(self) -> Any:
        """The file system, one of each kind in a process (fsspec keeps it)."""
        import fsspec  # type: ignore[import-untyped]

        scheme = self.address.partition("://")[0] if is_address(self.address) else "file"
        options: dict[str, Any] = dict(self.options)
        try:
            if scheme in ("http", "https"):
                import aiohttp

                timeout = aiohttp.ClientTimeout(total=None, sock_connect=STALL_SECONDS, sock_read=STALL_SECONDS)
                options = {"client_kwargs": {"timeout": timeout}, **options}
            elif scheme in ("s3", "s3a"):
                seconds = {"read_timeout": STALL_SECONDS, "connect_timeout": STALL_SECONDS, "retries": {"max_attempts": 1}}
                options = {"config_kwargs": seconds, **options}
            return fsspec.filesystem(scheme, **options)
        except ImportError as error:
            package = NEEDS.get(scheme, error.name or "a library")
            raise DataError(f"{scheme}:// needs {package}, which is not installed: pip install 'contextssl[stream]' {package}") from error
        except ValueError as error:
            raise SettingsError(f"{self.address} is no address that fsspec knows: {one_line(str(error))}") from error


def place_of(address: str, options: Mapping[str, Any] | None = None) -> Place:
    """A place; a path of this machine from any working folder."""
    return Place(address if is_address(address) else str(Path(address).expanduser().absolute()), dict(options or {}))


def _reason(error: Exception) -> str:
    said = one_line(str(error))
    return f"{type(error).__name__}: {said[:200]}" if said else type(error).__name__
