"""What UCI Adult's relationship column (Husband, Wife) gives away, and what it is worth: python benchmarks/proxies.py DATA_DIR

Fresh classifiers on the raw columns without the sex, trained on adult.data, asked about its held-out tenth (no test row is read): how well they read
the sex, and how well income is told, with relationship and without.
"""

from __future__ import annotations

import sys

import torch

from contextssl.config.data_settings import DataSettings
from contextssl.config.evaluation_settings import CLASSIFIERS
from contextssl.data.dataset import open_data
from contextssl.data.tables.rows import RowViews
from contextssl.evaluation.classifiers import fit_classifier
from contextssl.evaluation.fairness_rows import one_hot


def main(data_dir: str) -> None:
    print("| relationship | sex read by " + " / ".join(CLASSIFIERS) + " | income told by " + " / ".join(CLASSIFIERS) + " |")
    print("|---|---|---|")
    for proxies, name in (("keep", "kept"), ("drop", "dropped (default)")):
        data = open_data(DataSettings(dataset="adult", data_dir=data_dir, proxies=proxies), progress=False)
        train, val = data.train.views, data.val.views
        assert isinstance(train, RowViews) and isinstance(val, RowViews)
        (factor,) = train.row_factors
        rows = [one_hot(views.rows, views.columns, (factor,)) for views in (train, val)]
        sex = [factor.of(views.rows) for views in (train, val)]
        income = [torch.from_numpy(views.labels) for views in (train, val)]
        held = torch.arange(len(rows[0])) % 5 == 0
        cells = []
        for learnt, asked in (sex, income):
            read = [fit_classifier(kind, rows[0], learnt, 2, held)(rows[1]).argmax(1) for kind in CLASSIFIERS]
            cells.append(" / ".join(f"{float((guess == asked).double().mean()):.3f}" for guess in read))
        print(f"| {name} | {cells[0]} | {cells[1]} |")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit(__doc__)
    main(sys.argv[1])
