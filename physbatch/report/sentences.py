"""What the numbers say, in sentences."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from physbatch.plots.labels import plural
from physbatch.results.estimate import Estimate
from physbatch.results.flag import Flag, FlagKind
from physbatch.scaling.order.result import TransitionOrder
from physbatch.scaling.transition.result import Analysis, SuccessCurve

__all__ = ["NOT_RESOLVED", "Remark", "ReportWords", "number", "order_support", "remarks"]

NOT_RESOLVED = "not resolved"
_WHOLE = "whole analysis"


def number(estimate: Estimate) -> str:
    """The estimate as ``13.04(5)``, or words where there is none."""
    return str(estimate) if math.isfinite(estimate.value) else NOT_RESOLVED


class ReportWords:
    """Phrases about one analysis that sentences, captions and text alternatives share."""

    def __init__(self, analysis: Analysis) -> None:
        self._analysis = analysis

    @property
    def control(self) -> str:
        """What was varied."""
        names = {"batch_size": "mini-batch size", "batch_ratio": "batch ratio m/N"}
        analysis = self._analysis
        return names.get(analysis.control_name, analysis.control_label or analysis.control_name)

    @property
    def subjects(self) -> str:
        """Who succeeds or not: students in our own studies."""
        ours = self._analysis.control_name in ("batch_size", "batch_ratio")
        return "students" if ours else "replicas"

    @property
    def boundary(self) -> str:
        """What the control at which half succeed is called; critical only if it is claimed."""
        return f"a critical {self.control}" if self.claimed else f"a {self.control}"

    @property
    def symbol(self) -> str:
        """Symbol of the critical control in plain text."""
        names = {"batch_size": "m_c", "batch_ratio": "(m/N)_c"}
        return names.get(self._analysis.control_name, "c_c")

    @property
    def time(self) -> str:
        """The run time with its unit."""
        unit = self._analysis.time_units
        return (
            f"{self._analysis.time:g} {unit if self._analysis.time == 1 else plural(unit)}".strip()
        )

    @property
    def sizes(self) -> str:
        """The sizes in one line."""
        return "N = " + ", ".join(f"{curve.size:g}" for curve in self._analysis.curves)

    @property
    def measured(self) -> str:
        """Sizes, range of the control, replicas and run time in one line."""
        curves = self._analysis.curves
        controls = np.unique(np.concatenate([curve.control for curve in curves]))
        replicas = {int(n) for curve in curves for n in np.unique(curve.trials)}
        each = f"{max(replicas)}" if len(replicas) == 1 else f"{min(replicas)} to {max(replicas)}"
        return (
            f"{self.sizes}; {self.control} from {controls[0]:g} to {controls[-1]:g} "
            f"({controls.size} values); {each} replicas of each; {self.time}"
        )

    @property
    def certainty(self) -> str:
        """The verdict on the transition, and how many warnings stand against it."""
        count = len(remarks(self._analysis))
        warnings = "1 warning" if count == 1 else f"{count or 'no'} warnings"
        return f"{'a' if self.claimed else 'no'} transition is claimed, {warnings}"

    @property
    def largest_known(self) -> SuccessCurve | None:
        """The success curve of the largest size at which the critical value is known."""
        known = [c for c in self._analysis.curves if math.isfinite(c.m_c.value)]
        return max(known, key=lambda curve: curve.size, default=None)

    @property
    def critical(self) -> str:
        """The critical value in plain text: the limit, else that of the largest size."""
        known = self.largest_known
        if math.isfinite(self._analysis.m_c.value):
            return f"{self.symbol} = {number(self._analysis.m_c)} for N to infinity"
        if known is not None:
            return f"{self.symbol} = {number(known.m_c)} at N = {known.size:g}"
        return f"{self.symbol} {NOT_RESOLVED}"

    @property
    def coexistence(self) -> str:
        """What the histogram at the largest size shows."""
        largest = max(self._analysis.jumps, key=lambda jump: jump.size, default=None)
        if largest is None or largest.chosen < 0 or not math.isfinite(largest.latent.value):
            return "no coexistence seen"
        return (
            f"two groups with means {number(largest.lower)} and {number(largest.upper)} "
            "(dashed lines)"
        )

    @property
    def drift(self) -> str:
        """How the critical value moves with run time."""
        drift = self._analysis.late_drift
        if drift is None:
            return "no drift measured"
        return (
            f"{number(drift.slope)} per unit of ln t at N = {drift.size:g}, "
            f"from t = {drift.window_start:g} to {drift.window_end:g}"
        )

    @property
    def claimed(self) -> bool:
        """Whether the analysis claims a transition."""
        return self._analysis.transition == "claimed"

    @property
    def description(self) -> str:
        """One plain sentence for search results and link previews."""
        verdict = "a transition is claimed" if self.claimed else "no transition is claimed"
        return f"{self.critical} at {self.time}; {verdict}."


def order_support(order: TransitionOrder) -> str:
    """How many tests point to the verdict, and to which others."""
    pointed = Counter(one.points_to for one in order.evidence if one.points_to)
    mine = pointed.pop(order.verdict, 0)
    others = ", ".join(f"{count} to {name}" for name, count in pointed.items())
    text = f"{mine} of {len(order.evidence)} tests point to it"
    return f"{text}, {others}" if others else text


@dataclass(frozen=True)
class Remark:
    """A flag, and every place where it was raised."""

    flag: Flag
    places: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The machine's name."""
        return self.flag.name

    @property
    def text(self) -> str:
        """What it says of these data."""
        return flag_text(self.flag)

    @property
    def kind(self) -> FlagKind:
        """What it means, and what to do about it."""
        return self.flag.kind


def remarks(analysis: Analysis) -> list[Remark]:
    """All flags of all results; one that was raised in many places is told once."""
    places: dict[Flag, list[str]] = {}
    for place, flags in _flags(analysis):
        for flag in flags:
            known = places.setdefault(flag, [])
            if place not in known:
                known.append(place)
    return [Remark(flag, _narrowed(where)) for flag, where in places.items()]


def _narrowed(places: list[str]) -> tuple[str, ...]:
    """The places without the whole, where a part of it says more."""
    return tuple(place for place in places if place != _WHOLE) or (_WHOLE,)


def flag_text(flag: Flag) -> str:
    """A flag without its machine name; one of a name alone as words."""
    return flag.text or flag.name.replace("_", " ")


def _flags(analysis: Analysis) -> Iterator[tuple[str, tuple[Flag, ...]]]:
    yield _WHOLE, analysis.flags
    yield "critical value", analysis.m_c.flags
    yield "jump", analysis.jump.flags
    for name, result in (
        ("extrapolation of the critical value", analysis.m_c_extrapolation),
        ("extrapolation of the jump", analysis.jump_extrapolation),
    ):
        if result is not None:
            yield name, result.flags + result.limit.flags
    for curve in analysis.curves:
        yield (
            f"success curve, N = {curve.size:g}",
            (curve.flags + curve.m_c.flags + curve.width.flags),
        )
    for drift in analysis.drifts:
        yield f"drift, N = {drift.size:g}", drift.flags + drift.slope.flags
    for jump in analysis.jumps:
        own = jump.flags + jump.latent.flags + jump.upper.flags + jump.lower.flags
        yield f"jump, N = {jump.size:g}", own
