"""What fresh probes read at each kept checkpoint of a run, as the curve in docs/results.md: python benchmarks/curve.py RUN [TRAIN_ITEMS]

The published single-view probe is a linear map for colour and class (Adam 1e-3, 300 epochs); rotation is read by the same, which takes minutes where
the published MLP takes hours on a CPU. Means over three contexts of 14 tokens, on validation objects, ± the larger of
the deviation over contexts and the error by the choice of objects. Checkpoints are kept by save_interval=EPOCHS.
"""

from __future__ import annotations

import sys
import tempfile
from dataclasses import replace
from pathlib import Path

from contextssl import checkpoints
from contextssl.config.evaluation_settings import EvaluateSettings
from contextssl.evaluation.deviations import deviation
from contextssl.evaluation.evaluate import evaluate
from contextssl.evaluation.evaluated import open_evaluated
from contextssl.protocol import PROTOCOLS
from contextssl.records.results import ResultRow, read_results

LENGTH = 14
COLUMNS = (
    ("published probe", "probe", "linear", 0.0),
    ("ridge", "probe", "ridge", 0.0),
    ("ridge, noise 0.3", "probe", "ridge", 0.3),
)


def main(run: str, train_items: int) -> None:
    titles = [f"{name}: {factor}" for name, *_ in COLUMNS for factor in ("rotation", "colour")]
    print("| epoch | context | " + " | ".join(titles) + " | class |")
    print("|" + "---|" * (len(titles) + 3))
    for file in sorted((Path(run) / "checkpoints").glob("epoch=*.ckpt")):
        settings = EvaluateSettings(
            load_model=str(file),
            heads=["linear", "ridge"],
            epochs=PROTOCOLS.find("probe").epochs,
            eval_ctxt=[0, LENGTH],
            bottleneck=[0.0, 0.3],
            train_items=train_items,
            cache=False,
            progress=False,
        )
        with tempfile.TemporaryDirectory() as folder:
            evaluated = replace(open_evaluated(settings), folder=Path(folder))
            evaluate(settings, ["probe"], evaluated=evaluated)
            rows = [row for row in read_results(Path(folder))[1] if row.representation == "embedding"]
        epoch = checkpoints.read(file)["epoch"] + 1
        for environment in (None, "rotation", "color"):
            cells = [_cell(rows, environment, factor, head, noise) for _, _, head, noise in COLUMNS for factor in ("rotation", "color")]
            told = "none" if environment is None else environment.replace("color", "colour")
            print(f"| {epoch} | {told} | " + " | ".join(cells) + f" | {_cell(rows, environment, 'class', 'linear', 0.0)} |", flush=True)


def _cell(rows: list[ResultRow], environment: str | None, factor: str, head: str, noise: float) -> str:
    metric = "accuracy" if factor == "class" else "r2_pooled"
    (row,) = [
        row
        for row in rows
        if (row.metric, row.factor, row.head, row.bottleneck, row.environment) == (metric, factor, head, noise, environment)
    ]
    around = deviation(row)
    return f"{row.mean:.3f}" + (f" ± {around:.3f}" if around is not None else "")


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3):
        raise SystemExit(__doc__)
    main(sys.argv[1], int(sys.argv[2]) if len(sys.argv) == 3 else 2000)
