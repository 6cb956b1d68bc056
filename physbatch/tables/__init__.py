"""Data of any origin as a table of observables at points (size, control).

A table is read from text or NetCDF (`read_table`), taken from an xarray dataset (`from_dataset`),
or made of arrays (`make_table`) or samples (`make_sample_table`); `make_dataset` makes a dataset of
replicas from results of any origin. What a table lets in is finite,
sorted, without duplicates and with errors above 0. `read_times` gives observables at points (time,
control, size) for dynamic scaling.

Examples
--------
>>> from physbatch.tables import make_table
>>> table = make_table([8, 8, 16], [2.2, 2.3, 2.2], {"m": [0.7, 0.6, 0.65]}, {"m": [0.01] * 3})
>>> table.sizes.tolist(), table.window(size_min=10).values["m"].tolist()
([8.0, 16.0], [0.65])
"""

from physbatch.tables.binning import binned
from physbatch.tables.joining import join_sizes
from physbatch.tables.make import checked, make_table
from physbatch.tables.own_data import make_dataset
from physbatch.tables.read import from_dataset, read_table
from physbatch.tables.samples import make_sample_table
from physbatch.tables.table import ScalingTable
from physbatch.tables.times import TimeTable, read_times, times_of_dataset

__all__ = [
    "ScalingTable",
    "TimeTable",
    "binned",
    "checked",
    "from_dataset",
    "join_sizes",
    "make_dataset",
    "make_sample_table",
    "make_table",
    "read_table",
    "read_times",
    "times_of_dataset",
]
