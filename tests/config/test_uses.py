"""What is not read is said, and nothing else is."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from contextssl.commands import COMMANDS
from contextssl.config.overrides import experiments, given_words, settings_of
from contextssl.config.uses import EVALUATE_USES, OF_PROTOCOLS, TRAIN_USES, in_all, needless
from contextssl.config.validation import fields_of
from contextssl.data_set import DATA_SETS
from contextssl.errors import SettingsError
from contextssl.method import METHODS
from contextssl.reproduce import EXPERIMENTS
from tests.sources import toy_store


def said(command: str, *words: str) -> list[str]:
    schema = COMMANDS[command].schema
    given = given_words(command, schema, words)
    return needless(command, settings_of(command, schema, given), list(given))


def test_the_tables_name_settings_that_there_are() -> None:
    train, evaluate = fields_of(COMMANDS["train"].schema), fields_of(COMMANDS["evaluate all"].schema)
    for use in TRAIN_USES:
        assert {*use.names, use.where} <= set(train)
    for use in EVALUATE_USES:
        assert {*use.names, use.where} <= set(evaluate)
    assert set(evaluate) >= OF_PROTOCOLS
    for data_set in DATA_SETS.built_in.values():
        assert {*(data_set.reads or ()), *data_set.packed_by} <= set(train), data_set.name
    for method in METHODS.built_in.values():
        assert set(method.reads) <= set(train), method.name


@pytest.mark.parametrize(
    ("command", "words", "expected"),
    [
        (
            "train",
            "dataset=shapes method=simclr corruption=0.9 blur_sigma=[1,2] mask_prob=0.5 n_layer=2 weight_equiv_loss=1 ema_momentum=0.9",
            [
                "not used with dataset=shapes: blur_sigma, corruption",
                "not used with method=simclr: n_layer, mask_prob, weight_equiv_loss, ema_momentum",
            ],
        ),
        ("train", "dataset=images factors=[blur] crop_area=[0.5,1]", ["not used with factors=[blur]: crop_area"]),
        ("train", "dataset=images crop_area=[0.5,1]", []),
        ("train", "dataset=table path=a.csv encoder_width=16 resolution=64", ["not used with dataset=table: resolution"]),
        ("train", "dataset=shapes resize=fast views=7", ["not used with dataset=shapes: resize"]),
        ("evaluate probe", "dataset=3diebench views=7", ["not used with dataset=3diebench: views"]),
        ("evaluate probe", "views=7", []),
        # What a function without arguments makes depends on no setting; what encoder reads it is not known.
        (
            "train",
            "dataset=tests.test_own_data:own_data resolution=64 corruption=0.9 stem=small",
            ["not used with dataset=tests.test_own_data:own_data: resolution, corruption"],
        ),
        ("train", "method=conditional width=64 env_per=sequence bottleneck=0.3", []),
        ("train", "method=conditional mask_prob=0.5 projector_width=8", ["not used with method=conditional: mask_prob, projector_width"]),
        ("train", "method=random epochs=3 temperature=1", ["not used with method=random: temperature, epochs"]),
        ("train", "random_mask=false mask_prob=0.5", ["not used with random_mask=false: mask_prob"]),
        ("train", "label_bins=3", ["not used with weight_labels=0.0: label_bins"]),
        ("train", "weight_labels=1 label_bins=3", []),
        ("train", "run_dir=a output_dir=b", ["not used with run_dir=a: output_dir"]),
        # Defaults are no fault, whatever they are of.
        ("train", "method=simclr mask_prob=0.9 dataset=shapes val_fraction=0.1", []),
        ("demo", "corruption=0.9", ["not used with dataset=shapes: corruption"]),
        (
            "evaluate retrieval",
            "adversaries=[mlp] heads=[ridge] epochs=300",
            ["not used by evaluate retrieval: adversaries, epochs, heads"],
        ),
        ("evaluate probe", "heads=[ridge] epochs=300", ["not used with heads=[ridge]: epochs"]),
        ("evaluate equivariance", "epochs=200 queries=7", ["not used by evaluate equivariance: queries"]),
        ("evaluate all", "heads=[linear,ridge,knn] epochs=20 train_views=5 probe_views=4 queries=10 adversaries=[mlp]", []),
        ("evaluate all", "unseen_classes=[mug]", ["not used by evaluate all: unseen_classes"]),
        ("evaluate all", "foreign={meshes:datasets/meshes}", ["not used by evaluate all: foreign"]),
        ("evaluate context-sensitivity", "foreign={meshes:datasets/meshes} unseen_classes=[mug]", []),
        ("compare", "methods=[simclr,contextssl] mask_prob=0.5 projector_width=8", []),
        ("compare", "methods=[simclr,sie:rotation] mask_prob=0.5", ["not used with methods=simclr/sie: mask_prob"]),
        ("compare", "methods=[simclr] vary={method:[contextssl]} mask_prob=0.5", []),
        (
            "compare",
            "seed=3 run_dir=x",
            ["not used by compare, which has seeds: seed", "not used by compare, which has compare_dir: run_dir"],
        ),
        ("data shapes", "image_format=jpg", ["not used with layout=packed: image_format"]),
        ("data shapes", "grid={rotation:7,color:7} views=9", ["not used with grid={rotation:7,color:7}: views"]),
        ("train", "dataset=shapes grid={rotation:7} views=9", ["not used with grid={rotation:7}: views"]),
        ("train", "dataset=images grid={rotation:7}", ["not used with dataset=images: grid"]),
        ("compare", "dataset=shapes grid={rotation:7} vary={grid:[null,{rotation:3}]} views=9", []),
        ("report", "runs=[a]", []),
    ],
)
def test_what_is_not_read_is_named(command: str, words: str, expected: list[str]) -> None:
    assert said(command, *words.split()) == expected


@pytest.mark.parametrize("name", experiments())
def test_an_experiments_own_words_are_no_fault(name: str) -> None:
    assert said("train", f"experiment={name}", "method=simclr") == []


@pytest.mark.parametrize("name", list(EXPERIMENTS))
@pytest.mark.parametrize("given", [[], ["data_dir=3DIEBench"]])
def test_the_papers_experiments_read_their_own_words(name: str, given: Sequence[str]) -> None:
    assert said("compare", *EXPERIMENTS[name].words(given)) == []


def test_a_packed_store_contradicts_the_words_of_its_making(tmp_path: Path) -> None:
    toy_store(tmp_path, resolution=16)
    here = ["dataset=shapes", f"data_dir={tmp_path}", "resolution=16"]
    for words, names in (
        (["classes=2", "objects=7", "meshes=/nowhere"], "classes, objects, meshes"),
        (["views=9", "data_seed=7"], "views, data_seed"),
    ):
        with pytest.raises(SettingsError, match=f"{names}: .* is a packed store.*leave them out"):
            said("train", *here, *words)
        with pytest.raises(SettingsError, match=names):
            said("evaluate all", *here, *words)
    with pytest.raises(SettingsError, match="grid: .* is a packed store"):
        said("train", *here, "grid={rotation:2}")
    photos = ["dataset=images", f"data_dir={tmp_path}"]
    with pytest.raises(SettingsError, match="val_fraction, split_file, channels, labels: "):
        said("train", *photos, "channels=1", "labels=false", "val_fraction=0.5", "split_file=/nowhere")
    # An experiment's words are not the user's, and defaults say nothing.
    assert said("train", "experiment=shapes_minutes", f"data_dir={tmp_path}", "resolution=16", "data_seed=0") == []


def test_of_a_sweep_what_no_run_reads_is_named() -> None:
    simclr = said("train", "method=simclr", "mask_prob=0.5", "corruption=0.9")
    contextssl = said("train", "mask_prob=0.5", "corruption=0.9")
    assert in_all([simclr, contextssl]) == ["not used with dataset=3diebench: corruption"]
    assert in_all([simclr, simclr]) == simclr
    assert in_all([contextssl, []]) == []
