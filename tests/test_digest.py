"""Names of plain values."""

from __future__ import annotations

from contextssl.digest import digest_of, digest_of_bytes, number_of


def test_equal_values_have_one_name_whatever_the_order_of_their_keys() -> None:
    assert digest_of({"a": 1, "b": [1, 2]}) == digest_of({"b": [1, 2], "a": 1})
    assert len({digest_of(value) for value in ({"a": 1}, {"a": 2}, {"a": "1"}, [1, 2], [2, 1], None)}) == 6


def test_names_stay_what_they_were() -> None:
    """Stores and runs keep them: another name would call the same data others."""
    assert digest_of({"a": 1}) == "f9d86028c6e0d64e"
    assert digest_of_bytes([b"an array", "and é"]) == "5ec73bbf4bea87ad"
    assert digest_of_bytes(["\udcff"], digits=64) == "a8100ae6aa1940d0b663bb31cd466142ebbdbd5187131b92d93818987832eb89"
    assert number_of("12 345 é") == 217431742532208081


def test_bytes_count_as_one_piece_however_they_come() -> None:
    assert digest_of_bytes([b"ab", "c"]) == digest_of_bytes(["a", b"bc"]) != digest_of_bytes(["abd"])
