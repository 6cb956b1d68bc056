"""Bayesian evidence of linear models: is there anything to learn, or only memory?

A network can memorise random labels, so a small training error says nothing. The evidence
does: it weighs the fit against the volume of weights that fit as well.
"""

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from scipy import linalg, optimize, special

from physbatch.errors import AnalysisError
from physbatch.results.flag import Flag, bracketed
from physbatch.results.flags import NOT_CONVERGED
from physbatch.results.record import Record, result
from physbatch.systems.samples import Samples
from physbatch.typing import Dims, FloatArray


@result("model evidence")
@dataclass(frozen=True, eq=False, repr=False)
class ModelEvidence(Record):
    """ln P(labels | inputs, model) and its parts.

    Attributes
    ----------
    ln_evidence : float
        ln evidence = -[C(w0) + 1/2 sum_i ln(lambda_i / lambda)] + constant.
    cost : float
        C(w0), the regularised cost at its minimum w0.
    occam : float
        -1/2 sum_i ln(lambda_i / lambda): what the shrinking of the volume costs; never positive.
    constant : float
        -(P/2) ln(2 pi s2) of regression; 0 for classes.
    ln_null : float
        ln evidence of the model that knows nothing: -P ln(classes), or no weights at all.
    regularisation : float
        lambda, the inverse variance of the prior of each weight.
    training_error : float
        Fraction of samples put into the wrong class; for regression the mean square residual.
    weights : ndarray
        w0.
    curvatures : ndarray, shape (number of weights,)
        Eigenvalues lambda_i of the second derivative of C at w0, ascending.
    flags : tuple of Flag
        Each ``name: explanation`` says what to doubt.
    """

    dims: ClassVar[Dims] = {"weights": ("weight",), "curvatures": ("curvature",)}

    ln_evidence: float
    cost: float
    occam: float
    constant: float
    ln_null: float
    regularisation: float
    training_error: float
    weights: FloatArray
    curvatures: FloatArray
    flags: tuple[Flag, ...] = ()

    @property
    def ln_ratio(self) -> float:
        """ln of the evidence over that of the null model; positive favours the model."""
        return self.ln_evidence - self.ln_null

    def __repr__(self) -> str:
        return (
            f"ln evidence = {self.ln_evidence:.6g}, over null {self.ln_ratio:+.6g}, "
            f"Occam {self.occam:.6g}, training error {self.training_error:.3g}"
            f"{bracketed(self.flags)}"
        )


def regression_evidence(
    inputs: FloatArray, targets: FloatArray, *, regularisation: float, noise_variance: float
) -> ModelEvidence:
    """Evidence of Bayesian linear regression.

    y = X w + noise of variance s2, prior w ~ N(0, 1/lambda). With the cost
    ``C(w) = |y - X w|^2 / (2 s2) + lambda |w|^2 / 2``,

        ln P(y given X) = -C(w0) - 1/2 sum_i ln(lambda_i / lambda) - (P/2) ln(2 pi s2),

    which is exact, as C is quadratic.

    Parameters
    ----------
    inputs, targets : ndarray, shapes (P, N) and (P,)
        X and y.
    regularisation, noise_variance : float
        lambda and s2, both above 0.

    Raises
    ------
    AnalysisError
        If shapes do not match, or a number is not finite or not positive.

    References
    ----------
    MacKay, Neural Computation 4 (1992) 415, doi 10.1162/neco.1992.4.3.415.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> inputs = rng.normal(size=(40, 3))
    >>> targets = inputs @ [1.0, 0.0, -1.0] + 0.1 * rng.normal(size=40)
    >>> fitted = regression_evidence(inputs, targets, regularisation=1.0, noise_variance=0.01)
    >>> exact = gaussian_evidence(inputs, targets, regularisation=1.0, noise_variance=0.01)
    >>> bool(abs(fitted.ln_evidence - exact) < 1e-8)
    True
    """
    _check(inputs, targets, regularisation, noise_variance)
    count, size = inputs.shape
    curvature = inputs.T @ inputs / noise_variance + regularisation * np.eye(size)
    weights = linalg.solve(curvature, inputs.T @ targets / noise_variance, assume_a="pos")
    residual = targets - inputs @ weights
    cost = float(
        residual @ residual / (2 * noise_variance) + regularisation * weights @ weights / 2
    )
    constant = -count / 2 * math.log(2 * math.pi * noise_variance)
    null = -float(targets @ targets) / (2 * noise_variance) + constant
    return _assemble(
        curvature,
        weights,
        cost=cost,
        constant=constant,
        ln_null=null,
        regularisation=regularisation,
        training_error=float(np.mean(residual**2)),
    )


def gaussian_evidence(
    inputs: FloatArray, targets: FloatArray, *, regularisation: float, noise_variance: float
) -> float:
    """The same from the other side: y is Gaussian with covariance s2 + X X' / lambda.

    Parameters are those of `regression_evidence`, which it checks; the cost is of the order
    P^3 instead of N^3.
    """
    _check(inputs, targets, regularisation, noise_variance)
    count = len(targets)
    covariance = inputs @ inputs.T / regularisation + noise_variance * np.eye(count)
    factor = linalg.cho_factor(covariance, lower=True)
    quadratic = float(targets @ linalg.cho_solve(factor, targets))
    ln_determinant = 2 * float(np.sum(np.log(np.diag(factor[0]))))
    return -(quadratic + ln_determinant + count * math.log(2 * math.pi)) / 2


def logistic_evidence(samples: Samples, *, regularisation: float) -> ModelEvidence:
    """Evidence of logistic regression, by Laplace's method around the best weights.

    ``C(w) = -sum_mu ln p(label_mu | x_mu, w) + lambda |w|^2 / 2`` with p the logistic function
    for two classes (N weights) and the softmax for more (N weights for each class). To
    leading order ln evidence = -[C(w0) + 1/2 sum_i ln(lambda_i / lambda)]; the null model
    gives every class the same chance, ln evidence = -P ln(classes).

    Parameters
    ----------
    samples : Samples
        Inputs and classes; a constant input, if a bias is wanted, is one of the inputs.
    regularisation : float
        lambda > 0.

    Returns
    -------
    ModelEvidence
        With the flag ``not_converged`` if the minimum was not found.

    Raises
    ------
    AnalysisError
        If `regularisation` is not positive and finite.

    References
    ----------
    Smith and Le, arXiv 1710.06451 (2017); MacKay, Neural Computation 4 (1992) 720,
    doi 10.1162/neco.1992.4.5.720.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> inputs = rng.normal(size=(100, 2))
    >>> samples = Samples(inputs, (inputs[:, 0] > 0).astype(np.int64), 2, "example")
    >>> logistic_evidence(samples, regularisation=1.0).ln_ratio > 20
    True
    """
    _check(samples.inputs, samples.labels.astype(float), regularisation, 1.0)
    problem = _Logistic(samples, regularisation)
    start = np.zeros(problem.weights)
    best = optimize.minimize(
        problem.cost,
        start,
        jac=problem.gradient,
        hess=problem.curvature,
        method="trust-exact",
        options={"gtol": 1e-9 * len(samples), "maxiter": 500},
    )
    slope = float(np.max(np.abs(problem.gradient(best.x))))
    flags: tuple[Flag, ...] = ()
    if slope > 1e-6 * len(samples):
        flags = (NOT_CONVERGED(f"the largest slope at the best weights is {slope:.2g}"),)
    wrong = np.mean(problem.scores(best.x).argmax(axis=1) != samples.labels)
    return _assemble(
        problem.curvature(best.x),
        best.x,
        cost=problem.cost(best.x),
        constant=0.0,
        ln_null=-len(samples) * math.log(samples.classes),
        regularisation=regularisation,
        training_error=float(wrong),
        flags=flags,
    )


class _Logistic:
    """The regularised cost of logistic regression with its derivatives."""

    def __init__(self, samples: Samples, regularisation: float) -> None:
        self.inputs = samples.inputs
        self.regularisation = regularisation
        self.targets = np.eye(samples.classes)[samples.labels]
        # With two classes the score of the first one is 0: one weight vector says it all.
        self.vectors = samples.classes if samples.classes > 2 else 1
        self.weights = self.vectors * self.inputs.shape[1]

    def scores(self, weights: FloatArray) -> FloatArray:
        """Score of each class, shape (P, classes)."""
        score = self.inputs @ weights.reshape(self.vectors, -1).T
        return score if self.vectors > 1 else np.hstack((np.zeros_like(score), score))

    def cost(self, weights: FloatArray) -> float:
        scores = self.scores(weights)
        fit = special.logsumexp(scores, axis=1) - np.sum(self.targets * scores, axis=1)
        return float(fit.sum() + self.regularisation * weights @ weights / 2)

    def gradient(self, weights: FloatArray) -> FloatArray:
        excess = (special.softmax(self.scores(weights), axis=1) - self.targets)[:, -self.vectors :]
        slope: FloatArray = (excess.T @ self.inputs).ravel() + self.regularisation * weights
        return slope

    def curvature(self, weights: FloatArray) -> FloatArray:
        chances = special.softmax(self.scores(weights), axis=1)[:, -self.vectors :]
        size = self.inputs.shape[1]
        full = np.empty((self.vectors, size, self.vectors, size))
        for first in range(self.vectors):
            for second in range(self.vectors):
                spread = chances[:, first] * ((first == second) - chances[:, second])
                full[first, :, second, :] = (self.inputs * spread[:, None]).T @ self.inputs
        matrix = full.reshape(self.weights, self.weights)
        matrix[np.diag_indices(self.weights)] += self.regularisation
        return matrix


def _assemble(
    curvature: FloatArray,
    weights: FloatArray,
    *,
    cost: float,
    constant: float,
    ln_null: float,
    regularisation: float,
    training_error: float,
    flags: tuple[Flag, ...] = (),
) -> ModelEvidence:
    # No curvature lies below lambda; rounding may say otherwise where lambda is tiny.
    curvatures = np.maximum(linalg.eigvalsh(curvature), regularisation)
    occam = -0.5 * float(np.sum(np.log(curvatures / regularisation)))
    return ModelEvidence(
        ln_evidence=-cost + occam + constant,
        cost=cost,
        occam=occam,
        constant=constant,
        ln_null=ln_null,
        regularisation=regularisation,
        training_error=training_error,
        weights=weights,
        curvatures=curvatures,
        flags=flags,
    )


def _check(
    inputs: FloatArray, targets: FloatArray, regularisation: float, noise_variance: float
) -> None:
    if inputs.ndim != 2 or targets.shape != inputs.shape[:1]:
        raise AnalysisError(
            f"shapes {inputs.shape} and {targets.shape} do not match",
            where="evidence",
            remedy="give inputs of the shape (P, N) and P targets",
        )
    if not (np.isfinite(inputs).all() and np.isfinite(targets).all()):
        raise AnalysisError("inputs or targets hold nan or inf", where="evidence")
    for name, value in (("regularisation", regularisation), ("noise_variance", noise_variance)):
        if not (math.isfinite(value) and value > 0):
            raise AnalysisError(
                f"{name} is {value}", where="evidence", remedy="give a number above 0"
            )
