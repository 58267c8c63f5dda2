"""From the results of one run or several to one self-contained HTML page."""

from contextssl.report.write import Report, write_report

__all__ = ["Report", "write_report"]
