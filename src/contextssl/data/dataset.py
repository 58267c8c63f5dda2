"""From the word ``dataset=…`` to pairs: finds the data, makes what can be made, and says in one line how to get the rest."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from contextssl.config.data_settings import TABLES, DataSettings, PhotosSettings, ShapesSettings
from contextssl.data.cifar10 import cifar10_source
from contextssl.data.glance import refuse_constant
from contextssl.data.images import ImagesSource
from contextssl.data.pairs import PairSource, ViewPairs
from contextssl.data.places import places
from contextssl.data.shapes import ShapesSource
from contextssl.data.source import ItemSource
from contextssl.data.store import Store, open_store
from contextssl.data.stored import is_store, stored
from contextssl.data.threediebench import FACTORS, ThreeDIEBenchSource, factors_named
from contextssl.digest import digest_of
from contextssl.errors import DataError, SettingsError, nearest
from contextssl.named_code import made_by
from contextssl.randomness import derive_seed
from contextssl.system.distributed import is_first_process

if TYPE_CHECKING:
    from contextssl.data.augmentations.compose import Augmentations
    from contextssl.data.tables.columns import Columns

# A store of shapes is named after its classes while their names have so many letters.
MOST_NAMES = 80
# Whose factors are augmentations.
# The data sets by what their sources call themselves, where that is another word.
KINDS = {"3DIEBench folder": "3diebench", "CIFAR-10": "cifar10"}


@dataclass(frozen=True)
class Data:
    """What a run trains and looks at, whatever data set it was.

    Args:
        train, val: what pairs are drawn of. Same factors and classes.
        view_shape: of one view: (C, H, W), or (W,) of rows of a table.
        image_mean, image_std: of each channel of the training split, in units of 0 to 1; None for views that are not uint8 images.
        description: plain values for results: where the data came from.
        test: a further split to evaluate on, where there is one.
        columns: of rows of a table; None for other views.
    """

    train: PairSource
    val: PairSource
    view_shape: tuple[int, ...]
    image_mean: Sequence[float] | None = None
    image_std: Sequence[float] | None = None
    description: Mapping[str, Any] = field(default_factory=dict)
    test: PairSource | None = None
    columns: Columns | None = None

    def split(self, name: str) -> PairSource:
        """
        Raises:
            DataError: where the data have no such split.
        """
        found = {"train": self.train, "val": self.val, "test": self.test}.get(name)
        if found is None:
            raise DataError(f"these data have no split {name!r}: use val, or train")
        return found


def open_data(settings: DataSettings, progress: bool = True) -> Data:
    """The data of ``settings.data_factory``, or of ``settings.dataset``: rendered or packed first where that is missing and can be done.

    Raises:
        SettingsError: for an unknown data set, naming the nearest; for a factory that cannot be imported or makes no :class:`Data`.
        DataError: where the data are missing or damaged, with the way to get or mend them.
    """
    if settings.data_factory is not None:
        own: Data = made_by(settings.data_factory, "data_factory", Data, "a contextssl.Data")
        return own
    if settings.dataset not in DATASETS:
        raise SettingsError(f"unknown dataset {settings.dataset!r}: {nearest(settings.dataset, DATASETS)}")
    data = DATASETS[settings.dataset](settings, progress)
    source = data.description.get("source")
    kind = source.get("kind") if isinstance(source, Mapping) else None
    return replace(
        data, description={**data.description, "kind": KINDS.get(str(kind), kind) or settings.dataset, "places": places(settings)}
    )


def data_kind(data: Data) -> str:
    """What data set it is, such as ``"3diebench"``, whatever the settings say: a packed store knows what it was made from.

    Data that were not opened by :func:`open_data` are ``"own"``, or what their description says, as long as that is none of the names here.
    """
    kind = data.description.get("kind")
    if "path" in data.description and isinstance(kind, str):
        return kind
    return kind if isinstance(kind, str) and kind not in DATASETS else "own"


def shapes_source(settings: ShapesSettings) -> ShapesSource:
    """The renderer that the settings describe."""
    return ShapesSource(
        classes=settings.classes,
        objects_per_class=settings.objects,
        val_objects_per_class=settings.val_objects,
        num_views=settings.views,
        seed=settings.data_seed,
        supersample=settings.supersample,
        meshes=None if settings.meshes is None else Path(settings.meshes),
    )


def _open_shapes(settings: DataSettings, progress: bool) -> Data:
    if settings.data_dir is not None and is_store(Path(settings.data_dir)):
        return _rendered(open_store(Path(settings.data_dir)), settings)
    source = shapes_source(settings)
    if source.unread:
        _note(
            f"{settings.meshes} holds {source.unread}, which cannot be read here and are left out: convert them, for instance to OBJ",
            progress,
        )
    named = settings.data_dir is not None
    folder = Path(str(settings.data_dir)) if named else Path("datasets") / _shapes_name(settings, source)
    return _rendered(_stored(source, folder, settings, progress, beside=not named), settings)


def _note(what: str, progress: bool) -> None:
    if progress and is_first_process():
        print(f"note: {what}", file=sys.stderr, flush=True)


def _stored(source: ItemSource, folder: Path, settings: DataSettings, progress: bool, beside: bool) -> Store:
    return stored(source, folder, settings.resolution, workers=_workers(settings), progress=progress, beside=beside)


def _workers(settings: DataSettings) -> int | None:
    """Of a run as many processes as draw its batches; None, one a processor, where -1 leaves them to be chosen or the settings have no such word."""
    workers: int = getattr(settings, "workers", -1)
    return workers if workers >= 0 else None


def _shapes_name(settings: DataSettings, source: ShapesSource) -> str:
    what = f"{Path(settings.meshes).name}-{digest_of(str(Path(settings.meshes).resolve()))[:8]}-" if settings.meshes else ""
    if isinstance(source.classes, tuple):
        names = "-".join(source.classes)
        what += names if len(names) <= MOST_NAMES else f"{len(source.classes)}classes-{digest_of(list(source.classes))[:8]}"
    else:
        what += f"{source.classes or 'all-'}classes"
    counts = f"{settings.objects or 'all'}+{settings.val_objects}objects-{settings.views}views"
    smooth = f"-{settings.supersample}rays" if settings.supersample > 1 else ""
    return f"shapes-{what}-{counts}-{settings.resolution}px{smooth}-seed{settings.data_seed}"


def _open_threediebench(settings: DataSettings, progress: bool) -> Data:
    if settings.data_dir is None:
        raise DataError(
            "no data: give data_dir=DIR, the folder of 3DIEBench (github.com/facebookresearch/SIE says how to get its 17 GB), "
            "or train on rendered shapes at once with dataset=shapes"
        )
    root = Path(settings.data_dir)
    if is_store(root):
        return _rendered(open_store(root), settings)
    source = ThreeDIEBenchSource(root, resize=settings.resize)
    return _rendered(_stored(source, packed_folder(root, settings.resolution, settings.resize), settings, progress, beside=False), settings)


def packed_folder(root: Path, resolution: int, resize: str) -> Path:
    """Where the store of 3DIEBench goes that nobody named: beside its objects."""
    return root / (f"packed-{resolution}" if resize == DataSettings().resize else f"packed-{resolution}-{resize}")


def _rendered(store: Store, settings: DataSettings) -> Data:
    """Pairs of a store's views, their latents divided into factors as the settings name them."""
    if settings.factors is None:
        return _from_store(store, settings)
    factors = factors_named(settings.factors)
    if store.factors != FACTORS:
        raise SettingsError(
            f"{store.path} has the factors {', '.join(store.factors.names) or 'none'}, which factors=[…] cannot divide: leave factors out"
        )
    data = _from_store(store, settings, lambda split: ViewPairs(replace(store[split], factors=factors)))
    fingerprint = store.fingerprint if factors == store.factors else digest_of([store.fingerprint, factors.to_dict()])
    return replace(data, description={**data.description, "fingerprint": fingerprint})


def _open_cifar10(settings: DataSettings, progress: bool) -> Data:
    usual = PhotosSettings()
    for name in ("channels", "labels", "split_file", "unreadable"):
        if getattr(settings, name) != getattr(usual, name):
            raise SettingsError(
                f"{name}={getattr(settings, name)} means nothing to dataset=cifar10: leave it out (it is for dataset=images)"
            )
    root = Path(settings.data_dir if settings.data_dir is not None else "datasets/cifar10")
    if is_store(root):
        return _augmented(open_store(root), settings)
    source = cifar10_source(root, settings.download, settings.val_fraction, settings.split_seed)
    return _augmented(_stored(source, _photo_folder(source, "cifar10", settings), settings, progress, beside=True), settings)


def _open_images(settings: DataSettings, progress: bool) -> Data:
    if settings.data_dir is None:
        raise DataError("no data: give data_dir=DIR, a folder of images (a folder a class, or none), or a tar or zip of one")
    root = Path(settings.data_dir)
    if is_store(root):
        return _augmented(open_store(root), settings)
    source = ImagesSource(
        root,
        labels=settings.labels,
        val_fraction=settings.val_fraction,
        split_file=settings.split_file,
        channels=settings.channels,
        unreadable=settings.unreadable,  # type: ignore[arg-type]
        seed=settings.split_seed,
        workers=_workers(settings),
        progress=progress,
    )
    folder = _photo_folder(source, root.resolve().name.split(".")[0] or "images", settings)
    if not is_store(folder):
        for note in source.notes:
            _note(note, progress)
        refuse_constant(source)
    return _augmented(_stored(source, folder, settings, progress, beside=True), settings)


def _photo_folder(source: ItemSource, name: str, settings: DataSettings) -> Path:
    """Where the store of photos goes: beside the rendered data sets, never into the user's own folder; one for each folder of images and choice
    of settings. What was in that folder when they were packed is compared, since a name does not tell it."""
    choice = {key: value for key, value in source.description.items() if key not in ("files", "items", "skipped")}
    return Path("datasets") / f"{name}-{settings.resolution}px-{digest_of(choice)[:8]}"


def augmentations_named(settings: DataSettings) -> Augmentations:
    """The augmentations of photos that the settings name.

    Raises:
        SettingsError: for one that is unknown or named twice, and for ranges that cannot be.
        DataError: where what they need is not installed.
    """
    try:
        from contextssl.data.augmentation_settings import augmentations_of
    except ImportError as error:
        raise DataError("augmentations need kornia: pip install 'contextssl[photos]'") from error
    return augmentations_of(settings)


def _augmented(store: Store, settings: DataSettings) -> Data:
    """Pairs of augmentations of a store's images."""
    if store["train"].num_views != 1 or store.factors.names:
        raise DataError(
            f"{store.path} holds {store['train'].num_views} views an item with the factors {', '.join(store.factors.names) or 'none'}, not single "
            "images to augment: say dataset=shapes or dataset=3diebench"
        )
    augmentations = augmentations_named(settings)
    from contextssl.data.augmented import AugmentedPairs, AugmentedViews, made_by

    def pairs(split: str) -> PairSource:
        return AugmentedPairs(AugmentedViews(store[split], augmentations, settings.eval_views, derive_seed(0, "augmented", split)))

    return replace(
        _from_store(store, settings, pairs),
        description={
            "path": str(store.path.absolute()),
            "fingerprint": digest_of([store.fingerprint, *made_by(augmentations), settings.eval_views]),
            "source": store.manifest.get("source"),
            "augmentations": augmentations.description,
        },
    )


def _open_table(settings: DataSettings, progress: bool) -> Data:
    """Rows of a table. Nothing is packed: a table is read in seconds, and held in memory."""
    try:
        from contextssl.data.tables.open_table import open_table
        from contextssl.data.tables.reading import table_of
    except ImportError as error:
        raise DataError(
            f"tables need pandas, pyarrow and scikit-learn ({error.name} is missing): pip install 'contextssl[tables]'"
        ) from error

    def say(what: str) -> None:
        if progress and is_first_process():
            print(what, file=sys.stderr, flush=True)

    table = table_of(settings, say)
    opened = open_table(table, settings)
    for note in opened.notes:
        say(f"note: {note}")
    say(opened.columns.summary())
    digests = "".join(f"{split}{pairs.views.digest()}" for split, pairs in opened.pairs.items())
    path = settings.path if settings.dataset == "table" else settings.data_dir
    return Data(
        train=opened.pairs["train"],
        val=opened.pairs["val"],
        test=opened.pairs.get("test"),
        view_shape=(len(opened.columns),),
        columns=opened.columns,
        description={
            "path": str(Path(str(path)).resolve()),
            "fingerprint": hashlib.sha256(digests.encode()).hexdigest()[:16],
            "source": dict(table.description),
            "notes": list(opened.notes),
        },
    )


def _from_store(store: Store, settings: DataSettings, pairs: Callable[[str], PairSource] | None = None) -> Data:
    """
    Args:
        pairs: of a split; of its stored views where left out.
    """
    for split in ("train", "val"):
        if split not in store:
            raise DataError(f"{store.path} has no split {split!r} (it has {', '.join(store)}): pack a data set with train and val")
    shape = store["train"].view_shape
    if shape[1:] != (settings.resolution, settings.resolution):
        raise DataError(
            f"{store.path} holds images of {shape[2]} × {shape[1]} pixels, but resolution={settings.resolution}: "
            f"say resolution={shape[1]}, or pack another store"
        )
    of: Callable[[str], PairSource] = pairs if pairs is not None else lambda split: ViewPairs(store[split])
    return Data(
        train=of("train"),
        val=of("val"),
        test=of("test") if "test" in store else None,
        view_shape=shape,
        image_mean=store.image_mean,
        image_std=store.image_std,
        description={"path": str(store.path.absolute()), "fingerprint": store.fingerprint, "source": store.manifest.get("source")},
    )


DATASETS: dict[str, Callable[[DataSettings, bool], Data]] = {
    "3diebench": _open_threediebench,
    "shapes": _open_shapes,
    "cifar10": _open_cifar10,
    "images": _open_images,
    **dict.fromkeys(TABLES, _open_table),
}
