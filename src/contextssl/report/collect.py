"""Runs read from their folders: description, rows, training curves; and whether several were evaluated in the same way."""

from __future__ import annotations

import math
import warnings
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from contextssl import advice
from contextssl.data_set import known_data_set, own_name
from contextssl.errors import DataError, SettingsError
from contextssl.evaluation.contexts import REPORTED_LENGTH
from contextssl.method import METHODS
from contextssl.protocol import PROTOCOLS
from contextssl.records.metrics_lines import Lines, read_lines
from contextssl.records.provenance import OWN
from contextssl.records.results import METRICS_CHECKSUM, RESULTS, ResultRow, evaluation_name, evaluation_of, read_results

METRICS = "metrics.csv"
# A warning names at most this many runs of one kind, and counts the others.
NAMED = 3
PAPERS_RESOLUTION = 128
# Settings of an encoder beyond its name.
PAPERS_ENCODER = {"stem": "default", "pool": "average", "feature_norm": "none", "pretrained": False}


@dataclass(frozen=True)
class Run:
    """One run of a report.

    Args:
        name: what it is called on the page.
        about: what made it, as in ``results.json``.
        rows: its numbers, of one split (and those of training).
        training: by name the curve of a meter, as (step, value).
        retrieval_as_published: whether the rows of retrieval are of the training split, as published, in the place of ``split``.
    """

    folder: Path
    name: str
    about: Mapping[str, Any]
    rows: tuple[ResultRow, ...]
    training: Mapping[str, Sequence[tuple[int, float]]]
    split: str
    retrieval_as_published: bool = False

    @property
    def settings(self) -> Mapping[str, Any]:
        """Of the training; with data or an encoder of the user's own, ``dataset`` and ``backbone`` say so."""
        given = self.about.get("settings", {})
        said = {"dataset": self.trained_on, "backbone": self.encoder}
        return {**given, **{name: value for name, value in said.items() if value is not None and name in given}}

    @property
    def trained_on(self) -> str | None:
        """The kind of the data that it was trained on; ``"own"`` where nothing says where they came from."""
        data, named = self.about.get("data", {}), self.about.get("settings", {}).get("dataset")
        if data.get("kind") is not None:
            return str(data["kind"])
        # Results from before the kind was recorded: data that were opened by their name have a path.
        return None if named is None else str(named) if data.get("path") is not None else OWN

    @property
    def encoder(self) -> str | None:
        """The backbone, or ``"own"``; None where it was not recorded."""
        found = self.about.get("encoder") or self.about.get("settings", {}).get("backbone")
        return None if found is None else str(found)

    @property
    def dataset(self) -> str | None:
        """The kind of the data of the evaluation where that was recorded or given, else of the training."""
        for evaluation in self.evaluations.values():
            data, settings = evaluation.get("data", {}), evaluation.get("settings", {})
            if named := data.get("kind") or (OWN if own_name(settings.get("dataset")) else settings.get("dataset")):
                return str(named)
        return self.trained_on or ("3diebench" if "load_model" in self.about else None)

    @property
    def has_values(self) -> bool:
        """Whether its factors have values; of listed pairs they have none."""
        data_set = known_data_set(self.dataset)
        source = self.about.get("data", {}).get("source")
        of_kinds = isinstance(source, Mapping) and "kinds" in source
        return not of_kinds and (data_set is None or data_set.has_values)

    @property
    def in_papers_setting(self) -> bool:
        """Whether the paper's numbers are of the same data, image size and encoder: 3DIEBench at 128 px, an unchanged ResNet-18."""
        given = [evaluation.get("settings", {}).get("resolution") for evaluation in self.evaluations.values()]
        resolutions = {number for number in given if number is not None} or {self.settings.get("resolution", PAPERS_RESOLUTION)}
        changed = [name for name, usual in PAPERS_ENCODER.items() if self.settings.get(name, usual) != usual]
        return self.dataset == "3diebench" and self.encoder == "resnet18" and resolutions == {PAPERS_RESOLUTION} and not changed

    @property
    def evaluations(self) -> Mapping[str, Mapping[str, Any]]:
        """How each protocol's rows were made, by protocol."""
        made = {evaluation_of(name): about for name, about in self.about.get("evaluations", {}).items()}
        split_of = {protocol: "train" if protocol == "retrieval" and self.retrieval_as_published else self.split for protocol, _ in made}
        own = {protocol: about for (protocol, split), about in made.items() if split == split_of[protocol]}
        return {protocol: own[protocol] for protocol in in_order(own)}

    @property
    def environments(self) -> list[str]:
        return list(dict.fromkeys(row.environment for row in self.rows if row.environment is not None))

    @property
    def factors(self) -> list[str]:
        return list(dict.fromkeys(row.factor for row in self.rows if row.factor is not None and row.factor != "class"))

    @property
    def takes_context(self) -> bool:
        """Whether its method takes the pairs of a context; assumed for an unknown method."""
        return self._of_method("contexts", True)

    @property
    def context_kind(self) -> str:
        """What its contexts are made of, or the pairs that it was trained on by their name: ``"actions"``, ``"examples"`` or ``"evidence"``."""
        return str(self.settings.get("context", "actions")) if self.takes_context or self.takes_environment_name else "actions"

    @property
    def takes_environment_name(self) -> bool:
        """Whether its method is given the environment's name in place of a context."""
        return self._of_method("by_name", False)

    def _of_method(self, what: str, unknown: bool) -> bool:
        """An attribute of its method, as the results have it where the method is none of this package."""
        method = METHODS.built_in.get(str(self.settings.get("method", "contextssl")))
        recorded = self.about.get("method")
        if method is None and isinstance(recorded, Mapping):
            return bool(recorded.get(what, unknown))
        return unknown if method is None else bool(getattr(method, what))

    def has(self, protocol: str) -> bool:
        return any(row.protocol == protocol for row in self.rows)

    def find(self, **fields: object) -> list[ResultRow]:
        """Rows whose fields have these values."""
        return [row for row in self.rows if all(getattr(row, name) == value for name, value in fields.items())]

    def first(self, **fields: object) -> ResultRow | None:
        """The first of :meth:`find`."""
        return next(iter(self.find(**fields)), None)

    def curve(self, protocol: str, metric: str, environment: str | None, **fields: object) -> list[ResultRow]:
        """Embedding rows of one context's environment by rising length; at length 0, where no context is given, the row all share."""
        rows = self.find(protocol=protocol, metric=metric, representation="embedding", **{"bottleneck": 0.0, **fields})
        own = [row for row in rows if row.environment == environment and row.length is not None]
        if all(row.length for row in own):
            own += [row for row in rows if row.environment is None and row.length == 0]
        return sorted(own, key=lambda row: row.length or 0)

    def reported_length(self, protocol: str, metric: str) -> int | None:
        """14 tokens (7 pairs), or the longest length there is."""
        lengths = {row.length for row in self.find(protocol=protocol, metric=metric) if row.length}
        return REPORTED_LENGTH if REPORTED_LENGTH in lengths else max(lengths, default=None)

    def wanted_head(self, factor: str) -> str:
        """The head nearest to the paper's probe of a factor, for runs without the published heads."""
        return "mlp" if self.first(factor=factor, metric="angle_deg") else "linear"

    def published_head(self, factor: str, protocol: str = "equivariance") -> str | None:
        """The paper's probe; else :meth:`wanted_head`; None where neither was run."""
        heads = ("published", self.wanted_head(factor))
        return next((head for head in heads if self.first(protocol=protocol, factor=factor, head=head)), None)


def at_length(curve: Iterable[ResultRow], length: int) -> ResultRow | None:
    return next((row for row in curve if row.length == length), None)


def in_order(protocols: Iterable[str]) -> list[str]:
    """As they stand in the registry; those that are not known here last."""
    known = list(PROTOCOLS.built_in)
    return sorted(dict.fromkeys(protocols), key=lambda name: (known.index(name) if name in known else len(known), name))


def read_runs(folders: Sequence[str | Path], split: str = "val") -> list[Run]:
    """
    Raises:
        SettingsError: where none is named, or one is named twice.
        DataError: where one is missing, has no results, or damaged ones.
    """
    if not folders:
        raise SettingsError("say which runs to report: contextssl report RUN [RUN …]")
    paths = [Path(folder) for folder in folders]
    resolved = [path.resolve() for path in paths]
    if len(set(resolved)) < len(resolved):
        twice = next(path for path, full in zip(paths, resolved, strict=True) if resolved.count(full) > 1)
        raise SettingsError(f"{twice} is named twice: name each run once")
    return [read_run(path, name, split) for path, name in zip(paths, _names(resolved), strict=True)]


def read_run(folder: Path, name: str | None = None, split: str = "val", prefer_published: bool = False) -> Run:
    """
    Args:
        prefer_published: of retrieval take the rows that are made as published, of the training split, where there are such; else they stand
            in only where there are none of ``split``.

    Raises:
        DataError: where it is missing, has no results, or damaged ones.
    """
    if not folder.is_dir():
        raise DataError(f"no run at {folder}: check the path")
    if not (folder / RESULTS).is_file():
        resume = advice.command(["contextssl", "train", f"resume={folder}"])
        fix = f"finish it by {resume}" if (folder / "checkpoints").is_dir() else "name the folder of a run"
        raise DataError(f"{folder} has no {RESULTS}: {fix}")
    about, rows = read_results(folder)
    if not rows:
        raise DataError(f"{folder / RESULTS} holds no numbers: make some by {advice.command(['contextssl', 'evaluate', 'all', folder])}")
    made = about.get("evaluations", {})
    # Of retrieval as published there are rows of the training split alone.
    published = made.get(evaluation_name("retrieval", "train"), {}).get("settings", {}).get("sources") == "published"
    as_published = published and (prefer_published or evaluation_name("retrieval", split) not in made)
    split_of = {"retrieval": "train"} if as_published else {}
    kept = tuple(row for row in rows if row.protocol == "online" or row.split == split_of.get(row.protocol, split))
    if not kept:
        there = sorted({row.split for row in rows if row.split})
        raise DataError(f"{folder / RESULTS} holds no numbers of the split {split}: it has {', '.join(there)}")
    training = read_training(folder / METRICS, about.get(METRICS_CHECKSUM))
    return Run(folder, name or folder.resolve().name, about, kept, training, split, as_published)


def read_training(path: Path, checksum: str | None = None) -> dict[str, list[tuple[int, float]]]:
    """The curves of ``metrics.csv``; none where there is no such file.

    Args:
        checksum: of the file when the results were written; a warning says where lines of then are gone.

    Raises:
        DataError: where a line is damaged or was changed.
    """
    curves: dict[str, list[tuple[int, float]]] = {}
    found = read_lines(path, "move it away for a report without curves") if path.is_file() else Lines([], [])
    if checksum is not None and path.is_file() and checksum not in {f"{each:08x}" for each in found.checksums}:
        warnings.warn(f"{path} is not as it was when {RESULTS} was written: lines are gone, or the run went on since", stacklevel=2)
    for row in found.rows:
        if math.isfinite(row.value):
            curves.setdefault(row.name, []).append((row.step, row.value))
    return curves


def _names(folders: Sequence[Path]) -> list[str]:
    """The folders' names, with as many of their parents as distinguish them."""
    for depth in range(1, max(len(folder.parts) for folder in folders)):
        names = ["/".join(folder.parts[-depth:]) for folder in folders]
        if len(set(names)) == len(names):
            return names
    return [str(folder) for folder in folders]


def differences(runs: Sequence[Run]) -> list[str]:
    """How the runs' evaluations differ in what their numbers mean: one phrase each; none where they can be compared."""
    found: dict[tuple[str, str], list[str]] = defaultdict(list)
    for protocol in in_order(name for run in runs for name in run.evaluations):
        same: dict[str, dict[str, list[str]]] = {}
        for run in runs:
            for what, value in _definition(run, protocol).items() if run.has(protocol) else ():
                said = "the default" if value is None else str(value)
                same.setdefault(what, {}).setdefault(said, []).append(run.name)
        for what, values in same.items():
            if len(values) > 1:
                found[what, "; ".join(f"{value} in {_few(names)}" for value, names in values.items())].append(protocol)
    for run in runs:
        # As version 0.1 let them be: a run's own numbers are of more than one checkpoint.
        made: dict[str, list[str]] = {}
        for protocol, about in run.evaluations.items():
            if (weights := about.get("weights")) is not None:
                named = about.get("checkpoint") or about.get("settings", {}).get("checkpoint") or f"weights {weights}"
                made.setdefault(weights, [str(named)]).append(protocol)
        if len(made) > 1:
            found["checkpoint", "; ".join(f"{', '.join(protocols)} of {named}" for named, *protocols in made.values())] = [run.name]
    phrases = [f"{what} ({', '.join(protocols)}): {parts}" for (what, parts), protocols in found.items()]
    # An evaluation defines only what it has rows for.
    meanings: dict[str, set[str]] = defaultdict(set)
    for about in (about for run in runs for about in run.evaluations.values() if isinstance(about.get("definitions"), Mapping)):
        for key, meaning in about["definitions"].items():
            meanings[key].add(meaning)
    changed = sorted(key for key, texts in meanings.items() if len(texts) > 1)
    return phrases + ([f"the definition of {', '.join(changed)}"] if changed else [])


def _definition(run: Run, protocol: str) -> dict[str, Any]:
    about = run.evaluations.get(protocol, {})
    settings = about.get("settings", {})
    shared = {name: about.get(name) for name in ("contexts", "split", "seed", "items", "precision")}
    shared["checkpoint"] = about.get("checkpoint") or "last"
    # A setting that an older version did not have is no difference that could be named; heads say which rows there are, not what they mean.
    known = PROTOCOLS.built_in.get(protocol)
    reads = known.reads if known is not None else ("own",)
    own = {name.replace("_", " "): settings[name] for name in reads if name in settings and name != "heads"}
    data = about.get("data", {}).get("fingerprint") or run.about.get("data", {}).get("fingerprint")
    # Of rows that both have, the numbers behind them must agree too, whatever the description says.
    rows = run.find(protocol=protocol)
    counts = {
        row.count for row in rows if row.count is not None and row.head is None and row.metric not in ("capacity_nats", "factor_nats")
    }
    # A method that takes no context has none to draw.
    draws = {"contexts behind a mean": max(row.n for row in rows if row.length)} if any(row.length for row in rows) else {}
    counted = {"queries or views": ", ".join(map(str, sorted(counts)))}
    return {**shared, **own, "data": data, "version": about.get("version"), **draws, **counted}


def _few(names: Sequence[str]) -> str:
    return ", ".join(names) if len(names) <= NAMED + 1 else f"{', '.join(names[:NAMED])} and {len(names) - NAMED} more"
