"""physbatch: phase transitions in the mini-batch size, from simulation to critical exponents.

Every public name is imported when it is first used, so that ``import physbatch`` needs neither
torch nor matplotlib; the sub-packages are there at once.

Examples
--------
>>> import physbatch
>>> physbatch.catalogue.study("greedy-unit").time_units
'sweep'
>>> type(physbatch.scaling).__name__, physbatch.collapse.__name__
('module', 'collapse')
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from physbatch import engines as engines
    from physbatch import exact as exact
    from physbatch import noise as noise
    from physbatch import plots as plots
    from physbatch import results as results
    from physbatch import scaling as scaling
    from physbatch import tables as tables
    from physbatch.dataset import open_dataset as open_dataset
    from physbatch.errors import PhysbatchError as PhysbatchError
    from physbatch.progress import progress_display as progress_display
    from physbatch.report import write_report as write_report
    from physbatch.results import Estimate as Estimate
    from physbatch.scaling import Analysis as Analysis
    from physbatch.scaling import analyse as analyse
    from physbatch.scaling import collapse as collapse
    from physbatch.scaling import find_crossings as find_crossings
    from physbatch.scaling import fit_law as fit_law
    from physbatch.scaling import transition_order as transition_order
    from physbatch.study import Study as Study
    from physbatch.study import catalogue as catalogue
    from physbatch.sweep.run import run_study as run_study
    from physbatch.tables import ScalingTable as ScalingTable
    from physbatch.tables import read_table as read_table

#: What users go on into, and the home of each name at the door.
_ROOMS = ("engines", "exact", "noise", "plots", "results", "scaling", "study.catalogue", "tables")
_MODULES = {room.rpartition(".")[2]: f"physbatch.{room}" for room in _ROOMS}
_HOMES = {
    "Analysis": "physbatch.scaling",
    "Estimate": "physbatch.results",
    "PhysbatchError": "physbatch.errors",
    "ScalingTable": "physbatch.tables",
    "Study": "physbatch.study",
    "analyse": "physbatch.scaling",
    "collapse": "physbatch.scaling",
    "find_crossings": "physbatch.scaling",
    "fit_law": "physbatch.scaling",
    "open_dataset": "physbatch.dataset",
    "open_results": "physbatch.results",
    "progress_display": "physbatch.progress",
    "read_table": "physbatch.tables",
    "run_study": "physbatch.sweep.run",
    "transition_order": "physbatch.scaling",
    "write_report": "physbatch.report",
}

__all__ = [
    "Analysis",
    "Estimate",
    "PhysbatchError",
    "ScalingTable",
    "Study",
    "__version__",
    "analyse",
    "catalogue",
    "collapse",
    "engines",
    "exact",
    "find_crossings",
    "fit_law",
    "noise",
    "open_dataset",
    "open_results",
    "plots",
    "progress_display",
    "read_table",
    "results",
    "run_study",
    "scaling",
    "tables",
    "transition_order",
    "write_report",
]


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return importlib.import_module(_MODULES[name])
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'physbatch' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
