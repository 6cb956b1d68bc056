"""Least-squares collapse on a smooth master curve: a cubic spline in the scaling variable.

For given exponents the best spline follows by linear least squares, so only the exponents are
searched (variable projection; Golub and Pereyra, SIAM J. Numer. Anal. 10 (1973) 413, doi
10.1137/0710036). Their errors come from the Jacobian of exponents *and* spline coefficients:
leaving the latter out makes errors too small by about 30 %.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import interpolate, linalg, optimize

from physbatch.scaling.scaling_form import ScalingForm
from physbatch.scaling.table import ScalingTable

__all__ = ["SplineFit", "fit_spline"]

FloatArray = npt.NDArray[np.float64]

#: Numbers of coefficients among which the AIC chooses.
_COEFFICIENTS = (5, 6, 7, 8, 10, 12, 14, 17, 20)
_DEGREE = 3


@dataclass(frozen=True, eq=False)
class SplineFit:
    """Optimum of a spline collapse.

    Attributes
    ----------
    vector : ndarray
        Exponents as a fit vector of the form.
    covariance : ndarray
        Covariance of the fit vector.
    chi2 : float
    dof : int
        Points minus coefficients minus exponents.
    coefficients : int
        Coefficients of the master curve of each observable.
    converged : bool
    """

    vector: FloatArray
    covariance: FloatArray
    chi2: float
    dof: int
    coefficients: int
    converged: bool


def _basis(x: FloatArray, coefficients: int) -> FloatArray:
    """Cubic B-splines on knots that hold equally many points, shape (n, coefficients)."""
    low, high = float(x.min()), float(x.max())
    room = 1e-9 * (high - low) + 1e-300
    inner = np.quantile(x, np.linspace(0, 1, coefficients - _DEGREE + 1)[1:-1])
    knots = np.concatenate(
        [np.full(_DEGREE + 1, low - room), inner, np.full(_DEGREE + 1, high + room)]
    )
    return np.asarray(interpolate.BSpline.design_matrix(x, knots, _DEGREE).toarray())


class _Model:
    """Whitened data and design of all observables."""

    def __init__(self, form: ScalingForm, table: ScalingTable, coefficients: int) -> None:
        self.form, self.table, self.coefficients = form, table, coefficients
        self.whiten = []
        for name in form.observables:
            noise = table.covariance.get(name)
            if noise is None:
                self.whiten.append(np.diag(1.0 / table.errors[name]))
            else:
                factor = linalg.cholesky(noise, lower=True)
                self.whiten.append(linalg.solve_triangular(factor, np.eye(len(factor)), lower=True))

    def design(self, vector: FloatArray, place: int) -> FloatArray:
        """Whitened design of the spline coefficients of one observable."""
        where = self.form.rescale(vector, self.table, self.form.observables[place])
        columns = _basis(where.x, self.coefficients)
        if self.form.corrections:
            # f1 gets half as many coefficients: it is a small, smooth correction.
            extra = _basis(where.x, max(self.coefficients // 2, _DEGREE + 1))
            columns = np.hstack([columns, np.exp(where.log_correction)[:, None] * extra])
        columns = np.exp(where.log_scale)[:, None] * columns
        return np.asarray(self.whiten[place] @ columns)

    def solve(self, vector: FloatArray) -> tuple[FloatArray, list[FloatArray], list[FloatArray]]:
        """Residuals, designs and best coefficients for given exponents."""
        residuals, designs, best = [], [], []
        for place, name in enumerate(self.form.observables):
            design = self.design(vector, place)
            target = self.whiten[place] @ self.table.values[name]
            solution = linalg.lstsq(design, target, check_finite=False)[0]
            designs.append(design)
            best.append(solution)
            residuals.append(target - design @ solution)
        return np.concatenate(residuals), designs, best

    def covariance(self, vector: FloatArray) -> FloatArray:
        """Covariance of the exponents with the coefficients integrated out."""
        _, designs, best = self.solve(vector)
        blocks = []
        for place, (design, solution) in enumerate(zip(designs, best, strict=True)):
            slopes = np.empty((design.shape[0], len(vector)))
            for column in range(len(vector)):
                step = np.zeros(len(vector))
                step[column] = 1e-6
                high, low = self.design(vector + step, place), self.design(vector - step, place)
                slopes[:, column] = (high - low) @ solution / 2e-6
            # What of the exponents' effect no change of the curve can imitate.
            orthogonal = np.linalg.qr(design)[0]
            blocks.append(slopes - orthogonal @ (orthogonal.T @ slopes))
        stacked = np.vstack(blocks)
        return np.asarray(np.linalg.pinv(stacked.T @ stacked))


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
        Coefficients of each master curve; by default the AIC chooses.
    """
    points = len(table.size) * len(form.observables)
    room = points // (2 * len(form.observables)) - len(form.names)
    choices = (coefficients,) if coefficients else [k for k in _COEFFICIENTS if k <= max(room, 5)]
    best: tuple[float, SplineFit] | None = None
    for count in choices:
        fit = _fit(_Model(form, table, count), begin, points)
        aic = fit.chi2 + 2 * (points - fit.dof)
        if best is None or aic < best[0]:
            best = (aic, fit)
    assert best is not None  # there is always one choice
    return best[1]


def _fit(model: _Model, begin: FloatArray, points: int) -> SplineFit:
    def residuals(vector: FloatArray) -> FloatArray:
        found = model.solve(vector)[0]
        return found if np.isfinite(found).all() else np.full(points, 1e6)

    with np.errstate(all="ignore"):
        found = optimize.least_squares(residuals, begin, method="lm", x_scale="jac", max_nfev=200)
    vector = np.asarray(found.x)
    per_curve = model.design(vector, 0).shape[1]
    dof = points - per_curve * len(model.form.observables) - len(vector)
    return SplineFit(
        vector,
        model.covariance(vector),
        float(2 * found.cost),
        dof,
        model.coefficients,
        bool(found.status > 0),
    )
