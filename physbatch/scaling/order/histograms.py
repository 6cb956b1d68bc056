"""Evidence from histograms: two peaks, their distance, fluctuations, the Binder parameter."""

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from physbatch.results.estimate import Estimate
from physbatch.scaling.laws.extrapolation import extrapolate
from physbatch.scaling.laws.fits import ScalingFit, fit_law
from physbatch.scaling.laws.power_laws import law
from physbatch.scaling.laws.single_fits import least_squares
from physbatch.scaling.order.result import CONTINUOUS, FIRST_ORDER, Evidence, silent
from physbatch.scaling.order.samples import LEAST_SIZES, OrderData, SizeSamples
from physbatch.scaling.transition.jump import find_jump
from physbatch.scaling.transition.result import Jump
from physbatch.typing import FloatArray

#: Standard errors by which a limit or an exponent must differ from 0.
SIGMAS = 3.0
#: A barrier above this, at each of the largest sizes, is that of no critical law: those do not
#: depend on N and are of order 1.
_DEEP = 10.0
#: Standard errors by which the latent jump must stay above 0, as in `analyse`.
_LATENT_SIGMAS = 4.0
#: Difference of AIC by which a power law must describe the jump better than any limit.
_BETTER = 4.0
#: The barrier grows at least so fast; N^(2/3) at a spinodal, N^0 at a critical point.
_LEAST_GROWTH = 0.3
#: A mean that moves by more than this part of its range between two controls hides its histogram,
_COARSE = 0.5
#: and so does a step of this part that is so many times steeper than the steps beside it.
_STEP, _STEEPER = 0.15, 3.0


def power(
    size: npt.ArrayLike, value: npt.ArrayLike, stderr: npt.ArrayLike, quantity: str
) -> ScalingFit:
    """A N^b through all sizes; the smallest ones are left out only where they do not follow."""
    whole = fit_law(size, value, stderr, [law("power")], quantity=quantity, scan=False)
    if math.isfinite(whole["b"].value):
        return whole
    return fit_law(size, value, stderr, [law("power")], quantity=quantity)


def scaled(estimate: Estimate, factor: float) -> Estimate:
    """An estimate in another unit, or turned round."""
    low, high = sorted(factor * end for end in estimate.interval68)
    spread = abs(factor)
    return Estimate(
        factor * estimate.value,
        spread * estimate.stderr,
        spread * estimate.systematic,
        (low, high),
        estimate.flags,
    )


def view_peaks(data: OrderData, resamples: int, seed: int) -> tuple[Jump, ...]:
    """At every size the histogram where fluctuations are largest, split in two."""
    return tuple(
        find_jump(
            history,
            math.nan,
            time=float(history["time"].values[-1]),
            resamples=resamples,
            seed=int(np.random.SeedSequence([seed, 51, number]).generate_state(1)[0]),
        )
        for number, history in enumerate(data.histories)
    )


def with_two_peaks(jumps: Sequence[Jump]) -> list[Jump]:
    """Those that show two peaks."""
    return [jump for jump in jumps if math.isfinite(jump.latent.value)]


def coarse_size(data: OrderData) -> float:
    """The largest size if its mean jumps between two neighbouring controls; nan if not."""
    largest = data.sizes[-1]
    span = float(np.ptp(np.concatenate([size.mean for size in data.sizes])))
    step = np.abs(np.diff(largest.mean))
    slope = np.pad(step / np.diff(largest.control), 1)
    steep = (step > _STEP * span) & (slope[1:-1] > _STEEPER * np.maximum(slope[:-2], slope[2:]))
    return largest.volume if np.any(steep | (step > _COARSE * span)) else math.nan


def two_peaks(jumps: Sequence[Jump]) -> Evidence:
    r"""Two peaks at the pseudo-critical control, and the barrier between them against N.

    Two Gaussian peaks at a distance of D widths have a barrier

    .. math:: \Delta F = \ln(P_\text{peak}/P_\text{valley}) = D^2/8

    which grows with N where two phases coexist and stays, of order 1, where a critical law merely
    has two humps. Replicas on their way from one state to the other broaden the peaks of a
    dynamics, so a barrier above 10 at the largest sizes counts as well. Lee and Kosterlitz,
    doi 10.1103/PhysRevLett.65.137.
    """
    name, quantity = "two peaks", "barrier D^2/8"
    two = with_two_peaks(jumps)
    listed = ", ".join(f"{jump.size:g}" for jump in two)
    if not two:
        best = max(jump.separation for jump in jumps)
        text = (
            f"one peak at each of {len(jumps)} sizes where fluctuations are largest (separation "
            f"at most {best:.2g} widths, two peaks need {jumps[-1].threshold:.2g})"
        )
        return Evidence(name, "no jump", text, (), (), quantity, *np.empty((3, 0)))
    size = np.array([jump.size for jump in two])
    separation, stderr = np.array([_pooled_separation(jump) for jump in two]).T
    barrier, error = separation**2 / 8.0, separation * stderr / 4.0
    text = (
        f"two peaks at N = {listed} of {len(jumps)} sizes, {separation[-1]:.2g} widths apart "
        f"at N = {size[-1]:g} (valley by chance {two[-1].valley:.1g})"
    )
    if len(two) < LEAST_SIZES:
        return Evidence(name, "", text, (), (), quantity, size, barrier, error)
    growth = power(size, barrier, error, "barrier")["b"]
    grows = growth.value > max(_LEAST_GROWTH, 2.0 * growth.total)
    seen = {jump.size for jump in two}
    late = sum(jump.size in seen for jump in jumps[-LEAST_SIZES:]) >= LEAST_SIZES - 1
    text += f"; the barrier D^2/8 {'grows' if grows else 'goes'} as N^x, x = {growth}"
    deep = bool(np.all(barrier[-LEAST_SIZES:] - 2.0 * error[-LEAST_SIZES:] > _DEEP))
    text += f" and is {barrier[-1]:.3g} at N = {size[-1]:g}"
    points_to = FIRST_ORDER if (grows or deep) and late else ""
    return Evidence(name, points_to, text, ("growth",), (growth,), quantity, size, barrier, error)


def _pooled_separation(jump: Jump) -> tuple[float, float]:
    """Distance in units of the widths of the peaks, these pooled over the controls shown."""
    square, freedom = np.zeros(2), np.zeros(2)
    for row in jump.overlap:
        values = row[np.isfinite(row)]
        for side, group in enumerate((values[values < jump.cut], values[values >= jump.cut])):
            if group.size > 1:
                square[side] += float(np.sum((group - group.mean()) ** 2))
                freedom[side] += group.size - 1
    # A peak of equal values is as wide as the grain that `find_jump` took for its width.
    variance = square / freedom
    narrow = 2.0 * (jump.latent.value / jump.separation) ** 2 if np.any(variance == 0.0) else 0.0
    total = max(float(variance.sum()), narrow if variance.sum() == 0.0 else 0.0)
    relative = math.sqrt(float(np.sum(variance**2 / (2.0 * freedom)))) / total
    separation = jump.latent.value * math.sqrt(2.0 / total)
    # The width of a width; a few values caught between the peaks count as scatter.
    return separation, separation * max(0.5 * relative * 2.0**0.5, 0.1)


def latent_jump(jumps: Sequence[Jump]) -> Evidence:
    """Distance of the two peaks, extrapolated to N -> infinity (`extrapolate`)."""
    name, quantity = "latent jump", "distance of the peaks"
    two = with_two_peaks(jumps)
    if not two:
        return silent(name, "no size shows two peaks")
    size = np.array([jump.size for jump in two])
    value = np.array([jump.latent.value for jump in two])
    stderr = np.array([jump.latent.stderr for jump in two])
    fit = extrapolate(name, size, value, stderr)
    limit = fit.limit
    last = f"{two[-1].latent} at N = {size[-1]:g}"
    if not math.isfinite(limit.value):
        why = limit.flags[-1].text
        return Evidence(
            name, "", f"{last}, no limit: {why}", ("limit",), (limit,), quantity, size, value,
            stderr, limit.flags,
        )  # fmt: skip
    decay = least_squares(law("power"), size[:, None], value, np.diag(stderr**2))
    parameters = size.size - fit.form_dof
    least = float(np.min((fit.form_chi2 + 2.0 * parameters)[np.isfinite(fit.form_limit)]))
    decays = not decay.problem and decay.values[0] < 0.0 and decay.aic < least - _BETTER
    stays = limit.value > _LATENT_SIGMAS * limit.total and not decays
    words = "stays" if stays else "may vanish"
    text = f"the jump {words}: {last}, {limit} at N -> infinity"
    return Evidence(
        name, FIRST_ORDER if stays else "", text, ("limit",), (limit,), quantity, size, value,
        stderr, limit.flags,
    )  # fmt: skip


def fluctuations(data: OrderData) -> Evidence:
    r"""Largest variance over the controls against N.

    .. math:: \max_c \mathrm{var}(q) \sim N^{-a}, \qquad \max_c N\,\mathrm{var}(q)
              \sim N^{\gamma/\nu}, \quad \gamma/\nu = 1 - a

    per volume: a = 0 where two states coexist, since var = (jump)^2/4; 0 < a < 1 at a critical
    point with a divergent susceptibility; a = 1 where the central limit theorem holds
    everywhere. Binder and Landau, doi 10.1103/PhysRevB.30.1477.
    """
    rows = [_largest_variance(sample) for sample in data.sizes]
    size = data.volumes
    value, stderr = (np.array(column) for column in zip(*rows, strict=True))
    fit = power(size, value, stderr, "largest variance")
    b = fit["b"]
    if not math.isfinite(b.value):
        return Evidence(
            "fluctuations", "", f"the largest variance follows no power of N ({b.flags[0]})", (),
            (), "largest variance", size, value, stderr, b.flags,
        )  # fmt: skip
    low, high = b.interval68
    a = Estimate(-b.value, b.stderr, b.systematic, (-high, -low))
    gamma = Estimate(1.0 - a.value, a.stderr, a.systematic, (1.0 + low, 1.0 + high))
    text = f"the largest variance goes as N^-a, a = {a}, N var as N^(gamma/nu), {gamma} per N"
    points_to = ""
    if a.value > SIGMAS * a.total:
        points_to = "no jump"
        widest = data.sizes[-1].variance
        inside = 0 < int(np.argmax(widest)) < widest.size - 1
        if gamma.value > max(0.25, 4.0 * gamma.total) and not inside:
            text += ": the largest variance is at the end of the grid"
        elif gamma.value > max(0.25, 4.0 * gamma.total):
            points_to = CONTINUOUS
            text += ": the susceptibility diverges, less than N"
        elif a.value > 0.5:
            text += ": no divergence"
    elif abs(a.value) < min(0.25, 2.0 * a.total):
        text = f"the largest variance stays, as of two states (N^-a, a = {a})"
        points_to = FIRST_ORDER
    return Evidence(
        "fluctuations", points_to, text, ("a", "gamma_over_nu"), (a, gamma), "largest variance",
        size, value, stderr,
    )  # fmt: skip


def _largest_variance(samples: SizeSamples) -> tuple[float, float]:
    """The largest variance over the controls and its error."""
    variance = samples.variance
    widest = int(np.argmax(variance))
    values = samples.values[widest]
    if variance[widest] == 0.0:
        return math.nan, math.nan
    kurtosis = float(
        np.mean((values - values.mean()) ** 4) / np.mean((values - values.mean()) ** 2) ** 2
    )
    # The variance of a variance; the grid meets the maximum only nearly, so never below 10 %.
    relative = math.sqrt(max((kurtosis - 1.0) / values.size, 0.01))
    return float(variance[widest]), float(variance[widest]) * relative


def binder_minimum(size: FloatArray, curves: Sequence[tuple[FloatArray, FloatArray]]) -> Evidence:
    r"""How far the Binder parameter of each size reaches beyond its values at the ends of the grid.

    `curves` are (values, errors) along the control. A minimum of
    :math:`1 - \langle q^4\rangle/3\langle q^2\rangle^2` that deepens as N tells of coexistence
    (Vollmayr, Reger, Scheucher and Binder, doi 10.1007/BF01316713). A minimum alone tells
    nothing: that of the q = 3 Potts model, a continuous transition, stays finite.
    """
    name, quantity = "Binder minimum", "excess of the Binder parameter"
    excess, stderr = np.array([_excess(value, error) for value, error in curves]).T
    seen = excess > SIGMAS * stderr
    if seen.sum() < LEAST_SIZES:
        text = f"monotonic within errors at {int(np.sum(~seen))} of {size.size} sizes"
        return Evidence(name, "", text, (), (), quantity, size, excess, stderr)
    growth = power(size[seen], excess[seen], stderr[seen], quantity)["b"]
    listed = f"{excess[-1]:.3g} beyond the ends of the grid at size {size[-1]:g}"
    if not math.isfinite(growth.value):
        text, points_to = f"not monotonic: {listed}; no power of the size describes its depth", ""
    elif growth.value > max(0.5, SIGMAS * growth.total):
        text, points_to = (
            f"not monotonic and deepens as size^x, x = {growth}: {listed}",
            FIRST_ORDER,
        )
    else:
        text, points_to = f"not monotonic, but finite (size^x, x = {growth}): {listed}", ""
    return Evidence(
        name, points_to, text, ("growth",), (growth,), quantity, size, excess, stderr, growth.flags
    )


def _excess(value: FloatArray, error: FloatArray) -> tuple[float, float]:
    """How far a curve leaves the range between its two ends, and the error of that."""
    ends = sorted((0, value.size - 1), key=lambda row: value[row])
    below, above = int(np.argmin(value)), int(np.argmax(value))
    depths = ((value[ends[0]] - value[below], below, ends[0]),
              (value[above] - value[ends[1]], above, ends[1]))  # fmt: skip
    depth, furthest, end = max(depths, key=lambda reach: float(reach[0]))
    return float(depth), math.hypot(error[furthest], error[end])
