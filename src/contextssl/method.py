"""What a method is: what it is called and trained for, which settings it reads, what its model and its loss are made of, and its published numbers.

Those of this package are the files of ``contextssl.methods``, one each. Settings read this, so neither it nor they import torch at their top.
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

Terms: TypeAlias = "list[Term]"
# What methods are trained for, in the order in which help tells them.
AIMS: Mapping[str, str] = {
    "context": "follow what a context, or the environment's name, tells",
    "invariance": "ignore every factor",
    "equivariance": "follow one action",
    "ceiling": "learn from labels, as ceilings",
    "floor": "untrained, as the floor",
}
# Settings that every in-context model reads.
IN_CONTEXT = ("width", "n_layer", "n_head", "random_mask", "mask_prob", "init", "projection_dim")


@dataclass(frozen=True)
class Parts:
    """What a model is made of.

    Args:
        settings: of the run.
        encoder: that the method trains; what follows it slowly starts as its copy.
        feature_width: F, the width of the encoder's features.
        classes: how many the data have.
        image_mean, image_std: of each channel, in units of 0 to 1.
        labels: that depend on the context, where a head is to learn them.
        own: the method's own settings, of the class :attr:`Method.settings`; None of a method that has none.
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
    """A row of the paper's figure 3, left: pooled R² of rotation and colour, top-1 accuracy (0 to 1).

    Args:
        place: in the figure.
        group: what the method was trained for, or the environment that it is told.
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
        name: of the setting ``method``. One of the user's own has the name that it is found by.
        aim: what it is trained for: ``"context"``, ``"invariance"``, ``"equivariance"``, ``"ceiling"`` or ``"floor"``.
        terms: of its loss, each a :class:`~contextssl.models.baselines.term.Term`; they are summed.
        model: in the place of terms: an in-context model, or any that gives named losses of a batch, as
            :class:`~contextssl.models.baselines.baseline.Baseline` does.
        objective: of an in-context model, from the run's settings and the method's own.
        title: as papers write it; the name where left out.
        place: among those of this package, in a comparison's tables.
        contexts: whether its model reads the pairs of a context.
        by_name: whether it is told its environment by name, in the place of a context.
        source: where it comes from.
        compared: whether a comparison that names no methods has it.
        reads: the training settings that it reads, of those that not every method reads.
        settings: a dataclass of settings of its own; None for none.
        published: its rows of the paper's figure 3.
        published_retrieval: its rows of the paper's table 1, by metric, under its title, an in-context model's under the length in tokens.
    """

    name: str
    aim: str
    terms: Callable[[Parts], Terms] = lambda parts: []
    model: Callable[[Parts], ViewEncoder] | None = None
    objective: Callable[[TrainSettings, Any], Objective] | None = None
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
        """Its own settings, as those of a run hold them; None of a method that has none."""
        from contextssl.config.own_settings import own_of

        return None if self.settings is None else own_of(settings, self.settings)


def _taken(name: str, found: Any) -> Method:
    """
    Raises:
        SettingsError: for what is no method, has no aim that there is, or reads settings that there are not.
    """
    if not isinstance(found, Method):
        raise SettingsError(f"method {name!r} is a {type(found).__name__}: it must be a contextssl.method.Method")
    if found.aim not in AIMS:
        raise SettingsError(f"method {name!r} has the aim {found.aim!r}: it must be one of {', '.join(AIMS)}")
    from contextssl.config.settings import TrainSettings

    known = [each.name for each in fields(TrainSettings)]
    if strange := [setting for setting in found.reads if setting not in known]:
        raise SettingsError(f"method {name!r} reads {strange[0]!r}, which is no setting of training: {nearest(strange[0], known)}")
    return replace(found, name=name, title=found.title or name)


METHODS = Kind("method", "contextssl.methods", "METHOD", _taken)


def method_and_condition(named: str) -> tuple[str, str | None]:
    """A method as a comparison names it, with its condition where it has one: ``sie``, ``sie:rotation``, ``mine:Foo``, ``mine:Foo:rotation``.

    What stands before the first colon is a method where there is one of that name, else the module of the user's own.
    """
    first, _, rest = named.partition(":")
    if not rest or first in METHODS.names():
        return first, rest or None
    name, _, condition = rest.partition(":")
    return f"{first}:{name}", condition or None


def compared_method(named: str) -> Method:
    """The method of a name as :func:`method_and_condition` reads it.

    Raises:
        SettingsError: as :meth:`Kind.find`.
    """
    return METHODS.find(method_and_condition(named)[0])


def methods_by_aim() -> str:
    """Every method that is there, for help."""
    there: dict[str, list[str]] = {aim: [] for aim in AIMS}
    for method in METHODS.all():
        there[method.aim].append(method.name)
    told = "; ".join(f"{', '.join(names)} ({AIMS[aim]})" for aim, names in there.items() if names)
    return f"what is trained: {told}; or your own, package.module:Name"
