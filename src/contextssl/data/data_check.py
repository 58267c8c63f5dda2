"""Checking data that are open, such as a user's own: counts, shapes, numbers that are not finite, views that never vary."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from contextssl.data.check_report import CheckReport
from contextssl.data.dataset import Data
from contextssl.data.sample_views import Sample, samples_of
from contextssl.data.views import ViewBank

# Views in memory at once.
AT_ONCE = 256


def check_data(name: str, data: Data) -> tuple[CheckReport, list[Sample]]:
    """Every view of every split of the data set of that name is checked."""
    report, first = CheckReport(Path(name), "data"), data.train.views
    splits = {split: pairs.views for split in ("train", "val", "test") if (pairs := getattr(data, split)) is not None}
    report.facts |= {
        "items": {split: views.num_items for split, views in splits.items()},
        "views per item": {split: views.num_views for split, views in splits.items()},
        "view shape": data.view_shape,
        "classes": len(first.class_names),
        "factors": ", ".join(f"{factor.name} ({factor.width})" for factor in first.factors.factors) or "none",
    }
    for split, views in splits.items():
        if tuple(views.view_shape) != tuple(data.view_shape):
            report.add("shape", f"{split} has views of shape {tuple(views.view_shape)}, but view_shape is {tuple(data.view_shape)}")
        if (views.factors, views.class_names) != (first.factors, first.class_names):
            report.add("split", f"{split} has other factors or classes than train")
        _check_numbers(report, split, views)
    if len(data.view_shape) != 3:
        return report, []
    return report, samples_of(first)


def _check_numbers(report: CheckReport, split: str, views: ViewBank) -> None:
    channels, latents = _ends(views)
    of_views = [("views", f"channel {channel}") for channel in range(len(channels))]
    of_latents = [("latents", f"{factor.name}.{number}") for factor in views.factors.factors for number in range(factor.width)]
    for (kind, name), (low, high) in zip([*of_views, *of_latents], [*channels.tolist(), *latents.tolist()], strict=True):
        if not (abs(low) < torch.inf and abs(high) < torch.inf):
            report.add(kind, f"{split}: {name} is not finite in some view")
        elif low == high and kind == "latents":
            report.notes.append(f"{split}: {name} is {low:g} in every view, so no action changes it")
        elif low == high and len(views.view_shape) == 3:
            report.add(kind, f"{split}: {name} is {low:g} in every view: it cannot be normalised")


def _ends(views: ViewBank) -> tuple[Tensor, Tensor]:
    """The least and the greatest number of each channel (of rows: column) and of each latent: (C, 2) and (A, 2); NaN where any is NaN."""
    ends: list[tuple[Tensor, Tensor]] = []
    for chosen in torch.arange(views.num_items * views.num_views).split(AT_ONCE):
        items, shown = chosen // views.num_views, chosen % views.num_views
        seen = views.gather_views(items, shown).reshape(len(chosen), views.view_shape[0], -1).transpose(0, 1).flatten(1)
        latents = views.gather_latents(items, shown)
        ends.append((torch.stack(seen.aminmax(dim=1), 1).float(), torch.stack(latents.aminmax(dim=0), 1)))
    both = [torch.stack(each) for each in zip(*ends, strict=True)]
    return tuple(torch.stack([each[..., 0].amin(0), each[..., 1].amax(0)], 1) for each in both)  # type: ignore[return-value]
