"""The scaling form: how points (size, control) are rescaled onto a master curve.

.. math:: y_N(c) = N^{\\zeta/\\nu} [f_0(x) + N^{-\\omega} f_1(x)], \\quad
          x = N^{1/\\nu} (c - c_c(N))

with an optional drift :math:`c_c(N) = c_c + a N^{-\\phi}`. Fits work with numbers of order one:
sizes relative to their geometric mean, controls relative to their range, and 1/nu, omega and
phi by their logarithms. `ScalingForm` translates.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from physbatch.errors import AnalysisError
from physbatch.tables.table import ScalingTable
from physbatch.typing import FloatArray

#: A collapse whose sizes share less of x than this is none.
LEAST_SHARED = 0.6
#: Fits that run away may ask for numbers beyond floating point on their way.
_LARGEST = 300.0


def _exponential(x: float) -> float:
    return math.exp(min(max(x, -_LARGEST), _LARGEST))


class Rescaled(NamedTuple):
    """Rescaled coordinates of the points of one observable, and their derivatives.

    Attributes
    ----------
    x : ndarray, shape (n,)
        Relative scaling variable.
    log_scale : ndarray, shape (n,)
        ln of the factor N^(zeta/nu).
    log_correction : ndarray, shape (n,)
        ln of the factor N^(-omega); zero where there are no corrections.
    dx, dlog_scale, dlog_correction : ndarray, shape (n_parameter, n)
        Derivatives by the free parameters of the fit.
    """

    x: FloatArray
    log_scale: FloatArray
    log_correction: FloatArray
    dx: FloatArray
    dlog_scale: FloatArray
    dlog_correction: FloatArray


@dataclass(frozen=True, eq=False)
class ScalingForm:
    """Which exponents are free, and the units in which they are fitted.

    Attributes
    ----------
    observables : tuple of str
        Observables that share c_c, nu, omega and the drift; each has its own zeta.
    names : tuple of str
        Names of the free parameters, in the order of the fit vector.
    fixed : mapping
        Values of the others.
    corrections, drift : bool
        Whether the form has corrections to scaling, and a drift of c_c.
    """

    observables: tuple[str, ...]
    names: tuple[str, ...]
    fixed: Mapping[str, float]
    corrections: bool
    drift: bool
    size_unit: float
    control_middle: float
    control_unit: float

    # --- between fit vector and exponents -----------------------------------------------

    def exponents(self, vector: FloatArray) -> dict[str, float]:
        """Physical parameters of a fit vector: c_c, nu, zeta_OBSERVABLE, omega, ..."""
        values = dict(self.fixed)
        raw = dict(zip(self.names, map(float, vector), strict=True))
        if "c_c" in raw:
            values["c_c"] = self.control_middle + self.control_unit * raw["c_c"]
        if "nu" in raw:
            values["nu"] = _exponential(-raw["nu"])
        for name in self.names:
            if name.startswith("zeta"):
                values[name] = raw[name] * values["nu"]
            elif name in ("omega", "phi"):
                values[name] = _exponential(raw[name])
            elif name == "shift":
                phi = values.get("phi", _exponential(raw["phi"]) if "phi" in raw else 1.0)
                values[name] = raw[name] * self.control_unit * self.size_unit**phi
        return values

    def vector(self, values: Mapping[str, float]) -> FloatArray:
        """Fit vector of physical parameters."""
        nu = values.get("nu", self.fixed.get("nu", 1.0))
        phi = values.get("phi", self.fixed.get("phi", 1.0))
        out = np.empty(len(self.names))
        for row, name in enumerate(self.names):
            value = values[name]
            if name == "c_c":
                out[row] = (value - self.control_middle) / self.control_unit
            elif name == "nu":
                out[row] = -math.log(value)
            elif name in ("omega", "phi"):
                out[row] = math.log(value)
            elif name == "shift":
                out[row] = value / self.control_unit / self.size_unit**phi
            else:
                out[row] = value / nu
        return out

    def holding(self, name: str, value: float) -> ScalingForm:
        """The same form, in the same units, with one free parameter held at a value."""
        names = tuple(other for other in self.names if other != name)
        return replace(self, names=names, fixed={**self.fixed, name: value})

    def jacobian(self, vector: FloatArray) -> FloatArray:
        """d(physical parameters)/d(fit vector), shape (n_name, n_name), by central steps."""
        count = len(self.names)
        out = np.empty((count, count))
        for column in range(count):
            step = 1e-6 * max(1.0, abs(float(vector[column])))
            moved = [vector.copy(), vector.copy()]
            moved[0][column] += step
            moved[1][column] -= step
            high, low = map(self.exponents, moved)
            out[:, column] = [(high[name] - low[name]) / (2 * step) for name in self.names]
        return out

    # --- rescaling ----------------------------------------------------------------------

    def rescale(self, vector: FloatArray, table: ScalingTable, observable: str) -> Rescaled:
        """Rescaled coordinates of all points, with derivatives by the fit vector."""
        values = self.exponents(vector)
        log_size = np.log(table.size / self.size_unit)
        inverse_nu = 1.0 / values["nu"]
        stretch = np.exp(inverse_nu * log_size)
        distance = (table.control - values["c_c"]) / self.control_unit
        fall = np.zeros_like(stretch)
        if self.drift:
            fall = np.exp(-values["phi"] * log_size)
            relative = values["shift"] / self.control_unit / self.size_unit ** values["phi"]
            distance = distance - relative * fall
        zeta = self.zeta(observable)
        log_scale = values[zeta] * inverse_nu * log_size
        log_correction = (
            -values["omega"] * log_size if self.corrections else np.zeros_like(log_size)
        )
        shape = (len(self.names), len(log_size))
        dx, dscale, dcorrection = np.zeros(shape), np.zeros(shape), np.zeros(shape)
        for row, name in enumerate(self.names):
            if name == "c_c":
                dx[row] = -stretch
            elif name == "nu":
                dx[row] = inverse_nu * log_size * stretch * distance
                if zeta in self.fixed:  # zeta/nu moves with nu where zeta is fixed
                    dscale[row] = values[zeta] * inverse_nu * log_size
            elif name == zeta:
                dscale[row] = log_size
            elif name == "omega":
                dcorrection[row] = -values["omega"] * log_size
            elif name == "shift":
                dx[row] = -stretch * fall
            elif name == "phi":
                raw = float(vector[self.names.index("shift")])
                dx[row] = stretch * raw * fall * values["phi"] * log_size
        return Rescaled(stretch * distance, log_scale, log_correction, dx, dscale, dcorrection)

    def zeta(self, observable: str) -> str:
        """Name of the exponent zeta of an observable."""
        return zeta_name(self.observables, observable)

    def shared(self, vector: FloatArray, table: ScalingTable) -> float:
        """Fraction of the points that share their x with another size."""
        x = self.rescale(vector[: len(self.names)], table, self.observables[0]).x
        return shared_fraction(table.size, x)


def make_form(
    table: ScalingTable,
    observables: Sequence[str],
    *,
    fixed: Mapping[str, float] | None = None,
    corrections: bool = False,
    drift: bool = False,
) -> ScalingForm:
    """Build the scaling form for a table.

    Parameters
    ----------
    table : ScalingTable
        The points; they set the units of the fit.
    observables : sequence of str
        Observables that share c_c and nu.
    fixed : mapping, optional
        Parameters held at a value: ``c_c``, ``nu``, ``zeta`` (``zeta_OBSERVABLE`` if there
        are several), ``omega``, ``phi``.
    corrections : bool
        Add N^(-omega) f1(x).
    drift : bool
        Let c_c move as c_c + a N^(-phi).

    Raises
    ------
    AnalysisError
        If a fixed parameter does not belong to the form or has no meaning.
    """
    names = ["c_c", "nu", *(zeta_name(observables, name) for name in observables)]
    names += ["omega"] if corrections else []
    names += ["shift", "phi"] if drift else []
    given = dict(fixed or {})
    for name, value in given.items():
        if name not in names:
            raise AnalysisError(
                f"{name!r} cannot be fixed", where="collapse", remedy=f"choose {', '.join(names)}"
            )
        if not math.isfinite(value) or (name in ("nu", "omega", "phi") and value <= 0):
            raise AnalysisError(
                f"{name} = {value}", where="collapse", remedy="give a finite (positive) value"
            )
    sizes = table.sizes
    return ScalingForm(
        observables=tuple(observables),
        names=tuple(name for name in names if name not in given),
        fixed=given,
        corrections=corrections,
        drift=drift,
        size_unit=float(np.exp(np.log(sizes).mean())),
        control_middle=float(0.5 * (table.control.min() + table.control.max())),
        control_unit=float(np.ptp(table.control)) or 1.0,
    )


def zeta_name(observables: Sequence[str], observable: str) -> str:
    """Name of the exponent zeta of one of the observables: its own if there are several."""
    return "zeta" if len(observables) == 1 else f"zeta_{observable}"


def shared_fraction(size: FloatArray, x: FloatArray) -> float:
    """Fraction of the points whose x lies within the range of x of another size.

    Parameters
    ----------
    size, x : ndarray, shape (n,)
        Size and scaling variable of each point.

    Returns
    -------
    float
        Near 1 for a real collapse; 0 if each size has its own stretch of x, where anything
        collapses.

    Examples
    --------
    >>> import numpy as np
    >>> shared_fraction(np.array([1.0, 1, 2, 2]), np.array([0.0, 1, 0.5, 3]))
    0.5
    """
    sizes = np.unique(size)
    groups = [x[size == value] for value in sizes]
    lows = np.array([group.min() for group in groups])
    highs = np.array([group.max() for group in groups])
    inside_of = (x[:, None] >= lows) & (x[:, None] <= highs) & (size[:, None] != sizes)
    return float(inside_of.any(axis=1).mean())
