"""Factor sensitivity: how far the embedding moves when one factor alone is drawn anew, by rendering the view again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, UInt8
from torch import Tensor

from contextssl.data.shapes.rendered_items import shapes_renderer
from contextssl.data.splits import OOD
from contextssl.data.views import Views
from contextssl.errors import ContextSSLError
from contextssl.evaluation.contexts import ContextPoint
from contextssl.evaluation.embeddings import Embedder
from contextssl.evaluation.item_sums import resampled_distances
from contextssl.evaluation.scores import Scores
from contextssl.evaluation.view_sets import ViewSet
from contextssl.randomness import derive_seed, seeded_generator


@dataclass
class Variations:
    """Views (or rows of a table), the item of each, and by factor the same with that factor's value of a new draw."""

    original: UInt8[Tensor, "n C H W"] | Float[Tensor, "n W"]
    items: Tensor
    changed: Mapping[str, UInt8[Tensor, "n C H W"] | Float[Tensor, "n W"]]
    _features: dict[str, Tensor] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.original)

    def features(self, embedder: Embedder) -> dict[str, Float[Tensor, "n F"]]:
        """Of the views (``""``) and of each changed set; encoded once, by the first model that needs them."""
        if not self._features:
            self._features |= {name: embedder.encode(views) for name, views in {"": self.original, **self.changed}.items()}
        return self._features

    def moves(self, embedder: Embedder, point: ContextPoint | None) -> tuple[Float[Tensor, "n D"], dict[str, Float[Tensor, "n D"]]]:
        """Normalised embeddings (of no point: features) of the views, and by factor how far each moves when that factor is drawn anew."""
        features = self.features(embedder)

        def unit(name: str) -> Tensor:
            return F.normalize(features[name] if point is None else embedder.embed(features[name], point), dim=-1).double()

        z = unit("")
        return z, {name: unit(name) - z for name in self.changed}


@runtime_checkable
class Redrawable(Protocol):
    """Views that can be made again with one factor changed, without a renderer."""

    def redrawn(self, items: Tensor, views: Tensor, name: str, generator: torch.Generator) -> Tensor: ...


def sensitivity(embedder: Embedder, variations: Variations, point: ContextPoint | None) -> dict[str, float]:
    """By factor: E |z(x) - z(x′)|² / E |z(x) - z(y)|² of normalised embeddings; x′ is x with the factor drawn anew, y of another item.

    The denominator is twice the embedding's variance, so this is the factor's total-effect index (Saltelli et al., 2010), on the same scale
    as the variance share, its first-order index: the share that the factor explains alone, against the share that it explains with its interactions.
    1 is as far as another object's view, the square root a ratio of distances.

    NaN where all embeddings are equal.
    """
    return _relative(*variations.moves(embedder, point), variations.items)


def _relative(z: Tensor, moved: Mapping[str, Tensor], items: Tensor) -> dict[str, float]:
    apart = (items[:, None] != items[None]).double()
    square = z.square().sum(1)
    other = float(((square[:, None] + square[None] - 2 * z @ z.T) * apart).sum() / apart.sum())
    return {name: float(move.square().sum(1).mean() / other) if other > 1e-12 else float("nan") for name, move in moved.items()}


def add_sensitivity(
    scores: Scores, z: Float[Tensor, "n D"], moved: Mapping[str, Float[Tensor, "n D"]], variations: Variations, **about: Any
) -> None:
    """A row of each factor's :func:`sensitivity`, from what :meth:`Variations.moves` gave."""
    for name, value in _relative(z, moved, variations.items).items():
        draws = resampled_distances(moved[name].square().sum(1), z, variations.items)
        scores.add("sensitivity", value, floor=0.0, resampled=draws, factor=name, count=len(variations), **about)


def render_variations(
    views: ViewSet, source: Mapping[str, Any] | None, *, max_items: int, per_item: int, seed: int
) -> tuple[Variations | None, str | None]:
    """``per_item`` views of ``max_items`` items, spread evenly, rendered anew, each once for every factor with its raw latents drawn again.

    None, with a note that says why, where the data are not rendered shapes (by ``source``, the description of what the store was packed from),
    the renderer is not installed or does not give the stored pixels.
    """
    bank = views.source
    if views.num_items < 2:
        return None, f"factor sensitivity is left out: it needs views of another object, and the {views.split} split has only one"
    if isinstance(bank, Redrawable):
        return _redrawn(views, bank, max_items, per_item, seed), None
    if source is None or source.get("kind") != "shapes" or not isinstance(bank, Views) or bank.raw_latents is None:
        return None, "factor sensitivity is left out: it needs a renderer, and these data are not rendered shapes"
    try:
        renderer = replace(shapes_renderer(source), ood=views.split == OOD)
    except ContextSSLError as error:
        return None, f"factor sensitivity is left out: {error}"
    items = views.spread_items(max_items)
    generator = np.random.default_rng(derive_seed(seed, "sensitivity", views.split))
    resolution = bank.view_shape[1]
    per_item = min(per_item, bank.num_views)
    rendered: dict[str, list[np.ndarray]] = {name: [] for name in ("", *views.factors.names)}
    for item in items.tolist():
        raw = bank.raw_latents[item, :per_item]
        stored = bank.gather_views(torch.full((per_item,), item), torch.arange(per_item)).permute(0, 2, 3, 1).numpy()
        several = [raw, *(renderer.redrawn(raw, name, generator) for name in views.factors.names)]
        images = renderer.render(views.split, item, np.concatenate(several), resolution).reshape(-1, *stored.shape)
        if np.abs(images[0].astype(int) - stored).mean() > 1:
            return None, "factor sensitivity is left out: this version's renderer does not give the stored pixels; render the data again"
        for parts, part in zip(rendered.values(), images, strict=True):
            parts.append(part)
    changed = {name: torch.from_numpy(np.concatenate(parts)).permute(0, 3, 1, 2) for name, parts in rendered.items()}
    return Variations(changed.pop(""), items.repeat_interleave(per_item), changed), None


def _redrawn(views: ViewSet, source: Redrawable, max_items: int, per_item: int, seed: int) -> Variations:
    count = min(per_item, views.source.num_views)
    items = views.spread_items(max_items).repeat_interleave(count)
    shown = torch.arange(count).repeat(len(items) // count)
    generators = {name: seeded_generator(seed, "sensitivity", views.split, name) for name in views.factors.names}
    changed = {name: source.redrawn(items, shown, name, generator) for name, generator in generators.items()}
    return Variations(views.source.gather_views(items, shown), items, changed)
