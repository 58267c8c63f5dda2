"""What every model here has: an encoder of views, the normalisation of images, and checked methods to use it.

A model that can be evaluated also gives embeddings (:meth:`ViewEncoder.embed_features`), which may depend on a context.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from contextssl.data.given_images import Chunk, Given, GivenImages, Unreadable, given_images
from contextssl.digest import digest_of_bytes
from contextssl.errors import InputError
from contextssl.factors import Environment, FactorSpace
from contextssl.models.embedded_images import MANY, EmbeddedImages, embed_named
from contextssl.models.encoder_width import check_features
from contextssl.models.encoder_width import feature_width as width_of
from contextssl.models.evaluation_mode import evaluation_mode
from contextssl.models.frozen_encoder import FrozenEncoder
from contextssl.models.image_input import check_images, check_statistics, normalised
from contextssl.models.neighbours import Neighbours, nearest
from contextssl.models.predictor import Context
from contextssl.models.weights_mark import mark_of
from contextssl.system.precision import FLOAT32, autocast
from contextssl.system.progress import Meter

if TYPE_CHECKING:
    import pandas as pd

    from contextssl.data.tables.columns import Columns
    from contextssl.models.stored_embeddings import StoredEmbeddings

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
    # (C, H, W) of the images that it was trained on, to which files and arrays are brought; comes with a checkpoint.
    view_shape: tuple[int, ...] | None = None
    # Of a model of tables, how its rows become numbers; comes with a checkpoint.
    columns: Columns | None = None
    # Plain values that rebuild it, where it was loaded.
    recipe: dict[str, Any] | None = None
    # Of what the methods for use compute: "32-true", or "bf16-mixed" where the device gains from it.
    precision = FLOAT32

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

    def compile_parts(self, **options: Any) -> None:
        """Compiles what a training step computes with (``torch.compile``, whose ``options`` these are), each part as one graph; weights keep their
        names.
        """
        self.encoder.compile(**options)

    def after_step(self, progress: float) -> None:
        """Called when the optimiser has stepped; ``progress`` is the share of training that is done, 0 to 1."""

    # -- use ----------------------------------------------------------------------------------------------------------------------------

    def encode(self, images: Given, batch_size: int | None = None, *, progress: bool | None = None) -> Float[Tensor, "n F"]:
        """Features, with no context: n images → (n, F) float32, on the model's device.

        Args:
            images: paths, PIL images, arrays, a folder, a DataLoader, …, see :func:`~contextssl.data.given_images.given_images`. A tensor is
                (n, C, H, W), uint8 in 0 to 255, or float as the encoder was trained on: normalised by the model's mean and deviation; floats that
                all lie in 0 to 1 are refused by a model that has them, unless they are constant: normalised images do not. A model of tables takes
                a DataFrame with the columns that it was trained on, or encoded rows (n, W). A model whose encoder is frozen also takes what that
                gives, a tensor (n, F) float.
            batch_size: how many at once; default: up to 512, fewer of large images.
            progress: whether it is shown; default: from 1,000 images on.

        Raises:
            InputError: for the wrong dtype, range, shape or channel order, or numbers that are not finite.
            DataError: for a file that cannot be read.
        """
        if isinstance(images, Tensor):
            # As a whole: a part of it may look like another kind of input.
            self._check(images)
        given = self.given(images, batch_size)
        shown = progress if progress is not None else (given.count or 0) >= MANY
        features = []
        with Meter("encoding", given.count or 0, "images", show=shown) as meter:
            for chunk in given:
                features.append(self._encode(chunk.images, checked=isinstance(images, Tensor)))
                meter.advance(len(chunk.images))
        if not features:
            return torch.zeros(0, self.feature_width, device=self.device)
        return features[0] if len(features) == 1 else torch.cat(features)

    def given(self, images: Given, chunk: int | None = None, unreadable: Unreadable = "refuse") -> GivenImages:
        """Images as this model takes them, a chunk at a time; what is that already, as it is. Arguments and errors as of
        :func:`~contextssl.data.given_images.given_images`.
        """
        if isinstance(images, GivenImages):
            return images
        if self.columns is not None and not isinstance(images, Tensor):
            return given_images(torch.from_numpy(self.columns.encode(as_frame(images, self.columns))), None, chunk=chunk)
        if isinstance(images, np.ndarray) and self.view_shape is not None and len(self.view_shape) == 1:
            images = torch.from_numpy(images)
        return given_images(images, self.view_shape, chunk=chunk, unreadable=unreadable)

    def _check(self, images: Tensor) -> None:
        if isinstance(self.encoder, FrozenEncoder) and images.ndim == 2:
            self.encoder.check(images)
        else:
            check_images(images, self.image_mean, self.image_std)

    def _encode(self, images: Tensor, checked: bool = False) -> Float[Tensor, "n F"]:
        if not checked:
            self._check(images)
        images = images.to(self.device)
        if images.ndim == 4 and images.shape[1] > 1:
            images = images.contiguous(memory_format=torch.channels_last)
        with self._frozen():
            features = self.features_of(self.normalise(images))
        return features if self.precision == FLOAT32 else features.float()

    def embed_chunks(
        self, images: Given, context: Context | None = None, *, batch_size: int | None = None, unreadable: Unreadable = "refuse"
    ) -> Iterator[tuple[Chunk, Float[Tensor, "n D"]]]:
        """Embeddings a chunk of images at a time, with their names, so that memory does not grow with the number of images.

        Args:
            images, context, batch_size: as of :meth:`encode` and :meth:`embed_features`.
            unreadable: ``"skip"`` to leave out images that cannot be read; each chunk says which.
        """
        for chunk in self.given(images, batch_size, unreadable):
            features = self._encode(chunk.images) if len(chunk.images) else torch.zeros(0, self.feature_width, device=self.device)
            yield chunk, self.embed_features(features, context)

    def embed_table(self, images: Given, context: Context | None = None, *, unreadable: Unreadable = "refuse") -> pd.DataFrame:
        """Embeddings with the images' names: a DataFrame with the columns ``name`` and ``embedding``, each an array (D,) float32. Arguments as of
        :meth:`embed_chunks`; what was left out stands in ``table.attrs["skipped"]``, by name with the reason.
        """
        return embed_named(self, images, context, unreadable).table()

    def neighbours(self, queries: Given | None, images: Given, context: Context | None = None, k: int = 10) -> Neighbours:
        """Of each query the k images whose embeddings in the context are nearest, by cosine.

        Args:
            queries, images: as for :meth:`encode`, or an ``.npy`` file of their embeddings, which ``contextssl embed`` wrote with this model and this
                context; it is read a part at a time. ``queries`` is None for the images themselves, each beside the others.

        Raises:
            InputError: for k below 1, or too few images; and as :meth:`encode`.
            DataError: for a file of embeddings that is damaged, or of another model or context.
        """
        there = self._embedded(images, context)
        asked = there if queries is None else self._embedded(queries, context)
        return Neighbours(*nearest(asked.vectors, there.vectors, k, same=queries is None), asked.names, there.names)

    def _embedded(self, images: Given, context: Context | None) -> EmbeddedImages | StoredEmbeddings:
        from contextssl.models.stored_embeddings import StoredEmbeddings, is_embeddings_file

        if not is_embeddings_file(images):
            return embed_named(self, images, context)
        stored = StoredEmbeddings.read(images)
        stored.check({**self.embedding_of(context), "representation": "embedding"})
        return stored

    def embedding_of(self, context: Context | None, actions: Tensor | None = None) -> dict[str, str | None]:
        """What embeddings depend on beside the images: digests of the weights, of the context and of the actions."""

        def digest(tensor: Tensor | None) -> str | None:
            return None if tensor is None else digest_of_bytes([tensor.float().cpu().contiguous().numpy().tobytes()])

        return {"weights": mark_of(self).digest, "context": digest(None if context is None else context.keys), "actions": digest(actions)}

    def encode_pairs(self, source: Given, target: Given) -> Float[Tensor, "pairs 2 F"]:
        """As :meth:`encode`, of both ends of pairs: [:, 0] of sources and [:, 1] of targets."""
        if isinstance(source, Tensor) and isinstance(target, Tensor) and source.shape == target.shape:
            return by_pairs(self.encode(torch.cat([source, target]), progress=False))
        ends = [self.encode(each, progress=False) for each in (source, target)]
        if len(ends[0]) != len(ends[1]):
            raise InputError(f"a context needs as many sources as targets: {len(ends[0])} and {len(ends[1])} were given")
        return torch.stack(ends, dim=1)

    def check_context(self, context: Context | None) -> None:
        """Raises InputError where a context was made by another model, or before this one's weights changed."""
        if context is None or context.mark is None or not len(context):
            return
        now = mark_of(self)
        if context.mark is not now and (context.mark.digest is None or context.mark.digest != now.digest):
            raise InputError("this context belongs to another model, or its weights have changed since: make it again with this one")

    @contextmanager
    def _frozen(self) -> Iterator[None]:
        with evaluation_mode(self), torch.no_grad(), autocast(self.precision, self.device):
            yield

    def _check_actions(self, actions: Tensor, count: int) -> Tensor:
        if actions.shape != (count, self.factors.width):
            blocks = ", ".join(f"{factor.name} {factor.width}" for factor in self.factors.factors)
            raise InputError(f"actions have shape {tuple(actions.shape)}, not ({count}, {self.factors.width}): one per view, of {blocks}")
        if not bool(actions.isfinite().all()):
            raise InputError("actions hold NaN or infinity: fix them before they reach the model")
        return actions


def as_frame(rows: Any, columns: Columns) -> Any:
    """A DataFrame, as a model of tables takes it. Raises InputError for anything else."""
    if not hasattr(rows, "columns") or not hasattr(rows, "index"):
        raise InputError(
            f"this model takes rows of a table: give a DataFrame with the columns {', '.join(columns.names)}, or encoded rows as a tensor "
            f"(n, {len(columns)}), not a {type(rows).__name__}"
        )
    return rows


def by_pairs(ends: Float[Tensor, " ends *rest"]) -> Float[Tensor, "pairs 2 *rest"]:
    """Sources, then as many targets, as pairs."""
    return ends.unflatten(0, (2, -1)).transpose(0, 1)


def in_batches(function: Callable[..., Tensor], size: int, *inputs: Tensor) -> Tensor:
    if len(inputs[0]) <= size:
        return function(*inputs)
    return torch.cat([function(*parts) for parts in zip(*(tensor.split(size) for tensor in inputs), strict=True)])
