"""What the page is given as plain values: pictures, captions, factor values, examples, and the answers to its questions."""

from __future__ import annotations

import base64
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float
from torch import Tensor

from contextssl.explorer.answers import NEIGHBOURS, Answer, Explorer
from contextssl.explorer.kinds import Kind
from contextssl.explorer.scenes import NewView, Slider
from contextssl.explorer.shown_views import ShownViews
from contextssl.factors import Factor
from contextssl.models.description import DROPPED, KEPT, Description
from contextssl.report.gallery import SMALL, data_uri
from contextssl.report.words import factor_name

# A rotation that takes so many values at most is coloured by them, as poses; one of more by its angle.
FEW_POSES = 12
# Places on the map are whole numbers up to this.
MAP_UNIT = 32767


def page_data(explorer: Explorer) -> dict[str, Any]:
    """All that does not depend on examples or query."""
    shown, scenes = explorer.shown, explorer.scenes
    firsts = np.cumsum([0, *(len(kind.images) for kind in explorer.kinds)]).tolist()
    return {
        "name": explorer.name,
        "about": explorer.about,
        "small": max(shown.images.shape[2:]) <= SMALL,
        "classes": list(shown.class_names),
        "views": [
            {"picture": picture(image), "caption": caption, "item": item, "label": label}
            for image, caption, item, label in zip(shown.images, shown.captions, shown.items.tolist(), shown.labels.tolist(), strict=True)
        ],
        "latents": [] if shown.latents is None else [[round(number, 4) for number in row] for row in shown.latents.tolist()],
        "factors": [] if shown.factors is None else [_factor(each, shown.factors.slice(each.name)) for each in shown.factors.factors],
        "colourings": colourings(shown),
        "kinds": [_kind(kind, first) for kind, first in zip(explorer.kinds, firsts, strict=False)],
        "sliders": [] if scenes is None else [_slider(each) for each in scenes.sliders],
        "values": [] if scenes is None else [[round(value, 4) for value in scenes.values(row)] for row in range(len(shown))],
        "most": explorer.most_pairs,
        "neighbours": NEIGHBOURS,
        "unit": MAP_UNIT,
        "describes": explorer.describer is not None,
        "limits": {"kept": KEPT, "dropped": DROPPED},
    }


def picture(image: Tensor) -> str:
    """(C, H, W) uint8 as a data URI."""
    return data_uri(image.permute(1, 2, 0).numpy())


def _factor(factor: Factor, block: slice) -> dict[str, Any]:
    return {"name": factor.name, "title": factor_name(factor.name), "relation": factor.relation, "from": block.start, "to": block.stop}


def _kind(kind: Kind, first: int) -> dict[str, Any]:
    ends = [(picture(a), picture(b)) for a, b in kind.images]
    pairs = [
        {"names": [f"e{first + place}a", f"e{first + place}b"], "pictures": both, "captions": said}
        for place, (both, said) in enumerate(zip(ends, kind.captions, strict=True))
    ]
    return {"name": kind.name, "title": kind.title, "rest": kind.rest, "pairs": pairs}


def _slider(slider: Slider) -> dict[str, Any]:
    angle = slider.name.startswith("euler") or slider.name.endswith(("theta", "phi"))
    title = slider.name.replace("euler", "rotation")
    return {"factor": slider.factor, "title": title, "low": slider.low, "high": slider.high, "degrees": angle}


def colourings(shown: ShownViews) -> list[dict[str, Any]]:
    """By what the points of the map can be coloured: names, numbers from low to high, or hues in turns."""
    found: list[dict[str, Any]] = []
    if len(shown.class_names) > 1:
        found.append({"title": "class", "factor": "", "kind": "names", "names": list(shown.class_names), "values": shown.labels.tolist()})
    if shown.factors is None or shown.latents is None:
        return found
    for factor in shown.factors.factors:
        block = shown.latents[:, shown.factors.slice(factor.name)]
        if factor.relation == "rotation":
            found.append(_poses(factor, block))
        elif factor.relation == "category":
            found.append(
                {
                    "title": factor.name,
                    "factor": factor.name,
                    "kind": "names",
                    "names": list(factor.components),
                    "values": block.argmax(dim=1).tolist(),
                }
            )
        else:
            for name, values in zip(factor.components, block.T, strict=True):
                hue = name.endswith("hue")
                low, high = (0.0, 1.0) if hue else (float(values.min()), float(values.max()))
                numbers = [round(value, 4) for value in values.tolist()]
                kind = "hue" if hue else "number"
                found.append({"title": name, "factor": factor.name, "kind": kind, "low": low, "high": high, "values": numbers})
    objects, of = np.unique(shown.items.numpy(), return_inverse=True)
    if len(objects) < len(shown):
        names = [f"object {number + 1}" for number in range(len(objects))]
        found.append({"title": "object", "factor": "none", "kind": "names", "names": names, "values": of.tolist()})
    return found


def _poses(factor: Factor, quaternions: Float[Tensor, "n 4"]) -> dict[str, Any]:
    unique, which = np.unique(quaternions.numpy().round(4), axis=0, return_inverse=True)
    if len(unique) <= FEW_POSES:
        names = [f"{factor_name(factor.name)} {number + 1}" for number in range(len(unique))]
        return {
            "title": factor_name(factor.name),
            "factor": factor.name,
            "kind": "names",
            "names": names,
            "values": which.reshape(-1).tolist(),
        }
    angles = [round(math.degrees(2 * math.acos(min(1.0, abs(w)))), 1) for w in quaternions[:, 3].tolist()]
    return {
        "title": f"{factor_name(factor.name)} angle",
        "factor": factor.name,
        "kind": "number",
        "low": 0.0,
        "high": 180.0,
        "values": angles,
    }


def answer_data(answer: Answer) -> dict[str, Any]:
    return {
        "pairs": answer.pairs,
        "without": [row for row, _ in answer.without],
        "after": [row for row, _ in answer.after],
        "map": map_text(answer.map),
        "place": [round(number, 4) for number in answer.place.tolist()],
    }


def map_text(places: Float[Tensor, "n 2"]) -> str:
    """Places within the unit circle as base64 of 16-bit integers, little-endian, x and y in turn."""
    return base64.b64encode((places.numpy() * MAP_UNIT).round().astype("<i2").tobytes()).decode()


def left_data(left: Mapping[str, float]) -> list[dict[str, Any]]:
    return [{"name": name, "title": factor_name(name), "left": round(value, 4)} for name, value in left.items()]


def description_data(described: Description) -> dict[str, Any]:
    effects = [
        {"name": name, "title": factor_name(name), "left": round(each.left, 4), "error": round(each.error, 4), "says": each.says}
        for name, each in described.factors.items()
    ]
    more = f"More pairs would {'probably' if described.more_pairs_help else 'hardly'} change this."
    return {"pairs": described.pairs, "factors": effects, "more": more, "warnings": list(described.warnings)}


def new_view_data(view: NewView, of_class: str) -> dict[str, Any]:
    return {
        "picture": picture(view.image),
        "caption": f"{of_class} {view.caption}",
        "latents": [round(number, 4) for number in view.latents.tolist()],
    }


def names_in(pairs: Any) -> Sequence[tuple[str, str]] | None:
    """Pairs of names as the page sends them; None for anything else."""
    if not isinstance(pairs, list) or not all(isinstance(pair, list) and len(pair) == 2 for pair in pairs):
        return None
    return [(a, b) for a, b in pairs] if all(isinstance(name, str) for pair in pairs for name in pair) else None
