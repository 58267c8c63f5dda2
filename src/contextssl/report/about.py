"""What each run was: its settings that matter, data, seed, version, machine, time; and how it was evaluated."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from contextssl import advice
from contextssl.data_set import of_source
from contextssl.records.alarms import alarms_in_short
from contextssl.records.provenance import OWN
from contextssl.report.collect import Run
from contextssl.report.markup import Content, Markup, element, table
from contextssl.report.words import listed

# The training settings shown first.
MATTER = (
    "backbone", "resolution", "projection_dim", "width", "n_layer", "block_size", "epochs", "batch_size", "learning_rate", "weight_decay",
    "optimizer", "temperature", "weight_equiv_loss", "mask_prob", "env_ratio", "env_per", "bottleneck",
)  # fmt: skip
UNSAID = "not recorded"


def run_table(runs: Sequence[Run]) -> Markup:
    """One row per fact, one column per run; facts that differ between runs are bold."""
    facts = [_facts(run) for run in runs]
    head = ["", *(run.name for run in runs)]
    body: list[Sequence[Content]] = []
    for name in dict.fromkeys(key for each in facts for key in each):
        values = [each.get(name, "") for each in facts]
        differ = len(set(values)) > 1
        body.append([name, *(element("span", value, class_="active" if differ else None) for value in values)])
    return table(head if len(runs) > 1 else ["", ""], body, left=len(runs) + 1, class_="settings")


def all_settings(runs: Sequence[Run]) -> Markup:
    names = list(dict.fromkeys(name for run in runs for name in run.settings))
    body = [[name, *(_plain(run.settings.get(name)) for run in runs)] for name in names]
    return table(["setting", *(run.name for run in runs)], body, left=len(runs) + 1)


def _facts(run: Run) -> dict[str, str]:
    about, settings, data = run.about, run.settings, run.about.get("data", {})
    facts = {"data": _data(run, data.get("source") or {}), "data fingerprint": data.get("fingerprint")}
    if about.get("encoder_class"):
        facts["encoder"] = f"your own, {about['encoder_class']}"
    if "load_model" in about:
        facts["model"] = str(about["load_model"])
    facts["seed"] = about.get("seed")
    facts["version, commit"] = ", ".join(str(about[name]) for name in ("version", "commit") if about.get(name)) or None
    facts["trained on"] = _machine(about)
    if about.get("steps") is not None:
        facts["training"] = f"{about['steps']:,} steps, {about.get('images', 0):,} views, {about.get('seconds', 0) / 60:.1f} min"
    if (alarms := alarms_in_short(about)) is not None:
        facts["alarms"] = alarms
    facts["finished"] = about.get("date")
    for name in MATTER:
        if name in settings:
            facts[name.replace("_", " ")] = "the default" if settings[name] is None else settings[name]
    facts |= _evaluated(run)
    if notes := dict.fromkeys(note for evaluation in run.evaluations.values() for note in evaluation.get("notes", ())):
        facts["notes"] = "; ".join(notes)
    return {name: UNSAID if value is None else _plain(value) for name, value in facts.items()}


def data_name(run: Run) -> str:
    return "data of your own" if run.dataset in (None, OWN) else str(run.dataset)


def _data(run: Run, source: dict[str, Any]) -> str:
    name = data_name(run)
    made = of_source(source.get("kind"))
    if made is not None and made.about is not None:
        return f"{name}: {made.about(source)}"
    if isinstance(source.get("items"), dict):
        counts = listed([f"{count:,} {split}" for split, count in source["items"].items()])
        return f"{name}: {counts} images"
    return name


def _machine(about: Any) -> str | None:
    if about.get("device") is None:
        return None
    threads = f", {about['threads']} threads" if about.get("threads") else ""
    machine = f" ({about.get('machine')}{threads})" if about["device"] == "cpu" else ""
    return f"{about['device']}{machine}, torch {about.get('torch')}"


def _evaluated(run: Run) -> dict[str, str]:
    """How the protocols were run: one line for those that were run in the same way."""
    same: dict[str, list[str]] = {}
    for protocol, evaluation in run.evaluations.items():
        checkpoint, chosen = evaluation.get("checkpoint") or "last", evaluation.get("checkpoint_chosen_on")
        said = [
            f"{evaluation.get('items')} {evaluation.get('split')} items",
            f"{evaluation.get('contexts')} contexts",
            f"seed {evaluation.get('seed')}",
            f"{evaluation.get('precision')} on {evaluation.get('device')}",
            f"version {evaluation.get('version')}",
            *([f"checkpoint {checkpoint}{f', chosen on the {chosen} split' if chosen else ''}"] if checkpoint != "last" else []),
            str(evaluation.get("date")),
        ]
        words = ", ".join(part for part in said if "None" not in part)
        same.setdefault(words, []).append(f"{protocol} ({evaluation.get('seconds') or 0:.0f} s)")
    return {f"evaluated: {', '.join(protocols)}": words for words, protocols in same.items()}


def in_short(run: Run) -> str:
    """The run in one line."""
    facts = _facts(run)
    before = {"data": "", "training": "", "trained on": "", "seed": "seed ", "version, commit": "version ", "finished": ""}
    return " · ".join(words + facts[name] for name, words in before.items() if facts.get(name, UNSAID) != UNSAID)


def definitions(runs: Sequence[Run]) -> Markup | None:
    """The definitions of the numbers, as the evaluation recorded them, in a box that opens."""
    made = [evaluation.get("definitions", {}) for run in runs for evaluation in run.evaluations.values()]
    texts = {name: text for each in made for name, text in each.items()}
    entries = [element("li", element("strong", name), ": ", text) for name, text in texts.items()]
    return element("details", element("summary", "Definitions"), element("ul", entries, class_="plain")) if entries else None


def missing(run: Run, protocol: str, why: str) -> Markup:
    """One line in place of missing rows, and the command that makes them."""
    split = [] if run.split == "val" else [f"split={run.split}"]
    command = advice.command(["contextssl", "evaluate", *protocol.split(), run.folder, *split])
    kind, *words = protocol.split()
    heads = " by the published heads" if words else ""
    said = f"{run.name} was not evaluated by {kind}{heads}, so {why} is missing. To add it: "
    return element("p", said, element("code", command), class_="missing")


def _plain(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, list) and all(isinstance(part, str) for part in value):
        return listed(value) if value else "[]"
    return json.dumps(value, ensure_ascii=False)
