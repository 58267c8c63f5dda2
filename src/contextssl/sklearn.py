"""Embeddings in a context as a scikit-learn transformer: ``from contextssl.sklearn import ContextEmbedder``."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch.nn.functional as F
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted

import contextssl
from contextssl.data.given_images import given_images
from contextssl.data.given_pairs import ends_of
from contextssl.errors import InputError, nearest

CONTEXTS = ("pairs", "groups", "none")


class ContextEmbedder(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    """Images → embeddings (n, D) float32, in the context of examples that it is fitted to. No weight of the model changes.

    Images are as :meth:`ContextSSL.encode <contextssl.models.contextssl.ContextSSL.encode>` takes them: an array (n, H, W, C), paths, PIL images,
    tensors, …; in a Pipeline with a grid search, those that can be indexed: an array, a list of paths.

    Args:
        model: what :func:`contextssl.load` takes, or a model that was loaded.
        context: what :meth:`fit` is given: ``"pairs"`` of images that count as the same; ``"groups"``: images, and of each the group that it belongs
            to (``environments``, else ``y``), of which pairs are drawn; ``"none"``: nothing is shown. ``"auto"``: groups where ``environments`` are
            given, else pairs.
        pairs: of groups how many pairs are drawn; of pairs how many are used, the first; None for as many as the model takes.
        normalize: whether embeddings have unit length, as neighbours compare them.
        random_state: seed of the pairs that are drawn.
        device: as of :func:`contextssl.load`.

    Attributes:
        model_, context_: the model, and the context (None for none).
        n_pairs_: how many pairs were shown.
    """

    def __init__(
        self,
        model: Any = "shapes",
        *,
        context: str = "auto",
        pairs: int | None = None,
        normalize: bool = True,
        random_state: int = 0,
        device: str = "auto",
    ) -> None:
        self.model = model
        self.context = context
        self.pairs = pairs
        self.normalize = normalize
        self.random_state = random_state
        self.device = device

    def fit(self, X: Any, y: Any = None, environments: Any = None) -> ContextEmbedder:
        """Shows the model its examples.

        Args:
            X: pairs of images, (k, 2, H, W, C) or a list of pairs; or images, where they come in groups.
            y: of groups, where ``environments`` are not given: the group of each image. Otherwise not read.
            environments: the group of each image: images of one group count as the same.

        Raises:
            InputError: for an unknown ``context``, groups without a pair, or what is no image.
        """
        kind = self.context
        if kind == "auto":
            kind = "pairs" if environments is None else "groups"
        if kind not in CONTEXTS:
            raise InputError(f"context is {kind!r}: {nearest(str(kind), (*CONTEXTS, 'auto'))}")
        self.model_ = (
            contextssl.load(self.model, device=self.device)
            if isinstance(self.model, str) or hasattr(self.model, "__fspath__")
            else self.model
        )
        most = self.model_.longest_context // 2
        count = most if self.pairs is None else self.pairs
        if not 0 <= count <= most:
            raise InputError(f"pairs is {count}: this model takes 0 to {most}")
        self.context_ = None
        if kind == "pairs":
            first, second = (_indexed(each)[:count] for each in ends_of(X))
            self.context_ = self.model_.context(first, target=second) if count and len(first) else None
        elif kind == "groups":
            groups = environments if environments is not None else y
            if groups is None:
                raise InputError("context='groups' needs the group of each image: give environments, or y")
            self.context_ = self._of_groups(_indexed(X), list(groups), count)
        self.n_pairs_ = 0 if self.context_ is None else self.context_.pairs
        self._n_features_out = self.model_.projection_dim
        return self

    def _of_groups(self, images: Any, groups: Sequence[Any], count: int) -> Any:
        if len(images) != len(groups):
            raise InputError(f"there are {len(images)} images and {len(groups)} groups: give one of each image")
        members: dict[Any, list[int]] = defaultdict(list)
        for number, group in enumerate(groups):
            members[group].append(number)
        several = [each for each in members.values() if len(each) > 1]
        if not several:
            raise InputError("no group has two images: there is no pair to show; give groups of two or more")
        if count == 0:
            return None
        generator = np.random.default_rng(self.random_state)
        pairs = [
            generator.choice(several[number % len(several)], 2, replace=False)
            for number in generator.permutation(max(count, len(several)))[:count]
        ]
        first, second = ([images[int(pair[end])] for pair in pairs] for end in (0, 1))
        return self.model_.context(first, target=second)

    def transform(self, X: Any) -> np.ndarray:
        """Embeddings of images, (n, D) float32. Raises InputError, DataError as :meth:`ContextSSL.encode`."""
        check_is_fitted(self)
        z = self.model_.embed(X, self.context_)
        return (F.normalize(z, dim=-1) if self.normalize else z).float().cpu().numpy()

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        # Images, paths, tensors: no table of numbers.
        tags.input_tags.two_d_array = False
        tags.input_tags.string = True
        tags.no_validation = True
        return tags


def _indexed(images: Any) -> Any:
    """Images that can be indexed: as they are, or the files of a folder read."""
    if hasattr(images, "__getitem__") and hasattr(images, "__len__") and not isinstance(images, (str, bytes)):
        return images
    return [image for chunk in given_images(images, None) for image in chunk.images]
