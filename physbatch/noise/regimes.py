r"""Regimes of SGD up to zero loss: what the weights remember, the temperature or the first step.

A unit that learns a finite set with the hinge loss ends when all patterns are right. Its final norm
tells two regimes of large learning rates apart: with small batches it follows the temperature
T = eta/m, :math:`|w| = A T`, with large ones the first step, :math:`|w| = C \eta` whatever m. They
meet at :math:`B^* = A/C`.
"""

import math
from typing import NamedTuple

import numpy as np
import xarray as xr
from scipy import stats
from scipy.optimize import least_squares

from physbatch.dataset import STATUS_OK
from physbatch.errors import AnalysisError
from physbatch.results.estimate import Estimate
from physbatch.results.flag import Flag
from physbatch.results.flags import AT_BOUND, BAD_FIT, FEW_POINTS, LEFT_OUT
from physbatch.scaling.statistics.acceptance import ACCEPTABLE
from physbatch.typing import FloatArray

_WHERE = "regimes"
#: Sharpnesses of the crossover that a fit may choose.
_SHARPEST, _SMOOTHEST = 20.0, 0.3


class Crossover(NamedTuple):
    """The two branches of the final norm, by name as `crossover_batch`."""

    amplitude: Estimate
    batch_size: Estimate
    sharpness: Estimate
    chi2: float
    dof: int


def final_norm(data: xr.Dataset) -> xr.DataArray:
    """Norm of the weights of one unit at the end; nan of replicas that did not reach zero loss.

    Parameters
    ----------
    data : xarray.Dataset
        A dataset of one unit with `dynamics.stop` ``zero-loss``.

    Raises
    ------
    AnalysisError
        If the data lack the norm or the time of zero loss.

    Examples
    --------
    >>> from physbatch.exact.batch_noise import regimes_data
    >>> final_norm(regimes_data(1)).dims
    ('size', 'learning_rate', 'batch_size', 'replica')
    """
    for name in ("student_overlap", "stopped_at"):
        if name not in data:
            raise AnalysisError(
                f"no {name}", where=_WHERE, remedy="run one unit with dynamics.stop = 'zero-loss'"
            )
    square = data["student_overlap"].isel(time=-1, student_unit=0, other_student_unit=0, drop=True)
    ended = np.isfinite(data["stopped_at"]) & (data["status"] == STATUS_OK)
    return (square * data["size"]).where(ended) ** 0.5


def crossover_batch(data: xr.Dataset, *, resamples: int = 400, seed: int = 1) -> Crossover:
    r"""Batch size B* that separates the noise from the first step, from final norms at one rate.

    The fitted law has both limits and a free sharpness s between them,

    .. math:: |w| m/\eta = A [1 + (m/B^*)^s]^{1/s}.

    Parameters
    ----------
    data : xarray.Dataset
        A dataset of one unit up to zero loss, swept over the batch size at one learning rate that
        is large: neither the margin nor the first weights count.
    resamples : int
        Bootstrap samples of the replicas.
    seed : int
        Of the bootstrap.

    Returns
    -------
    Crossover
        A, B* and s with statistical errors (bootstrap) and, for A and B*, the larger of the changes
        with s/2 and 2 s as the systematic one, as the form is not known; flags ``at_bound``,
        ``bad_fit``, ``few_points``, ``left_out``.

    Raises
    ------
    AnalysisError
        As `final_norm`, or if something else is swept.

    References
    ----------
    Sclocchi and Wyart, PNAS 121 (2024) e2316301121, doi 10.1073/pnas.2316301121.

    Examples
    --------
    >>> from physbatch.exact.batch_noise import regimes_data
    >>> found = crossover_batch(regimes_data(1, crossover=40.0))
    >>> abs(found.batch_size.value - 40) < 4 * found.batch_size.total
    True
    """
    rate = float(np.ravel(data["learning_rate"].values)[0])
    norms = final_norm(data)
    swept = [name for name in ("size", "learning_rate") if norms.sizes[name] > 1]
    if swept:
        raise AnalysisError(
            f"several values of {swept[0]}",
            where=_WHERE,
            remedy=f"select one: isel({swept[0]}=[0])",
        )
    norms = norms.squeeze(("size", "learning_rate")).transpose("batch_size", "replica")
    values = norms.values
    m = norms["batch_size"].values.astype(np.float64)
    kept = np.isfinite(values).sum(axis=1) >= 2
    flags = _left_out(values)
    if kept.sum() < 4:
        nan = Estimate(math.nan, flags=(FEW_POINTS(f"{kept.sum()} batch sizes"), *flags))
        return Crossover(nan, nan, nan, math.nan, 0)
    ln_m, samples = np.log(m[kept]), np.log(values[kept] / rate) + np.log(m[kept])[:, None]
    fit, chi2 = _fit(ln_m, *_means(samples))
    others = [_fit(ln_m, *_means(samples), sharpness=factor * fit[2])[0] for factor in (0.5, 2.0)]
    rng = np.random.default_rng(seed)
    draws = np.array([_fit(ln_m, *_means(_resampled(samples, rng)))[0] for _ in range(resamples)])
    dof = len(ln_m) - 3
    if dof > 0 and stats.chi2.sf(chi2, dof) < ACCEPTABLE:
        flags = (*flags, BAD_FIT(f"chi2/dof = {chi2 / dof:.2g}"))
    if not _SMOOTHEST * 1.01 < fit[2] < _SHARPEST * 0.99:
        flags = (*flags, AT_BOUND(f"s = {fit[2]:.3g}"))
    errors = np.std(draws, axis=0, ddof=1)
    amplitude, batch = (
        Estimate(
            math.exp(fit[k]),
            math.exp(fit[k]) * float(errors[k]),
            systematic=max(abs(math.exp(fit[k]) - math.exp(other[k])) for other in others),
            flags=flags,
        )
        for k in (0, 1)
    )
    sharpness = Estimate(float(fit[2]), float(errors[2]), flags=flags)
    return Crossover(amplitude, batch, sharpness, chi2, dof)


def _left_out(values: FloatArray) -> tuple[Flag, ...]:
    lost = int(np.isnan(values).sum())
    return (LEFT_OUT(f"{lost} of {values.size} replicas without zero loss"),) if lost else ()


def _means(samples: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Mean of each batch size and its error, from the scatter of all: it hardly depends on m."""
    counts = np.isfinite(samples).sum(axis=1)
    means = np.nanmean(samples, axis=1)
    pooled = np.nansum((samples - means[:, None]) ** 2) / (counts - 1).sum()
    return means, np.sqrt(pooled / counts)


def _resampled(samples: FloatArray, rng: np.random.Generator) -> FloatArray:
    """Replicas drawn anew at every batch size: these are independent of each other."""
    rows = []
    for row in samples:
        good = row[np.isfinite(row)]
        drawn = rng.choice(good, size=len(good))
        rows.append(np.concatenate([drawn, np.full(len(row) - len(good), np.nan)]))
    return np.array(rows)


def _fit(
    ln_m: FloatArray, means: FloatArray, stderr: FloatArray, sharpness: float | None = None
) -> tuple[FloatArray, float]:
    """ln A, ln B* and s of the law, and chi-squared."""

    def law(parameters: FloatArray) -> FloatArray:
        ln_a, ln_b, ln_s = parameters
        s = math.exp(ln_s) if sharpness is None else sharpness
        value: FloatArray = ln_a + np.logaddexp(0.0, s * (ln_m - ln_b)) / s
        return value

    bounds = (
        [-np.inf, ln_m[0] - 3, math.log(_SMOOTHEST)],
        [np.inf, ln_m[-1] + 3, math.log(_SHARPEST)],
    )
    # The last point lies on the branch of the first step, or near it.
    start = [means[0], float(np.clip(ln_m[-1] - (means[-1] - means[0]), ln_m[0], ln_m[-1])), 0.0]

    def residuals(parameters: FloatArray) -> FloatArray:
        return (law(parameters) - means) / stderr

    fit = least_squares(residuals, start, bounds=bounds)
    ln_a, ln_b, ln_s = fit.x
    s = math.exp(ln_s) if sharpness is None else sharpness
    return np.array([ln_a, ln_b, s]), float(2 * fit.cost)


class TemperatureCollapse(NamedTuple):
    """Agreement of batch sizes at equal temperatures T = eta/m.

    `temperature`, `mean` and `stderr` (of ln of the quantity) have one entry for each T that
    several batch sizes share; `chi2` and `dof` are those of the hypothesis that they agree.
    """

    temperature: FloatArray
    mean: FloatArray
    stderr: FloatArray
    chi2: float
    dof: int
    largest: float  # distance between two batch sizes of one T in the logarithm


def temperature_collapse(
    values: xr.DataArray, *, largest_batch: float, smallest_temperature: float = 0.0
) -> TemperatureCollapse:
    """Whether a quantity depends on batch size and learning rate by T = eta/m alone.

    Parameters
    ----------
    values : DataArray with dims batch_size, learning_rate and replica
        A positive quantity, nan where it is not known, as of `final_norm`.
    largest_batch : float
        Batches up to here are compared.
    smallest_temperature : float
        Temperatures from here on are.

    Raises
    ------
    AnalysisError
        If no two batch sizes share a temperature.

    Examples
    --------
    >>> from physbatch.exact.batch_noise import regimes_data
    >>> data = regimes_data(1, learning_rates=(256.0, 1024.0))
    >>> norms = final_norm(data).squeeze("size", drop=True)
    >>> agreement = temperature_collapse(norms, largest_batch=4)
    >>> agreement.chi2 / agreement.dof < 3
    True
    """
    dims = ("batch_size", "learning_rate", "replica")
    logs = values.copy(data=np.log(values.values)).transpose(*dims)
    cells: dict[float, list[FloatArray]] = {}
    for m in logs["batch_size"].values[logs["batch_size"].values <= largest_batch]:
        for rate in logs["learning_rate"].values:
            numbers = logs.sel(batch_size=m, learning_rate=rate).values
            numbers = numbers[np.isfinite(numbers)]
            temperature = float(f"{rate / m:.9g}")
            if len(numbers) >= 2 and temperature >= smallest_temperature:
                cells.setdefault(temperature, []).append(numbers)
    shared = {t: groups for t, groups in sorted(cells.items()) if len(groups) > 1}
    if not shared:
        raise AnalysisError(
            "no two batch sizes share a temperature eta/m",
            where=_WHERE,
            remedy="sweep both in steps of one factor",
        )
    everything = [numbers for groups in shared.values() for numbers in groups]
    pooled = sum(float(np.sum((g - g.mean()) ** 2)) for g in everything)
    pooled /= sum(len(g) - 1 for g in everything)
    means, errors, chi2, dof, largest = [], [], 0.0, 0, 0.0
    for groups in shared.values():
        centres = np.array([g.mean() for g in groups])
        weights = np.array([len(g) for g in groups]) / pooled
        mean = float(np.average(centres, weights=weights))
        chi2 += float(np.sum(weights * (centres - mean) ** 2))
        dof += len(groups) - 1
        largest = max(largest, float(np.ptp(centres)))
        means.append(mean)
        errors.append(1 / math.sqrt(weights.sum()))
    return TemperatureCollapse(
        np.array(list(shared)), np.array(means), np.array(errors), chi2, dof, largest
    )
