"""Least squares of master curves that are linear in their coefficients.

For given exponents the best curve follows by linear least squares, so only the exponents are
searched (variable projection; Golub and Pereyra, SIAM J. Numer. Anal. 10 (1973) 413, doi
10.1137/0710036). Their errors come from the curvature of that chi^2, in which the coefficients
follow the exponents: held fixed they would make errors too small by about 30 %. The usual J'J in
its place is too sure of nu by up to 15 %, as it takes the slope of the fitted curve, noise
included, for that of the true one.

No number of coefficients is the true one, and at noise of a few per cent several describe the
data alike while their exponents differ by up to an error. So exponents are averaged over those
numbers with weights exp(-AIC/2), and their scatter is part of the errors (Buckland, Burnham and
Augustin, Biometrics 53 (1997) 603, doi 10.2307/2533961). The best number alone, taken for the
truth, states 0.9 of the true scatter.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Generic, NamedTuple, TypeVar

import numpy as np
from scipy import linalg, optimize

from physbatch.scaling.data_collapse.form import Rescaled, ScalingForm
from physbatch.scaling.data_collapse.optimum import Optimum, curvature
from physbatch.scaling.data_collapse.windows import Fit, moving_together
from physbatch.tables.table import ScalingTable
from physbatch.typing import FloatArray

#: AIC above the lowest from which a model counts for nothing: weights below 1 %.
_HOPELESS = 9.0
#: Where no fit goes: x in units of the range of controls, and the residuals given there.
FAR = 1e6


class Model(ABC):
    """Whitened data and design of all observables.

    Its vector begins with the exponents of the form; a model may have more numbers behind them.
    """

    def __init__(self, form: ScalingForm, table: ScalingTable) -> None:
        self.form, self.table = form, table
        self.whiten = {}
        for name in form.observables:
            noise = table.covariance.get(name)
            if noise is None:
                self.whiten[name] = np.diag(1.0 / table.errors[name])
            else:
                factor = linalg.cholesky(noise, lower=True)
                self.whiten[name] = linalg.solve_triangular(factor, np.eye(len(factor)), lower=True)

    @abstractmethod
    def columns(self, vector: FloatArray, where: Rescaled) -> FloatArray:
        """What the coefficients of one observable multiply at its points, before its scale."""

    def rescaled(self, vector: FloatArray, name: str) -> Rescaled:
        """Rescaled coordinates of an observable."""
        return self.form.rescale(vector[: len(self.form.names)], self.table, name)

    def design(self, vector: FloatArray, name: str) -> FloatArray:
        """Whitened design of the coefficients of one observable."""
        where = self.rescaled(vector, name)
        columns = np.exp(where.log_scale)[:, None] * self.columns(vector, where)
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
            where = self.rescaled(vector, name)
            powers = np.abs(np.concatenate([where.log_scale, where.log_correction]))
            if not (np.abs(where.x).max() < FAR and powers.max() < np.log(FAR)):
                return np.full(len(self.whiten) * len(where.x), FAR)
        return np.concatenate(self.solve(vector)[0])

    def covariance(self, vector: FloatArray) -> FloatArray:
        """Covariance of the vector: twice the inverse curvature of chi^2."""
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
        """(J'J)^-1 of the vector, what the coefficients can imitate taken off."""
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


Kind = TypeVar("Kind", bound=Model)


class Minimum(NamedTuple, Generic[Kind]):
    """The best vector of one model.

    Attributes
    ----------
    model : Model
        Which curve.
    vector : ndarray
        Exponents, and what else the model has.
    chi2 : float
        Of the best coefficients there.
    dof : int
        Points minus coefficients minus the length of the vector.
    converged : bool
        Whether the search has ended there.
    """

    model: Kind
    vector: FloatArray
    chi2: float
    dof: int
    converged: bool

    @property
    def aic(self) -> float:
        """Up to a constant, the same for all models."""
        return self.chi2 - 2 * self.dof


def minimum_from(model: Kind, begin: FloatArray) -> Minimum[Kind]:
    """The nearest minimum of chi^2."""
    with np.errstate(all="ignore"):
        ended = optimize.least_squares(
            model.residuals, begin, method="lm", x_scale="jac", max_nfev=200
        )
    vector = np.asarray(ended.x)
    per_curve = model.design(vector, model.form.observables[0]).shape[1]
    per_curve += model.form.free_terms(model.table).shape[1]  # backgrounds are in the noise
    points = len(ended.fun)
    dof = points - per_curve * len(model.form.observables) - len(vector)
    return Minimum(model, vector, float(2 * ended.cost), dof, bool(ended.status > 0))


@dataclass(frozen=True, eq=False)
class Averaged(Generic[Kind]):
    """Exponents averaged over models.

    Attributes
    ----------
    vector : ndarray
        Exponents as a fit vector of the form.
    covariance : ndarray
        Its covariance, with the scatter over models.
    best : Minimum
        The model of lowest AIC.
    """

    vector: FloatArray
    covariance: FloatArray
    best: Minimum[Kind]

    @property
    def chi2(self) -> float:
        """Of the best model."""
        return self.best.chi2

    @property
    def dof(self) -> int:
        """Of the best model."""
        return self.best.dof

    @property
    def converged(self) -> bool:
        """Whether the search for the best model ended at a minimum."""
        return self.best.converged


def averaged(minima: Sequence[Minimum[Kind]], count: int) -> Averaged[Kind]:
    """The first numbers of the vectors of some models, averaged by their AIC."""
    ended = [minimum for minimum in minima if minimum.converged] or minima
    best = min(ended, key=lambda minimum: minimum.aic)
    near = [minimum for minimum in ended if minimum.aic < best.aic + _HOPELESS]
    weights = np.exp([0.5 * (best.aic - minimum.aic) for minimum in near])
    weights /= weights.sum()
    vectors = np.array([minimum.vector[:count] for minimum in near])
    vector = weights @ vectors
    within = np.array(
        [minimum.model.covariance(minimum.vector)[:count, :count] for minimum in near]
    )
    apart = vectors - vector
    covariance = np.einsum("k,kij->ij", weights, within) + (weights * apart.T) @ apart
    return Averaged(vector, covariance, best)


def refitted(fit: Fit, average: Averaged[Kind]) -> Fit:
    """A fit with other exponents; the curve that is drawn stays the Gaussian process's."""
    form, table = fit.objective.form, fit.objective.table
    count = len(form.names)
    exponents = average.covariance
    if any(matrix is not None for matrix in moving_together(table, form)):
        # Points that move together widen the errors of all methods alike.
        exponents = np.maximum(1.0, _widening(fit, count)) * exponents
    covariance = fit.covariance.copy()
    covariance[:count, :count] = exponents
    vector = np.concatenate([average.vector, fit.optimum.vector[count:]])
    low, high = np.array(fit.objective.bounds).T
    converged = average.converged and bool(((vector >= low) & (vector <= high)).all())
    return replace(
        fit,
        optimum=Optimum(vector, fit.optimum.value, converged),
        covariance=covariance,
        chi2=average.chi2,
        dof=float(average.dof),
    )


def _widening(fit: Fit, count: int) -> float:
    """Variance of the exponents with correlated points over that with independent ones."""
    independent = np.linalg.inv(curvature(fit.objective, fit.optimum.vector))
    ratios = np.diag(fit.covariance)[:count] / np.diag(independent)[:count]
    return float(np.max(ratios))
