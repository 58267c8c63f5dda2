"""What can be had of a frozen encoder: how well each factor is read from its features at all, before anything is trained on them."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from contextssl.data.dataset import Data
from contextssl.data.listed_pairs import ListedViews
from contextssl.data.views import ViewBank
from contextssl.errors import DataError
from contextssl.evaluation.cache import ArrayCache
from contextssl.evaluation.contexts import Contexts
from contextssl.evaluation.embeddings import Embedder
from contextssl.evaluation.partner_ranks import partner_rows
from contextssl.evaluation.single_views import SingleViews, probe_rows
from contextssl.evaluation.trained_probes import HeadTraining
from contextssl.evaluation.view_sets import ViewSet
from contextssl.head import HEADS
from contextssl.models.view_encoder import ViewEncoder
from contextssl.records.results import ResultRow
from contextssl.records.run_folder import FEATURES as FILE
from contextssl.system.console import show
from contextssl.system.files import write_json

if TYPE_CHECKING:
    from rich.table import Table

# Their protocol.
FEATURES = "features"
# Views of an item, and of a split, that are read.
PER_ITEM, MOST_VIEWS = 20, 20_000
# Below this R² a factor is hardly there; a partner that stands at rank 5 has a reciprocal rank of 0.2.
HARDLY = 0.25


def feature_rows(model: ViewEncoder, data: Data, seed: int) -> list[ResultRow]:
    """Rows of protocol ``"features"``: R² of each factor by ridge regression from features to latents, on items that were held out, and accuracy of
    the class; of listed pairs, whose factors have no values, the ranks of partners among all images.
    """
    embedder = Embedder(model, Contexts(()), {}, cache=ArrayCache(None))
    test = _views(data.val.views, "val", seed)
    if isinstance(data.val.views, ListedViews):
        try:
            return [replace(row, protocol=FEATURES) for row in partner_rows(embedder, test, (), seed)]
        except DataError:
            # Of many images none of those that are looked at may have its partner among them.
            return []
    single = SingleViews(embedder, _views(data.train.views, "train", seed), test, test.rows(0, seed), seed)
    training = HeadTraining(0, 0.0, 1, seed)
    found = probe_rows(single, (), heads=[HEADS.find("ridge")], shares=(), training=training)
    return [replace(row, protocol=FEATURES) for row in found]


def say_features(folder: Path, rows: Sequence[ResultRow], progress: bool, *, augmented: bool = False) -> None:
    """Writes them into a run's folder, shows them where there is ``progress``, and warns where little is there; ``augmented``: views are
    augmentations of photos.
    """
    write_json(folder / FILE, [{**vars(row), "mean": row.mean if math.isfinite(row.mean) else None} for row in rows])
    if progress:
        show(feature_table(rows))
    if (said := advice(rows, augmented)) is not None:
        warnings.warn(said, UserWarning, stacklevel=3)


def _views(bank: ViewBank, split: str, seed: int) -> ViewSet:
    per_item = min(PER_ITEM, bank.num_views)
    # Of a list all images, since a partner may be any.
    items = 0 if isinstance(bank, ListedViews) else MOST_VIEWS // per_item
    return ViewSet.choose(bank, split, per_item, items, seed)


def feature_table(rows: Sequence[ResultRow]) -> Table:
    """What the terminal shows."""
    from rich.table import Table

    shown = [row for row in rows if row.metric in ("r2_pooled", "accuracy", "mrr")]
    by_partners = any(row.metric == "mrr" for row in shown)
    how = "ranks of partners" if by_partners else "ridge regression"
    table = Table(title=f"What the frozen features hold\n({how}, held-out items)", title_justify="left")
    for column in ("kind of pair" if by_partners else "factor", "measure", "value", "floor"):
        table.add_column(column, justify="left" if column in ("factor", "kind of pair", "measure") else "right")
    for row in shown:
        measure = {"r2_pooled": "R²", "accuracy": "accuracy", "mrr": "MRR"}[row.metric]
        table.add_row(row.factor, measure, f"{row.mean:.3f}", "" if row.floor is None else f"{row.floor:.3f}")
    return table


def advice(rows: Sequence[ResultRow], augmented: bool = False) -> str | None:
    """A sentence where a factor, or a kind of pair, is hardly there. A photo seldom gives away how it was augmented, which two views of it may."""
    hardly = []
    for row in rows:
        if row.metric == "r2_pooled" and (row.mean < HARDLY or math.isnan(row.mean)):
            hardly.append(f"{row.factor} (R² {row.mean:.2f})")
        if row.metric == "mrr" and row.floor is not None and row.mean < max(HARDLY, 2 * row.floor):
            hardly.append(f"{row.factor} (MRR {row.mean:.2f}, by chance {row.floor:.2f})")
    if not hardly:
        return None
    if augmented:
        return (
            f"hardly read from the features of one view: {', '.join(hardly)}; two views of a photo may still tell, as docs/frozen.md measures: "
            "contextssl evaluate geometry says whether contexts bring it out"
        )
    return (
        f"hardly in these features: {', '.join(hardly)}; no context brings out what is not there: choose another encoder, or train one without "
        "freeze=true"
    )
