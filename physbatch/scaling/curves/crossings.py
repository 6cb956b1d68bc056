"""Crossings of an observable at pairs of sizes, and their limit N -> infinity."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np

from physbatch.errors import AnalysisError
from physbatch.results.estimate import Estimate
from physbatch.results.flag import Flag, bracketed
from physbatch.results.flags import (
    CORRELATED_POINTS,
    LEFT_OUT,
    ON_ERRORS,
    SEVERAL_CROSSINGS,
    UNEQUAL_RATIOS,
)
from physbatch.results.record import Record, estimate_json, result, strict
from physbatch.scaling.curves.crossing_search import (
    CrossingFit,
    choose_chain,
    cross_curves,
    find_candidates,
    pairs_of_sizes,
)
from physbatch.scaling.curves.local_fits import MOST_POINTS, curves_of_sizes
from physbatch.scaling.laws.fits import ScalingFit
from physbatch.scaling.laws.size_laws import Approach, fit_approach
from physbatch.tables.binning import binned
from physbatch.tables.make import checked
from physbatch.tables.table import ScalingTable
from physbatch.typing import Dims, FloatArray


@result("crossings")
@dataclass(frozen=True, eq=False, repr=False)
class Crossings(Record):
    """Where curves of neighbouring sizes cross, and what that tends to."""

    dims: ClassVar[Dims] = {
        **dict.fromkeys(("size", "control", "value", "stderr"), ("point",)),
        **dict.fromkeys(("candidate_pair", "candidate", "candidate_chosen"), ("candidate",)),
        "lines": ("pair", "line", "line_point"),
    }
    main_dim: ClassVar[str] = "pair"

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
        columns = (self.small, self.large, self.estimates("crossing"), self.estimates("level"))
        rows = [
            f"  {small:g}, {large:g}: {self.control_name} = {crossing}, {self.observable} = {level}"
            for small, large, crossing, level in zip(*columns, strict=True)
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
            f"{self.control_name} ({self.small[i]:g}, {self.large[i]:g})": crossing
            for i, crossing in enumerate(self.estimates("crossing"))
        }
        return {
            "c_c": self.c_c,
            f"{self.observable}_c": self.level_limit,
            "one_over_nu_plus_omega": self.exponent,
            "omega": self.level_exponent,
            **pairs,
        }

    @classmethod
    def upgraded(cls, fields: dict[str, Any]) -> dict[str, Any]:
        """Without the number of candidates, which version 1 had beside them."""
        return {name: value for name, value in fields.items() if name != "found"}

    def to_json(self) -> dict[str, Any]:
        """Strict JSON in the shape of ``--json``, with every pair under ``crossings``."""
        limits = dict(list(self.stated().items())[:4])
        fit = self.control_fit
        document = {
            **super().to_json(),
            "parameters": {name: estimate_json(limit) for name, limit in limits.items()},
            "goodness": strict({"chi2": fit.chi2, "dof": fit.dof, "p_value": fit.p_value}),
            "starts": {"tried": fit.starts_tried, "agreed": fit.starts_agreed},
        }
        pairs = zip(self.estimates("crossing"), self.estimates("level"), strict=True)
        document["crossings"] = [
            {
                "sizes": [float(self.small[i]), float(self.large[i])],
                "found": [float(c) for c in self.candidate[self.candidate_pair == i]],
                "c": estimate_json(c),
                self.observable: estimate_json(level),
            }
            for i, (c, level) in enumerate(pairs)
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
    it the amplitude a depends on their ratio to second order only. Corrections to this power are
    in the model, as in `physbatch.scaling.fit_critical_control`: a limit and its exponent have
    one total error, beside it ``stderr`` of the power alone.

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
        ``errors_unknown``, ``binned`` and others of the table that bear on its errors.
        ``several_crossings``: all are listed, and of all chains from size to size the one that
        moves least is taken. The limit needs three crossings (``too_few_points``), its exponent
        four that hold it (``fixed_exponent``). ``errors_too_small`` and ``errors_too_large``:
        crossings scatter more or less about the law than their errors allow.

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
    table = binned(table, MOST_POINTS * table.sizes.size)
    generator = np.random.default_rng([seed, 31])
    curves = curves_of_sizes(table, name, resamples, generator)
    chosen_pairs = pairs_of_sizes(table.sizes, pairs)
    brackets = [find_candidates(curves[a], curves[b]) for a, b in chosen_pairs]
    chain = choose_chain([candidates for candidates, _ in brackets], near)
    fits: list[CrossingFit] = []
    flags = [flag for flag in table.flags if flag.kind in ON_ERRORS]
    flags += [
        CORRELATED_POINTS(
            f"{name} is too smooth for independent errors at "
            f"{table.size_name} = {size:g}; errors are those of a curve that moves as a whole"
        )
        for size, curve in curves.items()
        if curve.correlated
    ]
    for (a, b), (candidates, why), taken in zip(chosen_pairs, brackets, chain, strict=True):
        centre = candidates[taken] if taken >= 0 else math.nan
        label = f"{table.size_name} = {a:g} and {b:g}"
        fits.append(cross_curves(curves[a], curves[b], centre, why))
        flags += [flag.at(label) for flag in fits[-1].flags]
        if len(candidates) > 1:
            listed = ", ".join(f"{c:.6g}" for c in candidates)
            flags.append(SEVERAL_CROSSINGS(f"{listed}; {centre:.6g} is taken at {label}"))
    marked = [
        (i, c, float(k == taken))
        for i, ((candidates, _), taken) in enumerate(zip(brackets, chain, strict=True))
        for k, c in enumerate(candidates)
    ]
    return _assemble(table, name, chosen_pairs, marked, fits, flags)


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


def _assemble(
    table: ScalingTable,
    name: str,
    pairs: list[tuple[float, float]],
    candidates: list[tuple[int, float, float]],  # pair, about where, whether it is taken
    fits: list[CrossingFit],
    flags: list[Flag],
) -> Crossings:
    small, large = np.array(pairs).T
    mean_size = np.sqrt(small * large)
    if np.ptp(np.log(large / small)) > 0.2:
        flags.append(UNEQUAL_RATIOS("the amplitude of the approach differs from pair to pair"))
    crossing, level = (
        _columns(key, [getattr(fit, key) for fit in fits]) for key in ("crossing", "level")
    )
    limits = _limits(table.dimension, name, mean_size, (crossing, level), fits)
    flags += [flag for fit in limits for flag in fit.flags if flag.kind is not LEFT_OUT]
    ends = np.array([fit.crossing.interval68 for fit in fits])
    which = np.array(candidates, dtype=np.float64).reshape(-1, 3).T
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
        candidate_pair=which[0],
        candidate=which[1],
        candidate_chosen=which[2],
        lines=np.array([fit.line for fit in fits]),
        c_c=limits[0]["c"],
        exponent=limits[0]["phi"],
        level_limit=limits[1]["c"],
        level_exponent=limits[1]["phi"],
        control_fit=limits[0],
        level_fit=limits[1],
        flags=tuple(dict.fromkeys(flags)),
        **crossing,
        **level,
    )


def _columns(name: str, estimates: list[Estimate]) -> dict[str, FloatArray]:
    return {
        name: np.array([estimate.value for estimate in estimates]),
        f"{name}_stderr": np.array([estimate.stderr for estimate in estimates]),
        f"{name}_systematic": np.array([estimate.systematic for estimate in estimates]),
    }


def _limits(
    dimension: str,
    name: str,
    mean_size: FloatArray,
    columns: tuple[dict[str, FloatArray], dict[str, FloatArray]],
    fits: list[CrossingFit],
) -> list[ScalingFit]:
    """Those of the crossings, and of the observable there."""
    approaches: tuple[tuple[Approach, str, list[FloatArray]], ...] = (
        ("crossing", "c_c", [fit.crossing_resampled for fit in fits]),
        ("level", name, [fit.level_resampled for fit in fits]),
    )
    limits = []
    for (what, quantity, drawn), known in zip(approaches, columns, strict=True):
        value, stderr, systematic = known.values()
        limits.append(
            fit_approach(
                what,
                mean_size,
                value,
                np.hypot(stderr, systematic),
                dimension=dimension,
                quantity=quantity,
                covariance=_covariance(drawn, systematic),
            )
        )
    return limits


def _covariance(resampled: list[FloatArray], systematic: FloatArray) -> FloatArray:
    """Of the pairs, from common resamples, with their own systematic errors added."""
    drawn = np.array(resampled)
    both = np.all(np.isfinite(drawn) | np.isnan(drawn).all(axis=1, keepdims=True), axis=0)
    covariance = np.atleast_2d(np.cov(drawn[:, both])) if both.sum() > 1 else np.eye(len(drawn))
    return np.asarray(covariance + np.diag(systematic**2))
