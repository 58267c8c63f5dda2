"""What every model here has: an encoder of views, the normalisation of images, and checked methods to use it.

A model that can be evaluated also gives embeddings (:meth:`ViewEncoder.embed_features`), which may depend on a context.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from contextssl.errors import InputError
from contextssl.factors import Environment, FactorSpace
from contextssl.models.encoder_width import check_features
from contextssl.models.encoder_width import feature_width as width_of
from contextssl.models.evaluation_mode import evaluation_mode
from contextssl.models.frozen_encoder import FrozenEncoder
from contextssl.models.image_input import check_images, check_statistics, normalised
from contextssl.models.predictor import Context

# How many inputs go through the network at once where nothing is differentiated.
BATCH_SIZE = 512


class ViewEncoder(nn.Module):
    """An encoder with the factors of its data, which name the blocks of an action.

    Args:
        encoder: any module from a batch of inputs (n, ...) to features (n, F).
        feature_width: F; default: ``encoder.num_features``.
        image_mean, image_std: of each channel, in units of 0 to 1; how uint8 images are normalised. None: only float inputs are accepted, and
            taken as they are.
    """

    image_mean: Tensor | None
    image_std: Tensor | None
    # What its contexts are made of, where it takes any: pairs with actions, or examples.
    context_kind = "actions"
    # Whether contexts and predictions may be given actions.
    reads_actions = True

    def __init__(
        self,
        encoder: nn.Module,
        factors: FactorSpace,
        *,
        feature_width: int | None = None,
        image_mean: Sequence[float] | None = None,
        image_std: Sequence[float] | None = None,
    ) -> None:
        super().__init__()
        check_statistics(image_mean, image_std)
        self.factors, self.encoder = factors, encoder
        self.feature_width = feature_width if feature_width is not None else width_of(encoder)
        for name, numbers in (("image_mean", image_mean), ("image_std", image_std)):
            self.register_buffer(name, None if numbers is None else torch.tensor(numbers, dtype=torch.float32).view(-1, 1, 1))

    @property
    def device(self) -> torch.device:
        # Not of a parameter: an encoder without any has a device all the same.
        return next((tensor.device for tensors in (self.parameters(), self.buffers()) for tensor in tensors), torch.device("cpu"))

    # -- what evaluation asks of a model ------------------------------------------------------------------------------------------------

    @property
    def projection_dim(self) -> int:
        """D, the width of embeddings."""
        raise NotImplementedError

    @property
    def longest_context(self) -> int:
        """How many tokens a context may hold, two per pair; 0 for a model that takes none."""
        return 0

    @property
    def takes_environment_name(self) -> bool:
        """Whether embeddings depend on the name of an environment (:meth:`named_context`), and on no pairs."""
        return False

    @property
    def reads_latents(self) -> bool:
        """Whether the model has a trained head of its own from embeddings to latents (:meth:`auxiliary_prediction`)."""
        return False

    @property
    def predicts_features(self) -> bool:
        """Whether predictions live in the space of features, and not of embeddings."""
        return False

    def architecture(self) -> dict[str, Any]:
        """Plain values that say how the model is built, beyond its weights."""
        return {"feature_width": self.feature_width, "projection_dim": self.projection_dim}

    def auxiliary_prediction(self, unit: Float[Tensor, "*batch D"]) -> Float[Tensor, "*batch A"]:
        """Absolute latents from normalised embeddings, where :attr:`reads_latents`."""
        raise NotImplementedError

    def query_action(self, action: Float[Tensor, "n A"], environment: str | Environment) -> Float[Tensor, "n A"]:
        """What a pair or a prediction in an environment is given of the whole action: the blocks of the active factors, zeros elsewhere."""
        return action * self.factors.mask(environment, action.device)

    def embed_features(
        self, features: Float[Tensor, "n F"], context: Context | None = None, actions: Float[Tensor, "n A"] | None = None
    ) -> Float[Tensor, "n D"]:
        """Embeddings from features (no actions), or what the actions make of them."""
        raise NotImplementedError

    def context_from_features(
        self, features: Float[Tensor, "k 2 F"], action: Float[Tensor, "k A"] | None = None, environment: str | Environment | None = None
    ) -> Context:
        """k pairs, encoded once into a context."""
        raise InputError("this model takes no context: it was trained by a method without contexts")

    def named_context(self, environment: str | Environment) -> Context:
        """An environment as a context that is its name and holds no pairs, of a model that :attr:`takes_environment_name`."""
        raise InputError("this model takes no environment's name")

    # -- training -----------------------------------------------------------------------------------------------------------------------

    def normalise(self, inputs: Tensor) -> Tensor:
        """uint8 images → float, by the model's channel means and deviations; float inputs as they are."""
        return normalised(inputs, self.image_mean, self.image_std)

    def features_of(self, views: Tensor) -> Float[Tensor, "n F"]:
        """Features of normalised views, as training and use both have them. Raises InputError where the encoder's output is not (n,
        ``feature_width``).
        """
        features = self.encoder(views)
        check_features(features, len(views), self.feature_width, type(self.encoder).__name__)
        return features

    def pair_features(self, source: Tensor, target: Tensor) -> Float[Tensor, "pairs 2 F"]:
        """Features of both ends of each pair, [:, 0] of sources and [:, 1] of targets, through the encoder as one batch."""
        return by_pairs(self.features_of(self.normalise(torch.cat([source, target]))))

    def after_step(self, progress: float) -> None:
        """Called when the optimiser has stepped; ``progress`` is the share of training that is done, 0 to 1."""

    # -- use ----------------------------------------------------------------------------------------------------------------------------

    def encode(self, images: Tensor, batch_size: int = BATCH_SIZE) -> Float[Tensor, "n F"]:
        """Features, with no context: (n, ...) → (n, F), on the model's device.

        Args:
            images: (n, C, H, W) uint8 in 0 to 255, or float as the encoder was trained on: normalised by the model's mean and deviation. Floats
                that all lie in 0 to 1 are refused by a model that has them, unless they are constant: normalised images do not. A model whose
                encoder is frozen also takes what that gives, (n, F) float.

        Raises:
            InputError: for the wrong dtype, range, shape or channel order, or numbers that are not finite.
        """
        if isinstance(self.encoder, FrozenEncoder) and isinstance(images, Tensor) and images.ndim == 2:
            self.encoder.check(images)
        else:
            check_images(images, self.image_mean, self.image_std)

        def run(part: Tensor) -> Tensor:
            if part.ndim == 4 and part.shape[1] > 1:
                part = part.contiguous(memory_format=torch.channels_last)
            return self.features_of(self.normalise(part))

        with self._frozen():
            return in_batches(run, batch_size, images.to(self.device))

    def encode_pairs(self, source: Tensor, target: Tensor) -> Float[Tensor, "pairs 2 F"]:
        """As :meth:`encode`, of both ends of pairs: [:, 0] of sources and [:, 1] of targets."""
        return by_pairs(self.encode(torch.cat([source, target])))

    @contextmanager
    def _frozen(self) -> Iterator[None]:
        with evaluation_mode(self), torch.no_grad():
            yield

    def _check_actions(self, actions: Tensor, count: int) -> Tensor:
        if actions.shape != (count, self.factors.width):
            blocks = ", ".join(f"{factor.name} {factor.width}" for factor in self.factors.factors)
            raise InputError(f"actions have shape {tuple(actions.shape)}, not ({count}, {self.factors.width}): one per view, of {blocks}")
        if not bool(actions.isfinite().all()):
            raise InputError("actions hold NaN or infinity: fix them before they reach the model")
        return actions


def by_pairs(ends: Float[Tensor, " ends *rest"]) -> Float[Tensor, "pairs 2 *rest"]:
    """Sources, then as many targets, as pairs."""
    return ends.unflatten(0, (2, -1)).transpose(0, 1)


def in_batches(function: Callable[..., Tensor], size: int, *inputs: Tensor) -> Tensor:
    if len(inputs[0]) <= size:
        return function(*inputs)
    return torch.cat([function(*parts) for parts in zip(*(tensor.split(size) for tensor in inputs), strict=True)])
