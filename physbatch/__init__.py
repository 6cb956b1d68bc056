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

import os
from typing import TYPE_CHECKING

# Before the HDF5 library is loaded: files of ours are written whole and then renamed, and where the
# file system knows no locks the library would refuse them all.
os.environ.setdefault("HDF5_USE_FILE_LOCKING", "FALSE")

from physbatch.lazy import lazy_names

__version__ = "0.1.0"

if TYPE_CHECKING:
    from physbatch import engines as engines
    from physbatch import exact as exact
    from physbatch import noise as noise
    from physbatch import plots as plots
    from physbatch import results as results
    from physbatch import scaling as scaling
    from physbatch import tables as tables
    from physbatch import theory as theory
    from physbatch.dataset import open_dataset as open_dataset
    from physbatch.errors import PhysbatchError as PhysbatchError
    from physbatch.pipeline import quick as quick
    from physbatch.progress import progress_display as progress_display
    from physbatch.report import write_report as write_report
    from physbatch.results import Estimate as Estimate
    from physbatch.results import open_results as open_results
    from physbatch.scaling import Analysis as Analysis
    from physbatch.scaling import analyse as analyse
    from physbatch.scaling import collapse as collapse
    from physbatch.scaling import find_crossings as find_crossings
    from physbatch.scaling import fit_law as fit_law
    from physbatch.scaling import transition_order as transition_order
    from physbatch.study import Study as Study
    from physbatch.study import catalogue as catalogue
    from physbatch.sweep.refining import refine as refine
    from physbatch.sweep.run import run_study as run_study
    from physbatch.tables import ScalingTable as ScalingTable
    from physbatch.tables import make_dataset as make_dataset
    from physbatch.tables import read_table as read_table
    from physbatch.theory import predict as predict

__getattr__, __dir__, __all__ = lazy_names(__name__)
__all__.append("__version__")
