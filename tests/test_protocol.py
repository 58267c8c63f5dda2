"""What protocols say of themselves: which settings each uses, so that what is compared was evaluated in the same way."""

from __future__ import annotations

import dataclasses

import pytest

from contextssl.config.evaluation_settings import CHANGE_NOTHING, READ_BY_ALL, EvaluateSettings
from contextssl.protocol import PROTOCOLS, definitions_of, in_all, metric_of, settings_read, settings_that_count

EVERY = {field.name for field in dataclasses.fields(EvaluateSettings)}


def test_every_setting_is_read_by_some_protocol_and_every_name_is_a_setting() -> None:
    named = {*READ_BY_ALL, *(name for protocol in PROTOCOLS.built_in.values() for name in protocol.reads)}
    assert named == EVERY, "a setting that is added belongs into READ_BY_ALL, or what a protocol reads"
    for protocol in PROTOCOLS.built_in.values():
        assert not set(protocol.reads) & set(READ_BY_ALL) and len(set(protocol.reads)) == len(protocol.reads)


@pytest.mark.parametrize("name", list(PROTOCOLS.built_in))
def test_what_counts_is_all_that_is_read_but_where_things_are(name: str) -> None:
    protocol = PROTOCOLS.find(name)
    read, counts = settings_read(protocol), settings_that_count(protocol)
    assert set(read) - set(counts) == set(CHANGE_NOTHING) and len(set(read)) == len(read)
    for shared in ("contexts", "items", "seed", "split", "eval_ctxt", "environments", "precision", "checkpoint"):
        assert shared in counts
    if name in ("probe", "geometry"):
        assert {"neighbours", "train_items", "train_views", "probe_views", "bottleneck"} <= set(counts)


def test_a_former_name_is_accepted_with_a_warning() -> None:
    with pytest.warns(UserWarning, match="the protocol reading is called context-sensitivity"):
        assert PROTOCOLS.find("reading") is PROTOCOLS.find("context-sensitivity")
    assert "reading" not in PROTOCOLS.names()


def test_which_protocols_are_run_together() -> None:
    assert [protocol.name for protocol in in_all("images")] == ["equivariance", "probe", "geometry", "retrieval"]
    assert {protocol.name for protocol in in_all()} - {protocol.name for protocol in in_all("images")} == {"fairness", "partners"}
    # Of listed pairs there is no factor value to read.
    assert [protocol.name for protocol in in_all("pairs") if not protocol.reads_values] == ["partners"]


def test_retrieval_as_published_is_of_the_training_split() -> None:
    published, ours = EvaluateSettings(sources="published"), EvaluateSettings(split="test")
    assert PROTOCOLS.find("retrieval").split(published) == "train" and PROTOCOLS.find("retrieval").split(ours) == "test"
    assert PROTOCOLS.find("probe").split(published) == "val"


def test_every_number_is_named_and_defined() -> None:
    assert metric_of("angle_deg").unit == "°" and metric_of("hit@5").title == "H@5" and metric_of("factor_nats").digits == 2
    for protocol in PROTOCOLS.built_in.values():
        assert {"r2_pooled", "ridge", "length", "mean, std"} <= set(definitions_of(protocol))
    assert "pre" in definitions_of(PROTOCOLS.find("retrieval")) and "pre" not in definitions_of(PROTOCOLS.find("probe"))
