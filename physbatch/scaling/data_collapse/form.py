"""A form of scaling: how points (size, control) are rescaled onto a master curve.

What every form can do is said by `ScalingForm`; the forms themselves are in
`physbatch.scaling.data_collapse.forms`. Fits work with numbers of order one, the fit vector:
sizes relative to their geometric mean, controls relative to their range, positive parameters by
their logarithms. A form translates, and gives the derivatives.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple, Self, TypedDict

import numpy as np

from physbatch.tables.table import ScalingTable
from physbatch.typing import FloatArray

#: A collapse whose sizes share less of x than this is none.
LEAST_SHARED = 0.6


class Rescaled(NamedTuple):
    """Rescaled coordinates of the points of one observable, and their derivatives.

    Attributes
    ----------
    x : ndarray, shape (n,)
        Relative scaling variable.
    log_scale : ndarray, shape (n,)
        ln of the factor N^(zeta/nu), or what stands for it.
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


class Levels(NamedTuple):
    """Values of an observable at some control, one for each size."""

    sizes: FloatArray
    values: FloatArray

    @property
    def slope(self) -> float:
        """zeta/nu if that control were c_c: slope of ln|y| against ln N; 0 where a value is 0."""
        if not self.values.all():
            return 0.0
        slope = np.polyfit(np.log(self.sizes), np.log(np.abs(self.values)), 1)[0]
        return float(np.clip(slope, -5, 5))


class Labels(NamedTuple):
    """How the two axes of the scaling plot are called, in plain text."""

    x: str
    y: str


@dataclass(frozen=True, eq=False, kw_only=True)
class ScalingForm(ABC):
    """Which parameters are free, and the units in which they are fitted.

    Attributes
    ----------
    kind : str
        Name of the form: ``power``, ``kt`` ...
    observables : tuple of str
        Observables that share c_c and the stretch of x; each has its own exponent.
    names : tuple of str
        Names of the free parameters, in the order of the fit vector.
    fixed : mapping
        Values of the others.
    corrections, drift : bool
        Whether the form has corrections to scaling, and a drift of c_c.
    logarithm : bool
        Whether ln y scales rather than y.
    """

    kind: str
    observables: tuple[str, ...]
    names: tuple[str, ...]
    fixed: Mapping[str, float]
    size_unit: float
    control_middle: float
    control_unit: float
    corrections: bool = False
    drift: bool = False
    logarithm: bool = False

    # --- between fit vector and parameters ----------------------------------------------

    @abstractmethod
    def exponents(self, vector: FloatArray) -> dict[str, float]:
        """Physical parameters of a fit vector: c_c, nu, zeta_OBSERVABLE, omega, ..."""

    @abstractmethod
    def vector(self, values: Mapping[str, float]) -> FloatArray:
        """Fit vector of physical parameters."""

    @property
    @abstractmethod
    def bounds(self) -> tuple[tuple[float, float], ...]:
        """Ends of the range of each number of the fit vector."""

    @abstractmethod
    def allowed(self, name: str, value: float) -> bool:
        """Whether a parameter may have a value."""

    @abstractmethod
    def allowed_text(self, name: str) -> str:
        """Which values a parameter may have, in words."""

    def without_corrections(self) -> Self:
        """The same form, in the same units, without corrections to scaling."""
        names = tuple(name for name in self.names if name != "omega")
        fixed = {name: value for name, value in self.fixed.items() if name != "omega"}
        return replace(self, names=names, fixed=fixed, corrections=False)

    def with_corrections(self) -> Self:
        """The same form, in the same units, with corrections to scaling of a free omega."""
        return replace(self, names=(*self.names, "omega"), corrections=True)

    def holding(self, name: str, value: float) -> Self:
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

    # --- starts -------------------------------------------------------------------------

    @abstractmethod
    def columns(self) -> Sequence[Mapping[str, float]]:
        """Values of the parameters beside c_c that a map of the likelihood tries."""

    @abstractmethod
    def completed(
        self, values: Mapping[str, float], levels: Mapping[str, Levels]
    ) -> dict[str, float]:
        """All parameters, from some and the values of each observable at their c_c."""

    # --- rescaling ----------------------------------------------------------------------

    @abstractmethod
    def rescale(self, vector: FloatArray, table: ScalingTable, observable: str) -> Rescaled:
        """Rescaled coordinates of all points, with derivatives by the fit vector."""

    @abstractmethod
    def units(self, vector: FloatArray, observable: str) -> tuple[float, float]:
        """Unit of the relative x, and ln of that of the scale, which `rescale` leaves out."""

    @abstractmethod
    def labels(self, table: ScalingTable, observable: str) -> Labels:
        """What the axes of the scaling plot are; y is f(x)."""

    def applies(self, table: ScalingTable) -> bool:
        """Whether the form can be fitted to this part of the table for which it was made."""
        return True

    def prepared(self, table: ScalingTable) -> ScalingTable:
        """The table as the fit takes it: a form may ask for ln y, or have a background."""
        return table

    def widened(self, table: ScalingTable) -> ScalingTable:
        """A table with the backgrounds of the form as correlated noise, if it has any."""
        return table

    def free_terms(self, table: ScalingTable) -> FloatArray:
        """Curves (columns), any multiples of which are added to each observable: a background."""
        return np.empty((len(table.size), 0))

    def shared(self, vector: FloatArray, table: ScalingTable) -> float:
        """Fraction of the points that share their x with another size."""
        x = self.rescale(vector[: len(self.names)], table, self.observables[0]).x
        return shared_fraction(table.size, x)


class Measures(TypedDict):
    """The units in which a form is fitted."""

    size_unit: float
    control_middle: float
    control_unit: float


def measures_of(table: ScalingTable) -> Measures:
    """Geometric mean of the sizes; middle and range of the controls."""
    return Measures(
        size_unit=float(np.exp(np.log(table.sizes).mean())),
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
