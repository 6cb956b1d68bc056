"""Whether the data show a phase transition, with reasons that carry their numbers."""

import math
from collections.abc import Sequence
from typing import NamedTuple

from physbatch.results.estimate import Estimate
from physbatch.results.flags import BAD_FIT, LIMIT_NOT_PROVEN
from physbatch.scaling.laws.extrapolation import Extrapolation
from physbatch.scaling.transition.result import Jump, SuccessCurve, TimeDrift, late_drift

CLAIMED = "claimed"
NOT_CLAIMED = "not claimed"

#: Standard errors by which the latent overlap must exceed 0.
_SIGMAS = 4.0
#: Sizes with two peaks that a claim needs.
_LEAST_SIZES = 3


class Verdict(NamedTuple):
    """The verdict and its reasons; against a claim speak those in `objections`."""

    transition: str
    reasons: tuple[str, ...]
    objections: tuple[str, ...]


def decide(
    curves: Sequence[SuccessCurve],
    drifts: Sequence[TimeDrift],
    jumps: Sequence[Jump],
    m_c: Extrapolation | None,
    jump: Extrapolation | None,
    observable: str = "overlap",
) -> Verdict:
    """Claim a transition only where an intensive order parameter shows it.

    Success of all N units is an extensive event: its curve sharpens and moves with N also
    where nothing is critical. So a claim needs all of

    1. two peaks of the overlap at three sizes or more, and, from the smallest of these on, at
       every size at which perfect and imperfect students coexist near m_c;
    2. a distance of the peaks that is at least 4 standard errors above 0 at the largest of
       these sizes and, with the spread over the fit forms, at N -> infinity (where no form
       fits: in every form with a limit, its error scaled up by sqrt(chi2/dof));
    3. an m_c inside the grid at these sizes and at the largest size of the data, with a limit.

    Parameters
    ----------
    curves, drifts, jumps : sequence
        The results of each size, from the smallest to the largest.
    m_c, jump : Extrapolation or None
        Their extrapolations.
    observable : str
        What has the two peaks, for the reasons.
    """
    case = _Case([], [])
    _peaks(case, jumps, observable)
    _latent(case, jumps, jump, observable)
    _critical_value(case, curves, jumps, m_c)
    transition = NOT_CLAIMED if case.against else CLAIMED
    reasons = (*case.against, *case.in_favour, *_drift_reasons(drifts))
    return Verdict(transition, reasons, tuple(case.against))


class _Case(NamedTuple):
    """What speaks for a claim and against it."""

    in_favour: list[str]
    against: list[str]


def _names(sizes: Sequence[float]) -> str:
    return ", ".join(f"{size:g}" for size in sizes)


def _peaks(case: _Case, jumps: Sequence[Jump], observable: str) -> None:
    two = [jump for jump in jumps if math.isfinite(jump.latent.value)]
    # Below the smallest size with two peaks they may just be too broad to be told apart.
    least = min((jump.size for jump in two), default=0.0)
    missing = [
        jump
        for jump in jumps
        if jump.coexistence and not math.isfinite(jump.latent.value) and jump.size > least
    ]
    if two:
        widths = _names([round(jump.separation, 1) for jump in two])
        case.in_favour.append(
            f"the {observable} has two peaks near m_c at N = {_names([j.size for j in two])} "
            f"(separation {widths} widths)"
        )
    if len(two) < _LEAST_SIZES:
        case.against.append(
            f"the {observable} has two peaks near m_c at {len(two)} of {len(jumps)} sizes, a claim "
            f"needs {_LEAST_SIZES}"
        )
    if missing:
        widths = _names([round(jump.separation, 1) for jump in missing])
        case.against.append(
            "perfect and imperfect students coexist near m_c without two peaks of the "
            f"{observable} at N = {_names([j.size for j in missing])} (separation {widths}, "
            f"two peaks need {missing[-1].threshold:.2g} and an empty valley)"
        )


def _latent(case: _Case, jumps: Sequence[Jump], fit: Extrapolation | None, observable: str) -> None:
    two = [jump for jump in jumps if math.isfinite(jump.latent.value)]
    if not two:
        return
    largest = two[-1]
    if largest.latent.value < _SIGMAS * largest.latent.stderr:
        case.against.append(
            f"the latent {observable} at N = {largest.size:g} is {largest.latent}, less than "
            f"{_SIGMAS:g} standard errors above 0"
        )
    limit = fit.limit if fit is not None else Estimate(math.nan)
    if fit is None or len(two) < _LEAST_SIZES:
        pass
    elif not math.isfinite(limit.value):
        lowest = _lowest_limit(fit)
        enough = lowest.value >= _SIGMAS * lowest.stderr
        (case.in_favour if enough else case.against).append(
            f"no form describes the latent {observable} against N "
            f"({limit.flags[-1].text}); the lowest limit of those that have "
            f"one, its error scaled by sqrt(chi2/dof), is {lowest}"
        )
    elif limit.value < _SIGMAS * limit.total:
        case.against.append(f"the latent {observable} may vanish at N -> infinity: {limit} there")
    else:
        case.in_favour.append(
            f"the latent {observable} stays: {largest.latent} at N = {largest.size:g}, {limit} at "
            "N -> infinity"
        )


def _lowest_limit(fit: Extrapolation) -> Estimate:
    """The limit that is the fewest scaled errors above 0, among the forms that have one."""
    limits = [
        Estimate(float(limit), float(stderr * math.sqrt(max(chi2 / dof, 1.0))))
        for limit, stderr, chi2, dof in zip(
            fit.form_limit, fit.form_stderr, fit.form_chi2, fit.form_dof, strict=True
        )
        if math.isfinite(limit) and dof > 0
    ]
    return min(limits, key=lambda limit: limit.value / limit.stderr)


def _critical_value(
    case: _Case, curves: Sequence[SuccessCurve], jumps: Sequence[Jump], fit: Extrapolation | None
) -> None:
    needed = {jump.size for jump in jumps if math.isfinite(jump.latent.value)}
    if curves:
        needed.add(curves[-1].size)
    lost = [c for c in curves if c.size in needed and not math.isfinite(c.m_c.value)]
    if lost:
        why = "; ".join(dict.fromkeys(c.flags[0] if c.flags else "no fit" for c in lost))
        case.against.append(
            f"no m_c within the grid at N = {_names([c.size for c in lost])} ({why})"
        )
        return
    poor = [c.size for c in curves if BAD_FIT.among(c.flags)]
    if poor:
        case.in_favour.append(
            f"the logistic curve does not describe the success at N = {_names(poor)}; m_c "
            "and width there are those of the nearest logistic"
        )
    limit = fit.limit if fit is not None else Estimate(math.nan)
    if not math.isfinite(limit.value):
        why = limit.flags[-1] if limit.flags else "no size has an m_c"
        case.against.append(f"m_c has no limit at N -> infinity ({why})")
        return
    case.in_favour.append(f"m_c -> {limit} at N -> infinity, at this run time")
    case.in_favour.extend(flag.text for flag in limit.flags if flag.kind is LIMIT_NOT_PROVEN)


def _drift_reasons(drifts: Sequence[TimeDrift]) -> list[str]:
    """What the largest size with a slope at late times says of m_c against run time."""
    last = late_drift(drifts)
    if last is None:
        return ["whether m_c moves with run time is not known: no size gives a slope"]
    slope = last.slope
    where = (
        f"{slope} per unit of ln t at N = {last.size:g} "
        f"(t = {last.window_start:g} to {last.window_end:g})"
    )
    sigmas = abs(slope.value) / slope.stderr if slope.stderr > 0.0 else math.inf
    if sigmas <= 3.0:
        return [f"m_c does not move with run time beyond 3 standard errors: {where}"]
    word = "falls" if slope.value < 0.0 else "grows"
    return [f"m_c {word} with run time: {where}", "m_c is a function of run time"]
