"""Crossings of an observable at pairs of sizes, and their limit N -> infinity."""

import math
from collections.abc import Mapping, Sequence

import numpy as np

from physbatch.errors import AnalysisError
from physbatch.results.estimate import Estimate
from physbatch.results.flag import Flag
from physbatch.results.flags import CORRELATED_POINTS, ON_ERRORS, SEVERAL_CROSSINGS
from physbatch.scaling.curves.crossing_limits import Limits, limits_of
from physbatch.scaling.curves.crossing_result import Crossings
from physbatch.scaling.curves.crossing_search import (
    CrossingFit,
    Pairs,
    choose_chain,
    cross_curves,
    estimate_of,
    find_candidates,
    pairs_of_sizes,
)
from physbatch.scaling.curves.local_fits import MOST_POINTS, curves_of_sizes
from physbatch.scaling.curves.smooth_curves import SmoothCurve, SmoothCurves, draw_curves
from physbatch.tables.binning import binned
from physbatch.tables.make import checked
from physbatch.tables.table import ScalingTable
from physbatch.typing import FloatArray


def find_crossings(
    table: ScalingTable,
    observable: str | None = None,
    *,
    quotients: Sequence[str] = (),
    pairs: Pairs | Sequence[tuple[float, float]] = "all",
    near: float | None = None,
    resamples: int = 1000,
    seed: int = 0,
) -> Crossings:
    r"""Find where the curves of two sizes cross, and extrapolate to N -> infinity.

    The curve of each size is a Gaussian process whose length, amplitude and reach are summed over
    with their evidence, as is a factor on all errors; draws of these curves, the same for all
    pairs, give every crossing and its error. A crossing is claimed only between controls at
    which the curves differ by 2.6 standard deviations in opposite directions.

    The limit is no fit of a power to the crossings. At c_c values and slopes of *all* sizes obey
    :math:`y = y_c + b N^{-\omega} + ...` and :math:`y' = a N^{1/\nu} (1 + e N^{-\omega})`; c_c,
    y_c, 1/nu and omega are one posterior under these laws, so that no pair of sizes counts twice
    and few sizes need no power of their own. b and e are zero on the average, of a size that is
    summed over, and so is omega. A limit has one total error, beside it ``stderr`` without
    corrections. For `quotients`, observables :math:`O = A N^{\zeta/\nu} (1 + d N^{-\omega})`,
    zeta/nu is that of their ratios at the crossing.

    Parameters
    ----------
    table : ScalingTable
        Data.
    observable : str, optional
        Which; may be left out if there is one beside the `quotients`. It must tend to a number
        at c_c, as the Binder parameter, xi/L or the chance of wrapping.
    quotients : sequence of str
        Observables whose zeta/nu is wanted: an order parameter gives -beta/nu, a susceptibility
        gamma/nu. Their errors are taken as independent of those of `observable`.
    pairs : {"all", "consecutive", "double"} or sequence of pairs of sizes
        Neighbouring sizes and all with a ratio of 1.5 at least; neighbouring ones; N and 2N; or
        the given ones. The limits rest on all sizes that are in a pair.
    near : float, optional
        Of several crossings take the one nearest to this control.
    resamples, seed : int
        Draws of the curves.

    Returns
    -------
    Crossings
        Where a pair has no crossing, its numbers are nan and a flag says why: ``no_crossing``,
        ``no_overlap`` (of the control ranges), ``not_resolved``; limits are nan where no pair
        crosses or c_c is not held. ``few_sizes``: fewer than four sizes test no
        extrapolation, `basis` says what c_c is. ``fixed_exponent``: the data do not hold 1/nu.
        ``correlated_points``: the points of a size share runs, and no covariance is given.
        ``errors_too_small`` and ``errors_too_large``: points scatter more or less about smooth
        curves than their errors allow. ``several_crossings``: all are listed, and of all chains
        from size to size the one that moves least is taken. ``errors_unknown``, ``binned`` and
        others of the table that bear on its errors.

    Raises
    ------
    physbatch.errors.AnalysisError
        For an unknown observable, or fewer than two sizes.

    References
    ----------
    Binder, Z. Phys. B 43 (1981) 119, doi 10.1007/BF01293604; Ballesteros et al., Phys. Lett. B
    378 (1996) 207, doi 10.1016/0370-2693(96)00358-9.

    Examples
    --------
    >>> sizes = np.repeat([16.0, 32.0, 64.0, 128.0], 21)
    >>> c = np.tile(np.linspace(0.8, 1.2, 21), 4)
    >>> y = np.tanh((c - 1.0) * np.sqrt(sizes)) + 1.0 / sizes
    >>> table = ScalingTable(sizes, c, {"y": y}, {"y": np.full(84, 1e-3)})
    >>> result = find_crossings(table, resamples=200)
    >>> abs(result.c_c.value - 1.0) < 2 * result.c_c.total < 0.01
    True
    """
    name = _observable(table, observable, quotients)
    table = checked(
        table.only(name, *quotients), minimum_points=1, where=table.source or "crossings"
    )
    table = binned(table, MOST_POINTS * table.sizes.size)
    generator = np.random.default_rng([seed, 31])
    chosen_pairs = pairs_of_sizes(table.sizes, pairs)
    smooth, flags = _smooth(table, name, chosen_pairs, resamples, generator)
    others = {q: _smooth(table, q, chosen_pairs, resamples, generator)[0].curves for q in quotients}
    curves = smooth.curves
    brackets = [find_candidates(curves[a], curves[b]) for a, b in chosen_pairs]
    chain = choose_chain([[c.control for c in candidates] for candidates, _ in brackets], near)
    fits: list[CrossingFit] = []
    marked: list[tuple[int, float, float]] = []  # pair, about where, whether it is taken
    for i, ((a, b), (candidates, why), taken) in enumerate(
        zip(chosen_pairs, brackets, chain, strict=True)
    ):
        label = f"{table.size_name} = {a:g} and {b:g}"
        fits.append(
            cross_curves(curves[a], curves[b], candidates[taken] if taken >= 0 else None, why)
        )
        flags += [flag.at(label) for flag in fits[-1].flags]
        marked += [(i, c.control, float(k == taken)) for k, c in enumerate(candidates)]
        if len(candidates) > 1:
            listed = ", ".join(f"{c.control:.6g}" for c in candidates)
            words = f"{listed}; {candidates[taken].control:.6g} is taken at {label}"
            flags.append(SEVERAL_CROSSINGS(words))
    ends = [c[k] for (c, _), k in zip(brackets, chain, strict=True) if k >= 0]
    region = (min(c.left for c in ends), max(c.right for c in ends)) if ends else None
    limits = limits_of(
        smooth, others, region, float(np.ptp(table.values[name])),
        (name, table.size_name, table.dimension),
    )  # fmt: skip
    return _assemble(table, name, chosen_pairs, marked, fits, others, limits, flags)


def _observable(table: ScalingTable, observable: str | None, quotients: Sequence[str]) -> str:
    others = [name for name in table.observables if name not in quotients]
    name = observable or (others[0] if len(others) == 1 else "")
    for wanted in (name, *quotients):
        if wanted not in table.observables:
            known = ", ".join(table.observables)
            what = f"no observable {wanted!r}" if wanted else "several observables"
            raise AnalysisError(
                what, where=table.source or "find_crossings", remedy=f"choose one of {known}"
            )
    if table.sizes.size < 2:
        raise AnalysisError("crossings need two sizes", where=table.source)
    return name


def _smooth(
    table: ScalingTable,
    name: str,
    pairs: list[tuple[float, float]],
    draws: int,
    generator: np.random.Generator,
) -> tuple[SmoothCurves, list[Flag]]:
    """Drawn curves of the sizes in the pairs, and what is to be said of the data."""
    used = {size for pair in pairs for size in pair}
    points = {
        size: curve
        for size, curve in curves_of_sizes(table, name, 0, generator).items()
        if size in used
    }
    flags = [flag for flag in table.flags if flag.kind in ON_ERRORS]
    flags += [
        CORRELATED_POINTS(
            f"{name} is too smooth for independent errors at "
            f"{table.size_name} = {size:g}; errors are those of a curve that moves as a whole"
        )
        for size, curve in points.items()
        if curve.correlated
    ]
    if CORRELATED_POINTS.among(flags):  # sizes of one origin: what shows at one holds for all
        points = {size: curve._replace(correlated=True) for size, curve in points.items()}
    return draw_curves(points, draws, generator), flags


def _assemble(
    table: ScalingTable,
    name: str,
    pairs: list[tuple[float, float]],
    candidates: list[tuple[int, float, float]],
    fits: list[CrossingFit],
    others: Mapping[str, Mapping[float, SmoothCurve]],
    limits: Limits,
    flags: list[Flag],
) -> Crossings:
    small, large = np.array(pairs).T
    ends = np.array([fit.crossing.interval68 for fit in fits])
    which = np.array(candidates, dtype=np.float64).reshape(-1, 3).T
    columns = {
        key: np.array([getattr(fit, key) for fit in fits])
        for key in ("drawn_crossing", "drawn_level", "drawn_inverse_nu")
    }
    for key in ("crossing", "level", "inverse_nu"):
        known = [getattr(fit, key) for fit in fits]
        columns[key] = np.array([estimate.value for estimate in known])
        columns[f"{key}_stderr"] = np.array([estimate.stderr for estimate in known])
    quotients = _quotients(pairs, fits, others)
    return Crossings(
        observable=name,
        size_name=table.size_name,
        control_name=table.control_name,
        dimension=table.dimension,
        source=table.source,
        basis=limits.basis,
        size=table.size,
        control=table.control,
        value=table.values[name],
        stderr=table.errors[name],
        small=small,
        large=large,
        mean_size=np.sqrt(small * large),
        crossing_lower68=ends[:, 0],
        crossing_upper68=ends[:, 1],
        quotient_names=tuple(others),
        quotient=quotients[..., 0],
        quotient_stderr=quotients[..., 1],
        candidate_pair=which[0],
        candidate=which[1],
        candidate_chosen=which[2],
        lines=np.array([fit.line for fit in fits]),
        c_c=limits.c_c,
        level_limit=limits.level,
        inverse_nu_limit=limits.inverse_nu,
        nu=limits.nu,
        omega=limits.omega,
        quotient_limit=tuple(limits.quotients.values()),
        chi2=limits.chi2,
        dof=limits.dof,
        p_value=limits.p_value,
        flags=tuple(dict.fromkeys([*flags, *limits.flags])),
        **columns,
    )


def _quotients(
    pairs: list[tuple[float, float]],
    fits: list[CrossingFit],
    others: Mapping[str, Mapping[float, SmoothCurve]],
) -> FloatArray:
    """zeta/nu of every observable and pair, and its error, shape (n_of, n_pair, 2)."""
    numbers = [
        [_ratio(curves[a], curves[b], fit) for (a, b), fit in zip(pairs, fits, strict=True)]
        for curves in others.values()
    ]
    columns = [[(ratio.value, ratio.stderr) for ratio in row] for row in numbers]
    return np.array(columns).reshape(len(others), len(pairs), 2)


def _ratio(small: SmoothCurve, large: SmoothCurve, fit: CrossingFit) -> Estimate:
    """zeta/nu of one pair: ln of the ratio at the crossing over ln of that of the sizes."""
    if not math.isfinite(fit.crossing.value):
        return Estimate(math.nan, math.nan)
    at = np.where(np.isfinite(fit.drawn_crossing), fit.drawn_crossing, fit.crossing.value)
    with np.errstate(invalid="ignore", divide="ignore"):
        ratio = np.log(large.of_draws(at)[0] / small.of_draws(at)[0])
    return estimate_of(ratio / math.log(large.size / small.size))
