"""Least-squares collapse on a smooth master curve: a cubic spline in the scaling variable.

For given exponents the best spline follows by linear least squares, so only the exponents are
searched (variable projection; Golub and Pereyra, SIAM J. Numer. Anal. 10 (1973) 413, doi
10.1137/0710036). Their errors come from the curvature of that chi^2, in which the spline
coefficients follow the exponents: held fixed they would make errors too small by about 30 %.
The usual J'J in its place is too sure of nu by up to 15 %, as it takes the slope of the fitted
curve, noise included, for that of the true one.

No number of coefficients is the true one, and at noise of a few per cent several describe the
data alike while their exponents differ by up to an error. So exponents are averaged over those
numbers with weights exp(-AIC/2), and their scatter is part of the errors (Buckland, Burnham and
Augustin, Biometrics 53 (1997) 603, doi 10.2307/2533961). The best number alone, taken for the
truth, states 0.9 of the true scatter.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy import interpolate, linalg, optimize

from physbatch.scaling.data_collapse.form import ScalingForm
from physbatch.tables.table import ScalingTable
from physbatch.typing import FloatArray

#: Numbers of coefficients that are averaged. At noise of 0.1 % a curve with a peak needs about 28;
#: with 20 its exponents were off by up to 3 errors.
_COEFFICIENTS = (5, 6, 7, 8, 10, 12, 14, 17, 20, 24, 28, 33, 38)
_DEGREE = 3
#: AIC above the lowest from which a number of coefficients counts for nothing: weights below 1 %.
_HOPELESS = 9.0
#: Where no fit goes: x in units of the range of controls, and the residuals given there.
_FAR = 1e6


@dataclass(frozen=True, eq=False)
class SplineFit:
    """Optimum of a spline collapse.

    Attributes
    ----------
    vector : ndarray
        Exponents as a fit vector of the form, averaged over numbers of coefficients.
    covariance : ndarray
        Covariance of the fit vector, with the scatter over those numbers.
    chi2 : float
        Of the best number of coefficients.
    dof : int
        Points minus coefficients minus exponents, of the best number.
    coefficients : int
        Coefficients of the master curve of each observable, of the best number.
    converged : bool
        Whether the search for the best number ended at a minimum.
    """

    vector: FloatArray
    covariance: FloatArray
    chi2: float
    dof: int
    coefficients: int
    converged: bool


def _knots(x: FloatArray, coefficients: int) -> FloatArray:
    """Knots of cubic B-splines between which lie equally many points."""
    edges = np.quantile(x, np.linspace(0, 1, coefficients - _DEGREE + 1))
    return np.concatenate([np.repeat(edges[0], _DEGREE), edges, np.repeat(edges[-1], _DEGREE)])


def _basis(x: FloatArray, knots: FloatArray) -> FloatArray:
    """Cubic B-splines, continued beyond the end knots, shape (n, coefficients)."""
    return np.asarray(
        interpolate.BSpline.design_matrix(x, knots, _DEGREE, extrapolate=True).toarray()
    )


class _Model:
    """Whitened data and design of all observables.

    The knots are those of the start: knots that follow the points would give chi^2 a kink
    wherever two points change places.
    """

    def __init__(
        self, form: ScalingForm, table: ScalingTable, begin: FloatArray, coefficients: int
    ) -> None:
        self.form, self.table, self.coefficients = form, table, coefficients
        x = form.rescale(begin, table, form.observables[0]).x
        self.knots = _knots(x, coefficients)
        # f1 gets half as many coefficients: it is a small, smooth correction.
        self.correction_knots = _knots(x, max(coefficients // 2, _DEGREE + 1))
        self.whiten = {}
        for name in form.observables:
            noise = table.covariance.get(name)
            if noise is None:
                self.whiten[name] = np.diag(1.0 / table.errors[name])
            else:
                factor = linalg.cholesky(noise, lower=True)
                self.whiten[name] = linalg.solve_triangular(factor, np.eye(len(factor)), lower=True)

    def design(self, vector: FloatArray, name: str) -> FloatArray:
        """Whitened design of the spline coefficients of one observable."""
        where = self.form.rescale(vector, self.table, name)
        columns = _basis(where.x, self.knots)
        if self.form.corrections:
            extra = _basis(where.x, self.correction_knots)
            columns = np.hstack([columns, np.exp(where.log_correction)[:, None] * extra])
        columns = np.exp(where.log_scale)[:, None] * columns
        return np.asarray(self.whiten[name] @ columns)

    def solve(
        self, vector: FloatArray
    ) -> tuple[list[FloatArray], list[FloatArray], list[FloatArray]]:
        """Residuals, designs and best coefficients for given exponents."""
        residuals, designs, best = [], [], []
        for name in self.form.observables:
            design = self.design(vector, name)
            target = self.whiten[name] @ self.table.values[name]
            solution = linalg.lstsq(design, target, check_finite=False)[0]
            designs.append(design)
            best.append(solution)
            residuals.append(target - design @ solution)
        return residuals, designs, best

    def residuals(self, vector: FloatArray) -> FloatArray:
        """Residuals of the best curve; huge where the exponents are out of all reason."""
        for name in self.form.observables:
            where = self.form.rescale(vector, self.table, name)
            powers = np.abs(np.concatenate([where.log_scale, where.log_correction]))
            if not (np.abs(where.x).max() < _FAR and powers.max() < np.log(_FAR)):
                return np.full(len(self.whiten) * len(where.x), _FAR)
        return np.concatenate(self.solve(vector)[0])

    def covariance(self, vector: FloatArray) -> FloatArray:
        """Covariance of the exponents: twice the inverse curvature of chi^2."""
        guess = self._jacobian_covariance(vector)
        strength, modes = np.linalg.eigh(guess)
        # Steps of half an error along the axes of the guess, so that all are alike.
        steps = 0.5 * (modes * np.sqrt(np.maximum(strength, 0.0))).T

        def chi2(shift: FloatArray) -> float:
            return float((self.residuals(vector + shift) ** 2).sum())

        count = len(vector)
        bend = np.empty((count, count))
        for i, j in zip(*np.tril_indices(count), strict=True):
            along, across = steps[i] + steps[j], steps[i] - steps[j]
            mixed = chi2(along) + chi2(-along) - chi2(across) - chi2(-across)
            bend[i, j] = bend[j, i] = mixed / 8
        if not np.isfinite(bend).all() or np.linalg.eigvalsh(bend).min() <= 0:
            return guess
        return np.asarray(steps.T @ np.linalg.inv(bend) @ steps)

    def _jacobian_covariance(self, vector: FloatArray) -> FloatArray:
        """(J'J)^-1 of the exponents, what the coefficients can imitate taken off."""
        _, designs, best = self.solve(vector)
        blocks = []
        for name, design, solution in zip(self.form.observables, designs, best, strict=True):
            slopes = np.empty((design.shape[0], len(vector)))
            for column in range(len(vector)):
                step = np.zeros(len(vector))
                step[column] = 1e-6
                high, low = self.design(vector + step, name), self.design(vector - step, name)
                slopes[:, column] = (high - low) @ solution / 2e-6
            orthogonal = np.linalg.qr(design)[0]
            blocks.append(slopes - orthogonal @ (orthogonal.T @ slopes))
        stacked = np.vstack(blocks)
        return np.asarray(np.linalg.pinv(stacked.T @ stacked))


class _Minimum(NamedTuple):
    """The best exponents with one number of coefficients."""

    model: _Model
    vector: FloatArray
    chi2: float
    dof: int
    converged: bool

    @property
    def aic(self) -> float:
        """Up to a constant, the same for all numbers of coefficients."""
        return self.chi2 - 2 * self.dof


def fit_spline(
    form: ScalingForm, table: ScalingTable, begin: FloatArray, coefficients: int | None = None
) -> SplineFit:
    """Least-squares collapse from one start.

    Parameters
    ----------
    form : ScalingForm
        The scaling form.
    table : ScalingTable
        The data.
    begin : ndarray
        Start of the fit vector.
    coefficients : int, optional
        Coefficients of each master curve; by default several numbers are averaged.
    """
    room = len(table.size) // 2 - len(form.names)
    choices = (coefficients,) if coefficients else [k for k in _COEFFICIENTS if k <= max(room, 5)]
    minima = [_minimum(_Model(form, table, begin, count), begin) for count in choices]
    ended = [minimum for minimum in minima if minimum.converged] or minima
    best = min(ended, key=lambda minimum: minimum.aic)
    near = [minimum for minimum in ended if minimum.aic < best.aic + _HOPELESS]
    weights = np.exp([0.5 * (best.aic - minimum.aic) for minimum in near])
    weights /= weights.sum()
    vectors = np.array([minimum.vector for minimum in near])
    vector = weights @ vectors
    within = np.array([minimum.model.covariance(minimum.vector) for minimum in near])
    apart = vectors - vector
    covariance = np.einsum("k,kij->ij", weights, within) + (weights * apart.T) @ apart
    count = best.model.coefficients
    return SplineFit(vector, covariance, best.chi2, best.dof, count, best.converged)


def _minimum(model: _Model, begin: FloatArray) -> _Minimum:
    with np.errstate(all="ignore"):
        ended = optimize.least_squares(
            model.residuals, begin, method="lm", x_scale="jac", max_nfev=200
        )
    vector = np.asarray(ended.x)
    per_curve = model.design(vector, model.form.observables[0]).shape[1]
    per_curve += model.form.free_terms(model.table).shape[1]  # backgrounds are in the noise
    points = len(ended.fun)
    dof = points - per_curve * len(model.form.observables) - len(vector)
    return _Minimum(model, vector, float(2 * ended.cost), dof, bool(ended.status > 0))
