"""Shards on this machine's disk: fetched when they are needed, compared with their checksums, the ones used least lately removed beyond a limit."""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import numpy as np

from contextssl.data.shards import Shard
from contextssl.errors import DataError
from contextssl.system.files import storage_error
from contextssl.system.locks import locked
from contextssl.system.remote import Place

# Shards that are fetched at once.
THREADS = 8
# How often a shard that another process removed meanwhile is fetched again.
TRIES = 5


class ShardCache:
    """Some of the shards of a place, in a folder that the processes of a machine share.

    Args:
        place: where all of them are.
        folder: of this machine; what else it holds is left alone.
        limit: bytes of all shards there; what one call needs at once is kept even beyond it.
    """

    def __init__(self, place: Place, folder: Path, limit: int) -> None:
        self.place, self.folder, self.limit = place, folder, limit
        # Those that this process has fetched, or compared since it began: a disk may have lost what another one left.
        self._compared: set[Shard] = set()

    def items(self, shards: Sequence[Shard]) -> list[np.ndarray]:
        """The items of each shard, memory-mapped; fetched several at once where they are not there.

        Raises:
            DataError: where one cannot be fetched, is damaged, or cannot be kept.
        """
        for _ in range(TRIES):
            missing = [shard for shard in shards if not self._is_there(shard)]
            if missing:
                self._make_room(missing, shards)
                with ThreadPoolExecutor(min(THREADS, len(missing))) as pool:
                    list(pool.map(self._fetch, missing))
            found = [self._opened(shard) for shard in shards]
            if all(each is not None for each in found):
                return [each for each in found if each is not None]
        raise DataError(
            f"{self.folder} loses shards as soon as they are there: other runs with a small limit share it; raise shard_cache_gb, or name "
            "another shard_cache"
        )

    def _path(self, shard: Shard) -> Path:
        # By its content: shards of a place that was written anew are others.
        return self.folder / f"{shard.crc32:08x}-{shard.bytes}-{shard.name}"

    def _is_there(self, shard: Shard) -> bool:
        try:
            return self._path(shard).stat().st_size == shard.bytes
        except OSError:
            return False

    def _opened(self, shard: Shard) -> np.ndarray | None:
        path = self._path(shard)
        try:
            if shard not in self._compared:
                if zlib.crc32(path.read_bytes()) != shard.crc32:
                    # As if it had not been there.
                    path.unlink()
                    return None
                self._compared.add(shard)
            items: np.ndarray = np.load(path, mmap_mode="r", allow_pickle=False)
            # The time of use, by which shards are removed.
            os.utime(path)
        except FileNotFoundError:
            return None
        except (OSError, ValueError, EOFError) as error:
            with suppress(OSError):
                path.unlink()
            raise DataError(f"{path} is damaged ({error}); it was removed: run the same command again") from error
        return items

    def _fetch(self, shard: Shard) -> None:
        path = self._path(shard)
        with locked(self.folder / f"{path.name}.lock", f"fetching {shard.name}"):
            if self._is_there(shard):
                return
            data = self.place.read(shard.name, shard.bytes)
            if len(data) != shard.bytes or zlib.crc32(data) != shard.crc32:
                raise DataError(f"{self.place.of(shard.name)} is damaged (its checksum differs from the manifest): write the shards again")
            # Renamed when it is whole, and not flushed to the disk first: whoever reads it after a power cut compares it.
            temporary = path.with_name(f".{path.name}.tmp{os.getpid()}")
            try:
                temporary.write_bytes(data)
                temporary.replace(path)
                self._compared.add(shard)
            except OSError as error:
                with suppress(OSError):
                    temporary.unlink()
                raise storage_error(error, path, "keep the shard", "free space, or name another disk by shard_cache", len(data)) from error

    def _make_room(self, wanted: Iterable[Shard], needed: Iterable[Shard]) -> None:
        """Removes the shards used least lately, none of those that are needed, so that those wanted fit."""
        keep = {self._path(shard).name for shard in needed}
        found = []
        try:
            with os.scandir(self.folder) as entries:
                for entry in entries:
                    if entry.name.endswith(".npy") and not entry.name.startswith("."):
                        with suppress(FileNotFoundError):
                            status = entry.stat()
                            found.append((status.st_mtime, status.st_size, entry.name))
        except FileNotFoundError:
            return
        total = sum(shard.bytes for shard in wanted) + sum(size for _, size, _ in found)
        for _, size, name in sorted(found):
            if total <= self.limit:
                return
            if name not in keep:
                # A process that has it open reads on: on Linux and macOS a file lives as long as it is open.
                with suppress(OSError):
                    (self.folder / name).unlink()
                total -= size
