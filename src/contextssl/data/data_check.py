"""Looking over data that are open, such as a user's own: counts, shapes, numbers that are none, views that never vary."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor

from contextssl.data.check_report import CheckReport, note_unused
from contextssl.data.dataset import Data
from contextssl.data.pairs import PairSource
from contextssl.data.sample_views import Sample, samples_of
from contextssl.data.views import ViewBank
from contextssl.errors import ContextSSLError
from contextssl.randomness import seeded_generator

# Views that are held at once.
AT_ONCE = 256


def check_data(name: str, data: Data) -> tuple[CheckReport, list[Sample]]:
    """Every view of every split is looked at, and a pair of each is drawn.

    Args:
        name: of the data set.
    """
    report = CheckReport(Path(name), "data")
    splits = {split: found for split in ("train", "val", "test") if (found := getattr(data, split)) is not None}
    first = data.train.views
    report.facts |= {
        "items": {split: pairs.num_items for split, pairs in splits.items()},
        "views an item": {split: pairs.views.num_views for split, pairs in splits.items()},
        "view shape": data.view_shape,
        "classes": len(first.class_names),
        "factors": ", ".join(f"{factor.name} ({factor.width})" for factor in first.factors.factors) or "none",
    }
    for split, pairs in splits.items():
        _look_at(report, split, pairs, data)
    used = {int(label) for pairs in splits.values() for label in pairs.views.labels}
    note_unused(report, [name for label, name in enumerate(first.class_names) if label not in used])
    if len(data.view_shape) != 3 or not report.ok:
        return report, []
    names = getattr(first, "item_names", None) or [f"item {item}" for item in range(first.num_items)]
    return report, samples_of(first, [f"{name} ({first.class_names[label]})" for name, label in zip(names, first.labels, strict=True)])


def _look_at(report: CheckReport, split: str, pairs: PairSource, data: Data) -> None:
    views = pairs.views
    if tuple(views.view_shape) != tuple(data.view_shape):
        report.add("shape", f"{split} has views of shape {tuple(views.view_shape)}, but view_shape is {tuple(data.view_shape)}")
    if views.factors != data.train.views.factors:
        report.add(
            "factors", f"{split} has the factors {', '.join(views.factors.names)}, train {', '.join(data.train.views.factors.names)}"
        )
    if views.class_names != data.train.views.class_names:
        report.add("classes", f"{split} has other classes than train")
    lowest, highest, bad = _ends(views)
    if bad:
        report.add("views", f"{split} has {bad:,} views that are not finite")
    for channel in (lowest[0] == highest[0]).nonzero().flatten().tolist() if len(data.view_shape) == 3 else ():
        report.add("views", f"{split}: channel {channel} is {float(lowest[0][channel]):g} in every view: it cannot be normalised")
    components = [f"{factor.name}.{number}" for factor in views.factors.factors for number in range(factor.width)]
    for number, name in enumerate(components):
        low, high = float(lowest[1][number]), float(highest[1][number])
        if not (low > -torch.inf and high < torch.inf):
            report.add("latents", f"{split}: {name} is not finite in some view")
        elif low == high:
            report.notes.append(f"{split}: {name} is {low:g} in every view, so that no action changes it")
    try:
        pairs.complete(pairs.draw(torch.arange(min(2, views.num_items)), seeded_generator(0, "check", split)))
    except ContextSSLError as error:
        report.add("pairs", f"{split}: {error}")


def _ends(views: ViewBank) -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor], int]:
    """The least and the greatest number of each channel (of rows of each column) and of each latent, and how many views are not finite."""
    lows: list[tuple[Tensor, Tensor]] = []
    highs: list[tuple[Tensor, Tensor]] = []
    bad = 0
    for items, shown in _all(views):
        # (n, channels, numbers of each)
        seen = views.gather_views(items, shown).flatten(2) if len(views.view_shape) == 3 else views.gather_views(items, shown)[..., None]
        latents = views.gather_latents(items, shown)
        if seen.is_floating_point():
            bad += int((~seen.isfinite()).flatten(1).any(1).sum())
        lows.append((seen.amin((0, 2)), latents.nan_to_num(-torch.inf, -torch.inf, -torch.inf).amin(0)))
        highs.append((seen.amax((0, 2)), latents.nan_to_num(torch.inf, torch.inf, torch.inf).amax(0)))
    least = torch.stack([low for low, _ in lows]).amin(0), torch.stack([low for _, low in lows]).amin(0)
    greatest = torch.stack([high for high, _ in highs]).amax(0), torch.stack([high for _, high in highs]).amax(0)
    return least, greatest, bad


def _all(views: ViewBank) -> Iterator[tuple[Tensor, Tensor]]:
    """Item and view of every view, some at a time."""
    for chosen in torch.arange(views.num_items * views.num_views).split(AT_ONCE):
        yield chosen // views.num_views, chosen % views.num_views
