"""A number with its errors, in the notation of the field."""

from __future__ import annotations

import math
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from physbatch.results.flag import Flag, bracketed


@dataclass(frozen=True)
class Estimate:
    """A number with its errors.

    ``str`` gives it in the notation of the field: ``13.04(5)`` is 13.04 +- 0.05. The error carries
    two digits if its three leading digits are below 355 and one if not (the rule of the Particle
    Data Group, doi 10.1103/PhysRevD.110.030001, section 5.3); the value is cut at the same place. A
    second pair of brackets is the systematic error, in units of the same last digit:
    ``13.04(5)(12)``. Where one total error is `stated` it stands alone: ``2.2690(12)``. An error
    above 1 keeps its decimal point, ``13.0(1.2)``; ``(?)`` stands for an error that is not known.
    ``repr`` adds the names of the flags. ``float(estimate)``, format codes such as
    ``f"{estimate:.3f}"`` and comparisons such as ``estimate < 3`` take the value alone.

    Attributes
    ----------
    value : float
        The estimate; nan where the data do not give one (a flag then says why).
    stderr : float
        Statistical error, one standard deviation; nan where there is none.
    systematic : float
        Spread over equally admissible choices (fit forms, windows); 0 if there was no choice.
    interval68 : tuple of float
        Central 68 % interval (statistical; of the total error where that is `stated`).
    stated : float
        The one error to quote, where it is found as a whole and not as a sum of two; nan where
        it is that sum. `total` is the error to quote in either case.
    flags : tuple of Flag
        Each ``name: explanation`` says where the fit failed, hit a bound or lacked data.

    Examples
    --------
    >>> from physbatch.results.flags import M_C_ABOVE_GRID
    >>> Estimate(13.0412, 0.0532)
    13.04(5)
    >>> Estimate(13.0412, 0.0532, systematic=0.12)
    13.04(5)(12)
    >>> Estimate.of_total(2.26903, 0.00123, stderr=0.0004)
    2.2690(12)
    >>> f"{Estimate(13.0412, 0.0532):.1f}", Estimate(13.0412) < 14, Estimate(2.0, 0.1).ufloat() ** 2
    ('13.0', True, 4.0+/-0.4)
    >>> Estimate(float("nan"), flags=(M_C_ABOVE_GRID("no success up to m = 16"),))
    nan [m_c_above_grid]
    """

    value: float
    stderr: float = float("nan")
    systematic: float = 0.0
    interval68: tuple[float, float] = (float("nan"), float("nan"))
    flags: tuple[Flag, ...] = ()
    stated: float = float("nan")

    @classmethod
    def of_total(
        cls,
        value: float,
        total: float,
        *,
        stderr: float = float("nan"),
        flags: tuple[Flag, ...] = (),
    ) -> Estimate:
        """A number with one total error, beside it the statistical part of a plain fit.

        The systematic error is sqrt(max(0, total^2 - stderr^2)), all of it without a `stderr`.
        """
        part = stderr if math.isfinite(stderr) else 0.0
        systematic = math.sqrt(max(0.0, total**2 - part**2)) if math.isfinite(total) else 0.0
        interval = (value - total, value + total)
        return cls(value, stderr, systematic, interval, flags, total)

    def __post_init__(self) -> None:
        if self.flags:  # words of a user are flags of no listed kind
            object.__setattr__(self, "flags", tuple(map(Flag.read, self.flags)))

    def __str__(self) -> str:
        if math.isfinite(self.stated):
            return _notation(self.value, self.stated, 0.0)
        return _notation(self.value, self.stderr, self.systematic)

    def __repr__(self) -> str:
        return f"{self}{bracketed(self.flags)}"

    def __float__(self) -> float:
        return float(self.value)

    def __format__(self, code: str) -> str:
        return format(self.value, code) if code else str(self)

    def __lt__(self, other: float | Estimate) -> bool:
        return self.value < float(other)

    def __le__(self, other: float | Estimate) -> bool:
        return self.value <= float(other)

    def __gt__(self, other: float | Estimate) -> bool:
        return self.value > float(other)

    def __ge__(self, other: float | Estimate) -> bool:
        return self.value >= float(other)

    @property
    def total(self) -> float:
        """The error to quote: `stated`, or statistical and systematic error in quadrature."""
        if math.isfinite(self.stated):
            return self.stated
        return math.hypot(self.stderr, self.systematic)

    def ufloat(self) -> Any:
        """The number with its total error for the package uncertainties, which propagates it."""
        from uncertainties import ufloat  # only those who calculate further need it

        return ufloat(self.value, self.total)


def _error_digits(error: float) -> tuple[float, int]:
    """Error rounded by the rule of the Particle Data Group, and its last decimal place."""
    exponent = math.floor(math.log10(error))
    leading = round(error / 10.0 ** (exponent - 2))  # three digits, 100 to 1000
    if leading >= 950:
        return 10.0 ** (exponent + 1), -exponent
    places = 1 - exponent if leading < 355 else -exponent
    return round(error, places), places


def _fixed(number: float, places: int) -> str:
    return f"{round(number, places):.{max(places, 0)}f}"


def _bracket(error: float, places: int) -> str:
    """An error in units of the last digit, or with its point if it is above 1."""
    if not math.isfinite(error):
        return f"({'?' if math.isnan(error) else 'inf'})"
    rounded = round(error, places)
    if places > 0 and rounded < 1.0:
        return f"({round(rounded * 10.0**places)})"
    return f"({_fixed(error, places)})"


def _notation(value: float, stderr: float, systematic: float) -> str:
    if not math.isfinite(value):
        return f"{value:g}"
    extra = systematic if systematic != 0.0 else None
    reference = stderr if math.isfinite(stderr) and stderr > 0.0 else extra
    if reference is None or not math.isfinite(reference) or reference <= 0.0:
        head = "(0)" if stderr == 0.0 else _bracket(stderr, 0)
        return f"{value:.6g}{head}{'' if extra is None else _bracket(extra, 0)}"
    if reference < 1e-15 * abs(value):  # below the last digit of the value
        return f"{value:.15g}(0)"
    power = math.floor(math.log10(max(abs(value), reference)))
    if power >= 7 or power <= -6:  # too long to read without an exponent
        shifted = (float(Decimal(x).scaleb(-power)) for x in (value, stderr, systematic))
        return f"{_notation(*shifted)}e{power:+03d}"
    rounded, places = _error_digits(reference)
    head = "(0)" if stderr == 0.0 else _bracket(rounded if reference == stderr else stderr, places)
    tail = "" if extra is None else _bracket(extra, places)
    return f"{_fixed(value, places)}{head}{tail}"
