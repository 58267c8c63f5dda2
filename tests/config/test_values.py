"""Text of a setting to its value: text as it is, everything else in Hydra's grammar."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from contextssl import advice
from contextssl.commands import COMMANDS
from contextssl.config.overrides import settings_from
from contextssl.config.settings import TrainSettings
from contextssl.config.validation import fields_of, hints_of
from contextssl.config.values import quoted, split, unquoted
from contextssl.errors import SettingsError

TEXTS = [
    "café.csv",
    "p (1).csv",
    "lr=0.1.csv",
    "a#b.csv",
    "a,b.csv",
    "C:\\data\\",
    "${y}",
    "2024_11_25",
    "Income (k$)",
    ";",
    "1e3",
    "[a",
    "it's",
]
ANY_TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1)


def train_settings(*words: str) -> TrainSettings:
    return settings_from("train", TrainSettings, words)


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_text_is_taken_as_it_is_by_every_setting_of_text(command: str, text: str) -> None:
    schema = COMMANDS[command].schema
    names = [
        name
        for name, hint in hints_of(schema).items()
        if hint in (str, str | None) and not fields_of(schema)[name].metadata["choices"] and not fields_of(schema)[name].metadata["names"]
    ]
    settings = settings_from(command, schema, [f"{name}={text}" for name in names])
    assert {getattr(settings, name) for name in names} <= {text}
    # As the documentation once said to write it.
    in_quotes = settings_from(command, schema, [f"{name}={quoted(text)}" for name in names])
    assert {getattr(in_quotes, name) for name in names} <= {text}


@pytest.mark.parametrize("text", TEXTS)
def test_the_names_of_a_list_are_taken_as_they_are(text: str) -> None:
    written = text if split(text) == [text] and text[0] != "[" else quoted(text)
    assert train_settings(f"drop_columns=[age, {written} ,sex]").drop_columns == ["age", text, "sex"]
    assert train_settings(f"drop_columns=[{quoted(text)}]").drop_columns == [text]


@given(ANY_TEXT)
@example("\\'")
@example("'\\")
@example("a\\\\")
def test_quotes_keep_any_text(text: str) -> None:
    assert unquoted(quoted(text)) == text
    assert train_settings(f"path={quoted(text)}").path in (text, str(Path(text).expanduser()))


def test_a_home_folder_is_what_the_shell_makes_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/ada")
    settings = train_settings("path=~/p.csv", "run_dir='~/runs/a b'", "label=~/p.csv", "data_dir=~nobody-here/x")
    assert (settings.path, settings.run_dir) == ("/home/ada/p.csv", "/home/ada/runs/a b")
    assert (settings.label, settings.data_dir) == ("~/p.csv", "~nobody-here/x"), "a column is no path, and nobody has no home"


def test_null_leaves_out_and_in_quotes_is_a_name() -> None:
    assert train_settings("label=null").label is None
    assert train_settings("label='null'").label == "null"


@pytest.mark.parametrize(
    ("word", "value"),
    [
        ("classes=2", 2),
        ("classes=chair", ["chair"]),
        ("classes=[chair, car]", ["chair", "car"]),
        ("classes=null", None),
        ("proxy_columns=Marital status", ["Marital status"]),
        ("proxy_columns={Marital status: sex}", {"Marital status": "sex"}),
        ("proxy_columns={'a:b': sex}", {"a:b": "sex"}),
        ("env_ratio={rotation:0.25,rotation+floor:0.75}", {"rotation": 0.25, "rotation+floor": 0.75}),
        ("env_ratio=[0.5,0.5,0]", [0.5, 0.5, 0.0]),
        ("latent_centre=[1,2]", [1.0, 2.0]),
        ("grid={rotation:7, color: 3}", {"rotation": 7, "color": 3}),
        ("devices=[0,1]", [0, 1]),
        ("devices=auto", "auto"),
        ("epochs=1e3", 1000),
        ("labels=no", False),
        ("factors=crop", ["crop"]),
        ("factors=[crop,mine:Solarize]", ["crop", "mine:Solarize"]),
    ],
)
def test_what_may_be_of_several_kinds(word: str, value: object) -> None:
    assert getattr(train_settings(word), word.partition("=")[0]) == value


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("eval_ctxt=0,2", r"a list is written eval_ctxt=\[0,2\]"),
        ("drop_columns=a,b", r"a list is written drop_columns=\[a,b\]"),
        ("seed=0,1", "-m runs one of each"),
        ("env_ratio=rotation:0.5", r"in quotes, which the shell leaves alone: 'env_ratio=\{"),
        ("run_dir=", "run_dir is empty.*leave run_dir out"),
        ("output_dir=null", "output_dir is 'null'"),
    ],
)
def test_the_likely_fix_is_named(word: str, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        train_settings(word)


@given(st.lists(ANY_TEXT, min_size=1, max_size=3))
def test_an_advised_list_is_read_as_it_was_meant(names: list[str]) -> None:
    names = [name.strip() or "x" for name in names]
    (word,) = shlex.split(advice.named("drop_columns", names))
    assert train_settings(word).drop_columns == names
