"""Images decoded small, before they are packed: which cannot be read, and whether their channels vary."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from contextssl.data.layout import Listing
from contextssl.data.parallel import chosen_workers, map_tasks
from contextssl.data.photo import EIGHT_BIT_WHITE, WHITE, Photo, read_photo
from contextssl.errors import DataError
from contextssl.system.progress import Meter

if TYPE_CHECKING:
    from contextssl.data.image_folder import ImagesSource

Found = TypeVar("Found")

FILES_PER_TASK = 64
# Images are decoded small, where a JPEG is decoded in a fraction of the time and damage shows as well.
SMALL = 32
# Images that are checked before all are packed.
SAMPLE = 64


def constant_channels(lowest: Sequence[Sequence[int]], highest: Sequence[Sequence[int]]) -> str | None:
    """The error where a channel has one value in every pixel of every image, by the lowest and highest of each; None where all vary."""
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


def channel_levels(data: bytes, name: str, channels: int = 3) -> tuple[Photo, tuple[int, ...], tuple[int, ...]]:
    """An image decoded small, and the lowest and the highest level of each channel; of one that may be dark or of eight bits, as of eight bits,
    so that variation shows. Raises DataError where it cannot be read.
    """
    photo = read_photo(data, name, SMALL, channels, WHITE)
    dim = photo.highest is not None and photo.highest <= EIGHT_BIT_WHITE
    levels = (read_photo(data, name, SMALL, channels, EIGHT_BIT_WHITE) if dim else photo).pixels.reshape(-1, channels)
    return photo, tuple(levels.min(axis=0).tolist()), tuple(levels.max(axis=0).tolist())


def refuse_constant(source: ImagesSource) -> None:
    """Checks a few images, so that a channel without variation is an error before all of them are packed. Raises DataError where a channel has
    one value in all of those.
    """
    names = source.listing.names
    levels = []
    for place in np.unique(np.linspace(0, len(names) - 1, SAMPLE).astype(int)).tolist():
        with suppress(DataError):
            levels.append(channel_levels(source.listing.read(names[place]), names[place], source.channels)[1:])
    message = constant_channels([low for low, _ in levels], [high for _, high in levels])
    if message is not None:
        raise DataError(f"{source.path}: {message}")


def find_unreadable(listing: Listing, workers: int | None = None, progress: bool = True) -> tuple[str, ...]:
    """Decodes every image, and returns the names of those that cannot be, sorted."""
    return tuple(sorted(filter(None, map_images(listing, _unreadable, "checking", workers, progress))))


def _unreadable(listing: Listing, names: Sequence[str]) -> list[str | None]:
    """The name of each image that cannot be decoded, None for the others."""
    found: list[str | None] = []
    for name in names:
        try:
            read_photo(listing.read(name), name, SMALL, white=WHITE)
            found.append(None)
        except DataError:
            found.append(name)
    return found


def map_images(
    listing: Listing, look: Callable[[Listing, Sequence[str]], list[Found]], title: str, workers: int | None, progress: bool
) -> list[Found]:
    """The results of ``look`` for every image, in the order in which the processes are done."""
    tasks = [listing.names[i : i + FILES_PER_TASK] for i in range(0, len(listing.names), FILES_PER_TASK)]
    findings: list[Found] = []
    meter = Meter(f"{title} {listing.path.name}", len(listing.names), "images", show=progress)
    with closing(map_tasks(look, listing, tasks, chosen_workers(workers, len(tasks)))) as results, meter:
        for found in results:
            findings += found
            meter.advance(len(found))
    return findings
