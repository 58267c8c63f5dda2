"""What a data set is to the rest of the package: found by its name, it opens itself, says which settings it reads, and is looked over and told of.

One of the package is one file in :mod:`contextssl.datasets`. One of the user's own is named by its place, ``dataset=package.module:name``: a
:class:`DataSet`, or a function that returns a :class:`contextssl.Data`, called without arguments or, where it takes one, with the settings.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from contextssl.errors import SettingsError
from contextssl.plugins import Kind

if TYPE_CHECKING:
    from contextssl.config.data_settings import CheckSettings, DataSettings
    from contextssl.config.settings import TrainSettings
    from contextssl.data.check_report import CheckReport
    from contextssl.data.dataset import Data
    from contextssl.data.sample_views import Sample
    from contextssl.factors import FactorSpace

    # What was found, and some views for a picture.
    Checked: TypeAlias = tuple[CheckReport, Sequence[Sample]]

# What a data set of the user's own is, for messages.
WANTED = "a contextssl.Data"


@dataclass(frozen=True)
class DataSet:
    """A data set. Whatever is heavy is imported when its functions are called.

    Args:
        name: as in ``dataset=NAME``.
        open: the data of some settings, rendered or packed first where that is missing; whether progress is shown.
        place: in lists; in this order they are asked whether a folder is theirs.
        views: ``"images"`` or ``"rows"`` of a table; None where that is known only when it is open.
        reads: the settings of data that it reads; None where that may be any.
        settings: those that it declares for itself, which :func:`~contextssl.config.own_settings.own_of` gives.
        usual: the experiment that ships whose settings stand in the place of the defaults; None where the paper's run makes sense.
        found_by: the setting that names its folder or file.
        source: what the descriptions of its sources call themselves, where that is not its name.
        packed_by: of ``reads`` those that a packed store of it was made by, and that change nothing of one.
        augments: its factors are augmentations, which may be code of the user's own.
        renders: its classes are rendered, those that training never saw too.
        foreseen: its factors and the shape of a view, where the settings alone say so before anything is packed; raises a SettingsError for what
            cannot be. None where they don't.
        recognises: whether what lies at a path is this data set, for ``contextssl data check``; None where it never is.
        check: looks over what lies there, and gives some of its views for a picture.
        about: of the description of a source what a report says beside the name; None where it has no more than counts.
    """

    name: str
    open: Callable[[DataSettings, bool], Data]
    place: int = 0
    views: str | None = None
    reads: tuple[str, ...] | None = None
    settings: type[Any] | None = None
    usual: str | None = None
    found_by: str = "data_dir"
    source: str | None = None
    packed_by: tuple[str, ...] = ()
    augments: bool = False
    renders: bool = False
    foreseen: Callable[[TrainSettings], tuple[FactorSpace, tuple[int, ...]]] | None = None
    recognises: Callable[[Path], bool] | None = None
    check: Callable[[CheckSettings], Checked] | None = None
    about: Callable[[Mapping[str, Any]], str] | None = None


def _taken(name: str, found: Any) -> DataSet:
    if isinstance(found, DataSet):
        return replace(found, name=name)
    if not callable(found):
        raise SettingsError(f"dataset={name} is a {type(found).__name__}: name a contextssl.DataSet, or a function that returns {WANTED}")
    given_settings = _takes_one(found)

    def opened(settings: DataSettings, progress: bool) -> Data:
        from contextssl.data.dataset import Data
        from contextssl.named_code import made

        data: Data = made(found, f"dataset={name}", Data, WANTED, *([settings] if given_settings else []))
        return data

    return DataSet(name, opened, reads=None if given_settings else ())


def _takes_one(function: Callable[..., Any]) -> bool:
    """Whether a function has to be given something."""
    parameters = inspect.signature(function).parameters.values()
    return any(each.default is each.empty and each.kind in (each.POSITIONAL_ONLY, each.POSITIONAL_OR_KEYWORD) for each in parameters)


DATA_SETS: Kind[DataSet] = Kind("dataset", "contextssl.datasets", "DATA_SET", _taken)


def known_data_set(name: str | None) -> DataSet | None:
    """The data set of a name that a file holds; None of code of somebody's own, which is not imported because a file names it, and of a name that
    is unknown."""
    return DATA_SETS.find(name) if name is not None and name in DATA_SETS.names() else None


def own_name(name: str | None) -> str | None:
    """A data set's name where it is code of the user's own, which is to be named again each time."""
    return name if name is not None and DATA_SETS.is_own(name) else None


def of_source(kind: str | None) -> DataSet | None:
    """The data set whose sources call themselves so in their descriptions."""
    return next((each for each in DATA_SETS.all() if kind is not None and kind == (each.source or each.name)), None)
