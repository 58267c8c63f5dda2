"""A data set: its name, the settings that it reads, and how to open, check and describe it.

Those of this package are the files of :mod:`contextssl.datasets`, one each. ``dataset=package.module:name`` is the user's own: a :class:`DataSet`,
or a function that returns a :class:`contextssl.Data`, called without arguments, or with the settings if it takes one argument.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
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

# Types that the files of data sets need, which import nothing for them.
Opened: TypeAlias = "Data"
# The findings of a check, and some views for a picture.
Checked: TypeAlias = "tuple[CheckReport, Sequence[Sample]]"
# The factors, and the shape of a view.
Foreseen: TypeAlias = "tuple[FactorSpace, tuple[int, ...]]"
# What a function of the user's own returns, for messages.
WANTED = "a contextssl.Data"


@dataclass(frozen=True)
class DataSet:
    """A data set. Heavy modules are imported when its functions are called.

    Args:
        name: as in ``dataset=NAME``.
        open: returns the data, given the settings and whether to show progress; renders or packs them first if that is missing.
        place: in lists, and the order in which :attr:`recognises` is tried.
        views: ``"images"``, ``"rows"`` of a table, or ``"features"``; None if that is known only when the data are open.
        reads: the data settings that it reads; None if it may read any.
        settings: a dataclass of its own settings, read by :func:`~contextssl.config.own_settings.own_of`.
        usual: the experiment of this package whose settings replace the defaults; None to start from the paper's run.
        usual_examples: that of ``context=examples``; None for the same.
        found_by: the setting that names its folder or file.
        source: the ``kind`` in the description of its sources (default: the name).
        packed_by: those of ``reads`` that determine a packed store, and cannot change an existing one.
        augments: whether its factors are augmentations, which may be the user's own code.
        renders: whether its views are rendered, which makes classes available that training never saw.
        has_values: whether its factors have values; of listed pairs only which views share them is known.
        foreseen: its factors and the shape of a view, if the settings alone determine them before anything is packed, else None; raises a
            SettingsError for invalid settings.
        recognises: whether the files at a path are this data set, for ``contextssl data check``; None for never.
        check: checks those files, and returns some views for a picture.
        about: text for a report from the description of a source; None if the counts are enough.
    """

    name: str
    open: Callable[[DataSettings, bool], Opened]
    place: int = 0
    views: str | None = None
    reads: tuple[str, ...] | None = None
    settings: type[Any] | None = None
    usual: str | None = None
    usual_examples: str | None = None
    found_by: str = "data_dir"
    source: str | None = None
    packed_by: tuple[str, ...] = ()
    augments: bool = False
    renders: bool = False
    has_values: bool = True
    foreseen: Callable[[TrainSettings], Foreseen] | None = None
    recognises: Callable[[Path], bool] | None = None
    check: Callable[[CheckSettings], Checked] | None = None
    about: Callable[[Mapping[str, Any]], str] | None = None


def _taken(name: str, found: Any) -> DataSet:
    if isinstance(found, DataSet):
        return replace(found, name=name, open=partial(_opened, name, found.open))
    if not callable(found):
        raise SettingsError(f"dataset={name} is a {type(found).__name__}: name a contextssl.DataSet, or a function that returns {WANTED}")
    # A function that requires an argument is given the settings.
    parameters = inspect.signature(found).parameters.values()
    takes_one = any(each.default is each.empty and each.kind in (each.POSITIONAL_ONLY, each.POSITIONAL_OR_KEYWORD) for each in parameters)

    def made(settings: DataSettings, progress: bool) -> Any:
        return found(settings) if takes_one else found()

    return DataSet(name, partial(_opened, name, made), reads=None if takes_one else ())


def _opened(name: str, function: Callable[[DataSettings, bool], Any], settings: DataSettings, progress: bool) -> Data:
    """Raises SettingsError if the user's code fails, or returns something else."""
    from contextssl.data.dataset import Data
    from contextssl.named_code import made

    data: Data = made(function, f"dataset={name}", Data, WANTED, settings, progress)
    return data


DATA_SETS: Kind[DataSet] = Kind("dataset", "contextssl.datasets", "DATA_SET", _taken)


def known_data_set(name: str | None) -> DataSet | None:
    """The data set of a name in a file; None for an unknown name, and for the user's own code, which is not imported because a file names it."""
    return DATA_SETS.find(name) if name is not None and name in DATA_SETS.names() else None


def own_name(name: str | None) -> str | None:
    """A data set's name if it is the user's own code, which has to be named each time; else None."""
    return name if name is not None and DATA_SETS.is_own(name) else None


def of_source(kind: str | None) -> DataSet | None:
    """The data set whose sources have this ``kind`` in their descriptions."""
    return next((each for each in DATA_SETS.all() if kind is not None and kind == (each.source or each.name)), None)
