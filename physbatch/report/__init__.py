"""Reports: one self-contained HTML file of a dataset and its results, or of any result alone.

Examples
--------
>>> from physbatch.report import render_page
>>> from physbatch.scaling.laws.fits import fit_law
>>> "All numbers" in render_page(fit_law([8, 16, 32], [1.0, 2.0, 4.1], [0.1] * 3))
True
"""

from physbatch.report.explore_page import render_explore, write_explore
from physbatch.report.html import render_report, write_report
from physbatch.report.result_page import render_page, write_page

__all__ = [
    "render_explore",
    "render_page",
    "render_report",
    "write_explore",
    "write_page",
    "write_report",
]
