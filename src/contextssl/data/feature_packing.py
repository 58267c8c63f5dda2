"""Encoding every view once, into a store of features.

Items are encoded in fixed groups, in this process, by a function that the caller gives. The journal of a pack says which items are done; an encoding
that was stopped goes on with the first group that is not whole, and ends in the same bytes, since a group is always one batch.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np
import torch
from jaxtyping import Float, Float32
from torch import Tensor

from contextssl.data.array_file import claim, header_of, write_at
from contextssl.data.feature_store import FEATURES, KIND, VERSION, check_same, is_feature_store
from contextssl.data.journal import SETTINGS, SYNCED, Journal, remove_journal
from contextssl.data.store import CHECKSUMS, LATENTS, MANIFEST
from contextssl.data.views import ViewBank
from contextssl.errors import DataError
from contextssl.system import files
from contextssl.system.digested_json import read_digested, write_digested
from contextssl.system.files import storage_error
from contextssl.system.locks import locked
from contextssl.system.progress import Meter

LOCK = "packing.lock"
# Views that are encoded at once, or those of one item.
BATCH = 512
RECORD = np.dtype([("item", "<u8"), ("crc32", "<u4"), ("record_crc32", "<u4")])


def pack_features(
    out: Path,
    banks: Mapping[str, ViewBank],
    description: Mapping[str, Any],
    encode: Callable[[Tensor], Float[Tensor, "n F"]],
    *,
    latents: bool = False,
    progress: bool = True,
) -> None:
    """Encodes every view of every split into a store at ``out``, or finishes what was stopped there; a whole store is left as it is.

    Args:
        banks: the views of each split.
        description: of the store, see :func:`~contextssl.data.feature_store.description_of`.
        encode: from views to features.
        latents: whether the store is to hold the views' latents too.

    Raises:
        DataError: where ``out`` holds something else, the disk is full, or features are not finite in half precision. What is encoded is kept, and
            the same call resumes from there.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
        with locked(out / LOCK, f"encoding views into {out}"):
            # Another process may have encoded them all while this one waited.
            if not is_feature_store(out):
                _pack(out, banks, description, encode, latents, progress)
    except OSError as error:
        needed = int(np.prod(description["shape"])) * KIND.itemsize
        first = "free space, and run the same command again" if error.errno in files.FULL_DISK else files.advice(error)
        raise storage_error(error, error.filename or out, "write", f"what is encoded is kept; {first}", needed) from error


def _pack(
    out: Path,
    banks: Mapping[str, ViewBank],
    description: Mapping[str, Any],
    encode: Callable[[Tensor], Float[Tensor, "n F"]],
    latents: bool,
    progress: bool,
) -> None:
    if (out / SETTINGS).is_file():
        check_same(
            out,
            read_digested(out / SETTINGS, f"remove {out}, and the same command encodes its views again", VERSION, "version"),
            description,
        )
    elif any(path.name != LOCK and path.name[0] != "." for path in out.iterdir()):
        raise DataError(f"{out} holds other files: name another folder by features_dir")
    else:
        write_digested(out / SETTINGS, description)
    items, views, width = description["shape"]
    header, item_bytes = header_of(KIND.str, (items, views, width)), views * width * KIND.itemsize
    if claim(out / FEATURES, header, len(header) + items * item_bytes):
        (out / SYNCED).unlink(missing_ok=True)
    with Journal(out / FEATURES, RECORD, items, item_bytes, len(header)) as journal, (out / FEATURES).open("r+b", buffering=0) as file:
        groups = [group for group in _groups(banks) if not journal.done[group[2] : group[2] + len(group[1])].all()]
        left = sum(len(chosen) for _, chosen, _ in groups) * views
        meter = Meter("encoding views", items * views, "views", items * views - left, progress)
        try:
            with meter:
                for split, chosen, first in groups:
                    features = _encoded(banks[split], chosen, encode)
                    _keep(journal, file, len(header), first, features)
                    meter.advance(len(chosen) * views)
        except KeyboardInterrupt:
            kept = f"encoding stopped: {journal.count} of {items} items kept in {out}"
            raise KeyboardInterrupt(f"{kept}; run the same command again to resume") from None
        journal.flush()
        _finish(out, banks, description, journal, latents)


def _groups(banks: Mapping[str, ViewBank]) -> Iterator[tuple[str, Tensor, int]]:
    """Items that are encoded together: their split, their places in it, and the place of the first in the store."""
    begin = 0
    for split, bank in banks.items():
        for chosen in torch.arange(bank.num_items).split(max(1, BATCH // bank.num_views)):
            yield split, chosen, begin + int(chosen[0])
        begin += bank.num_items


def _encoded(bank: ViewBank, chosen: Tensor, encode: Callable[[Tensor], Tensor]) -> np.ndarray:
    """The features of all views of some items, (n, V, F) float16."""
    views = torch.arange(bank.num_views).repeat(len(chosen))
    parts = zip(chosen.repeat_interleave(bank.num_views).split(BATCH), views.split(BATCH), strict=True)
    features = torch.cat([encode(bank.gather_views(items, shown)) for items, shown in parts])
    halved = features.to("cpu", torch.float16)
    if not bool(halved.isfinite().all()):
        row = int((~halved.isfinite()).any(dim=1).nonzero()[0, 0])
        item, view = int(chosen[row // bank.num_views]), row % bank.num_views
        raise DataError(
            f"the encoder's features of item {item}, view {view} are not finite numbers within ±65,504: its weights are damaged, or it lacks a "
            "normalisation at its end"
        )
    return halved.view(len(chosen), bank.num_views, -1).numpy()


def _keep(journal: Journal, file: IO[bytes], offset: int, first: int, features: np.ndarray) -> None:
    write_at(file, offset + first * journal.item_bytes, features)
    for item, values in enumerate(features, first):
        record = np.zeros(1, RECORD)[0]
        record["item"], record["crc32"] = item, zlib.crc32(values.data)
        record["record_crc32"] = zlib.crc32(record.tobytes()[:-4])
        journal.add(record)


def _finish(out: Path, banks: Mapping[str, ViewBank], description: Mapping[str, Any], journal: Journal, latents: bool) -> None:
    """Writes the small files, then the manifest, then removes what encoding needed."""
    arrays = {CHECKSUMS: journal.records["crc32"].astype(np.uint32)}
    if latents:
        arrays[LATENTS] = np.concatenate([_latents(bank) for bank in banks.values()])
    contents = {name: files.array_bytes(array) for name, array in arrays.items()}
    for name, data in contents.items():
        files.write_bytes(out / name, data)
    recorded = {name: {"bytes": len(data), "crc32": zlib.crc32(data)} for name, data in contents.items()}
    write_digested(out / MANIFEST, {**description, "files": recorded})
    remove_journal(out)


def _latents(bank: ViewBank) -> Float32[np.ndarray, "N V A"]:
    views = torch.arange(bank.num_views).repeat(bank.num_items)
    found = bank.gather_latents(torch.arange(bank.num_items).repeat_interleave(bank.num_views), views)
    return found.view(bank.num_items, bank.num_views, -1).numpy()
