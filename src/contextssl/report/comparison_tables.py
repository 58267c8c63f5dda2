"""The tables of a comparison: probes of pairs (the paper's), probes of single views, retrieval, concept erasure, and further protocols."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from contextssl.evaluation.contexts import pairs_in
from contextssl.protocol import Protocol, every_protocol
from contextssl.report import paper_numbers
from contextssl.report.entries import Averaged, Condition, conditions, in_order, placed
from contextssl.report.figures import factors_of, patience
from contextssl.report.grid import Column, Grid, grid
from contextssl.report.screen import NOISE
from contextssl.report.tables import CONDITION, CONDITION_FIELDS, NUMBER, NUMBER_FIELDS, column_title
from contextssl.report.words import active_name, capitalised, environment_name, factor_name, head_name, listed, metric_name

METHOD = "method, representation"
RETRIEVAL = ("mrr", "hit@1", "hit@5")
ERASURES = {
    "erased-context": "erased, fitted on a context",
    "erased-train": "erased, fitted on all training views",
    "erased-train-basis": "erased, fitted on polynomials of the factors",
}
GROUPS = {
    "invariance": "Invariance: every factor low",
    "context": "In-context models without a context",
    "ceiling": "Ceiling: trained on labels",
    "floor": "Floor: not trained",
}
PAPER = f"[the paper]({paper_numbers.SOURCE})"


def lines_of(entries: Sequence[Averaged]) -> list[Condition]:
    return [line for each in entries for line in conditions(each)]


def tables(entries: Sequence[Averaged], protocols: Sequence[str] = ()) -> list[Grid]:
    """Those that there are numbers for; ``protocols`` are names of a user's own, in addition to those that are built in or installed."""
    factors = factors_of(entries)
    made = [table for protocol in every_protocol(protocols) for table in protocol.tables(entries, factors)]
    return [table for table in made if table is not None]


def _groups(lines: Sequence[Condition], factors: Sequence[str]) -> dict[str, str]:
    return {group: group_title(group, factors) for group in in_order([line.group for line in lines], factors)}


def group_title(group: str, factors: Sequence[str]) -> str:
    if group in GROUPS:
        return GROUPS[group]
    high = [factor for factor in group.split("+") if factor in factors]
    low = [factor for factor in factors if factor not in high]
    wishes = [f"{listed([factor_name(factor) for factor in names])} {level}" for names, level in ((high, "high"), (low, "low")) if names]
    name = capitalised(environment_name(group))
    return f"{name}: {', '.join(wishes)}" if high else name


def pair_head(entries: Sequence[Averaged], factor: str) -> str | None:
    """The head of the table: the paper's where every entry has it, else linear, else the one that most entries have."""
    runs = [each.run for each in entries if each.run.first(protocol="equivariance", metric="r2_pooled", factor=factor)]
    # Ridge has a column of its own.
    heads = ["published", *(run.wanted_head(factor) for run in runs), "linear", "mlp"]
    having = {head: sum(run.first(protocol="equivariance", factor=factor, head=head) is not None for run in runs) for head in heads}
    best = max(having, key=lambda head: having[head])
    return best if having[best] else None


def pairs_table(entries: Sequence[Averaged], factors: Sequence[str]) -> Grid | None:
    """The paper's table: pooled R² of the relative factors from pairs, and the class from single views."""
    lines = lines_of(entries)
    columns, instead = [], []
    for factor in factors:
        head = pair_head(entries, factor)
        for probe in (head, "ridge"):
            if probe is not None:
                columns += _both(factor, probe, ("equivariance",))
        best = next((each.run.wanted_head(factor) for each in entries if factor in each.factors), None)
        if head is not None and head not in (best, "published"):
            instead.append(f"{factor_name(factor)} by {head_name(best)} (here: {head_name(head)})")
    by_paper = any(each.run.find(protocol="probe", factor="class", head="published") for each in entries)
    for head in ("published" if by_paper else "linear", "ridge"):
        fields = {"metric": "accuracy", "factor": "class", "head": head}
        columns.append(Column(f"class accuracy, {head_name(head)}", ("probe",), fields, higher=True))
    runs = [run for each in entries for run in each.entry.runs]
    where, shown = f"figure 3, left ({paper_numbers.SETTING})", "shown next to features, or next to embeddings of in-context models"
    notes = [
        "R² is of the relative factor, by probes of the concatenated features or embeddings of two views: pooled, as SIE, EquiCaps and the paper "
        "have it, with the floor of the best constant; and of each dimension, averaged, as seq-JEPA has it, with floor 0. "
        + (f"The paper probes {listed(instead)}." if instead else "Heads are the paper’s, and ridge.")
        + patience(runs, "equivariance"),
        _paper_note(entries, where, shown),
    ]
    title, groups = "R² of each factor from pairs, and class accuracy", _groups(lines, factors)
    return grid("pairs", title, [METHOD], columns, lines, groups, factors, published=_published_result, notes=notes)


def _both(factor: str, head: str, protocols: tuple[str, ...]) -> list[Column]:
    """R² in both definitions that published tables have."""
    name, fields = f"{factor_name(factor)} R²", {"factor": factor, "head": head}
    return [
        Column(f"{name}, {head_name(head)}", protocols, {**fields, "metric": "r2_pooled"}),
        Column(f"{name} per dimension, {head_name(head)}", protocols, {**fields, "metric": "r2"}),
    ]


def _paper_note(entries: Sequence[Averaged], where: str, shown: str) -> str:
    if any(each.entry.comparable for each in entries):
        return f"Published numbers are of {PAPER}, {where}, and {shown}."
    return f"Published numbers are not shown, being of other data, another image size or encoder: {PAPER}, {where}."


def _published_result(line: Condition, column: Column) -> float | None:
    """A number of the paper's figure 3, left. Those of its in-context models are of embeddings, the others of features."""
    entry = line.each.entry
    if not entry.comparable or entry.published is None or column.fields["head"] == "ridge" or column.fields["metric"] == "r2":
        return None
    name, in_context = entry.published, line.each.takes_contexts
    if line.fields["representation"] != ("embedding" if in_context else "feature"):
        return None
    if in_context and entry.group == "context":
        name = f"{name}, {environment_name(line.environment)} context"
    elif in_context and not line.length:
        name = f"{name} (c = 0)"
    for row in paper_numbers.figure3():
        if (row.group, row.name) == (line.group, name):
            return {"rotation": row.rotation, "color": row.color, "class": row.accuracy}.get(column.factor or "")
    return None


def views_table(entries: Sequence[Averaged], factors: Sequence[str]) -> Grid | None:
    """Variance share, kNN and ridge of each factor from single views."""
    lines = lines_of(entries)
    columns = []
    rows = [row for line in lines for row in line.each.run.find(protocol="probe", head="ridge")]
    noises = sorted({row.bottleneck for row in rows if row.bottleneck})
    for factor in factors:
        name, base = factor_name(factor), {"factor": factor, "metric": "r2_pooled"}
        columns += [
            Column(f"{name}, variance share", ("geometry",), {**base, "metric": "variance_share"}),
            *_both(factor, "knn", ("probe", "geometry")),
            *_both(factor, "ridge", ("probe",)),
            *(Column(f"{name} R², ridge, noise {share:g}", ("probe",), {**base, "head": "ridge", "bottleneck": share}) for share in noises),
        ]
    note = (
        "Absolute factors. The variance share is the part of the embedding’s variance that a factor explains; ridge is the strongest probe here. "
        "Noise is Gaussian, its variance a share of the embedding’s own. Features are probed without noise; erased features, below, with it."
    )
    return grid("views", "Each factor from single views", [METHOD], columns, lines, _groups(lines, factors), factors, notes=[note])


def retrieval_table(entries: Sequence[Averaged], factors: Sequence[str]) -> Grid | None:
    """The paper's table 1: one line per entry, environment and context length."""
    lines = []
    # As published: of the training split, from the first view, with the query whose target is its source.
    as_published = all(each.run.retrieval_as_published for each in entries if each.run.has("retrieval"))
    metrics = [f"{metric}_with_identity" if as_published else metric for metric in RETRIEVAL]
    for each in entries:
        rows = each.run.find(protocol="retrieval", metric=metrics[0], representation="embedding")
        for environment, length in dict.fromkeys((row.environment, row.length) for row in rows):
            fields = placed("embedding", environment, length)
            lines.append(Condition(each, environment or "", (each.entry.name, str(pairs_in(length or 0))), fields))
    columns = [Column(metric_name(metric), ("retrieval",), {"metric": metric}, higher=True) for metric in metrics]
    order = sorted(dict.fromkeys(line.group for line in lines), key=lambda name: factors.index(name) if name in factors else len(factors))
    counts = {row.count for line in lines for row in line.each.run.find(protocol="retrieval", metric=metrics[0]) if row.count}
    asked = f" Means over {max(counts):,} queries." if counts else ""
    how = (
        "The embedding of the target view is predicted from another view and the action of the active factors; all views of the item are ranked "
        f"by their distance to it.{asked} A method without actions predicts the view itself."
    )
    where = (
        "table 1 (rotation active, 50 views; its script ranks the training split, from the first view, and counts the query whose target is "
        f"its source: {'so does this table' if as_published else 'this table does neither'})"
    )
    notes = [how, _paper_note(entries, where, "shown next to each length")]
    title, words, groups = "Retrieval of the predicted view", ["method", "pairs"], {name: f"Active: {active_name(name)}" for name in order}
    return grid("retrieval", title, words, columns, lines, groups, factors, floor="chance", published=_published_retrieval, notes=notes)


def _published_retrieval(line: Condition, column: Column) -> float | None:
    entry = line.each.entry
    if not entry.comparable or entry.published is None or line.group != "rotation":
        return None
    name = str(line.length) if line.each.takes_contexts else entry.published if entry.group == "rotation" else ""
    return paper_numbers.table1().get(name, {}).get(str(column.fields["metric"]).removesuffix("_with_identity"))


def erasure_table(entries: Sequence[Averaged], factors: Sequence[str]) -> Grid | None:
    """Features of every method after linear concept erasure, compared with an in-context model in its own context."""
    lines = [line for each in entries for line in _erased_lines(each)]
    columns = []
    for head, name in (("ridge", "ridge"), ("knn", "kNN")):
        for factor in factors:
            fields = {"metric": "r2_pooled", "factor": factor, "head": head}
            column = Column(f"{factor_name(factor)} R², {name}", ("erasure",), fields)
            columns += [column, _noisy(column)]
    accuracy = Column("class accuracy, ridge", ("erasure",), {"metric": "accuracy", "factor": "class", "head": "ridge"}, higher=True)
    columns += [accuracy, _noisy(accuracy)]
    note = (
        "Concept erasure (LEACE) removes the inactive factors from frozen features by a linear map, fitted on the pairs of one context, on all "
        "training views, or on polynomials of the factors there: a baseline that needs no in-context model. Fitted on the training views, it "
        "leaves ridge without noise nothing of an inactive factor by construction."
    )
    groups = {name: f"Kept: {active_name(name)}" for name in in_order([line.group for line in lines], factors)}
    return grid("erasure", "Concept erasure", [METHOD, "pairs"], columns, lines, groups, factors, notes=[note])


def _pairs(length: int | None) -> str:
    return str(pairs_in(length)) if length else ""


def _noisy(column: Column) -> Column:
    return replace(column, title=f"{column.title}, noise {NOISE:g}", fields={**column.fields, "bottleneck": NOISE})


def _erased_lines(each: Averaged) -> Iterator[Condition]:
    rows = [row for row in each.run.find(protocol="erasure") if row.representation in ERASURES]
    by_context = {(row.environment, row.length) for row in rows if row.length}
    named = {row.environment for row in rows} if each.takes_environment_name else set()
    own = dict.fromkeys((row.environment, row.length) for row in each.run.find(protocol="probe", representation="embedding"))
    for environment, length in own:
        if (environment, length) in by_context or environment in named:
            given = "its own context" if length else "environment given by name"
            words = (f"{each.entry.name}, {given}", _pairs(length))
            yield Condition(each, environment or "", words, placed("embedding", environment, length), "probe")
    for representation, remains, length in dict.fromkeys((row.representation, row.environment, row.length) for row in rows):
        words = (f"{each.entry.name}, {ERASURES[representation or '']}", _pairs(length))
        yield Condition(each, remains or "", words, placed(representation, remains, length))


def every_number(entries: Sequence[Averaged], protocol: Protocol, factors: Sequence[str]) -> Grid | None:
    """Of a protocol without a table of its own: one line per condition, one column per metric."""
    lines, found = [], dict[tuple[Any, ...], None]()
    for each in entries:
        rows = each.run.find(protocol=protocol.name)
        found |= dict.fromkeys(map(NUMBER, rows))
        for key in dict.fromkeys(map(CONDITION, rows)):
            representation, environment, length, noise, context = key
            parts = [each.entry.name, representation, context, f"noise {noise:g}" if noise else ""]
            words = (", ".join(part for part in parts if part), environment_name(environment), _pairs(length))
            lines.append(Condition(each, "", words, dict(zip(CONDITION_FIELDS, key, strict=True))))
    columns = [Column(column_title(*key), (protocol.name,), dict(zip(NUMBER_FIELDS, key, strict=True)), judged=False) for key in found]
    notes = [f"{each.entry.name}. {said.sentence}" for each in entries if (said := protocol.says(each.run.rows))]
    title = protocol.title or protocol.name.capitalize()
    return grid(protocol.name, title, [METHOD, "context", "pairs"], columns, lines, {"": ""}, factors, notes=notes)
