"""Results: small frozen dataclasses with a readable repr, a dataset form and flags."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from physbatch.results.display import HtmlTable
from physbatch.results.estimate import Estimate
from physbatch.results.flag import Flag, bracketed
from physbatch.scaling.laws.power_laws import Law, law_of_text
from physbatch.typing import FloatArray, IntArray

__all__ = [
    "Analysis",
    "Extrapolation",
    "Jump",
    "SuccessCurve",
    "TimeDrift",
    "late_drift",
]


def _empty() -> FloatArray:
    return np.empty(0)


@dataclass(frozen=True, eq=False)
class SuccessCurve(HtmlTable):
    """Fit of the success probability against the control at one size and one run time.

    P(c) = 1 / (1 + exp(-(c - m_c) / width)).
    """

    size: float
    time: float
    control: FloatArray  # shape (n_control,)
    successes: IntArray  # shape (n_control,)
    trials: IntArray  # shape (n_control,)
    m_c: Estimate  # where half of the replicas have succeeded
    width: Estimate
    deviance: float
    dof: int
    flags: tuple[Flag, ...] = ()
    p_value: float = float("nan")  # of the deviance, if the logistic holds

    def __repr__(self) -> str:
        return (
            f"SuccessCurve(N = {self.size:g}, t = {self.time:g}: m_c = {self.m_c}, "
            f"width = {self.width}, deviance/dof = {self.deviance:.3g}/{self.dof})"
            f"{bracketed(self.flags)}"
        )

    @property
    def fraction(self) -> FloatArray:
        """Fraction of replicas that succeeded, shape (n_control,); nan without trials."""
        trials = np.where(self.trials > 0, self.trials, np.nan)
        return np.asarray(self.successes / trials, dtype=np.float64)

    @property
    def fraction_interval(self) -> tuple[FloatArray, FloatArray]:
        """Ends of the 68 % Wilson score interval of `fraction`, each shape (n_control,).

        It has a width also where no replica or every replica succeeded
        (doi 10.1080/01621459.1927.10502953).
        """
        trials = np.where(self.trials > 0, self.trials, np.nan)
        centre = (self.fraction + 0.5 / trials) / (1.0 + 1.0 / trials)
        spread = np.sqrt(self.fraction * (1.0 - self.fraction) / trials + 0.25 / trials**2)
        half = spread / (1.0 + 1.0 / trials)
        return np.maximum(centre - half, 0.0), np.minimum(centre + half, 1.0)

    @property
    def bracket(self) -> tuple[float, float] | None:
        """The last control with less than half and the first with more, where they do not mix."""
        below = self.control[self.fraction < 0.5]
        above = self.control[self.fraction > 0.5]
        if not (below.size and above.size and below.max() < above.min()):
            return None
        return float(below.max()), float(above.min())

    @property
    def resolved(self) -> bool:
        """Whether the fit gave a curve with a width."""
        known = (self.m_c.value, self.width.value, self.width.stderr)
        return all(map(math.isfinite, known)) and self.width.value > 0.0

    def probability(self, control: npt.ArrayLike) -> FloatArray:
        """The fitted P(c), shape of `control`; nan where there is no width."""
        x = (np.asarray(control, dtype=np.float64) - self.m_c.value) / self.width.value
        return np.asarray(0.5 * (1.0 + np.tanh(0.5 * x)), dtype=np.float64)


@dataclass(frozen=True, eq=False)
class TimeDrift(HtmlTable):
    """m_c against run time from the same runs: m_c(t) = m_c(t_ref) + slope ln(t / t_ref)."""

    size: float
    time: FloatArray  # shape (n_time,): the times at which m_c could be fitted
    m_c: FloatArray  # shape (n_time,)
    m_c_stderr: FloatArray  # shape (n_time,)
    slope: Estimate  # per unit of ln t
    flags: tuple[Flag, ...] = ()
    intercept: float = float("nan")  # of the line: m_c at t_ref
    reference_time: float = float("nan")  # t_ref, the last of `time`
    window_start: float = float("nan")  # earliest and latest of the times on the line
    window_end: float = float("nan")

    def __repr__(self) -> str:
        return (
            f"TimeDrift(N = {self.size:g}: {self.slope} per unit of ln t from "
            f"t = {self.window_start:g} to {self.window_end:g}){bracketed(self.flags)}"
        )

    def line(self, time: npt.ArrayLike) -> FloatArray:
        """The fitted m_c(t), shape of `time`."""
        later = np.log(np.asarray(time, dtype=np.float64) / self.reference_time)
        return np.asarray(self.intercept + self.slope.value * later)


@dataclass(frozen=True, eq=False)
class Extrapolation(HtmlTable):
    """A quantity against 1/N, extrapolated to N -> infinity.

    The line of form i is ``form_intercept[i] + form_slope[i] g(N)`` with g the function in
    its name; ``form_limit`` is nan where g has no limit.
    """

    quantity: str
    size: FloatArray
    value: FloatArray
    stderr: FloatArray
    limit: Estimate  # systematic: spread over the fit forms
    forms: tuple[str, ...]  # e.g. ("a + b / N", "a + b / sqrt(N)", "a")
    form_limit: FloatArray  # shape (n_form,)
    form_stderr: FloatArray
    form_slope: FloatArray  # shape (n_form,): b, 0 where the form has none
    form_chi2: FloatArray
    form_dof: IntArray
    flags: tuple[Flag, ...] = ()
    form_intercept: FloatArray = field(default_factory=_empty)  # a, also where there is no limit
    form_weight: FloatArray = field(default_factory=_empty)  # in the average; 0: not used

    def __post_init__(self) -> None:
        for name in ("form_intercept", "form_weight"):
            if getattr(self, name).shape != self.form_limit.shape:
                blank = self.form_limit if name == "form_intercept" else self.form_limit * np.nan
                object.__setattr__(self, name, np.array(blank))

    @property
    def laws(self) -> tuple[Law, ...]:
        """The law of every form."""
        return tuple(map(law_of_text, self.forms))

    def curve(self, size: npt.ArrayLike) -> FloatArray:
        """Every fitted form at some sizes, shape (n_form, n_size); nan where its fit failed."""
        n = np.asarray(size, dtype=np.float64)
        parameters = zip(self.laws, self.form_intercept, self.form_slope, strict=True)
        rows = [form(n, (a, b)[: len(form.parameters)]) for form, a, b in parameters]
        return np.array(rows).reshape(len(rows), n.size)

    def __repr__(self) -> str:
        return (
            f"Extrapolation({self.quantity} = {self.limit} at N -> infinity from "
            f"{self.size.size} sizes){bracketed(self.flags)}"
        )


@dataclass(frozen=True, eq=False)
class Jump(HtmlTable):
    """The two peaks of the overlap near m_c at one size (latent overlap)."""

    size: float
    control: FloatArray  # shape (3,): below, nearest to, and above m_c
    overlap: FloatArray  # shape (3, n_replica): the overlaps at these, to draw histograms
    latent: Estimate  # mean of the upper group - mean of the lower group
    upper: Estimate
    lower: Estimate
    separation: float  # distance of the two means in units of their pooled width
    flags: tuple[Flag, ...] = ()
    chosen: int = -1  # row of `control` whose split is reported; -1: none is bimodal
    threshold: float = float("nan")  # separation above which a split counts as bimodal
    cut: float = float("nan")  # overlap between the two groups
    valley: float = float("nan")  # chance that one peak leaves so few values in between
    coexistence: int = 0  # 1: at one control both right and wrong students are there at the end
    time: float = float("nan")  # the run time at which the overlaps are shown

    def __repr__(self) -> str:
        where = f" at {self.control[self.chosen]:g}" if self.chosen >= 0 else ""
        return (
            f"Jump(N = {self.size:g}{where}: latent overlap = {self.latent}, separation = "
            f"{self.separation:.3g}){bracketed(self.flags)}"
        )


@dataclass(frozen=True, eq=False)
class Analysis:
    """All that `analyse` finds in one dataset."""

    moments: xr.Dataset  # moments over replicas with errors, dims (size, control, time)
    curves: tuple[SuccessCurve, ...]  # one per size, at the last time
    drifts: tuple[TimeDrift, ...]
    jumps: tuple[Jump, ...]
    m_c: Estimate  # N -> infinity at the last time
    jump: Estimate  # N -> infinity
    m_c_extrapolation: Extrapolation | None
    jump_extrapolation: Extrapolation | None
    transition: str  # "claimed" or "not claimed"
    reasons: tuple[str, ...]  # why, in words with numbers
    control_name: str
    control_label: str
    time: float
    time_units: str
    study_hash: str
    source: str
    flags: tuple[Flag, ...] = ()
    provenance: dict[str, str] = field(default_factory=dict)

    def __repr__(self) -> str:
        sizes = ", ".join(f"{curve.size:g}" for curve in self.curves)
        lines = [
            f"Analysis of {self.control_label} at t = {self.time:g} {self.time_units}, N = {sizes}",
            f"  transition: {self.transition}",
            f"  m_c (N -> infinity): {self.m_c!r}",
            f"  latent overlap (N -> infinity): {self.jump!r}",
            *(f"  - {reason}" for reason in self.reasons),
        ]
        return "\n".join(lines)

    def headline(self) -> str:
        """The answer in three lines: m_c with its error and run time, the jump, the verdict."""
        units = self.time_units if self.time == 1 else f"{self.time_units}s"
        symbol = {"batch_size": "m_c", "batch_ratio": "(m/N)_c"}.get(self.control_name, "c_c")
        claimed = self.transition == "claimed"
        verdict = "a transition is claimed" if claimed else "no transition is claimed"
        what = "" if claimed else " (where half succeed)"
        return "\n".join(
            (
                f"{symbol:<8} {self.m_c!r}{what} at N -> infinity, t = {self.time:g} {units}",
                f"jump     {self.jump!r} of the overlap at N -> infinity",
                f"verdict  {verdict}: {self.reasons[0] if self.reasons else 'no evidence'}",
            )
        )

    def to_dataset(self) -> xr.Dataset:
        """The results as a dataset that NetCDF holds; `from_dataset` gives them back exactly.

        The moments keep their names. Every other group has its own dimension (``curve``,
        ``drift``, ``jump``, ...), ragged rows are padded and carry their length in
        ``*_count``, and lists of text are JSON strings.
        """
        from physbatch.scaling.transition.storage import analysis_to_dataset

        return analysis_to_dataset(self)

    @classmethod
    def from_dataset(cls, data: xr.Dataset) -> Analysis:
        """Read what `to_dataset` made.

        Raises
        ------
        physbatch.errors.DatasetError
            If it is not a dataset of results, or damaged.
        """
        from physbatch.scaling.transition.storage import analysis_from_dataset

        return analysis_from_dataset(data)

    def to_json(self) -> dict[str, Any]:
        """The numbers as strict JSON: text, finite numbers, lists, None where there is none."""
        from physbatch.scaling.transition.storage import analysis_to_json

        return analysis_to_json(self)

    def stated(self) -> dict[str, Estimate]:
        """The estimates by their names, in the order in which they are shown."""
        from physbatch.scaling.transition.text import analysis_estimates

        return analysis_estimates(self)

    def to_latex(self) -> str:
        """The numbers as a LaTeX table; it needs the package booktabs."""
        from physbatch.scaling.transition.text import analysis_latex

        return analysis_latex(self)

    def _repr_html_(self) -> str:
        from physbatch.scaling.transition.text import analysis_html

        return analysis_html(self)

    @property
    def largest_known(self) -> SuccessCurve | None:
        """The success curve of the largest size at which m_c is known."""
        known = [curve for curve in self.curves if math.isfinite(curve.m_c.value)]
        return max(known, key=lambda curve: curve.size, default=None)

    @property
    def late_drift(self) -> TimeDrift | None:
        """The drift of the largest size at which it is known at late times."""
        return late_drift(self.drifts)

    def identical(self, other: Analysis) -> bool:
        """Whether every number, text and array is the same (nan equals nan)."""
        return self.to_dataset().identical(other.to_dataset())


def late_drift(drifts: Sequence[TimeDrift]) -> TimeDrift | None:
    """The largest size whose slope is known at late times, where it is known at all.

    Narrow success curves of large sizes are often resolved at early times only.
    """
    known = [
        drift
        for drift in drifts
        if math.isfinite(drift.slope.value) and math.isfinite(drift.slope.stderr)
    ]
    if not known:
        return None
    end = max(drift.window_end for drift in known)
    return [drift for drift in known if drift.window_end >= 0.5 * end][-1]
