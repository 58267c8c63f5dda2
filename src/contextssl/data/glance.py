"""Looking at images small, before anything is made of them: what cannot be read, and whether their channels vary."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from contextssl.data.layout import Listing
from contextssl.data.parallel import chosen_workers, map_tasks
from contextssl.data.photo import EIGHT_BIT_WHITE, WHITE, Photo, read_photo
from contextssl.errors import DataError
from contextssl.system.progress import Meter

if TYPE_CHECKING:
    from contextssl.data.images import ImagesSource

Found = TypeVar("Found")

FILES_PER_TASK = 64
# Images are looked at small, where a JPEG is decoded in a fraction of the time and damage shows as well.
GLANCE = 32
# Images that are looked at before all are packed.
SAMPLE = 64


def constant_channels(lowest: Sequence[Sequence[int]], highest: Sequence[Sequence[int]]) -> str | None:
    """What to say where a channel has one value in every pixel of every image; None where all vary.

    Args:
        lowest, highest: of each image, of each of its channels.
    """
    if not lowest:
        return None
    low, high = np.min(lowest, axis=0), np.max(highest, axis=0)
    flat = np.flatnonzero(low == high)
    if not len(flat):
        return None
    if len(flat) == len(low):
        return f"every pixel of every image is {low.tolist()}: there is nothing to learn from them; check how they were saved"
    names = ("red", "green", "blue")
    which = " and ".join(names[channel] for channel in flat.tolist())
    return (
        f"{which} {'is' if len(flat) == 1 else 'are'} the same in every pixel of every image: such a channel cannot be normalised; "
        "say channels=1 to train on grey images"
    )


def glanced_levels(data: bytes, name: str, channels: int = 3) -> tuple[Photo, tuple[int, ...], tuple[int, ...]]:
    """An image looked at small, and the lowest and the highest level of each channel; of one that may be dark or of eight bits, as of eight bits,
    for whether it varies is asked. Raises DataError where it cannot be read."""
    photo = read_photo(data, name, GLANCE, channels, WHITE)
    dim = photo.highest is not None and photo.highest <= EIGHT_BIT_WHITE
    levels = (read_photo(data, name, GLANCE, channels, EIGHT_BIT_WHITE) if dim else photo).pixels.reshape(-1, channels)
    return photo, tuple(levels.min(axis=0).tolist()), tuple(levels.max(axis=0).tolist())


def refuse_constant(source: ImagesSource) -> None:
    """Looks at a few images, so that a channel without variation is said before all of them are packed.

    Raises:
        DataError: where a channel has one value in all of those, and the mend.
    """
    names = source.listing.names
    lowest: list[tuple[int, ...]] = []
    highest: list[tuple[int, ...]] = []
    for place in np.unique(np.linspace(0, len(names) - 1, SAMPLE).astype(int)).tolist():
        with suppress(DataError):
            lowest_level, highest_level = glanced_levels(source.listing.read(names[place]), names[place], source.channels)[1:]
            lowest.append(lowest_level)
            highest.append(highest_level)
    message = constant_channels(lowest, highest)
    if message is not None:
        raise DataError(f"{source.path}: {message}")


def find_unreadable(listing: Listing, workers: int | None = None, progress: bool = True) -> tuple[str, ...]:
    """Decodes every image, and returns the names of those that cannot be, sorted."""
    readable = look_through(listing, _readable, "looking through", workers, progress)
    return tuple(sorted(name for name, well in readable if not well))


def _readable(listing: Listing, names: Sequence[str]) -> list[tuple[str, bool]]:
    found = []
    for name in names:
        try:
            read_photo(listing.read(name), name, GLANCE, white=WHITE)
        except DataError:
            found.append((name, False))
        else:
            found.append((name, True))
    return found


def look_through(
    listing: Listing, look: Callable[[Listing, Sequence[str]], list[Found]], title: str, workers: int | None, progress: bool
) -> list[Found]:
    """What ``look`` finds of every image, an entry each, in the order in which the processes are done."""
    tasks = [listing.names[i : i + FILES_PER_TASK] for i in range(0, len(listing.names), FILES_PER_TASK)]
    findings: list[Found] = []
    results = map_tasks(look, listing, tasks, chosen_workers(workers, len(tasks)))
    try:
        with Meter(f"{title} {listing.path.name}", len(listing.names), "images", show=progress) as meter:
            for found in results:
                findings += found
                meter.advance(len(found))
    finally:
        results.close()
    return findings
