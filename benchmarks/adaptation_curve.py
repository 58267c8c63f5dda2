"""How a run adapts over training, as the curve of crop in docs/results.md: python benchmarks/adaptation_curve.py RUN [SETTING=VALUE …]

For each kept checkpoint (save_interval) and each environment at 14 tokens, for every factor: its share of the embedding's variance, R² by
neighbours, by the model's own head, from pairs by a linear probe of 20 epochs and by ridge, and by ridge on single views at noise 0.3; then the class
by both from the images themselves. Means over three contexts. Further words are settings of ``contextssl evaluate``, such as split=test items=500.
"""

from __future__ import annotations

import sys
import tempfile
from dataclasses import replace
from pathlib import Path

from contextssl import checkpoints
from contextssl.config.evaluation_settings import EvaluateSettings
from contextssl.config.overrides import settings_from
from contextssl.evaluation.evaluate import evaluate
from contextssl.evaluation.evaluated import open_evaluated
from contextssl.records.results import ResultRow, read_results

LENGTH = 14
# Title, protocol, metric, head, noise share: a number for each factor.
COLUMNS = (
    ("share", "geometry", "variance_share", None, 0.0),
    ("kNN", "geometry", "r2_pooled", "knn", 0.0),
    ("own head", "probe", "r2_pooled", "auxiliary", 0.0),
    ("pairs, linear", "equivariance", "r2_pooled", "linear", 0.0),
    ("pairs, ridge", "equivariance", "r2_pooled", "ridge", 0.0),
    ("ridge, noise 0.3", "probe", "r2_pooled", "ridge", 0.3),
)
WORDS = ["heads=[linear,ridge]", "epochs=20", f"eval_ctxt=[0,{LENGTH}]", "bottleneck=[0,0.3]", "sensitivity_items=0", "cache=false"]


def main(run: str, words: list[str]) -> None:
    titled = False
    for file in sorted((Path(run) / "checkpoints").glob("epoch=*.ckpt")):
        settings = settings_from("evaluate all", EvaluateSettings, [*WORDS, "progress=false", *words])
        settings.load_model = str(file)
        with tempfile.TemporaryDirectory() as folder:
            evaluated = replace(open_evaluated(settings), folder=Path(folder))
            evaluate(settings, ["geometry", "probe", "equivariance"], evaluated=evaluated)
            rows = [row for row in read_results(Path(folder))[1] if row.representation == "embedding"]
        factors = evaluated.model.factors.names
        if not titled:
            titles = [f"{title}: {' / '.join(factors)}" for title, *_ in COLUMNS]
            print(f"| epoch | context | {' | '.join(titles)} | class, linear | class, ridge |")
            print("|---" * (4 + len(COLUMNS)) + "|")
            titled = True
        epoch = checkpoints.read(file)["epoch"] + 1
        for environment in dict.fromkeys(row.environment for row in rows):
            here = [row for row in rows if row.environment == environment]
            cells = [" / ".join(_mean(here, *what, factor=factor) for factor in factors) for _, *what in COLUMNS]
            classes = [_mean(here, "probe", "accuracy", head, 0.0, factor="class") for head in ("linear", "ridge")]
            print(f"| {epoch} | {environment or 'none'} | {' | '.join([*cells, *classes])} |", flush=True)


def _mean(rows: list[ResultRow], protocol: str, metric: str, head: str | None, noise: float, *, factor: str) -> str:
    found = [
        row for row in rows if (row.protocol, row.metric, row.head, row.bottleneck, row.factor) == (protocol, metric, head, noise, factor)
    ]
    return f"{found[0].mean:.3f}" if found else ""


if __name__ == "__main__":
    if len(sys.argv) < 2:
        raise SystemExit(__doc__)
    main(sys.argv[1], sys.argv[2:])
