"""Docstrings as the reference shows them: their Sphinx roles become cross-references, double backticks code, and parameters that share a line get
a row each.

mkdocstrings loads this module as an extension of griffe, which reads the package without importing it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import griffe

from website.rooms import ROOMS

# Of a role: a text of its own, a short name (~), the name.
ROLE = re.compile(r":(?:class|func|meth|attr|mod|data):`(?:([^`<]+?)\s*<)?(~?)([\w.]+)>?`")
CODE = re.compile(r"``([^`\n]+)``")
# Of a section of parameters: "a, b: what both are", with the lines that continue it.
SHARED_LINE = re.compile(r"^( +)(\w+(?:, \w+)+): (.*(?:\n\1 +\S.*)*)$", re.MULTILINE)


class Docstrings(griffe.Extension):
    """Rewrites every docstring of the package once all of it is read."""

    def on_package(self, *, pkg: griffe.Module, loader: griffe.GriffeLoader, **kwargs: Any) -> None:
        names = Names.of(pkg)
        for each in _objects(pkg):
            if each.docstring is not None:
                each.docstring.value = rewritten(each.docstring.value, each, names)


@dataclass(frozen=True)
class Names:
    """The names that the reference shows.

    Args:
        package: what is looked up in.
        parts: where each part of a page is defined.
    """

    package: griffe.Module
    parts: frozenset[str]

    @classmethod
    def of(cls, package: griffe.Module) -> Names:
        """Raises LookupError for a part of a page that the package does not have."""
        parts = [part.removeprefix(f"{package.path}.") for room in ROOMS for part in room.parts]
        found = {part: _found(package, part) for part in parts}
        if missing := [part for part, each in found.items() if each is None]:
            raise LookupError(f"website/rooms.py names {missing[0]}, which {package.path} does not have")
        return cls(package, frozenset(each.path for each in found.values() if each is not None))

    def target(self, name: str, around: griffe.Object) -> str | None:
        """The full name of what a docstring of ``around`` calls so, where the reference shows it; of a member that it does not show, of its class."""
        scope: griffe.Object | None = around
        found = _found(self.package, name.removeprefix(f"{self.package.path}.")) if name.startswith(f"{self.package.path}.") else None
        while found is None and scope is not None:
            found = _found(scope, name)
            scope = scope.parent
        while found is not None and not self._shows(found):
            found = found.parent if found.parent is not None and found.parent.is_class else None
        return None if found is None else found.path

    def _shows(self, found: griffe.Object) -> bool:
        if found.path in self.parts:
            return True
        around = found.parent
        return around is not None and not found.is_module and found.has_docstring and not found.name.startswith("_") and self._shows(around)


def rewritten(text: str, around: griffe.Object, names: Names) -> str:
    """A docstring in the Markdown of the reference."""

    def reference(match: re.Match[str]) -> str:
        own, short, name = match.groups()
        written = own or (name.rpartition(".")[2] if short else name)
        target = names.target(name, around)
        return f"`{written}`" if target is None else f"[`{written}`][{target}]"

    text = CODE.sub(r"`\1`", ROLE.sub(reference, text)).replace("\nExample:\n", "\nExamples:\n")
    before, args, section = text.partition("Args:\n")
    return before + args + SHARED_LINE.sub(_a_line_each, section)


def _a_line_each(match: re.Match[str]) -> str:
    indent, shared, about = match.groups()
    return "\n".join(f"{indent}{name}: {about}" for name in shared.split(", "))


def _found(scope: griffe.Object, name: str) -> griffe.Object | None:
    """The object that a name means in a scope, itself and no import of it; None where there is none."""
    try:
        found = scope[name]
        found = found.final_target if found.is_alias else found
    except (KeyError, griffe.AliasResolutionError, griffe.CyclicAliasError):
        return None
    return found if isinstance(found, griffe.Object) else None


def _objects(scope: griffe.Object) -> Iterator[griffe.Object]:
    """The scope and all that is defined in it, imports left out."""
    yield scope
    members: Mapping[str, griffe.Object | griffe.Alias] = scope.members
    for member in members.values():
        if not isinstance(member, griffe.Alias):
            yield from _objects(member)
