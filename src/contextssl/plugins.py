"""Methods, data sets, protocols, heads and metrics by name: those of this package, one file each; installed ones, by entry points; and a user's own,
as ``package.module:Name``.

To add one to the package, add its file. Nothing is imported because a *file* names it: a name with a colon comes from the user.
"""

from __future__ import annotations

import importlib
import pkgutil
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from contextssl.errors import ContextSSLError, SettingsError, nearest
from contextssl.named_code import imported

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

Part = TypeVar("Part")


@dataclass(frozen=True)
class Kind(Generic[Part]):
    """One kind of part, such as methods.

    Args:
        what: its name in messages.
        group: the package whose modules hold one part each, and the group of its entry points: ``"contextssl.methods"``.
        attribute: the name of the part in its module: ``"METHOD"``.
        taken: makes a part of the name and the object that it refers to; raises a SettingsError for an object that is none.
        package: of the modules (default: the group).
        former: former names of parts, and their names now.
    """

    what: str
    group: str
    attribute: str
    taken: Callable[[str, Any], Part]
    package: str | None = None
    former: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def built_in(self) -> Mapping[str, Part]:
        """The parts of this package by name, in order."""
        package = importlib.import_module(self.package or self.group)
        modules = [importlib.import_module(f"{package.__name__}.{module.name}") for module in pkgutil.iter_modules(package.__path__)]
        found = [getattr(module, self.attribute) for module in modules if hasattr(module, self.attribute)]
        return {part.name: part for part in sorted(found, key=lambda part: (part.place, part.name))}

    @cached_property
    def _installed(self) -> Mapping[str, EntryPoint]:
        from importlib.metadata import entry_points

        return {point.name: point for point in entry_points(group=self.group) if point.name not in self.built_in}

    def names(self) -> tuple[str, ...]:
        """The names of all parts: built-in, then installed."""
        return (*self.built_in, *sorted(self._installed))

    def is_own(self, name: str) -> bool:
        """Whether it names the user's own code, which the user has to name each time."""
        return ":" in name

    def current(self, name: str) -> str:
        """The name that a part has now; a former one is accepted with a warning."""
        if name not in self.former:
            return name
        now = self.former[name]
        warnings.warn(f"the {self.what} {name} is called {now}: its former name is accepted until version 1.0", UserWarning, stacklevel=3)
        return now

    def find(self, name: str) -> Part:
        """Raises SettingsError for an unknown name, with the nearest known one; for code that cannot be imported or is no such part."""
        name = self.current(name)
        if name in self.built_in:
            return self.built_in[name]
        if self.is_own(name):
            return self.taken(name, imported(name, self.what))
        if name not in self._installed:
            raise SettingsError(f"unknown {self.what} {name!r}: {nearest(name, self.names())} (your own: package.module:Name)")
        return self._loaded(name)

    def _loaded(self, name: str) -> Part:
        point = self._installed[name]
        try:
            found = point.load()
        except Exception as error:
            raise SettingsError(f"the installed {self.what} {name!r} ({point.value}) cannot be imported: {error}") from error
        return self.taken(name, found)

    def all(self) -> Iterator[Part]:
        """Every built-in or installed part; an installed one that cannot be imported is left out."""
        yield from self.built_in.values()
        for name in sorted(self._installed):
            try:
                yield self._loaded(name)
            except ContextSSLError:
                continue
