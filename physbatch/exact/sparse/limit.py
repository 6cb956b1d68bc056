r"""The sparse network for d -> infinity, with m = mu d^2: a closed form.

A weight is right or wrong by the sign of a noisy drift: of the m samples a fraction sqrt(2/(pi d))
ties at its hidden unit, and of each of d outputs the same fraction ties there, so that dE has mean
and variance of the same order at m ~ d^2. With a the overlap of a layer, :math:`a = \mathrm{erf}
(s/\sqrt 2)`, s the ratio of mean to standard deviation, the hidden units agree with the teacher's
by :math:`c = (2/\pi) \arcsin a`, and

.. math:: s^2 = \mu \frac{(4/\pi^2)^2}{2/\pi} \frac{1}{(1 - a^2)(1 - c^2)} .

The second layer aligns, q = a. As a function of s, mu has a maximum, the spinodal :math:`\mu_s =
1.6085` at :math:`q_s = 0.714`; below it are two states, the one with the smaller q stable.
"""

from functools import cache
from math import pi

import numpy as np
import numpy.typing as npt
import scipy

from physbatch.errors import AnalysisError
from physbatch.exact.sparse.branches import Spinodal
from physbatch.typing import FloatArray


def scaled_batch_sizes(overlaps: npt.ArrayLike) -> FloatArray:
    """mu = m/d^2 at which a state with overlap q, between 0 and 1, is stationary.

    >>> scaled_batch_sizes([0.3, 0.7136]).round(4).tolist()
    [0.504, 1.6085]
    """
    q = np.asarray(overlaps, dtype=np.float64)
    if not ((q > 0) & (q < 1)).all():
        raise AnalysisError("overlaps must be between 0 and 1", where="sparse.limit")
    ratio = np.sqrt(2) * scipy.special.erfinv(q)
    hidden = 2 / pi * np.arcsin(q)
    return np.asarray(ratio**2 * (1 - q**2) * (1 - hidden**2) * (2 / pi) / (4 / pi**2) ** 2)


@cache
def scaled_spinodal() -> Spinodal:
    """mu_s = m_s/d^2, as `batch_size`, and the overlap there.

    >>> point = scaled_spinodal()
    >>> round(point.batch_size, 4), round(point.overlap, 3)
    (1.6085, 0.714)
    """
    done = scipy.optimize.minimize_scalar(
        lambda q: -float(scaled_batch_sizes(q)), bounds=(0.1, 0.99), method="bounded",
        options={"xatol": 1e-10},
    )  # fmt: skip
    return Spinodal(-float(done.fun), float(done.x))


def scaled_overlap(scaled_batch_size: float) -> float:
    """q of the stable state at mu = m/d^2; nan beyond the spinodal.

    >>> round(scaled_overlap(1.0), 3)
    0.448
    """
    if not scaled_batch_size > 0:
        raise AnalysisError("m/d^2 must be positive", where="sparse.limit")
    last = scaled_spinodal()
    if scaled_batch_size > last.batch_size:
        return float("nan")
    return float(
        scipy.optimize.brentq(
            lambda q: float(scaled_batch_sizes(q)) - scaled_batch_size, 1e-12, last.overlap
        )
    )
