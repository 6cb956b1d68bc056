"""The result of a data collapse, with all that is needed to draw it again."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from physbatch.results.chains import chains_dataset, inference_data
from physbatch.results.estimate import Estimate
from physbatch.results.flag import Flag
from physbatch.results.record import Record, result, strict
from physbatch.results.render import (
    Rows,
    estimates_html,
    latex_interval,
    latex_name,
    latex_number,
    latex_table,
    math_symbol,
)
from physbatch.scaling.data_collapse.quality import quality_of
from physbatch.scaling.data_collapse.windows import Window
from physbatch.typing import Dims, FloatArray

_SIZE_NAMES = ("size", "linear_size", "system_size")


@dataclass(frozen=True, eq=False)
class CollapsedPoints:
    """Points of one observable on the scaling plot, in physical units."""

    main_dim: ClassVar[str] = "point"
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


@dataclass(frozen=True, eq=False)
class PlainParameter:
    """A parameter of the plain form in the chosen window, with its statistical error."""

    name: str
    value: float
    stderr: float
    low68: float
    high68: float


@result("collapse")
@dataclass(frozen=True, eq=False, repr=False)
class Collapse(Record):
    """Exponents of a data collapse.

    Attributes
    ----------
    parameters : mapping of name to Estimate
        Free exponents: c_c, nu, zeta, omega ...; nu refers to the size column.
    plain : tuple of PlainParameter
        The same from the plain form in the chosen window. Points and curve are drawn with it.
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
        Covariance of `plain`; its diagonal holds the squares of their standard errors.
    method : str
        ``gp``, ``spline``, ``polynomial`` or ``local-linear``; for the last, chi2/dof is S, and
        dof the number of independent terms in it.
    orders : mapping
        Orders n1, n2 and m of the polynomial of lowest AIC, whose chi2 and dof are stated; empty
        for other methods.
    named : mapping
        beta or gamma and their ratios to nu (``beta``, ``beta_over_nu``), if they were named.
    form : str
        The form of scaling: ``power``, ``kt`` ...
    x_label, y_labels : str, tuple of str
        The axes of the scaling plot in plain text, y for each observable.
    samples : ndarray, shape (n_sample, n_parameter)
        Samples of the posterior or the bootstrap where errors come from them, else empty.
    chains : int
        Of a posterior: sample i is of chain i % chains. Else 0.
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
    form: str = "power"
    x_label: str = ""
    y_labels: tuple[str, ...] = ()
    plain: tuple[PlainParameter, ...] = ()
    orders: Mapping[str, int] = field(default_factory=dict)
    chains: int = 0

    def __repr__(self) -> str:
        stated = (f"{name} = {estimate}" for name, estimate in self._written().items())
        fixed = (f"{name} = {value:g} (fixed)" for name, value in self.fixed.items())
        head = f"Collapse of {', '.join(self.observables)}: {', '.join(stated)}"
        head = ", ".join([head, *fixed])
        return "\n".join(
            [head, *(f"  {line}" for line in self._summary()), *(f"  ! {f}" for f in self.flags)]
        )

    def _summary(self) -> list[str]:
        """The form, the goodness of fit and the starts, a line each."""
        accepted = sum(fit.accepted for fit in self.windows)
        formula = (
            f"y = {self.size_name}^(zeta/nu) f({self.size_name}^(1/nu) "
            f"({self.control_name} - c_c)), nu per {self.dimension}"
        )
        if self.form != "power":
            formula = f"form {self.form}: {', '.join(self.y_labels)} = f({self.x_label})"
        return [
            formula,
            f"{self._plain_text}{self.goodness_text}; "
            f"{self.size_name} >= {self.window.size_min:g}, "
            f"{100 * self.window.fraction:.0f} % of the points nearest to c_c",
            f"{self.starts_agreed} of {self.starts_tried} starts agree; "
            f"{accepted} of {len(self.windows)} windows accepted{self._orders_text}",
        ]

    @property
    def _orders_text(self) -> str:
        orders = ", ".join(f"{name} = {order}" for name, order in self.orders.items())
        return f"; polynomial of {orders}" if orders else ""

    @property
    def _plain_text(self) -> str:
        """The fit of the plain form, with statistical errors; empty where it is what is stated."""
        if not any(math.isfinite(estimate.stated) for estimate in self.parameters.values()):
            return ""
        fits = (f"{fit.name} = {Estimate(fit.value, fit.stderr)}" for fit in self.plain)
        return f"plain form, statistical errors: {', '.join(fits)}; "

    def _written(self) -> dict[str, Estimate]:
        """The estimates under their names in texts: beta/nu for beta_over_nu."""
        return {name.replace("_over_nu", "/nu"): e for name, e in self.stated().items()}

    @property
    def goodness_text(self) -> str:
        """chi^2 over its degrees of freedom, for method local-linear S, with its p-value."""
        label, goodness = self._goodness()
        return f"{label} = {goodness}, p = {self.p_value:.2g}"

    @property
    def identifiable(self) -> bool:
        """Whether the data determine c_c and every free exponent; if not, a flag says why."""
        return all(math.isfinite(estimate.value) for estimate in self.parameters.values())

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
        if "_over_nu" in parameter:
            above = self.symbol(parameter.replace("_over_nu", "", 1))
            return rf"{above}/\nu" if above else ""
        greek, _, rest = parameter.partition("_")
        if rest and greek in ("zeta", "beta", "gamma"):
            observable = math_symbol(rest)
            return rf"\{greek}_{{{observable}}}" if observable else ""
        return math_symbol(parameter)

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
            {
                **super().to_json(),
                "method": self.method,
                "form": self.form,
                "orders": dict(self.orders),
                "fixed": dict(self.fixed),
            }
        )
        return document

    def to_inference_data(self) -> Any:
        """The posterior for ArviZ: its InferenceData, or from its version 1 on a tree.

        Raises
        ------
        physbatch.errors.AnalysisError
            If there is no ArviZ, or the errors are not those of ``errors="posterior"``.
        """
        names, library = [fit.name for fit in self.plain], {"inference_library": "emcee"}
        return inference_data(chains_dataset(self.samples, self.chains, names, library))

    # --- report, LaTeX, HTML ------------------------------------------------------------

    def report(self) -> str:
        """All numbers as text, in the manner of lmfit: parameters, correlations, windows."""
        extra = ["with corrections to scaling"] if self.corrections else []
        extra += ["with a drift of c_c"] if self.drift else []
        parts: list[tuple[str, Sequence[str]]] = [
            (
                "Collapse",
                [f"observables  {', '.join(self.observables)}", *self._summary(), *extra],
            ),
            ("Parameters", _aligned(self._parameter_rows())),
            ("Correlations (those below 0.1 are left out)", _aligned(self._correlation_rows())),
            ("Windows (*: chosen; -: rejected)", _aligned(self._window_rows())),
            ("Flags", self.flags),
        ]
        return "\n".join(
            "\n".join([f"[[{title}]]", *(f"    {line}" for line in lines)])
            for title, lines in parts
            if lines
        )

    def _parameter_rows(self) -> Rows:
        rows = []
        for name, e in self._written().items():
            first, second = e.stderr, f"+/- {e.systematic:.2g} (systematic)" if e.systematic else ""
            if math.isfinite(e.stated):
                first, second = e.stated, f"(statistical, plain form: {e.stderr:.2g})"
            percent = f"({100 * first / abs(e.value):.2g} %)" if first < abs(e.value) else ""
            rows.append((f"{name}:", f"{e.value:.8g}", f"+/- {first:.3g}", percent, second))
        fixed = self.fixed.items()
        return rows + [(f"{name}:", f"{value:.8g}", "(fixed)", "", "") for name, value in fixed]

    def _correlation_rows(self) -> Rows:
        names, matrix = list(self.parameters), self.correlation
        pairs = zip(*np.triu_indices(len(names), 1), strict=True)
        strong = [(int(i), int(j)) for i, j in pairs if abs(matrix[i, j]) >= 0.1]
        strong.sort(key=lambda pair: -abs(matrix[pair]))
        return [(f"C({names[i]}, {names[j]})", f"= {matrix[i, j]:+.3f}") for i, j in strong]

    def _window_rows(self) -> Rows:
        names = list(self.parameters)
        rows = [("", f"{self.size_name} >=", "points", "of all", "chi2/dof", "p", *names)]
        for fit in self.windows:
            mark = "*" if fit.window == self.window else "" if fit.accepted else "-"
            share = f"{100 * fit.window.fraction:.0f} %"
            goodness = f"{fit.chi2:.4g}/{fit.dof:.4g}"
            numbers = (str(Estimate(fit.values[name], fit.errors[name])) for name in names)
            lead = (mark, f"{fit.window.size_min:g}", str(fit.points), share, goodness)
            rows.append((*lead, f"{fit.p_value:.2g}", *numbers))
        return rows if self.windows else []

    def _goodness(self) -> tuple[str, str]:
        if self.method == "local-linear":
            return "S", f"{self.quality:.3g}"
        return "chi2/dof", f"{self.chi2:.4g}/{self.dof:.4g}"

    def to_latex(self) -> str:
        """Parameters with errors as a LaTeX table; it needs the package booktabs."""
        rows = [
            (latex_name(self.symbol(name), name), latex_number(e), latex_interval(e))
            for name, e in self.stated().items()
        ]
        rows += [
            (latex_name(self.symbol(name), name), f"${value:g}$ (fixed)", "")
            for name, value in self.fixed.items()
        ]
        label, goodness = self._goodness()
        last = [
            ("$S$" if label == "S" else r"$\chi^2/\mathrm{dof}$", f"${goodness}$", ""),
            (
                f"smallest {latex_name(self.size_symbol, self.size_name)}",
                f"${self.window.size_min:g}$",
                "",
            ),
        ]
        header = ("parameter", "value", r"68\,\% interval")
        return latex_table(header, rows, last, self.flags)

    def _repr_html_(self) -> str:
        """The parameters as an HTML table, every text escaped."""
        fixed = [(name, f"{value:g} (fixed)") for name, value in self.fixed.items()]
        label, goodness = self._goodness()
        return estimates_html(
            f"Collapse of {', '.join(self.observables)}",
            self._written(),
            [*fixed, (label, f"{goodness} (p = {self.p_value:.2g})")],
            self.flags,
        )


def _aligned(rows: Rows) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
