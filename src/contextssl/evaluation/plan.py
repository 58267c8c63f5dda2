"""What the protocols of an evaluation share: the embedder, the contexts, the views that are looked at; and the rows of each protocol."""

from __future__ import annotations

import dataclasses
import sys
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from contextssl.config.evaluation_settings import EvaluateSettings
from contextssl.config.protocols import PUBLISHED_EPOCHS, rows_split
from contextssl.data.dataset import open_data
from contextssl.data.pairs import PairSource
from contextssl.data_set import known_data_set
from contextssl.errors import DataError, SettingsError
from contextssl.evaluation.cache import ArrayCache, own_code
from contextssl.evaluation.context_labels import context_label_rows
from contextssl.evaluation.contexts import ContextPoint, check_lengths, context_points, draw_contexts
from contextssl.evaluation.embeddings import Embedder
from contextssl.evaluation.equivariance import pair_probe_rows
from contextssl.evaluation.erased import erasure_rows
from contextssl.evaluation.geometry import geometry_rows
from contextssl.evaluation.probe import SingleViews, probe_rows
from contextssl.evaluation.published_probes import HEAD as PUBLISHED
from contextssl.evaluation.published_probes import published_pair_rows, published_probe_rows
from contextssl.evaluation.readers import HeadTraining
from contextssl.evaluation.reading import reading_rows
from contextssl.evaluation.retrieval import retrieval_rows
from contextssl.evaluation.sensitivity import render_variations
from contextssl.evaluation.subject import Subject
from contextssl.evaluation.view_sets import ViewSet
from contextssl.factors import NO_FACTOR, Environment, FactorSpace
from contextssl.models.contextssl import ContextSSL
from contextssl.records.results import ResultRow
from contextssl.system.precision import choose_precision

# Rows of a batch of trained heads: our own, and the paper's.
BATCH, PUBLISHED_BATCH = 512, 256
# The context length that one speaks of, where it fits.
SPOKEN_LENGTH = 14
PUBLISHED_LENGTHS = (0, 2, 14, 30, 126)
# Objects rendered of each class that training never saw.
UNSEEN_OBJECTS = 20
CACHE = "cache"


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
        tested = data.split(settings.split)
        fingerprint = described.get("fingerprint") or data.train.views.digest() + tested.views.digest()
        # Of augmentations of your own a description tells the name alone.
        made_by = getattr(getattr(data.train.views, "augmentations", None), "augmentations", ())
        folder = Path(settings.cache_dir) if settings.cache_dir is not None else subject.folder / CACHE
        embedder = Embedder(
            model,
            contexts,
            {"fingerprint": fingerprint, **({"own code": own} if (own := own_code(made_by)) else {})},
            settings.seed,
            choose_precision(settings.precision, model.device.type),
            ArrayCache(folder if settings.cache else None, int(settings.cache_gb * 2**30)),
            _say if settings.progress else lambda what: None,
        )
        return cls(
            settings=settings,
            embedder=embedder,
            pairs=data.train,
            train=ViewSet.choose(data.train.views, "train", settings.train_views, settings.train_items, settings.seed),
            test=ViewSet.choose(tested.views, settings.split, 0, settings.items, settings.seed),
            environments=environments,
            lengths=tuple(lengths),
            points=context_points(environments, lengths, settings.contexts, by_name=model.told_by_name),
            source=described.get("source"),
            unseen=_unseen(settings, subject),
            notes=notes,
        )

    def rows(self, protocol: str) -> Iterable[ResultRow]:
        """The rows of one protocol."""
        settings = self.settings
        rows = self.test.rows(settings.probe_views, settings.seed)
        single = SingleViews(self.embedder, self.train, self.test, rows, settings.seed, normalize=settings.normalize)
        if protocol == "equivariance":
            yield from pair_probe_rows(
                self.embedder,
                self.train,
                self.test,
                rows,
                self.points,
                heads=settings.heads,
                training=self._training(protocol),
                seed=settings.seed,
                normalize=settings.normalize,
            )
            if PUBLISHED in settings.heads:
                views, training = self._published(protocol)
                yield from published_pair_rows(
                    self.embedder, views, self.test, rows, self._published_points(), training=training, seed=settings.seed
                )
        elif protocol == "probe":
            yield from probe_rows(
                single,
                self.points,
                heads=settings.heads,
                shares=settings.bottleneck,
                training=self._training(protocol),
                k=settings.neighbours,
            )
            if PUBLISHED in settings.heads:
                views, training = self._published(protocol)
                yield from published_probe_rows(
                    self.embedder,
                    views,
                    self.test,
                    rows,
                    self._published_points(),
                    self.environments_of(protocol),
                    training=training,
                    seed=settings.seed,
                )
        else:
            yield from self._further_rows(protocol, single)

    def _further_rows(self, protocol: str, single: SingleViews) -> Iterable[ResultRow]:
        """Of protocols that train no head."""
        settings = self.settings
        if protocol == "retrieval":
            return retrieval_rows(
                self.embedder,
                self.test_of(protocol),
                self.points,
                self.environments,
                sources="first" if settings.sources == "published" else settings.sources,
                per_item=settings.queries,
                seed=settings.seed,
                normalize=settings.normalize,
            )
        if protocol == "fairness":
            return self._fairness_rows()
        if protocol == "erasure":
            # What remains is what a context would tell; of a method without contexts, each factor alone.
            model = self.embedder.model
            asked = model.longest_context or model.told_by_name
            names = [e.name for e in self.environments] if asked else list(self.test.factors.names)
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

    def _training(self, protocol: str, published: bool = False) -> HeadTraining:
        settings = self.settings
        fresh = published or settings.pairs == "fresh"
        return HeadTraining(
            settings.epochs if settings.epochs is not None else PUBLISHED_EPOCHS[protocol],
            settings.learning_rate,
            settings.batch_size if settings.batch_size is not None else PUBLISHED_BATCH if fresh else BATCH,
            settings.seed,
            settings.pairs == "fresh",
        )

    def _published(self, protocol: str) -> tuple[ViewSet, HeadTraining]:
        """All views of each training item, and the number of steps."""
        settings = self.settings
        views = ViewSet.choose(self.train.source, "train", 0, settings.train_items, settings.seed)
        return views, self._training(protocol, published=True)

    def _published_points(self) -> list[ContextPoint]:
        by_name = self.embedder.model.told_by_name
        return context_points(self.environments_of("probe"), self.lengths, self.settings.contexts, by_name=by_name)

    def environments_of(self, protocol: str) -> tuple[Environment, ...]:
        """What contexts tell; beside them nothing, where the published probes are trained and no environment was asked for."""
        published = protocol in PUBLISHED_EPOCHS and PUBLISHED in self.settings.heads
        none = self.embedder.model.factors.environment(NO_FACTOR)
        if not published or self.settings.environments is not None or none in self.environments or not self.embedder.model.longest_context:
            return self.environments
        return (*self.environments, none)

    def test_of(self, protocol: str) -> ViewSet:
        """The views that a protocol looks at."""
        settings = self.settings
        if rows_split(protocol, settings.split, settings.sources) == self.test.split:
            return self.test
        return ViewSet.choose(self.train.source, "train", 0, settings.items, settings.seed)


def _environments(settings: EvaluateSettings, subject: Subject, notes: list[str]) -> tuple[Environment, ...]:
    factors: FactorSpace = subject.model.factors
    trained = subject.trained_on
    if settings.environments is None:
        chosen = trained if trained is not None else tuple(factors.environment(name) for name in factors.names)
        if subject.model.told_by_name and NO_FACTOR not in [environment.name for environment in chosen]:
            # A context model is read with no context too; this one with nothing told.
            notes.append("this model was not trained with nothing told: read the rows of none as a transfer")
            chosen = (*chosen, factors.environment(NO_FACTOR))
        return chosen
    if not settings.environments:
        raise SettingsError(f"environments is empty: name at least one of {', '.join(factors.names)}, none, or several joined by +")
    named = {environment.name: environment for environment in map(factors.environment, settings.environments)}
    strange = [name for name in named if trained is not None and name not in [environment.name for environment in trained]]
    if strange and trained is not None:
        known = ", ".join(environment.name for environment in trained)
        note = f"this model was not trained on contexts of {', '.join(strange)} but of {known}: read those rows as a transfer"
        notes.append(note)
        warnings.warn(note, UserWarning, stacklevel=4)
    return tuple(named.values())


def _unseen(settings: EvaluateSettings, subject: Subject) -> PairSource | None:
    """Pairs of rendered classes that training never saw, where they are named."""
    if settings.unseen_classes is None:
        return None
    trained = subject.settings
    data_set = None if trained is None else known_data_set(trained.dataset)
    if trained is None or data_set is None or not data_set.renders or trained.data_dir is not None:
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


def _say(what: str) -> None:
    """Progress: one line that is written over on a terminal, nothing elsewhere but for the encoding."""
    if sys.stderr.isatty():
        print(f"\r\x1b[2K{what} …", end="", file=sys.stderr, flush=True)
    elif what.startswith(("features", "probes", "pair probes", "rendering", "fairness")):
        print(f"{what} …", file=sys.stderr, flush=True)
