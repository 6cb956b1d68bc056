"""The result of a data collapse, with all that is needed to draw it again."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from physbatch.results.estimate import Estimate
from physbatch.results.flag import Flag
from physbatch.results.record import Record, result, strict
from physbatch.scaling.data_collapse.quality import quality_of
from physbatch.scaling.data_collapse.windows import Window
from physbatch.typing import Dims, FloatArray

__all__ = ["Collapse", "CollapsedPoints", "MasterCurve", "WindowFit", "math_symbol"]


#: Names that the field writes with another letter, and letters of the scaling form.
_SYMBOLS = {
    "batch_size": "m",
    "batch_ratio": "(m/N)",
    "temperature": "T",
    "control": "c",
    "shift": "a",
}
_SIZE_NAMES = ("size", "linear_size", "system_size")
_GREEK = re.compile(
    "alpha|beta|gamma|delta|epsilon|zeta|eta|theta|kappa|lambda|mu|nu|xi|rho|sigma|tau|phi|chi|"
    "psi|omega"
)
_PLAIN_NAME = re.compile(r"[A-Za-z][A-Za-z0-9]*(_[A-Za-z0-9]+)*", re.ASCII)


def math_symbol(name: str) -> str:
    """Math of a name for LaTeX and matplotlib, without dollar signs; empty for odd names.

    Examples
    --------
    >>> math_symbol("T"), math_symbol("beta"), math_symbol("abs_m"), math_symbol("|m|")
    ('T', '\\\\beta', '\\\\mathrm{abs\\\\_m}', '')
    """
    if name in _SYMBOLS:
        return _SYMBOLS[name]
    if _GREEK.fullmatch(name):
        return f"\\{name}"
    if not _PLAIN_NAME.fullmatch(name):
        return ""
    return name if len(name) == 1 else rf"\mathrm{{{name.replace('_', chr(92) + '_')}}}"


@dataclass(frozen=True, eq=False)
class CollapsedPoints:
    """Points of one observable on the scaling plot, in physical units."""

    dims: ClassVar[Dims] = dict.fromkeys(
        ("size", "x", "y", "error", "residual", "correction"), ("point",)
    )
    key: ClassVar[str] = "observable"

    observable: str
    size: FloatArray
    x: FloatArray  # N^(1/nu) (c - c_c)
    y: FloatArray  # N^(-zeta/nu) y
    error: FloatArray
    residual: FloatArray  # (y - curve)/error
    # N^(-omega) f1(x), what the corrections to scaling add to the master curve at the points
    correction: FloatArray = field(default_factory=lambda: np.empty(0))

    def __post_init__(self) -> None:
        if self.correction.shape != self.y.shape:
            object.__setattr__(self, "correction", np.zeros(self.y.shape))

    @property
    def leading(self) -> FloatArray:
        """The points without their corrections to scaling: what falls onto the master curve."""
        return self.y - self.correction


@dataclass(frozen=True, eq=False)
class MasterCurve:
    """Master curve f0 of one observable with its standard deviation."""

    dims: ClassVar[Dims] = dict.fromkeys(("x", "y", "band"), ("point",))
    key: ClassVar[str] = "observable"

    observable: str
    x: FloatArray
    y: FloatArray
    band: FloatArray


@dataclass(frozen=True, eq=False)
class WindowFit:
    """One window of the scan."""

    window: Window
    values: Mapping[str, float]
    errors: Mapping[str, float]
    points: int
    chi2: float
    dof: float
    p_value: float
    accepted: bool


@result("collapse")
@dataclass(frozen=True, eq=False, repr=False)
class Collapse(Record):
    """Exponents of a data collapse.

    Attributes
    ----------
    parameters : mapping of name to Estimate
        Free exponents: c_c, nu, zeta, omega ...; nu refers to the size column.
    fixed : mapping
        Those that were held.
    chi2, dof, p_value : float
        Goodness of fit in the chosen window.
    window, windows
        The chosen window, and all that were tried.
    starts_tried, starts_agreed : int
        How many starts were climbed, and how many reached the same optimum.
    points, curve : tuple
        The collapsed points and the master curve of each observable.
    covariance : ndarray
        Covariance of `parameters`, in their order.
    method : str
        ``gp``, ``spline`` or ``local-linear``; for the last, chi2/dof is S, and dof the number
        of independent terms in it.
    named : mapping
        beta or gamma and their ratios to nu (``beta``, ``beta_over_nu``), if they were named.
    samples : ndarray, shape (n_sample, n_parameter)
        Samples of the posterior or the bootstrap where errors come from them, else empty.
    """

    dims: ClassVar[Dims] = {
        "parameters": ("parameter",),
        "covariance": ("parameter", "parameter_other"),
        "samples": ("sample", "parameter"),
    }

    parameters: Mapping[str, Estimate]
    fixed: Mapping[str, float]
    observables: tuple[str, ...]
    chi2: float
    dof: float
    p_value: float
    window: Window
    windows: tuple[WindowFit, ...]
    starts_tried: int
    starts_agreed: int
    points: tuple[CollapsedPoints, ...]
    curve: tuple[MasterCurve, ...]
    covariance: FloatArray
    size_name: str
    control_name: str
    dimension: str
    corrections: bool
    flags: tuple[Flag, ...] = ()
    method: str = "gp"
    named: Mapping[str, Estimate] = field(default_factory=dict)
    samples: FloatArray = field(default_factory=lambda: np.empty((0, 0)))

    def __repr__(self) -> str:
        stated = {**self.parameters, **self.named}
        head = ", ".join(
            f"{name.replace('_over_nu', '/nu')} = {estimate}" for name, estimate in stated.items()
        )
        held = ", ".join(f"{name} = {value:g} (fixed)" for name, value in self.fixed.items())
        lines = [
            f"Collapse of {', '.join(self.observables)}: {head}{', ' + held if held else ''}",
            f"  y = {self.size_name}^(zeta/nu) f({self.size_name}^(1/nu) "
            f"({self.control_name} - c_c)), nu per {self.dimension}",
            f"  {self.goodness_text}; "
            f"{self.size_name} >= {self.window.size_min:g}, "
            f"{100 * self.window.fraction:.0f} % of the points nearest to c_c",
            f"  {self.starts_agreed} of {self.starts_tried} starts agree; "
            f"{sum(one.accepted for one in self.windows)} of {len(self.windows)} windows accepted",
        ]
        return "\n".join([*lines, *(f"  ! {flag}" for flag in self.flags)])

    @property
    def goodness_text(self) -> str:
        """chi^2 over its degrees of freedom, for method local-linear S, with its p-value."""
        if self.method == "local-linear":
            return f"S = {self.quality:.3g}, p = {self.p_value:.2g}"
        return f"chi2/dof = {self.chi2:.4g}/{self.dof:.4g}, p = {self.p_value:.2g}"

    @property
    def identifiable(self) -> bool:
        """Whether the data determine c_c and every free exponent; if not, a flag says why."""
        return all(math.isfinite(one.value) for one in self.parameters.values())

    @property
    def correlation(self) -> FloatArray:
        """Correlation matrix of `parameters`, in their order; nan where there are no errors."""
        error = np.sqrt(np.where(np.diag(self.covariance) > 0, np.diag(self.covariance), np.nan))
        return np.asarray(self.covariance / np.outer(error, error), dtype=np.float64)

    @property
    def drift(self) -> bool:
        """Whether c_c moves with the size."""
        return "shift" in self.parameters or "shift" in self.fixed

    @property
    def size_symbol(self) -> str:
        """Math of the size; empty for odd names."""
        return self.dimension if self.size_name in _SIZE_NAMES else math_symbol(self.size_name)

    @property
    def control_symbol(self) -> str:
        """Math of the control; empty for odd names."""
        return math_symbol(self.control_name)

    def symbol(self, parameter: str) -> str:
        """Math of a parameter, e.g. ``T_c`` or ``\\zeta_{U}``; empty for odd names."""
        if parameter == "c_c":
            return f"{self.control_symbol or 'c'}_c"
        if parameter.endswith("_over_nu"):
            above = self.symbol(parameter.removesuffix("_over_nu"))
            return rf"{above}/\nu" if above else ""
        greek, _, rest = parameter.partition("_")
        if rest and greek in ("zeta", "beta", "gamma"):
            observable = math_symbol(rest)
            return rf"\{greek}_{{{observable}}}" if observable else ""
        return math_symbol(parameter)

    def report(self) -> str:
        """All numbers as text, in the manner of lmfit: parameters, correlations, windows."""
        from physbatch.scaling.data_collapse.text import collapse_report

        return collapse_report(self)

    def stated(self) -> dict[str, Estimate]:
        """The estimates by their names: parameters, then exponents that follow from them."""
        return {**self.parameters, **self.named}

    def to_latex(self) -> str:
        """Parameters with errors as a LaTeX table; it needs the package booktabs."""
        from physbatch.scaling.data_collapse.text import collapse_latex

        return collapse_latex(self)

    def _repr_html_(self) -> str:
        from physbatch.scaling.data_collapse.text import collapse_html

        return collapse_html(self)

    @property
    def quality(self) -> float:
        """S of Houdayer and Hartmann at these exponents, averaged over the observables.

        nan if the result holds no points.
        """
        if not self.points:
            return math.nan
        return float(np.mean([quality_of(p.size, p.x, p.y, p.error) for p in self.points]))

    def goodness(self) -> dict[str, Any]:
        """Goodness of fit in the chosen window, and which window that is."""
        return {
            "chi2": self.chi2,
            "dof": self.dof,
            "p_value": self.p_value,
            "S": self.quality,
            "size_min": self.window.size_min,
            "fraction": self.window.fraction,
            "identifiable": self.identifiable,
        }

    def to_json(self) -> dict[str, Any]:
        """Strict JSON in the shape of every result, with what was held fixed."""
        document: dict[str, Any] = strict(
            {**super().to_json(), "method": self.method, "fixed": dict(self.fixed)}
        )
        return document
