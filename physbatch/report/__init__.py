"""Reports: one self-contained HTML file of a dataset and its results."""

from physbatch.report.html import render_report, write_report

__all__ = ["render_report", "write_report"]
