"""Views whose images lie in shards elsewhere: the same batches for every number of processes, each item once an epoch, resumable at any step."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float32, Int, UInt8
from torch import Tensor

from contextssl.data.pairs import ViewPairs
from contextssl.data.shard_cache import ShardCache
from contextssl.data.shards import MANIFEST_BYTES, Shard
from contextssl.data.store import MANIFEST, Store, small_contents
from contextssl.data.views import Views
from contextssl.digest import digest_of
from contextssl.errors import DataError, SettingsError
from contextssl.system.files import storage_error, write_bytes
from contextssl.system.remote import Place


@dataclass(frozen=True, eq=False)
class ShardedViews(Views):
    """Views of one split; ``images`` has their shape and no pixels.

    Args:
        cache: of the shards.
        shards: those of this split.
        first: the number of its first item among those of all splits.
    """

    cache: ShardCache | None = None
    shards: tuple[Shard, ...] = ()
    first: int = 0

    def gather_views(self, items: Int[Tensor, " n"], views: Int[Tensor, " n"]) -> UInt8[Tensor, "n C H W"] | Float32[Tensor, "n F"]:
        """As of :class:`Views`. The shards that hold the items are fetched first, several at once."""
        self._refuse_out_of_range(items, views)
        assert self.cache is not None
        numbers, which = self.first + items.numpy(), views.numpy()
        of = np.searchsorted([shard.stop for shard in self.shards], numbers, side="right")
        gathered = np.empty((len(numbers), *self.images.shape[2:]), np.uint8)
        needed = np.unique(of)
        for place, opened in zip(needed, self.cache.items([self.shards[place] for place in needed]), strict=True):
            rows = np.flatnonzero(of == place)
            gathered[rows] = opened[numbers[rows] - self.shards[place].start, which[rows]]
        return torch.from_numpy(gathered).permute(0, 3, 1, 2)

    def order(self, generator: torch.Generator, window: int, lanes: int = 1, batch: int = 1) -> Int[Tensor, " N"]:
        """Every item once, in an order in which consecutive ones lie in few shards: shards are shuffled, and items within groups of them that hold
        ``window`` bytes together.

        Args:
            lanes: of how many parts of the shards, the same in every epoch, each batch has an equal share, one part after the other. What is over
                at the end, since parts differ by a shard, comes in batches of any parts.
            batch: items of a batch, a multiple of ``lanes``.
        """
        orders = [self._order_of(range(lane, len(self.shards), lanes), generator, window // lanes) for lane in range(lanes)]
        if lanes == 1:
            return orders[0]
        share = batch // lanes
        even = min(map(len, orders)) // share * share
        together = torch.stack([order[:even].view(-1, share) for order in orders], dim=1).flatten()
        rest = torch.cat([order[even:] for order in orders])
        return torch.cat([together, rest[torch.randperm(len(rest), generator=generator)]])

    def _order_of(self, lane: range, generator: torch.Generator, window: int) -> Int[Tensor, " n"]:
        shards = [self.shards[number] for number in lane]
        size = max(1, window * len(shards) // sum(shard.bytes for shard in shards))
        shuffled = torch.randperm(len(shards), generator=generator).tolist()
        parts = []
        for start in range(0, len(shuffled), size):
            ranges = [torch.arange(shards[number].start, shards[number].stop) for number in shuffled[start : start + size]]
            group = torch.cat(ranges) - self.first
            parts.append(group[torch.randperm(len(group), generator=generator)])
        return torch.cat(parts)

    def digest(self) -> str:
        shards = [[shard.name, shard.bytes, shard.crc32] for shard in self.shards]
        return digest_of([shards, list(self.images.shape), list(self.class_names), self.factors.to_dict()])

    def check(self, items: Int[np.ndarray, " n"]) -> None:
        """Nothing: a shard is compared when it is fetched."""

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "images": self.images.shape}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update({**state, "images": _shape_alone(state["images"])})


@dataclass(frozen=True)
class ShardedPairs(ViewPairs):
    """Pairs of views in shards.

    Args:
        window: bytes of the shards of which consecutive batches are drawn.
        lanes: of how many parts of the shards each batch has an equal share, one after the other.

    Raises SettingsError for more lanes than there are shards.
    """

    window: int = 0
    lanes: int = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        assert isinstance(self.views, ShardedViews)
        if self.lanes > len(self.views.shards):
            raise SettingsError(f"shard_lanes is {self.lanes}: the training items lie in {len(self.views.shards)} shards")

    def order(self, generator: torch.Generator, batch: int) -> Int[Tensor, " N"]:
        """The items of an epoch of batches of so many."""
        assert isinstance(self.views, ShardedViews)
        return self.views.order(generator, self.window, self.lanes, batch)


def open_shards(place: Place, folder: Path, limit: int) -> Store:
    """A store in shards. Its small files are fetched, and compared as those of a store are.

    Args:
        folder: of this machine, which keeps what is fetched.
        limit: bytes of the shards that are kept.

    Raises:
        DataError: where it is missing, damaged, or no store in shards.
    """
    manifest_bytes = place.read(MANIFEST, MANIFEST_BYTES)
    here = folder / f"small-{digest_of([place.address, manifest_bytes.hex()])[:16]}"
    write_bytes_once(here / MANIFEST, lambda: manifest_bytes, len(manifest_bytes))
    try:
        listed = small_contents(here, lambda name, size: write_bytes_once(here / name, partial(place.read, name, size), size))
    except DataError:
        # What was fetched may be what is damaged, and is fetched again next time.
        shutil.rmtree(here, ignore_errors=True)
        raise
    try:
        shards = Shard.listed(listed.manifest)
    except DataError as error:
        raise DataError(f"{place.address}: {error}") from error
    cache, splits = ShardCache(place, folder, limit), dict[str, Views]()
    for split, (start, stop) in listed.manifest["splits"].items():
        own = tuple(shard for shard in shards if start <= shard.start and shard.stop <= stop)
        if sum(shard.stop - shard.start for shard in own) != stop - start:
            raise DataError(f"{place.address}: a shard holds items of two splits: write the shards again")
        splits[split] = ShardedViews(
            **listed.of_items(start, stop),
            images=_shape_alone((stop - start, *listed.manifest["shape"][1:])),
            cache=cache,
            shards=own,
            first=start,
        )
    return Store(Path(place.address), listed.manifest, splits)


def write_bytes_once(path: Path, data: Callable[[], bytes], size: int) -> None:
    """Unless it is there, whole, by a process that was earlier. Raises DataError where it cannot be written."""
    with suppress(OSError):
        if path.stat().st_size == size:
            return
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise storage_error(error, path.parent, "keep what is fetched in", "name another folder by shard_cache") from error
    write_bytes(path, data())


def _shape_alone(shape: Sequence[int]) -> np.ndarray:
    """An array of a shape that takes no memory."""
    return np.broadcast_to(np.zeros((), np.uint8), tuple(shape))
