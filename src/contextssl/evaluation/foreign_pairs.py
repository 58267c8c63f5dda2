"""Pairs of data that training never saw, of which contexts are made: views of other objects, or augmentations of photos."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from contextssl.config.data_settings import DataSettings
from contextssl.config.settings import TrainSettings
from contextssl.config.uses import AUGMENTATION_RANGES
from contextssl.data.dataset import Data, open_data
from contextssl.data.pairs import PairBatch, PairSource
from contextssl.data.store import open_store
from contextssl.data.stored import is_store
from contextssl.errors import ContextSSLError, DataError, SettingsError, nearest
from contextssl.evaluation.contexts import draw_contexts
from contextssl.evaluation.disturbances import EncodedPairs
from contextssl.evaluation.embeddings import Embedder
from contextssl.evaluation.evaluated import Evaluated
from contextssl.factors import Environment

KEYS = ("data_dir", "factors")


@dataclass(frozen=True)
class ForeignPairs:
    """Where pairs of other data are drawn, and what stands for the model's factors there.

    Args:
        name: in rows, ``"pairs of NAME"``.
        source: its views have the shape of the run's.
        factors: for each factor of the model the one of ``source``; one of them may stand for several.
    """

    name: str
    source: PairSource
    factors: Mapping[str, str]

    def environment(self, environment: Environment) -> Environment | None:
        """The environment in the factors of ``source``; None where one of them stands for an active and for an inactive factor."""
        active = {self.factors[name] for name in environment.factors}
        inactive = {theirs for ours, theirs in self.factors.items() if ours not in environment.factors}
        return None if active & inactive else self.source.factors.environment(sorted(active))

    def draw(self, pairs: int, count: int, seed: int, environment: Environment, kind: str) -> list[PairBatch]:
        """Contexts as of :func:`~contextssl.evaluation.contexts.draw_contexts`; none where :meth:`environment` is None.

        Raises:
            DataError: where the data have no such pairs.
        """
        theirs = self.environment(environment)
        with _naming(self.name):
            return [] if theirs is None else draw_contexts(self.source, pairs, count, seed, theirs, kind)

    def encoded(self, embedder: Embedder, pairs: int, count: int, seed: int, environment: Environment) -> list[EncodedPairs]:
        """The same contexts as the embedder's model takes them."""
        model = embedder.model
        drawn = self.draw(pairs, count, seed, environment, model.context_kind)
        found = [EncodedPairs.of(embedder, batch) for batch in drawn]
        if model.context_kind != "examples":
            return found
        # Examples have no actions; those of other factors may have another width.
        return [replace(each, action=each.action.new_zeros(len(each), model.factors.width)) for each in found]


def open_foreign(
    foreign: Mapping[str, Any], evaluated: Evaluated, environments: Sequence[Environment], *, progress: bool = True
) -> tuple[list[ForeignPairs], list[str]]:
    """The pairs that the setting ``foreign`` names, and a note on each: how many items of what.

    Args:
        foreign: by the name of each the folder of a packed store of views, or a mapping of :data:`KEYS`: a folder of images or a store, and for
            each factor of the model what stands for it, an augmentation or a factor of the store.
        environments: in which pairs are drawn; one pair of each is drawn here, so that what cannot be is said before anything is computed.

    Raises:
        SettingsError: for a model whose contexts are not made of examples or evidence, views that are no images, or what cannot be read as above.
        DataError: where the data are missing, the run's own, of other factors or another shape, or have no such pairs.
    """
    model = evaluated.model
    if model.longest_context == 0 or model.context_kind == "actions":
        raise SettingsError(
            "foreign: this model's contexts need actions of its own factors, which pairs of other data do not have: evaluate a model that was "
            "trained with context=examples, or leave foreign out"
        )
    if len(evaluated.data.view_shape) != 3:
        raise SettingsError("foreign pairs are of images, and this run's views are none: leave foreign out")
    made, notes = [], []
    for name, what in foreign.items():
        with _naming(name):
            found, data = _open(name, what, evaluated, progress)
        for environment in environments:
            found.draw(1, 1, 0, environment, model.context_kind)
        made.append(found)
        about = data.description
        notes.append(f"pairs of {name}: {found.source.num_items} items of {about.get('path')} (fingerprint {about.get('fingerprint')})")
    return made, notes


def _open(name: str, what: Any, evaluated: Evaluated, progress: bool) -> tuple[ForeignPairs, Data]:
    model, own = evaluated.model, evaluated.data
    root, factors = _read(what, model.factors.names)
    if not root.exists():
        raise DataError(f"there is nothing at {root}: check the path")
    stored_factors: tuple[str, ...] = ()
    if is_store(root):
        store = open_store(root, "none")
        stored_factors, shape = store.factors.names, next(iter(store.values())).view_shape
        if shape != own.view_shape:
            raise DataError(
                f"{root} holds views of {_shaped(shape)}, and the run's are of {_shaped(own.view_shape)}: make it with "
                f"resolution={own.view_shape[1]} and as many channels"
            )
    channels, resolution, _ = own.view_shape
    if stored_factors:
        data = open_data(DataSettings(dataset="shapes", data_dir=str(root), resolution=resolution), progress)
        factors = _of_store(root, factors, data.train, model.factors.names)
    elif factors is None:
        ours = ",".join(f"{factor}:AUGMENTATION" for factor in model.factors.names)
        raise DataError(
            f"{root} is no packed store of views: give one, as contextssl data shapes writes it, or for images say which augmentation stands for "
            f"which factor, 'foreign={{{name}:{{data_dir:{root},factors:{{{ours}}}}}}}'"
        )
    else:
        named = list(dict.fromkeys(factors.values()))
        images = DataSettings(dataset="images", data_dir=str(root), resolution=resolution, channels=channels, factors=named)
        data = open_data(replace(images, **_ranges(evaluated.settings)), progress)
        # An augmentation's factor may have a shorter name: kornia:RandomSolarize is RandomSolarize.
        by_augmentation = dict(zip(named, data.train.factors.names, strict=True))
        factors = {ours: by_augmentation[theirs] for ours, theirs in factors.items()}
    for key in ("path", "fingerprint"):
        if data.description.get(key) == own.description.get(key):
            raise DataError(f"{root} holds the very data that the run was trained on: name others")
    found = ForeignPairs(name, data.train, factors)
    if model.context_kind == "evidence" and not _same_actions(found, data, evaluated):
        raise DataError(
            f"this model reads actions, which must be of its own factors {', '.join(model.factors.names)}, under the same names and settings: give "
            "such data, or evaluate a model that was trained with context=examples"
        )
    return found, data


def _read(what: Any, known: Sequence[str]) -> tuple[Path, dict[str, str] | None]:
    """The path, and what stands for each factor, where that is given. Raises SettingsError for anything else."""
    if isinstance(what, str):
        what = {"data_dir": what}
    if not isinstance(what, Mapping) or "data_dir" not in what:
        raise SettingsError("give the folder of a packed store, or {data_dir:DIR,factors:{FACTOR:AUGMENTATION}}")
    for key in what:
        if key not in KEYS:
            raise SettingsError(f"unknown {key!r}: {nearest(str(key), KEYS)}")
    root, factors = Path(str(what["data_dir"])).expanduser(), what.get("factors")
    if factors is None:
        return root, None
    if not isinstance(factors, Mapping):
        raise SettingsError(f"factors is {factors!r}: say what stands for each, {{{known[0]}:AUGMENTATION}}")
    for factor in factors:
        if factor not in known:
            raise SettingsError(f"factors holds {factor!r}, which is no factor of the run: {nearest(str(factor), known)}")
    if missing := [factor for factor in known if factor not in factors]:
        raise SettingsError(f"factors says nothing of {', '.join(missing)}: pairs must share or differ in each factor of the run")
    return root, {str(ours): str(theirs) for ours, theirs in factors.items()}


def _of_store(root: Path, factors: Mapping[str, str] | None, source: PairSource, known: Sequence[str]) -> dict[str, str]:
    """What stands for each factor among those of a store; where nothing is said they have the same names."""
    there = source.factors.names
    if factors is None:
        if set(there) != set(known):
            raise DataError(
                f"{root} has the factors {', '.join(there)}, and the run {', '.join(known)}: make data of the same, such as "
                f"'grid={{{','.join(f'{name}:7' for name in known)}}}', or say by factors which stands for which"
            )
        return {name: name for name in known}
    for theirs in factors.values():
        if theirs not in there:
            raise SettingsError(f"{root} has no factor {theirs!r}: {nearest(theirs, there)}")
    return dict(factors)


def _ranges(trained: TrainSettings | None) -> dict[str, Any]:
    """The ranges of augmentations are those of the run."""
    return {} if trained is None else {name: getattr(trained, name) for names in AUGMENTATION_RANGES.values() for name in names}


def _same_actions(found: ForeignPairs, data: Data, evaluated: Evaluated) -> bool:
    """Whether actions of the pairs mean what those of the run mean."""
    same = found.source.factors == evaluated.model.factors and all(ours == theirs for ours, theirs in found.factors.items())
    return same and data.description.get("augmentations") == evaluated.data.description.get("augmentations")


def _shaped(shape: Sequence[int]) -> str:
    return f"{shape[0]} channel{'s' if shape[0] != 1 else ''} and {shape[2]} × {shape[1]} pixels"


@contextmanager
def _naming(name: str) -> Iterator[None]:
    """Errors say which of the foreign data they are of."""
    try:
        yield
    except ContextSSLError as error:
        raise type(error)(f"foreign {name}: {error}") from None
