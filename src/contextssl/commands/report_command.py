"""``contextssl report``: a page about one run or several."""

from __future__ import annotations

from contextssl.config.settings import ReportSettings
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
        own=OwnCode(settings.factors, settings.dataset, settings.encoder_factory, settings.method),
    )
    if report.differences:
        warn(f"these runs were not evaluated in the same way: {' · '.join(report.differences)}")
    if report.figures:
        print(f"figures: {report.figures[0].parent}")
    print(f"report: {report.page}")
    return 0
