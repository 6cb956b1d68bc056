"""physbatch: phase transitions in the mini-batch size, from simulation to critical exponents.

The public names are imported when they are first used, so that ``import physbatch`` needs
neither torch nor matplotlib.

Examples
--------
>>> import physbatch
>>> physbatch.catalogue.study("greedy-unit").time_units
'sweep'
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from physbatch.dataset import open_dataset as open_dataset
    from physbatch.errors import PhysbatchError as PhysbatchError
    from physbatch.progress import progress_display as progress_display
    from physbatch.report import write_report as write_report
    from physbatch.scaling import Analysis as Analysis
    from physbatch.scaling import analyse as analyse
    from physbatch.study import catalogue as catalogue
    from physbatch.study.study import Study as Study
    from physbatch.sweep.run import run_study as run_study

_HOMES = {
    "Analysis": "physbatch.scaling",
    "PhysbatchError": "physbatch.errors",
    "Study": "physbatch.study",
    "analyse": "physbatch.scaling",
    "open_dataset": "physbatch.dataset",
    "progress_display": "physbatch.progress",
    "run_study": "physbatch.sweep.run",
    "write_report": "physbatch.report",
}

__all__ = [
    "Analysis",
    "PhysbatchError",
    "Study",
    "__version__",
    "analyse",
    "catalogue",
    "open_dataset",
    "progress_display",
    "run_study",
    "write_report",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    if name == "catalogue":
        return importlib.import_module("physbatch.study.catalogue")
    raise AttributeError(f"module 'physbatch' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
