"""The tables of a comparison: what pairs tell (the paper's), what single views tell, retrieval, erasure, and whatever else was evaluated."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from contextssl.protocol import PROTOCOLS, Protocol
from contextssl.report import paper_numbers
from contextssl.report.entries import Averaged, Condition, conditions, in_order
from contextssl.report.figures import patience
from contextssl.report.grid import Column, Grid, grid
from contextssl.report.screen import NOISE
from contextssl.report.tables import column_title
from contextssl.report.words import capitalised, environment_name, factor_name, head_name, listed, metric_name, told_name

METHOD = "method, read from"
RETRIEVAL = ("mrr", "hit@1", "hit@5")
ERASURES = {
    "erased-context": "erased by a context",
    "erased-train": "erased by all training views",
    "erased-train-basis": "erased by polynomials of them",
}
OWN_CONTEXT = "its own context"
OWN_NAME = "told by name"
PAPER = f"[the paper]({paper_numbers.SOURCE})"


def factors_of(entries: Sequence[Averaged]) -> list[str]:
    return list(dict.fromkeys(name for each in entries for name in each.factors))


def lines_of(entries: Sequence[Averaged]) -> list[Condition]:
    return [line for each in entries for line in conditions(each)]


def tables(entries: Sequence[Averaged], protocols: Sequence[Protocol] = ()) -> list[Grid]:
    """Those that there are numbers for.

    Args:
        protocols: a user's own, beside those that are built in or installed.
    """
    factors = factors_of(entries)
    made = [table for protocol in (*PROTOCOLS.all(), *protocols) for table in protocol.tables(entries, factors)]
    return [table for table in made if table is not None]


def _groups(lines: Sequence[Condition], factors: Sequence[str]) -> dict[str, str]:
    return {group: group_title(group, factors) for group in in_order([line.group for line in lines], factors)}


def group_title(group: str, factors: Sequence[str]) -> str:
    if group == "invariance":
        return "Invariance: every factor low"
    if group in ("context", "ceiling", "floor"):
        return {"context": "In context, with none given", "ceiling": "Ceiling: trained on labels", "floor": "Floor: not trained"}[group]
    high = [factor for factor in group.split("+") if factor in factors]
    low = [factor for factor in factors if factor not in high]
    wishes = [f"{listed([factor_name(factor) for factor in names])} {level}" for names, level in ((high, "high"), (low, "low")) if names]
    name = capitalised(environment_name(group))
    return f"{name}: {', '.join(wishes)}" if high else name


def pair_head(entries: Sequence[Averaged], factor: str) -> str | None:
    """Which head stands in the table: the paper's where every entry has it, else linear, else what most can be compared by."""
    read = [each.run for each in entries if each.run.find(protocol="equivariance", metric="r2_pooled", factor=factor)]
    order = dict.fromkeys(
        ["published", *(run.wanted_head(factor) for run in read), "linear", "mlp"]  # ridge has a column of its own
    )
    having = {head: sum(bool(run.find(protocol="equivariance", factor=factor, head=head)) for run in read) for head in order}
    best = max(having, key=lambda head: having[head], default=None)
    return best if best is not None and having[best] else None


def pairs_table(entries: Sequence[Averaged], factors: Sequence[str]) -> Grid | None:
    """The paper's table: pooled R² of the relative factors from pairs, and the class from single views."""
    lines = lines_of(entries)
    columns, instead = [], []
    for factor in factors:
        head = pair_head(entries, factor)
        for reader in (head, "ridge"):
            if reader is not None:
                title = f"{factor_name(factor)} R², {head_name(reader)}"
                columns.append(Column(title, ("equivariance",), {"metric": "r2_pooled", "factor": factor, "head": reader}))
        best = next((each.run.wanted_head(factor) for each in entries if factor in each.factors), None)
        if head is not None and head not in (best, "published"):
            instead.append(f"{factor_name(factor)} by {head_name(best)} (here: {head_name(head)})")
    by_paper = any(each.run.find(protocol="probe", factor="class", head="published") for each in entries)
    for head in ("published" if by_paper else "linear", "ridge"):
        columns.append(
            Column(f"class accuracy, {head_name(head)}", ("probe",), {"metric": "accuracy", "factor": "class", "head": head}, higher=True)
        )
    runs = [run for each in entries for run in each.entry.runs]
    notes = [
        "R² is pooled, of the relative factor, read from two views’ features or embeddings side by side; its floor is that of the best constant. "
        + (f"The paper reads {listed(instead)}." if instead else "Heads are the paper’s, and ridge beside them.")
        + patience(runs, "equivariance"),
        _paper_note(entries, f"figure 3, left ({paper_numbers.SETTING})", "stand beside features, and beside embeddings of context models"),
    ]
    return grid(
        "pairs",
        "R² of each factor from pairs, and class accuracy",
        [METHOD],
        columns,
        lines,
        _groups(lines, factors),
        factors,
        published=_published_result,
        notes=notes,
    )


def _paper_note(entries: Sequence[Averaged], where: str, beside: str) -> str:
    if any(each.entry.comparable for each in entries):
        return f"Published numbers are of {PAPER}, {where}, and {beside}."
    return f"For orientation, of other data or another size and so not beside ours: {PAPER}, {where}."


def _published_result(line: Condition, column: Column) -> float | None:
    """A number of the paper's figure 3, left. Its context models' stand beside embeddings, the others' beside features."""
    entry = line.each.entry
    if not entry.comparable or entry.published is None or column.fields["head"] == "ridge":
        return None
    name = entry.published
    if line.each.takes_contexts:
        if line.fields["representation"] != "embedding":
            return None
        if entry.group == "context":
            name = f"{name}, {environment_name(line.environment)} context"
        elif not line.length:
            name = f"{name} (c = 0)"
    elif line.fields["representation"] != "feature":
        return None
    found = next((row for row in paper_numbers.figure3() if (row.group, row.name) == (line.group, name)), None)
    if found is None:
        return None
    return {"rotation": found.rotation, "color": found.color, "class": found.accuracy}.get(column.factor or "")


def views_table(entries: Sequence[Averaged], factors: Sequence[str]) -> Grid | None:
    """What distances, neighbours and a strong fresh reader see of each factor in single views."""
    lines = lines_of(entries)
    columns = []
    rows = [row for line in lines for row in line.each.run.find(protocol="probe", head="ridge")]
    noises = sorted({row.bottleneck for row in rows if row.bottleneck})
    for factor in factors:
        name, base = factor_name(factor), {"factor": factor, "metric": "r2_pooled"}
        columns += [
            Column(f"{name}, variance share", ("geometry",), {**base, "metric": "variance_share"}),
            Column(f"{name} R², kNN", ("probe", "geometry"), {**base, "head": "knn"}),
            Column(f"{name} R², ridge", ("probe",), {**base, "head": "ridge"}),
            *(Column(f"{name} R², ridge, noise {share:g}", ("probe",), {**base, "head": "ridge", "bottleneck": share}) for share in noises),
        ]
    note = (
        "Absolute factors. The variance share is what distances see; ridge is the strongest reader here, and under noise, its variance a share of "
        "the embedding’s own, it reads what is left of a factor. Features are read without noise; erased features, below, with it."
    )
    return grid("views", "What single views tell of each factor", [METHOD], columns, lines, _groups(lines, factors), factors, notes=[note])


def retrieval_table(entries: Sequence[Averaged], factors: Sequence[str]) -> Grid | None:
    """The paper's table 1: a line an entry, told environment and context length."""
    lines = []
    # As published: of the training split, from the first view, with the query whose target is its source.
    as_published = all(each.run.retrieval_as_published for each in entries if each.run.has("retrieval"))
    metrics = [f"{metric}_with_identity" if as_published else metric for metric in RETRIEVAL]
    for each in entries:
        rows = each.run.find(protocol="retrieval", metric=metrics[0], representation="embedding")
        for environment, length in dict.fromkeys((row.environment, row.length) for row in rows):
            fields = {"representation": "embedding", "environment": environment, "length": length}
            lines.append(Condition(each, environment or "", (each.entry.name, str(length or 0)), fields))
    columns = [Column(metric_name(metric), ("retrieval",), {"metric": metric}, higher=True) for metric in metrics]
    order = sorted(dict.fromkeys(line.group for line in lines), key=lambda name: factors.index(name) if name in factors else len(factors))
    counts = {row.count for line in lines for row in line.each.run.find(protocol="retrieval", metric=metrics[0]) if row.count}
    asked = f" Means over {max(counts):,} queries." if counts else ""
    how = (
        "The embedding of the target view is predicted from another view and the told action, and all views of the item are ranked by their "
        f"distance to it.{asked} A method that follows no action predicts the view that it was given."
    )
    notes = [
        how,
        _paper_note(
            entries,
            "table 1 (rotation told, 50 views; its script ranks the training split, from the first view, and counts the query whose target is "
            + ("its source: so does this table)" if as_published else "its source: this table does neither)"),
            "stand beside each length",
        ),
    ]
    return grid(
        "retrieval",
        "Retrieval of the predicted view",
        ["method", "tokens"],
        columns,
        lines,
        {name: f"Told: {told_name(name)}" for name in order},
        factors,
        floor="chance",
        published=_published_retrieval,
        notes=notes,
    )


def _published_retrieval(line: Condition, column: Column) -> float | None:
    entry = line.each.entry
    if not entry.comparable or entry.published is None or line.group != "rotation":
        return None
    name = str(line.length) if line.each.takes_contexts else entry.published if entry.group == "rotation" else ""
    return paper_numbers.table1().get(name, {}).get(str(column.fields["metric"]).removesuffix("_with_identity"))


def erasure_table(entries: Sequence[Averaged], factors: Sequence[str]) -> Grid | None:
    """Features of every method after linear erasure, beside what an in-context model's own context leaves in the same place."""
    lines = [line for each in entries for line in _erased_lines(each)]
    columns = []
    for reader, name in (("ridge", "ridge"), ("knn", "kNN")):
        for factor in factors:
            base = {"metric": "r2_pooled", "factor": factor, "head": reader}
            title = f"{factor_name(factor)} R², {name}"
            columns += [Column(title, ("erasure",), base), _noisy(title, base)]
    base = {"metric": "accuracy", "factor": "class", "head": "ridge"}
    columns += [Column("class accuracy, ridge", ("erasure",), base, higher=True)]
    columns += [replace(_noisy("class accuracy, ridge", base), higher=True)]
    note = (
        "What the environment does not tell is erased from frozen features by a linear map (LEACE): fitted on the pairs of one context, on all "
        "training views, or on polynomials of the factors there. It is the rival that needs no context model. Fitted on the training views, it "
        "leaves ridge without noise nothing of a forgotten factor by construction."
    )
    groups = {name: f"What remains: {told_name(name)}" for name in in_order([line.group for line in lines], factors)}
    return grid("erasure", "Erasure after the fact", [METHOD, "tokens"], columns, lines, groups, factors, notes=[note])


def _noisy(title: str, fields: Mapping[str, object]) -> Column:
    return Column(f"{title}, noise {NOISE:g}", ("erasure",), {**fields, "bottleneck": NOISE})


def _erased_lines(each: Averaged) -> Iterator[Condition]:
    rows = [row for row in each.run.find(protocol="erasure") if row.representation in ERASURES]
    by_context = {(row.environment, row.length) for row in rows if row.length}
    told = {row.environment for row in rows} if each.told_by_name else set()
    own = dict.fromkeys((row.environment, row.length) for row in each.run.find(protocol="probe", representation="embedding"))
    for environment, length in own:
        if (environment, length) in by_context or environment in told:
            fields = {"representation": "embedding", "environment": environment, "length": length}
            words = (f"{each.entry.name}, {OWN_CONTEXT}", str(length)) if length else (f"{each.entry.name}, {OWN_NAME}", "")
            yield Condition(each, environment or "", words, fields, "probe")
    for representation, remains, tokens in dict.fromkeys((row.representation, row.environment, row.length) for row in rows):
        about = {"representation": representation, "environment": remains, "length": tokens}
        yield Condition(each, remains or "", (f"{each.entry.name}, {ERASURES[representation or '']}", str(tokens or "")), about)


def every_number(entries: Sequence[Averaged], protocol: Protocol, factors: Sequence[str]) -> Grid | None:
    """Of a protocol that has no table of its own: a line a condition, a column a metric."""
    lines, found = [], {}
    for each in entries:
        rows = each.run.find(protocol=protocol.name)
        found.update(dict.fromkeys((row.metric, row.factor, row.head, row.target) for row in rows))
        for key in dict.fromkeys((row.representation, row.environment, row.length, row.bottleneck, row.context) for row in rows):
            representation, environment, length, noise, context = key
            fields = {
                "representation": representation,
                "environment": environment,
                "length": length,
                "bottleneck": noise,
                "context": context,
            }
            read = [each.entry.name, representation or "", context or "", f"noise {noise:g}" if noise else ""]
            words = (", ".join(part for part in read if part), environment_name(environment), str(length or ""))
            lines.append(Condition(each, "", words, fields))
    columns = [
        Column(column_title(*key), (protocol.name,), {"metric": key[0], "factor": key[1], "head": key[2], "target": key[3]}, judged=False)
        for key in found
    ]
    notes = [f"{each.entry.name}. {said.sentence}" for each in entries if (said := protocol.says(each.run.rows))]
    title = protocol.title or protocol.name.capitalize()
    return grid(protocol.name, title, [METHOD, "context", "tokens"], columns, lines, {"": ""}, factors, floor="floor", notes=notes)
