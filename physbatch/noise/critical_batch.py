r"""The batch size beyond which larger batches cost more samples than they save steps.

Steps to a target at every batch size, at the best learning rate, and what follows from them: the
law S = S_min (1 + B_c/B), and the batch at which the samples B S exceed their serial limit by a
part, 20 % by default. If the law holds the second is that part of B_c.
"""

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import xarray as xr

from physbatch.dataset import validate
from physbatch.errors import AnalysisError
from physbatch.noise.steps import StepCurve, best_steps, cells_of, crossings, passages
from physbatch.results.estimate import Estimate
from physbatch.results.flag import Flag, bracketed
from physbatch.results.flags import ABOVE_GRID, AT_EDGE, BELOW_GRID, FEW_POINTS, MEDIAN_BEYOND
from physbatch.results.record import Record, result
from physbatch.typing import BoolArray, Dims, FloatArray

_WHERE = "critical batch"
#: The direct estimate: polynomials of a degree through the batches whose samples are at most so
#: many times the fewest. The first is stated, the second tells how much the choice matters.
_WINDOWS = ((1.6, 1), (2.0, 2))
#: Batches that are needed at all.
_LEAST = 4


@result("critical batch")
@dataclass(frozen=True, eq=False, repr=False)
class CriticalBatch(Record):
    """Steps to a target against the batch size, and where larger batches stop to pay.

    Attributes
    ----------
    batch_size : ndarray, shape (n_batch_size,)
        B.
    steps, stderr : ndarray, shape (n_batch_size,)
        S at the best learning rate, inf where the target is never reached.
    learning_rate : ndarray, shape (n_batch_size,)
        The best one; nan if none is swept.
    excess : float
        By which part the samples exceed the serial limit at the critical batch.
    critical : Estimate
        That batch, from a line of B S against B; systematic error: a parabola in a wider window.
    serial : Estimate
        Samples B S in the limit of small batches, from the same line.
    scale, smallest : Estimate
        B_c and S_min of S = S_min (1 + B_c/B), fitted to all batches; the errors are widened by
        sqrt(chi2/dof) where the law does not describe the data.
    doubling : Estimate
        The batch at which S is twice that of the largest batch, interpolated; B_c if the law holds
        and the largest batch is large.
    chi2, dof : float
        Of that law.
    flags : tuple of Flag
        Why there is no number, or what it lacks.
    """

    main_dim: ClassVar[str] = "batch_size"
    dims: ClassVar[Dims] = dict.fromkeys(
        ("batch_size", "steps", "stderr", "learning_rate"), ("batch_size",)
    )

    batch_size: FloatArray
    steps: FloatArray
    stderr: FloatArray
    learning_rate: FloatArray
    excess: float
    critical: Estimate
    serial: Estimate
    scale: Estimate
    smallest: Estimate
    doubling: Estimate
    chi2: float
    dof: float
    flags: tuple[Flag, ...]

    def __repr__(self) -> str:
        return f"CriticalBatch({self.critical}, B_c = {self.scale}){bracketed(self.flags)}"

    def curve(self, batch_size: FloatArray) -> FloatArray:
        """Steps by the fitted law S_min (1 + B_c/B)."""
        return np.asarray(self.smallest.value * (1.0 + self.scale.value / batch_size))

    def stated(self) -> dict[str, Estimate]:
        """The critical batch, the serial limit, and the parameters of the law."""
        return {
            f"critical batch (+{100 * self.excess:g} %)": self.critical,
            "serial samples": self.serial,
            "B_c": self.scale,
            "S_min": self.smallest,
            "B at twice the fewest steps": self.doubling,
        }


def critical_batch_size(
    data: xr.Dataset,
    *,
    target: float | None = None,
    relative: bool = False,
    excess: float = 0.2,
    resamples: int = 300,
    seed: int = 0,
) -> CriticalBatch:
    r"""Find the batch size at which the samples to a target exceed the serial limit.

    The number of steps S is where the mean error of the replicas falls below `target`,
    interpolated in ln(error) between the measuring times, or, without a target, the median of
    the first passages, spread evenly over the steps between two looks. Of several learning rates
    the fastest counts, by a parabola of ln S in ln eta around the lowest. With C = B S,

    .. math:: C(B^*) = (1 + x)\, C(B \to 0), \qquad x = 0.2,

    is solved with a line of C in B through the batches with C below 1.6 times its least value, and
    with a parabola below twice that value for the systematic error.
    Errors are a bootstrap over the replicas of every cell.

    Parameters
    ----------
    data : xarray.Dataset
        A dataset of one size, swept over the batch size and at most the learning rate (or an
        option of that name), whose times are steps, or samples if its study says so.
    target : float, optional
        Generalisation error to be reached; by default first passages count.
    relative : bool
        The target is a part of the mean error of each cell at the first time.
    excess : float
        x.
    resamples, seed : int
        Of the bootstrap.

    Returns
    -------
    CriticalBatch
        Flags: ``above_grid`` or ``below_grid`` (the grid does not hold the critical batch: nan),
        ``few_points``, ``at_edge`` (the best learning rate is the first or last of the grid),
        ``median_beyond`` (a batch size that never reaches the target, left out).

    Raises
    ------
    AnalysisError
        If another parameter is swept, or the excess or the target is not positive.

    References
    ----------
    McCandlish et al., arXiv 1812.06162 (2018); Zhang et al., arXiv 2410.21676 (2024).

    Examples
    --------
    >>> from physbatch.exact.critical_batch import planted_steps
    >>> result = critical_batch_size(planted_steps(), target=0.01)
    >>> abs(result.scale.value / 64 - 1) < 0.1, abs(result.critical.value / 12.8 - 1) < 0.2
    (True, True)
    """
    if not excess > 0 or not (target is None or target > 0):
        raise AnalysisError("target and excess must be positive", where=_WHERE)
    cells, m, rates = cells_of(validate(data))
    rng = np.random.default_rng(seed)
    if target is None:
        steps = passages(cells, resamples, rng)
    else:
        steps = crossings(cells, m, target, resamples, rng, relative=relative)
    curve = best_steps(steps, rates)
    kept = np.isfinite(curve.steps).mean(axis=0) > 0.95
    kept &= np.isfinite(curve.steps[0])
    flags = [MEDIAN_BEYOND(f"B = {b:g} does not reach the target") for b in m[~kept]]
    flags += _edges(m[kept], curve.learning_rate[0][kept], rates)
    return _result(m, curve, kept, excess, tuple(flags))


def _edges(m: FloatArray, chosen: FloatArray, rates: FloatArray) -> list[Flag]:
    """Batch sizes whose best learning rate is at the end of the grid."""
    if len(rates) < 2:
        return []
    at = (chosen <= rates[0]) | (chosen >= rates[-1])
    return [AT_EDGE(f"the best learning rate at B = {b:g}") for b in m[at]]


def _result(
    m: FloatArray,
    curve: StepCurve,
    kept: BoolArray,
    excess: float,
    flags: tuple[Flag, ...],
) -> CriticalBatch:
    """Both estimates from the curves of the data (first row) and of the resamples."""
    batch, steps = m[kept], curve.steps[:, kept]
    finite = np.isfinite(steps).all(axis=1)
    steps = steps[finite]
    stderr = np.full(len(m), np.nan)
    if len(steps) > 1:
        stderr[kept] = steps[1:].std(axis=0, ddof=1)
    if len(batch) < _LEAST or len(steps) < 3:
        nothing = Estimate(math.nan, flags=(FEW_POINTS(f"{len(batch)} batch sizes"),))
        numbers = dict.fromkeys(("critical", "serial", "scale", "smallest", "doubling"), nothing)
        chi2 = math.nan
        flags = (*flags, *nothing.flags)
    else:
        # Where all replicas pass at the same step its half is the resolution.
        errors = np.where(stderr[kept] > 1e-9 * steps[0], stderr[kept], 1 / math.sqrt(12))
        law, chi2 = _law(batch, steps, errors)
        direct = _direct(batch, steps, errors, excess)
        numbers = {**law, **direct, "doubling": _doubling(batch, steps)}
        flags = (*flags, *direct["critical"].flags)
    return CriticalBatch(
        batch_size=m,
        steps=curve.steps[0],
        stderr=stderr,
        learning_rate=curve.learning_rate[0],
        excess=excess,
        chi2=chi2,
        dof=float(max(len(batch) - 2, 0)),
        flags=flags,
        **numbers,
    )


def _law(
    batch: FloatArray, steps: FloatArray, errors: FloatArray
) -> tuple[dict[str, Estimate], float]:
    """S_min and B_c of S = S_min + K/B, weighted by the bootstrap errors of S."""
    design = np.stack([np.ones_like(batch), 1 / batch], axis=1) / errors[:, None]
    solved = np.linalg.lstsq(design, (steps / errors).T, rcond=None)[0]
    smallest, slope = solved
    scale = slope / smallest
    chi2 = float(np.sum((design @ solved[:, 0] - steps[0] / errors) ** 2))
    wide = math.sqrt(max(1.0, chi2 / max(len(batch) - 2, 1)))
    return {
        "smallest": Estimate(float(smallest[0]), wide * float(smallest[1:].std(ddof=1))),
        "scale": Estimate(float(scale[0]), wide * float(scale[1:].std(ddof=1))),
    }, chi2


def _doubling(batch: FloatArray, steps: FloatArray) -> Estimate:
    """Where the steps are twice those of the largest batch, on lines in ln S and ln B."""
    values = []
    for row in steps:
        above = np.flatnonzero(row > 2 * row[-1])
        if not above.size or above[-1] == len(row) - 1:
            values.append(math.nan)
            continue
        k = int(above[-1])
        share = math.log(row[k] / (2 * row[-1])) / math.log(row[k] / row[k + 1])
        values.append(math.exp((1 - share) * math.log(batch[k]) + share * math.log(batch[k + 1])))
    if not math.isfinite(values[0]):
        flag = BELOW_GRID(f"twice the fewest steps, near B = {batch[0]:g}")
        return Estimate(math.nan, flags=(flag,))
    return Estimate(values[0], float(np.nanstd(values[1:], ddof=1)))


def _direct(
    batch: FloatArray, steps: FloatArray, errors: FloatArray, excess: float
) -> dict[str, Estimate]:
    """Where the samples exceed their serial limit, from a line and a parabola."""
    values: list[FloatArray] = []
    serial: list[FloatArray] = []
    flag: Flag = FEW_POINTS("batches near the serial limit")
    samples = batch * steps
    for window, degree in _WINDOWS:
        use = np.flatnonzero(samples[0] < window * samples[0].min())
        if len(use) < degree + 2:
            continue
        solved = _polynomials(batch[use], samples[:, use], (batch * errors)[use], degree)
        roots = np.array([_root(row[0], row[1], row[2], excess) for row in solved.T])
        if not batch[use[0]] < roots[0]:
            flag = BELOW_GRID(f"the critical batch, near B = {batch[0]:g}")
        elif not roots[0] <= batch[use[-1]] * 1.25:
            flag = ABOVE_GRID(f"the critical batch, near B = {batch[-1]:g}")
        elif np.isfinite(roots).mean() > 0.95:
            values.append(roots)
            serial.append(solved[0])
    if not values:
        nothing = Estimate(math.nan, flags=(flag,))
        return {"critical": nothing, "serial": nothing}
    return {"critical": _estimate(values), "serial": _estimate(serial)}


def _polynomials(
    batch: FloatArray, samples: FloatArray, errors: FloatArray, degree: int
) -> FloatArray:
    """Coefficients of 1, B and B^2 (0 for a line), shape (3, resample)."""
    unit = batch.max()
    design = np.stack([(batch / unit) ** power for power in range(degree + 1)], axis=1)
    fitted = np.linalg.lstsq(design / errors[:, None], (samples / errors).T, rcond=None)[0]
    solved = np.zeros((3, len(samples)))
    solved[: degree + 1] = fitted
    return np.asarray(solved / unit ** np.arange(3)[:, None], dtype=np.float64)


def _root(serial: float, slope: float, curvature: float, excess: float) -> float:
    """Where serial + slope B + curvature B^2 is (1 + excess) times serial; nan if nowhere."""
    level = -excess * serial
    if serial <= 0 or slope <= 0:
        return math.nan
    square = slope**2 - 4 * curvature * level
    # The root that is excess serial/slope for a straight line.
    return -2 * level / (slope + math.sqrt(square)) if square >= 0 else math.nan


def _estimate(values: list[FloatArray]) -> Estimate:
    """That of the first form, with half the difference of the second as systematic error."""
    first = values[0]
    apart = abs(values[-1][0] - first[0]) / 2
    return Estimate(float(first[0]), float(np.nanstd(first[1:], ddof=1)), float(apart))
