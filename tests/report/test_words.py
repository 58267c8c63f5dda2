"""How names are written on the page."""

from __future__ import annotations

import pytest

from contextssl.report.words import a_context, active_name, environment_name


@pytest.mark.parametrize(
    ("environment", "kind", "active", "sentence"),
    [
        ("color", "colour", "colour", "a colour context"),
        ("rotation+color", "rotation + colour", "rotation + colour", "a rotation + colour context"),
        ("none", "invariant", "no factor", "an invariant context"),
        ("age", "age", "age", "an age context"),
        ("Ethnicity", "Ethnicity", "Ethnicity", "an Ethnicity context"),
        ("nonesuch", "nonesuch", "nonesuch", "a nonesuch context"),
    ],
)
def test_an_environment_in_words(environment: str, kind: str, active: str, sentence: str) -> None:
    assert (environment_name(environment), active_name(environment), a_context(environment)) == (kind, active, sentence)


def test_no_context_is_not_an_empty_one() -> None:
    assert environment_name(None) == "no context"
