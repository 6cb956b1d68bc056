"""How well learning works over the batch size and the learning rate, and the best batch size."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt
import xarray as xr

from physbatch.dataset import STATUS_DIVERGED, STATUS_OK, batch_sizes, control_dim, validate
from physbatch.errors import AnalysisError
from physbatch.results.estimate import Estimate
from physbatch.results.flag import Flag, bracketed
from physbatch.results.flags import AT_EDGE, DIVERGED, FLAT
from physbatch.results.record import Record, result
from physbatch.scaling.statistics.resampling import bootstrap_counts, unbiased_spread
from physbatch.typing import BoolArray, Dims, FloatArray

_AS_GOOD = 2.0  # standard errors by which a batch size may be worse than the best


@result("performance map")
@dataclass(frozen=True, eq=False, repr=False)
class PerformanceMap(Record):
    """Mean error at the end over m and the learning rate, at one size.

    Attributes
    ----------
    batch_size : ndarray, shape (n_batch_size,)
        m.
    learning_rate : ndarray, shape (n_learning_rate,)
        As swept: eta, or the base of the rule.
    error : ndarray, shape (n_batch_size, n_learning_rate)
        Mean over replicas; nan where half or more of them diverged.
    best_rate : ndarray, shape (n_batch_size,)
        The learning rate of the smallest mean error.
    best_error, best_error_stderr : ndarray, shape (n_batch_size,)
        Error at the best learning rate, chosen on one half of the replicas and measured on the
        other, so that the choice does not flatter it.
    best_batch_size : Estimate
        m of the smallest best error; its error and interval are those of a bootstrap.
    as_good : ndarray of bool, shape (n_batch_size,)
        Whether a batch size is worse than the best by at most two standard errors.
    flags : tuple of Flag
        ``at_edge`` (the best is at an end of the grid), ``flat`` (every batch size is as good
        as the best), ``diverged`` (some replicas did).
    """

    main_dim: ClassVar[str] = "batch_size"
    dims: ClassVar[Dims] = {
        "learning_rate": ("learning_rate",),
        "error": ("batch_size", "learning_rate"),
    }

    batch_size: FloatArray
    learning_rate: FloatArray
    error: FloatArray
    best_rate: FloatArray
    best_error: FloatArray
    best_error_stderr: FloatArray
    best_batch_size: Estimate
    as_good: BoolArray
    flags: tuple[Flag, ...]

    def __repr__(self) -> str:
        names = bracketed(self.flags)
        good = self.batch_size[self.as_good]
        return (
            f"PerformanceMap(best m = {self.best_batch_size}, as good from {good.min():g} to "
            f"{good.max():g}){names}"
        )


def performance_map(data: xr.Dataset, *, resamples: int = 500, seed: int = 0) -> PerformanceMap:
    """Measure the error at the end over m and the learning rate, and where it is best.

    Parameters
    ----------
    data : xarray.Dataset
        A dataset of the schema with one size, swept over ``learning_rate`` and the batch size.
        With the unit of time "sample" all batch sizes have seen equal numbers of epochs.
    resamples, seed : int
        Of the bootstrap over replicas.

    Raises
    ------
    AnalysisError
        If there are several sizes, another swept parameter, no swept learning rate, or fewer
        than four replicas.

    References
    ----------
    Masters and Luschi, arXiv 1804.07612 (2018).

    Examples
    --------
    >>> from physbatch.exact.batch_noise import optimum_batch_data
    >>> planted = optimum_batch_data(pattern_counts=(200,), rate_exponent=0.0, seed=1)
    >>> measured = performance_map(planted.squeeze("pattern_count"))  # B_opt = 0.5 * 200
    >>> 60 < measured.best_batch_size.value < 140
    True
    """
    m, rates, errors, status = _at_the_end(data)
    rng = np.random.default_rng(seed)
    replicas = errors.shape[2]
    half = np.isin(np.arange(replicas), rng.permutation(replicas)[::2])
    everybody = np.ones(replicas)
    best = _cross_fitted(errors, half, everybody)
    known = np.isfinite(best)
    if not known.any():
        raise AnalysisError(
            "half or more of the replicas diverged at every point", where="performance map"
        )
    drawn = _resampled(errors, half, resamples, rng)
    kept = drawn[np.isfinite(drawn[:, known]).all(axis=1)]
    lowest = int(np.nanargmin(best))
    apart = unbiased_spread(kept - kept[:, lowest : lowest + 1], replicas // 2)
    as_good = known & (best - best[lowest] <= _AS_GOOD * apart)
    flags = []
    if lowest in (0, len(m) - 1):
        flags.append(AT_EDGE(f"the best batch size {m[lowest]:g} is at an end of the grid"))
    if as_good.all():
        flags.append(FLAT("every batch size is as good as the best within two standard errors"))
    lost = int((status == STATUS_DIVERGED).sum())
    if lost:
        flags.append(DIVERGED(f"{lost} replicas"))
    chosen = m[known][np.argmin(kept[:, known], axis=1)]
    low, high = np.quantile(chosen, [0.16, 0.84])
    mean = _means(errors, everybody)
    return PerformanceMap(
        batch_size=m,
        learning_rate=rates,
        error=mean,
        best_rate=rates[np.argmin(np.where(np.isfinite(mean), mean, np.inf), axis=1)],
        best_error=best,
        best_error_stderr=unbiased_spread(kept, replicas // 2),
        best_batch_size=Estimate(
            float(m[lowest]),
            float(chosen.std(ddof=1)),
            interval68=(float(low), float(high)),
            flags=tuple(flags),
        ),
        as_good=as_good,
        flags=tuple(flags),
    )


def _at_the_end(
    data: xr.Dataset,
) -> tuple[FloatArray, FloatArray, FloatArray, npt.NDArray[np.int8]]:
    """m, the learning rates, and errors (nan unless ok) and status over them and replicas."""
    data = validate(data)
    control = control_dim(data)
    dims = (control, "learning_rate", "replica")
    extra = [str(dim) for dim in data["success"].dims if dim not in dims and data.sizes[dim] > 1]
    if extra or data.sizes.get("learning_rate", 1) < 2 or data.sizes["replica"] < 4:
        raise AnalysisError(
            f"dimension {extra[0]!r} is swept"
            if extra
            else "fewer than two learning rates or four replicas",
            where="performance map",
            remedy="select one value of every dimension but the batch size and learning_rate",
        )
    at = data.isel(time=-1)
    at = at.squeeze([dim for dim in at["success"].dims if dim not in dims])
    errors = at["generalization_error"].transpose(*dims).values.copy()
    status = at["status"].transpose(*dims).values
    errors[status != STATUS_OK] = np.nan
    m = np.asarray(batch_sizes(data).values, dtype=np.float64).ravel()
    return m, np.asarray(data["learning_rate"].values, dtype=np.float64), errors, status


def _resampled(
    errors: FloatArray, half: BoolArray, resamples: int, rng: np.random.Generator
) -> FloatArray:
    """Best errors of resampled replicas, each half for itself, shape (resamples, n_batch_size)."""
    drawn = np.empty((resamples, len(errors)))
    for number in range(resamples):
        counts = np.empty(len(half))
        for side in (half, ~half):
            counts[side] = bootstrap_counts(rng, int(side.sum()), 1)[0]
        drawn[number] = _cross_fitted(errors, half, counts)
    return drawn


def _means(errors: FloatArray, counts: FloatArray) -> FloatArray:
    """Weighted means over replicas; nan where half or more of them are not there."""
    there = np.isfinite(errors)
    weight = (there * counts).sum(axis=-1)
    total = (np.where(there, errors, 0.0) * counts).sum(axis=-1)
    enough = 2 * weight > counts.sum()
    return np.where(enough, total / np.where(weight > 0, weight, 1.0), np.nan)


def _cross_fitted(errors: FloatArray, half: BoolArray, counts: FloatArray) -> FloatArray:
    """Error at the rate that the other half of the replicas prefers, shape (n_batch_size,)."""
    by_half = [_means(errors[..., side], counts[side]) for side in (half, ~half)]
    measured = []
    for choosing, measuring in (by_half, by_half[::-1]):
        rate = np.argmin(np.where(np.isfinite(choosing), choosing, np.inf), axis=1)
        measured.append(measuring[np.arange(len(rate)), rate])
    return np.asarray(np.mean(measured, axis=0))
