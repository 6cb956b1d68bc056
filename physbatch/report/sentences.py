"""What the numbers say, in sentences."""

import math
from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from physbatch.dataset import plural
from physbatch.plots.labels import estimate_text
from physbatch.results.flag import Flag
from physbatch.scaling.order.result import TransitionOrder
from physbatch.scaling.transition.result import Analysis

_WHOLE = "whole analysis"


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
        time, unit = self._analysis.time, self._analysis.time_units
        return f"{time:g} {unit if time == 1 else plural(unit)}".strip()

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
    def critical(self) -> str:
        """The critical value in plain text: the limit, else that of the largest size."""
        limit, known = self._analysis.m_c, self._analysis.largest_known
        if math.isfinite(limit.value):
            return f"{self.symbol} = {limit} for N to infinity"
        if known is not None:
            return f"{self.symbol} = {known.m_c} at N = {known.size:g}"
        return f"{self.symbol} {estimate_text(limit)}"

    @property
    def coexistence(self) -> str:
        """What the histogram at the largest size shows."""
        largest = max(self._analysis.jumps, key=lambda jump: jump.size, default=None)
        if largest is None or largest.chosen < 0 or not math.isfinite(largest.latent.value):
            return "no coexistence seen"
        lower, upper = map(estimate_text, (largest.lower, largest.upper))
        return f"two groups with means {lower} and {upper} (dashed lines)"

    @property
    def drift(self) -> str:
        """How the critical value moves with run time."""
        drift = self._analysis.late_drift
        if drift is None:
            return "no drift measured"
        return (
            f"{estimate_text(drift.slope)} per unit of ln t at N = {drift.size:g}, "
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
    pointed = Counter(test.points_to for test in order.evidence if test.points_to)
    mine = pointed.pop(order.verdict, 0)
    others = ", ".join(f"{count} to {name}" for name, count in pointed.items())
    text = f"{mine} of {len(order.evidence)} tests point to it"
    return f"{text}, {others}" if others else text


class Remark(NamedTuple):
    """A flag, and every place where it was raised."""

    flag: Flag
    places: tuple[str, ...] = ()


def remarks(analysis: Analysis) -> list[Remark]:
    """All flags of all results; one that was raised in many places is told once."""
    places: dict[Flag, dict[str, None]] = {}
    for where, flags in _flags(analysis):
        for flag in flags:
            places.setdefault(flag, {})[where] = None
    # The whole is not named where a part of it says more.
    return [
        Remark(flag, tuple(where for where in known if where != _WHOLE) or (_WHOLE,))
        for flag, known in places.items()
    ]


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
        flags = curve.flags + curve.m_c.flags + curve.width.flags
        yield f"success curve, N = {curve.size:g}", flags
    for drift in analysis.drifts:
        yield f"drift, N = {drift.size:g}", drift.flags + drift.slope.flags
    for jump in analysis.jumps:
        flags = jump.flags + jump.latent.flags + jump.upper.flags + jump.lower.flags
        yield f"jump, N = {jump.size:g}", flags
