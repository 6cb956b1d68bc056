"""Results: numbers with errors and flags, their files and their tables.

>>> from physbatch.results import Estimate, flags
>>> Estimate(13.0412, 0.0532, flags=(flags.BAD_FIT("chi2/dof = 30.1/12"),))
13.04(5) [bad_fit]
"""

from physbatch.results import flags
from physbatch.results.estimate import Estimate
from physbatch.results.export import result_csv, write_results
from physbatch.results.flag import Flag, FlagKind, flag_names
from physbatch.results.flags import FLAGS
from physbatch.results.reading import holds_results, kind_of, open_results, result_classes
from physbatch.results.record import Record, result

__all__ = [
    "FLAGS",
    "Estimate",
    "Flag",
    "FlagKind",
    "Record",
    "flag_names",
    "flags",
    "holds_results",
    "kind_of",
    "open_results",
    "result",
    "result_classes",
    "result_csv",
    "write_results",
]
