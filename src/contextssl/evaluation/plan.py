"""What the protocols of an evaluation share: the embedder with its contexts, the view sets, the context points."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from jaxtyping import Int
from torch import Tensor

from contextssl.config.evaluation_settings import EvaluateSettings
from contextssl.data.dataset import open_data
from contextssl.data.pairs import PairSource
from contextssl.data_set import known_data_set
from contextssl.errors import DataError, SettingsError
from contextssl.evaluation.cache import ArrayCache, own_code
from contextssl.evaluation.contexts import ContextPoint, Contexts, check_lengths, context_points
from contextssl.evaluation.embeddings import Embedder
from contextssl.evaluation.evaluated import Evaluated
from contextssl.evaluation.foreign_pairs import ForeignPairs, open_foreign
from contextssl.evaluation.published_probes import HEAD as PUBLISHED
from contextssl.evaluation.shared_encoding import share_here
from contextssl.evaluation.single_views import SingleViews
from contextssl.evaluation.trained_probes import HeadTraining
from contextssl.evaluation.view_sets import ViewSet
from contextssl.factors import NO_FACTOR, Environment
from contextssl.head import HEADS, Head
from contextssl.protocol import Protocol
from contextssl.system.precision import choose_precision
from contextssl.system.progress import say

# Rows per batch of trained heads: our own, and the paper's.
BATCH, PUBLISHED_BATCH = 512, 256
PUBLISHED_LENGTHS = (0, 2, 14, 30, 126)
# Where the number of pairs counts: none, 1, 2, 3, 7, 15, 31.
PAIRED_LENGTHS = (0, 2, 4, 6, 14, 30, 62)
# Objects rendered per class not seen in training.
UNSEEN_OBJECTS = 20
CACHE = "cache"


@dataclass
class Plan:
    """What protocols share; contexts are drawn from ``pairs``, and ``source`` describes what the store was packed from."""

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
    foreign: list[ForeignPairs]
    notes: list[str]

    @classmethod
    def of(cls, settings: EvaluateSettings, evaluated: Evaluated) -> Plan:
        """SettingsError for context lengths or environments that this model cannot take; DataError for data of other factors; and both as of
        :func:`~contextssl.evaluation.foreign_pairs.open_foreign`.
        """
        model, data = evaluated.model, evaluated.data
        if model.factors.names != data.train.factors.names or model.factors.width != data.train.factors.width:
            raise DataError(
                f"the model knows the factors {', '.join(model.factors.names)}, the data {', '.join(data.train.factors.names)}: "
                "evaluate it on the kind of data that it was trained on"
            )
        longest, lengths = model.longest_context, settings.eval_ctxt
        if lengths is None:
            usual = PUBLISHED_LENGTHS if model.context_kind == "actions" else PAIRED_LENGTHS
            lengths = sorted({*(length for length in usual if length <= longest), longest})
        check_lengths(lengths, longest)
        notes: list[str] = []
        if (chosen := evaluated.chosen_on_evaluated_split(settings.split)) is not None:
            notes.append(chosen)
            warnings.warn(chosen, UserWarning, stacklevel=3)
        environments = _environments(settings, evaluated, notes)
        foreign: list[ForeignPairs] = []
        if settings.foreign is not None:
            foreign, said = open_foreign(settings.foreign, evaluated, environments, progress=settings.progress)
            notes += said
        contexts = Contexts.draw(data.train, _context_pairs(evaluated), settings.contexts, settings.seed, model.context_kind)
        described, tested = data.description, data.split(settings.split)
        fingerprint = described.get("fingerprint") or data.train.views.digest() + tested.views.digest()
        # The description of your own augmentations holds their name alone.
        made_by = getattr(getattr(data.train.views, "augmentations", None), "augmentations", ())
        own = own_code(made_by)
        folder = Path(settings.cache_dir) if settings.cache_dir is not None else evaluated.folder / CACHE
        share = share_here()
        if share.world > 1 and (
            not settings.cache or (evaluated.settings is None and settings.cache_dir is None and settings.run_dir is None)
        ):
            raise SettingsError(
                f"this is one of {share.world} processes, which leave what they encode in the cache: leave cache=false out, and for a model outside "
                "a run name a folder that all of them see, run_dir=FOLDER"
            )
        features_of, stored = evaluated.stored
        embedder = Embedder(
            model,
            contexts,
            {"fingerprint": fingerprint, **({"own code": own} if own else {}), **({"features": stored} if stored else {})},
            settings.seed,
            choose_precision(settings.precision, model.device.type),
            ArrayCache(folder if settings.cache else None, int(settings.cache_gb * 2**30)),
            _say if settings.progress else lambda what: None,
            features_of,
            share,
        )
        return cls(
            settings=settings,
            embedder=embedder,
            pairs=data.train,
            train=ViewSet.choose(data.train.views, "train", settings.train_views, settings.train_items, settings.seed),
            test=ViewSet.choose(tested.views, settings.split, 0, settings.items, settings.seed),
            environments=environments,
            lengths=tuple(lengths),
            points=context_points(environments, lengths, settings.contexts, by_name=model.takes_environment_name),
            source=described.get("source"),
            unseen=_unseen(settings, evaluated),
            foreign=foreign,
            notes=notes,
        )

    @cached_property
    def heads(self) -> list[Head]:
        return [HEADS.find(name) for name in self.settings.heads]

    @cached_property
    def probed(self) -> Int[Tensor, " m"]:
        """The rows of the test views that are probed."""
        return self.test.rows(self.settings.probe_views, self.settings.seed)

    @cached_property
    def single_views(self) -> SingleViews:
        """The single views that probes are trained and tested on."""
        return SingleViews(self.embedder, self.train, self.test, self.probed, self.settings.seed, normalize=self.settings.normalize)

    def training(self, protocol: Protocol, published: bool = False) -> HeadTraining:
        """How a protocol's heads are trained: ours, or as published."""
        settings = self.settings
        fresh = settings.pairs == "fresh"
        epochs = settings.epochs if settings.epochs is not None else protocol.epochs
        if epochs is None:
            raise SettingsError(f"{protocol.name} trains heads and has no epochs of its own: give epochs=NUMBER")
        usual = PUBLISHED_BATCH if published or fresh else BATCH
        batch = settings.batch_size if settings.batch_size is not None else usual
        return HeadTraining(epochs, settings.learning_rate, batch, settings.seed, fresh)

    def published(self, protocol: Protocol) -> tuple[ViewSet, HeadTraining]:
        """All views of each training item, and the number of steps, of the paper's probes."""
        return self._all_of_training(self.settings.train_items), self.training(protocol, published=True)

    def points_of(self, protocol: Protocol) -> list[ContextPoint]:
        """The context points of :meth:`environments_of`."""
        by_name = self.embedder.model.takes_environment_name
        return context_points(self.environments_of(protocol), self.lengths, self.settings.contexts, by_name=by_name)

    def environments_of(self, protocol: Protocol) -> tuple[Environment, ...]:
        """The evaluated environments; none in addition, where the published probes are trained and no environment was given."""
        settings, model = self.settings, self.embedder.model
        published = protocol.epochs is not None and PUBLISHED in settings.heads and model.longest_context
        none = model.factors.environment(NO_FACTOR)
        added = published and settings.environments is None and none not in self.environments
        return (*self.environments, none) if added else self.environments

    def test_of(self, protocol: Protocol) -> ViewSet:
        """The views that a protocol evaluates."""
        here = protocol.split(self.settings) == self.test.split
        return self.test if here else self._all_of_training(self.settings.items)

    def _all_of_training(self, items: int) -> ViewSet:
        return ViewSet.choose(self.train.source, "train", 0, items, self.settings.seed)


def _environments(settings: EvaluateSettings, evaluated: Evaluated, notes: list[str]) -> tuple[Environment, ...]:
    factors, trained = evaluated.model.factors, evaluated.trained_on
    if settings.environments is None:
        chosen = trained if trained is not None else tuple(factors.environment(name) for name in factors.names)
        if evaluated.model.takes_environment_name and NO_FACTOR not in [environment.name for environment in chosen]:
            # A context model is evaluated without a context too; this one without active factors.
            notes.append("this model was not trained on the environment none: its rows show a transfer")
            chosen = (*chosen, factors.environment(NO_FACTOR))
        return chosen
    if not settings.environments:
        raise SettingsError(f"environments is empty: name at least one of {', '.join(factors.names)}, none, or several joined by +")
    named = {environment.name: environment for environment in map(factors.environment, settings.environments)}
    known = list(named) if trained is None else [environment.name for environment in trained]
    if strange := [name for name in named if name not in known]:
        note = f"this model was not trained on contexts of {', '.join(strange)} but of {', '.join(known)}: those rows show a transfer"
        notes.append(note)
        warnings.warn(note, UserWarning, stacklevel=4)
    return tuple(named.values())


def _unseen(settings: EvaluateSettings, evaluated: Evaluated) -> PairSource | None:
    """Pairs of rendered classes not seen in training, where they are named."""
    if settings.unseen_classes is None:
        return None
    trained = evaluated.settings
    data_set = None if trained is None else known_data_set(trained.dataset)
    if trained is None or data_set is None or not data_set.renders or trained.data_dir is not None:
        raise SettingsError("unseen_classes are rendered: they are for runs on dataset=shapes without data_dir")
    if known := [name for name in settings.unseen_classes if name in evaluated.data.train.class_names]:
        raise SettingsError(f"unseen_classes holds {known[0]!r}, which training contains: name others")
    wanted = dataclasses.replace(trained, classes=list(settings.unseen_classes), objects=UNSEEN_OBJECTS, val_objects=2)
    return open_data(wanted, progress=settings.progress).train


def _context_pairs(evaluated: Evaluated) -> int:
    """How many pairs a drawn context holds: as many as the model takes; for one without contexts as many as a context model of its settings would,
    since erasure is fitted on these pairs.
    """
    longest = evaluated.model.longest_context
    if longest == 0:
        longest = evaluated.settings.block_size - 2 if evaluated.settings is not None else max(PUBLISHED_LENGTHS)
    return longest // 2


def _say(what: str) -> None:
    """Progress: off a terminal only the slow steps."""
    say(what, lasting=what.startswith(("features", "probes", "pair probes", "rendering", "fairness")))
