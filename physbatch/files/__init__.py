"""Files of arrays, written whole or not at all, and opened only if they do no harm.

Examples
--------
>>> import tempfile
>>> from pathlib import Path
>>> import xarray
>>> from physbatch.files import open_netcdf, save
>>> with tempfile.TemporaryDirectory() as folder:
...     path = save(xarray.Dataset({"x": ("t", [1.0, 2.0])}), Path(folder, "x.nc"))
...     open_netcdf(path)["x"].values.tolist()
[1.0, 2.0]
"""

from physbatch.files.atomic import write_atomic
from physbatch.files.checksums import FOOTER_BYTES
from physbatch.files.netcdf import open_netcdf, open_tree, save

__all__ = ["FOOTER_BYTES", "open_netcdf", "open_tree", "save", "write_atomic"]
