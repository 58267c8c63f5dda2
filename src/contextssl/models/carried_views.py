"""Views that a model of examples carries, so that it can say what a context makes of each factor where no data are at hand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor


@dataclass(frozen=True)
class CarriedViews:
    """Features of training views, as the model had them when it was saved.

    Args:
        factors: of each factor m pairs of views of one item that differ in this factor alone, (m, 2, F).
        items: m pairs of views of different items, (m, 2, F).
        examples: of each environment of the training a context of k examples, (k, 2, F).
    """

    factors: Mapping[str, Float[Tensor, "m 2 F"]]
    items: Float[Tensor, "m 2 F"]
    examples: Mapping[str, Float[Tensor, "k 2 F"]] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Tensors in half precision, for a checkpoint; :meth:`from_dict` turns them back."""
        factors, examples = ({name: each.half().cpu() for name, each in tensors.items()} for tensors in (self.factors, self.examples))
        return {"factors": factors, "items": self.items.half().cpu(), "examples": examples}

    @classmethod
    def from_dict(cls, found: Mapping[str, Any]) -> CarriedViews:
        factors, examples = ({str(name): each.float() for name, each in found[part].items()} for part in ("factors", "examples"))
        return cls(factors, found["items"].float(), examples)

    def finite(self) -> bool:
        return all(bool(torch.isfinite(each).all()) for each in (*self.factors.values(), self.items, *self.examples.values()))
