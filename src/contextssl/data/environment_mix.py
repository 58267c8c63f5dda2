"""Which environments a run trains on, with what probabilities."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Int
from torch import Tensor

from contextssl.errors import SettingsError
from contextssl.factors import NO_FACTOR, Environment, FactorSpace


@dataclass(frozen=True)
class EnvironmentMix:
    """Environments with their probabilities, and whether one is drawn per batch (the paper) or per sequence."""

    environments: tuple[Environment, ...]
    probabilities: tuple[float, ...]
    scope: str = "batch"

    @classmethod
    def parse(
        cls,
        ratio: Sequence[float] | Mapping[str, float] | None,
        factors: FactorSpace,
        scope: str = "batch",
        *,
        all_but_one: bool = False,
    ) -> EnvironmentMix:
        """From the published list ``[first factor, second factor, both]`` for two factors, or ``{environment: probability}`` for any.

        None is each factor alone, with equal chances: for two factors the paper's ``[0.5, 0.5, 0.0]``. A single factor, and categories, are
        joined by ``none``, in whose contexts every factor is inactive. Raises SettingsError for an unknown environment, a list where there are
        not two factors, negative numbers or a sum other than 1.

        Args:
            all_but_one: whether None is, of three and more factors, all but each in turn.
        """
        if scope not in ("batch", "sequence"):
            raise SettingsError(f"an environment is drawn per 'batch' or per 'sequence', not {scope!r}")
        if not factors.factors:
            raise SettingsError("these data have no factors, so none can be active: name augmentations, such as factors=[crop,blur]")
        if ratio is None:
            # A factor is inactive where another one alone is active; a single factor, and categories, need an environment without active factors.
            with_none = len(factors.names) == 1 or any(factor.relation == "category" for factor in factors.factors)
            names = [*factors.names, NO_FACTOR] if with_none else list(factors.names)
            if all_but_one and not with_none and len(names) > 2:
                names = ["+".join(other for other in names if other != name) for name in names]
            ratio = dict.fromkeys(names, 1 / len(names))
        if not isinstance(ratio, Mapping):
            if len(factors.factors) != 2 or len(ratio) != 3:
                raise SettingsError(
                    f"env_ratio as a list is [first, second, both] for two factors; with {len(factors.factors)} factor(s) and "
                    f"{len(ratio)} number(s) give a mapping: 'env_ratio={{{factors.names[0]}:0.5,none:0.5}}'"
                )
            ratio = dict(zip((*factors.names, "both"), ratio, strict=True))
        named = [(factors.environment(name), float(p)) for name, p in ratio.items()]
        if any(not 0 <= p <= 1 for _, p in named) or abs(sum(p for _, p in named) - 1) > 1e-6:
            given = ", ".join(f"{environment.name} {p:g}" for environment, p in named)
            raise SettingsError(f"env_ratio gives {given}: probabilities from 0 to 1 that sum to 1")
        environments, probabilities = zip(*((environment, p) for environment, p in named if p > 0), strict=True)
        return cls(environments, probabilities, scope)

    def draw(self, sequences: int, generator: torch.Generator) -> Int[Tensor, " sequences"]:
        """The environment's index of each sequence; one draw for all of them where the scope is a batch."""
        weights = torch.tensor(self.probabilities, dtype=torch.float64)
        count = 1 if self.scope == "batch" else sequences
        return torch.multinomial(weights, count, replacement=True, generator=generator).expand(sequences)
