"""``contextssl report``: a page about one run or several."""

from __future__ import annotations

from dataclasses import asdict
from functools import partial
from pathlib import Path

from contextssl.config.explorer_settings import ExploreSettings
from contextssl.config.settings import ReportSettings
from contextssl.errors import ContextSSLError
from contextssl.report import write_report
from contextssl.report.gallery import OwnCode
from contextssl.system.console import warn


def run_report(settings: ReportSettings) -> int:
    report = write_report(
        settings.runs,
        settings.out,
        split=settings.split,
        figures=settings.figures,
        gallery=settings.gallery,
        data_dir=settings.data_dir,
        own=_own(settings),
        explorer=partial(_write_explorer, settings) if settings.explorer else None,
    )
    if report.differences:
        warn(f"these runs were not evaluated in the same way: {' · '.join(report.differences)}")
    if report.figures:
        print(f"figures: {report.figures[0].parent}")
    for file in report.explorers:
        print(f"explorer: {file}")
    print(f"report: {report.page}")
    return 0


def _own(settings: ReportSettings) -> OwnCode:
    return OwnCode(settings.factors, settings.dataset, settings.encoder_factory, settings.method)


def _write_explorer(settings: ReportSettings, run: Path, file: Path) -> bool:
    """Of one run among several that cannot be explored, such as a baseline, the reason is a warning."""
    # Only here, so that reports without it do not wait for what it needs.
    from contextssl.explorer.one_file import write_explorer

    try:
        write_explorer(ExploreSettings(model=str(run), data_dir=settings.data_dir, **asdict(_own(settings))), file)
    except ContextSSLError as error:
        if len(settings.runs) == 1:
            raise
        warn(f"no explorer of {run}: {error}")
        return False
    return True
