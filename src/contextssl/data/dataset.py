"""From ``dataset=…`` to pairs: finds the data, makes what can be made, and says in one line how to get the rest."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from contextssl.config.data_settings import DataSettings
from contextssl.data.pairs import PairSource
from contextssl.data.places import places
from contextssl.data.splits import OOD
from contextssl.data_set import DATA_SETS, of_source
from contextssl.errors import DataError

if TYPE_CHECKING:
    from contextssl.data.tables.columns import Columns


@dataclass(frozen=True)
class Data:
    """What a run trains on and evaluates, whatever the data set.

    Args:
        train, val: what pairs are drawn of. Same factors and classes.
        view_shape: of one view: (C, H, W), or (W,) of rows of a table.
        image_mean, image_std: of each channel of the training split, in units of 0 to 1; None for views that are not uint8 images.
        description: plain values for results: where the data came from.
        test: a further split to evaluate on, where there is one.
        columns: of rows of a table; None for other views.
        more: further splits by name, opened when they are asked for.
    """

    train: PairSource
    val: PairSource
    view_shape: tuple[int, ...]
    image_mean: Sequence[float] | None = None
    image_std: Sequence[float] | None = None
    description: Mapping[str, Any] = field(default_factory=dict)
    test: PairSource | None = None
    columns: Columns | None = None
    more: Mapping[str, Callable[[], PairSource]] = field(default_factory=dict)

    def split(self, name: str) -> PairSource:
        """Raises DataError where the data have no such split, and what opening one raises."""
        if name in self.more:
            return self.more[name]()
        found = {"train": self.train, "val": self.val, "test": self.test}.get(name)
        if found is None:
            ways = (
                " (it is rendered for dataset=shapes; for 3DIEBench name the folder of 3DIEBench-OOD, ood_dir=DIR)" if name == OOD else ""
            )
            raise DataError(f"these data have no split {name!r}: use val, or train{ways}")
        return found


def open_data(settings: DataSettings, progress: bool = True) -> Data:
    """The data of ``settings.dataset``: rendered or packed first where that is missing and can be done. Raises SettingsError for an unknown data
    set, naming the nearest; for one of the user's own that cannot be imported or makes no :class:`Data`; DataError where the data are missing or
    damaged, saying how to get or fix them.
    """
    data = DATA_SETS.find(settings.dataset).open(settings, progress)
    if DATA_SETS.is_own(settings.dataset):
        return data
    source = data.description.get("source")
    kind = source.get("kind") if isinstance(source, Mapping) else None
    made = of_source(kind)
    named = settings.dataset if kind is None else kind if made is None else made.name
    return replace(data, description={**data.description, "kind": named, "places": places(settings)})


def opened_by_name(description: Mapping[str, Any]) -> bool:
    """Whether data of this description can be opened again by the name of their data set alone."""
    # Descriptions from before places were recorded have a path.
    return "path" in description or "places" in description


def data_kind(data: Data) -> str:
    """What data set it is, such as ``"3diebench"``, whatever the settings say: a packed store knows what it was made from. Data that were not
    opened by :func:`open_data` are ``"own"``, or what their description says, as long as that is none of the names here.
    """
    kind = data.description.get("kind")
    if not isinstance(kind, str):
        return "own"
    return kind if opened_by_name(data.description) or kind not in DATA_SETS.names() else "own"
