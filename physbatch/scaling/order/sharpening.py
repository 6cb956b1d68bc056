"""Evidence from scaling: does anything sharpen with N, and which law do the widths follow."""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from scipy import optimize

from physbatch.results.estimate import Estimate
from physbatch.results.flags import (
    ESSENTIAL_SINGULARITY_POSSIBLE,
    NO_FINITE_LIMIT,
)
from physbatch.scaling.laws.extrapolation import extrapolate
from physbatch.scaling.laws.power_laws import law
from physbatch.scaling.laws.single_fits import least_squares
from physbatch.scaling.order.histograms import SIGMAS, power, scaled, with_two_peaks
from physbatch.scaling.order.result import Evidence, silent
from physbatch.scaling.order.samples import LEAST_SIZES, OrderData, SizeSamples
from physbatch.scaling.statistics.resampling import bootstrap_counts, unbiased_spread
from physbatch.scaling.transition.result import Jump
from physbatch.scaling.transition.success_curves import success_curve
from physbatch.typing import FloatArray

#: Exponent of the width in N -> the first-order rounding that has it.
WIDTH_FORMS: Mapping[float, str] = {
    -1.0: "N^-1, coexistence in equilibrium",
    -2.0 / 3.0: "N^-2/3, a mean-field spinodal",
    -0.5: "N^-1/2, disorder or mean-field criticality",
    0.0: "independent of N",
}
#: Relative variances between which the width is read.
_LEVELS = (0.35, 0.1)
_LEAST_VANISHED = 2
_BOUNDS = (-12.0, 6.0)  # of the logarithm of the relative variance
_SLOW = 0.3  # a width that falls so slowly may fall with ln N


# --- sharpening of a dimensionless ratio ------------------------------------------------


class _Width(NamedTuple):
    """Where the relative variance of one size passes the two levels."""

    width: float
    stderr: float
    middle: float
    middle_stderr: float


def self_averaging(data: OrderData, resamples: int, seed: int) -> Evidence:
    r"""Width in the control over which the order parameter becomes self-averaging.

    The relative variance :math:`R = \mathrm{var}(q)/\langle q\rangle^2` has no dimension (it is
    :math:`\langle q^2\rangle/\langle q\rangle^2 - 1`). In an ordered phase R falls as 1/N; where
    q vanishes it stays. In between R is a function of :math:`N^{1/\nu}(c - c_c)`, so that the
    distance of the controls at which R = 0.35 and R = 0.1 falls as :math:`N^{-1/\nu}`. Without a
    transition R is g(c)/N at every c, and that distance does not fall, though its place may
    drift as ln N. As the order parameter of an absorbing state, 1 - q is looked at too. Aharony
    and Harris, doi 10.1103/PhysRevLett.77.3700.
    """
    name = "self-averaging"
    drawn = [_resampled(samples, resamples, [seed, 52, k]) for k, samples in enumerate(data.sizes)]
    pieces = [_sharpening(data, top, drawn) for top in _tops(data)]
    known = [samples for samples in pieces if samples.estimates]
    if not known:
        return pieces[0] if pieces else silent(name, "the mean changes sign")
    # Of q and 1 - q that which sharpens with more certainty: only one needs to be critical.
    return max(known, key=lambda samples: samples["1/nu"].value / max(samples["1/nu"].total, 1e-12))


def _tops(data: OrderData) -> list[float]:
    """0 for q itself unless its mean changes sign, and 1 for 1 - q where q has the ceiling 1.

    Where a mean passes through 0 its relative variance diverges, within a width that falls as
    N^(-1/2), and nothing is critical there.
    """
    every = np.concatenate([value for samples in data.sizes for value in samples.values])
    below = [
        samples.mean < -SIGMAS * np.sqrt(samples.variance / samples.replicas) - 1e-12
        for samples in data.sizes
    ]
    tops = [] if np.concatenate(below).any() else [0.0]
    return [*tops, 1.0] if float(np.abs(every).max()) <= 1.0 else tops


def _sharpening(
    data: OrderData, top: float, drawn: Sequence[tuple[FloatArray, FloatArray]]
) -> Evidence:
    name, quantity = "self-averaging", "width of the relative variance in the control"
    word = "1 - q" if top else "q"
    ratios = [_log_ratios(top - mean if top else mean, variance) for mean, variance in drawn]
    curves = list(zip(data.sizes, ratios, strict=True))
    trend = sum(_trend(samples.control, rows[0]) for samples, rows in curves)
    widths = [_read_width(samples, rows, trend > 0.0) for samples, rows in curves]
    size = data.volumes
    value, stderr, middle, error = np.array(widths).T
    there = np.isfinite(value) & np.isfinite(stderr)
    if there.sum() < LEAST_SIZES or not there[-1]:
        listed = ", ".join(f"{n:g}" for n in size[~there])
        return silent(
            name,
            f"the relative variance of {word} does not pass {_LEVELS[1]:g} and {_LEVELS[0]:g} "
            f"within the grid, or between two controls, at N = {listed}",
        )
    size, value, stderr, middle, error = (x[there] for x in (size, value, stderr, middle, error))
    b = power(size, value, stderr, quantity)["b"]
    inverse_nu = Estimate(-b.value, b.stderr, b.systematic, (-b.interval68[1], -b.interval68[0]))
    limit = extrapolate(
        f"control at which {word} becomes self-averaging", size, middle, error
    ).limit
    if not math.isfinite(b.value):
        text = f"the width over which {word} becomes self-averaging follows no power of N"
        return Evidence(name, "", text, (), (), quantity, size, value, stderr, b.flags)
    sharpens = inverse_nu.value > max(0.15, SIGMAS * inverse_nu.total)
    essential = sharpens and _falls_with_logarithm(size, value, stderr)
    flags = limit.flags
    if essential:
        flags = (*flags, ESSENTIAL_SINGULARITY_POSSIBLE(
            f"the width over which {word} becomes self-averaging falls as (ln N)^-2 about as well"
        ))  # fmt: skip
    names: tuple[str, ...] = ("1/nu", "c_c")
    estimates: tuple[Estimate, ...] = (inverse_nu, limit)
    which = f"1/nu = {inverse_nu} per N"
    if math.isfinite(data.space_dimension):
        per_length = scaled(inverse_nu, data.space_dimension)
        names, estimates = (*names, "1/nu per L"), (*estimates, per_length)
        which = f"1/nu = {per_length} per L, {inverse_nu} per N"
    if sharpens:
        text = f"{word} becomes self-averaging within a width that falls as N^(-1/nu), {which}"
        known = math.isfinite(limit.value)
        ending = f", at c = {limit} for N -> infinity" if known else ""
        # A width and a place that both fall with ln N only: N has to be astronomical.
        sharpens = known or not essential
    else:
        text = f"the width over which {word} becomes self-averaging does not fall with N "
        text += f"(N^-x, x = {inverse_nu})"
        drifts = NO_FINITE_LIMIT.among(limit.flags)
        ending = "; its place drifts as ln N" if drifts else ""
    return Evidence(
        name, "transition" if sharpens else "", text + ending, names, estimates,
        quantity, size, value, stderr, flags,
    )  # fmt: skip


def _falls_with_logarithm(size: FloatArray, width: FloatArray, stderr: FloatArray) -> bool:
    """Whether A (ln N)^-2 describes widths at least as well as a power, by AIC."""
    relative, y = stderr / width, np.log(width)
    power_law = np.stack([np.ones(size.size), np.log(size)], 1) / relative[:, None]
    best = power_law @ np.linalg.lstsq(power_law, y / relative, rcond=None)[0]
    rest = y + 2.0 * np.log(np.log(size))
    rest = (rest - np.average(rest, weights=relative**-2)) / relative
    return bool(np.sum(rest**2) < np.sum((y / relative - best) ** 2) + 2.0)


def _resampled(
    samples: SizeSamples, resamples: int, words: list[int]
) -> tuple[FloatArray, FloatArray]:
    """Mean and variance at each control, shape (1 + resamples, n_control); data first."""
    generator = np.random.default_rng(words)
    means, variances = [], []
    for values in samples.values:
        n = values.size
        counts = np.vstack([np.ones(n), bootstrap_counts(generator, n, resamples)])
        # Powers of the distance from the mean: near q = 1 the digits would be lost.
        deviation = values - values.mean()
        first, second = counts @ deviation / n, counts @ deviation**2 / n
        means.append(values.mean() + first)
        variances.append(np.maximum(second - first**2, 0.0) * n / (n - 1.0))
    return np.array(means).T, np.array(variances).T


def _log_ratios(mean: FloatArray, variance: FloatArray) -> FloatArray:
    """ln R; where the mean is not above 0 the order parameter has vanished."""
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.log(variance / mean**2)
    return np.where(mean > 0.0, np.clip(ratio, *_BOUNDS), _BOUNDS[1])


def _trend(control: FloatArray, ratio: FloatArray) -> float:
    """Whether ln R grows (positive) or falls with the control."""
    if control.size < 2:
        return 0.0
    return float(np.sum((control - control.mean()) / np.ptp(control) * (ratio - ratio.mean())))


def _read_width(samples: SizeSamples, rows: FloatArray, rising: bool) -> _Width:
    """The two levels read off the monotonic curve nearest to ln R (isotonic regression)."""
    high, low = (math.log(level) for level in _LEVELS)
    ends = np.array([levels_of(samples.control, row, rising, (high, low)) for row in rows])
    width, middle = np.abs(ends[:, 0] - ends[:, 1]), ends.mean(axis=1)
    if not _resolved(samples.control, rows[0], (float(ends[0].min()), float(ends[0].max())), high):
        return _Width(*[math.nan] * 4)
    with np.errstate(divide="ignore"):
        logarithm = np.log(width)
    drawn = logarithm[1:][np.isfinite(logarithm[1:])]
    if not math.isfinite(logarithm[0]) or drawn.size < 0.8 * (len(rows) - 1):
        return _Width(*[math.nan] * 4)
    replicas = int(samples.replicas.min())
    middles = middle[1:][np.isfinite(middle[1:])]
    errors = (float(unbiased_spread(x, replicas)) for x in (drawn, middles))
    relative, middle_error = errors
    return _Width(float(width[0]), float(width[0]) * relative, float(middle[0]), middle_error)


def _resolved(
    control: FloatArray, ratio: FloatArray, ends: tuple[float, float], high: float
) -> bool:
    """Whether a control lies between the levels, and two lie where the order has vanished."""
    inside = (control > ends[0]) & (control < ends[1])
    return bool(inside.any()) and int(np.sum(~inside & (ratio > high))) >= _LEAST_VANISHED


def levels_of(
    control: FloatArray, values: FloatArray, rising: bool, levels: tuple[float, ...]
) -> tuple[float, ...]:
    """Controls at which the monotonic curve nearest to some values passes levels (kernel).

    Isotonic regression, and straight lines between the middles of its steps; nan for a level
    that the curve does not reach on both sides. Barlow and Brunk,
    doi 10.1080/01621459.1972.10481216.
    """
    fit = optimize.isotonic_regression(values, increasing=rising)
    starts = fit.blocks
    middle = np.add.reduceat(control, starts[:-1]) / np.diff(starts)
    height = fit.x[starts[:-1]]
    if not rising:
        middle, height = middle[::-1], height[::-1]
    if height.size < 2:
        return (math.nan,) * len(levels)
    return tuple(np.interp(levels, height, middle, left=math.nan, right=math.nan).tolist())


# --- width of the transition region -----------------------------------------------------


def width_forms(data: OrderData, jumps: Sequence[Jump]) -> Evidence:
    """Width over which the upper state takes over, against the laws that are known for it."""
    name, quantity = "scaling forms", "width of the transition"
    cuts = {jump.size: jump.cut for jump in with_two_peaks(jumps)}
    if len(cuts) < LEAST_SIZES:
        return silent(name, "fewer than three sizes show two peaks")
    rows = []
    for samples in data.sizes:
        if samples.volume in cuts:
            width = _upper_width(samples, cuts[samples.volume])
            if math.isfinite(width.value):
                rows.append((samples.volume, width.value, width.stderr))
    if len(rows) < LEAST_SIZES:
        return silent(name, f"the width is resolved at {len(rows)} sizes only")
    size, value, stderr = np.array(rows).T
    # With a second control where both states occur a width may be known to 10 %, not better
    # than the logistic curve describes it.
    stderr = np.maximum(stderr, 0.1 * value)
    b = power(size, value, stderr, quantity)["b"]
    logarithm, relative = np.log(value), stderr / value
    squares = np.diag(relative**2)
    fits = {
        form: least_squares(
            law("constant"), size[:, None], logarithm - exponent * np.log(size), squares
        )
        for exponent, form in WIDTH_FORMS.items()
    }
    good = [form for form, fit in fits.items() if fit.p_value > 0.01]
    listed = "; ".join(f"{form}: chi2/dof {fit.chi2:.3g}/{fit.dof}" for form, fit in fits.items())
    slow = "slower than any of these powers, as of nucleation of droplets"
    none = slow if abs(b.value) < _SLOW else "none of the known forms"
    text = f"width ~ N^b, b = {b}: {' or '.join(good) or none} ({listed})"
    return Evidence(name, "", text, ("b",), (b,), quantity, size, value, stderr, b.flags)


def _upper_width(samples: SizeSamples, cut: float) -> Estimate:
    """Width of the logistic curve through the fraction above the cut."""
    upper = np.array([int(np.sum(value >= cut)) for value in samples.values])
    trials = samples.replicas
    order = samples.control
    if np.cov(order, upper / trials)[0, 1] < 0.0:  # a temperature: the upper state lies below
        order, upper, trials = -order[::-1], upper[::-1], trials[::-1]
    mixed = np.flatnonzero((upper > 0) & (upper < trials))
    if mixed.size == 0:
        return Estimate(math.nan)
    # Beyond the next points on both sides all replicas agree, which says no more.
    near = slice(max(int(mixed[0]) - 1, 0), int(mixed[-1]) + 2)
    return success_curve(order[near], upper[near], trials[near], size=samples.volume).width
