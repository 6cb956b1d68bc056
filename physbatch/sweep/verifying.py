"""Trusting a dataset: recompute some of its cells and compare bit for bit."""

from dataclasses import dataclass

import numpy as np
import xarray as xr

from physbatch.dataset import STATUS_MISSING
from physbatch.engines.point import GridPoint
from physbatch.engines.registry import engine_for, require_built, revision_of
from physbatch.engines.task_code import require_permission
from physbatch.errors import DatasetError
from physbatch.study.comparison import same_bits
from physbatch.study.model import Study
from physbatch.sweep.makers import differences
from physbatch.sweep.plan import Plan


@dataclass(frozen=True)
class Verification:
    """Cells that were recomputed.

    Attributes
    ----------
    checked, total : int
        Number of cells recomputed, and of cells that the dataset holds.
    values : int
        Number of values compared.
    differences : dict
        Cell in words -> variables whose bits differ; empty if all is well.
    """

    checked: int
    total: int
    values: int
    differences: dict[str, tuple[str, ...]]


def verify_dataset(
    data: xr.Dataset,
    cells: int = 3,
    *,
    seed: int | None = None,
    device: str = "cpu",
    study: Study | None = None,
) -> Verification:
    """Recompute a random sample of the cells of a dataset from its own attributes.

    Parameters
    ----------
    data : xarray.Dataset
        A dataset that `physbatch.run` wrote.
    cells : int
        How many cells.
    seed : int, optional
        Seed of the choice; by default every call looks at other cells.
    device : str
        Where to compute.
    study : Study, optional
        The study of the dataset; needed if it names code of its own, which is run.

    Raises
    ------
    DatasetError
        If no cell of the study is in the dataset.
    StudyError
        If the dataset names code of its own, and no study was given.

    Examples
    --------
    >>> import tempfile
    >>> from physbatch.study.catalogue import study
    >>> from physbatch.sweep.run import run_study
    >>> small = study("greedy-unit", replicas=4, duration=10)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     data = run_study(small, f"{folder}/unit.nc", workers=1)
    >>> verify_dataset(data, cells=2, seed=1).differences
    {}
    """
    source = str(data.attrs.get("study", ""))
    if study is None:
        study = Study.from_json(source, where="attribute study")
        require_permission(study, False, where="dataset")
    require_built(study)
    plan = Plan(study, engine_for(study))
    whole = [
        ordinal
        for ordinal, cell in zip(plan.cells.ordinals.tolist(), plan.cells, strict=True)
        if not bool((_rows(data, plan, cell, "status") == STATUS_MISSING).any())
    ]
    if not whole:
        raise DatasetError("holds no cell of its study", where="dataset")
    chance = np.random.default_rng(seed)
    chosen = chance.choice(whole, size=min(cells, len(whole)), replace=False)
    values = 0
    differences: dict[str, tuple[str, ...]] = {}
    for ordinal in sorted(chosen.tolist()):
        cell = plan.cell(ordinal)
        wrong = []
        arrays = plan.engine.simulate(cell, device)
        for name, spec in plan.variables.items():
            there = _rows(data, plan, cell, name)
            values += there.size
            if not same_bits(np.asarray(arrays[name], dtype=spec.dtype), there):
                wrong.append(name)
        if wrong:
            differences[f"cell {cell}, replica {cell.first_replica}"] = tuple(wrong)
    return Verification(len(chosen), len(whole), values, differences)


def what_differs(data: xr.Dataset) -> str:
    """Why honest data may have other bits than this process makes: code, packages, processor."""
    study = Study.from_json(str(data.attrs.get("study", "")), where="attribute study")
    words = differences(data.attrs, revision_of(study), "cpu")
    return ", ".join(words) or "the same code, packages and processor: its values were changed"


def _rows(
    data: xr.Dataset, plan: Plan, cell: GridPoint, name: str
) -> np.ndarray[tuple[int, ...], np.dtype[np.generic]]:
    """The values of a variable that a cell made, dims as in its specification."""
    try:
        here = data[name].sel(cell.coordinates)
        rows = slice(cell.first_replica, cell.first_replica + cell.replicas)
        return here.transpose(*plan.variables[name].dims).isel(replica=rows).values
    except (KeyError, ValueError) as error:
        raise DatasetError(
            f"does not match its own study ({' '.join(str(error).split())[:80]})",
            where=f"variable {name!r}",
        ) from error
