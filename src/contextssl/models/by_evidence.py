"""The model of contexts by evidence: every block of an action is filled, and the pairs bear out those of the active factors."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn

from contextssl.factors import Environment, FactorSpace
from contextssl.models.contextssl import ContextSSL
from contextssl.models.evidence_predictor import EvidencePredictor
from contextssl.models.predictor import Predictor


class ByEvidence(ContextSSL):
    """ContextSSL whose context is evidence. Arguments as of :class:`~contextssl.models.contextssl.ContextSSL`.

    The action of a pair is true in the blocks of the active factors; in every other block it is a decoy, such as the action to a third view of the
    same item. Nothing is zeroed, so which factors are active can be read from the views alone. A prediction is made for the whole action: the
    context decides what of it counts.

    Two small heads help training, and are not used afterwards: latents read from features, by which a pair's token sees how far the action is from
    what the views show; and the active factors read from the mean of the pairs so far.

    Example:
        >>> from contextssl.factors import COLOR, ROTATION
        >>> encoder = nn.Sequential(nn.Flatten(), nn.Linear(3 * 8 * 8, 32))
        >>> model = ByEvidence(encoder, FactorSpace((ROTATION, COLOR)), feature_width=32, projection_dim=16, width=64)
        >>> context = model.context(torch.randn(7, 3, 8, 8), torch.randn(7, 6), torch.randn(7, 3, 8, 8))
        >>> model.predict(torch.randn(100, 3, 8, 8), torch.randn(100, 6), context).shape
        torch.Size([100, 16])
    """

    context_kind = "evidence"
    predictor_class: type[Predictor] = EvidencePredictor
    predictor: EvidencePredictor

    def __init__(self, encoder: nn.Module, factors: FactorSpace, **settings: Any) -> None:
        super().__init__(encoder, factors, **settings)
        self.predictor.factors = factors
        self.active_head = nn.Linear(self.predictor.read_in.out_features, len(factors.factors))

    def _named(self, environment: str | Environment | None) -> str | None:
        """Any name; it changes nothing."""
        return environment.name if isinstance(environment, Environment) else environment

    def query_action(self, action: Float[Tensor, "n A"], environment: str | Environment) -> Float[Tensor, "n A"]:
        """The whole action, of a context's pairs too: zeros in the inactive blocks would tell which they are."""
        return action

    def evidence_losses(
        self,
        features: Float[Tensor, "pairs 2 F"],
        action: Float[Tensor, "pairs A"],
        latents: Float[Tensor, "pairs 2 A"],
        active: Bool[Tensor, "pairs A"],
    ) -> dict[str, Float[Tensor, ""]]:
        """The losses of the two heads.

        ``latents``: mean squared error of the latents that are read from each view. ``environment``: binary cross-entropy of which factors are
        active, read from the mean of the relations up to each pair of its sequence.
        """
        pairs, a_sequence = len(features), self.predictor.block_size // 2
        read = F.mse_loss(self.predictor.latents(features).float(), latents)
        relations = self.predictor.relation(features, action)
        logits = []
        for part in relations.split(a_sequence):
            count = torch.arange(1, len(part) + 1, device=part.device)[:, None]
            logits.append(self.active_head(part.cumsum(dim=0) / count))
        flags = active[:, [block.start for block in self.factors.slices]].float()
        assert sum(map(len, logits)) == pairs
        return {"latents": read, "environment": F.binary_cross_entropy_with_logits(torch.cat(logits).float(), flags)}

    def architecture(self) -> dict[str, Any]:
        return {"context": self.context_kind, **super().architecture()}
