"""An evaluation from settings to results: its model, its data, every protocol, and what is written when each is done."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from contextssl.config.evaluation_settings import BASELINES, CLASSIFIERS, EvaluateSettings
from contextssl.config.own_settings import check_own, declared_by
from contextssl.config.validation import checked
from contextssl.data.dataset import data_kind
from contextssl.errors import SettingsError, nearest
from contextssl.evaluation.cache import code_fingerprint
from contextssl.evaluation.evaluated import Evaluated, open_evaluated
from contextssl.evaluation.plan import CACHE as CACHE
from contextssl.evaluation.plan import Plan as Plan
from contextssl.models.weights_mark import weights_fingerprint
from contextssl.protocol import PROTOCOLS, Protocol, definitions_of, in_all
from contextssl.records.provenance import OWN, describe_run
from contextssl.records.results import RESULTS, ResultRow, evaluation_name, evaluation_of, read_results, update_results
from contextssl.system.device import chosen_device
from contextssl.version import __version__

VIEWS = {"rows": "rows of a table (dataset=adult, mimic3 or table)", "images": "images", "pairs": "listed pairs (dataset=pairs)"}


def evaluate(settings: EvaluateSettings, protocols: Sequence[str] | None = None, *, evaluated: Evaluated | None = None) -> Path:
    """Evaluate a model by some protocols, and return the folder of its ``results.json``.

    Rows of the same protocols and split are replaced there, others kept; ``run["evaluations"]`` says how each protocol's were made. They are
    written when a protocol is done, into the file as it then is: what another process has added meanwhile stays.

    Args:
        protocols: by their names, or a user's own as ``package.module:Name``; default: those of ``evaluate all`` that the data allow.
        evaluated: your own model and data, in place of ``settings.load_model`` and the data settings.

    Raises:
        SettingsError, DataError, CheckpointError: for what is wrong with each, before anything is computed; and where existing results that
            stay are of other weights.
    """
    named = None if protocols is None else [PROTOCOLS.find(name) for name in protocols]
    check_settings(settings, named or in_all())
    evaluated = evaluated if evaluated is not None else open_evaluated(settings)
    has_values = evaluated.data.train.factors.has_values
    views = "rows" if evaluated.data.columns is not None else "images" if has_values else "pairs"
    reads_actions = evaluated.model.reads_actions
    for protocol in named or ():
        if protocol.reads_values and not has_values:
            raise SettingsError(f"{protocol.name} reads factor values, and of listed pairs there are none: evaluate partners")
        if protocol.views not in (None, views):
            raise SettingsError(f"{protocol.name} is for {VIEWS[protocol.views]}; these views are {VIEWS[views].split(' (')[0]}")
        if protocol.predicts and not reads_actions:
            raise SettingsError(
                f"{protocol.name} asks what an action makes of a view, and this model was trained with context=examples, without actions"
            )
    usual = [each for each in in_all(views) if (reads_actions or not each.predicts) and (has_values or not each.reads_values)]
    chosen = named if named is not None else usual
    model = evaluated.model.to(chosen_device(settings.accelerator))
    plan = Plan.of(settings, evaluated)
    if plan.embedder.share.rank > 0:
        # The first process does the rest.
        for shown in (plan.train, plan.test):
            plan.embedder.share_of(shown)
        return evaluated.folder
    weights = {plan.embedder.weights, weights_fingerprint(model, model.architecture())}
    asked = {evaluation_name(protocol.name, protocol.split(settings)) for protocol in chosen}
    if (evaluated.folder / RESULTS).is_file():
        _check_weights(read_results(evaluated.folder)[0], asked, weights, evaluated)

    def add(
        which: tuple[str, str], rows: list[ResultRow], about: dict[str, Any], run: dict[str, Any] | None, before: list[ResultRow]
    ) -> tuple[dict[str, Any], list[ResultRow]]:
        run = run if run is not None else _described(evaluated, settings)
        if evaluated.own_encoder is not None:
            # Results from before it was recorded do not say so.
            run = {**run, "encoder": OWN, "encoder_class": evaluated.own_encoder}
        _check_weights(run, asked, weights, evaluated)
        # What is yet to be made anew, and is of other weights, is removed at once.
        kept = {name: made for name, made in run.get("evaluations", {}).items() if made.get("weights") in (None, *weights)}
        gone = {which} | {evaluation_of(name) for name in run.get("evaluations", {}) if name not in kept}
        kept[evaluation_name(*which)] = about
        return {**run, "evaluations": kept}, [*(row for row in before if (row.protocol, row.split) not in gone), *rows]

    for protocol in chosen:
        began = time.monotonic()
        rows = [dataclasses.replace(row, weights=plan.embedder.weights) for row in protocol.rows(plan)]
        about = _about(plan, protocol, evaluated, round(time.monotonic() - began, 2))
        if verdict := protocol.says(rows):
            about["verdict"] = dataclasses.asdict(verdict)
        update_results(evaluated.folder, partial(add, (protocol.name, about["split"]), rows, about))
    return evaluated.folder


def check_settings(settings: EvaluateSettings, protocols: Sequence[Protocol]) -> None:
    """SettingsError for invalid values, naming the setting, before anything is computed."""
    checked(settings)
    check_own(settings, [*declared_by(settings), *(protocol.settings for protocol in protocols if protocol.settings is not None)])
    for what, names, known in (("adversaries", settings.adversaries, CLASSIFIERS), ("baselines", settings.baselines, BASELINES)):
        for name in names:
            if name not in known:
                raise SettingsError(f"{what} holds {name!r}: {nearest(name, known)} (choices: {', '.join(known)})")
    if not settings.bottleneck:
        raise SettingsError("bottleneck is []: give noise shares of 0 or more, such as [0,0.3,1.0]")
    if (settings.image_mean is None) != (settings.image_std is None):
        raise SettingsError("image_mean and image_std go together: give both or neither")


def _about(plan: Plan, protocol: Protocol, evaluated: Evaluated, seconds: float) -> dict[str, Any]:
    """How a protocol's rows were made."""
    settings, views = plan.settings, plan.test_of(protocol)
    return {
        "settings": dataclasses.asdict(settings),
        "split": views.split,
        "seed": settings.seed,
        "contexts": settings.contexts,
        "context_pairs": plan.embedder.contexts.pairs,
        "context_lengths": list(plan.lengths),
        "environments": [environment.name for environment in plan.environments_of(protocol)],
        "items": views.num_items,
        "train_items": plan.train.num_items,
        "definitions": definitions_of(protocol),
        "notes": plan.notes,
        "version": __version__,
        "code": code_fingerprint(),
        "precision": plan.embedder.precision,
        "device": plan.embedder.device.type,
        "checkpoint": evaluated.checkpoint,
        "checkpoint_chosen_on": evaluated.chosen_on,
        "weights": plan.embedder.weights,
        "data": {**plan.embedder.data, "kind": data_kind(evaluated.data)},
        "seconds": seconds,
        "date": time.strftime("%Y-%m-%d %H:%M:%S"),
    }


def _check_weights(run: dict[str, Any], asked: set[str], weights: set[str], evaluated: Evaluated) -> None:
    """SettingsError where rows that stay are of other weights than those that are made: one results file is of one model."""
    others = {
        name: made.get("checkpoint") or made.get("settings", {}).get("checkpoint")
        for name, made in run.get("evaluations", {}).items()
        if name not in asked and made.get("weights") not in (None, *weights)
    }
    if not others:
        return
    there = ", ".join(name if checkpoint is None else f"{name} of {checkpoint}" for name, checkpoint in others.items())
    ours = "these" if evaluated.file is None else evaluated.file.name
    raise SettingsError(
        f"{evaluated.folder / RESULTS} holds numbers of other weights than {ours} ({there}), and one file is of one model: "
        f"give run_dir=FOLDER to keep these numbers in a folder of their own, or evaluate those protocols again too"
    )


def _described(evaluated: Evaluated, settings: EvaluateSettings) -> dict[str, Any]:
    """A description of the run, where there are no results yet."""
    if evaluated.settings is not None:
        return describe_run(evaluated.settings, evaluated.data, evaluated.own_encoder)
    about = {"load_model": settings.load_model, "architecture": evaluated.model.architecture()}
    data = {**evaluated.data.description, "kind": data_kind(evaluated.data)}
    return {**about, "data": data, "encoder": evaluated.backbone or OWN}
