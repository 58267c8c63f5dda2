"""Which settings a data set, a method and a protocol read, so that nobody believes to have changed what was never looked at.

A word that is not read is named in a warning. One that contradicts what is there already (the pixels of a packed store) is an error. Words of an
experiment's file and defaults are never spoken of: only what the user said.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from contextssl.config.data_settings import PHOTOS, TABLES
from contextssl.config.protocols import PROTOCOLS, READS
from contextssl.errors import SettingsError
from contextssl.methods import METHODS


@dataclass(frozen=True)
class Use:
    """Some settings that are read under a condition.

    Args:
        names: the settings.
        where: the setting that decides. Where it is a list, one of its members is enough.
        among, other_than: they are read where that is, or is not, one of these.
    """

    names: Collection[str]
    where: str
    among: Collection[Any] | None = None
    other_than: Collection[Any] = ()

    def read(self, value: Any) -> bool:
        values = value if isinstance(value, (list, tuple)) else [value]
        return any((self.among is None or each in self.among) and each not in self.other_than for each in values)


IMAGES = ("3diebench", "shapes", *PHOTOS)
OF_SHAPES = ("classes", "objects", "val_objects", "views", "supersample", "data_seed", "meshes")
# What a store of photos was packed by.
OF_PACKED_PHOTOS = ("val_fraction", "split_seed", "split_file", "channels", "labels", "unreadable", "download")
AUGMENTATION_RANGES: Mapping[str, tuple[str, ...]] = {
    "crop": ("crop_area", "crop_ratio"),
    "blur": ("blur_sigma",),
    "color": ("brightness", "contrast", "saturation", "hue"),
    "flip": ("flip_chance",),
    "rotate": ("rotate_degrees",),
    "grayscale": ("grayscale_chance",),
}
_RANGES = tuple(name for names in AUGMENTATION_RANGES.values() for name in names)

IN_CONTEXT = tuple(name for name, method in METHODS.items() if method.contexts)
FOLLOWING = tuple(name for name, method in METHODS.items() if method.aim == "equivariance")

DATA_USES = (
    Use(OF_SHAPES, "dataset", ("shapes",)),
    Use((*_RANGES, "augmentation_settings", "latent_centre", "latent_scale", "eval_views"), "dataset", PHOTOS),
    *(Use(names, "factors", (factor,)) for factor, names in AUGMENTATION_RANGES.items()),
    Use(("val_fraction", "split_seed"), "dataset", (*PHOTOS, *TABLES)),
    # Of cifar10 these are an error of their own.
    Use(("split_file", "channels", "labels", "unreadable"), "dataset", PHOTOS),
    Use(("download",), "dataset", ("cifar10",)),
    # Of adult and mimic3 these are an error of their own.
    Use(("path", "person", "delimiter", "decimal", "encoding", "giveaway_columns"), "dataset", TABLES),
    Use(
        ("label", "categorical", "numeric", "drop_columns", "giveaways", "corruption", "swap_chance", "exact_chance", "row_views"),
        "dataset",
        TABLES,
    ),
    Use(("test_fraction",), "dataset", ("mimic3", "table")),
    Use(("diagnoses",), "dataset", ("mimic3",)),
    Use(("data_dir",), "dataset", other_than=("table",)),
    Use(("resolution",), "dataset", IMAGES),
)
TRAIN_USES = (
    *DATA_USES,
    Use(("pretrained", "stem", "pool"), "dataset", IMAGES),
    Use(("encoder_width", "encoder_depth", "column_width"), "dataset", TABLES),
    Use(("width", "n_layer", "n_head", "random_mask", "mask_prob", "init"), "method", IN_CONTEXT),
    Use(("bottleneck", "clamp_similarities"), "method", ("contextssl", "simclr+")),
    Use(
        ("auxiliary_width", "auxiliary_scale", "weight_equiv_loss", "weight_untold", "label_bins", "env_ratio", "env_per"),
        "method",
        ("contextssl",),
    ),
    Use(("temperature",), "method", ("contextssl", "simclr+", "simclr", "sen", "equimod", "augself")),
    Use(("projector_width",), "method", other_than=(*IN_CONTEXT, "supervised", "random")),
    Use(("projection_dim",), "method", other_than=("seq-jepa", "supervised", "supervised-latents", "random")),
    Use(("equivariance_weight",), "method", ("sen", "equimod", "augself", "sie")),
    Use(("vicreg_coefficients",), "method", ("vicreg", "vicreg+", "sie")),
    Use(("ema_momentum",), "method", ("byol", "seq-jepa")),
    Use(("sequence_layers", "sequence_heads"), "method", ("seq-jepa",)),
    Use(
        ("epochs", "optimizer", "learning_rate", "weight_decay", "warmup_epochs", "gradient_clip", "compile", "save_interval"),
        "method",
        other_than=("random",),
    ),
    Use(("mask_prob",), "random_mask", (True,)),
    Use(("label_bins",), "weight_labels", other_than=(0,)),
    Use(("output_dir",), "run_dir", (None,)),
)
# A comparison names its own methods, seeds and folders.
COMPARE_USES = tuple(use for use in TRAIN_USES if use.where != "run_dir")
NOT_OF_COMPARE: Mapping[str, str] = {
    "method": "methods",
    "condition": "conditions",
    "seed": "seeds",
    "run_dir": "compare_dir",
    "output_dir": "compare_dir",
    "resume": "compare_dir",
}

_TRAINED_HEADS = ("published", "mlp", "linear")
# What some protocol reads, and not every one.
OF_PROTOCOLS = frozenset(name for names in READS.values() for name in names)
EVALUATE_USES = (
    Use(OF_SHAPES, "dataset", (None, "shapes")),
    Use(("epochs", "learning_rate", "batch_size"), "heads", _TRAINED_HEADS),
    Use(("queries",), "sources", ("all",)),
    Use(("sensitivity_views",), "sensitivity_items", other_than=(0,)),
    Use(("scarf_epochs",), "baselines", ("scarf",)),
    Use(("cache_dir",), "cache", (True,)),
)
RENDER_USES = (Use(("image_format",), "layout", ("folder",)),)


def needless(command: str, settings: Any, given: Collection[str]) -> list[str]:
    """Sentences about the given settings that are not read, such as ``"not used with method=simclr: mask_prob, n_layer"``.

    Args:
        given: the names that the user said. One that has its default is no fault, whatever it is of.

    Raises:
        SettingsError: for those that contradict a packed store.
    """
    defaults = type(settings)()
    said = [name for name in given if hasattr(settings, name) and getattr(settings, name) != getattr(defaults, name)]
    _check_store(settings, said)
    found = {why: [name for name in names if name in said] for why, names in unread(command, settings).items()}
    return [f"{why}: {', '.join(names)}" for why, names in found.items() if names]


def unread(command: str, settings: Any) -> dict[str, list[str]]:
    """The settings that are not read with these choices of data set, method and protocol, by the reason, such as ``"not used with method=simclr"``;
    each stands once."""
    told: dict[str, list[str]] = {}

    def tell(why: str, names: Iterable[str]) -> None:
        already = {name for those in told.values() for name in those}
        told.setdefault(why, []).extend(name for name in names if name not in already)

    if command in ("compare", "reproduce"):
        for name, instead in NOT_OF_COMPARE.items():
            tell(f"not used by {command}, which has {instead}", [name])
    protocol = command.removeprefix("evaluate ")
    if protocol in READS:
        tell(f"not used by {command}", sorted(OF_PROTOCOLS - set(READS[protocol])))
    if command == "evaluate all":
        tell("not used by evaluate all", sorted(OF_PROTOCOLS - {name for each in PROTOCOLS for name in READS[each]}))
    uses = {"train": TRAIN_USES, "demo": TRAIN_USES, "compare": COMPARE_USES, "reproduce": COMPARE_USES, "data shapes": RENDER_USES}
    for use in EVALUATE_USES if command.startswith("evaluate ") else uses.get(command, ()):
        values = _values(command, settings, use.where)
        if not any(use.read(value) for value in values):
            shown = "/".join(_shown(value) for value in values)
            tell(f"not used with {_title(command, use.where)}={shown}", use.names)
    return told


def in_all(sentences: Iterable[list[str]]) -> list[str]:
    """What is said of every run of a sweep: a word that one of them reads has its use."""
    every = [{name: line for line in lines for name in line.partition(": ")[2].split(", ")} for lines in sentences]
    common = [name for name in every[0] if all(name in said for said in every)] if every else []
    if not common:
        return []
    whys = dict.fromkeys(every[0][name].partition(": ")[0] for name in common)
    return [f"{why}: {', '.join(name for name in common if every[0][name].startswith(why + ': '))}" for why in whys]


def _values(command: str, settings: Any, name: str) -> list[Any]:
    """What decides: of a comparison every method that it names, and every value that it varies."""
    if name == "factors" and settings.dataset in PHOTOS and settings.factors is None:
        return [["crop", "blur"]]
    if name == "factors" and settings.dataset not in PHOTOS:
        # Factors of rendered objects and of tables are no augmentations; the data set says that already.
        return [list(AUGMENTATION_RANGES)]
    values = [getattr(settings, name)]
    if command in ("compare", "reproduce"):
        if name == "method":
            values = [method.partition(":")[0] for method in settings.methods]
        values += list((settings.vary or {}).get(name, []))
    return values


def _title(command: str, name: str) -> str:
    return "methods" if name == "method" and command in ("compare", "reproduce") else name


def _shown(value: Any) -> str:
    if isinstance(value, list):
        return f"[{','.join(map(str, value))}]"
    return str(value).lower() if isinstance(value, bool) else str(value)


def _check_store(settings: Any, said: Collection[str]) -> None:
    """A packed store holds what it holds, whatever the words of its making are.

    Raises:
        SettingsError: for those of them that were said.
    """
    fields = {field.name for field in dataclasses.fields(settings)}
    if not {"data_dir", "dataset"} <= fields or settings.data_dir is None:
        return
    if not (Path(settings.data_dir) / "manifest.json").is_file():
        return
    made_by = OF_PACKED_PHOTOS if settings.dataset in PHOTOS else OF_SHAPES
    if found := [name for name in made_by if name in said]:
        raise SettingsError(
            f"{', '.join(found)}: {settings.data_dir} is a packed store, which these cannot change: leave them out, or leave data_dir out"
        )
