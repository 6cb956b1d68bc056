"""Results: small frozen dataclasses with a readable repr, a dataset form and flags."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import xarray as xr

from physbatch.results.estimate import Estimate
from physbatch.results.flag import Flag, bracketed
from physbatch.results.record import Record, chosen, estimate_json, result, strict
from physbatch.results.render import estimates_html
from physbatch.results.tables import estimate_columns
from physbatch.scaling.laws.extrapolation import Extrapolation
from physbatch.typing import Dims, FloatArray, IntArray

_LONG_NAMES = {
    "m_c": "control at which half of the replicas have succeeded",
    "width": "width of the logistic success curve",
    "jump": "latent overlap: distance of the two peaks of the overlap",
    "drift": "change of m_c per unit of ln(time)",
}


@result("success curve")
@dataclass(frozen=True, eq=False, repr=False)
class SuccessCurve(Record):
    """Fit of the success probability against the control at one size and one run time.

    P(c) = 1 / (1 + exp(-(c - m_c) / width)).
    """

    dims: ClassVar[Dims] = dict.fromkeys(("control", "successes", "trials"), ("point",))
    key: ClassVar[str] = "size"

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


@result("time drift")
@dataclass(frozen=True, eq=False, repr=False)
class TimeDrift(Record):
    """m_c against run time from the same runs: m_c(t) = m_c(t_ref) + slope ln(t / t_ref)."""

    dims: ClassVar[Dims] = dict.fromkeys(("time", "m_c", "m_c_stderr"), ("time",))
    key: ClassVar[str] = "size"

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


@result("jump")
@dataclass(frozen=True, eq=False, repr=False)
class Jump(Record):
    """The two peaks of the overlap near m_c at one size (latent overlap)."""

    dims: ClassVar[Dims] = {"control": ("point",), "overlap": ("point", "replica")}
    key: ClassVar[str] = "size"

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


@result("analysis")
@dataclass(frozen=True, eq=False, repr=False)
class Analysis(Record):
    """All that `analyse` finds in one dataset."""

    stored_names: ClassVar[dict[str, str]] = {"m_c": "m_c_limit", "jump": "jump_limit"}

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
    observable: str = "overlap"  # what has the moments and the two peaks

    def __repr__(self) -> str:
        sizes = ", ".join(f"{curve.size:g}" for curve in self.curves)
        lines = [
            f"Analysis of {self.control_label} at t = {self.time:g} {self.time_units}, N = {sizes}",
            f"  transition: {self.transition}",
            f"  m_c (N -> infinity): {self.m_c!r}",
            f"  latent {self.observable} (N -> infinity): {self.jump!r}",
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
                f"jump     {self.jump!r} of the {self.observable} at N -> infinity",
                f"verdict  {verdict}: {self.reasons[0] if self.reasons else 'no evidence'}",
            )
        )

    def summary(self) -> xr.Dataset:
        """m_c, width, jump and drift of every size, with their errors."""
        curves, jumps, drifts = self.curves, self.jumps, self.drifts
        columns = {
            "m_c": {curve.size: curve.m_c for curve in curves},
            "width": {curve.size: curve.width for curve in curves},
            "jump": {jump.size: jump.latent for jump in jumps},
            "drift": {drift.size: drift.slope for drift in drifts},
        }
        sizes = sorted({size for column in columns.values() for size in column})
        nothing = Estimate(math.nan)
        return xr.Dataset(
            {
                key: ("size", values, {"long_name": _LONG_NAMES[name]} if key == name else {})
                for name, column in columns.items()
                for key, values in estimate_columns(
                    name, [column.get(size, nothing) for size in sizes]
                ).items()
            },
            coords={"size": np.array(sizes, dtype=np.float64)},
        )

    def stated(self) -> dict[str, Estimate]:
        """The limits, then m_c and width of every size and the jump where there is one."""
        rows = {"m_c (N -> infinity)": self.m_c, "jump (N -> infinity)": self.jump}
        for curve in self.curves:
            rows[f"m_c (N = {curve.size:g})"] = curve.m_c
            rows[f"width (N = {curve.size:g})"] = curve.width
        for jump in self.jumps:
            rows[f"jump (N = {jump.size:g})"] = jump.latent
        return rows

    def __getitem__(self, name: str) -> Estimate:
        """``m_c`` and ``jump`` at N -> infinity, or an estimate by the name in `stated`."""
        return chosen(self, {"m_c": self.m_c, "jump": self.jump, **self.stated()}, name)

    def to_json(self) -> dict[str, Any]:
        """The numbers as strict JSON: text, finite numbers, lists, None where there is none."""
        drifts = {drift.size: drift for drift in self.drifts}
        jumps = {jump.size: jump for jump in self.jumps}
        fitted = [curve for curve in self.curves if math.isfinite(curve.deviance)]
        document: dict[str, Any] = strict(
            {
                **super().to_json(),
                "parameters": {"m_c": estimate_json(self.m_c), "jump": estimate_json(self.jump)},
                "goodness": {
                    "deviance": sum(curve.deviance for curve in fitted),
                    "dof": sum(curve.dof for curve in fitted),
                    "m_c_forms": _forms(self.m_c_extrapolation),
                    "jump_forms": _forms(self.jump_extrapolation),
                },
                "flags": list(self.flags),
                "per_size": [
                    _size_row(curve, drifts.get(curve.size), jumps.get(curve.size))
                    for curve in self.curves
                ],
                "transition": self.transition,
                "reasons": list(self.reasons),
                "observable": self.observable,
                "control": {"name": self.control_name, "label": self.control_label},
                "time": {"value": self.time, "units": self.time_units},
                "study_hash": self.study_hash,
                "source": self.source,
                "provenance": dict(self.provenance),
            }
        )
        return document

    def _repr_html_(self) -> str:
        caption = f"Analysis of {self.control_label} at t = {self.time:g} {self.time_units}"
        return estimates_html(caption, self.stated(), self._notes(), self.flags)

    def _notes(self) -> list[tuple[str, str]]:
        reasons = [("because", reason) for reason in self.reasons]
        return [("transition", self.transition), *reasons]

    @property
    def largest_known(self) -> SuccessCurve | None:
        """The success curve of the largest size at which m_c is known."""
        known = [curve for curve in self.curves if math.isfinite(curve.m_c.value)]
        return max(known, key=lambda curve: curve.size, default=None)

    @property
    def late_drift(self) -> TimeDrift | None:
        """The drift of the largest size at which it is known at late times."""
        return late_drift(self.drifts)


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


def _size_row(curve: SuccessCurve, drift: TimeDrift | None, jump: Jump | None) -> dict[str, Any]:
    latent = Estimate(math.nan) if jump is None else jump.latent
    slope = Estimate(math.nan) if drift is None else drift.slope
    flags = [*curve.flags, *(drift.flags if drift else ()), *(jump.flags if jump else ())]
    return {
        "size": curve.size,
        "m_c": curve.m_c.value,
        "m_c_stderr": curve.m_c.stderr,
        "width": curve.width.value,
        "width_stderr": curve.width.stderr,
        "m_c_interval": list(curve.m_c.interval68),
        "jump": latent.value,
        "jump_stderr": latent.stderr,
        "drift_per_log_time": slope.value,
        "drift_stderr": slope.stderr,
        "deviance": curve.deviance,
        "dof": curve.dof,
        "p_value": curve.p_value,
        "flags": list(dict.fromkeys(flags)),
    }


def _forms(fit: Extrapolation | None) -> list[dict[str, Any]]:
    columns = ("limit", "stderr", "slope", "chi2", "dof", "weight")
    if fit is None:
        return []
    return [
        {"form": form} | {name: getattr(fit, f"form_{name}")[row].item() for name in columns}
        for row, form in enumerate(fit.forms)
    ]
