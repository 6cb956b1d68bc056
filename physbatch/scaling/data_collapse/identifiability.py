"""Do the data determine the exponents? A flat likelihood, a rival optimum, a c_c out of reach.

Without corrections a straight line through c_c, or any power law, leaves nu and zeta a common
direction along which nothing changes; controls that do not hold c_c leave each size a stretch
of the master curve of its own; two transitions within the controls give two answers. In each
case there is an optimum, and numbers that look plausible. They are refused here: the value
becomes nan, the error infinite, and a flag says why.

Fits look for c_c within the controls. Where it lies beyond them, tails of the master curve that
fall exponentially or as a power law may collapse around a wrong c_c too, with another zeta, and
with a good chi^2. Then the same search beyond the controls finds an optimum that is at least about
as likely. Where the controls do hold c_c there is none: on planted data it is less likely by a
factor of e^77 or more.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from physbatch.results.flag import Flag
from physbatch.results.flags import (
    AT_BOUND,
    BEYOND_CONTROLS,
    BIMODAL,
    FLAT,
    NO_OVERLAP,
    NOT_CONVERGED,
    ONE_SIDED,
    THIN_OVERLAP,
)
from physbatch.scaling.data_collapse.form import LEAST_SHARED, ScalingForm
from physbatch.scaling.data_collapse.optimum import Objective, Optimum, climb, hyper_names, newton
from physbatch.scaling.data_collapse.starts import (
    Optima,
    candidates,
    coarse_table,
    global_optima,
    height,
)
from physbatch.scaling.data_collapse.windows import Fit, scan, settle
from physbatch.tables.table import ScalingTable
from physbatch.typing import FloatArray

#: Error of ln nu, of ln omega and of ln phi above which they are not determined.
_MOST_LOG = {"nu": 1 / 3, "omega": 1.0, "phi": 1.0}
#: Error of c_c in units of the range of the controls.
_MOST_CONTROL = 0.25
#: Error of 1/nu and of zeta/nu times ln(largest size / smallest size): a factor of e.
_MOST_STRETCH = 1.0
#: ln of the stretch of x from the smallest to the largest size below which there is none.
_LEAST_STRETCH = 0.5
#: Least part of the points that the master curve must leave as degrees of freedom.
_LEAST_DOF = 0.4
#: Half of the pairs of neighbouring sizes must have so many points each in the range of the
#: other, and should have so many.
_LEAST_MESHED = 0.5
_MUST_MESH = 2
_SHOULD_MESH = 4
#: Part of the points that should lie on either side of c_c.
_LEAST_SIDE = 0.12
#: A second optimum is followed through the windows if its ln likelihood is at most so much lower.
_RIVAL_MARGIN = 20.0
#: Two answers differ if they are so many of their errors apart, and both count if the score
#: (2 dof - chi^2) of the second is at least so much of the first.
_RIVAL_SIGMA = 5.0
_RIVAL_SCORE = 0.5
#: Where the search beyond the controls begins, in ranges of the controls beyond their end.
_DISTANCES = np.array([0.08, 0.2, 0.4, 0.7, 1.0])
#: The region of the usual search is so wide, in ranges; the next ones lie beside it.
_REGION = 1.1
#: ln of the likelihood ratio to the best optimum above which c_c may as well lie beyond.
_MARGIN = -8.0
#: A c_c at the border of both regions counts by so much less: where it is known loosely, as in
#: Kosterlitz-Thouless transitions, the flank of a sound optimum reaches there.
_FLANK = 4.0


class Refusals(NamedTuple):
    """Exponents that the data do not determine, and why."""

    names: frozenset[str]
    flags: tuple[Flag, ...]


def refusals(
    fit: Fit,
    fits: Sequence[Fit],
    systematic: Mapping[str, float],
    rival: Fit | None,
    beyond: Flag | None = None,
) -> Refusals:
    """Exponents whose values must not be stated.

    Parameters
    ----------
    fit : Fit
        The fit that would be reported.
    fits : sequence of Fit
        Those of all windows.
    systematic : mapping
        Systematic error of each free exponent.
    rival : Fit or None
        Another answer that the data allow, from `find_rival`.
    beyond : Flag or None
        Flag that c_c may lie beyond the controls, from `c_c_beyond`.

    Returns
    -------
    Refusals
        Flags are among ``not_converged``, ``no_overlap``, ``at_bound``, ``beyond_controls``,
        ``bimodal``, ``flat`` (values refused), ``thin_overlap`` and ``one_sided`` (warnings).
    """
    form = fit.form
    names: set[str] = set()
    flags: list[Flag] = []
    bound = fit.objective.at_bound(fit.optimum.vector)
    if bound:
        flags.append(AT_BOUND(f"{', '.join(bound)} ran to the end of the allowed range"))
        # With c_c or nu at the end of its range the others compensate; omega only leaves itself.
        names |= set(form.names) if {"c_c", "nu"} & set(bound) else set(bound)
    elif not fit.optimum.converged:
        flags.append(NOT_CONVERGED("there is no maximum here; the likelihood is flat or runs away"))
        names |= set(form.names)
    overlap = _no_overlap(fit) or ((beyond,) if beyond else ())
    if overlap:
        return Refusals(frozenset(form.names), (*flags, *overlap))
    if names >= {"c_c", "nu"} & set(form.names) and names:
        return Refusals(frozenset(form.names), tuple(flags))
    flat = _undetermined(fit, systematic)
    if flat and rival is None:
        apart = [other for other in fits if other.accepted and differing(fit, other)]
        rival = max(apart, key=lambda other: other.score, default=None)
    if rival is not None:
        apart_names = differing(fit, rival)
        flags.append(_rival_words(fit, rival, apart_names))
        names |= set(apart_names) | set(flat)
        if "nu" in names:  # zeta is known as zeta/nu
            names |= {name for name in form.names if name.startswith("zeta")}
    elif flat:
        flags.append(
            FLAT(
                f"the data do not determine {', '.join(flat)}; fix an exponent, or add sizes "
                "or points near the transition"
            )
        )
        names |= set(flat)
    return Refusals(frozenset(names), (*flags, *_thin(fit), *_one_sided(fit)))


def _no_overlap(fit: Fit) -> tuple[Flag, ...]:
    if fit.shared < LEAST_SHARED:
        return (
            NO_OVERLAP(
                f"only {100 * fit.shared:.0f} % of the points share their x with another "
                "size, so anything collapses; is c_c within the controls?"
            ),
        )
    meshed = _meshed(fit, _MUST_MESH)
    if meshed < _LEAST_MESHED:
        return (
            NO_OVERLAP(
                f"on the scaling plot only {100 * meshed:.0f} % of the neighbouring sizes "
                "have two points each within the range of the other, so anything collapses; is c_c "
                "within the controls?"
            ),
        )
    if not fit.objective.hyper_names:
        return ()  # local lines have no flexible curve
    points = len(fit.objective.table.size) * len(fit.objective.form.observables)
    room = points - len(fit.exponents)
    if fit.dof < _LEAST_DOF * room:
        return (
            NO_OVERLAP(
                f"the master curve needs {room - fit.dof:.0f} of {room} degrees of "
                "freedom, so anything collapses; is c_c within the controls, and are the errors "
                "right?"
            ),
        )
    return ()


def _meshed(fit: Fit, least: int) -> float:
    """Fraction of pairs of neighbouring sizes whose points mesh on the scaling plot.

    With nu far too small each size stretches x so much more than the one before that all points
    of the smaller one lie between two points of the larger: nothing is compared.
    """
    table = fit.objective.table
    x = _scaling_variable(fit)
    groups = [x[table.size == size] for size in table.sizes]
    pairs = [
        min(
            int(((b >= a.min()) & (b <= a.max())).sum()),
            int(((a >= b.min()) & (a <= b.max())).sum()),
        )
        for a, b in pairwise(groups)
    ]
    return float(np.mean([shared >= least for shared in pairs]))


def _thin(fit: Fit) -> tuple[Flag, ...]:
    meshed = _meshed(fit, _SHOULD_MESH)
    if meshed >= _LEAST_MESHED:
        return ()
    return (
        THIN_OVERLAP(
            f"on the scaling plot only {100 * meshed:.0f} % of the neighbouring sizes "
            f"have {_SHOULD_MESH} points each within the range of the other; add points near c_c"
        ),
    )


def _scaling_variable(fit: Fit) -> FloatArray:
    return fit.form.rescale(fit.exponents, fit.objective.table, fit.form.observables[0]).x


def _one_sided(fit: Fit) -> tuple[Flag, ...]:
    below = float((_scaling_variable(fit) < 0).mean())
    if min(below, 1 - below) >= _LEAST_SIDE or "c_c" not in fit.form.names:
        return ()
    side = "above" if below < 0.5 else "below"
    return (
        ONE_SIDED(
            f"{100 * max(below, 1 - below):.0f} % of the points lie {side} c_c, which is "
            "extrapolated; add points on the other side"
        ),
    )


def _undetermined(fit: Fit, systematic: Mapping[str, float]) -> list[str]:
    """Free exponents whose total error spans what they could be at all."""
    form, table, values = fit.form, fit.objective.table, fit.values
    reach = math.log(float(table.size.max() / table.size.min()))
    variances = np.diag(fit.covariance)[: len(form.names)]
    flat = []
    for name, variance in zip(form.names, variances, strict=True):
        stderr = math.sqrt(variance) if variance > 0 else math.inf
        spread = systematic.get(name, 0.0)
        if name == "c_c":
            worst = math.hypot(stderr, spread / form.control_unit) / _MOST_CONTROL
        elif name in _MOST_LOG:
            total = math.hypot(stderr, spread / values[name])
            worst = total / _MOST_LOG[name]
            if name == "nu":
                worst = max(worst, total / values["nu"] * reach / _MOST_STRETCH)
        elif name.startswith("zeta"):
            worst = math.hypot(stderr, spread / values.get("nu", 1.0)) * reach / _MOST_STRETCH
        else:
            continue  # a shift may be 0 within any error
        if not worst < 1:
            flat.append(name)
    # Curves that hardly move with the size collapse around any c_c.
    if "nu" in flat and "c_c" in form.names and reach / values["nu"] < _LEAST_STRETCH:
        flat = ["c_c", *flat]
    if "nu" in flat:
        flat += [name for name in form.names if name.startswith("zeta")]
    return [name for name in form.names if name in flat]


# --- rivals -----------------------------------------------------------------------------


def find_rival(
    form: ScalingForm, table: ScalingTable, optima: Optima, window: str, final: Fit
) -> Fit | None:
    """A second answer that the data allow as well, or None.

    Most local optima are far worse than the best one, or climb to the same answer in a window
    near c_c. One within a factor of e^20 of the best likelihood (all points, with a nugget) is
    followed through the same windows. Where the best one has run to a bound there is no collapse
    of all points, but there may be one near each of two transitions: then those of the lower and
    of the upper half of the controls are followed, each on its own points. An optimum counts if
    an acceptable fit with at least half of the score comes out, five errors away.

    Parameters
    ----------
    form, table, window
        As in `physbatch.scaling.data_collapse.windows.scan`.
    optima : Optima
        Where the starts have led.
    final : Fit
        The fit that would be reported.
    """
    best = optima.best
    followed = [
        (table, optimum)
        for optimum in optima.different[1:]
        if best.value - optimum.value <= _RIVAL_MARGIN
    ]
    if window == "scan" and final.objective.at_bound(best.vector):
        followed += _optima_of_halves(form, table)
    rivals = []
    for points, optimum in followed:
        fits = scan(form, points, optima.units, [optimum], window)
        if fits:
            other = settle(form, points, fits)
            comparable = other.accepted and other.score > _RIVAL_SCORE * final.score
            rivals += [other] if comparable and differing(final, other) else []
    return max(rivals, key=lambda rival: rival.score, default=None)


def _optima_of_halves(form: ScalingForm, table: ScalingTable) -> list[tuple[ScalingTable, Optimum]]:
    """The points in either half of the controls, and their global optimum."""
    halves = (table.control <= form.control_middle, table.control >= form.control_middle)
    parts = [table.select(half) for half in halves]
    return [
        (part, global_optima(form, part).best)
        for part in parts
        if len(part.sizes) == len(table.sizes)
    ]


def differing(fit: Fit, other: Fit, sigma: float = _RIVAL_SIGMA) -> list[str]:
    """Exponents that are so many errors apart."""
    names = fit.form.names
    variance = np.diag(fit.covariance)[: len(names)] + np.diag(other.covariance)[: len(names)]
    apart = np.abs(fit.exponents - other.exponents) > sigma * np.sqrt(np.maximum(variance, 0.0))
    return [name for name, far in zip(names, apart, strict=True) if far]


def _rival_words(fit: Fit, other: Fit, names: Sequence[str]) -> Flag:
    both = " or ".join(
        ", ".join(f"{name} = {values[name]:.5g}" for name in names)
        for values in (fit.values, other.values)
    )
    return BIMODAL(
        f"{both} fit about equally well (chi2/dof = {fit.chi2:.4g}/{fit.dof:.4g} and "
        f"{other.chi2:.4g}/{other.dof:.4g}); keep the controls near one of them"
    )


# --- beyond the controls ----------------------------------------------------------------


def c_c_beyond(form: ScalingForm, table: ScalingTable, optima: Optima) -> Flag | None:
    """The flag that says so if a c_c beyond the controls fits about as well; else nothing.

    Parameters
    ----------
    form, table : ScalingForm, ScalingTable
        What was fitted.
    optima : Optima
        What was found within the controls.
    """
    if "c_c" not in form.names:
        return None
    likelihood, control = max(
        _optima_beyond(form, table, optima.units),
        key=lambda optimum: optimum[0],
        default=(-math.inf, math.nan),
    )
    if not likelihood > optima.best.value + _MARGIN:
        return None
    inside = form.exponents(optima.best.vector[: len(form.names)])["c_c"]
    return BEYOND_CONTROLS(
        f"c_c = {control:.4g}, beyond the controls, fits about as well as "
        f"{inside:.4g}; add points on both sides of the transition"
    )


def _optima_beyond(
    form: ScalingForm, table: ScalingTable, units: tuple[float, ...]
) -> Iterator[tuple[float, float]]:
    """Likelihood and c_c of the optimum on either side, where sizes share x there."""
    small = coarse_table(table)
    for side in (-1.0, 1.0):
        shift = side * _REGION * form.control_unit
        moved = replace(form, control_middle=form.control_middle + shift)
        objective = Objective(moved, small, units, hyper_names(form, nugget=True))
        end = form.control_middle + 0.5 * side * form.control_unit
        grid = candidates(moved, small, end + side * form.control_unit * _DISTANCES)
        begin = max(
            (objective.start(vector) for row in grid for vector in row),
            key=lambda vector: height(objective, vector),
        )
        optimum = newton(objective, climb(objective, begin, steps=80))[0]
        shared = moved.shared(optimum.vector, small)
        if math.isfinite(optimum.value) and shared >= LEAST_SHARED:
            # At the border of the regions stands the flank of an optimum within, no other one.
            flank = "c_c" in objective.at_bound(optimum.vector)
            yield (
                optimum.value - flank * _FLANK,
                moved.exponents(optimum.vector[: len(form.names)])["c_c"],
            )
