"""The gallery: nearest neighbours of views in each context. Made from a run's checkpoint and its data, kept as ``gallery.json``."""

from __future__ import annotations

import base64
import dataclasses
import io
import math
import warnings
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from contextssl import checkpoints
from contextssl.config.evaluation_settings import EvaluateSettings
from contextssl.data.pairs import PairBatch
from contextssl.data.stored import is_store
from contextssl.data_set import DATA_SETS, known_data_set, own_name
from contextssl.errors import ContextSSLError, DataError, SettingsError
from contextssl.evaluation.contexts import REPORTED_LENGTH, ContextPoint
from contextssl.evaluation.evaluated import open_evaluated
from contextssl.evaluation.metrics import rotation_angles, tied_places
from contextssl.evaluation.plan import Plan
from contextssl.evaluation.view_sets import ViewSet
from contextssl.factors import Environment, FactorSpace
from contextssl.models.neighbours import cosine_tolerance
from contextssl.randomness import seeded_generator
from contextssl.records.provenance import OWN
from contextssl.report.collect import Run
from contextssl.system.digested_json import read_digested, write_digested

GALLERY = "gallery.json"
FORMAT = 2
QUERIES = 3
NEIGHBOURS = 6
SHOWN_PAIRS = 7
# Candidates for neighbours, where an evaluation has not embedded more already.
MOST_VIEWS = 5000
# Height and width of a picture on the page, at most.
SIDE = 96
# Up to this side images are kept without loss, and shown with their pixels.
SMALL = 48


def make_gallery(plan: Plan, *, queries: int = QUERIES, neighbours: int = NEIGHBOURS) -> dict[str, Any]:
    """Plain values, images among them, of a few views in every environment's first context.

    For each query: its nearest views among all views of the split (but itself), and, for the action to a target view of the same object,
    the object's views in the order of their distance to the prediction. For a model of examples: the examples of every environment, and the
    nearest views without any.

    Raises:
        SettingsError: for a model that takes no context.
    """
    embedder, views = plan.embedder, plan.test
    if embedder.model.longest_context == 0:
        raise SettingsError("a gallery shows neighbours in contexts, and this method takes none")
    length = min(REPORTED_LENGTH, embedder.model.longest_context)
    pictures = _Pictures(views)
    asked = _choose(views, queries, plan.settings.seed)
    features = embedder.features(views)
    shown: list[dict[str, Any]] = [
        {
            "class": views.source.class_names[int(views.labels[source])],
            "query": pictures.view(source),
            "target": pictures.view(target),
            "captions": [views.source.caption(int(views.items[row]), int(views.views[row])) for row in (source, target)],
            "apart": _apart(views, source, target),
            "environments": {},
        }
        for source, target in asked
    ]
    examples = embedder.model.context_kind == "examples"

    def pairs_of(pairs: PairBatch) -> list[dict[str, Any]]:
        return [
            {
                "source": pictures.image(pairs.source[index]),
                "target": pictures.image(pairs.target[index]),
                "captions": list(plan.pairs.captions(pairs, index)),
                "apart": apart(views.factors, pairs.source_latents[index], pairs.target_latents[index]),
            }
            for index in range(min(SHOWN_PAIRS, length // 2))
        ]

    def entry(row: int, reference: int) -> dict[str, Any]:
        same = bool(views.clusters[row] == views.clusters[reference])
        return {"image": pictures.view(row), "same_object": same, "apart": _apart(views, row, reference)}

    def nearest(unit: Tensor, source: int) -> list[dict[str, Any]]:
        cosines = unit @ unit[source]
        cosines[source] = -math.inf
        near = cosines.topk(min(neighbours, len(views) - 1)).indices.tolist()
        return [entry(row, source) for row in near]

    def ranked(unit: Tensor, point: ContextPoint, environment: Environment, source: int, target: int) -> dict[str, Any]:
        """The object's views by their distance to the prediction of the target."""
        latents = views.factors.relative(views.latents[source], views.latents[target])
        action = embedder.model.query_action(latents[None], environment)
        predicted = F.normalize(embedder.embed(features[source : source + 1], point, action), dim=-1)[0]
        first = source // views.per_item * views.per_item
        cosines = unit[first : first + views.per_item] @ predicted
        above, tied = tied_places(cosines[None], torch.tensor([target - first]), cosine_tolerance(unit.shape[1]))
        order = cosines.argsort(descending=True, stable=True)[:neighbours].tolist()
        found = [{**entry(first + place, target), "hit": first + place == target} for place in order]
        return {"ranked": found, "rank": 1 + int(above) + int(tied) / 2}

    if examples:
        without = embedder.unit(views, ContextPoint(None, 0, 0))
        for (source, _), query in zip(asked, shown, strict=True):
            query["without"] = nearest(without, source)
    for environment in plan.environments:
        point = ContextPoint(environment.name, length, 0)
        unit = embedder.unit(views, point)
        for (source, target), query in zip(asked, shown, strict=True):
            found = {"neighbours": nearest(unit, source)}
            if embedder.model.reads_actions:
                found |= ranked(unit, point, environment, source, target)
            query["environments"][environment.name] = found
    return {
        "format": FORMAT,
        "weights": embedder.weights,
        "data": dict(embedder.data),
        "split": views.split,
        "seed": plan.settings.seed,
        "length": length,
        "items": views.num_items,
        "views": views.per_item,
        "environments": [environment.name for environment in plan.environments],
        "side": views.source.view_shape[1],
        # Those of evidence differ in their actions alone.
        "context": [] if examples else pairs_of(embedder.contexts.shared[0]),
        "examples": {each.name: pairs_of(embedder.contexts.of(each.name)[0]) for each in plan.environments} if examples else {},
        "queries": shown,
        "images": {name: uri for uri, name in pictures.names.items()},
    }


@dataclasses.dataclass(frozen=True)
class OwnCode:
    """The user's own code that a run was made with, as in the settings of these names, which the user names again: code that only a file names
    is never imported.
    """

    factors: list[str] | None = None
    dataset: str | None = None
    encoder_factory: str | None = None
    method: str | None = None


NO_CODE = OwnCode()


def gallery_of(run: Run, data_dir: str | None = None, own: OwnCode = NO_CODE) -> tuple[Mapping[str, Any] | None, str | None]:
    """A run's gallery, made now where there is none of its weights; or None with the reason why it cannot be made."""
    if (kept := _kept(run)) is not None:
        return kept, None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            gallery = make_gallery(_plan(run, data_dir, own))
        write_digested(run.folder / GALLERY, gallery)
    except ContextSSLError as error:
        return None, str(error)
    return gallery, None


def _kept(run: Run) -> Mapping[str, Any] | None:
    path, gallery = run.folder / GALLERY, None
    with suppress(DataError):
        gallery = read_digested(path, "remove it")
    if not isinstance(gallery, dict) or gallery.get("format") != FORMAT or gallery.get("split") != run.split:
        return None
    weights = {about.get("weights") for about in run.evaluations.values()}
    if weights:
        return gallery if gallery.get("weights") in weights else None
    trained = run.folder / "checkpoints" / "last.ckpt"
    return gallery if trained.is_file() and trained.stat().st_mtime <= path.stat().st_mtime else None


def _plan(run: Run, data_dir: str | None, own: OwnCode) -> Plan:
    """The evaluation's own settings where it was evaluated, so that its cache is used; never data that must be rendered or packed first."""
    data_set = known_data_set(run.dataset)
    if data_set is not None and data_set.views == "rows":
        raise DataError("rows of a table have no pictures to show")
    if data_set is not None and data_set.views == "features":
        raise DataError("features have no pictures to show")
    made = next(iter(run.evaluations.values()), {}).get("settings", {})
    given = {field.name: made[field.name] for field in dataclasses.fields(EvaluateSettings) if field.name in made}
    file = checkpoints.find_checkpoint(run.folder, given.get("checkpoint", "last"))
    recipe = checkpoints.read(file).get(checkpoints.RECIPE, {})
    where = data_dir or given.get("data_dir") or recipe.get("data", {}).get("path")
    if own.dataset is not None or (data_set is not None and data_set.name not in DATA_SETS.built_in):
        where = None
    elif run.trained_on == OWN and where is None:
        # What the run's results call its data, for a message alone.
        named = own_name(run.about.get("settings", {}).get("dataset")) or "module:function"
        raise DataError(f"the run was trained on data of your own: name them by dataset={named}, which returns a contextssl.Data")
    elif where is None or not is_store(Path(where)):
        raise DataError(f"the run's data are not at hand{'' if where is None else f' at {where}'}: name their packed store by data_dir=DIR")
    # The user's own code is named by the user, not by the file.
    given.update(dataclasses.asdict(own), dataset=own.dataset or (None if own_name(given.get("dataset")) else given.get("dataset")))
    given |= {"load_model": str(file), "pretrained_model_dir": None, "checkpoint": "last", "split": run.split}
    given |= {"data_dir": None if where is None else str(where), "progress": False, "eval_ctxt": [0]}
    settings = EvaluateSettings(**given)
    evaluated = open_evaluated(settings)
    plan = Plan.of(settings, evaluated)
    if len(plan.test) > MOST_VIEWS:
        # Fewer candidates, which nothing else will ask the cache for.
        settings = dataclasses.replace(settings, items=max(2, MOST_VIEWS // plan.test.per_item), cache=False)
        plan = Plan.of(settings, evaluated)
    return plan


def _choose(views: ViewSet, queries: int, seed: int) -> list[tuple[int, int]]:
    """Rows of (source, target), each of another class as long as there are enough."""
    generator = seeded_generator(seed, "gallery")
    labels = views.labels[:: views.per_item]
    order = torch.randperm(views.num_items, generator=generator).tolist()
    first = {int(labels[item]): item for item in reversed(order)}
    order.sort(key=lambda item: first[int(labels[item])] != item)
    chosen = []
    for item in order[:queries]:
        # Of single images no other view is there: no target is asked for.
        source, target = torch.randperm(views.per_item, generator=generator).repeat(2)[:2].tolist()
        chosen.append((item * views.per_item + source, item * views.per_item + target))
    return chosen


def _apart(views: ViewSet, row: int, reference: int) -> dict[str, str]:
    return apart(views.factors, views.latents[row], views.latents[reference])


def apart(factors: FactorSpace, one: Tensor, other: Tensor) -> dict[str, str]:
    """How far two latents (A,) are from each other, by factor: degrees for rotations, the mean absolute difference for others. Empty where factors
    have no values.
    """
    found: dict[str, str] = {}
    for factor in factors.factors if factors.has_values else ():
        block = factors.slice(factor.name)
        if factor.relation == "rotation":
            found[factor.name] = f"{float(rotation_angles(one[None, block], other[None, block])[0]):.0f}°"
        else:
            found[factor.name] = f"{float((one[block] - other[block]).abs().mean()):.2f}"
    return found


class _Pictures:
    """Images as data URIs, each kept once under a name."""

    def __init__(self, views: ViewSet) -> None:
        self.views = views
        self.names: dict[str, str] = {}

    def view(self, row: int) -> str:
        item, view = self.views.items[row : row + 1], self.views.views[row : row + 1]
        return self.image(self.views.source.gather_views(item, view)[0])

    def image(self, pixels: Tensor) -> str:
        return self.names.setdefault(data_uri(pixels.permute(1, 2, 0).numpy()), str(len(self.names)))


def data_uri(pixels: np.ndarray) -> str:
    """(H, W, C) uint8 as a WebP in a data URI: small images without loss, larger ones at most :data:`SIDE` pixels wide."""
    image = Image.fromarray(np.ascontiguousarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels)).convert("RGB")
    buffer = io.BytesIO()
    if max(image.size) <= SMALL:
        image.save(buffer, "WEBP", lossless=True, method=6)
    else:
        image.thumbnail((SIDE, SIDE))
        image.save(buffer, "WEBP", quality=88, method=6)
    return "data:image/webp;base64," + base64.b64encode(buffer.getvalue()).decode()
