r"""Least-squares collapse on the polynomials of Slevin and Ohtsuki.

.. math:: y = N^{\zeta/\nu} \sum_{j=0}^{n_1} (u_1 N^{1/\nu})^j
          \Big[\sum_{k=0}^{n_2} a_{jk} N^{-k\omega} + \sum_{k=1}^{n_3} a'_{jk} N^{-k\omega'}\Big],
          \quad u_1 = t + b_2 t^2 + \dots + b_m t^m, \quad t = c - c_c

(Phys. Rev. Lett. 82 (1999) 382, doi 10.1103/PhysRevLett.82.382; New J. Phys. 16 (2014) 015012, doi
10.1088/1367-2630/16/1/015012): the scaling function expanded in the relevant and in the irrelevant
field, the relevant field in the distance from c_c. What of the irrelevant field depends on c is in
the a_jk to the orders that these have. The orders n1, n2 and m are averaged by their AIC, so
corrections to scaling and the curvature of the field count as far as the data ask for them. A
second irrelevant field, with an exponent omega' > omega of its own, takes part where its order n3
is asked for: few data hold two exponents, and omega' is not stated.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import product
from typing import NamedTuple

import numpy as np
from numpy.polynomial import chebyshev

from physbatch.errors import AnalysisError
from physbatch.scaling.data_collapse.form import Rescaled, ScalingForm
from physbatch.scaling.data_collapse.methods.projection import (
    Averaged,
    Minimum,
    Model,
    averaged,
    minimum_from,
    refitted,
)
from physbatch.scaling.data_collapse.windows import Fit, settle
from physbatch.tables.table import ScalingTable
from physbatch.typing import FloatArray

#: Orders that are averaged where none is asked for.
_RELEVANT = (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 14, 17, 20)
_IRRELEVANT = (0, 1)
_FIELD = (1, 2, 3)
#: An expansion has at most one coefficient for so many points.
_POINTS = 3
#: ln(omega'/omega - 1) where fits begin, and its largest: steeper corrections are those of the
#: smallest size alone.
_SECONDS = (-0.5, 0.5, 1.5)
_STEEPEST = 3.0
#: Corrections larger than so much of the leading term are none: the two have changed places, or
#: cancel each other at an omega near 0.
_MOST_CORRECTION = 0.8
#: Higher n1 are not tried where so many in turn have made the AIC so much worse.
_WORSE = 9.0
_IN_TURN = 3


class Orders(NamedTuple):
    """Orders of an expansion: of the curve in its fields, and of the relevant one.

    Attributes
    ----------
    n1, n2 : int
        In u1 N^(1/nu) and in N^(-omega).
    m : int
        Of u1 in the distance from c_c.
    n3 : int
        In N^(-omega').
    """

    n1: int
    n2: int
    m: int
    n3: int = 0

    @property
    def terms(self) -> int:
        """Curves: the leading one and the corrections."""
        return self.n2 + self.n3 + 1

    @property
    def beyond(self) -> int:
        """Numbers of the vector beyond those of the form."""
        return self.m - 1 + (self.n3 > 0)


class PolynomialModel(Model):
    """Products of powers of the fields.

    The vector goes on with b_2 to b_m and, for a second irrelevant field, ln(omega'/omega - 1).
    """

    def __init__(self, form: ScalingForm, table: ScalingTable, orders: Orders) -> None:
        super().__init__(form, table)
        self.orders = orders

    def columns(self, vector: FloatArray, where: Rescaled) -> FloatArray:
        """Chebyshev polynomials of u1 N^(1/nu), which span its powers, times powers of the other.

        They are those of the range of the points, whichever it is: that changes the coefficients,
        not what they can describe.
        """
        count = len(self.form.names)
        c_c = self.form.exponents(vector[:count]).get("c_c", self.form.control_middle)
        distance = 2.0 * (self.table.control - c_c) / self.form.control_unit
        # x is proportional to the distance, so u1 N^(1/nu) is x times 1 + b_2 t + ...
        bends = vector[count : count + self.orders.m - 1]
        bent = where.x * np.polynomial.polynomial.polyval(distance, [1.0, *bends])
        low, high = float(bent.min()), float(bent.max())
        powers = chebyshev.chebvander((2 * bent - low - high) / (high - low), self.orders.n1)
        fall = np.exp(where.log_correction)[:, None]
        falls = [fall**k for k in range(self.orders.n2 + 1)]
        if self.orders.n3:
            faster = fall ** (1.0 + math.exp(min(float(vector[-1]), _STEEPEST)))
            falls += [faster**k for k in range(1, self.orders.n3 + 1)]
        return np.hstack([each * powers for each in falls])


def fit_polynomial(
    form: ScalingForm, table: ScalingTable, begin: FloatArray, given: Mapping[str, int]
) -> Averaged[PolynomialModel]:
    """Least-squares collapse from one start.

    Parameters
    ----------
    form : ScalingForm
        The scaling form. If it has no corrections, fits with n2 > 0 have an omega of their own.
    table : ScalingTable
        The data.
    begin : ndarray
        Start of the fit vector.
    given : mapping
        Orders ``n1``, ``n2`` and ``m`` that are held; the others are averaged. ``n3``, of a second
        irrelevant field, is 0 unless it is given, and n2 at least 1 where it is.

    Raises
    ------
    AnalysisError
        If there are fewer points than the orders need.
    """
    second = given.get("n3", 0)
    irrelevant = (given["n2"],) if "n2" in given else _IRRELEVANT[form.corrections or second > 0 :]
    field = (given["m"],) if "m" in given else _FIELD
    relevant = (given["n1"],) if "n1" in given else _RELEVANT
    minima: list[Minimum[PolynomialModel]] = []
    for n2, m in product(irrelevant, field):
        minima += _series(form, table, begin, [Orders(n1, n2, m, second) for n1 in relevant])
    if not minima:
        raise AnalysisError(
            f"{len(table.size)} points are too few for these orders",
            where="collapse",
            remedy=f"ask for lower ones: a polynomial has a coefficient for {_POINTS} points",
        )
    return averaged(minima, len(form.names))


def _series(
    form: ScalingForm, table: ScalingTable, begin: FloatArray, every: Sequence[Orders]
) -> Iterator[Minimum[PolynomialModel]]:
    """Fits of ascending n1, as long as they are worth it."""
    n2 = every[0].n2
    wide = form.with_corrections() if n2 and not form.corrections else form
    log_omega = math.log(1.0 / form.exponents(begin).get("nu", 1.0))
    free_omega = [log_omega] * (len(wide.names) - len(form.names))
    start = np.concatenate([begin, free_omega, np.zeros(every[0].beyond)])
    first = [start]
    if every[0].n3:
        first = [np.concatenate([start[:-1], [second]]) for second in _SECONDS]
    starts = first
    lowest, worse = math.inf, 0
    for orders in every:
        if (orders.n1 + 1) * orders.terms + len(start) > len(table.size) // _POINTS:
            return
        model = PolynomialModel(wide, table, orders)
        minimum = min((_checked(minimum_from(model, begin)) for begin in starts), key=_merit)
        # Where omega is free, that of the order before leads to other minima.
        starts = [*first, minimum.vector] if n2 and minimum.converged else first
        yield minimum
        worse = worse + 1 if minimum.aic > lowest + _WORSE else 0
        lowest = min(lowest, minimum.aic)
        if worse == _IN_TURN:
            return


def _checked(minimum: Minimum[PolynomialModel]) -> Minimum[PolynomialModel]:
    """The minimum, which is none where an exponent has left its range or corrections lead."""
    low, high = np.array(minimum.model.form.bounds).T
    exponents = minimum.vector[: len(low)]
    sound = bool(((exponents > low) & (exponents < high)).all())
    return minimum._replace(converged=minimum.converged and sound and _leads(minimum))


def _leads(minimum: Minimum[PolynomialModel]) -> bool:
    """Whether the leading term is larger than the corrections, for every observable."""
    count = minimum.model.orders.n1 + 1
    _, designs, best = minimum.model.solve(minimum.vector)
    return all(
        np.linalg.norm(design[:, count:] @ solution[count:])
        < _MOST_CORRECTION * np.linalg.norm(design[:, :count] @ solution[:count])
        for design, solution in zip(designs, best, strict=True)
    )


def _merit(minimum: Minimum[PolynomialModel]) -> tuple[bool, float]:
    return not minimum.converged, minimum.aic


# Steps of hopeless fits leave the range of numbers; they end in flags.
@np.errstate(over="ignore", invalid="ignore")
def by_polynomial(table: ScalingTable, fits: Sequence[Fit], given: Mapping[str, int]) -> Fit:
    """All points by polynomials; the curve that is drawn stays the Gaussian process's.

    Parameters
    ----------
    table : ScalingTable
        All points: what of them is not asymptotic, the expansion describes.
    fits : sequence of Fit
        Those of the windows, of which the first has all points.
    given : mapping
        Orders that are held.

    Raises
    ------
    AnalysisError
        If there are fewer points than the orders need.
    """
    whole = settle(fits[0].form, table, fits[:1])
    average = fit_polynomial(whole.form, table, whole.exponents, given)
    return replace(refitted(whole, average), orders=average.best.model.orders._asdict())
