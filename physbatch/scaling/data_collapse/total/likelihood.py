"""Likelihood of a collapse whose model has corrections to scaling and an analytic field.

.. math:: y = s\\,[f_0(x) + q f_1(x) + t f_2(x)] + \\mathrm{noise}, \\qquad
          \\ln y = \\ln s + g_0(x) + q g_1(x) + t g_2(x) + \\mathrm{noise}

with s = N^(zeta/nu), q = (N/N_min)^(-omega) and t = (c - c_c)/(half the range of the controls). The
second form is for values that are positive and change by factors: there corrections multiply. All
functions are Gaussian processes in u = r asinh(x/r), as in
`physbatch.scaling.data_collapse.likelihood`, with one length and one reach, so that

.. math:: K_{ij} = s_i s_j \\{A_0^2 + A^2 k + B^2 q_i q_j (4 + A^2 k)
          + T^2 \\tau_{ij} (1 + k)\\} + g^2 C_{ij},
          \\quad \\tau = t_i t_j/(1 - 0.15\\, t_i t_j)

(s = 1 in the second form). tau is a sum over all powers of t. Corrections to x, a shift of c_c by
N^(-1/nu - omega) or a metric factor 1 + b q, are to first order q f_1 with f_1 ~ f_0' and x f_0':
so f_1 changes with x as much as f_0 does, by A. (Where f_0 is constant, by 1.) C is the covariance
of the data as stated; the factor g, near 1 a priori, is what the scatter of the data says about it.
"""

import math
from typing import NamedTuple

import numpy as np

from physbatch.scaling.data_collapse.form import Rescaled
from physbatch.scaling.data_collapse.likelihood import inverse_of, normal_density
from physbatch.scaling.statistics.bent_axis import bent
from physbatch.typing import FloatArray

#: Logarithms of A, of length and reach, of T and of g.
HYPERPARAMETERS = ("amplitude", "length", "reach", "field", "noise")
PRIOR_MEAN = np.array([0.0, math.log(0.5), math.log(0.5), math.log(0.13), 0.0])
PRIOR_WIDTH = np.array([2.0, 1.5, 1.5, 1.3, 0.5])
#: Width of ln T where the reach of the controls is known.
_FIELD_WIDTH = 0.7
#: Controls that reach less far than this from c_c do not show where their zero is.
_LEAST_REACH = 0.01
#: Standard deviation of ln g of points that share runs.
_EXACT = 0.02
#: Mean and standard deviation of ln A of a curve that is constant but for its corrections.
FLAT = (-4.0, 0.1)
BOUNDS = ((-5.0, 6.0), (-6.0, 4.0), (-6.0, 4.0), (-8.0, 3.0), (-5.0, 5.0))
_WIDE = 10.0  # A_0
_CONSTANT = 4.0  # weight of a constant f_1
_POWERS = 0.15  # ratio of the variances of successive powers of t
#: tau is a sum only where 0.15 t_i t_j is well below 1.
_LEAST_ROOM = 0.02


class Sample(NamedTuple):
    """Values of one observable as the model takes them.

    Attributes
    ----------
    values : ndarray, shape (n,)
        In the unit of the observable, or their logarithms.
    noise : ndarray, shape (n, n)
        Stated covariance of `values`.
    logarithmic : bool
        Whether they are logarithms.
    density : float
        ln of the Jacobian that makes a density of the logarithms one of the values.
    """

    values: FloatArray
    noise: FloatArray
    logarithmic: bool
    density: float


class Corrections(NamedTuple):
    """Corrections at the points: B, q and t; and whether they are all of the curve."""

    strength: float
    factor: FloatArray
    field: FloatArray
    alone: bool = False


class Slopes(NamedTuple):
    """Gradient of the log likelihood: by exponents, by t at the points, by hyperparameters."""

    exponents: FloatArray
    field: FloatArray
    hyper: FloatArray


class _Covariance(NamedTuple):
    total: FloatArray
    signal: FloatArray
    smooth: FloatArray  # what k multiplies
    shape: FloatArray  # k
    difference: FloatArray  # of u
    by_x: FloatArray  # du/dx
    by_reach: FloatArray  # du/d ln r
    growing: FloatArray  # what of it goes as A^2
    powers: FloatArray  # T^2 tau
    room: FloatArray  # 1 - 0.15 t t
    outer: FloatArray  # s s


def _covariance(
    sample: Sample, where: Rescaled, corrections: Corrections, hyper: FloatArray
) -> _Covariance | None:
    """The covariance and its parts; None where tau is no covariance."""
    amplitude, length, reach, field, noise = np.exp(hyper)
    u, by_x, by_reach = bent(where.x, reach)
    difference = u[:, None] - u[None, :]
    shape = np.exp(-0.5 * (difference / length) ** 2)
    products = np.multiply.outer(corrections.field, corrections.field)
    room = 1.0 - _POWERS * products
    if room.min() <= _LEAST_ROOM:
        return None
    powers = field**2 * products / room
    scaled = corrections.strength * corrections.factor
    correction = np.multiply.outer(scaled, scaled)
    if corrections.alone:
        growing = np.full_like(correction, amplitude**2)
        smooth = (growing + correction + powers) * shape
    else:
        growing = amplitude**2 * (1.0 + correction)
        smooth = (growing + powers) * shape
    signal = _WIDE**2 + _CONSTANT * correction + powers + smooth
    outer = np.ones_like(signal)
    if not sample.logarithmic:
        scale = np.exp(where.log_scale)
        outer = np.multiply.outer(scale, scale)
        signal *= outer
        smooth *= outer
    total = signal + noise**2 * sample.noise
    return _Covariance(
        total,
        signal,
        smooth,
        shape,
        difference,
        by_x,
        by_reach,
        growing,
        powers,
        room,
        outer,
    )


def residuals(sample: Sample, where: Rescaled) -> FloatArray:
    """What the Gaussian processes describe: the values, or ln y - ln s."""
    return sample.values - where.log_scale if sample.logarithmic else sample.values


@np.errstate(over="ignore", invalid="ignore")
def corrected_likelihood(
    sample: Sample,
    where: Rescaled,
    corrections: Corrections,
    hyper: FloatArray,
    *,
    gradient: bool = True,
) -> tuple[float, Slopes]:
    """ln p(y | exponents, hyperparameters), as a density of the values, and its gradient.

    Parameters
    ----------
    sample : Sample
        The data.
    where : Rescaled
        Rescaled coordinates at these exponents.
    corrections : Corrections
        Strength and size of the corrections, and the field.
    hyper : ndarray
        Logarithms of `HYPERPARAMETERS`.
    gradient : bool
        Compute the gradient too.

    Returns
    -------
    value : float
        -inf where the covariance is not positive definite.
    slopes : Slopes
    """
    count = len(sample.values)
    blank = Slopes(np.zeros(where.dx.shape[0]), np.zeros(count), np.zeros(len(hyper)))
    parts = _covariance(sample, where, corrections, hyper)
    if parts is None:
        return -math.inf, blank
    density = normal_density(parts.total, residuals(sample, where))
    if density is None:
        return -math.inf, blank
    value = density.log + sample.density
    if not gradient:
        return value, blank
    inverse = inverse_of(density.factor)
    return value, _slopes(sample, where, parts, density.alpha, inverse, corrections, hyper)


def _slopes(
    sample: Sample,
    where: Rescaled,
    parts: _Covariance,
    alpha: FloatArray,
    inverse: FloatArray,
    corrections: Corrections,
    hyper: FloatArray,
) -> Slopes:
    weight = np.outer(alpha, alpha) - inverse
    length = math.exp(hyper[1])
    pull = weight * parts.smooth
    pull *= parts.difference
    by_u = -pull.sum(axis=1) / length**2
    scaled = weight if sample.logarithmic else weight * parts.outer
    by_powers = scaled * (1.0 + parts.shape)
    # d tau/d t_i = t_j/(1 - 0.15 t_i t_j)^2
    by_field = math.exp(2 * hyper[3]) * (by_powers / parts.room**2) @ corrections.field
    by_exponents = where.dx @ (by_u * parts.by_x)
    if sample.logarithmic:
        by_exponents = by_exponents + where.dlog_scale @ alpha
    else:
        by_scale = np.einsum("ij,ij->i", weight, parts.signal)
        by_exponents = by_exponents + where.dlog_scale @ by_scale
    by_hyper = np.array(
        [
            float(np.vdot(scaled * parts.growing, parts.shape)),
            0.5 * float(np.vdot(pull, parts.difference)) / length**2,
            float(by_u @ parts.by_reach),
            float(np.vdot(by_powers, parts.powers)),
            math.exp(2 * hyper[4]) * float(np.vdot(weight, sample.noise)),
        ]
    )
    return Slopes(by_exponents, by_field, by_hyper)


class HyperPrior(NamedTuple):
    """Means and widths of the weak Gaussian prior on the logarithms."""

    mean: FloatArray
    width: FloatArray

    def __call__(self, hyper: FloatArray) -> tuple[float, FloatArray]:
        """ln of it, up to a constant, and the gradient."""
        pull = (hyper - self.mean) / self.width
        return -0.5 * float(pull @ pull), -pull / self.width


def hyper_prior(reach: float = math.nan, *, flat: bool = False, exact: bool = False) -> HyperPrior:
    """The prior of the hyperparameters of an observable.

    Parameters
    ----------
    reach : float
        Half the range of the controls over their middle; nan where they have no zero of their own.
        An analytic function of T, beta, p or c changes by about (c - c_c)/c_c: so much is T.
    flat : bool
        Whether the curve is constant but for its corrections: A is tiny.
    exact : bool
        Whether g is 1, since points share runs.
    """
    mean, width = PRIOR_MEAN.copy(), PRIOR_WIDTH.copy()
    if reach > _LEAST_REACH:
        mean[3], width[3] = math.log(reach), _FIELD_WIDTH
    if flat:
        mean[0], width[0] = FLAT
    if exact:
        width[-1] = _EXACT
    return HyperPrior(mean, width)


def left_out_scores(
    sample: Sample, where: Rescaled, corrections: Corrections, hyper: FloatArray
) -> FloatArray:
    """Each value against what all others predict for it, in standard deviations.

    nan where the covariance is singular. The deviation of a value from its prediction is
    alpha_i/(K^-1)_ii, with variance 1/(K^-1)_ii.
    """
    parts = _covariance(sample, where, corrections, hyper)
    nothing = np.full(len(sample.values), np.nan)
    if parts is None:
        return nothing
    try:
        inverse = np.linalg.inv(parts.total)
    except np.linalg.LinAlgError:
        return nothing
    return np.asarray(inverse @ residuals(sample, where) / np.sqrt(np.diag(inverse)))
