"""Escape times of a dataset, their laws in size and control, and what survives so long."""

import dataclasses
import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt
import xarray as xr

from physbatch.dataset import STATUS_MISSING, control_values, time_unit
from physbatch.errors import AnalysisError
from physbatch.results.estimate import Estimate
from physbatch.results.flag import Flag, bracketed
from physbatch.results.record import Record, result
from physbatch.scaling.laws.fits import ScalingFit, fit_law
from physbatch.scaling.laws.power_laws import law
from physbatch.scaling.times.exponential import fit_escape_time
from physbatch.typing import FloatArray


@result("escape times")
@dataclass(frozen=True, eq=False, repr=False)
class EscapeTimes(Record):
    """tau(m, N) of every cell of a dataset."""

    main_dim: ClassVar[str] = "cell"

    control_name: str
    time_units: str
    size: FloatArray  # every array has the shape (n_cell,)
    control: FloatArray
    tau: FloatArray  # nan where none or all passed at once
    stderr: FloatArray
    lower68: FloatArray
    upper68: FloatArray
    delay: FloatArray
    p_value: FloatArray
    passed: FloatArray
    replicas: FloatArray
    flags: tuple[Flag, ...]

    def __repr__(self) -> str:
        known = int(np.isfinite(self.tau).sum())
        names = bracketed(self.flags)
        return f"EscapeTimes(tau of {known} of {self.tau.size} cells){names}"

    def stated(self) -> dict[str, Estimate]:
        """tau of every cell."""
        columns = (self.tau, self.stderr, self.lower68, self.upper68)
        return {
            f"tau (N = {size:g}, {self.control_name} = {control:g})": Estimate(
                tau, stderr, 0.0, (low, high)
            )
            for size, control, tau, stderr, low, high in zip(
                self.size, self.control, *(map(float, column) for column in columns), strict=True
            )
        }

    def at_size(self, size: float) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Control, tau and its error at one size, where tau is known."""
        rows = (self.size == size) & np.isfinite(self.tau) & np.isfinite(self.stderr)
        return self.control[rows], self.tau[rows], self.stderr[rows]


def escape_times(data: xr.Dataset, *, delay: bool = False) -> EscapeTimes:
    """Mean escape time of every (size, control) of a dataset of first passages.

    Passages are known up to the interval between two measuring times; what had not passed at
    the end is censored there. Replicas without data are left out.

    Parameters
    ----------
    data : xarray.Dataset
        A dataset of the schema without further swept parameters.
    delay : bool
        Fit a delay in every cell (`fit_escape_time`).

    Returns
    -------
    EscapeTimes
        Flags name the cells, as ``no_passage at N = 50, m = 10: ...``.

    Raises
    ------
    physbatch.errors.AnalysisError
        If the dataset has more dimensions; select one value of each first.

    Examples
    --------
    >>> from physbatch.exact.planted import first_order
    >>> escape_times(first_order(sizes=(50,), control=(12.0, 13.0))).tau.size
    2
    """
    name = str(data.attrs["control_dim"])
    extra = set(data["first_passage"].dims) - {"size", name, "replica"}
    if extra:
        raise AnalysisError(f"dimensions {sorted(map(str, extra))}", remedy="select one of each")
    grid = control_values(data)
    blocks = [
        data[key].transpose("size", name, "replica").values
        for key in ("first_passage_lower", "first_passage", "status")
    ]
    rows, flags = [], []
    for i, size in enumerate(data["size"].values):
        for j in range(data.sizes[name]):
            low, high, status = (block[i, j] for block in blocks)
            keep = (status != STATUS_MISSING) & ~np.isnan(low) & ~np.isnan(high)
            control = float(grid.values[i, j])
            if not keep.any():
                flags.append(Flag.read(f"no_data at N = {size:g}, m = {control:g}"))
                rows.append((float(size), control, *[math.nan] * 6, 0.0, 0.0))
                continue
            fit = fit_escape_time(low[keep], high[keep], delay=delay)
            ends = fit.tau.interval68
            flags += [
                Flag.read(f"{flag.name} at N = {size:g}, m = {control:g}: {flag.text}")
                for flag in fit.flags
            ]
            counts = (float(fit.passed), float(fit.replicas))
            numbers = (fit.tau.value, fit.tau.stderr, *ends, fit.delay.value, fit.p_value)
            rows.append((float(size), control, *numbers, *counts))
    units = time_unit(data)
    return EscapeTimes.of_rows(rows, control_name=name, time_units=units, flags=tuple(flags))


def fit_nucleation(size: npt.ArrayLike, tau: npt.ArrayLike, stderr: npt.ArrayLike) -> ScalingFit:
    """Compare tau = A exp(N Delta), nucleation, with tau = A N^z; both in ln tau.

    The preferred form is that of the larger weight; ``fit.fit_weight`` lists both.

    Parameters
    ----------
    size, tau, stderr : array_like, shape (n_size,)
        N, the mean escape time in units of the run time, and its error.

    Returns
    -------
    ScalingFit
        Parameters of the preferred form: ``Delta`` or ``z``, and ``ln_A``.

    Raises
    ------
    physbatch.errors.AnalysisError
        For arrays that do not fit together, or sizes that are not positive.

    Examples
    --------
    >>> n = np.array([20.0, 40.0, 60.0, 80.0])
    >>> fit = fit_nucleation(n, 3.0 * np.exp(0.1 * n), 0.05 * np.exp(0.1 * n))
    >>> fit.form, round(fit["Delta"].value, 6)
    ('ln A + N Delta', 0.1)
    """
    y, error = _logarithms(tau, stderr)
    return fit_law(size, y, error, [law("line"), law("log_power")], quantity="ln tau")


def fit_divergence(
    control: npt.ArrayLike,
    tau: npt.ArrayLike,
    stderr: npt.ArrayLike,
    *,
    side: float,
    reach: float = 2.0,
) -> ScalingFit:
    """Fit tau = A abs(c - c_s)^-y, in ln tau, with c_s beyond the data on one side.

    Parameters
    ----------
    control, tau, stderr : array_like, shape (n_control,)
        Escape times at one size.
    side : float
        -1 if c_s lies below all controls, 1 if above.
    reach : float
        c_s is sought up to so many ranges of the control away; a fit that ends there is
        ``at_bound``, and nan.

    Returns
    -------
    ScalingFit
        Parameters ``c_s``, ``y`` and ``ln_A``.

    Raises
    ------
    physbatch.errors.AnalysisError
        For fewer than two controls with a known tau, or another side.

    Examples
    --------
    >>> c = np.linspace(1.1, 2.0, 10)
    >>> fit = fit_divergence(c, (c - 1.0) ** -2, 0.02 * (c - 1.0) ** -2, side=-1)
    >>> round(fit["c_s"].value, 6), round(fit["y"].value, 6)
    (1.0, 2.0)
    """
    c = np.asarray(control, dtype=np.float64)
    y, error = _logarithms(tau, stderr)
    used = c[np.isfinite(y) & np.isfinite(error)]
    if used.size < 2 or np.ptp(used) == 0.0 or side not in (-1.0, 1.0):
        raise AnalysisError("a divergence needs escape times at several controls, and a side")
    span = float(np.ptp(used))
    # The exact end of the data would make one ln tau infinite.
    near = float(used.min() if side < 0 else used.max()) + side * 1e-6 * span
    far = near + side * reach * span
    shift = min(float(used.min()), far) - span  # `fit_law` takes what is positive
    form = law("divergence", lowest=min(near, far) - shift, highest=max(near, far) - shift)
    fit = fit_law(c - shift, y, error, [form], quantity="ln tau", variables=("c",), scan=False)
    return _unshifted(fit, shift)


def _unshifted(fit: ScalingFit, shift: float) -> ScalingFit:
    """The same fit in the user's control."""
    c_s = fit["c_s"]
    ends = (c_s.interval68[0] + shift, c_s.interval68[1] + shift)
    moved = dataclasses.replace(c_s, value=c_s.value + shift, interval68=ends)
    values = fit.fit_values + np.array([shift if n == "c_s" else 0.0 for n in fit.names])
    return dataclasses.replace(
        fit,
        x=fit.x + shift,
        estimates=tuple(
            moved if n == "c_s" else e for n, e in zip(fit.names, fit.estimates, strict=True)
        ),
        fit_size_min=fit.fit_size_min + shift,
        fit_values=values,
    )


def _logarithms(tau: npt.ArrayLike, stderr: npt.ArrayLike) -> tuple[FloatArray, FloatArray]:
    value, error = (np.asarray(v, dtype=np.float64) for v in (tau, stderr))
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(value > 0.0, np.log(value), math.nan), error / value


def quasi_stationary(
    data: xr.Dataset, variable: str = "overlap", *, time_min: float | None = None
) -> xr.Dataset:
    """Average an observable over the replicas that have not passed yet.

    Parameters
    ----------
    data : xarray.Dataset
        A dataset of the schema.
    variable : str
        An observable with dimensions ``replica`` and ``time``.
    time_min : float, optional
        Also average over all later times: what the observable is before the escape.

    Returns
    -------
    xarray.Dataset
        ``mean``, ``stderr`` and ``survivors`` at every time (nan below two survivors), and,
        with `time_min`, ``plateau`` and ``plateau_stderr``: the mean over all surviving
        (replica, time), with the error of a ratio over independent replicas. It is that of the
        active phase for N -> infinity and then t -> infinity (attribute ``limits``).

    Raises
    ------
    physbatch.errors.AnalysisError
        If the dataset has no such observable over replica and time.

    Examples
    --------
    >>> from physbatch.exact.planted import first_order
    >>> still = quasi_stationary(first_order(sizes=(400,), control=(13.0,)), time_min=50.0)
    >>> abs(float(still["plateau"].item()) - 0.34) < 0.02
    True
    """
    if variable not in data or not {"replica", "time"} <= set(data[variable].dims):
        raise AnalysisError(f"no observable {variable!r} over replica and time")
    alive = (data["time"] < data["first_passage"]) & (data["status"] != STATUS_MISSING)
    values = data[variable].where(alive & np.isfinite(data[variable]))
    known = values.notnull()
    survivors = known.sum("replica")
    several = survivors.where(survivors > 1)
    mean = values.sum("replica") / several
    square = ((values - mean) ** 2).sum("replica")
    columns: dict[str, xr.DataArray] = {
        "mean": mean,
        "stderr": (square / (several - 1.0) / several) ** 0.5,
        "survivors": survivors,
    }
    if time_min is not None:
        late = data["time"] >= time_min
        sums = values.where(late).sum("time")
        counts = (known & late).sum("time")
        taken = (counts > 0).sum("replica")
        total = counts.sum("replica")
        plateau = sums.sum("replica") / total.where(taken > 1)
        square = ((sums - plateau * counts) ** 2).sum("replica")
        columns["plateau"] = plateau
        variance = square * taken / (taken - 1.0).where(taken > 1)
        columns["plateau_stderr"] = variance**0.5 / total
    limits = "N -> infinity, then t -> infinity"
    return xr.Dataset(columns).assign_attrs(variable=variable, limits=limits)
