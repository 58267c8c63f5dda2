"""Which split and class an image of a folder belongs to, by where it lies.

Understood are ``SPLIT/CLASS/…/image.jpg``, ``SPLIT/image.jpg``, ``CLASS/…/image.jpg`` and ``image.jpg``, all of them below one top folder
if you like. SPLIT is train, val (valid, validation) or test; CLASS is any other name, and what lies deeper belongs to it.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from contextssl.data.archive import open_files
from contextssl.data.listed import Files, read_csv
from contextssl.data.photo import OTHER_SUFFIXES, SUFFIXES
from contextssl.errors import DataError, brief, nearest

SPLIT_NAMES = {"train": "train", "training": "train", "val": "val", "valid": "val", "validation": "val", "test": "test", "testing": "test"}
SPLIT_ORDER = ("train", "val", "test")
UNLABELLED = "unlabelled"
LABELLED_LAYOUT = "lay it out as CLASS/image.jpg, or train/CLASS/image.jpg and val/CLASS/image.jpg"
LONGEST_LINE = 4200
SPLIT_HEADERS = ("split", "splits", "set", "subset", "partition", "fold")


def is_image(name: str) -> bool:
    """Whether a path is an image by its suffix, and neither hidden nor of the shadow files that macOS adds to a zip."""
    return PurePosixPath(name).suffix.lower() in SUFFIXES and not is_hidden(name)


def is_hidden(name: str) -> bool:
    """Whether a part of a path is hidden, or of what macOS adds to archives and foreign disks: ``._photo.jpg``, ``__MACOSX``."""
    return any(part.startswith(".") or part == "__MACOSX" for part in PurePosixPath(name).parts)


@dataclass(frozen=True)
class Listing:
    """The images of a folder or an archive.

    Args:
        top: the one folder that all of them lie in, with its slash, or nothing.
        names: their paths below that, sorted; ``folders`` those of the folders, empty ones too, ``unread`` of images that cannot be read here.
        others: how many files are no images.
    """

    files: Files = field(repr=False)
    top: str
    names: tuple[str, ...] = field(repr=False)
    folders: tuple[str, ...] = field(repr=False)
    others: int
    unread: tuple[str, ...] = field(default=(), repr=False)

    @property
    def path(self) -> Path:
        return self.files.path

    def read(self, name: str) -> bytes:
        """The bytes of one image. Raises DataError where it cannot be read."""
        return self.files.read(self.top + name)

    def where(self, name: str) -> str:
        """What errors call an image: its file, or its name in the archive."""
        return str(self.path / self.top / name) if self.files.size is None else f"{self.top}{name} in {self.path}"


def list_images(path: str | Path) -> Listing:
    """Lists the images of a folder or an archive; see :func:`contextssl.data.archive.open_files` for archives. Raises DataError where there is no
    such folder or archive, or no image in it.
    """
    files = open_files(path, is_image)
    names = [name for name in files.names if is_image(name)]
    unread = [name for name in files.names if PurePosixPath(name).suffix.lower() in OTHER_SUFFIXES and not is_hidden(name)]
    if not names:
        more = f", and {len(files.names)} other files" if files.names else ""
        more += f" ({_kinds(unread)} cannot be read here: convert them to JPEG or PNG)" if unread else ""
        raise DataError(f"{path} holds no image{more}: images end in {', '.join(SUFFIXES)}; check the path")
    folders = [name for name in files.folders if not is_hidden(name)]
    top = ""
    while True:
        firsts = {name.removeprefix(top).split("/")[0] for name in (*names, *(f for f in folders if f.startswith(top) and f + "/" != top))}
        only = next(iter(firsts))
        if len(firsts) > 1 or only.lower() in SPLIT_NAMES or top + only in names:
            break
        top += only + "/"
    below = tuple(name.removeprefix(top) for name in folders if name.startswith(top) and name + "/" != top)
    rest = tuple(name.removeprefix(top) for name in unread if name.startswith(top))
    return Listing(files, top, tuple(name.removeprefix(top) for name in names), below, len(files.names) - len(names), rest)


def _kinds(names: Iterable[str]) -> str:
    """``12 files .heic and 3 files .dng``."""
    counts = Counter(PurePosixPath(name).suffix.lower() for name in names)
    return " and ".join(f"{count:,} file{'s' if count > 1 else ''} {suffix}" for suffix, count in counts.most_common())


@dataclass(frozen=True)
class Layout:
    """What the places of images say.

    Args:
        splits: the images of each split that has a folder, in the order train, val, test; all under ``train`` where there are none.
        labelled: whether the classes are folders; else the only one is ``unlabelled``.
        empty: folders of a class that hold no image.
    """

    splits: dict[str, list[str]] = field(repr=False)
    classes: dict[str, str] = field(repr=False)
    class_names: tuple[str, ...]
    labelled: bool
    empty: tuple[str, ...]


def lay_out(listing: Listing, names: Sequence[str], labels: bool | None = None) -> Layout:
    """Reads splits and classes off the paths of ``names``, which are the images of ``listing`` or some of them.

    ``labels`` says whether folders are classes: True that they must be, False that they are not, None that they are where there are any. Raises
    DataError for folders of splits next to others, a split without a folder of training images, an empty split, images next to the folders of
    classes, or no such folders where labels are required.
    """
    split_of = _split_folders(listing, names)
    splits: dict[str, list[str]] = {split: [] for split in SPLIT_ORDER if split in split_of.values()} or {"train": []}
    rest: dict[str, str] = {}
    for name in names:
        first, _, below = name.partition("/")
        split = split_of.get(first, "train")
        splits[split].append(name)
        rest[name] = below if split_of else name
    for folder, split in split_of.items():
        if not splits[split]:
            raise DataError(f"{listing.path / listing.top / folder} holds no image: fill it, or remove it")
    nested = any("/" in below for below in rest.values())
    if labels and not nested:
        raise DataError(f"{listing.path} has no folders of classes, and labels=true: {LABELLED_LAYOUT}, or say labels=false")
    if labels is False or not nested:
        return Layout(splits, dict.fromkeys(names, UNLABELLED), (UNLABELLED,), False, ())
    loose = [name for name, below in rest.items() if "/" not in below]
    if loose:
        raise DataError(
            f"{len(loose)} of {len(names)} images, such as {listing.where(loose[0])}, lie next to the folders of classes: "
            "move them into one, or say labels=false to use all images without labels"
        )
    classes = {name: below.split("/")[0] for name, below in rest.items()}
    depth = 2 if split_of else 1
    full = {"/".join(name.split("/")[:depth]) for name in names}
    empty = tuple(folder for folder in listing.folders if folder.count("/") == depth - 1 and folder not in full)
    return Layout(splits, classes, tuple(sorted(set(classes.values()))), True, empty)


def _split_folders(listing: Listing, names: Sequence[str]) -> dict[str, str]:
    """The top folders that are splits, with the split of each; none where they are classes."""
    tops = {name.split("/")[0] for name in (*names, *listing.folders) if "/" in name or name in listing.folders}
    found = {folder: SPLIT_NAMES[folder.lower()] for folder in sorted(tops) if folder.lower() in SPLIT_NAMES}
    others = sorted({name.split("/")[0] for name in names} - set(found))
    if not found or (others and set(found.values()) == {"train"}):
        return {}  # a lone "train" among others is a class
    folders = " and ".join(found)
    if others:
        raise DataError(f"{listing.path} holds {folders}, which are splits, next to {others[0]}: move it into one of them, or away")
    split, count = Counter(found.values()).most_common(1)[0]
    if count > 1:
        raise DataError(f"{listing.path} holds {folders}, of which two are the split {split!r}: keep one")
    if "train" not in found.values():
        raise DataError(f"{listing.path} holds {folders} but no train: add that folder, or give one without splits")
    return found


def notes_on(listing: Listing, layout: Layout) -> list[str]:
    """What is worth noting of a layout and no fault: empty folders, images of kinds that are not read, folders that look like splits."""
    notes = [f"the folder {folder} holds no image and is no class" for folder in layout.empty]
    if listing.unread:
        notes.append(f"{_kinds(listing.unread)} cannot be read here and are skipped: convert them to JPEG or PNG")
    split_like = [name for name in layout.class_names if re.fullmatch(rf"({'|'.join(SPLIT_NAMES)})[-_ ]?\d+", name.lower())]
    if layout.labelled and split_like:
        notes.append(
            f"{' and '.join(split_like)} are taken for classes: if they are splits, as in COCO, rename them to train and val, or say split_file=FILE"
        )
    return notes


def unread_classes(listing: Listing, layout: Layout) -> dict[str, str]:
    """Folders of a class that hold images, but none of a kind that is read, with what they hold."""
    held = {folder: [name for name in listing.unread if name.startswith(folder + "/")] for folder in layout.empty}
    return {folder: _kinds(names) for folder, names in held.items() if names}


def read_split_file(path: str | Path, listing: Listing) -> dict[str, str]:
    """The split of each image, from lines ``relative/path split`` or ``relative/path,split``; a line of headers may come first. Raises DataError
    for a line of another kind, an unknown split or image, an image named twice or not at all.
    """
    lines = read_csv(Path(path)).splitlines()
    known = set(listing.names)
    found: dict[str, str] = {}
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        # A path has four thousand letters at most; matching takes the square of the length.
        match = re.fullmatch(r"\s*(.*\S)(?:\s*,\s*|\s+)(\S+?)\s*", line) if len(line) <= LONGEST_LINE else None
        if match is None:
            raise DataError(f"{path}, line {number}: {brief(line.strip())} is no image and split, such as 'cat/001.jpg,train'")
        name, split = (part.strip(" ,\t").strip("\"'") for part in match.groups())
        if number == 1 and split.lower() in SPLIT_HEADERS:
            continue
        if split.lower() not in SPLIT_NAMES:
            raise DataError(f"{path}, line {number}: unknown split {split!r}: {nearest(split, SPLIT_ORDER)}")
        name = name.removeprefix("./")
        name = name if name in known else name.removeprefix(listing.top)
        if name not in known:
            raise DataError(f"{path}, line {number}: there is no image {name} in {listing.path}: fix the line, or remove it")
        if name in found:
            raise DataError(f"{path}, line {number}: {name} is named twice; keep one line")
        found[name] = SPLIT_NAMES[split.lower()]
    missing = sorted(known - set(found))
    if missing:
        raise DataError(
            f"{path} leaves out {len(missing)} of {len(known)} images, such as {missing[0]}: give each a split, or move it away"
        )
    return found


def untrained_classes(splits: Mapping[str, Sequence[str]], classes: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Each split with each class that it has images of and train has not."""
    trained = {classes[name] for name in splits["train"]}
    for split, names in splits.items():
        for missing in sorted({classes[name] for name in names} - trained):
            yield split, missing


def by_split(names: Iterable[str], split_of: Callable[[str], str]) -> dict[str, list[str]]:
    """Names gathered by split, in the order train, val, test."""
    found: dict[str, list[str]] = {split: [] for split in SPLIT_ORDER}
    for name in names:
        found[split_of(name)].append(name)
    return {split: members for split, members in found.items() if members}
