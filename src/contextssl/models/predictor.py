"""The in-context predictor: a transformer over pairs that predicts, for each view and action, what the action makes of the view.

A sequence holds pairs; a pair is two tokens, (source, action) and (target, 0). A token sees every earlier pair and itself; a target does not
see its own source, which would make its prediction a copy. There are no positions, so a context is a set that grows. Everything a later
token needs of a context are its keys and values, which :class:`Context` holds: encoded once, shared by any number of queries.

Source: Gupta et al., "In-Context Symmetries", NeurIPS 2024, section 3 and its published implementation.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn

from contextssl.errors import InputError, SettingsError
from contextssl.models.evaluation_mode import evaluation_mode
from contextssl.models.weights_mark import WeightsMark

if TYPE_CHECKING:
    from contextssl.models.description import Description


@dataclass(frozen=True)
class Context:
    """Keys and values of k encoded pairs: all that a query needs of them.

    Args:
        keys, values: (layers, heads, k · held, channels per head).
        held: tokens of a pair that are held: both views' in the paper, one that reads both in contexts of examples.
        features: of the pairs, where the context can be described.
        describer: of the model that encoded it.
        mark: of that model's weights.
    """

    keys: Float[Tensor, "layers heads tokens channels"]
    values: Float[Tensor, "layers heads tokens channels"]
    environment: str | None = None
    held: int = 2
    features: Float[Tensor, "k 2 F"] | None = field(default=None, repr=False)
    describer: Callable[[Float[Tensor, "k 2 F"]], Description] | None = field(default=None, repr=False, compare=False)
    mark: WeightsMark | None = field(default=None, repr=False, compare=False)

    @property
    def pairs(self) -> int:
        return int(self.keys.shape[2]) // self.held

    def __len__(self) -> int:
        """Length as the paper counts it, two tokens per pair, whatever is held of a pair."""
        return 2 * self.pairs

    def prefix(self, tokens: int) -> Context:
        """The context of the first ``tokens`` tokens. Exact, since no token sees a later one; nothing is computed or copied. Raises InputError
        for an odd, negative or longer length.
        """
        if tokens % 2 or not 0 <= tokens <= len(self):
            raise InputError(f"a context of {len(self)} tokens has no prefix of {tokens}: ask for an even number from 0 to {len(self)}")
        held = tokens // 2 * self.held
        features = None if self.features is None else self.features[: tokens // 2]
        return replace(self, keys=self.keys[:, :, :held], values=self.values[:, :, :held], features=features)

    def describe(self) -> Description:
        """Which factors these examples keep and drop, how sure that is, whether more pairs would help, and what is odd about them, in the model's
        own estimate on views that it carries. Raises InputError for a context of another kind, of no pairs, or of a model that carries no views.
        """
        if self.describer is None or self.features is None:
            raise InputError("this context cannot be described: only contexts of examples can (context=examples)")
        if not len(self):
            raise InputError("there are no pairs to describe")
        return self.describer(self.features)

    def save(self, path: str | Path) -> None:
        """Writes the context to a file (safetensors), which :meth:`ContextSSL.load_context <contextssl.models.contextssl.ContextSSL.load_context>`
        of the same model reads. Raises InputError where the model's weights have changed since it was made; DataError where it cannot be written.
        """
        from contextssl.models.context_file import write_context

        write_context(self, Path(path))


def pair_mask(tokens: int, device: torch.device | str | None = None) -> Bool[Tensor, "tokens tokens"]:
    """Who may attend to whom (query, key): every earlier pair, and oneself; a target never its own source."""
    index = torch.arange(tokens, device=device)
    pair = index // 2
    return (pair[:, None] > pair[None, :]) | (index[:, None] == index[None, :])


def context_mask(
    allowed: Bool[Tensor, "tokens tokens"], uniform: Float[Tensor, "tokens pairs"], probability: float
) -> Bool[Tensor, "tokens tokens"]:
    """``allowed`` with each (query token, context pair) hidden whose uniform draw is below ``probability``; a token always sees itself."""
    kept = (uniform >= probability).repeat_interleave(allowed.shape[1] // uniform.shape[1], dim=1)
    return (allowed & kept) | torch.eye(allowed.shape[0], dtype=torch.bool, device=allowed.device)


def shared_context_attention(
    query: Float[Tensor, "heads n channels"],
    key: Float[Tensor, "heads n channels"],
    value: Float[Tensor, "heads n channels"],
    context_keys: Float[Tensor, "heads tokens channels"],
    context_values: Float[Tensor, "heads tokens channels"],
) -> Float[Tensor, "heads n channels"]:
    """Attention of n independent queries, each over one shared context and its own key. The context is never repeated: memory O(n)."""
    scale = query.shape[-1] ** -0.5
    to_context = query @ context_keys.transpose(-1, -2) * scale
    to_self = (query * key).sum(-1, keepdim=True) * scale
    weights = torch.cat([to_context, to_self.to(to_context.dtype)], dim=-1).softmax(dim=-1).to(value.dtype)
    return weights[..., :-1] @ context_values + weights[..., -1:] * value


class Block(nn.Module):
    """Pre-norm transformer block with exact GELU; the caller says who attends to whom."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.attention_norm = nn.LayerNorm(width)
        self.queries_keys_values = nn.Linear(width, 3 * width)
        self.attention_out = nn.Linear(width, width)
        self.mlp_norm = nn.LayerNorm(width)
        self.mlp_in = nn.Linear(width, 4 * width)
        self.mlp_out = nn.Linear(4 * width, width)

    def forward(
        self, x: Float[Tensor, "*batch tokens width"], attend: Callable[[Tensor, Tensor, Tensor], Tensor]
    ) -> Float[Tensor, "*batch tokens width"]:
        """``attend`` maps queries, keys and values (*batch, heads, tokens, channels) to the same shape."""
        projected = self.queries_keys_values(self.attention_norm(x))
        query, key, value = (part.unflatten(-1, (self.heads, -1)).transpose(-3, -2) for part in projected.chunk(3, dim=-1))
        x = x + self.attention_out(attend(query, key, value).transpose(-3, -2).flatten(-2))
        return x + self.mlp_out(F.gelu(self.mlp_in(self.mlp_norm(x))))


class Predictor(nn.Module):
    """In-context transformer from (feature, action) tokens to embeddings.

    What a variant changes are the tokens of a pair (:meth:`embedded`), who attends to whom (:meth:`allowed`), and which of a pair's tokens are
    predictions and which a context holds.

    Args:
        feature_width, action_width: F and A.
        output_width: D, the width of a prediction (the paper's ``projection_dim``); need not equal F.
        width, n_layer, n_head: of the transformer; the defaults are the paper's.
        block_size: tokens per sequence, two per pair. Even.
        mask_prob: the chance that a token does not see a context pair in a layer, while training.
        init: ``"gpt2"`` draws every weight with deviation 0.02 (residual outputs 0.02 / √(2 · layers)); ``"fan_in"`` with 1 / √fan-in, and
            the read-in's columns for features and for actions each by their own width, so that a few action numbers are not outweighed by
            hundreds of features. The second learns in minutes where the first stays at chance.
    """

    # Tokens of a pair; which of them are predictions; which of them a context holds.
    tokens_per_pair = 2
    predicted = slice(0, 2)
    held = slice(0, 2)

    def __init__(
        self,
        feature_width: int,
        action_width: int,
        output_width: int = 512,
        *,
        width: int = 2048,
        n_layer: int = 3,
        n_head: int = 4,
        block_size: int = 128,
        mask_prob: float = 0.9,
        init: str = "gpt2",
    ) -> None:
        super().__init__()
        if block_size < 2 or block_size % 2:
            raise SettingsError(f"block_size is {block_size}: it counts tokens, two per pair, so it must be even and at least 2")
        for name, value in (("width", width), ("projection_dim", output_width), ("the encoder's feature width", feature_width)):
            if value < 1:
                raise SettingsError(f"{name} is {value}: it must be at least 1")
        if n_layer < 1:
            raise SettingsError(f"n_layer is {n_layer}: the predictor needs at least one layer")
        if n_head < 1 or width % n_head:
            raise SettingsError(f"width {width} cannot be shared by n_head {n_head} heads: choose a divisor of the width")
        if not 0 <= mask_prob <= 1:
            raise SettingsError(f"mask_prob is {mask_prob}: a probability lies from 0 to 1")
        self.feature_width, self.action_width, self.output_width = feature_width, action_width, output_width
        self.block_size, self.mask_prob = block_size, mask_prob
        self.read_in = nn.Linear(feature_width + action_width, width)
        self._read_pairs(width)
        self.blocks = nn.ModuleList(Block(width, n_head) for _ in range(n_layer))
        self.norm = nn.LayerNorm(width)
        self.read_out = nn.Linear(width, output_width)
        self._initialise(init)

    def _read_pairs(self, width: int) -> None:
        """The layers that a variant reads pairs with; none here."""

    def _initialise(self, init: str) -> None:
        if init not in ("gpt2", "fan_in"):
            raise SettingsError(f"init is {init!r}: use 'gpt2' or 'fan_in'")
        for name, module in self.named_modules():
            if not isinstance(module, nn.Linear):
                continue
            deviation = 0.02 if init == "gpt2" else module.in_features**-0.5
            if init == "gpt2" and name.endswith(("attention_out", "mlp_out")):
                deviation /= (2 * len(self.blocks)) ** 0.5
            nn.init.normal_(module.weight, std=deviation)
            nn.init.zeros_(module.bias)
        if init == "fan_in" and self.action_width:
            nn.init.normal_(self.read_in.weight[:, : self.feature_width], std=self.feature_width**-0.5)
            nn.init.normal_(self.read_in.weight[:, self.feature_width :], std=self.action_width**-0.5)

    def tokens(
        self, features: Float[Tensor, "*batch pairs 2 F"], actions: Float[Tensor, "*batch pairs A"]
    ) -> Float[Tensor, "*batch tokens F_A"]:
        """(source, action) and (target, 0) in turn."""
        actions = torch.stack([actions, torch.zeros_like(actions)], dim=-2)
        return torch.cat([features, actions.to(features.dtype)], dim=-1).flatten(-3, -2)

    def embedded(
        self, features: Float[Tensor, "*batch pairs 2 F"], actions: Float[Tensor, "*batch pairs A"]
    ) -> Float[Tensor, "*batch tokens width"]:
        """The tokens of pairs, read in."""
        return self.read_in(self.tokens(features, actions))

    def allowed(self, pairs: int, device: torch.device | str | None = None) -> Bool[Tensor, "tokens tokens"]:
        """Who may attend to whom (query, key) among the tokens of so many pairs."""
        return pair_mask(2 * pairs, device)

    def forward(
        self, features: Float[Tensor, "pairs 2 F"], actions: Float[Tensor, "pairs A"], generator: torch.Generator | None = None
    ) -> Float[Tensor, "pairs 2 D"]:
        """Predictions for pairs laid out in consecutive sequences of ``block_size`` tokens; the last may be shorter, and is exact all the same.

        In training mode every layer draws a fresh context mask from ``generator``, shared by the sequences and heads; a shorter sequence has
        the part of it that it reaches. What is drawn depends on the block's size alone, and not on how many pairs there are.
        """
        shape = (len(features) // (self.block_size // 2), self.block_size // 2)
        whole, masks = math.prod(shape), self._masks(features.device, generator)
        parts = zip(*((each[:whole].unflatten(0, shape), each[None, whole:]) for each in (features, actions)), strict=True)
        made = [self.sequences(each, done, masks)[0].flatten(0, 1) for each, done in parts if each.numel()]
        return made[0] if len(made) == 1 else torch.cat(made)

    def _masks(self, device: torch.device, generator: torch.Generator | None) -> list[Tensor] | None:
        """Each layer's context mask for a whole block, drawn; None where nothing is hidden."""
        if not (self.training and self.mask_prob > 0):
            return None
        allowed = self.allowed(self.block_size // 2, device)
        shape = (len(allowed), self.block_size // 2)
        return [context_mask(allowed, torch.rand(shape, device=device, generator=generator), self.mask_prob) for _ in self.blocks]

    def sequences(
        self, features: Tensor, actions: Tensor, masks: Sequence[Tensor] | None = None
    ) -> tuple[Tensor, list[Tensor], list[Tensor]]:
        """Sequences of pairs: predictions (S, P, 2, D), and of each layer the keys and values that a context holds (S, heads, P · held, channels).

        ``masks`` say for each layer who may attend to whom, of at least as many tokens as there are; default: every earlier pair.
        """
        x = self.embedded(features, actions)
        tokens, pairs = x.shape[-2], features.shape[-3]
        masks = [self.allowed(pairs, x.device)] * len(self.blocks) if masks is None else masks
        keys: list[Tensor] = []
        values: list[Tensor] = []
        for block, mask in zip(self.blocks, masks, strict=True):

            def attend(query: Tensor, key: Tensor, value: Tensor, mask: Tensor = mask[:tokens, :tokens]) -> Tensor:
                keys.append(self._of_pairs(key, self.held))
                values.append(self._of_pairs(value, self.held))
                return F.scaled_dot_product_attention(query, key, value, attn_mask=mask)

            x = block(x, attend)
        return self.read_out(self.norm(self._of_pairs(x, self.predicted))).unflatten(-2, (pairs, 2)), keys, values

    def _of_pairs(self, tokens: Float[Tensor, "*batch tokens n"], chosen: slice) -> Float[Tensor, "*batch chosen n"]:
        """Some of the tokens of each pair."""
        return tokens.unflatten(-2, (-1, self.tokens_per_pair))[..., chosen, :].flatten(-3, -2)

    def context(
        self,
        features: Float[Tensor, "pairs 2 F"],
        actions: Float[Tensor, "pairs A"],
        environment: str | None = None,
        *,
        beyond_block: bool = False,
    ) -> Context:
        """Encode k pairs once into the keys and values that queries attend to. No context mask. Raises InputError where the pairs and a query would
        not fit into a block, unless ``beyond_block``: nothing of the predictor depends on the block's size, since there are no positions, but
        training has shown it no context that long.
        """
        limit = self.block_size // 2 - 1
        if features.shape[0] > limit and not beyond_block:
            raise InputError(
                f"a context of {features.shape[0]} pairs ({2 * features.shape[0]} tokens) and a query do not fit into a block of "
                f"{self.block_size} tokens: give at most {limit} pairs"
            )
        with evaluation_mode(self):
            _, keys, values = self.sequences(features[None], actions[None])
        return Context(torch.stack(keys)[:, 0], torch.stack(values)[:, 0], environment, len(range(self.tokens_per_pair)[self.held]))

    def query_token(self, features: Float[Tensor, "n F"], actions: Float[Tensor, "n A"]) -> Float[Tensor, "n width"]:
        return self.read_in(torch.cat([features, actions.to(features.dtype)], dim=-1))

    def query(self, features: Float[Tensor, "n F"], actions: Float[Tensor, "n A"], context: Context | None = None) -> Float[Tensor, "n D"]:
        """Predictions for n independent queries, each alone after the same context (None: after nothing). Equal to running each query token by
        token after the context, but the context is neither run again nor copied.
        """
        x = self.query_token(features, actions)
        for layer, block in enumerate(self.blocks):

            def attend(query: Tensor, key: Tensor, value: Tensor, layer: int = layer) -> Tensor:
                if context is None or len(context) == 0:
                    return value
                return shared_context_attention(query, key, value, context.keys[layer].to(key), context.values[layer].to(value))

            x = block(x, attend)
        return self.read_out(self.norm(x))
