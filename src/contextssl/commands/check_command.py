"""``contextssl data check``: checks data before training."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from contextssl.config.data_settings import CheckSettings
from contextssl.data.check import check


def run_check(settings: CheckSettings) -> int:
    if settings.picture is None:
        name = (settings.dataset or "").replace(":", "-")
        if settings.data_dir is not None:
            name = Path(settings.data_dir).resolve().name.split(".")[0]
        settings = replace(settings, picture=f"{name}-views.png")
    report = check(settings)
    report.print()
    return 0 if report.ok else 1
