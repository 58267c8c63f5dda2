"""The world model: an encoder, an in-context predictor, and an auxiliary head that regresses latents.

    z = f(x)                                  encode
    ẑ = h((z, a) | context)                   predict: what the action makes of the view
    ẑ = h((z, 0) | context)                   embed: the view itself, in its context

Source: Gupta et al., "In-Context Symmetries: Self-Supervised Learning through Contextual World Models", NeurIPS 2024.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from contextssl.data.given_images import Given
from contextssl.data.given_pairs import read_pairs
from contextssl.errors import InputError, SettingsError
from contextssl.factors import Environment, FactorSpace
from contextssl.models.adapted import Adapted
from contextssl.models.bottleneck import NoiseBottleneck
from contextssl.models.context_file import read_context
from contextssl.models.hub import OnTheHub
from contextssl.models.label_space import LabelSpace
from contextssl.models.linear_head import LinearHead
from contextssl.models.predictor import Context, Predictor
from contextssl.models.view_encoder import BATCH_SIZE, ViewEncoder, in_batches
from contextssl.models.weights_mark import mark_of
from contextssl.system.precision import FLOAT32

# Directions of an embedding in which items may differ; few, so that the rest is free for what the context keeps.
ITEM_DIRECTIONS = 32


class ContextSSL(ViewEncoder, OnTheHub):
    """Encoder + in-context predictor + auxiliary head. Built, trained and used without Hydra or Lightning.

    Args:
        encoder: any module from a batch of inputs (n, ...) to features (n, F).
        factors: what the blocks of an action are called.
        feature_width: F; default: ``encoder.num_features``.
        projection_dim: D, the width of embeddings; need not equal F.
        width, n_layer, n_head, block_size, mask_prob, init: of the predictor, see :class:`~contextssl.models.predictor.Predictor`.
        auxiliary: whether there is a head that regresses latents, as in the paper.
        auxiliary_width: hidden width of the auxiliary head; 0 for a linear map.
        auxiliary_scale: input of the head: the L2-normalised embedding (``"unit"``, published), or that times √D (``"sqrt_width"``), whose
            numbers are of order one, as a freshly drawn layer expects.
        bottleneck: variance of the noise put on normalised embeddings while training, as a share of their own; 0 is the published model.
        image_mean, image_std: of each channel, in units of 0 to 1; how uint8 images are normalised. None: only float inputs are accepted, and
            taken as they are.
        labels: classes of a supervised head (``label_head``) whose labels depend on the context; None for no such head, as published.
        item_head: whether there is a head that tells items apart in every context; False is published.

    Example:
        >>> from contextssl.factors import COLOR, ROTATION, FactorSpace
        >>> encoder = nn.Sequential(nn.Flatten(), nn.Linear(3 * 8 * 8, 32))
        >>> model = ContextSSL(encoder, FactorSpace((ROTATION, COLOR)), feature_width=32, projection_dim=16, width=64)
        >>> context = model.context(torch.randn(7, 3, 8, 8), torch.randn(7, 6), torch.randn(7, 3, 8, 8), environment="rotation")
        >>> model.embed(torch.randn(100, 3, 8, 8), context).shape
        torch.Size([100, 16])
    """

    auxiliary: nn.Sequential | None
    # False of a model whose training gives that head no weight: it stays as it was drawn, and reads nothing.
    auxiliary_is_trained = True
    predictor_class: type[Predictor] = Predictor

    def __init__(
        self,
        encoder: nn.Module,
        factors: FactorSpace,
        *,
        feature_width: int | None = None,
        projection_dim: int = 512,
        width: int = 2048,
        n_layer: int = 3,
        n_head: int = 4,
        block_size: int = 128,
        mask_prob: float = 0.9,
        init: str = "gpt2",
        auxiliary: bool = True,
        auxiliary_width: int = 1024,
        auxiliary_scale: str = "unit",
        bottleneck: float = 0.0,
        image_mean: Sequence[float] | None = None,
        image_std: Sequence[float] | None = None,
        labels: LabelSpace | None = None,
        item_head: bool = False,
    ) -> None:
        super().__init__(encoder, factors, feature_width=feature_width, image_mean=image_mean, image_std=image_std)
        if auxiliary_scale not in ("unit", "sqrt_width"):
            raise SettingsError(f"auxiliary_scale is {auxiliary_scale!r}: use 'unit' or 'sqrt_width'")
        if bottleneck < 0:
            raise SettingsError(f"bottleneck is {bottleneck}: a share of variance is 0 or more")
        if projection_dim < 1:
            raise SettingsError(f"projection_dim is {projection_dim}: an embedding needs at least one number")
        if auxiliary_width < 0:
            raise SettingsError(f"auxiliary_width is {auxiliary_width}: give the width of hidden layers, or 0 for a linear map")
        self.predictor = self.predictor_class(
            self.feature_width,
            self._action_input_width(),
            projection_dim,
            width=width,
            n_layer=n_layer,
            n_head=n_head,
            block_size=block_size,
            mask_prob=mask_prob,
            init=init,
        )
        hidden = (auxiliary_width, auxiliary_width) if auxiliary_width else ()
        widths = (projection_dim, *hidden, factors.width)
        layers = [layer for before, after in pairwise(widths) for layer in (nn.Linear(before, after), nn.ReLU())]
        self.auxiliary = nn.Sequential(*layers[:-1]) if auxiliary else None
        self.auxiliary_scale = auxiliary_scale
        self.bottleneck_share = bottleneck
        self.bottleneck = NoiseBottleneck()
        # Last, so that a model's other weights are the same without it.
        self.label_space = labels
        self.label_head = None if labels is None else LinearHead(projection_dim, labels.count)
        self.item_head = LinearHead(projection_dim, ITEM_DIRECTIONS) if item_head else None

    def _action_input_width(self) -> int:
        """Width of what a token holds next to the features: the action, and whatever else describes the environment."""
        return self.factors.width

    @property
    def projection_dim(self) -> int:
        return self.predictor.output_width

    @property
    def longest_context(self) -> int:
        return self.predictor.block_size - 2

    @property
    def reads_latents(self) -> bool:
        return self.auxiliary is not None and self.auxiliary_is_trained

    def compile_parts(self, **options: Any) -> None:
        super().compile_parts(**options)
        # Without the drawing of masks, whose generator would break the graph.
        self.predictor.sequences = torch.compile(self.predictor.sequences, **options)  # type: ignore[method-assign]

    # -- training ---------------------------------------------------------------------------------------------------------------------

    def forward(
        self,
        source: Tensor,
        target: Tensor,
        action: Float[Tensor, "pairs A"],
        generator: torch.Generator | None = None,
    ) -> Float[Tensor, "pairs 2 D"]:
        """Predictions for pairs in consecutive sequences: [:, 0] of each target from its source and action, [:, 1] of each target from itself.

        ``action`` is already that of its environment (other factors zeroed). Source and target go through the encoder as one batch.
        """
        return self.predictor(self.pair_features(source, target), action, generator)

    def auxiliary_prediction(self, unit: Float[Tensor, "*batch D"]) -> Float[Tensor, "*batch A"]:
        """Absolute latents regressed from normalised embeddings (noisy ones where a bottleneck is on)."""
        if self.auxiliary is None:
            raise InputError("this model has no auxiliary head: it was trained without one")
        scale = self.projection_dim**0.5 if self.auxiliary_scale == "sqrt_width" else 1.0
        return self.auxiliary(scale * unit)

    # -- use --------------------------------------------------------------------------------------------------------------------------

    def context(
        self,
        source: Given,
        action: Float[Tensor, "k A"] | None = None,
        target: Given | None = None,
        environment: str | Environment | None = None,
    ) -> Context:
        """Encode k pairs once into a context that any number of queries share.

        Args:
            source, target: k images each, as for :meth:`encode`; or, alone, the path of a list of pairs (``pairs.csv``) that holds the actions too,
                see :func:`~contextssl.data.given_pairs.read_pairs`.
            action: (k, A) from source to target.
            environment: its inactive factors are zeroed in the actions. None leaves the actions as they are.

        Raises:
            InputError: for shapes that disagree, or a context too long for the predictor's block.
            DataError: for a list or an image that cannot be read.
        """
        if isinstance(source, (str, os.PathLike)) and action is None and target is None:
            listed = read_pairs(Path(source), environment if isinstance(environment, str) else None, self.factors)
            source, action, target = listed.first, listed.actions, listed.second
        if action is None or target is None:
            raise InputError(
                "a context of this model is sources, actions and targets: only one that was trained with context=examples needs no actions"
            )
        features = self.encode_pairs(source, target)
        return self.context_from_features(features, self._check_actions(action, len(features)), environment)

    def context_from_features(
        self,
        features: Float[Tensor, "k 2 F"],
        action: Float[Tensor, "k A"] | None = None,
        environment: str | Environment | None = None,
        *,
        beyond_block: bool = False,
    ) -> Context:
        """As :meth:`context`, from features that are already there: [:, 0] of the sources, [:, 1] of the targets.

        Args:
            beyond_block: whether the context may be longer than any that the model was trained with, see
                :meth:`Predictor.context <contextssl.models.predictor.Predictor.context>`.
        """
        if action is None:
            raise InputError("a context of this model needs the action of each pair")
        action = self._check_actions(action, len(features)).to(self.device)
        name = self._named(environment)
        if environment is not None:
            action = self.query_action(action, environment)
        with self._frozen():
            context = self.predictor.context(features.to(self.device), action, name, beyond_block=beyond_block)
        return replace(context, mark=mark_of(self))

    def _named(self, environment: str | Environment | None) -> str | None:
        """The name that a context keeps of its environment: as the factors spell it."""
        if isinstance(environment, str):
            environment = self.factors.environment(environment)
        return None if environment is None else environment.name

    def load_context(self, path: str | Path) -> Context:
        """A context that was saved. Raises DataError for a file that is missing, damaged, or none of a context; InputError where it belongs to
        another model.
        """
        context = read_context(Path(path))
        try:
            self.check_context(context)
        except InputError:
            raise InputError(f"{path} belongs to another model: make the context again with this one") from None
        return self._owned(context)

    def _owned(self, context: Context) -> Context:
        """A context as this model makes it, from one of a file."""
        return replace(context, keys=context.keys.to(self.device), values=context.values.to(self.device), mark=mark_of(self))

    def adapt(self, context: Context | None = None) -> Adapted:
        """The model with a context inside, as one module from uint8 images (n, C, H, W) to embeddings (n, D), to be exported and used elsewhere."""
        return Adapted(self, context)

    def embed(
        self, images: Given, context: Context | None = None, *, bottleneck: float = 0.0, generator: torch.Generator | None = None
    ) -> Float[Tensor, "n D"]:
        """Embeddings of n views in a context, (n, D) float32, on the model's device. None is no context. Images as for :meth:`encode`.

        Args:
            bottleneck: with a noise share above 0 the embeddings come L2-normalised with noise of that share of the variance that was tracked in
                training, over all contexts, drawn from ``generator``. Each call draws again, and n embeddings of the same view average the noise
                away. With 0 they come as the predictor gives them.
        """
        return self.embed_features(self.encode(images), context, bottleneck=bottleneck, generator=generator)

    def predict(
        self,
        images: Given,
        actions: Float[Tensor, "n A"],
        context: Context | None = None,
        *,
        bottleneck: float = 0.0,
        generator: torch.Generator | None = None,
    ) -> Float[Tensor, "n D"]:
        """Predicted embeddings of what each action makes of each view: n images, (n, A) → (n, D). Otherwise as :meth:`embed`."""
        return self.embed_features(self.encode(images), context, actions, bottleneck=bottleneck, generator=generator)

    def embed_features(
        self,
        features: Float[Tensor, "n F"],
        context: Context | None = None,
        actions: Float[Tensor, "n A"] | None = None,
        *,
        bottleneck: float = 0.0,
        generator: torch.Generator | None = None,
        batch_size: int = 8 * BATCH_SIZE,
    ) -> Float[Tensor, "n D"]:
        """As :meth:`embed` (no actions) and :meth:`predict`, from features that are already there."""
        self.check_context(context)
        features = features.to(self.device)
        actions = self._checked_actions(actions, features)
        with self._frozen():
            z = in_batches(lambda f, a: self._query(f, a, context), batch_size, features, actions)
            z = z if self.precision == FLOAT32 else z.float()
            if bottleneck:
                if bottleneck < 0:
                    raise InputError(f"bottleneck is {bottleneck}: a share of variance is 0 or more")
                self.bottleneck.require_variance()
                z = self.bottleneck(F.normalize(z, dim=-1), bottleneck, generator)
        return z

    def _checked_actions(self, actions: Float[Tensor, "n A"] | None, features: Float[Tensor, "n F"]) -> Float[Tensor, "n A"]:
        """The actions of queries, on the model's device: zeros where none are given."""
        if actions is None:
            return features.new_zeros(len(features), self.factors.width)
        return self._check_actions(actions, len(features)).to(self.device)

    def _query(self, features: Float[Tensor, "n F"], actions: Float[Tensor, "n A"], context: Context | None) -> Float[Tensor, "n D"]:
        return self.predictor.query(features, actions, context)

    def measure_variance(self, images: Given, context: Context | None = None) -> float:
        """Measure the embedding variance that noise shares refer to, for a model that was not trained here. Returns it."""
        z = F.normalize(self.embed(images, context), dim=-1)
        self.bottleneck.observe(z)
        return float(self.bottleneck.variance)

    def architecture(self) -> dict[str, Any]:
        """Plain values that rebuild everything but the encoder: the arguments of the constructor."""
        predictor = self.predictor
        return {
            "feature_width": self.feature_width,
            "projection_dim": self.projection_dim,
            "width": predictor.read_in.out_features,
            "n_layer": len(predictor.blocks),
            "n_head": predictor.blocks[0].heads,
            "block_size": predictor.block_size,
            "mask_prob": predictor.mask_prob,
            "auxiliary": self.auxiliary is not None,
            "auxiliary_width": self.auxiliary[0].out_features if self.auxiliary is not None and len(self.auxiliary) > 1 else 0,
            "auxiliary_scale": self.auxiliary_scale,
            "bottleneck": self.bottleneck_share,
            "image_mean": None if self.image_mean is None else self.image_mean.flatten().tolist(),
            "image_std": None if self.image_std is None else self.image_std.flatten().tolist(),
            "labels": None if self.label_space is None else self.label_space.to_dict(),
            "item_head": self.item_head is not None,
        }
