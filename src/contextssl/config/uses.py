"""Which settings a data set, a method and a protocol read, so that a setting without effect is not overlooked.

A given setting that is not read is named in a warning. One that contradicts existing data (the pixels of a packed store) is an error. Only
settings that the user gave count: not defaults, nor those of an experiment's file.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from contextssl.config.data_settings import DataSettings
from contextssl.config.evaluation_settings import EvaluateSettings
from contextssl.config.settings import RunSettings
from contextssl.config.validation import fields_of
from contextssl.data_set import DATA_SETS
from contextssl.errors import SettingsError
from contextssl.head import HEADS
from contextssl.method import METHODS, method_and_condition
from contextssl.protocol import PROTOCOLS
from contextssl.protocol import in_all as protocols_in_all


@dataclass(frozen=True)
class Use:
    """Settings that are read if the value of the setting ``where`` is one of ``among`` and none of ``other_than``; of a list one member is enough."""

    names: Collection[str]
    where: str
    among: Collection[Any] | None = None
    other_than: Collection[Any] = ()

    def read(self, value: Any) -> bool:
        values = value if isinstance(value, (list, tuple)) else [value]
        return any((self.among is None or each in self.among) and each not in self.other_than for each in values)

    def unread(self, values: Collection[Any]) -> Collection[str]:
        """Those that are read with none of these values of the deciding setting."""
        return () if any(self.read(value) for value in values) else self.names


class MethodUse(Use):
    """Settings that a method reads if it declares so."""

    def unread(self, values: Collection[Any]) -> Collection[str]:
        methods = [METHODS.find(value) for value in values]
        read = {name for method in methods for name in (*method.reads, *(OF_TRAINING if method.trains else ()))}
        return [name for name in self.names if name not in read]


class DataUse(Use):
    """Settings that a data set reads if it declares so; those of an encoder depend on the kind of views."""

    def unread(self, values: Collection[Any]) -> Collection[str]:
        # The default of an evaluation is the data of its run.
        chosen = [None if value is None else DATA_SETS.find(value) for value in values]
        reads = [
            None if each is None or each.reads is None else (*each.reads, *ENCODERS.get(str(each.views), OF_ENCODERS)) for each in chosen
        ]
        read = {name for names in reads for name in names or self.names}
        return [name for name in self.names if name not in read]


# Settings that only encoders of one kind of views read.
ENCODERS: Mapping[str, tuple[str, ...]] = {
    "images": ("pretrained", "stem", "pool"),
    "rows": ("encoder_width", "encoder_depth", "column_width"),
    "features": (),
}
OF_ENCODERS = tuple(name for names in ENCODERS.values() for name in names)
# Settings that some data sets of this package read, and some don't.
OF_DATA = tuple(dict.fromkeys(name for each in DATA_SETS.built_in.values() for name in each.reads or () if name != "factors"))
AUGMENTATION_RANGES: Mapping[str, tuple[str, ...]] = {
    "crop": ("crop_area", "crop_ratio"),
    "blur": ("blur_sigma",),
    "color": ("brightness", "contrast", "saturation", "hue"),
    "flip": ("flip_chance",),
    "rotate": ("rotate_degrees",),
    "grayscale": ("grayscale_chance",),
}

# A grid of factor values says how many views there are.
GRID_USE = Use(("views",), "grid", (None,))
GRID_VIEWS_USE = Use(("grid_views",), "grid", other_than=(None,))

# Settings that every method reads that is trained.
OF_TRAINING = ("epochs", "optimizer", "learning_rate", "weight_decay", "warmup_epochs", "gradient_clip", "compile", "save_interval")
# Settings that some methods of this package read, and some don't; ContextSSL's first.
OF_METHODS = tuple(dict.fromkeys(name for method in reversed(list(METHODS.built_in.values())) for name in method.reads))

TRAIN_USES = (
    DataUse((*OF_DATA, *OF_ENCODERS), "dataset"),
    *(Use(names, "factors", (factor,)) for factor, names in AUGMENTATION_RANGES.items()),
    GRID_USE,
    GRID_VIEWS_USE,
    MethodUse((*OF_METHODS, *OF_TRAINING), "method"),
    Use(("features_dir", "frozen_views"), "freeze", (True,)),
    Use(("mask_prob",), "random_mask", (True,)),
    Use(("label_bins",), "weight_labels", other_than=(0,)),
    Use(("output_dir",), "run_dir", (None,)),
)
# A comparison has its own settings for methods, seeds and folders.
COMPARE_USES = tuple(use for use in TRAIN_USES if use.where != "run_dir")
NOT_OF_COMPARE: Mapping[str, str] = {
    "method": "methods",
    "condition": "conditions",
    "seed": "seeds",
    **dict.fromkeys(("run_dir", "output_dir", "resume"), "compare_dir"),
}

# A measurement has data of its own, and keeps no run.
NOT_OF_BENCH = (
    *sorted(fields_of(RunSettings).keys() - {"seed", "accelerator", "precision", "compile", "eval_ctxt", "progress", "own"}),
    *sorted(fields_of(DataSettings).keys() - {"resolution"}),
    *("epochs", "warmup_epochs", "encoder_from", "encoder_factory", "freeze", "frozen_views"),
)
_TRAINED_HEADS = tuple(head.name for head in HEADS.built_in.values() if head.trains)
# Settings that some protocols read, and some don't.
OF_PROTOCOLS = frozenset(name for protocol in PROTOCOLS.built_in.values() for name in protocol.reads)
EVALUATE_USES = (
    DataUse(tuple(name for name in OF_DATA if name in fields_of(EvaluateSettings)), "dataset"),
    Use(("epochs", "learning_rate", "batch_size"), "heads", _TRAINED_HEADS),
    Use(("queries",), "sources", ("all",)),
    Use(("sensitivity_views",), "sensitivity_items", other_than=(0,)),
    Use(("scarf_epochs",), "baselines", ("scarf",)),
    Use(("cache_dir",), "cache", (True,)),
)
RENDER_USES = (Use(("image_format",), "layout", ("folder",)), GRID_USE, GRID_VIEWS_USE)
# Values of a setting that a message shows.
MOST_SHOWN = 4


def needless(command: str, settings: Any, given: Collection[str]) -> list[str]:
    """Sentences about the given settings that are not read, such as ``"not used with method=simclr: mask_prob, n_layer"``.

    One with its default value is never reported. Raises SettingsError for settings that contradict a packed store.
    """
    defaults = type(settings)()
    said = [name for name in given if hasattr(settings, name) and getattr(settings, name) != getattr(defaults, name)]
    _check_store(settings, said)
    found = {why: [name for name in names if name in said] for why, names in unread(command, settings).items()}
    return [f"{why}: {', '.join(names)}" for why, names in found.items() if names]


def unread(command: str, settings: Any) -> dict[str, list[str]]:
    """The settings that are not read with these choices of data set, method and protocol, each once, by the reason, such as
    ``"not used with method=simclr"``.
    """
    found: dict[str, list[str]] = {}

    def add(why: str, names: Iterable[str]) -> None:
        already = {name for those in found.values() for name in those}
        found.setdefault(why, []).extend(name for name in names if name not in already)

    if command in ("compare", "reproduce"):
        for name, instead in NOT_OF_COMPARE.items():
            add(f"not used by {command}, which has {instead}", [name])
    if command.startswith("evaluate "):
        name = command.removeprefix("evaluate ")
        run = protocols_in_all() if name == "all" else [PROTOCOLS.find(name)]
        add(f"not used by {command}", sorted(OF_PROTOCOLS - {setting for protocol in run for setting in protocol.reads}))
    if command in ("bench train", "bench evaluate"):
        add("not used by bench, which makes data of noise and keeps nothing", NOT_OF_BENCH)
    uses = {"train": TRAIN_USES, "demo": TRAIN_USES, "compare": COMPARE_USES, "reproduce": COMPARE_USES, "data shapes": RENDER_USES}
    for use in EVALUATE_USES if command.startswith("evaluate ") else uses.get(command, ()):
        values = _values(command, settings, use.where)
        if names := use.unread(values):
            title = "methods" if use.where == "method" and command in ("compare", "reproduce") else use.where
            chosen = f"{title}={'/'.join(map(_shown, values))}" if len(values) <= MOST_SHOWN else f"these {title}"
            add(f"not used with {chosen}", names)
    return found


def in_all(sentences: Iterable[list[str]]) -> list[str]:
    """The sentences that hold for every run of a sweep: a setting that one run reads is used."""
    every = [{name: line for line in lines for name in line.partition(": ")[2].split(", ")} for lines in sentences]
    common = [name for name in every[0] if all(name in said for said in every)] if every else []
    if not common:
        return []
    whys = dict.fromkeys(every[0][name].partition(": ")[0] for name in common)
    return [f"{why}: {', '.join(name for name in common if every[0][name].startswith(why + ': '))}" for why in whys]


def _values(command: str, settings: Any, name: str) -> list[Any]:
    """The values of a deciding setting: of a comparison all methods that it names, and all values over which it varies."""
    augments = name == "factors" and DATA_SETS.find(settings.dataset).augments
    if augments and settings.factors is None:
        return [["crop", "blur"]]
    if name == "factors" and not augments:
        # Factors of rendered objects and of tables are no augmentations; the data set covers that.
        return [list(AUGMENTATION_RANGES)]
    values = [getattr(settings, name)]
    if command in ("compare", "reproduce"):
        if name == "method":
            values = [method_and_condition(named)[0] for named in settings.methods]
        values += list((settings.vary or {}).get(name, []))
    return values


def _shown(value: Any) -> str:
    if isinstance(value, list):
        return f"[{','.join(map(str, value))}]"
    if isinstance(value, dict):
        return f"{{{','.join(f'{name}:{each}' for name, each in value.items())}}}"
    return str(value).lower() if isinstance(value, bool) else str(value)


def _check_store(settings: Any, said: Collection[str]) -> None:
    """The settings that a packed store was made with cannot change it any more. Raises SettingsError for those of them that were given."""
    folder = getattr(settings, "data_dir", None)
    if folder is None or not hasattr(settings, "dataset") or not (Path(folder) / "manifest.json").is_file():
        return
    named = DATA_SETS.all() if settings.dataset is None else [DATA_SETS.find(settings.dataset)]
    if found := [name for name in dict.fromkeys(name for each in named for name in each.packed_by) if name in said]:
        raise SettingsError(
            f"{', '.join(found)}: {settings.data_dir} is a packed store, which these cannot change: leave them out, or leave data_dir out"
        )
