"""What a comparison trains: a variant is a method, or changed settings, under a name; each seed of it is a run in a folder of its own."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from contextssl.config.settings import TrainSettings
from contextssl.config.validation import fields_of
from contextssl.errors import SettingsError, nearest
from contextssl.method import COMPARED, METHODS, method_and_condition
from contextssl.training.resume import FREE_TO_CHANGE

# Settings that don't change a run's numbers: a comparison may resume with other values. How long a run trains does change them.
WHERE_AND_HOW = {"seed", "output_dir", "run_dir", "resume", *FREE_TO_CHANGE} - {"max_minutes"}


@dataclass(frozen=True)
class Variant:
    """One line of a comparison; ``name``, ``group`` and ``published`` as of an :class:`~contextssl.report.entries.Entry`.

    Args:
        changes: settings that differ from those of the whole comparison.
    """

    name: str
    group: str
    changes: Mapping[str, Any] = field(default_factory=dict)
    published: str | None = None

    def settings(self, base: TrainSettings, seed: int, root: Path) -> TrainSettings:
        """The settings of one run. ``base`` may have more than those of training."""
        values = {each.name: getattr(base, each.name) for each in dataclasses.fields(TrainSettings)}
        made = TrainSettings(**{**values, **self.changes, "seed": seed, "run_dir": str(self.folder(root, seed))})
        # Settings that other methods of the comparison declare mean nothing to this one.
        others = _declared(*getattr(base, "methods", ())) - _declared(made.method)
        made.own = {name: value for name, value in made.own.items() if name not in others}
        return made

    def folder(self, root: Path, seed: int) -> Path:
        plain = "".join(letter if letter.isalnum() or letter in "+-_." else "-" for letter in self.name)
        return root / plain / f"seed{seed}"


def _declared(*methods: str) -> set[str]:
    """The own settings of methods, named as in a comparison."""
    schemas = [COMPARED.find(named).settings for named in methods]
    return {name for schema in schemas if schema is not None for name in fields_of(schema)}


def method_variants(names: Sequence[str], conditions: Sequence[str]) -> list[Variant]:
    """The methods named; one that follows an action once per condition, unless its name has one (``sie:rotation``).

    Args:
        conditions: environments, such as ``rotation`` or ``rotation+color``.

    Raises:
        SettingsError: for an unknown method, one named twice, or a condition for a method without.
    """
    variants: list[Variant] = []
    for named in names:
        name, own = method_and_condition(named)
        method = METHODS.find(name)
        if method.aim == "equivariance":
            for condition in [own] if own else conditions:
                variants.append(Variant(f"{name}:{condition}", condition, {"method": name, "condition": condition}, method.title))
        elif own:
            raise SettingsError(f"{named}: {name} does not follow one action, so it takes no condition: name it without")
        else:
            variants.append(Variant(name, method.aim, {"method": name}, method.title))
    if twice := [name for name, count in Counter(variant.name for variant in variants).items() if count > 1]:
        raise SettingsError(f"{twice[0]} is named twice in methods: name it once")
    if not variants:
        raise SettingsError("methods names no method: name at least one, such as methods=[contextssl,simclr]")
    return variants


def varied(variants: Sequence[Variant], vary: Mapping[str, Sequence[Any]] | None) -> list[Variant]:
    """Each variant with each value of each varied setting, one at a time.

    Raises:
        SettingsError: for an unknown setting, or one without values.
    """
    if vary is None:
        return list(variants)
    known = {each.name for each in dataclasses.fields(TrainSettings)}
    made = []
    for setting, values in vary.items():
        if setting not in known:
            raise SettingsError(f"vary: unknown setting {setting!r}: {nearest(str(setting), known)}")
        if not isinstance(values, Sequence) or isinstance(values, str) or not len(values):
            raise SettingsError(f"vary: {setting} needs a list of values, such as {{{setting}:[1,2]}}")
        for variant in variants:
            for value in values:
                name = f"{setting}={_plain(value)}" if len(variants) == 1 else f"{variant.name}, {setting}={_plain(value)}"
                made.append(replace(variant, name=name, changes={**variant.changes, setting: value}, published=None))
    return made


def _plain(value: Any) -> str:
    if isinstance(value, Mapping):
        return " ".join(f"{key}:{each:g}" if isinstance(each, int | float) else f"{key}:{each}" for key, each in value.items())
    return f"{value:g}" if isinstance(value, int | float) and not isinstance(value, bool) else str(value)


def differing(there: Mapping[str, Any], wanted: TrainSettings) -> list[str]:
    """The settings that change what is computed and differ between the existing run and the wanted one, as ``epochs: 3 there, 4 asked``."""
    asked = dataclasses.asdict(wanted)
    return [
        f"{name}: {there[name]} there, {asked[name]} asked"
        for name in asked
        if name in there and name not in WHERE_AND_HOW and there[name] != asked[name]
    ]
