"""Frozen features of every view, and embeddings in every context: computed once, then read from disk."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from contextssl.data.pairs import PairBatch
from contextssl.data.views import ViewBank
from contextssl.digest import digest_of, digest_of_bytes
from contextssl.evaluation.cache import ArrayCache, code_fingerprint, library_versions, own_code
from contextssl.evaluation.contexts import ContextPoint, Contexts
from contextssl.evaluation.shared_encoding import ALONE, Share, gathered
from contextssl.evaluation.view_sets import ViewSet
from contextssl.models.predictor import Context
from contextssl.models.view_encoder import ViewEncoder
from contextssl.models.weights_mark import weights_fingerprint
from contextssl.system.precision import autocast

# Views loaded and encoded at once.
ENCODE_BATCH = 512


@dataclass
class Embedder:
    """A frozen model, its contexts, and the cache of its outputs.

    Everything comes as float32 on the CPU, in the order of the view set; no view is dropped or run twice.

    Args:
        model: on the device that computes.
        contexts: the drawn pairs, as many as the longest context; shorter ones are prefixes.
        data: plain values that identify the data (a fingerprint).
        seed: that the contexts were drawn from.
        precision: ``"32-true"`` or ``"bf16-mixed"``.
        progress: called with what is about to be computed.
        share: which of several processes this is.
        stored: of a frozen encoder: by the views that are encoded what it made of them before, which is read instead.
    """

    model: ViewEncoder
    contexts: Contexts
    data: Mapping[str, Any]
    seed: int = 0
    precision: str = "32-true"
    cache: ArrayCache = field(default_factory=lambda: ArrayCache(None))
    progress: Callable[[str], None] = lambda what: None
    stored: Mapping[ViewBank, ViewBank] = field(default_factory=dict)
    share: Share = ALONE

    def __post_init__(self) -> None:
        self.model.eval()
        self.weights = weights_fingerprint(self.model)
        # Not in the weights: settings, activations and strides, and the code of an encoder from elsewhere.
        self.architecture = [self.model.architecture(), digest_of(repr(self.model)), own_code(self.model.modules())]
        self._context_features: dict[tuple[str | None, int], Tensor] = {}
        self._full: dict[tuple[str, int], Context] = {}

    @property
    def device(self) -> torch.device:
        return self.model.device

    def autocast(self) -> AbstractContextManager[Any]:
        return autocast(self.precision, self.device)

    def features(self, views: ViewSet) -> Float[Tensor, "n F"]:
        """The encoder's output of each view, with no context."""

        def make() -> Tensor:
            self.progress(f"features of {len(views):,} {views.split} views")
            if self.share.world == 1:
                return self._encoded(views, slice(None))
            return gathered(
                self.share,
                lambda: self.share_of(views),
                lambda rank: self.cache.there(*self._part(views, rank)),
                lambda rank: self._encoded(views, self.share.rows(len(views), rank)),
            )

        return self.cache.get(f"features-{views.split}", self._made_from(views), make)

    def share_of(self, views: ViewSet) -> Float[Tensor, "m F"]:
        """The features of this process's share of the views, which the first process looks for in the cache."""
        return self.cache.get(*self._part(views, self.share.rank), lambda: self._encoded(views, self.share.rows(len(views))))

    def _part(self, views: ViewSet, rank: int) -> tuple[str, dict[str, Any]]:
        """The name of a process's share in the cache, and what it is made from."""
        return f"features-{views.split}-share", {**self._made_from(views), "share": [rank, self.share.world]}

    def _encoded(self, views: ViewSet, rows: slice) -> Float[Tensor, "m F"]:
        pieces = zip(views.items[rows].split(ENCODE_BATCH), views.views[rows].split(ENCODE_BATCH), strict=True)
        source = self.stored.get(views.source, views.source) if self.stored else views.source
        made = [self.encode(source.gather_views(items, chosen)) for items, chosen in pieces]
        return torch.cat(made) if made else torch.zeros(0, self.model.feature_width)

    def embeddings(self, views: ViewSet, point: ContextPoint) -> Float[Tensor, "n D"]:
        """Embeddings of each view (zero action) in a context, as the predictor gives them: not normalised."""

        def make() -> Tensor:
            self.progress(f"embeddings of {len(views):,} {views.split} views, {point.name}")
            return self.embed(self.features(views), point)

        condition = [point.environment, point.length, point.draw]
        made_from = {**self._made_from(views), "point": condition, "context": self._context_made_from(point)}
        return self.cache.get(f"embedding-{views.split}-{point.name}", made_from, make)

    def representation(self, views: ViewSet, point: ContextPoint | None, normalize: bool = True) -> Float[Tensor, "n D"]:
        """Input of probes, neighbours and ranks: embeddings, or features for no point; L2-normalised unless ``normalize`` is false."""
        found = self.features(views) if point is None else self.embeddings(views, point)
        return F.normalize(found, dim=-1) if normalize else found

    def unit(self, views: ViewSet, point: ContextPoint | None) -> Float[Tensor, "n D"]:
        """:meth:`representation`, of unit length."""
        return self.representation(views, point)

    def encode(self, images: Tensor) -> Float[Tensor, "n F"]:
        """Features of images that are in no view set, not cached."""
        with self.autocast():
            return self.model.encode(images, ENCODE_BATCH, progress=False).float().cpu()

    def encode_pairs(self, pairs: PairBatch) -> Float[Tensor, "k 2 F"]:
        """Features of both views of each pair, not cached."""
        return torch.stack([self.encode(pairs.source), self.encode(pairs.target)], dim=1)

    def context_features(self, environment: str | None, draw: int) -> Float[Tensor, "k 2 F"]:
        """Features of both views of a drawn context, computed once: for all environments, where they share their pairs."""
        key = (None if self.contexts.by_environment is None else environment, draw)
        if key not in self._context_features:
            self._context_features[key] = self.encode_pairs(self.contexts.of(environment)[draw])
        return self._context_features[key]

    def embed(
        self, features: Float[Tensor, "n F"], point: ContextPoint, actions: Float[Tensor, "n A"] | None = None
    ) -> Float[Tensor, "n D"]:
        """Embeddings (no actions) or predictions in a drawn context, from features, not cached."""
        return self.embed_in(features, self.context(point), actions)

    def embed_in(
        self, features: Float[Tensor, "n F"], context: Context | None, actions: Float[Tensor, "n A"] | None = None
    ) -> Float[Tensor, "n D"]:
        """The same in any context."""
        with self.autocast():
            return self.model.embed_features(features, context, actions).float().cpu()

    def context(self, point: ContextPoint) -> Context | None:
        """The point's context, encoded once for all of its lengths; of a model that takes the environment's name, that."""
        if point.environment is not None and self.model.takes_environment_name:
            return self.model.named_context(point.environment)
        if point.environment is None or point.length == 0:
            return None
        key = (point.environment, point.draw)
        if key not in self._full:
            pairs = self.contexts.of(point.environment)[point.draw]
            with self.autocast():
                self._full[key] = self.model.context_from_features(self.context_features(*key), pairs.action, point.environment)
        return self._full[key].prefix(point.length)

    def _made_from(self, views: ViewSet) -> dict[str, Any]:
        chosen = torch.stack([views.items, views.views]).numpy().tobytes()
        return {
            "weights": self.weights,
            "architecture": self.architecture,
            "data": dict(self.data),
            "split": views.split,
            "views": [len(views), digest_of_bytes([chosen])],
            "precision": self.precision,
            "device": self.device.type,
            "code": code_fingerprint(),
            "libraries": library_versions(),
        }

    def _context_made_from(self, point: ContextPoint) -> dict[str, Any] | None:
        if point.environment is None or self.model.takes_environment_name:
            return None
        pairs = self.contexts.of(point.environment)[point.draw]
        drawn = (pairs.items, pairs.source_views, pairs.target_views, pairs.action, pairs.source, pairs.target)
        return {"seed": self.seed, "pairs": digest_of_bytes(tensor.contiguous().numpy().tobytes() for tensor in drawn)}
