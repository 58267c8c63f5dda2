from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from contextssl.commands import COMMANDS
from contextssl.config.comparison_settings import CompareSettings
from contextssl.config.data_settings import CheckSettings, RenderSettings
from contextssl.config.overrides import experiments, help_text, settings_from
from contextssl.config.settings import TrainSettings
from contextssl.data.environment_mix import EnvironmentMix
from contextssl.data.published_latents import FACTORS
from contextssl.data_set import DATA_SETS
from contextssl.errors import SettingsError
from contextssl.reproduce import EXPERIMENTS

PUBLISHED = (
    "backbone=resnet18 epochs=1000 n_layer=3 block_size=128 log_interval=5 projection_dim=512 learning_rate=5e-5 temperature=0.1 "
    "weight_equiv_loss=5.0 env_ratio=[0.5,0.5,0.0] eval_normalize=True random_mask=True mask_prob=0.9 weight_decay=1e-3"
)


def train_settings(*words: str) -> TrainSettings:
    return settings_from("train", TrainSettings, words)


def test_the_published_command_line_is_the_default() -> None:
    with pytest.warns(UserWarning, match="eval_normalize=True is accepted but means nothing here"):
        assert train_settings(*PUBLISHED.split()) == TrainSettings(env_ratio=[0.5, 0.5, 0.0])
    assert EnvironmentMix.parse(None, FACTORS) == EnvironmentMix.parse([0.5, 0.5, 0.0], FACTORS)


def test_values_are_typed() -> None:
    settings = train_settings("epochs=3", "learning_rate=1e-3", "random_mask=false", "run_dir=runs/a b", "eval_ctxt=[0,2]", "devices=2")
    assert (settings.epochs, settings.learning_rate, settings.random_mask, settings.run_dir) == (3, 1e-3, False, "runs/a b")
    assert settings.eval_ctxt == [0, 2] and settings.devices == 2
    assert train_settings("env_ratio={rotation:0.5,none:0.5}").env_ratio == {"rotation": 0.5, "none": 0.5}


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("epohcs=3", "unknown setting 'epohcs' of train: did you mean 'epochs'"),
        ("zzzz=3", r"unknown setting 'zzzz' of train: the nearest are \w+, \w+, \w+ \("),
        ("epochs=many", "epochs is 'many': it takes a whole number"),
        ("epochs=1.5", "epochs is '1.5': it takes a whole number"),
        ("stem=tiny", "unknown stem 'tiny'.*choices: default, small"),
        ("dataset=shape", "unknown dataset 'shape': did you mean 'shapes'"),
        ("experiment=shapes_minute", "unknown experiment 'shapes_minute': did you mean 'shapes_minutes'"),
        ("epochs", "'epochs' is not a setting of train: write key=value"),
        ("env_ratio=[0.5,", "env_ratio is .*: it takes a list of numbers"),
        ("+epochs=3", "can be set, but not added or removed"),
        ("~epochs", "can be set, but not added or removed"),
        ("--epochs=3", "settings are written key=value, without dashes"),
    ],
)
def test_words_that_cannot_be(word: str, message: str) -> None:
    with pytest.raises(SettingsError, match=message) as caught:
        train_settings(word)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", experiments())
def test_experiments_are_settings_and_can_be_overridden(name: str) -> None:
    settings = train_settings(f"experiment={name}")
    assert settings != TrainSettings()
    assert train_settings(f"experiment={name}", "epochs=7") == dataclasses.replace(settings, epochs=7)


def test_a_mapping_takes_the_place_of_an_experiments_list() -> None:
    asked = ["experiment=shapes_minutes", "env_ratio={rotation:0.5,none:0.5}"]
    assert settings_from("train", TrainSettings, asked).env_ratio == {"rotation": 0.5, "none": 0.5}
    assert settings_from("train", TrainSettings, ["experiment=shapes_minutes", "env_ratio=[0.1,0.8,0.1]"]).env_ratio == [0.1, 0.8, 0.1]
    # A mapping that is given twice is not merged: the last word counts.
    twice = settings_from("train", TrainSettings, [*asked, "env_ratio={color:1}"])
    assert twice.env_ratio == {"color": 1}


@pytest.mark.parametrize("name", list(EXPERIMENTS))
def test_the_papers_experiments_are_settings_with_and_without_3diebench(name: str) -> None:
    for given in ([], ["data_dir=3DIEBench"]):
        settings = settings_from("compare", CompareSettings, EXPERIMENTS[name].words(given))
        assert settings.compare_dir == f"runs/{name}"
    assert settings_from("compare", CompareSettings, EXPERIMENTS["single"].words([])).env_ratio == {"rotation": 0.5, "none": 0.5}


def test_defaults_follow_the_data_set() -> None:
    """As the paper's run where it makes sense, and as an experiment that ships where not."""
    assert settings_from("train", TrainSettings, ["dataset=adult"]) == settings_from("train", TrainSettings, ["experiment=adult"])
    for dataset, usual in {name: each.usual for name, each in DATA_SETS.built_in.items() if each.usual}.items():
        made = settings_from("train", TrainSettings, [f"dataset={dataset}", "epochs=2"])
        named = settings_from("train", TrainSettings, [f"experiment={usual}", f"dataset={dataset}", "epochs=2"])
        assert made == named and made.dataset == dataset
        assert settings_from("train", TrainSettings, [f"dataset={dataset}", "experiment=null"]) == TrainSettings(dataset=dataset)
    assert settings_from("train", TrainSettings, ["dataset=images", "experiment=shapes_minutes"]).bottleneck == 0.5
    for dataset in ("images", "cifar10"):
        made = settings_from("train", TrainSettings, ["context=examples", f"dataset={dataset}"])
        assert made == settings_from("train", TrainSettings, ["experiment=photos_examples", f"dataset={dataset}"])
        assert made.context == "examples" and made.negatives == "sequence" and made.weight_equiv_loss == 0
        evidence = settings_from("train", TrainSettings, [f"dataset={dataset}", "context=evidence"])
        assert evidence.weight_equiv_loss == 2 and evidence.context == "evidence"
    for dataset in ("3diebench", "shapes"):
        assert settings_from("train", TrainSettings, [f"dataset={dataset}"]) == TrainSettings(dataset=dataset)
    with pytest.raises(SettingsError, match="unknown dataset 'adlut'"):
        settings_from("train", TrainSettings, ["dataset=adlut"])


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_help_tells_every_setting_with_its_default(command: str) -> None:
    schema = COMMANDS[command].schema
    text = help_text(command, schema, COMMANDS[command].intro)
    for field in dataclasses.fields(schema):
        assert f"  {field.name}=" in text
        meaning = field.metadata["help"]
        meaning = meaning if isinstance(meaning, str) else meaning()
        assert meaning.split()[0] in text and len(meaning) > 5
    assert max(len(line) for line in text.splitlines()) <= 140


@pytest.mark.parametrize(("command", "schema"), [("data shapes", RenderSettings), ("data check", CheckSettings)])
def test_each_command_has_its_own_settings(command: str, schema: type[Any]) -> None:
    assert settings_from(command, schema, []) == schema()
    with pytest.raises(SettingsError, match=f"unknown setting 'epochs' of {command}"):
        settings_from(command, schema, ["epochs=3"])
