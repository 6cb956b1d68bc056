"""The largest learning rate at which learning works, against the batch size."""

import math
from dataclasses import dataclass

import numpy as np
import xarray as xr

from physbatch.dataset import STATUS_MISSING, STATUS_OK, batch_sizes, control_dim, validate
from physbatch.errors import AnalysisError
from physbatch.noise.plane import PlaneThresholds, falling_edge, squeezed_to
from physbatch.results.record import Record, result
from physbatch.scaling.laws.fits import ScalingFit, fit_law
from physbatch.scaling.laws.power_laws import Law, law


@result("stable range")
@dataclass(frozen=True, eq=False, repr=False)
class StableRange(PlaneThresholds, Record):
    """Upper end of the range of learning rates, for each size and batch size.

    Systematic errors are half the distance between the grid points where success falls too fast
    to be fitted. Flags: ``above_grid`` (half of the replicas still succeed at the largest
    learning rate), ``never_learns`` (fewer than half succeed at every learning rate), ``step``
    (success falls too fast for the grid, which then sets the error).
    """

    def fit(self, size: float | None = None, *, smallest: float = 0.0) -> ScalingFit:
        """Power law eta_max = A m^b at one size: b < 0 where the range shrinks with m.

        Parameters
        ----------
        size : float, optional
            N; needed if there are several.
        smallest : float
            Smaller batch sizes are left out.

        Raises
        ------
        AnalysisError
            If there are several sizes and none is named.
        """
        return self._fitted(law("power"), size, smallest)

    def fit_crossover(self, size: float | None = None) -> ScalingFit:
        """eta_max = A/(1 + m/m_x): a constant base up to m_x, a constant m eta_max beyond.

        A linear student has this law with A = 2/(N + 1) and m_x = N + 1.

        Raises
        ------
        AnalysisError
            If there are several sizes and none is named.
        """
        m = self.batch_size
        bounds = {"lowest": 0.1 * float(m.min()), "highest": 10 * float(m.max())}
        return self._fitted(law("saturated", **bounds), size, 0.0)

    def _fitted(self, fitted: Law, size: float | None, smallest: float) -> ScalingFit:
        sizes = np.unique(self.size)
        if size is None and sizes.size > 1:
            raise AnalysisError(
                f"{sizes.size} sizes", where="stable range", remedy="name one of them"
            )
        at = np.isclose(self.size, sizes[0] if size is None else size)
        at &= self.batch_size >= smallest
        errors = np.hypot(self.stderr[at], self.systematic[at])
        return fit_law(
            self.batch_size[at],
            self.learning_rate[at],
            errors,
            [fitted],
            quantity="eta_max",
            variables=("m",),
            scan=False,
        )


def stable_range(data: xr.Dataset) -> StableRange:
    """Find where success is lost as the learning rate grows.

    A replica succeeds if its generalisation error is acceptable at the end of the run (variable
    ``success``); one that diverged does not. Beyond the learning rate with the most successes, a
    logistic curve in ln eta is fitted by maximum likelihood; eta_max is where it crosses one
    half. Learning rates that are too small to learn in the time of the run do not count.

    Parameters
    ----------
    data : xarray.Dataset
        A dataset of the schema, swept over ``learning_rate`` and the batch size.

    Raises
    ------
    AnalysisError
        If ``learning_rate`` is not swept, or another parameter is.

    References
    ----------
    Masters and Luschi, arXiv 1804.07612 (2018).
    """
    data = validate(data)
    if data.sizes.get("learning_rate", 1) < 3:
        raise AnalysisError(
            "fewer than three learning rates",
            where="stable range",
            remedy="sweep grid.learning_rate",
        )
    control = control_dim(data)
    dims = ("size", control, "learning_rate", "replica")
    data = squeezed_to(data, dims, "stable range")
    rates = np.asarray(data["learning_rate"].values, dtype=np.float64)
    status = data["status"].transpose(*dims).values
    good = (data["success"].transpose(*dims).values == 1) & (status == STATUS_OK)
    counted = status != STATUS_MISSING
    m = batch_sizes(data).values
    rows, flags = [], []
    for number, size in enumerate(data["size"].values):
        for column in range(data.sizes[control]):
            (ln_rate, stderr, systematic), why = falling_edge(
                np.log(rates), good[number, column].sum(axis=1), counted[number, column].sum(axis=1)
            )
            rate = math.exp(ln_rate)
            rows.append(
                (float(size), float(m[number, column]), rate, rate * stderr, rate * systematic)
            )
            if why:
                flags.append(why.at(f"N = {size:g}, m = {m[number, column]:g}"))
    return StableRange.of_rows(rows, flags=tuple(flags))
