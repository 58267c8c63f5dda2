"""The explorer as one file that needs no server: every kind of examples, some numbers of pairs, and all views as queries, computed before."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from contextssl.config.explorer_settings import ExploreSettings
from contextssl.errors import DataError
from contextssl.explorer.answers import NEIGHBOURS, Explorer
from contextssl.explorer.flat_map import FlatMap
from contextssl.explorer.opening import open_explorer
from contextssl.explorer.page import whole_page
from contextssl.explorer.page_data import description_data, map_text, page_data
from contextssl.models.neighbours import nearest
from contextssl.system.files import write_text
from contextssl.system.progress import Meter

# The numbers of pairs that the slider goes through.
NUMBERS = (0, 1, 2, 3, 7, 15, 31)


def write_explorer(settings: ExploreSettings, path: Path) -> None:
    """Writes the page of a model and its data, whole or not at all. Raises DataError where the data give no examples, or the file cannot be written;
    and as :func:`~contextssl.explorer.opening.open_explorer`.
    """
    explorer = open_explorer(settings)
    if not explorer.kinds:
        raise DataError(
            f"the data of {settings.model} give no examples that are ready, which a page without a server needs: run contextssl explore"
        )
    write_text(path, whole_page(explorer.name, kept_data(explorer, show=settings.progress)))


def kept_data(explorer: Explorer, *, show: bool = False) -> dict[str, Any]:
    """The page's data with all its answers."""
    longest = max(len(kind.images) for kind in explorer.kinds)
    numbers = [number for number in NUMBERS if number <= min(longest, explorer.most_pairs)]
    first = 0
    answers = {}
    with Meter("explorer", len(explorer.kinds) * (len(numbers) - 1), "answers", show=show) as meter:
        for kind in explorer.kinds:
            pairs = explorer.examples[first : first + len(kind.images)]
            first += len(kind.images)
            for number in numbers[1:]:
                answers[f"{kind.name}/{number}"] = _after(explorer, pairs[:number])
                meter.advance(1)
    return {**page_data(explorer), "kept": {"numbers": numbers, "plain": _shown(explorer.plain, explorer.plain_map), "answers": answers}}


def _after(explorer: Explorer, pairs: Float[Tensor, "k 2 F"]) -> dict[str, Any]:
    context = explorer.model.context_from_features(pairs)
    unit = F.normalize(explorer.model.embed_features(explorer.features, context), dim=-1)
    found = _shown(unit, FlatMap.of(unit))
    if explorer.describer is not None:
        found["described"] = description_data(explorer.describe(pairs))
    return found


def _shown(unit: Float[Tensor, "n D"], flat: FlatMap) -> dict[str, Any]:
    """Of every view its nearest as base64 of 16-bit numbers, and the map."""
    rows = nearest(unit, unit, NEIGHBOURS, same=True)[0].cpu().to(torch.int32)
    text = base64.b64encode(rows.numpy().astype("<u2").tobytes()).decode()
    return {"nearest": text, "map": map_text(flat.places(unit).cpu())}
