"""Fits of a data collapse by the Gaussian-process likelihood: objective, optimum, curvature."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple, Protocol

import numpy as np
from scipy import optimize

from physbatch.scaling.data_collapse.form import Rescaled, ScalingForm
from physbatch.scaling.data_collapse.likelihood import Curve, hyper_prior, log_likelihood, predict
from physbatch.tables.table import ScalingTable
from physbatch.typing import FloatArray

_HYPER_BOUNDS = {
    "amplitude": (-5.0, 6.0),
    "length": (-6.0, 4.0),
    "reach": (-6.0, 4.0),
    "correction": (-9.0, 5.0),
    "nugget": (-4.0, 12.0),
}


#: Most steps from a known optimum to one nearby.
_QUICK_STEPS = 40
#: Largest step of differences in widths of the posterior, and how often it is made shorter.
_LARGEST_STEP = 0.3
_SHORTER_STEPS = 3


class Climbable(Protocol):
    """A log posterior with its gradient, within bounds."""

    @property
    def bounds(self) -> list[tuple[float, float]]:
        """Bounds of a vector."""

    def __call__(self, vector: FloatArray, *, gradient: bool = True) -> tuple[float, FloatArray]:
        """Value and gradient."""


def hyper_names(form: ScalingForm, nugget: bool) -> tuple[str, ...]:
    """Hyperparameters of each observable; the nugget, if any, comes last."""
    names = ["amplitude", "length", "reach"]
    names += ["correction"] if form.corrections else []
    names += ["nugget"] if nugget else []
    return tuple(names)


class Part(NamedTuple):
    """What one observable brings to the likelihood at some vector."""

    observable: str
    unit: float
    curve: Curve  # in that unit
    where: Rescaled
    hyper: FloatArray


@dataclass(frozen=True, eq=False)
class Objective:
    """Log posterior of exponents and hyperparameters for one table.

    Attributes
    ----------
    form : ScalingForm
        The scaling form.
    table : ScalingTable
        The data.
    units : tuple of float
        Unit of each observable, so that amplitudes are of order one.
    hyper_names : tuple of str
        Hyperparameters of each observable.
    """

    form: ScalingForm
    table: ScalingTable
    units: tuple[float, ...]
    hyper_names: tuple[str, ...]

    @property
    def exponents(self) -> int:
        """Number of free exponents; the rest of a vector are hyperparameters."""
        return len(self.form.names)

    @property
    def length(self) -> int:
        """Length of a full vector."""
        return self.exponents + len(self.form.observables) * len(self.hyper_names)

    def parts(self, vector: FloatArray) -> Iterator[Part]:
        """The data, rescaled coordinates and hyperparameters of each observable."""
        rows = vector[self.exponents :].reshape(len(self.units), -1)
        for name, unit, hyper in zip(self.form.observables, self.units, rows, strict=True):
            noise = self.table.covariance.get(name)
            curve = Curve(
                self.table.values[name] / unit,
                self.table.errors[name] / unit,
                None if noise is None else noise / unit**2,
            )
            where = self.form.rescale(vector[: self.exponents], self.table, name)
            yield Part(name, unit, curve, where, hyper)

    def __call__(self, vector: FloatArray, *, gradient: bool = True) -> tuple[float, FloatArray]:
        """Log posterior (up to a constant) and its gradient."""
        total = 0.0
        slope = np.zeros(self.length)
        by_curve = slope[self.exponents :].reshape(len(self.units), -1)
        for row, part in enumerate(self.parts(vector)):
            value, by_parameter, by_hyper = log_likelihood(
                part.curve, part.where, self.hyper_names, part.hyper, gradient=gradient
            )
            prior, pull = hyper_prior(self.hyper_names, part.hyper)
            total += value + prior
            slope[: self.exponents] += by_parameter
            by_curve[row] += by_hyper + pull
        return total, slope

    def goodness(self, vector: FloatArray) -> tuple[float, float]:
        """chi^2 of all observables and its degrees of freedom, exponents and backgrounds taken off.

        Infinite where the covariance is singular to working precision.
        """
        chi2 = dof = 0.0
        for part in self.parts(vector):
            try:
                fit = predict(part.curve, part.where, self.hyper_names, part.hyper)
            except np.linalg.LinAlgError:
                return math.inf, float(len(self.table.size))
            chi2 += fit.chi2
            dof += fit.dof
        backgrounds = len(self.units) * self.form.free_terms(self.table).shape[1]
        return chi2, dof - self.exponents - backgrounds

    @property
    def bounds(self) -> list[tuple[float, float]]:
        """Bounds of a full vector."""
        hyper = [_HYPER_BOUNDS[n] for n in self.hyper_names] * len(self.form.observables)
        return [*self.form.bounds, *hyper]

    def at_bound(self, vector: FloatArray) -> tuple[str, ...]:
        """Free exponents that stand at a bound."""
        return tuple(
            name
            for name, value, (low, high) in zip(self.form.names, vector, self.bounds, strict=False)
            if min(value - low, high - value) < 1e-6
        )

    def start(self, exponents: FloatArray) -> FloatArray:
        """A full vector with usual hyperparameters.

        The nugget starts at a tenth of the spread of the data: with so much noise the
        likelihood is smooth in the exponents, and it sharpens as the nugget falls.
        """
        hyper: list[float] = []
        for name, unit in zip(self.form.observables, self.units, strict=True):
            usual = {
                "amplitude": 0.0,
                "length": -1.2,
                "reach": -1.2,
                "correction": -2.0,
                "nugget": math.log(0.1 / float(np.median(self.table.errors[name] / unit))),
            }
            hyper += [usual[hyper_name] for hyper_name in self.hyper_names]
        return np.concatenate([exponents, hyper])


@dataclass(frozen=True, eq=False)
class Optimum:
    """A local maximum of the log posterior.

    Attributes
    ----------
    vector : ndarray
        Exponents and hyperparameters.
    value : float
        Log posterior.
    converged : bool
        Whether the gradient vanishes there.
    """

    vector: FloatArray
    value: float
    converged: bool


def climb(objective: Climbable, start: FloatArray, *, steps: int = 200) -> Optimum:
    """Nearest local maximum of the log posterior, by BFGS with the analytic gradient.

    Parameters
    ----------
    objective : Climbable
        What to maximise.
    start : ndarray
        Full vector.
    steps : int
        Most iterations.
    """

    def negative(vector: FloatArray) -> tuple[float, FloatArray]:
        value, slope = objective(vector)
        return (-value, -slope) if math.isfinite(value) else (1e12, np.zeros_like(vector))

    with np.errstate(all="ignore"):
        ended = optimize.minimize(
            negative,
            np.clip(start, *np.array(objective.bounds).T),
            jac=True,
            method="L-BFGS-B",
            bounds=objective.bounds,
            options={"maxiter": steps, "ftol": 1e-11},
        )
        value = objective(ended.x, gradient=False)[0]
    return Optimum(ended.x, float(value), bool(ended.success))


def curvature(objective: Climbable, vector: FloatArray) -> FloatArray:
    """Minus the Hessian of the log posterior, by central differences of the gradient.

    Steps are well below the width of the posterior, which is 10^-6 along c_c for the best data.
    """
    count = len(vector)
    out = np.empty((count, count))
    for column in range(count):
        step = 1e-4 * max(1.0, abs(float(vector[column])))
        for _ in range(_SHORTER_STEPS):
            moved = np.zeros(count)
            moved[column] = step
            slopes = objective(vector - moved)[1] - objective(vector + moved)[1]
            out[column] = slopes / (2 * step)
            width = 1.0 / math.sqrt(max(abs(float(out[column, column])), 1e-30))
            if not step > _LARGEST_STEP * width:
                break
            step = 0.1 * _LARGEST_STEP * width
    return 0.5 * (out + out.T)


def newton(
    objective: Climbable, optimum: Optimum, *, rounds: int = 15
) -> tuple[Optimum, FloatArray]:
    """Climb to a maximum by damped Newton steps; returns it with the curvature there.

    The likelihood is 10^8 times more curved along c_c than along the amplitude of the curve,
    which gradient methods alone do not get through. Directions of the wrong curvature are
    climbed along their gradient (the step uses absolute eigenvalues).
    """
    low, high = np.array(objective.bounds).T
    vector = optimum.vector
    value, slope = objective(vector)
    bend = curvature(objective, vector)
    for _ in range(rounds):
        if not math.isfinite(value) or not np.isfinite(bend).all():
            break
        strength, modes = np.linalg.eigh(bend)
        along = modes.T @ slope
        step = modes @ (along / np.maximum(np.abs(strength), 1e-2))
        gain = float(slope @ step)
        if gain < 1e-7:
            break
        step *= min(1.0, 1.0 / float(np.abs(step).max()))
        for _ in range(8):
            trial = np.clip(vector + step, low, high)
            better, trial_slope = objective(trial)
            if better > value:
                break
            step = step / 3
        else:
            break
        vector, value, slope = trial, better, trial_slope
        bend = curvature(objective, vector)
    converged = False
    if math.isfinite(value) and np.isfinite(bend).all():
        strength, modes = np.linalg.eigh(bend)
        decrement = float((modes.T @ slope) ** 2 @ (1 / np.maximum(np.abs(strength), 1e-2)))
        # One thousandth of a sigma from the top, and a top in every direction.
        converged = bool(strength.min() > 0 and decrement < 1e-4)
    return Optimum(vector, float(value), converged), bend


def nearby_optimum(objective: Climbable, begin: FloatArray, inverse: FloatArray) -> Optimum:
    """An optimum of which the inverse curvature is about known, by BFGS.

    It costs less than one curvature by differences. Where it does not settle, the usual climb.
    """
    low, high = np.array(objective.bounds).T
    vector = begin
    value, slope = objective(vector)
    for _ in range(_QUICK_STEPS):
        step = inverse @ slope
        gain = float(slope @ step)
        if not (math.isfinite(value) and gain > 0):
            break
        # One thousandth of a sigma from the top.
        if gain < 1e-6:
            return Optimum(vector, value, True)
        step *= min(1.0, 0.5 / float(np.abs(step).max()))
        trial = np.clip(vector + step, low, high)
        height, trial_slope = objective(trial)
        inverse = _updated(inverse, trial - vector, slope - trial_slope)
        if height > value:
            vector, value, slope = trial, height, trial_slope
    return newton(objective, climb(objective, begin, steps=20), rounds=6)[0]


def _updated(inverse: FloatArray, step: FloatArray, change: FloatArray) -> FloatArray:
    """The inverse curvature after a step that changed the slope: the formula of BFGS."""
    product = float(step @ change)
    if not product > 0:
        return inverse
    left = np.eye(len(step)) - np.outer(step, change) / product
    return np.asarray(left @ inverse @ left.T + np.outer(step, step) / product)


def response(
    objective: Objective, vector: FloatArray, bend: FloatArray, noise: Sequence[FloatArray | None]
) -> FloatArray:
    """Covariance of the optimum if the points have another covariance than the fit assumed.

    The optimum moves with the data as bend^-1 times the change of the gradient; that is done
    for every important mode of the noise.

    Parameters
    ----------
    objective : Objective
        The fit.
    vector, bend : ndarray
        Its optimum and the curvature there.
    noise : sequence of ndarray or None
        Covariance of each observable; None: as assumed.
    """
    inverse = np.linalg.inv(bend)
    total = np.zeros_like(inverse)
    for name, matrix in zip(objective.form.observables, noise, strict=True):
        values = objective.table.values[name]
        assumed = np.diag(objective.table.errors[name] ** 2) if matrix is None else matrix
        strength, modes = np.linalg.eigh(assumed)
        order = np.argsort(strength)[::-1]
        kept = order[: int(np.searchsorted(np.cumsum(strength[order]), 0.999 * strength.sum())) + 1]
        for mode in kept:
            shift = math.sqrt(strength[mode]) * modes[:, mode]
            slopes = []
            for sign in (1.0, -1.0):
                moved = {**objective.table.values, name: values + sign * shift}
                table = replace(objective.table, values=moved)
                slopes.append(replace(objective, table=table)(vector)[1])
            step = inverse @ (slopes[0] - slopes[1]) / 2
            total += np.outer(step, step)
    return total


def units_of(
    form: ScalingForm, table: ScalingTable, exponents: FloatArray, observables: Sequence[str]
) -> tuple[float, ...]:
    """Spread of each observable after rescaling: the unit in which amplitudes are of order one."""
    units = []
    for name in observables:
        scale = np.exp(form.rescale(exponents, table, name).log_scale)
        spread = float(np.std(table.values[name] / scale))
        units.append(spread if spread > 0 else 1.0)
    return tuple(units)
