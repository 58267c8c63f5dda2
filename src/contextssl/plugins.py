"""Methods, data sets and protocols by name: those of this package, one file each; those that are installed, by entry points; and a user's own, as
``package.module:Name``.

Adding one to the package is adding its file. Nothing is imported because a *file* names it: a name with a colon is the user's word.
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
        what: one is called, for messages: ``"method"``.
        group: the package whose modules hold one each, and the name of its entry points: ``"contextssl.methods"``.
        attribute: under which a module holds it: ``"METHOD"``.
        package: whose modules they are, where not that of the group's name.
        taken: what a name of the user's own, or an entry point, stands for, made a part; raises a SettingsError for what is none. It is given the
            name and the object.
        former: names that parts had, and the names that they have now.
    """

    what: str
    group: str
    attribute: str
    taken: Callable[[str, Any], Part]
    package: str | None = None
    former: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def built_in(self) -> Mapping[str, Part]:
        """Those of this package by name, in their order."""
        package = importlib.import_module(self.package or self.group)
        modules = [importlib.import_module(f"{package.__name__}.{module.name}") for module in pkgutil.iter_modules(package.__path__)]
        found = [getattr(module, self.attribute) for module in modules if hasattr(module, self.attribute)]
        return {part.name: part for part in sorted(found, key=lambda part: (part.place, part.name))}

    @cached_property
    def _installed(self) -> Mapping[str, EntryPoint]:
        from importlib.metadata import entry_points

        return {point.name: point for point in entry_points(group=self.group) if point.name not in self.built_in}

    def names(self) -> tuple[str, ...]:
        """Of all that are there: built in, then installed."""
        return (*self.built_in, *sorted(self._installed))

    def is_own(self, name: str) -> bool:
        """Whether it is code of the user's own, by its place, which the user has to name each time."""
        return ":" in name

    def current(self, name: str) -> str:
        """The name that a part has now; a former one is accepted with a warning."""
        if name not in self.former:
            return name
        now = self.former[name]
        warnings.warn(f"the {self.what} {name} is called {now}: its former name is accepted until version 1.0", UserWarning, stacklevel=3)
        return now

    def find(self, name: str) -> Part:
        """
        Raises:
            SettingsError: for a name that is unknown, naming the nearest; for code that cannot be imported or is no such part.
        """
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
        """Every one that is built in or installed; an installed one that cannot be imported is passed over."""
        yield from self.built_in.values()
        for name in sorted(self._installed):
            try:
                yield self._loaded(name)
            except ContextSSLError:
                continue
