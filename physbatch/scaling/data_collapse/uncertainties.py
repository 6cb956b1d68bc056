"""Errors of a collapse beyond the curvature at its optimum.

Profile likelihood, bootstrap and posterior give intervals that need not be symmetric; all three
are stated alike: a standard error and a central 68 % interval for each exponent.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from scipy import optimize

from physbatch.results.flag import Flag
from physbatch.results.flags import CHAIN_SHORT, FLAT
from physbatch.scaling.data_collapse.intervals import (
    Uncertainties,
    between_ends,
    from_refits,
    resampled_observables,
    sample_intervals,
)
from physbatch.scaling.data_collapse.optimum import Optimum, curvature, nearby_optimum
from physbatch.scaling.data_collapse.windows import Fit
from physbatch.typing import FloatArray

if TYPE_CHECKING:
    import emcee


#: Change of the log likelihood at the ends of a 68 % interval.
_DROP = 0.5
_LEAST_INDEPENDENT = 400
#: Steps of the posterior's walkers between two looks at the length of the chain, and how far
#: apart samples of a walker are that are kept.
_BLOCK = 300
_THINNING = 5
#: Degrees of freedom of the law from which the posterior draws its proposals.
_FREEDOM = 5


def uncertainties_of(fit: Fit, errors: str, seed: int) -> Uncertainties:
    """Errors of a fit by the method asked for.

    Parameters
    ----------
    fit : Fit
        The fit that is reported.
    errors : {"likelihood", "profile", "bootstrap", "posterior"}
        With the first, and for a fit that has not converged, there is the curvature alone.
    seed : int
        Of bootstrap and posterior.
    """
    if errors == "likelihood" or not fit.optimum.converged:
        return Uncertainties({})
    if errors == "profile":
        return profile(fit)
    return bootstrap(fit, seed=seed) if errors == "bootstrap" else posterior(fit, seed=seed)


# --- bootstrap --------------------------------------------------------------------------


def bootstrap(fit: Fit, *, resamples: int = 200, seed: int = 0) -> Uncertainties:
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
    Uncertainties
        With the flag ``resamples_failed`` if more than 5 % of the refits did not converge.
    """
    generator = np.random.default_rng([seed, 11])
    objective, optimum = fit.objective, fit.optimum
    bend = curvature(objective, optimum.vector)
    inverse = np.asarray(np.linalg.inv(bend), dtype=np.float64)
    done = []
    for values in resampled_observables(
        objective.table, objective.form.observables, generator, resamples
    ):
        table = replace(objective.table, values={**objective.table.values, **values})
        moved = replace(objective, table=table)
        again = nearby_optimum(moved, optimum.vector, inverse)
        if again.converged and not moved.at_bound(again.vector):
            done.append(again.vector)
    return from_refits(fit.form, done, resamples)


# --- posterior --------------------------------------------------------------------------


def posterior(fit: Fit, *, steps: int = 2400, seed: int = 0) -> Uncertainties:
    """Sample exponents and hyperparameters with emcee, from the normal law of the optimum.

    Priors are flat in c_c, ln nu, zeta/nu, ln omega within the bounds of the fit, and weak in
    the hyperparameters. Most proposals are independent draws from a wide-tailed law around the
    optimum, to which the posterior is close; the others are the stretches of emcee, which also
    move walkers that stand where such draws are rare.

    Parameters
    ----------
    fit : Fit
        The fit of the chosen window.
    steps : int
        Most steps of each walker. It stops earlier once the chain is long enough; the first
        third is thrown away.
    seed : int
        Seed of the sampler.

    Returns
    -------
    Uncertainties
        With the flag ``chain_short`` if the chain is shorter than 10 autocorrelation times or
        holds fewer than 400 independent samples.

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
    strength, modes = np.linalg.eigh(fit.covariance)
    spread = modes * np.sqrt(np.maximum(strength, 1e-30))
    begin = optimum.vector + generator.normal(size=(walkers, count)) @ spread.T
    begin = np.clip(begin, low + 1e-6, high - 1e-6)
    moves = [
        (emcee.moves.MHMove(_wide_tailed(optimum.vector, spread)), 0.7),
        (emcee.moves.StretchMove(), 0.3),
    ]
    sampler = emcee.EnsembleSampler(walkers, count, log_probability, moves=moves)
    state = emcee.State(begin, random_state=np.random.RandomState(seed).get_state())
    flags: tuple[Flag, ...] = (CHAIN_SHORT("no step was made"),)
    while flags and sampler.iteration < steps:
        state = sampler.run_mcmc(state, min(_BLOCK, steps - sampler.iteration))
        flags = _chain_short(sampler)
    # Draws of all walkers one after another, so that a row keeps its chain.
    kept = sampler.get_chain(discard=sampler.iteration // 3, thin=_THINNING, flat=True)
    intervals, samples = sample_intervals(objective.form, kept)
    return Uncertainties(intervals, flags, samples, walkers)


def _wide_tailed(
    centre: FloatArray, spread: FloatArray
) -> Callable[[FloatArray, np.random.RandomState], tuple[FloatArray, FloatArray]]:
    """Proposals for emcee: draws from a multivariate t law, wherever the walkers stand."""
    inverse = np.linalg.inv(spread)

    def log_density(vectors: FloatArray) -> FloatArray:
        squares = (((vectors - centre) @ inverse.T) ** 2).sum(axis=1)
        return np.asarray(-0.5 * (_FREEDOM + len(centre)) * np.log1p(squares / _FREEDOM))

    def propose(
        vectors: FloatArray, random: np.random.RandomState
    ) -> tuple[FloatArray, FloatArray]:
        width = np.sqrt(random.chisquare(_FREEDOM, size=(len(vectors), 1)) / _FREEDOM)
        moved = centre + random.normal(size=vectors.shape) / width @ spread.T
        return moved, log_density(vectors) - log_density(moved)

    return propose


def _chain_short(sampler: emcee.EnsembleSampler) -> tuple[Flag, ...]:
    """The flag of a chain that is too short to state an interval from."""
    dropped = sampler.iteration // 3
    kept = sampler.iteration - dropped
    tau = float(np.max(sampler.get_autocorr_time(discard=dropped, quiet=True, tol=0)))
    length = kept / tau if tau > 0 else math.nan
    if length > 10 and sampler.nwalkers * length > _LEAST_INDEPENDENT:
        return ()
    return (CHAIN_SHORT(f"{kept} steps for an autocorrelation time of {tau:.0f}"),)


# --- profile likelihood -----------------------------------------------------------------


def profile(fit: Fit) -> Uncertainties:
    """Where the likelihood, maximised over all else, falls by 1/2 on either side.

    Parameters
    ----------
    fit : Fit
        The fit of the chosen window.

    Returns
    -------
    Uncertainties
        The standard error is half of the interval. With the flag ``flat`` where the likelihood
        does not fall by 1/2 within 8 standard errors.
    """
    errors = np.sqrt(np.diag(fit.physical_covariance))
    steps = dict(zip(fit.form.names, map(float, errors), strict=True))
    intervals, flat = between_ends(
        lambda name, sign: _end(fit, name, fit.values[name], sign * steps[name]), fit.form.names
    )
    flags = (FLAT(f"the likelihood does not bound {', '.join(flat)}"),) if flat else ()
    return Uncertainties(intervals, flags)


def _end(fit: Fit, name: str, best: float, step: float) -> float:
    """One end of a profile interval; nan if the likelihood stays high.

    The root of the fall is close to linear in the distance, which makes the search short.
    """

    def excess(distance: float) -> float:
        optimum = constrained_optimum(fit, name, best + step * distance)
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


def constrained_optimum(fit: Fit, name: str, value: float) -> Optimum:
    """The optimum with one exponent held."""
    form = fit.form
    constrained = form.holding(name, value)
    begin = _regression(fit, name, value)
    count = len(form.names)
    values = {**form.exponents(begin[:count]), name: value}
    start = np.concatenate([constrained.vector(values), begin[count:]])
    moved = replace(fit.objective, form=constrained)
    # How the full fit vector moves with the one that is left.
    along = np.zeros((len(begin), len(start)))
    others = [column for column, other in enumerate(form.names) if other != name]
    inner = np.linalg.inv(form.jacobian(form.vector(values)))[:, others]
    along[:count, : count - 1] = inner @ constrained.jacobian(start[: count - 1])
    along[count:, count - 1 :] = np.eye(len(begin) - count)
    bend = along.T @ np.linalg.solve(fit.covariance, along)
    return nearby_optimum(moved, start, np.linalg.inv(bend))


def _regression(fit: Fit, name: str, value: float) -> FloatArray:
    """Where a normal likelihood has its constrained optimum: all else moves along with it."""
    form, vector = fit.form, fit.optimum.vector
    count = len(form.names)
    slope = np.zeros(len(vector))
    slope[:count] = form.jacobian(vector[:count])[form.names.index(name)]
    along = fit.covariance @ slope
    moved = vector + along * (value - form.exponents(vector[:count])[name]) / float(slope @ along)
    low, high = np.array(fit.objective.bounds).T
    return np.asarray(np.clip(moved, low, high))
