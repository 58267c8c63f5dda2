"""A method: its name, what it is trained for, the settings that it reads, its model and loss, and its published numbers.

Those of this package are the files of ``contextssl.methods``, one each. The settings depend on them, so none imports torch at its top.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any, TypeAlias

from contextssl.errors import SettingsError, nearest
from contextssl.plugins import Kind

if TYPE_CHECKING:
    from torch import nn

    from contextssl.config.settings import TrainSettings
    from contextssl.factors import FactorSpace
    from contextssl.models.baselines.term import Term
    from contextssl.models.label_space import LabelSpace
    from contextssl.models.view_encoder import ViewEncoder
    from contextssl.training.loss import Objective

# Types that the files of methods need, which import nothing for them.
Terms: TypeAlias = "list[Term]"
Model: TypeAlias = "ViewEncoder"
Loss: TypeAlias = "Objective"
Settings: TypeAlias = "TrainSettings"
# What methods are trained for, in the order of the help.
AIMS: Mapping[str, str] = {
    "context": "adapt to a context, or to the environment's name",
    "invariance": "invariant to every factor",
    "equivariance": "equivariant to one action",
    "ceiling": "supervised, as upper bounds",
    "floor": "untrained, as the lower bound",
}
# Settings that every in-context model reads.
IN_CONTEXT = ("width", "n_layer", "n_head", "random_mask", "mask_prob", "init", "projection_dim")


@dataclass(frozen=True)
class Parts:
    """What a model is made of.

    Args:
        encoder: that the method trains; an EMA encoder starts as its copy.
        feature_width: F, the width of the encoder's features.
        image_mean, image_std: of each channel, in units of 0 to 1.
        labels: that depend on the context, where a head is trained on them.
        own: the method's own settings, of the class :attr:`Method.settings`; None if it has none.
    """

    settings: TrainSettings
    encoder: nn.Module
    feature_width: int
    factors: FactorSpace
    classes: int = 1
    image_mean: Sequence[float] | None = None
    image_std: Sequence[float] | None = None
    labels: LabelSpace | None = None
    own: Any = None


@dataclass(frozen=True)
class PublishedRow:
    """A row of the paper's figure 3, left, at its place there: pooled R² of rotation and colour, top-1 accuracy (0 to 1).

    The group is what the method was trained for, or the environment of its actions or context.
    """

    place: int
    group: str
    name: str
    rotation: float
    color: float
    accuracy: float


@dataclass(frozen=True)
class Method:
    """One method: a list of terms over the features of the encoder; or a model of its own with an objective.

    Args:
        name: in ``method=NAME``; of the user's own code ``package.module:Name``.
        aim: what it is trained for: ``"context"``, ``"invariance"``, ``"equivariance"``, ``"ceiling"`` or ``"floor"``.
        terms: of its loss, each a :class:`~contextssl.models.baselines.term.Term`; they are summed.
        model: instead of terms: an in-context model, or any that returns named losses of a batch, as
            :class:`~contextssl.models.baselines.baseline.Baseline` does.
        objective: of an in-context model, from the run's settings and the method's own.
        title: as papers write it (default: the name).
        place: among those of this package, in a comparison's tables.
        contexts, by_name: whether its model takes the pairs of a context, or the environment's name instead.
        source: authors and year.
        compared: whether a comparison includes it by default.
        reads: the training settings that it reads, of those that only some methods read.
        settings: a dataclass of its own settings, or None.
        published: its rows of the paper's figure 3.
        published_retrieval: its rows of the paper's table 1, metrics by row name: its title, or the context length in tokens.
    """

    name: str
    aim: str
    terms: Callable[[Parts], Terms] = lambda parts: []
    model: Callable[[Parts], Model] | None = None
    objective: Callable[[Settings, Any], Loss] | None = None
    title: str = ""
    place: int = 0
    contexts: bool = False
    by_name: bool = False
    source: str = ""
    compared: bool = True
    reads: tuple[str, ...] = ()
    settings: type[Any] | None = None
    published: tuple[PublishedRow, ...] = ()
    published_retrieval: Mapping[str, Mapping[str, float]] = field(default_factory=dict)

    @property
    def trains(self) -> bool:
        return self.aim != "floor"

    def own(self, settings: TrainSettings) -> Any:
        """Its own settings, from those of a run; None if it has none."""
        from contextssl.config.own_settings import own_of

        return None if self.settings is None else own_of(settings, self.settings)


def _taken(name: str, found: Any) -> Method:
    """Raises SettingsError for an object that is no method, an unknown aim, or an unknown setting in ``reads``."""
    if not isinstance(found, Method):
        raise SettingsError(f"method {name!r} is a {type(found).__name__}: it must be a contextssl.method.Method")
    if found.aim not in AIMS:
        raise SettingsError(f"method {name!r} has the aim {found.aim!r}: it must be one of {', '.join(AIMS)}")
    from contextssl.config.settings import TrainSettings

    known = [each.name for each in fields(TrainSettings)]
    if strange := [setting for setting in found.reads if setting not in known]:
        raise SettingsError(f"method {name!r} reads {strange[0]!r}, which is not a setting of training: {nearest(strange[0], known)}")
    return replace(found, name=name, title=found.title or name)


METHODS = Kind("method", "contextssl.methods", "METHOD", _taken)


def method_and_condition(named: str) -> tuple[str, str | None]:
    """Splits a method as a comparison names it into method and condition: ``sie``, ``sie:rotation``, ``mine:Foo``, ``mine:Foo:rotation``.

    The part before the first colon is a known method, or else the module of the user's own.
    """
    first, _, rest = named.partition(":")
    if not rest or first in METHODS.names():
        return first, rest or None
    name, _, condition = rest.partition(":")
    return f"{first}:{name}", condition or None


class _Compared(Kind[Method]):
    """Methods as a comparison names them: with or without a condition."""

    def find(self, name: str) -> Method:
        return super().find(method_and_condition(name)[0])


COMPARED = _Compared("method", "contextssl.methods", "METHOD", _taken)


def methods_by_aim() -> str:
    """Every method by its aim, for the help."""
    by_aim: dict[str, list[str]] = {aim: [] for aim in AIMS}
    for method in METHODS.all():
        by_aim[method.aim].append(method.name)
    shown = "; ".join(f"{', '.join(names)} ({AIMS[aim]})" for aim, names in by_aim.items() if names)
    return f"{shown}; or your own, package.module:Name"
