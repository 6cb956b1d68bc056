"""Files of results, of any kind and version."""

import importlib
import os
import pkgutil
from collections.abc import Mapping

import xarray as xr

from physbatch.errors import DatasetError
from physbatch.files.netcdf import open_tree
from physbatch.results.parts import from_tables
from physbatch.results.record import RESULTS_VERSION, Record, registered
from physbatch.results.version_1 import VERSION_1, read_version_1

#: Packages with classes of results, from the quickest to import.
_PACKAGES = ("physbatch.scaling", "physbatch.noise", "physbatch.theory")


def holds_results(data: xr.Dataset) -> bool:
    """Whether the root of a file says that it holds a result, and not data."""
    return bool(kind_of(data))


def kind_of(data: xr.Dataset) -> str:
    """The kind of result at the root of a file, ``record`` in old files; empty if it is none."""
    first = next((name for name in VERSION_1 if name in data.attrs), "")
    old = dict(zip(VERSION_1, ("analysis", "collapse", "record"), strict=True))
    return str(data.attrs.get("physbatch_kind", old.get(first, "")))


def result_classes() -> Mapping[str, type[Record]]:
    """Every class of results by its name; all modules that define one are imported."""
    for package in _PACKAGES:
        _import_all(package)
    return registered()


def _import_all(package: str) -> None:
    root = importlib.import_module(package)
    for module in pkgutil.walk_packages(root.__path__, f"{package}."):
        importlib.import_module(module.name)


def open_results(path: str | os.PathLike[str]) -> Record:
    """The result that a file holds, of whatever class.

    Parameters
    ----------
    path : path-like
        What `Record.save`, or a command with ``-o results.nc``, wrote.

    Raises
    ------
    physbatch.errors.DatasetError
        If the file holds a dataset or a table, is damaged, or of a newer version.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from physbatch.results import open_results
    >>> from physbatch.scaling import fit_law
    >>> fit = fit_law([8, 16, 32], [1, 2, 4], [0.1] * 3)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     open_results(fit.save(Path(folder, "law.nc"))).identical(fit)
    True
    """
    tables = open_tree(path)
    attrs = tables[""].attrs
    if not holds_results(tables[""]):
        what = "a dataset" if "physbatch_schema" in attrs else "a table or something else"
        raise DatasetError(
            f"holds {what}, no result",
            where=str(path),
            remedy="give the file of an analysis, such as `physbatch analyse DATA.nc -o FILE.nc`",
        )
    try:
        version = int(attrs.get("physbatch_results", 1))
        if version > RESULTS_VERSION:
            raise DatasetError(
                f"results version {version} is newer than {RESULTS_VERSION}",
                where=str(path),
                remedy="upgrade physbatch",
            )
        if version == 1:
            return read_version_1(tables[""], result_classes(), where=str(path))
        return from_tables(_class_named(str(attrs["physbatch_kind"]), str(path)), tables)
    except (KeyError, ValueError, TypeError, IndexError, AttributeError, RecursionError) as error:
        raise DatasetError(
            f"damaged results ({type(error).__name__}: {' '.join(str(error).split())[:120]})",
            where=str(path),
            remedy="make them again",
        ) from error


def _class_named(kind: str, where: str) -> type[Record]:
    for package in _PACKAGES:
        if kind not in registered():
            _import_all(package)
    if kind not in registered():
        raise DatasetError(
            f"{kind!r} is no result that can be read", where=where, remedy="upgrade physbatch"
        )
    return registered()[kind]
