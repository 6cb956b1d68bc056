"""Crossings of an observable at pairs of sizes, and their limit N -> infinity."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, NamedTuple

import numpy as np
from scipy import stats

from physbatch.errors import AnalysisError
from physbatch.results.estimate import Estimate
from physbatch.results.flag import Flag, bracketed
from physbatch.results.flags import (
    BAD_LOCAL_FIT,
    CORRELATED_POINTS,
    LEFT_OUT,
    NOT_RESOLVED,
    SEVERAL_CROSSINGS,
    UNEQUAL_RATIOS,
)
from physbatch.results.record import Record, strict_json
from physbatch.scaling.curves.crossing_fits import LENGTH, crossing_roots, joint_fits
from physbatch.scaling.curves.crossing_search import (
    Curve,
    choose_chain,
    curves_of_sizes,
    find_candidates,
    pairs_of_sizes,
)
from physbatch.scaling.curves.local_fits import LocalFit, average_resampled
from physbatch.scaling.laws.fits import ScalingFit
from physbatch.scaling.laws.size_laws import fit_critical_control
from physbatch.tables.make import checked
from physbatch.tables.table import ScalingTable
from physbatch.typing import BoolArray, FloatArray

__all__ = ["Crossings", "find_crossings"]


_LINE = 101


class _Pair(NamedTuple):
    """One crossing with its bootstrap replicates and the best local fits."""

    crossing: Estimate
    level: Estimate
    crossing_resampled: FloatArray
    level_resampled: FloatArray
    chi2: float
    dof: int
    line: FloatArray  # shape (3, n_line): control and the two polynomials
    flags: tuple[Flag, ...]


@dataclass(frozen=True, eq=False, repr=False)
class Crossings(Record):
    """Where curves of neighbouring sizes cross, and what that tends to."""

    axes: ClassVar[dict[str, tuple[str, ...]]] = {
        **dict.fromkeys(("size", "control", "value", "stderr"), ("point",)),
        **dict.fromkeys(("small", "large", "mean_size", "chi2", "dof", "found"), ("pair",)),
        **dict.fromkeys(("crossing", "crossing_stderr", "crossing_systematic"), ("pair",)),
        **dict.fromkeys(("level", "level_stderr", "level_systematic"), ("pair",)),
        **dict.fromkeys(("crossing_lower68", "crossing_upper68"), ("pair",)),
        **dict.fromkeys(("candidate_pair", "candidate", "candidate_chosen"), ("candidate",)),
        "lines": ("pair", "line", "line_point"),
    }

    observable: str
    size_name: str
    control_name: str
    dimension: str  # "N" or "L": what a size is
    source: str
    size: FloatArray  # the data, shape (n_point,)
    control: FloatArray
    value: FloatArray
    stderr: FloatArray
    small: FloatArray  # shape (n_pair,): the two sizes
    large: FloatArray
    mean_size: FloatArray  # sqrt(small * large), against which crossings are extrapolated
    crossing: FloatArray  # nan where there is none
    crossing_stderr: FloatArray
    crossing_systematic: FloatArray  # spread over windows and degrees
    crossing_lower68: FloatArray
    crossing_upper68: FloatArray
    level: FloatArray  # the observable at the crossing
    level_stderr: FloatArray
    level_systematic: FloatArray
    chi2: FloatArray  # of the best local polynomials
    dof: FloatArray
    found: FloatArray  # number of significant crossings
    candidate_pair: FloatArray  # shape (n_candidate,): every significant crossing, about
    candidate: FloatArray
    candidate_chosen: FloatArray  # 1: the one that is reported
    lines: FloatArray  # shape (n_pair, 3, n_line): control and the two polynomials, to draw
    c_c: Estimate
    exponent: Estimate  # of the approach: 1/nu + omega
    level_limit: Estimate
    level_exponent: Estimate  # omega
    control_fit: ScalingFit
    level_fit: ScalingFit
    flags: tuple[Flag, ...]

    def __repr__(self) -> str:
        rows = [
            f"  {self.small[i]:g}, {self.large[i]:g}: {self.control_name} = {one}, "
            f"{self.observable} = {level}"
            for i, (one, level) in enumerate(
                zip(self.estimates("crossing"), self.estimates("level"), strict=True)
            )
        ]
        head = f"Crossings of {self.observable}: c_c = {self.c_c}, {self.observable} there = "
        names = bracketed(self.flags)
        return "\n".join([f"{head}{self.level_limit}{names}", *rows])

    def estimates(self, name: Literal["crossing", "level"]) -> tuple[Estimate, ...]:
        """The crossing or the level of every pair."""
        columns = (getattr(self, f"{name}{end}") for end in ("", "_stderr", "_systematic"))
        return tuple(
            Estimate(float(v), float(e), float(s)) for v, e, s in zip(*columns, strict=True)
        )

    def stated(self) -> dict[str, Estimate]:
        """The limits and their exponents, then the crossing of every pair."""
        pairs = {
            f"{self.control_name} ({self.small[i]:g}, {self.large[i]:g})": one
            for i, one in enumerate(self.estimates("crossing"))
        }
        return {
            "c_c": self.c_c,
            f"{self.observable}_c": self.level_limit,
            "one_over_nu_plus_omega": self.exponent,
            "omega": self.level_exponent,
            **pairs,
        }

    def to_json(self) -> dict[str, Any]:
        """Strict JSON in the shape of ``--json``, with every pair under ``crossings``."""
        limits = dict(list(self.stated().items())[:4])
        document = strict_json(
            limits,
            {
                "chi2": self.control_fit.chi2,
                "dof": self.control_fit.dof,
                "p_value": self.control_fit.p_value,
            },
            {"tried": self.control_fit.starts_tried, "agreed": self.control_fit.starts_agreed},
            self.flags,
        )
        levels = self.estimates("level")
        document["crossings"] = [
            {
                "sizes": [float(self.small[i]), float(self.large[i])],
                "found": [float(c) for c in self.candidate[self.candidate_pair == i]],
                **strict_json({"c": one, self.observable: levels[i]}, {}, {}, ())["parameters"],
            }
            for i, one in enumerate(self.estimates("crossing"))
        ]
        return document


def find_crossings(
    table: ScalingTable,
    observable: str | None = None,
    *,
    pairs: Literal["consecutive", "double"] | Sequence[tuple[float, float]] = "consecutive",
    near: float | None = None,
    resamples: int = 1000,
    seed: int = 0,
) -> Crossings:
    r"""Find where the curves of two sizes cross, and extrapolate to N -> infinity.

    A crossing is claimed only between controls at which the two curves differ significantly in
    opposite directions (chance of a false one below 1e-3 per pair). Around it, both curves are
    polynomials of degree 1 to 8 in nested windows; the crossing is the average over windows and
    degrees with the weights exp(-AIC/2), its systematic error their spread. Its statistical
    error is a bootstrap of the replicas, or of the errors where there are no replicas, the same
    for all pairs, so that the correlation of pairs with a common size is known. The limit is
    that of :math:`c_c + a N^{-1/\nu - \omega}`, with N the geometric mean of the two sizes: in
    it the amplitude a depends on their ratio to second order only.

    Parameters
    ----------
    table : ScalingTable
        Data.
    observable : str, optional
        Which; may be left out if there is one.
    pairs : {"consecutive", "double"} or sequence of pairs of sizes
        Neighbouring sizes; N and 2N; or the given ones.
    near : float, optional
        Of several crossings take the one nearest to this control.
    resamples, seed : int
        Of the bootstrap.

    Returns
    -------
    Crossings
        Where a pair has no crossing, its numbers are nan and a flag says why: ``no_crossing``,
        ``no_overlap`` (of the control ranges), ``bad_local_fit``, ``not_resolved``.
        ``correlated_points``: the points of a size share runs, and no covariance is given.
        ``several_crossings``: all are listed, and of all chains from size to size the one that
        moves least is taken. The limit needs three crossings (``too_few_points``).

    Raises
    ------
    physbatch.errors.AnalysisError
        For an unknown observable, or fewer than two sizes.

    References
    ----------
    Binder, Z. Phys. B 43 (1981) 119, doi 10.1007/BF01293604.

    Examples
    --------
    >>> sizes = np.repeat([16.0, 32.0, 64.0, 128.0], 21)
    >>> c = np.tile(np.linspace(0.8, 1.2, 21), 4)
    >>> y = np.tanh((c - 1.0) * np.sqrt(sizes)) + 1.0 / sizes
    >>> table = ScalingTable(sizes, c, {"y": y}, {"y": np.full(84, 1e-3)})
    >>> abs(find_crossings(table, resamples=200).c_c.value - 1.0) < 1e-3
    True
    """
    name = _observable(table, observable)
    table = checked(table.only(name), minimum_points=1, where=table.source or "crossings")
    generator = np.random.default_rng([seed, 31])
    curves = curves_of_sizes(table, name, resamples, generator)
    chosen_pairs = pairs_of_sizes(table.sizes, pairs)
    brackets = [find_candidates(curves[a], curves[b]) for a, b in chosen_pairs]
    chain = choose_chain([found for found, _ in brackets], near)
    fits: list[_Pair] = []
    flags = [
        CORRELATED_POINTS(
            f"{name} is too smooth for independent errors at "
            f"{table.size_name} = {size:g}; errors are those of a curve that moves as a whole"
        )
        for size, curve in curves.items()
        if curve.correlated
    ]
    for (a, b), (found, why), place in zip(chosen_pairs, brackets, chain, strict=True):
        centre = found[place] if place >= 0 else math.nan
        label = f"{table.size_name} = {a:g} and {b:g}"
        fit = _cross(curves[a], curves[b], centre, why)
        fits.append(fit)
        flags += [flag.at(label) for flag in fit.flags]
        if len(found) > 1:
            listed = ", ".join(f"{c:.6g}" for c in found)
            flags.append(SEVERAL_CROSSINGS(f"{listed}; {centre:.6g} is taken at {label}"))
    return _assemble(table, name, chosen_pairs, [f for f, _ in brackets], chain, fits, flags)


def _observable(table: ScalingTable, observable: str | None) -> str:
    name = observable or (table.observables[0] if len(table.observables) == 1 else "")
    if name not in table.observables:
        known = ", ".join(table.observables)
        what = "several observables" if observable is None else f"no observable {observable!r}"
        raise AnalysisError(
            what, where=table.source or "find_crossings", remedy=f"choose one of {known}"
        )
    if table.sizes.size < 2:
        raise AnalysisError("crossings need two sizes", where=table.source)
    return name


def _cross(one: Curve, two: Curve, centre: float, why: Flag | None) -> _Pair:
    """The crossing near a centre, averaged over windows and degrees."""
    if why:
        return _no_pair(one, why)
    fits, weights = joint_fits(one, two, centre)
    if not fits:
        return _no_pair(one, BAD_LOCAL_FIT("no polynomial of degree 1 to 8 describes both"))
    roots, levels, drawn_roots, drawn_levels = (
        np.array(block)
        for block in zip(*(crossing_roots(*pair, one, two) for pair in fits), strict=True)
    )
    drawn, kept = average_resampled(drawn_roots, weights)
    if kept.sum() < 0.5:
        return _no_pair(one, NOT_RESOLVED("resampled curves do not always cross"))
    weights = kept / kept.sum()
    drawn_level, _ = average_resampled(drawn_levels, weights)
    value, level = float(weights @ roots), float(weights @ levels)
    best = fits[int(np.argmax(weights))]
    u = np.linspace(-1.0, 1.0, _LINE)
    powers = np.vander(u, LENGTH, increasing=True).T
    line = [
        np.where(_seen(fit, curve, u), fit.coefficients(curve.y, LENGTH) @ powers, math.nan)
        for fit, curve in zip(best, (one, two), strict=True)
    ]
    return _Pair(
        _estimate(value, drawn, math.sqrt(float(weights @ (roots - value) ** 2))),
        _estimate(level, drawn_level, math.sqrt(float(weights @ (levels - level) ** 2))),
        drawn,
        drawn_level,
        best[0].chi2 + best[1].chi2,
        best[0].dof + best[1].dof,
        np.array([best[0].centre + u * best[0].half, *line]),
        (),
    )


def _seen(fit: LocalFit, curve: Curve, u: FloatArray) -> BoolArray:
    """Where a curve has data within the window."""
    control = (curve.control[fit.rows] - fit.centre) / fit.half
    return np.asarray((u >= control.min()) & (u <= control.max()))


def _estimate(value: float, drawn: FloatArray, systematic: float) -> Estimate:
    low, high = np.nanquantile(drawn, [float(stats.norm.cdf(x)) for x in (-1.0, 1.0)])
    return Estimate(value, float(np.nanstd(drawn)), systematic, (float(low), float(high)))


def _no_pair(curve: Curve, why: Flag) -> _Pair:
    blank = np.full(len(curve.resampled), math.nan)
    nothing = Estimate(math.nan, math.nan, math.nan, flags=(why,))
    line = np.full((3, _LINE), math.nan)
    return _Pair(nothing, nothing, blank, blank, math.nan, 0, line, (why,))


def _assemble(
    table: ScalingTable,
    name: str,
    pairs: list[tuple[float, float]],
    candidates: list[list[float]],
    chain: list[int],
    fits: list[_Pair],
    flags: list[Flag],
) -> Crossings:
    small, large = np.array(pairs).T
    mean_size = np.sqrt(small * large)
    if np.ptp(np.log(large / small)) > 0.2:
        flags.append(UNEQUAL_RATIOS("the amplitude of the approach differs from pair to pair"))
    columns: dict[str, FloatArray] = {}
    limits: dict[str, ScalingFit] = {}
    for key, quantity in (("crossing", "c_c"), ("level", name)):
        ones: list[Estimate] = [getattr(fit, key) for fit in fits]
        columns[key] = np.array([one.value for one in ones])
        columns[f"{key}_stderr"] = np.array([one.stderr for one in ones])
        columns[f"{key}_systematic"] = np.array([one.systematic for one in ones])
        drawn = np.array([getattr(fit, f"{key}_resampled") for fit in fits])
        limits[key] = fit_critical_control(
            mean_size,
            columns[key],
            np.hypot(columns[f"{key}_stderr"], columns[f"{key}_systematic"]),
            dimension=table.dimension,
            quantity=quantity,
            covariance=_covariance(drawn, columns[f"{key}_systematic"], mean_size),
        )
        flags += [flag for flag in limits[key].flags if flag.kind is not LEFT_OUT]
    ends = np.array([fit.crossing.interval68 for fit in fits])
    listed = [
        (i, c, float(k == place))
        for i, (found, place) in enumerate(zip(candidates, chain, strict=True))
        for k, c in enumerate(found)
    ]
    which = np.array(listed, dtype=np.float64).reshape(-1, 3).T
    return Crossings(
        observable=name,
        size_name=table.size_name,
        control_name=table.control_name,
        dimension=table.dimension,
        source=table.source,
        size=table.size,
        control=table.control,
        value=table.values[name],
        stderr=table.errors[name],
        small=small,
        large=large,
        mean_size=mean_size,
        crossing_lower68=ends[:, 0],
        crossing_upper68=ends[:, 1],
        chi2=np.array([fit.chi2 for fit in fits]),
        dof=np.array([float(fit.dof) for fit in fits]),
        found=np.array([float(len(found)) for found in candidates]),
        candidate_pair=which[0],
        candidate=which[1],
        candidate_chosen=which[2],
        lines=np.array([fit.line for fit in fits]),
        c_c=limits["crossing"]["c"],
        exponent=limits["crossing"]["phi"],
        level_limit=limits["level"]["c"],
        level_exponent=limits["level"]["phi"],
        control_fit=limits["crossing"],
        level_fit=limits["level"],
        flags=tuple(dict.fromkeys(flags)),
        **columns,
    )


def _covariance(drawn: FloatArray, systematic: FloatArray, size: FloatArray) -> FloatArray:
    """Of the pairs, from common resamples, with their own systematic errors added."""
    both = np.all(np.isfinite(drawn) | np.isnan(drawn).all(axis=1, keepdims=True), axis=0)
    covariance = np.atleast_2d(np.cov(drawn[:, both])) if both.sum() > 1 else np.eye(len(drawn))
    return np.asarray(covariance + np.diag(systematic**2))
