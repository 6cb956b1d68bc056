"""Reports: one self-contained HTML file of a dataset and its results, or of a collapse."""

from physbatch.report.collapse_page import render_collapse, write_collapse
from physbatch.report.html import render_report, write_report
from physbatch.results.export import write_results

__all__ = ["render_collapse", "render_report", "write_collapse", "write_report", "write_results"]
