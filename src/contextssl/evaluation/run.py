"""An evaluation from settings to results: its model, its data, its contexts, every protocol, and what is written at the end."""

from __future__ import annotations

import dataclasses
import sys
import time
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from contextssl.config.evaluation_settings import EvaluateSettings
from contextssl.data.dataset import open_data
from contextssl.errors import DataError, SettingsError, nearest
from contextssl.evaluation.cache import ArrayCache, code_fingerprint
from contextssl.evaluation.checks import check_settings
from contextssl.evaluation.context_labels import context_label_rows
from contextssl.evaluation.contexts import ContextPoint, check_lengths, context_points, draw_contexts
from contextssl.evaluation.definitions import DEFINITIONS
from contextssl.evaluation.embeddings import Embedder
from contextssl.evaluation.equivariance import pair_probe_rows
from contextssl.evaluation.erased import erasure_rows
from contextssl.evaluation.geometry import geometry_rows
from contextssl.evaluation.probe import SingleViews, probe_rows
from contextssl.evaluation.protocols import FURTHER_PROTOCOLS, OF_TABLES, PROTOCOLS
from contextssl.evaluation.readers import HeadTraining
from contextssl.evaluation.reading import reading_rows
from contextssl.evaluation.results import RESULTS, ResultRow, read_results, write_results
from contextssl.evaluation.retrieval import retrieval_rows
from contextssl.evaluation.sensitivity import render_variations
from contextssl.evaluation.subject import Subject, open_subject
from contextssl.evaluation.verdict import verdict
from contextssl.evaluation.view_sets import ViewSet
from contextssl.factors import Environment, FactorSpace
from contextssl.models.contextssl import ContextSSL
from contextssl.pairs import PairSource
from contextssl.precision import choose_precision
from contextssl.training.run import describe_run
from contextssl.version import __version__

# The context length that one speaks of, where it fits.
SPOKEN_LENGTH = 14
PUBLISHED_LENGTHS = (0, 2, 14, 30, 126)
PUBLISHED_EPOCHS = {"equivariance": 200, "probe": 300}
# Objects rendered of each class that training never saw.
UNSEEN_OBJECTS = 20
CACHE = "cache"


def evaluate(settings: EvaluateSettings, protocols: Sequence[str] = PROTOCOLS, *, subject: Subject | None = None) -> Path:
    """Evaluate a model by some protocols, and return the folder of its ``results.json``.

    Rows of the same protocols and split are replaced there, others kept; ``run["evaluations"]`` says how each protocol's were made.

    Args:
        settings: see :class:`~contextssl.config.settings.EvaluateSettings`.
        protocols: of :data:`PROTOCOLS`.
        subject: your own model and data, in the place of ``settings.load_model`` and the data settings.

    Raises:
        SettingsError, DataError, CheckpointError: for what is wrong with each, before anything is computed.
    """
    for protocol in protocols:
        if protocol not in (*PROTOCOLS, *FURTHER_PROTOCOLS):
            raise SettingsError(f"unknown protocol {protocol!r}: {nearest(protocol, (*PROTOCOLS, *FURTHER_PROTOCOLS))}")
    check_settings(settings)
    subject = subject if subject is not None else open_subject(settings)
    if subject.data.columns is None and set(protocols) & set(OF_TABLES):
        if tuple(protocols) != PROTOCOLS:
            raise SettingsError("fairness is read from rows of a table (dataset=adult, mimic3 or table); these views are images")
        protocols = [protocol for protocol in protocols if protocol not in OF_TABLES]
    model = subject.model.to(_device(settings.accelerator))
    plan = Plan.of(settings, subject)
    run, before = _before(subject, settings)
    seconds: dict[str, float] = {}
    made: list[ResultRow] = []
    for protocol in protocols:
        began = time.monotonic()
        made += plan.rows(protocol)
        seconds[protocol] = round(time.monotonic() - began, 2)
    evaluations = dict(run.get("evaluations", {}))
    for protocol in protocols:
        name = protocol if settings.split == "val" else f"{protocol} ({settings.split})"
        evaluations[name] = {
            "settings": dataclasses.asdict(settings),
            "split": settings.split,
            "seed": settings.seed,
            "contexts": settings.contexts,
            "context_pairs": len(plan.embedder.contexts[0]),
            "context_lengths": list(plan.lengths),
            "environments": [environment.name for environment in plan.environments],
            "items": plan.test.num_items,
            "train_items": plan.train.num_items,
            "definitions": DEFINITIONS,
            "notes": plan.notes,
            "checkpoint": subject.checkpoint,
            "checkpoint_chosen_on": subject.chosen_on,
            # Of no other protocol's rows is there one.
            **({"verdict": dataclasses.asdict(said)} if protocol == "reading" and (said := verdict(made)) else {}),
            "version": __version__,
            "code": code_fingerprint(),
            "precision": plan.embedder.precision,
            "device": model.device.type,
            "weights": plan.embedder.weights,
            "data": dict(plan.embedder.data),
            "seconds": seconds[protocol],
            "date": time.strftime("%Y-%m-%d %H:%M:%S"),
        }
    replaced = {(protocol, settings.split) for protocol in protocols}
    kept = [row for row in before if (row.protocol, row.split) not in replaced]
    write_results(subject.folder, {**run, "evaluations": evaluations}, [*kept, *made])
    return subject.folder


@dataclass
class Plan:
    """Everything that the protocols share: the embedder, where its contexts were drawn from, the view sets, the context points."""

    settings: EvaluateSettings
    embedder: Embedder
    pairs: PairSource
    train: ViewSet
    test: ViewSet
    environments: tuple[Environment, ...]
    lengths: tuple[int, ...]
    points: list[ContextPoint]
    source: Mapping[str, Any] | None
    unseen: PairSource | None
    notes: list[str]

    @classmethod
    def of(cls, settings: EvaluateSettings, subject: Subject) -> Plan:
        """
        Raises:
            SettingsError: for context lengths or environments that this model cannot take.
            DataError: where the data have no stored views.
        """
        model, data = subject.model, subject.data
        if model.factors.names != data.train.factors.names or model.factors.width != data.train.factors.width:
            raise DataError(
                f"the model knows the factors {', '.join(model.factors.names)}, the data {', '.join(data.train.factors.names)}: "
                "evaluate it on the kind of data that it was trained on"
            )
        longest = model.longest_context
        lengths = settings.eval_ctxt
        if lengths is None:
            lengths = sorted({*(length for length in PUBLISHED_LENGTHS if length <= longest), longest})
        check_lengths(lengths, longest)
        notes: list[str] = []
        if (chosen := subject.chosen_on_what_is_read(settings.split)) is not None:
            notes.append(chosen)
            warnings.warn(chosen, UserWarning, stacklevel=3)
        environments = _environments(settings, subject, notes)
        contexts = draw_contexts(data.train, _context_pairs(subject), settings.contexts, settings.seed)
        described = data.description
        fingerprint = described.get("fingerprint") or data.train.views.digest() + data.val.views.digest()
        folder = Path(settings.cache_dir) if settings.cache_dir is not None else subject.folder / CACHE
        embedder = Embedder(
            model,
            contexts,
            {"fingerprint": fingerprint},
            settings.seed,
            choose_precision(settings.precision, model.device.type),
            ArrayCache(folder if settings.cache else None),
            _say if settings.progress else lambda what: None,
        )
        tested = data.split(settings.split)
        return cls(
            settings=settings,
            embedder=embedder,
            pairs=data.train,
            train=ViewSet.choose(data.train.views, "train", settings.train_views, settings.train_items, settings.seed),
            test=ViewSet.choose(tested.views, settings.split, 0, settings.items, settings.seed),
            environments=environments,
            lengths=tuple(lengths),
            points=context_points(environments, lengths, settings.contexts),
            source=described.get("source"),
            unseen=_unseen(settings, subject),
            notes=notes,
        )

    def rows(self, protocol: str) -> Iterable[ResultRow]:
        """The rows of one protocol."""
        settings = self.settings
        rows = self.test.rows(settings.probe_views, settings.seed)
        if protocol == "equivariance":
            heads = [head for head in settings.heads if head != "knn"]
            training = self._training(protocol)
            return pair_probe_rows(
                self.embedder, self.train, self.test, rows, self.points, heads=heads, training=training, seed=settings.seed
            )
        if protocol == "retrieval":
            return retrieval_rows(
                self.embedder,
                self.test,
                self.points,
                self.environments,
                sources=settings.sources,
                per_item=settings.queries,
                seed=settings.seed,
            )
        if protocol == "fairness":
            return self._fairness_rows()
        single = SingleViews(self.embedder, self.train, self.test, rows, settings.seed)
        if protocol == "erasure":
            # What remains is what a context would tell; of a method without contexts, each factor alone.
            names = [e.name for e in self.environments] if self.embedder.model.longest_context else list(self.test.factors.names)
            remain = [self.test.factors.environment(name) for name in names]
            longest = 2 * len(self.embedder.contexts[0])
            lengths = [length for length in self.lengths if length] or [min(SPOKEN_LENGTH, longest), longest]
            heads = [head for head in settings.heads if head in ("ridge", "knn")]
            return erasure_rows(single, remain, lengths, heads=heads, shares=settings.bottleneck, k=settings.neighbours)
        if protocol == "reading":
            return reading_rows(
                single,
                self.pairs,
                self.environments,
                lengths=[length for length in self.lengths if length] if settings.eval_ctxt is not None else None,
                unseen=self.unseen,
                k=settings.neighbours,
                seed=settings.seed,
            )
        if protocol == "labels":
            return self._label_rows(single)
        if protocol == "probe":
            return probe_rows(
                single,
                self.points,
                heads=settings.heads,
                shares=settings.bottleneck,
                training=self._training(protocol),
                k=settings.neighbours,
            )
        variations = None
        if settings.sensitivity_items > 0:
            self.embedder.progress("rendering views with one factor changed")
            variations, note = render_variations(
                self.test, self.source, max_items=settings.sensitivity_items, per_item=settings.sensitivity_views, seed=settings.seed
            )
            if note is not None:
                self.notes.append(note)
                warnings.warn(note, UserWarning, stacklevel=2)
        return geometry_rows(single, self.points, shares=settings.bottleneck, k=settings.neighbours, variations=variations)

    def _fairness_rows(self) -> Iterable[ResultRow]:
        # Tables are an extra: what only they need is imported where one is there.
        from contextssl.evaluation.fairness import fairness_rows

        settings = self.settings
        return fairness_rows(
            self.embedder,
            self.train,
            self.test,
            self.points,
            adversaries=settings.adversaries,
            shares=settings.forget_bottleneck,
            baselines=settings.baselines,
            scarf_epochs=settings.scarf_epochs,
            seed=settings.seed,
            notes=self.notes,
        )

    def _label_rows(self, single: SingleViews) -> Iterable[ResultRow]:
        model = self.embedder.model
        if not isinstance(model, ContextSSL) or model.label_head is None or model.label_space is None:
            raise SettingsError("this model has no head for labels that depend on the context: train one with weight_labels=1")
        return context_label_rows(single, self.points, model.label_head, model.label_space)

    def _training(self, protocol: str) -> HeadTraining:
        epochs = self.settings.epochs if self.settings.epochs is not None else PUBLISHED_EPOCHS[protocol]
        return HeadTraining(epochs, self.settings.learning_rate, self.settings.batch_size, self.settings.seed)


def _environments(settings: EvaluateSettings, subject: Subject, notes: list[str]) -> tuple[Environment, ...]:
    factors: FactorSpace = subject.model.factors
    trained = subject.trained_on
    if settings.environments is None:
        return trained if trained is not None else tuple(factors.environment(name) for name in factors.names)
    if not settings.environments:
        raise SettingsError(f"environments is empty: name at least one of {', '.join(factors.names)}, none, or several joined by +")
    chosen = {environment.name: environment for environment in map(factors.environment, settings.environments)}
    strange = [name for name in chosen if trained is not None and name not in [environment.name for environment in trained]]
    if strange and trained is not None:
        known = ", ".join(environment.name for environment in trained)
        note = f"this model was not trained on contexts of {', '.join(strange)} but of {known}: read those rows as a transfer"
        notes.append(note)
        warnings.warn(note, UserWarning, stacklevel=4)
    return tuple(chosen.values())


def _before(subject: Subject, settings: EvaluateSettings) -> tuple[dict[str, Any], list[ResultRow]]:
    """What the results file holds so far, or a description of the run where there is none."""
    if (subject.folder / RESULTS).is_file():
        return read_results(subject.folder)
    if subject.settings is not None:
        return describe_run(subject.settings, subject.data), []
    return {"load_model": settings.load_model, "architecture": subject.model.architecture(), "data": dict(subject.data.description)}, []


def _unseen(settings: EvaluateSettings, subject: Subject) -> PairSource | None:
    """Pairs of rendered classes that training never saw, where they are named."""
    if settings.unseen_classes is None:
        return None
    trained = subject.settings
    if trained is None or trained.dataset != "shapes" or trained.data_dir is not None:
        raise SettingsError("unseen_classes are rendered: they are for runs on dataset=shapes without data_dir")
    named = list(settings.unseen_classes)
    if known := [name for name in named if name in subject.data.train.class_names]:
        raise SettingsError(f"unseen_classes holds {known[0]!r}, which training saw: name others")
    wanted = dataclasses.replace(trained, classes=named, objects=UNSEEN_OBJECTS, val_objects=2)
    return open_data(wanted, progress=settings.progress).train


def _context_pairs(subject: Subject) -> int:
    """How many pairs a drawn context holds: as many as the model takes; of one that takes none what a context model of its settings would,
    since erasure learns from the very pairs."""
    longest = subject.model.longest_context
    if longest == 0:
        longest = subject.settings.block_size - 2 if subject.settings is not None else max(PUBLISHED_LENGTHS)
    return longest // 2


def _device(accelerator: str) -> torch.device:
    name = {"gpu": "cuda"}.get(accelerator, accelerator)
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    available = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if not available.get(name, True):
        raise SettingsError(f"accelerator={accelerator}: this machine has none; use accelerator=cpu")
    return torch.device(name)


def _say(what: str) -> None:
    """Progress: one line that is written over on a terminal, nothing elsewhere but for the encoding."""
    if sys.stderr.isatty():
        print(f"\r\x1b[2K{what} …", end="", file=sys.stderr, flush=True)
    elif what.startswith(("features", "probes", "pair probes", "rendering", "fairness")):
        print(f"{what} …", file=sys.stderr, flush=True)
