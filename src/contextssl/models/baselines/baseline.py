"""The model of a baseline method: an encoder, and the terms that it is trained by."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from contextssl.data.given_images import Given
from contextssl.data.pairs import PairBatch
from contextssl.errors import InputError
from contextssl.factors import FactorSpace
from contextssl.models.baselines.term import Seen, Term
from contextssl.models.predictor import Context
from contextssl.models.view_encoder import BATCH_SIZE, ViewEncoder, by_pairs, in_batches
from contextssl.models.whole_batch import ALONE, WholeBatch


class Baseline(ViewEncoder):
    """Features are the encoder's; embeddings and predictions those of the last term that has any, else the features themselves.

    Arguments as of :class:`~contextssl.models.view_encoder.ViewEncoder`, the method's name for messages, and the ``terms`` of the loss: none for
    a model that is not trained.
    """

    def __init__(
        self,
        encoder: nn.Module,
        factors: FactorSpace,
        method: str,
        terms: Sequence[Term],
        *,
        feature_width: int | None = None,
        image_mean: Sequence[float] | None = None,
        image_std: Sequence[float] | None = None,
    ) -> None:
        super().__init__(encoder, factors, feature_width=feature_width, image_mean=image_mean, image_std=image_std)
        self.method = method
        self.terms = nn.ModuleList(terms)

    @property
    def _embeds(self) -> Term | None:
        return next((term for term in reversed(self.terms) if isinstance(term, Term) and term.embedding_width is not None), None)

    @property
    def projection_dim(self) -> int:
        term = self._embeds
        return self.feature_width if term is None or term.embedding_width is None else term.embedding_width

    @property
    def predicts_features(self) -> bool:
        return self._embeds is not None and self._embeds.predicts_features

    def architecture(self) -> dict[str, Any]:
        return {"method": self.method, **super().architecture()}

    def forward(self, batch: PairBatch, whole: WholeBatch = ALONE) -> dict[str, Float[Tensor, ""]]:
        """The method's losses by name, weighted; their sum is what is minimised. Where there are several processes ``batch`` is what ``whole.batch``
        makes of this one's share; features are joined, and every head sees those of the whole batch.
        """
        views = self.normalise(torch.cat([batch.source, batch.target]))
        seen = Seen(batch, views, whole.rows(by_pairs(self.features_of(views))), whole)
        return {name: loss for term in self.terms for name, loss in term(seen).items()}

    def after_step(self, progress: float) -> None:
        for term in self.terms:
            term.after_step(self.encoder, progress)  # type: ignore[operator]

    def embed(self, images: Given) -> Float[Tensor, "n D"]:
        """Embeddings of n views, (n, D); images as for :meth:`encode`."""
        return self.embed_features(self.encode(images))

    def predict(self, images: Given, actions: Float[Tensor, "n A"]) -> Float[Tensor, "n D"]:
        """Embeddings of what each action makes of each view; of a method without actions, of the views themselves."""
        return self.embed_features(self.encode(images), None, actions)

    def embed_features(
        self,
        features: Float[Tensor, "n F"],
        context: Context | None = None,
        actions: Float[Tensor, "n A"] | None = None,
        *,
        batch_size: int = 8 * BATCH_SIZE,
    ) -> Float[Tensor, "n D"]:
        """Embeddings (no actions), or predictions of what the actions make of the views. Raises InputError for a context, which the method does
        not take.
        """
        if context is not None and len(context):
            raise InputError(f"{self.method} takes no context: leave it out")
        term = self._embeds
        features = features.to(self.device)
        if term is None:
            return features
        with self._frozen():
            if actions is None:
                return in_batches(term.embed, batch_size, features)
            return in_batches(term.predict, batch_size, features, actions.to(self.device))
