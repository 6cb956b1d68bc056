"""Errors of a collapse beyond the curvature at its optimum.

Profile likelihood, bootstrap and posterior give intervals that need not be symmetric; all three
are stated alike: a standard error and a central 68 % interval for each exponent.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import optimize

from physbatch.scaling.collapse_fit import Objective, Optimum, climb, curvature, newton
from physbatch.scaling.point_noise import correlated_covariance
from physbatch.scaling.resampling import bootstrap_counts
from physbatch.scaling.scaling_form import ScalingForm, make_form
from physbatch.scaling.table import ScalingTable
from physbatch.scaling.window_fits import Fit

__all__ = ["Interval", "bootstrap", "posterior", "profile"]

FloatArray = npt.NDArray[np.float64]

#: Change of the log likelihood at the ends of a 68 % interval.
_DROP = 0.5
_LEAST_DONE = 0.95
_CHORDS = 20
_LEAST_INDEPENDENT = 400


class Interval(NamedTuple):
    """Standard error and central 68 % interval of one exponent."""

    stderr: float
    low: float
    high: float


def _summary(form: ScalingForm, vectors: FloatArray) -> dict[str, Interval]:
    """Intervals of the exponents from a sample of fit vectors."""
    count = len(form.names)
    values = [form.exponents(vector[:count]) for vector in vectors]
    out = {}
    for name in form.names:
        sample = np.array([one[name] for one in values])
        low, high = (float(q) for q in np.quantile(sample, [0.15865, 0.84135]))
        out[name] = Interval(float(sample.std(ddof=1)), low, high)
    return out


# --- bootstrap --------------------------------------------------------------------------


def bootstrap(
    fit: Fit, *, resamples: int = 200, seed: int = 0
) -> tuple[dict[str, Interval], tuple[str, ...]]:
    """Refit resampled data, each from the optimum.

    Replicas are resampled where the table has them, the same ones for all observables of a
    point, so that their correlation is kept; else noise of the stated errors or covariance is
    added (of points that move together where they visibly do).

    Parameters
    ----------
    fit : Fit
        The fit of the chosen window.
    resamples : int
        Number of refits.
    seed : int
        Seed of the resamples.

    Returns
    -------
    intervals : dict
        For each free exponent.
    flags : tuple of str
        ``resamples_failed`` if more than 5 % of the refits did not converge.
    """
    generator = np.random.default_rng([seed, 11])
    objective, optimum = fit.objective, fit.optimum
    bend = curvature(objective, optimum.vector)
    inverse = np.asarray(np.linalg.inv(bend), dtype=np.float64)
    done = []
    for values in _resampled(objective.table, objective.form.observables, generator, resamples):
        table = replace(objective.table, values={**objective.table.values, **values})
        moved = replace(objective, table=table)
        again = _refit(moved, optimum.vector, inverse)
        if again.converged and not moved.at_bound(again.vector):
            done.append(again.vector)
    flags: tuple[str, ...] = ()
    if len(done) < _LEAST_DONE * resamples:
        flags = (f"resamples_failed: {resamples - len(done)} of {resamples} refits failed",)
    if len(done) < max(20, resamples // 2):
        nothing = Interval(math.nan, math.nan, math.nan)
        return dict.fromkeys(objective.form.names, nothing), flags
    return _summary(objective.form, np.array(done)), flags


def _refit(objective: Objective, begin: FloatArray, inverse: FloatArray) -> Optimum:
    """The optimum of resampled data, by steps with the curvature of the original data.

    A few of these cost less than one curvature. Where they do not settle, the usual climb.
    """
    low, high = np.array(objective.bounds).T
    vector = begin
    for evaluations in range(1, _CHORDS + 1):
        value, slope = objective(vector)
        step = inverse @ slope
        if not math.isfinite(value) or np.abs(step).max() > 1.0:
            break
        # One thousandth of a sigma from the top.
        if float(slope @ step) < 1e-6:
            return Optimum(vector, value, True, evaluations)
        vector = np.clip(vector + step, low, high)
    return newton(objective, climb(objective, begin, steps=20), rounds=6)[0]


def _resampled(
    table: ScalingTable,
    observables: Sequence[str],
    generator: np.random.Generator,
    resamples: int,
) -> list[dict[str, FloatArray]]:
    """Values of the observables in each resample."""
    out: list[dict[str, FloatArray]] = [{} for _ in range(resamples)]
    if all(name in table.samples for name in observables):
        for point in range(len(table.size)):
            replicas = len(table.samples[observables[0]][point])
            weights = bootstrap_counts(generator, replicas, resamples) / replicas
            for name in observables:
                means = weights @ table.samples[name][point]
                for row, mean in enumerate(means):
                    out[row].setdefault(name, table.values[name].copy())[point] = mean
        return out
    for name in observables:
        noise = table.covariance.get(name)
        if noise is None:
            noise = correlated_covariance(table, name)[0]
        if noise is None:
            draws = generator.normal(size=(resamples, len(table.size))) * table.errors[name]
        else:
            strength, modes = np.linalg.eigh(noise)
            root = modes * np.sqrt(np.maximum(strength, 0.0))
            draws = generator.normal(size=(resamples, len(table.size))) @ root.T
        for row, draw in enumerate(draws):
            out[row][name] = table.values[name] + draw
    return out


# --- posterior --------------------------------------------------------------------------


def posterior(
    fit: Fit, *, steps: int = 1800, seed: int = 0
) -> tuple[dict[str, Interval], tuple[str, ...], FloatArray]:
    """Sample exponents and hyperparameters with emcee, from the normal law of the optimum.

    Priors are flat in c_c, ln nu, zeta/nu, ln omega within the bounds of the fit, and weak in
    the hyperparameters.

    Parameters
    ----------
    fit : Fit
        The fit of the chosen window.
    steps : int
        Steps of each walker; the first third is thrown away.
    seed : int
        Seed of the sampler.

    Returns
    -------
    intervals : dict
        For each free exponent.
    flags : tuple of str
        ``chain_short`` if the chain is shorter than 10 autocorrelation times or holds fewer
        than 400 independent samples.
    samples : ndarray, shape (n_sample, n_exponent)
        Physical values, to draw.

    References
    ----------
    Foreman-Mackey, Hogg, Lang and Goodman, PASP 125 (2013) 306, doi 10.1086/670067.
    """
    import emcee

    objective, optimum = fit.objective, fit.optimum
    low, high = np.array(objective.bounds).T

    def log_probability(vector: FloatArray) -> float:
        if ((vector <= low) | (vector >= high)).any():
            return -math.inf
        return objective(vector, gradient=False)[0]

    generator = np.random.default_rng([seed, 13])
    count = len(optimum.vector)
    walkers = 4 * count
    strength, axes = np.linalg.eigh(fit.covariance)
    spread = axes * np.sqrt(np.maximum(strength, 1e-30))
    begin = optimum.vector + generator.normal(size=(walkers, count)) @ spread.T
    begin = np.clip(begin, low + 1e-6, high - 1e-6)
    sampler = emcee.EnsembleSampler(walkers, count, log_probability)
    state = emcee.State(begin, random_state=np.random.RandomState(seed).get_state())
    sampler.run_mcmc(state, steps)
    kept = steps // 3
    chain = sampler.get_chain(discard=kept, flat=True)
    tau = float(np.max(sampler.get_autocorr_time(discard=kept, quiet=True, tol=0)))
    flags: tuple[str, ...] = ()
    length = (steps - kept) / tau if tau > 0 else math.nan
    if not (length > 10 and walkers * length > _LEAST_INDEPENDENT):
        flags = (f"chain_short: {steps - kept} steps for an autocorrelation time of {tau:.0f}",)
    form = objective.form
    values = [form.exponents(vector[: len(form.names)]) for vector in chain[::5]]
    samples = np.array([[one[name] for name in form.names] for one in values])
    return _summary(form, chain[::5]), flags, samples


# --- profile likelihood -----------------------------------------------------------------


def profile(fit: Fit) -> tuple[dict[str, Interval], tuple[str, ...]]:
    """Where the likelihood, maximised over all else, falls by 1/2 on either side.

    Parameters
    ----------
    fit : Fit
        The fit of the chosen window.

    Returns
    -------
    intervals : dict
        For each free exponent; the standard error is half of the interval.
    flags : tuple of str
        ``flat`` where the likelihood does not fall by 1/2 within 8 standard errors.
    """
    form = fit.objective.form
    count = len(form.names)
    values = form.exponents(fit.exponents)
    jacobian = form.jacobian(fit.exponents)
    errors = np.sqrt(np.diag(jacobian @ fit.covariance[:count, :count] @ jacobian.T))
    intervals: dict[str, Interval] = {}
    flat = []
    for name, error in zip(form.names, errors, strict=True):
        ends = [_end(fit, name, values[name], sign * float(error)) for sign in (-1.0, 1.0)]
        if not all(map(math.isfinite, ends)):
            flat.append(name)
        intervals[name] = Interval((ends[1] - ends[0]) / 2, ends[0], ends[1])
    flags = (f"flat: the likelihood does not bound {', '.join(flat)}",) if flat else ()
    return intervals, flags


def _end(fit: Fit, name: str, best: float, step: float) -> float:
    """One end of a profile interval; nan if the likelihood stays high.

    The root of the fall is close to linear in the distance, which makes the search short.
    """

    def excess(distance: float) -> float:
        optimum = _constrained(fit, name, best + step * distance)
        return math.sqrt(max(fit.optimum.value - optimum.value, 0.0) / _DROP) - 1.0

    outer = 1.5
    while outer <= 8.0 and excess(outer) < 0:
        outer *= 1.6
    if outer > 8.0:
        return math.nan
    distance = optimize.brentq(
        lambda d: excess(d) if d > 0 else -1.0, 0.0, outer, xtol=2e-3, rtol=1e-6
    )
    return best + step * float(distance)


def _constrained(fit: Fit, name: str, value: float) -> Optimum:
    """The optimum with one exponent held."""
    objective = fit.objective
    form = objective.form
    held = make_form(
        objective.table,
        form.observables,
        fixed={**form.fixed, name: value},
        corrections=form.corrections,
        drift=form.drift,
    )
    # The same units as in the fit, whatever the table of the window.
    held = replace(
        held,
        size_unit=form.size_unit,
        control_middle=form.control_middle,
        control_unit=form.control_unit,
    )
    begin = _regression(fit, name, value)
    count = len(form.names)
    values = {**form.exponents(begin[:count]), name: value}
    start = np.concatenate([held.vector(values), begin[count:]])
    moved = replace(objective, form=held)
    return newton(moved, climb(moved, start, steps=5), rounds=6)[0]


def _regression(fit: Fit, name: str, value: float) -> FloatArray:
    """Where a normal likelihood has its constrained optimum: all else moves along with it."""
    form, vector = fit.objective.form, fit.optimum.vector
    count = len(form.names)
    slope = np.zeros(len(vector))
    slope[:count] = form.jacobian(vector[:count])[form.names.index(name)]
    along = fit.covariance @ slope
    moved = vector + along * (value - form.exponents(vector[:count])[name]) / float(slope @ along)
    low, high = np.array(fit.objective.bounds).T
    return np.asarray(np.clip(moved, low, high))
