"""Which settings each protocol reads: none is forgotten, so that what is compared was measured alike."""

from __future__ import annotations

import dataclasses

import pytest

from contextssl.config.evaluation_settings import EvaluateSettings
from contextssl.config.protocols import (
    CHANGE_NOTHING,
    FURTHER_PROTOCOLS,
    PROTOCOLS,
    READ_BY_ALL,
    READS,
    evaluation_name,
    rows_split,
    settings_read,
    settings_that_count,
)

EVERY = {field.name for field in dataclasses.fields(EvaluateSettings)}


def test_every_setting_is_read_by_some_protocol_and_every_name_is_a_setting() -> None:
    assert set(READS) == {*PROTOCOLS, *FURTHER_PROTOCOLS}
    named = {*READ_BY_ALL, *(name for own in READS.values() for name in own)}
    assert named == EVERY, "a setting that is added belongs into READS or READ_BY_ALL"
    for own in READS.values():
        assert not set(own) & set(READ_BY_ALL) and len(set(own)) == len(own)


@pytest.mark.parametrize("protocol", [*READS, "all"])
def test_what_counts_is_all_that_is_read_but_where_things_are(protocol: str) -> None:
    read, counts = settings_read(protocol), settings_that_count(protocol)
    assert set(read) - set(counts) == set(CHANGE_NOTHING) and len(set(read)) == len(read)
    for name in ("contexts", "items", "seed", "split", "eval_ctxt", "environments", "precision", "checkpoint"):
        assert name in counts
    if protocol in ("probe", "geometry", "all"):
        assert {"neighbours", "train_items", "train_views", "probe_views", "bottleneck"} <= set(counts)


def test_names_of_evaluations() -> None:
    assert [evaluation_name("probe", split) for split in ("val", "train")] == ["probe", "probe (train)"]
    assert rows_split("retrieval", "val", "published") == "train" and rows_split("retrieval", "test", "all") == "test"
    assert rows_split("probe", "val", "published") == "val"
