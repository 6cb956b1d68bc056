"""Do the data determine the exponents? A flat likelihood, a rival optimum, a c_c out of reach.

Without corrections a straight line through c_c, or any power law, leaves nu and zeta a common
direction along which nothing changes; controls that do not hold c_c leave each size a stretch
of the master curve of its own; two transitions within the controls give two answers. In each
case there is an optimum, and numbers that look plausible. They are refused here: the value
becomes nan, the error infinite, and a flag says why.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from physbatch.results.flag import Flag
from physbatch.results.flags import (
    AT_BOUND,
    BIMODAL,
    FLAT,
    NO_OVERLAP,
    NOT_CONVERGED,
    ONE_SIDED,
    STARTS_DISAGREE,
    THIN_OVERLAP,
)
from physbatch.scaling.data_collapse.form import ScalingForm
from physbatch.scaling.data_collapse.optimum import Optimum
from physbatch.scaling.data_collapse.window_fits import (
    LEAST_SHARED,
    Fit,
    global_optimum,
    scan,
    settle,
)
from physbatch.scaling.statistics.acceptance import ACCEPTABLE
from physbatch.tables.table import ScalingTable

__all__ = ["Refusals", "differing", "find_rival", "refusals", "start_flags"]

FloatArray = npt.NDArray[np.float64]

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


class Refusals(NamedTuple):
    """Exponents that the data do not determine, and why."""

    names: frozenset[str]
    flags: tuple[Flag, ...]


def refusals(
    form: ScalingForm,
    fit: Fit,
    fits: Sequence[Fit],
    systematic: Mapping[str, float],
    rival: Fit | None,
    beyond: Flag | None = None,
) -> Refusals:
    """Exponents whose values must not be stated.

    Parameters
    ----------
    form : ScalingForm
        The scaling form.
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
    overlap = _no_overlap(form, fit)
    if overlap:
        return Refusals(frozenset(form.names), (*flags, *overlap))
    if beyond:
        return Refusals(frozenset(form.names), (*flags, beyond))
    if names >= {"c_c", "nu"} & set(form.names) and names:
        return Refusals(frozenset(form.names), tuple(flags))
    flat = _undetermined(form, fit, systematic)
    if flat and rival is None:
        apart = [one for one in fits if one.accepted and differing(form, fit, one)]
        rival = max(apart, key=lambda one: one.score, default=None)
    if rival is not None:
        apart_names = differing(form, fit, rival)
        flags.append(_rival_words(form, fit, rival, apart_names))
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
    return Refusals(frozenset(names), (*flags, *_thin(form, fit), *_one_sided(form, fit)))


def _no_overlap(form: ScalingForm, fit: Fit) -> tuple[Flag, ...]:
    if fit.shared < LEAST_SHARED:
        return (
            NO_OVERLAP(
                f"only {100 * fit.shared:.0f} % of the points share their x with another "
                "size, so anything collapses; is c_c within the controls?"
            ),
        )
    meshed = _meshed(form, fit, _MUST_MESH)
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


def _meshed(form: ScalingForm, fit: Fit, least: int) -> float:
    """Fraction of pairs of neighbouring sizes whose points mesh on the scaling plot.

    With nu far too small each size stretches x so much more than the one before that all points
    of the smaller one lie between two points of the larger: nothing is compared.
    """
    table = fit.objective.table
    x = form.rescale(fit.exponents, table, form.observables[0]).x
    groups = [x[table.size == size] for size in table.sizes]
    pairs = [
        min(
            int(((b >= a.min()) & (b <= a.max())).sum()),
            int(((a >= b.min()) & (a <= b.max())).sum()),
        )
        for a, b in pairwise(groups)
    ]
    return float(np.mean([shared >= least for shared in pairs]))


def _thin(form: ScalingForm, fit: Fit) -> tuple[Flag, ...]:
    meshed = _meshed(form, fit, _SHOULD_MESH)
    if meshed >= _LEAST_MESHED:
        return ()
    return (
        THIN_OVERLAP(
            f"on the scaling plot only {100 * meshed:.0f} % of the neighbouring sizes "
            f"have {_SHOULD_MESH} points each within the range of the other; add points near c_c"
        ),
    )


def _one_sided(form: ScalingForm, fit: Fit) -> tuple[Flag, ...]:
    x = form.rescale(fit.exponents, fit.objective.table, form.observables[0]).x
    below = float((x < 0).mean())
    if min(below, 1 - below) >= _LEAST_SIDE or "c_c" not in form.names:
        return ()
    side = "above" if below < 0.5 else "below"
    return (
        ONE_SIDED(
            f"{100 * max(below, 1 - below):.0f} % of the points lie {side} c_c, which is "
            "extrapolated; add points on the other side"
        ),
    )


def _undetermined(form: ScalingForm, fit: Fit, systematic: Mapping[str, float]) -> list[str]:
    """Free exponents whose total error spans what they could be at all."""
    table = fit.objective.table
    reach = math.log(float(table.size.max() / table.size.min()))
    values = form.exponents(fit.exponents)
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
            worst = math.hypot(stderr, spread / values["nu"]) * reach / _MOST_STRETCH
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
    form: ScalingForm,
    table: ScalingTable,
    units: tuple[float, ...],
    optima: Sequence[Optimum],
    window: str,
    final: Fit,
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
    form, table, units, window
        As in `physbatch.scaling.data_collapse.window_fits.scan`.
    optima : sequence of Optimum
        Different local optima, the best first.
    final : Fit
        The fit that would be reported.
    """
    followed = [(table, one) for one in optima[1:] if optima[0].value - one.value <= _RIVAL_MARGIN]
    if window == "scan" and final.objective.at_bound(optima[0].vector):
        followed += _optima_of_halves(form, table)
    rivals = []
    for points, one in followed:
        fits = scan(form, points, units, [one], window)
        if fits:
            other = settle(form, points, fits)
            comparable = other.accepted and other.score > _RIVAL_SCORE * final.score
            rivals += [other] if comparable and differing(form, final, other) else []
    return max(rivals, key=lambda one: one.score, default=None)


def _optima_of_halves(form: ScalingForm, table: ScalingTable) -> list[tuple[ScalingTable, Optimum]]:
    """The points in either half of the controls, and their global optimum."""
    found = []
    for half in (table.control <= form.control_middle, table.control >= form.control_middle):
        points = table.select(half)
        if len(points.sizes) == len(table.sizes):
            found.append((points, global_optimum(form, points, None)[3][0]))
    return found


def differing(form: ScalingForm, one: Fit, other: Fit, sigma: float = _RIVAL_SIGMA) -> list[str]:
    """Exponents that are so many errors apart."""
    count = len(form.names)
    variance = np.diag(one.covariance)[:count] + np.diag(other.covariance)[:count]
    apart = np.abs(one.exponents - other.exponents) > sigma * np.sqrt(np.maximum(variance, 0.0))
    return [name for name, far in zip(form.names, apart, strict=True) if far]


def _rival_words(form: ScalingForm, one: Fit, other: Fit, names: Sequence[str]) -> Flag:
    first, second = (form.exponents(fit.exponents) for fit in (one, other))
    both = " or ".join(
        ", ".join(f"{name} = {values[name]:.5g}" for name in names) for values in (first, second)
    )
    return BIMODAL(
        f"{both} fit about equally well (chi2/dof = {one.chi2:.4g}/{one.dof:.4g} and "
        f"{other.chi2:.4g}/{other.dof:.4g}); keep the controls near one of them"
    )


def start_flags(fit: Fit, tried: int, agreed: int) -> tuple[Flag, ...]:
    """Say so if few starts agree and nothing else speaks for the answer.

    Starts that end in far worse optima are harmless: finding the best is what they are for,
    and an acceptable fit without a rival is the answer however few of them reach it. Where the
    fit is not acceptable and fewer than half agree, a better optimum may have been missed.
    """
    if 2 * agreed >= tried or fit.p_value > ACCEPTABLE:
        return ()
    return (
        STARTS_DISAGREE(
            f"only {agreed} of {tried} starts lead to this optimum, which is no good "
            "fit; a better one may exist"
        ),
    )
