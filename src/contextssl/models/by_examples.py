"""The model of contexts by example: pairs of views that count as the same, and no action anywhere."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from contextssl.data.given_images import Given
from contextssl.data.given_pairs import ends_of
from contextssl.errors import InputError
from contextssl.factors import Environment
from contextssl.models.carried_views import CarriedViews
from contextssl.models.contextssl import ContextSSL
from contextssl.models.description import Description, describe
from contextssl.models.example_predictor import ExamplePredictor
from contextssl.models.predictor import Context, Predictor
from contextssl.models.weights_mark import mark_of


class ByExamples(ContextSSL):
    """ContextSSL whose context is examples: each pair shows two views that are to count as the same. Arguments as of
    :class:`~contextssl.models.contextssl.ContextSSL`.

    The embedding becomes invariant to what differs within the pairs, and keeps what they share. Unlike in the paper no action enters the model,
    so nothing but the views can say what is to be ignored.

    Example:
        >>> from torch import nn
        >>> from contextssl.factors import COLOR, ROTATION, FactorSpace
        >>> encoder = nn.Sequential(nn.Flatten(), nn.Linear(3 * 8 * 8, 32))
        >>> model = ByExamples(encoder, FactorSpace((ROTATION, COLOR)), feature_width=32, projection_dim=16, width=64)
        >>> context = model.context(torch.randn(7, 2, 3, 8, 8))
        >>> model.embed(torch.randn(100, 3, 8, 8), context).shape
        torch.Size([100, 16])
    """

    context_kind = "examples"
    reads_actions = False
    predictor_class: type[Predictor] = ExamplePredictor
    # Comes with the checkpoint of a run.
    carried: CarriedViews | None = None

    def _action_input_width(self) -> int:
        return 0

    def forward(
        self,
        source: Tensor,
        target: Tensor,
        action: Float[Tensor, "pairs A"] | None = None,
        generator: torch.Generator | None = None,
    ) -> Float[Tensor, "pairs 2 D"]:
        """Embeddings of both views of pairs in consecutive sequences, each in the context of the pairs before its own. ``action`` is not read."""
        features = self.pair_features(source, target)
        return self.predictor(features, features.new_zeros(len(features), 0), generator)

    def context(
        self,
        source: Given,
        action: Float[Tensor, "k A"] | None = None,
        target: Given | None = None,
        environment: str | Environment | None = None,
    ) -> Context:
        """Encode k examples once into a context that any number of queries share.

        Args:
            source, target: k images each, as for :meth:`encode`. Or, without a target, all pairs: as one tensor (k, 2, C, H, W), as a list of pairs
                of images, or as the path of a list of pairs (``pairs.csv``), see :func:`~contextssl.data.given_pairs.read_pairs`.
            action: not read.
            environment: a name for these examples; it is kept with the context and changes nothing. Of a list of pairs: which of its kinds.

        Raises:
            InputError: for shapes that disagree, or a context too long for the predictor's block.
            DataError: for a list or an image that cannot be read.
        """
        if target is None:
            source, target = ends_of(source, environment if isinstance(environment, str) else None)
        if isinstance(source, Tensor) and isinstance(target, Tensor) and source.shape != target.shape:
            raise InputError(f"examples pair each view with another: {tuple(source.shape)} and {tuple(target.shape)} were given")
        return self.context_from_features(self.encode_pairs(source, target), None, environment)

    def context_from_features(
        self,
        features: Float[Tensor, "k 2 F"],
        action: Float[Tensor, "k A"] | None = None,
        environment: str | Environment | None = None,
        *,
        beyond_block: bool = False,
    ) -> Context:
        """As :meth:`context`, from features that are already there; ``action`` is not read."""
        features = features.to(self.device)
        name = self._named(environment)
        with self._frozen():
            context = self.predictor.context(features, features.new_zeros(len(features), 0), name, beyond_block=beyond_block)
        return replace(context, features=features, describer=self.describe, mark=mark_of(self))

    def _owned(self, context: Context) -> Context:
        return replace(super()._owned(context), describer=self.describe)

    def _named(self, environment: str | Environment | None) -> str | None:
        """Any name; it changes nothing."""
        return environment.name if isinstance(environment, Environment) else environment

    def describe(self, features: Float[Tensor, "k 2 F"]) -> Description:
        """What examples do, see :meth:`Context.describe <contextssl.models.predictor.Context.describe>`.

        Raises:
            InputError: where the model carries no views.
        """
        if self.carried is None:
            raise InputError(
                "this model carries no views to describe a context by: load it from a run that was trained with context=examples on data with "
                "views that differ in one factor alone"
            )
        return describe(features, self.carried, self.unit_after)

    def unit_after(self, queries: Float[Tensor, "n F"], examples: Float[Tensor, "k 2 F"] | None) -> Float[Tensor, "n D"]:
        """Unit embeddings of features after examples, which are features too; None: without any."""
        context = None if examples is None else self.context_from_features(examples, beyond_block=True)
        return F.normalize(self.embed_features(queries, context), dim=-1)

    def _checked_actions(self, actions: Float[Tensor, "n A"] | None, features: Float[Tensor, "n F"]) -> Float[Tensor, "n 0"]:
        """None of them.

        Raises:
            InputError: where there are any.
        """
        if actions is not None:
            raise InputError("a model of contexts by example takes no actions: it cannot predict what an action makes of a view")
        return features.new_zeros(len(features), 0)

    def architecture(self) -> dict[str, Any]:
        return {"context": self.context_kind, **super().architecture()}
