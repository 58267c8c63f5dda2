"""The figures of the page, from rows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from contextssl.evaluation.contexts import pairs_words
from contextssl.evaluation.deviations import deviation_words
from contextssl.factors import NO_FACTOR
from contextssl.protocol import PROTOCOLS
from contextssl.records.results import ResultRow
from contextssl.report import paper_numbers
from contextssl.report.collect import Run, at_length
from contextssl.report.entries import Averaged
from contextssl.report.panels import Floor, Line, Panel, Picture, floors_of, length_ticks, line, outside, picture_of, position, same_height
from contextssl.report.words import a_context, active_name, capitalised, environment_name, factor_name, head_name, listed, metric_name

# Probes, the strongest first, kNN, and the model's own head. Each has its dash pattern in every figure.
PROBES = ("ridge", "published", "knn", "auxiliary")
UNDER_NOISE = PROBES[:3]
ADAPTS = "The embedding adapts to its context"
DOES_NOT = "Variance share of each factor by context"


def environments_of(runs: Sequence[Run]) -> list[str]:
    return list(dict.fromkeys(name for run in runs for name in run.environments))


def factors_of(runs: Sequence[Run | Averaged]) -> list[str]:
    return list(dict.fromkeys(name for run in runs for name in run.factors))


def run_legend(runs: Sequence[Run]) -> list[tuple[str, str, int]]:
    return [(run.name, "ink", index) for index, run in enumerate(runs)] if len(runs) > 1 else []


def panel_colour(environment: str) -> str:
    return environment if "+" not in environment else "ink"


def line_label(name: str, run: Run, runs: Sequence[Run]) -> str:
    return f"{name}, {run.name}" if len(runs) > 1 else name


def _papers_line(label: str, values: Sequence[float], colour: str, end: str = "") -> Line:
    return Line(label, [position(length) for length in paper_numbers.LENGTHS], values, colour=colour, faint=True, end=end)


def by_length(
    runs: Sequence[Run], protocol: str, metric: str, *, ylabel: str, floors: bool = True, high: float | None = 1.0, paper: bool = False
) -> list[Panel]:
    """One panel per environment: every factor's metric over context length; lines of one dash pattern are of one run; with ``paper``, the
    published lines too.
    """
    panels = []
    for environment in environments_of(runs):
        lines, under, lengths = [], [], []
        for factor in factors_of(runs):
            name, found = factor_name(factor), []
            for index, run in enumerate(runs):
                # On pairs the published head where it was run.
                head = run.published_head(factor) or "ridge" if protocol == "equivariance" else None
                rows = run.curve(protocol, metric, environment, factor=factor, head=head)
                if not any(row.length for row in rows):
                    continue
                found += rows
                label = line_label(name, run, runs) + (f" ({head_name(head)})" if head else "")
                lines.append(line(rows, label, colour=factor, style=index, end=name if index == 0 else ""))
            lengths += [row.length or 0 for row in found]
            if floors:
                under += [floor for floor in floors_of(found, factor) if abs(floor.value) > 0.005]
            if paper and found and (environment, factor) in paper_numbers.CURVES:
                lines.append(_papers_line(f"{name}, paper", paper_numbers.CURVES[environment, factor], factor))
                lengths += paper_numbers.LENGTHS
        if lines:
            title, colour = capitalised(f"{environment_name(environment)} context"), panel_colour(environment)
            panels.append(Panel(title, lines, ylabel, ticks=length_ticks(lengths), floors=under, high=high, colour=colour))
    return panels if high is not None else same_height(panels)


def adaptation(runs: Sequence[Run]) -> Picture | None:
    """The headline: variance share of each factor against context length, one panel per environment."""
    panels = by_length(runs, "geometry", "variance_share", ylabel="share of the variance", floors=False, high=None)
    panels = [replace(panel, percent=True) for panel in panels]
    rows = [row for run in runs for row in run.find(protocol="geometry", metric="variance_share")]
    several = " Each dash pattern is a run." if len(runs) > 1 else ""
    invariant = " In an invariant context no factor is active." if NO_FACTOR in environments_of(runs) else ""
    return picture_of(
        "adaptation",
        ADAPTS if all(map(adapts, runs)) else DOES_NOT,
        panels,
        "With longer contexts (left: none) the active factor should explain more of the embedding's variance and the inactive one less, with the "
        "weights unchanged. A factor that explains nothing scores 0. Lines are means over contexts, bands "
        f"{deviation_words(rows)}.{several}{invariant}",
        run_legend(runs),
    )


def adapts(run: Run) -> bool:
    """Whether at the reported length every active factor has a larger share than with no context, and every inactive one a smaller."""
    length = run.reported_length("geometry", "variance_share")
    for environment in run.environments:
        for factor in run.factors:
            shares = {row.length: row.mean for row in run.curve("geometry", "variance_share", environment, factor=factor)}
            if 0 in shares and length in shares and (shares[length] > shares[0]) != (factor in environment.split("+")):
                return False
    return True


def published_r2(runs: Sequence[Run]) -> Picture | None:
    """The paper's figure 3, right: pooled R² of the relative factors by the published probes of pairs."""
    comparable = all(run.in_papers_setting for run in runs)
    panels = by_length(runs, "equivariance", "r2_pooled", ylabel="R², pooled", paper=comparable)
    published = (
        " Faint lines are the paper's (3DIEBench, ResNet-18, 128 px)."
        if comparable
        else " The paper's curves are in a separate figure below: they are of other data, another image size or another encoder."
    )
    without = {(run.name, factor) for run in runs if run.has("equivariance") for factor in run.factors if not run.published_head(factor)}
    others = sorted(f"{factor_name(factor)} by {head_name('ridge')} in {name}" for name, factor in without)
    instead = f" Where the published head was not run, another one is shown: {listed(others)}." if others else ""
    return picture_of(
        "r2",
        "The paper's probes of pairs of embeddings",
        panels,
        "The paper's figure 3, right: an MLP regresses relative rotations, a linear map every other relative factor, from two concatenated "
        "embeddings. An inactive factor should fall to the dotted line, the floor of the best constant prediction: with the pooled R² it is not 0 "
        "for quaternions, whose components have different means." + instead + published + patience(runs, "equivariance") + outside(panels),
        run_legend(runs),
    )


def paper_only() -> Picture:
    """The paper's own curves, for orientation where a run is on other data."""
    ticks, panels = length_ticks(paper_numbers.LENGTHS), []
    for environment in ("rotation", "color"):
        lines = [
            _papers_line(factor_name(factor), paper_numbers.CURVES[environment, factor], factor, end=factor_name(factor))
            for factor in ("rotation", "color")
        ]
        panels.append(Panel(f"Paper: {environment_name(environment)} context", lines, "R², pooled", ticks=ticks, colour=environment))
    return Picture(
        "paper",
        "For orientation: the paper's curves, on other data",
        panels,
        f"Published on {paper_numbers.SETTING}: its numbers are not comparable with the run above, only the shape of the curves is: after a "
        "long training, fresh probes no longer find the inactive factor from 7 pairs on.",
    )


def probes(runs: Sequence[Run]) -> Picture | None:
    """R² of the absolute factors from single views, per probe: kNN, the model's own head, fresh probes."""
    panels, used = [], set()
    for run in runs:
        for environment in run.environments:
            for factor in run.factors:
                lines, floors, lengths = [], [], []
                for head in PROBES:
                    rows = probe_curve(run, head, factor, environment)
                    if any(row.length for row in rows):
                        used.add(head)
                        lines.append(line(rows, probe_name(head), colour=factor, style=PROBES.index(head)))
                        lengths += [row.length or 0 for row in rows]
                        floors = floors_of(rows, factor)
                if lines:
                    title = _title(f"{factor_name(factor)}, under {a_context(environment)}", run, runs)
                    panels.append(Panel(title, lines, "R², pooled", ticks=length_ticks(lengths), floors=floors, colour=factor))
    return picture_of(
        "probes",
        "Each factor by every probe",
        panels,
        "Absolute factors from single views. Nearest neighbours and the model's own head should follow the context; a fresh probe that is trained on "
        "many embeddings can still recover a factor of small variance, ridge the most, unless a noise bottleneck prevents it. The model's own head "
        "has no loss on inactive factors, so part of its fall is due to the head."
        + (patience(runs, "probe") if "published" in used else "")
        + outside(panels),
        _probe_legend(used),
    )


def _title(panel: str, run: Run, runs: Sequence[Run]) -> str:
    return f"{run.name}: {panel}" if len(runs) > 1 else capitalised(panel)


def _probe_legend(used: Iterable[str]) -> list[tuple[str, str, int]]:
    return [(probe_name(head), "ink", index) for index, head in enumerate(PROBES) if head in used]


def probe_curve(run: Run, head: str, factor: str, environment: str | None, bottleneck: float = 0.0) -> list[ResultRow]:
    """Pooled R² of a factor by one of :data:`PROBES`, over context length; kNN of either protocol that has it."""
    named = run.published_head(factor, "probe") if head == "published" else head
    if named is None:
        return []
    fields = {"factor": factor, "head": named, "bottleneck": bottleneck}
    curves = (run.curve(protocol, "r2_pooled", environment, **fields) for protocol in ("probe", "geometry", "online"))
    return next((rows for rows in curves if rows), [])


def probe_name(head: str) -> str:
    return "published probe" if head == "published" else head_name(head)


def noise(runs: Sequence[Run]) -> Picture | None:
    """Fresh probes under the noise bottleneck, at the reported context length."""
    panels, used = [], set()
    for run in runs:
        shares = sorted({row.bottleneck for row in run.rows if row.protocol == "probe"})
        length = run.reported_length("probe", "r2_pooled")
        if len(shares) < 2 or length is None:
            continue
        ticks = [(float(index), f"{share:g}") for index, share in enumerate(shares)]
        for environment in run.environments:
            lines, under = [], []
            for factor in run.factors:
                for style, head in enumerate(UNDER_NOISE):
                    curves = [probe_curve(run, head, factor, environment, share) for share in shares]
                    at = {float(place): row for place, rows in enumerate(curves) if (row := at_length(rows, length)) is not None}
                    if len(at) < 2:
                        continue
                    used.add(head)
                    name, rows = factor_name(factor), list(at.values())
                    end = name if style == 0 else ""
                    lines.append(line(rows, f"{name}, {probe_name(head)}", list(at), colour=factor, style=style, end=end))
                    if style == 0:
                        under += floors_of(rows, factor)
            if lines:
                title = _title(f"{environment_name(environment)} context, {pairs_words(length)}", run, runs)
                panels.append(Panel(title, lines, "R², pooled", "noise share", ticks, under, colour=panel_colour(environment)))
    return picture_of(
        "noise",
        "Fresh probes, with and without noise",
        panels,
        "Fresh probes on embeddings with Gaussian noise, its variance a share of the embedding's own (left: none). The line of the active factor "
        "should stay where it is; that of the inactive factor should fall to its dotted floor."
        + (patience(runs, "probe") if "published" in used else "")
        + outside(panels),
        _probe_legend(used),
    )


def patience(runs: Sequence[Run], protocol: str) -> str:
    """A sentence where trained probes had fewer epochs than the published ones."""
    given = {run.evaluations.get(protocol, {}).get("settings", {}).get("epochs") for run in runs}
    published = PROTOCOLS.built_in[protocol].epochs or 0
    fewer = sorted(epochs for epochs in given if epochs is not None and epochs < published)
    if not fewer:
        return ""
    epochs_given = listed([str(epochs) for epochs in fewer])
    return f" Trained probes had {epochs_given} epochs, not the published {published}: longer training would recover more."


def sensitivity(runs: Sequence[Run]) -> Picture | None:
    panels = by_length(runs, "geometry", "sensitivity", ylabel="movement (1: another item)", floors=False, high=None)
    return picture_of(
        "sensitivity",
        "Factor sensitivity: how far the embedding moves when one factor changes",
        panels,
        "One factor is drawn anew, the others are kept: the mean squared distance that the embedding moves, divided by that to a view of another "
        "item (1). It includes interactions with other factors, unlike the variance share, and so is the larger.",
        run_legend(runs),
    )


def retrieval(runs: Sequence[Run]) -> Picture | None:
    """MRR and H@1 over context length, one line per environment."""
    panels = []
    for metric in ("mrr", "hit@1"):
        lines, floors, lengths = [], [], []
        for environment in environments_of(runs):
            for index, run in enumerate(runs):
                rows = run.curve("retrieval", metric, environment)
                if rows:
                    name = f"{active_name(environment)} active"
                    label, end = line_label(name, run, runs), name if index == 0 else ""
                    lines.append(line(rows, label, colour=panel_colour(environment), style=index, end=end))
                    floors += [row.floor for row in rows if row.floor is not None]
                    lengths += [row.length or 0 for row in rows]
        if all(run.in_papers_setting for run in runs) and lines:
            y = [paper_numbers.table1()[str(length)][metric] for length in paper_numbers.LENGTHS]
            lines.append(_papers_line("rotation active, paper", y, "rotation"))
            lengths += paper_numbers.LENGTHS
        if lines:
            under = [Floor(floors[0], f"chance {floors[0]:.2f}")] if floors else []
            panels.append(Panel(metric_name(metric), lines, metric_name(metric), ticks=length_ticks(lengths), floors=under, high=None))
    return picture_of(
        "retrieval",
        "Retrieval of the predicted view",
        panels,
        "From a view and an action the model predicts the embedding of the target; all views of the item are ranked by their distance to it. "
        "MRR is the mean of 1 / rank, H@1 the share of queries whose target ranks first. Both should rise with the context; dotted is chance.",
        run_legend(runs),
    )
