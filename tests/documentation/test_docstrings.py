"""Docstrings in the reference: roles lead where the reference shows what they name, and are code elsewhere."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent

import pytest

pytest.importorskip("griffe", reason="the docs extra is not installed")

import griffe

from website.docstrings import Names, rewritten
from website.rooms import ROOMS, Room

MODULES = {
    "shapes.py": '''
        """Shapes."""

        class Shape:
            """A shape."""

            def area(self):
                """Of it."""

            def bare(self):
                pass

            def _own(self):
                """Ours."""
    ''',
    "paint.py": '''
        """Paint."""

        from package.shapes import Shape

        def painted(shape, colour, gloss=1):
            """Painted."""

        def mixed():
            """Mixed."""
    ''',
}


@pytest.fixture
def package() -> Iterator[griffe.Module]:
    with griffe.temporary_visited_package("package", {name: dedent(text) for name, text in MODULES.items()}, init=True) as made:
        yield made


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("see :class:`~package.shapes.Shape`", "see [`Shape`][package.shapes.Shape]"),
        ("see :class:`package.shapes.Shape`", "see [`package.shapes.Shape`][package.shapes.Shape]"),
        (":class:`Shape`, an import here", "[`Shape`][package.shapes.Shape], an import here"),
        (":meth:`Shape.area` of it", "[`Shape.area`][package.shapes.Shape.area] of it"),
        (":meth:`~package.shapes.Shape.bare` has no docstring", "[`bare`][package.shapes.Shape] has no docstring"),
        (":meth:`~package.shapes.Shape._own` neither", "[`_own`][package.shapes.Shape] neither"),
        (":meth:`area\n<package.shapes.Shape.area>` of it", "[`area`][package.shapes.Shape.area] of it"),
        (":func:`mixed` stands on no page", "`mixed` stands on no page"),
        (":mod:`package.paint` neither", "`package.paint` neither"),
        (":class:`~torch.Tensor` is somebody else's", "`Tensor` is somebody else's"),
        ("``x = 1`` and `y`", "`x = 1` and `y`"),
    ],
)
def test_a_role_becomes_a_reference_or_code(package: griffe.Module, written: str, shown: str) -> None:
    names = Names(package, frozenset({"package.shapes", "package.paint.painted"}))
    assert rewritten(written, package["paint.painted"], names) == shown


def test_parameters_of_one_line_have_one_each(package: griffe.Module) -> None:
    text = "Painted.\n\nArgs:\n    shape: a, b: of it\n    colour, gloss: how it\n        looks\n\nRaises:\n    ValueError: one, two: three"
    shown = rewritten(text, package["paint.painted"], Names(package, frozenset()))
    assert "    shape: a, b: of it\n    colour: how it\n        looks\n    gloss: how it\n        looks\n" in shown


def test_a_part_that_is_not_there_is_named(package: griffe.Module, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("website.docstrings.ROOMS", (Room("one", "One", "", ("package.shapes", "package.shapes.Circle")),))
    with pytest.raises(LookupError, match=r"website/rooms.py names shapes.Circle, which package does not have"):
        Names.of(package)


def test_the_docstrings_of_the_package_have_no_roles_left() -> None:
    source = Path(__file__).parents[2] / "src"
    made = griffe.load("contextssl", search_paths=[source], extensions=griffe.load_extensions("website.docstrings"))
    texts = {each.path: each.docstring.value for each in objects(made) if each.docstring is not None}
    assert len(texts) > 1000
    assert [path for path, text in texts.items() if re.search(r":\w+:`|``", text)] == []
    assert "see [`Predictor`][contextssl.models.predictor.Predictor]" in texts["contextssl.models.contextssl.ContextSSL"]
    parts = [part for room in ROOMS for part in room.parts]
    assert len(set(parts)) == len(parts)


def test_the_top_page_has_every_public_name() -> None:
    import contextssl

    assert {part.removeprefix("contextssl.") for part in ROOMS[0].parts} == {*contextssl.__all__} - {"__version__"}


def objects(scope: griffe.Object | griffe.Alias) -> Iterator[griffe.Object | griffe.Alias]:
    yield scope
    for member in scope.members.values():
        if not member.is_alias:
            yield from objects(member)
