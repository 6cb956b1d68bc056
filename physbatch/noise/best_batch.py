"""The batch size at which generalisation is best, and how it grows with eps and P."""

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt
import xarray as xr

from physbatch.dataset import STATUS_DIVERGED, STATUS_OK, batch_sizes, validate
from physbatch.errors import AnalysisError
from physbatch.noise.plane import counted_repr, stated_rows
from physbatch.results.estimate import Estimate
from physbatch.results.flag import Flag
from physbatch.results.flags import DIVERGED
from physbatch.results.record import Record, result
from physbatch.scaling.curves.peaks import find_peaks
from physbatch.scaling.laws.fits import ScalingFit, fit_law
from physbatch.scaling.laws.power_laws import law
from physbatch.study.model import Study
from physbatch.tables.table import ScalingTable
from physbatch.typing import FloatArray


@result("optimum batch")
@dataclass(frozen=True, eq=False, repr=False)
class OptimumBatch(Record):
    """B_opt of every learning rate and number of patterns; nan where there is no minimum.

    Attributes
    ----------
    learning_rate, pattern_count : ndarray, shape (n_curve,)
        eps and P of each curve.
    batch_size, stderr, systematic : ndarray, shape (n_curve,)
        B_opt and its errors.
    best_error, best_error_stderr : ndarray, shape (n_curve,)
        Generalisation error there.
    flags : tuple of Flag
        Where a curve has no minimum, and why.
    """

    main_dim: ClassVar[str] = "curve"

    learning_rate: FloatArray
    pattern_count: FloatArray
    batch_size: FloatArray
    stderr: FloatArray
    systematic: FloatArray
    best_error: FloatArray
    best_error_stderr: FloatArray
    flags: tuple[Flag, ...]

    def __repr__(self) -> str:
        return counted_repr(self, self.batch_size, "curves", self.flags)

    def stated(self) -> dict[str, Estimate]:
        """B_opt of every learning rate and number of patterns."""
        keys = {"eps": self.learning_rate, "P": self.pattern_count}
        return stated_rows("B_opt", keys, self.batch_size, self.stderr, self.systematic)

    def fit(self, *, smallest: float = 0.0) -> ScalingFit:
        """B_opt = A eps^b P^a by least squares; the linear theory predicts a = b = 1.

        Where only one of eps and P varies, the law has that variable alone.

        Parameters
        ----------
        smallest : float
            Optima below this batch size are left out: near one sample there is no law.

        Raises
        ------
        AnalysisError
            If neither varies.
        """
        with np.errstate(invalid="ignore"):
            kept = ~(self.batch_size < smallest)  # one that is not known stays, and is flagged
        errors = np.hypot(self.stderr, self.systematic)[kept]
        varies = {
            "eps": np.unique(self.learning_rate).size > 1,
            "P": np.unique(self.pattern_count).size > 1,
        }
        columns = {"eps": self.learning_rate, "P": self.pattern_count}
        names = tuple(name for name, yes in varies.items() if yes)
        if not names:
            raise AnalysisError(
                "one learning rate and one number of patterns",
                where="optimum batch",
                remedy="sweep grid.learning_rate or grid.pattern_count",
            )
        return fit_law(
            np.stack([columns[name][kept] for name in names], axis=-1),
            self.batch_size[kept],
            errors,
            [law("two_powers" if len(names) == 2 else "power")],
            quantity="B_opt",
            variables=names,
            scan=False,
        )


def optimum_batch(
    data: xr.Dataset, *, time: float | None = None, resamples: int = 500, seed: int = 0
) -> OptimumBatch:
    """Locate the minimum of the generalisation error over the batch size.

    Each curve (one learning rate, one number of patterns) is described near its lowest point by
    polynomials in ln m in nested windows (`find_peaks`); statistical errors are a bootstrap over
    replicas, systematic ones the spread over polynomials and windows.

    Parameters
    ----------
    data : xarray.Dataset
        A dataset of the schema with one size, swept over ``batch_size``.
    time : float, optional
        Measuring time; by default the last.
    resamples, seed : int
        Of the bootstrap.

    Returns
    -------
    OptimumBatch
        Flags: those of `find_peaks`, named by curve, and ``diverged`` (replicas left out; a
        batch size of which half or more diverged is left out whole).

    Raises
    ------
    AnalysisError
        If the data have more than one size or another swept parameter.

    References
    ----------
    Smith and Le, arXiv 1710.06451 (2017).
    """
    curves = batch_curves(data, time=time)
    peaks = find_peaks(curves.table, "error", minimum=True, resamples=resamples, seed=seed)
    labelled = [_relabelled(flag, curves.names) for flag in peaks.flags]
    size = np.exp(peaks.position)
    return OptimumBatch(
        learning_rate=curves.learning_rate,
        pattern_count=curves.pattern_count,
        batch_size=size,
        stderr=size * peaks.position_stderr,
        systematic=size * peaks.position_systematic,
        best_error=peaks.height,
        best_error_stderr=np.hypot(peaks.height_stderr, peaks.height_systematic),
        flags=(*curves.flags, *labelled),
    )


@dataclass(frozen=True)
class BatchCurves:
    """Generalisation error against ln m, one curve for each learning rate and P.

    Attributes
    ----------
    table : ScalingTable
        ``error`` against ln m; the number of the curve, from 1, stands for the size.
    learning_rate, pattern_count : ndarray, shape (n_curve,)
        eps and P; nan where they are not known.
    names : list of str
        What each curve is, in words.
    flags : tuple of Flag
        ``diverged``: replicas left out.
    """

    table: ScalingTable
    learning_rate: FloatArray
    pattern_count: FloatArray
    names: list[str]
    flags: tuple[Flag, ...]


def batch_curves(data: xr.Dataset, *, time: float | None = None) -> BatchCurves:
    """The curves of a dataset; arguments and errors as for `optimum_batch`."""
    data = validate(data)
    if data.sizes["size"] > 1:
        raise AnalysisError(
            f"{data.sizes['size']} sizes",
            where="optimum batch",
            remedy="select one: isel(size=[0])",
        )
    batch_size = np.asarray(batch_sizes(data).isel(size=0).values, dtype=np.float64)
    at = data.isel(size=0, time=-1) if time is None else data.isel(size=0).sel(time=time)
    for dim in ("degree", "initial_overlap", "temperature"):
        if at.sizes.get(dim, 1) > 1:
            raise AnalysisError(f"dimension {dim!r} is swept", where="optimum batch")
    at = at.squeeze([dim for dim in ("degree", "initial_overlap", "temperature") if dim in at.dims])
    curves = [dim for dim in ("learning_rate", "pattern_count") if dim in at.dims]
    stacked = at.stack(curve=curves) if curves else at.expand_dims("curve")
    control = next(dim for dim in at["success"].dims if dim in ("batch_size", "batch_ratio"))
    errors = stacked["generalization_error"].transpose("curve", control, "replica").values
    status = stacked["status"].transpose("curve", control, "replica").values
    table, flags = _table(batch_size, errors, status)
    return BatchCurves(
        table=table,
        learning_rate=_coordinate(stacked, curves, "learning_rate", len(errors)),
        pattern_count=_coordinate(stacked, curves, "pattern_count", len(errors)),
        names=[_name(stacked, curves, number) for number in range(len(errors))],
        flags=tuple(flags),
    )


def _table(
    batch_size: FloatArray, errors: FloatArray, status: npt.NDArray[np.int8]
) -> tuple[ScalingTable, list[Flag]]:
    """Curves as a table: the number of the curve, from 1, stands for the size."""
    size, control, samples, diverged = [], [], [], 0
    for number, curve in enumerate(errors):
        for column, values in enumerate(curve):
            kept = values[(status[number, column] == STATUS_OK) & np.isfinite(values)]
            lost = int((status[number, column] == STATUS_DIVERGED).sum())
            diverged += lost
            if len(kept) < 2 or 2 * lost >= len(values):
                continue
            size.append(number + 1.0)
            control.append(math.log(batch_size[column]))
            samples.append(np.asarray(kept, dtype=np.float64))
    if not samples:
        raise AnalysisError("no batch size has two replicas that converged", where="optimum batch")
    with np.errstate(over="ignore"):  # near divergence; the table refuses what is not finite
        mean = np.array([sample.mean() for sample in samples])
        stderr = np.array([sample.std(ddof=1) / math.sqrt(len(sample)) for sample in samples])
    # Replicas that agree to the last bit are not a measurement without error.
    stderr = np.maximum(stderr, 1e-12 * np.abs(mean) + np.finfo(float).tiny)
    flags = [DIVERGED(f"{diverged} replicas left out")] if diverged else []
    table = ScalingTable(
        size=np.array(size),
        control=np.array(control),
        values={"error": mean},
        errors={"error": stderr},
        samples={"error": tuple(samples)},
        size_name="curve",
        control_name="ln m",
        dimension="N",
    )
    return table, flags


def _coordinate(data: xr.Dataset, curves: list[str], name: str, count: int) -> FloatArray:
    """The swept values of each curve, or the one value that the study names."""
    if name in curves:
        return np.asarray(data[name].values, dtype=np.float64)
    if "study" not in data.attrs:
        return np.full(count, math.nan)
    study = Study.from_json(str(data.attrs["study"]), where="optimum batch")
    stated = (
        getattr(study.system.inputs, "count", None)
        if name == "pattern_count"
        else getattr(getattr(study.dynamics, "learning_rate", None), "base", None)
    )
    return np.full(count, math.nan if stated is None else float(stated))


def _name(data: xr.Dataset, curves: list[str], number: int) -> str:
    parts = [f"{dim} = {float(data[dim].values[number]):g}" for dim in curves]
    return ", ".join(parts) or "the only curve"


def _relabelled(flag: Flag, names: list[str]) -> Flag:
    text, _, number = flag.text.rpartition(" at curve = ")
    return flag.kind(f"{text} at {names[int(float(number)) - 1]}") if text else flag
