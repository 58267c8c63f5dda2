"""Frozen encoders against training everything, quality and time: python benchmarks/frozen.py experiment=shapes_examples out=runs/frozen [key=value …]

Trains everything once, a supervised encoder, and then the predictor alone on the frozen encoder of either, on one that was never trained, and with
pretrained=BACKBONE (which needs timm's weights) on that. Each line of the table is one command, which is printed before it runs. Other words are
settings of every training, such as dataset=images data_dir=DIR, or small sizes.

Times are of one machine, in order: training the encoder, encoding all views, training the predictor. R² and accuracy of features are by ridge
regression on held-out items, before the predictor is trained. Shares are of the variance of the embedding, on validation items, in contexts of 7
pairs that share a factor: of that factor, and the most of any other. Moved says how far a change of the factor moves an embedding there, and the most
that a change of any other does: of photos, whose augmentations explain little of the variance, it says more.
"""

from __future__ import annotations

import shlex
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from contextssl.cli import main as contextssl
from contextssl.records.results import ResultRow, read_results

LENGTH = 14
# Of evaluations alone.
EVALUATED = ("train_views", "probe_views", "items", "train_items", "contexts", "sensitivity_items")


@dataclass(frozen=True)
class Line:
    """A line of the table: its title, its folder, the words of its training, and the folder of the run whose encoder it takes."""

    title: str
    folder: str
    words: tuple[str, ...] = ()
    of: str | None = None


LINES = (
    Line("everything trained", "everything"),
    Line("frozen, the encoder of that run", "trained_encoder", of="everything"),
    Line("frozen, a supervised encoder", "supervised_encoder", of="supervised"),
    Line("frozen, an encoder that was never trained", "untrained_encoder", ("freeze=true",)),
)
SUPERVISED = Line("", "supervised", ("method=supervised",))


def main(words: Sequence[str]) -> None:
    given = dict(word.split("=", 1) for word in words)
    out, pretrained = Path(given.pop("out", "runs/frozen")), given.pop("pretrained", None)
    evaluating = [f"{name}={given.pop(name)}" for name in EVALUATED if name in given]
    training = [f"{name}={value}" for name, value in given.items()]
    lines = [*LINES]
    if pretrained is not None:
        chosen = (f"backbone={pretrained}", "pretrained=true", "pool=average", "feature_norm=none", "freeze=true")
        lines.append(Line(f"frozen, {pretrained}", "pretrained_encoder", chosen))
    seconds: dict[str, float] = {}
    for line in (LINES[0], SUPERVISED, *lines[1:]):
        start = () if line.of is None else (f"encoder_from={out / line.of}", "freeze=true")
        seconds[line.folder] = run(["train", *training, *line.words, *start, f"run_dir={out / line.folder}"])
        if line is not SUPERVISED:
            run(["evaluate", "geometry", str(out / line.folder), f"eval_ctxt=[0,{LENGTH}]", *evaluating, "progress=false"])
    print(table(out, lines, seconds))


def run(words: Sequence[str]) -> float:
    """Runs a command of contextssl, and returns its seconds."""
    print(f"contextssl {shlex.join(words)}", file=sys.stderr, flush=True)
    began = time.monotonic()
    if contextssl([*words]) != 0:
        sys.exit(f"contextssl {shlex.join(words)} failed")
    return time.monotonic() - began


def table(out: Path, lines: Sequence[Line], seconds: Mapping[str, float]) -> str:
    about, first = read_results(out / lines[1].folder)
    factors = [str(row.factor) for row in first if (row.protocol, row.metric) == ("features", "r2_pooled")]
    titles = ["", "encoder, min", "encoding, min", "predictor, min"]
    titles += [
        *(f"features: R² of {name}" for name in factors),
        "features: class",
        *(f"share of {name}, and of others" for name in factors),
        *(f"moved by {name}, and by others" for name in factors),
    ]
    made = [f"{about['date']}, {about['machine']}, commit {about['commit']}, seed {about['seed']}", "", f"| {' | '.join(titles)} |"]
    made.append("|" + "---|" * len(titles))
    for line in lines:
        run_of, rows = read_results(out / line.folder)
        whole, trained = seconds[line.folder] / 60, run_of["seconds"] / 60
        encoder = trained if line.folder == "everything" else seconds[line.of] / 60 if line.of else 0.0
        times = (
            [f"{encoder:.1f}", "–", "–"] if line.folder == "everything" else [f"{encoder:.1f}", f"{whole - trained:.1f}", f"{trained:.1f}"]
        )
        held = [_held(rows, name, "r2_pooled") for name in factors] + [_held(rows, "class", "accuracy")]
        made.append(
            f"| {' | '.join([line.title, *times, *held, *_ends(rows, 'variance_share', factors), *_ends(rows, 'sensitivity', factors)])} |"
        )
    return "\n".join(made)


def _held(rows: Sequence[ResultRow], factor: str, metric: str) -> str:
    found = [row.mean for row in rows if (row.protocol, row.factor, row.metric) == ("features", factor, metric)]
    return f"{found[0]:.2f}" if found else "–"


def _ends(rows: Sequence[ResultRow], metric: str, factors: Sequence[str]) -> list[str]:
    """For each factor a metric of it in contexts that keep it alone, and the largest of another factor there."""
    ends = []
    for factor in factors:
        found = [row for row in rows if row.metric == metric and (row.environment, row.length) == (factor, LENGTH)]
        own = [row.mean for row in found if row.factor == factor]
        others = [row.mean for row in found if row.factor not in (factor, "class")]
        ends.append(f"{own[0]:.2f}, {max(others):.2f}" if own and others else "–")
    return ends


if __name__ == "__main__":
    main(sys.argv[1:])
