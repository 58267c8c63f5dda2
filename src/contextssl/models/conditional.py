"""The baseline of a context: the same model, given the environment's name in place of pairs.

Every token holds, next to the action, one flag per factor: whether the factor is active in the environment. Encoder, predictor, auxiliary head,
bottleneck and loss are ContextSSL's, of the same sizes; but each token attends to itself alone. What ContextSSL gains over this model is what the
pairs of a context add. The rival of contexts by example is trained on the same examples, without any action.
"""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from contextssl.errors import InputError
from contextssl.factors import NO_FACTOR, Environment, FactorSpace
from contextssl.models.contextssl import ContextSSL
from contextssl.models.predictor import Context


class Conditional(ContextSSL):
    """ContextSSL with the environment's name in place of a context. Arguments as of
    :class:`~contextssl.models.contextssl.ContextSSL`; ``block_size`` and ``mask_prob`` have no effect.

    Args:
        context: of which kind of context it is the rival: ``"examples"``, whose pairs have no actions, or another, whose pairs have them.

    A context is the environment's name, and holds no tokens: :meth:`named_context`. Without a context no factor is active, as in the
    environment ``"none"``.

    Example:
        >>> from torch import nn
        >>> from contextssl.factors import COLOR, ROTATION, FactorSpace
        >>> encoder = nn.Sequential(nn.Flatten(), nn.Linear(3 * 8 * 8, 32))
        >>> model = Conditional(encoder, FactorSpace((ROTATION, COLOR)), feature_width=32, projection_dim=16, width=64)
        >>> model.embed(torch.randn(100, 3, 8, 8), model.named_context("rotation")).shape
        torch.Size([100, 16])
    """

    def __init__(self, encoder: nn.Module, factors: FactorSpace, *, context: str = "actions", **settings: Any) -> None:
        # What evidence is of, its decoys, is told by the name; its rival sees true actions alone.
        self.context_kind = "examples" if context == "examples" else "actions"
        self.reads_actions = self.context_kind != "examples"
        super().__init__(encoder, factors, **settings)

    def _action_input_width(self) -> int:
        return (self.factors.width if self.reads_actions else 0) + len(self.factors.factors)

    @property
    def longest_context(self) -> int:
        return 0

    @property
    def takes_environment_name(self) -> bool:
        return True

    def named_context(self, environment: str | Environment) -> Context:
        environment = self.factors.environment(environment) if isinstance(environment, str) else environment
        nothing = torch.zeros(0, 0, 0, 0, device=self.device)
        return Context(nothing, nothing, environment.name)

    def context_from_features(
        self,
        features: Float[Tensor, "k 2 F"],
        action: Float[Tensor, "k A"] | None = None,
        environment: str | Environment | None = None,
        *,
        beyond_block: bool = False,
    ) -> Context:
        """The environment's name; the pairs are ignored. Raises InputError where no environment is named."""
        if environment is None:
            raise InputError("this model takes the environment's name, not pairs: name the environment")
        return self.named_context(environment)

    def forward(
        self,
        source: Tensor,
        target: Tensor,
        action: Float[Tensor, "pairs A"],
        generator: torch.Generator | None = None,
        active: Bool[Tensor, "pairs A"] | None = None,
    ) -> Float[Tensor, "pairs 2 D"]:
        """Predictions for pairs, each token on its own: [:, 0] of each target from its source and action, [:, 1] of each target from itself.
        ``active`` is True at the numbers of the factors that are active in each pair's environment; None: no factor is.
        """
        features = self.pair_features(source, target).flatten(0, 1)
        flags = self._flags(torch.zeros_like(action, dtype=torch.bool) if active is None else active).to(action.dtype)
        inputs = torch.stack([self._inputs(each, flags) for each in (action, torch.zeros_like(action))], dim=1)
        return self.predictor.query(features, inputs.flatten(0, 1)).unflatten(0, (-1, 2))

    def _inputs(self, actions: Float[Tensor, "n A"], flags: Float[Tensor, "n factors"]) -> Float[Tensor, "n inputs"]:
        """What a token holds next to the features."""
        return torch.cat([actions, flags], dim=-1) if self.reads_actions else flags

    def _flags(self, active: Bool[Tensor, "*n A"]) -> Bool[Tensor, "*n factors"]:
        """Which factors are active."""
        return active[..., [block.start for block in self.factors.slices]]

    def check_context(self, context: Context | None) -> None:
        """Raises InputError for a context that holds pairs."""
        if context is not None and len(context):
            raise InputError("this model takes the environment's name, not pairs: give model.named_context(environment)")

    def _query(self, features: Float[Tensor, "n F"], actions: Float[Tensor, "n A"], context: Context | None) -> Float[Tensor, "n D"]:
        environment = NO_FACTOR if context is None or context.environment is None else context.environment
        flags = self._flags(self.factors.mask(environment, actions.device)).to(actions.dtype)
        return self.predictor.query(features, self._inputs(actions, flags.expand(len(actions), -1)))

    def architecture(self) -> dict[str, Any]:
        by_examples = {} if self.reads_actions else {"context": self.context_kind}
        return {"method": "conditional", **by_examples, **super().architecture()}
