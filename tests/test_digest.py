"""Names of plain values."""

from __future__ import annotations

from contextssl.digest import digest_of


def test_equal_values_have_one_name_whatever_the_order_of_their_keys() -> None:
    assert digest_of({"a": 1, "b": [1, 2]}) == digest_of({"b": [1, 2], "a": 1})
    assert len({digest_of(value) for value in ({"a": 1}, {"a": 2}, {"a": "1"}, [1, 2], [2, 1], None)}) == 6


def test_names_stay_what_they_were() -> None:
    """Stores and runs keep them: another name would call the same data others."""
    assert digest_of({"a": 1}) == "f9d86028c6e0d64e"
