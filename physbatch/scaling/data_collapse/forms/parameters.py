"""A parameter of a form: the number that is stated, and the number of order one that is fitted."""

import math
from typing import Literal, NamedTuple

#: Fits that run away may ask for numbers beyond floating point on their way.
_LARGEST = 300.0

Kind = Literal["control", "plain", "inverse", "positive", "below"]


class Parameter(NamedTuple):
    """How a parameter is fitted.

    Attributes
    ----------
    name : str
        What it is called; several observables with a parameter each add theirs to it.
    kind : {"control", "plain", "inverse", "positive", "below"}
        With r the number that is fitted and u the unit, the parameter is: the middle of the
        controls plus r times their range; r; exp(-r); u exp(r); or u exp(-exp r), below u.
    low, high : float
        Bounds of r.
    tries : tuple of float
        Values at which starts are sought; empty where the slope of ln|y| gives it.
    each : bool
        Whether each observable has its own.
    default : float or None
        Its value unless a start is given.
    over : str
        The parameter over which it is fitted: nu, where the fit is for zeta/nu.
    """

    name: str
    kind: Kind
    low: float
    high: float
    tries: tuple[float, ...] = ()
    unit: float = 1.0
    each: bool = False
    default: float | None = None
    over: str = ""

    def value(self, fitted: float) -> float:
        """The parameter, from the number that is fitted.

        Examples
        --------
        >>> round(Parameter("L0", "below", -1.0, 2.0, unit=8.0).value(0.0), 3)
        2.943
        """
        if self.kind in ("plain", "control"):
            return fitted
        if self.kind == "inverse":
            return math.exp(-_bounded(fitted))
        power = math.exp(_bounded(fitted))
        return self.unit * (power if self.kind == "positive" else math.exp(-power))

    def fitted(self, value: float) -> float:
        """The number that is fitted, from the parameter; the inverse of `value`.

        Examples
        --------
        >>> nu = Parameter("nu", "inverse", -3.0, 3.0)
        >>> nu.value(nu.fitted(1.3))
        1.3
        """
        if self.kind in ("plain", "control"):
            return value
        if self.kind == "inverse":
            return -math.log(value)
        if self.kind == "positive":
            return math.log(value / self.unit)
        return math.log(math.log(self.unit / value))

    def slope(self, fitted: float) -> float:
        """Derivative of the parameter by the number that is fitted."""
        if self.kind in ("plain", "control"):
            return 1.0
        value = self.value(fitted)
        if self.kind == "below":
            return -value * math.exp(_bounded(fitted))
        return -value if self.kind == "inverse" else value

    def allowed(self, value: float) -> bool:
        """Whether the parameter may have a value."""
        if not math.isfinite(value):
            return False
        if self.kind in ("inverse", "positive"):
            return value > 0
        return self.kind != "below" or 0 < value < self.unit

    @property
    def allowed_text(self) -> str:
        """Which values it may have, in words."""
        if self.kind == "below":
            return f"a number between 0 and {self.unit:g}"
        return "a number above 0" if self.kind in ("inverse", "positive") else "a finite number"


def omega() -> Parameter:
    """The exponent of corrections to scaling."""
    return Parameter("omega", "positive", -2.5, 2.0, (1.0,))


def _bounded(fitted: float) -> float:
    return min(max(fitted, -_LARGEST), _LARGEST)
