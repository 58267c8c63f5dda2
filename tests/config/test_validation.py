"""Every setting of every command is of its type and in its range, or one line says what it takes."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from contextssl.commands import COMMANDS
from contextssl.config.overrides import settings_from
from contextssl.config.settings import TrainSettings
from contextssl.config.uses import needless
from contextssl.config.validation import checked, fields_of, hints_of
from contextssl.config.values import conform
from contextssl.errors import SettingsError

TRAIN_FIELDS, EVALUATE_FIELDS = fields_of(COMMANDS["train"].schema), fields_of(COMMANDS["evaluate all"].schema)
STRANGE = [
    "foo",
    "0.5",
    "-1",
    "0",
    "[]",
    "{a:1}",
    "[{a:[1]}]",
    "null",
    "true",
    "nan",
    "-inf",
    "1e400",
    "",
    "[",
    "${x}",
    "a,b",
    "\\",
    "[nan]",
    "9" * 400,
]


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_no_word_ends_in_anything_but_settings_or_one_line(command: str) -> None:
    schema = COMMANDS[command].schema
    # Settings that commands share are tried once.
    shared = {"train": {}, "evaluate all": {}}.get(command, {**TRAIN_FIELDS, **EVALUATE_FIELDS})
    for name, field in fields_of(schema).items():
        for text in STRANGE if field is not shared.get(name) else ():
            try:
                settings = settings_from(command, schema, [f"{name}={text}"])
                needless(command, settings, [name])
            except SettingsError as error:
                assert "\n" not in str(error) and name in str(error)
                continue
            value = getattr(settings, name)
            assert conform(value, hints_of(schema)[name]) == value


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_defaults_are_of_their_types_and_in_their_ranges(command: str) -> None:
    schema = COMMANDS[command].schema
    assert checked(schema()) == schema()
    assert Any not in hints_of(schema).values(), "a setting of any type takes whatever makes a traceback later"


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("width=0", "width is 0: it must be at least 1"),
        ("n_head=0", "n_head is 0"),
        ("seed=-1", "seed is -1: it must be 0 or more"),
        ("resolution=0", "resolution is 0"),
        ("temperature=0", "temperature is 0: it must be above 0"),
        ("mask_prob=1.5", "mask_prob is 1.5: it must be at least 0 and at most 1"),
        ("ema_momentum=1", "ema_momentum is 1: it must be at least 0 and below 1"),
        ("learning_rate=nan", "learning_rate is 'nan': it takes a number"),
        ("eval_ctxt=[0,-2]", "eval_ctxt holds -2"),
        ("vicreg_coefficients=[1,-1,1]", "vicreg_coefficients holds -1"),
        ("env_ratio={rotation:1.5}", "env_ratio holds 1.5"),
        ("accelerator=xpu", "unknown accelerator 'xpu'.*choices: auto, cpu"),
        ("classes={a:1}", "classes is '{a:1}': it takes a whole number or a list of names"),
        ("latent_scale=0", "latent_scale is '0': it takes a list of numbers"),
        (f"run_dir={'x' * 300}", "run_dir is 'xxx.*name has at most 255 bytes"),
        ("devices=0", r"devices is 0: it takes auto, how many \(1 or more, -1 for all\), or which, \[0,1\]"),
        ("devices=[]", "devices is \\[\\]: it takes auto"),
        ("devices=foo", "devices is 'foo': it takes auto"),
        ("devices={}", "devices is '{}': it takes a whole number or a list of whole numbers"),
    ],
)
def test_what_is_out_of_range_is_said_with_the_range(word: str, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        settings_from("train", TrainSettings, [word])


@pytest.mark.parametrize(
    ("vary", "message"),
    [
        ("{width:[32,foo]}", "vary: width holds .*: width takes a whole number"),
        ("{width:[32,0]}", "width is 0: it must be at least 1"),
        ("{stem:[tiny]}", "unknown stem 'tiny'"),
        ("{widht:[32]}", "vary: unknown setting 'widht': did you mean 'width'"),
        ("3", "vary is '3': it takes a mapping of names to lists"),
        ("{width:32}", "vary is '{width:32}'"),
    ],
)
def test_values_that_are_varied_are_of_their_settings_types(vary: str, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        settings_from("compare", COMMANDS["compare"].schema, [f"vary={vary}"])


@pytest.mark.usefixtures("unchecked_types")
def test_settings_made_in_python_are_checked_too() -> None:
    wrong: tuple[tuple[str, Any], ...] = (
        ("seed", -1),
        ("epochs", "many"),
        ("mask_prob", float("nan")),
        ("env_ratio", "foo"),
        ("width", 2.5),
        ("stem", "tiny"),
    )
    for name, value in wrong:
        with pytest.raises(SettingsError, match=name):
            checked(dataclasses.replace(TrainSettings(), **{name: value}))
    assert checked(TrainSettings(env_ratio=(0.5, 0.5, 0.0), learning_rate=1))  # type: ignore[arg-type]
