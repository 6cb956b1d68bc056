"""What reweighting gives: a table at other controls, and what the runs are worth."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
import xarray as xr

from physbatch.results.estimate import Estimate
from physbatch.results.flag import Flag, bracketed
from physbatch.results.record import Record, result, strict
from physbatch.tables.table import ScalingTable
from physbatch.typing import Dims, FloatArray


@result("reweighting")
@dataclass(frozen=True, eq=False, repr=False)
class Reweighting(Record):
    """Means at a grid of controls from the runs at a few.

    Attributes
    ----------
    energy_name, control_name, size_name, dimension, source : str
        Of the columns of the data.
    weight : str
        The weight of a state, as ``exp(-beta E)``.
    size, control : ndarray, shape (n_run,)
        Of every run: all chains of a size and control.
    samples, chains, time, independent : ndarray, shape (n_run,)
        Rows, chains, autocorrelation time tau of the energy in rows, and rows/(2 tau).
    shared : ndarray, shape (n_run,)
        Independent samples that runs up to this control share with those above; nan for the last
        of a size.
    free_energy, free_energy_stderr : ndarray, shape (n_run,)
        -ln Z, up to a constant that makes the first of each size 0.
    compared_size, chi2, dof, p_value : ndarray, shape (n_size,)
        Mean energies of every run alone against those of all runs at its control.
    effective : ndarray, shape (n_point,)
        Independent samples behind each point of the table.
    points : xarray.Dataset
        The table as a dataset.
    """

    dims: ClassVar[Dims] = {
        **dict.fromkeys(("compared_size", "chi2", "dof", "p_value"), ("compared",)),
        "effective": ("point",),
    }
    main_dim: ClassVar[str] = "run"

    energy_name: str
    control_name: str
    size_name: str
    dimension: str
    source: str
    weight: str
    size: FloatArray
    control: FloatArray
    samples: FloatArray
    chains: FloatArray
    time: FloatArray
    independent: FloatArray
    shared: FloatArray
    free_energy: FloatArray
    free_energy_stderr: FloatArray
    compared_size: FloatArray
    chi2: FloatArray
    dof: FloatArray
    p_value: FloatArray
    effective: FloatArray
    points: xr.Dataset
    flags: tuple[Flag, ...]

    @cached_property
    def table(self) -> ScalingTable:
        """The means, with the covariance of the points of each size."""
        return ScalingTable.from_dataset(self.points)

    def __repr__(self) -> str:
        head = (
            f"Reweighting with {self.weight}: {self.table.size.size} points of "
            f"{', '.join(self.table.observables)}{bracketed(self.flags)}"
        )
        rows = zip(
            self.size, self.control, self.samples, self.chains, self.time, self.shared, strict=True
        )
        lines = [
            f"  {self.size_name} = {size:g}, {self.control_name} = {control:g}: {samples:.0f} rows "
            f"in {chains:.0f} chains, tau = {tau:.3g}"
            + (f", {shared:.0f} independent samples shared with the next" if shared >= 0 else "")
            for size, control, samples, chains, tau, shared in rows
        ]
        return "\n".join([head, *lines])

    def stated(self) -> dict[str, Estimate]:
        """Differences of the free energies of the runs of a size from its first run."""
        rows = zip(self.size, self.control, self.free_energy, self.free_energy_stderr, strict=True)
        return {
            f"free energy ({self.size_name} = {size:g}, {self.control_name} = {control:g})": (
                Estimate(float(value), float(stderr))
            )
            for size, control, value, stderr in rows
            if stderr > 0.0
        }

    def to_json(self) -> dict[str, Any]:
        """Strict JSON, with the runs and the points of every observable."""
        names = ("size", "control", "samples", "chains", "time", "independent", "shared")
        columns = zip(*(getattr(self, name) for name in names), strict=True)
        table = self.table
        compared = zip(self.compared_size, self.chi2, self.dof, self.p_value, strict=True)
        points = {
            name: [
                dict(zip(("size", "control", "value", "stderr"), map(float, row), strict=True))
                for row in zip(
                    table.size, table.control, table.values[name], table.errors[name], strict=True
                )
            ]
            for name in table.observables
        }
        return {
            **super().to_json(),
            "weight": self.weight,
            "runs": strict([dict(zip(names, map(float, row), strict=True)) for row in columns]),
            "consistency": strict(
                [
                    dict(zip(("size", "chi2", "dof", "p_value"), map(float, row), strict=True))
                    for row in compared
                ]
            ),
            "effective_samples": strict(np.asarray(self.effective)),
            "points": strict(points),
        }
