"""Kernels: laws fitted without a guess.

Every law is linear in its amplitudes. So the exponents are scanned over their whole range
with the amplitudes solved for, the deepest minima of the scan start fits of all parameters
with lmfit, and no guess is asked for.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from scipy import ndimage, stats

from physbatch.errors import AnalysisError
from physbatch.results.flag import Flag
from physbatch.results.flags import AT_BOUND, NOT_CONVERGED, TOO_FEW_POINTS, UNDETERMINED
from physbatch.typing import FloatArray

__all__ = [
    "Form",
    "FormFit",
    "fit_form",
    "law",
]


_GRID = {0: 1, 1: 97, 2: 33}  # points per exponent of the scan
_STARTS = 4
_MOST_CALLS = 600  # of a law in one fit; those that converge need about 50
_EXPONENT = (-8.0, 8.0)
_POSITIVE = (0.05, 8.0)
_Terms = Callable[..., list[FloatArray]]


@dataclass(frozen=True)
class Form:
    """A law y(x) = sum over k of amplitude_k term_k(x; exponents).

    Attributes
    ----------
    name : str
        The law as it is written.
    exponents, amplitudes : tuple of str
        Names of the parameters.
    bounds : tuple of pairs of float
        Range of each exponent; a fit that ends at a bound is not used.
    terms : callable
        ``terms(x, *exponents)`` with x of shape (n_point, n_variable) and exponents that
        broadcast against (n_point,): one array for each amplitude.
    """

    name: str
    exponents: tuple[str, ...]
    amplitudes: tuple[str, ...]
    bounds: tuple[tuple[float, float], ...]
    terms: _Terms

    @property
    def parameters(self) -> tuple[str, ...]:
        """Exponents, then amplitudes."""
        return (*self.exponents, *self.amplitudes)

    def __call__(self, x: FloatArray, values: Sequence[float]) -> FloatArray:
        """The law at x, shape (n_point, n_variable) -> (n_point,)."""
        count = len(self.exponents)
        terms = self.terms(x, *values[:count])
        return np.asarray(sum(a * t for a, t in zip(values[count:], terms, strict=True)))


def _ones(x: FloatArray) -> FloatArray:
    return np.ones(len(x))


def law(name: str, **fixed: float) -> Form:
    """A named law; an exponent given by its name is fixed at that value.

    ========== ==================================================== ======================
    name       y                                                    use
    ========== ==================================================== ======================
    constant   c
    power      A N^b                                                heights, widths, m_c
    corrected  A N^b + B N^(b - omega)                              corrections to scaling
    logarithm  A N^b (ln N)^k                                       marginal dimensions
    shifted    c + a N^-phi                                         c_c(N)
    approach   c + a N^-phi + b N^(-2 phi)                          c_c(N), small errors
    two_powers A N^b d^a                                            m_c(N, d)
    line       ln A + N Delta                                       ln of nucleation times
    log_power  ln A + z ln N                                        ln of relaxation times
    divergence ln A - y ln abs(c - c_s); lowest < c_s < highest     ln of escape times
    ========== ==================================================== ======================

    Parameters
    ----------
    name : str
        One of the table.
    **fixed : float
        Exponents held at a value; for ``divergence`` also ``lowest`` and ``highest``, between
        which c_s is sought.

    Returns
    -------
    Form
        What `fit_law` takes.

    Raises
    ------
    physbatch.errors.AnalysisError
        For a name or an exponent that there is not.

    Examples
    --------
    >>> law("power").name, law("shifted", phi=0.5).name
    ('A N^b', 'c + a N^-0.5')
    >>> law("approach", phi=1.0).name
    'c + a N^-1 + b N^-2'
    """

    def distance(x: FloatArray, c_s: FloatArray) -> FloatArray:
        return np.maximum(np.abs(x[:, 0] - c_s), 1e-300)

    ends = (fixed.pop("lowest", -math.inf), fixed.pop("highest", math.inf))
    laws: dict[str, tuple[str, dict[str, tuple[float, float]], tuple[str, ...], _Terms]] = {
        "constant": ("c", {}, ("c",), lambda x: [_ones(x)]),
        "power": ("A N^b", {"b": _EXPONENT}, ("A",), lambda x, b: [x[:, 0] ** b]),
        "corrected": (
            "A N^b + B N^(b - omega)",
            {"b": _EXPONENT, "omega": _POSITIVE},
            ("A", "B"),
            lambda x, b, omega: [x[:, 0] ** b, x[:, 0] ** (b - omega)],
        ),
        "logarithm": (
            "A N^b (ln N)^k",
            {"b": _EXPONENT, "k": _EXPONENT},
            ("A",),
            lambda x, b, k: [x[:, 0] ** b * np.log(x[:, 0]) ** k],
        ),
        "shifted": (
            "c + a N^-phi",
            {"phi": _POSITIVE},
            ("c", "a"),
            lambda x, phi: [1.0 + 0.0 * x[:, 0] ** -phi, x[:, 0] ** -phi],
        ),
        "approach": (
            "c + a N^-phi + b N^(-2 phi)",
            {"phi": _POSITIVE},
            ("c", "a", "b"),
            lambda x, phi: [1.0 + 0.0 * x[:, 0] ** -phi, x[:, 0] ** -phi, x[:, 0] ** (-2 * phi)],
        ),
        "two_powers": (
            "A N^b d^a",
            {"b": _EXPONENT, "a": _EXPONENT},
            ("A",),
            lambda x, b, a: [x[:, 0] ** b * x[:, 1] ** a],
        ),
        "line": ("ln A + N Delta", {}, ("ln_A", "Delta"), lambda x: [_ones(x), x[:, 0]]),
        "log_power": ("ln A + z ln N", {}, ("ln_A", "z"), lambda x: [_ones(x), np.log(x[:, 0])]),
        "divergence": (
            "ln A - y ln|c - c_s|",
            {"c_s": ends},
            ("ln_A", "y"),
            lambda x, c_s: [1.0 + 0.0 * distance(x, c_s), -np.log(distance(x, c_s))],
        ),
    }
    if name not in laws or not set(fixed) <= set(laws[name][1]):
        raise AnalysisError(f"no law {name!r} with {sorted(fixed)}", remedy="see the table of law")
    text, bounds, amplitudes, terms = laws[name]
    free = [exponent for exponent in bounds if exponent not in fixed]
    for exponent, value in fixed.items():
        text = text.replace(f"(-2 {exponent})", f"{-2 * value:g}").replace(exponent, f"{value:g}")

    def held(x: FloatArray, *values: Any) -> list[FloatArray]:
        return terms(x, **fixed, **dict(zip(free, values, strict=True)))

    return Form(text, tuple(free), amplitudes, tuple(bounds[e] for e in free), held)


class FormFit(NamedTuple):
    """The best fit of one form to the points from one smallest size on."""

    form: Form
    size_min: float
    values: FloatArray  # in the order of `form.parameters`
    covariance: FloatArray
    chi2: float
    dof: int
    aic: float  # chi2 + 2 (parameters); `fit_law` adds 2 for every point left out
    p_value: float
    tried: int
    agreed: int
    problem: Flag | None  # None if the fit can be used

    @property
    def stderr(self) -> FloatArray:
        """Standard errors of the parameters."""
        return np.asarray(np.sqrt(np.diag(self.covariance)))


def fit_form(
    form: Form, x: FloatArray, y: FloatArray, covariance: FloatArray, size_min: float = 0.0
) -> FormFit:
    """Fit one form by generalised least squares from every minimum of a scan (kernel).

    Parameters
    ----------
    form : Form
        The law.
    x, y, covariance : ndarray, shape (n_point, n_variable), (n_point,), (n_point, n_point)
        Data.
    size_min : float
        Kept for the record.

    Returns
    -------
    FormFit
        ``problem`` names what is wrong: ``too_few_points``, ``at_bound``, ``undetermined``
        (an exponent is not known within a quarter of its range, or a positive one within half
        of itself) or ``not_converged``.
    """
    count, points = len(form.parameters), len(y)
    if points <= count:  # a fit through all points tests nothing
        return _failed(form, size_min, TOO_FEW_POINTS(f"{points} for {count} parameters"))
    whiten = np.linalg.inv(np.linalg.cholesky(covariance))
    target = whiten @ y
    starts = _starts(form, x, whiten, target)
    fits = [fit for fit in (_polish(form, x, whiten, target, s) for s in starts) if fit is not None]
    if not fits:
        return _failed(form, size_min, NOT_CONVERGED(f"{form.name}"))
    best = min(fits, key=lambda fit: fit[2])
    values, held, chi2 = best
    agreed = sum(fit[2] < chi2 + 0.01 + 1e-6 * chi2 for fit in fits)
    problem = None
    for i, (exponent, (low, high)) in enumerate(zip(form.exponents, form.bounds, strict=True)):
        if min(values[i] - low, high - values[i]) < 1e-3 * (high - low):
            problem = AT_BOUND(f"{exponent} = {values[i]:.3g} in {form.name}")
        elif not math.sqrt(held[i, i]) < min(0.25 * (high - low), _known(low, values[i])):
            problem = UNDETERMINED(f"{exponent} in {form.name}")
    dof = points - count
    p_value = float(stats.chi2.sf(chi2, dof))
    aic = chi2 + 2.0 * count
    return FormFit(
        form, size_min, values, held, chi2, dof, aic, p_value, len(starts), agreed, problem
    )


def _known(low: float, value: float) -> float:
    """Largest error of an exponent that is known; a positive one must not be within 2 of 0."""
    return 0.5 * value if low == _POSITIVE[0] else math.inf


def _failed(form: Form, size_min: float, problem: Flag) -> FormFit:
    count, nan = len(form.parameters), math.nan
    blank = np.full((count, count), nan)
    return FormFit(form, size_min, blank[0], blank, nan, 0, math.inf, nan, 0, 0, problem)


def _starts(form: Form, x: FloatArray, whiten: FloatArray, target: FloatArray) -> list[FloatArray]:
    """Parameters at the deepest minima of chi2 over a grid of the exponents."""
    axes = [np.linspace(low, high, _GRID[len(form.bounds)] + 2)[1:-1] for low, high in form.bounds]
    mesh = np.meshgrid(*axes, indexing="ij")
    shape = mesh[0].shape if mesh else (1,)
    terms = form.terms(x, *(axis[..., None] for axis in mesh))
    design = np.stack([np.broadcast_to(t, (*shape, len(target))) for t in terms], axis=-1)
    design = whiten @ design
    scale = np.linalg.norm(design, axis=-2, keepdims=True)
    q, r = np.linalg.qr(design / scale)
    projected = np.einsum("...pk,p->...k", q, target)
    chi2 = np.sum((target - np.einsum("...pk,...k->...p", q, projected)) ** 2, axis=-1)
    minima = np.flatnonzero(chi2 == ndimage.minimum_filter(chi2, size=3, mode="nearest"))
    deepest = minima[np.argsort(chi2.ravel()[minima])][:_STARTS]
    starts = []
    for place in deepest:
        where = np.unravel_index(place, shape)
        # Least squares, as two terms can coincide on the grid.
        amplitudes = np.linalg.lstsq(r[where], projected[where], rcond=None)[0] / scale[where][0]
        starts.append(np.array([*(axis[where] for axis in mesh), *amplitudes]))
    return starts


def _polish(
    form: Form, x: FloatArray, whiten: FloatArray, target: FloatArray, start: FloatArray
) -> tuple[FloatArray, FloatArray, float] | None:
    """Values, covariance and chi2 of a fit of all parameters; None if it fails."""
    import lmfit  # it imports matplotlib, which reading results must not cost

    parameters = lmfit.Parameters()
    bounds = [*form.bounds, *[(-math.inf, math.inf)] * len(form.amplitudes)]
    for name, value, (low, high) in zip(form.parameters, start, bounds, strict=True):
        parameters.add(name, value=float(value), min=low, max=high)

    def residual(held: lmfit.Parameters) -> FloatArray:
        return np.asarray(whiten @ form(x, [held[n].value for n in form.parameters]) - target)

    fit = lmfit.minimize(residual, parameters, scale_covar=False, max_nfev=_MOST_CALLS)
    covariance = getattr(fit, "covar", None)
    if not fit.success or covariance is None or not np.all(np.isfinite(covariance)):
        return None
    values = np.array([fit.params[name].value for name in form.parameters])
    return values, np.asarray(covariance), float(np.sum(fit.residual**2))
