"""Mini-batch dynamics as thermal noise: the temperature that gives the same stationary state.

Greedy moves judged on a random part of a pattern set accept some moves that the whole set would
refuse, as Metropolis moves at a temperature do. If the two were the same, one temperature T(m)
would match every stationary observable. So T is found twice, from the energy and from the
overlap, and the result says whether the two agree.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
import scipy
import xarray as xr
from scipy import interpolate, optimize

from physbatch.dataset import STATUS_OK, batch_sizes, validate
from physbatch.errors import AnalysisError
from physbatch.noise.plane import counted_repr, stated_rows
from physbatch.noise.stationarity import drift_flags
from physbatch.results.estimate import Estimate
from physbatch.results.flag import Flag
from physbatch.results.flags import INCONSISTENT, OUTSIDE
from physbatch.results.record import Record, result
from physbatch.scaling.statistics.resampling import bootstrap_counts
from physbatch.typing import FloatArray

_OBSERVABLES = ("training_error", "overlap")
_DISAGREE = 4.0  # standard errors between the two temperatures


def batch_acceptance(
    newly_wrong: int,
    newly_right: int,
    patterns: int,
    batch_size: int,
    *,
    ties: Literal["accept", "reject"] = "accept",
) -> float:
    """Chance that a batch accepts a move which changes some patterns of the set.

    A batch of m distinct patterns holds U of the `newly_wrong` and D of the `newly_right` ones;
    (U, D) is multivariate hypergeometric. The move is accepted if U <= D (ties accepted) or
    U < D. Metropolis dynamics on the whole set depends on newly_wrong - newly_right alone; this
    does not, which is where the mapping to a temperature must fail in the end.

    Parameters
    ----------
    newly_wrong, newly_right : int
        Numbers of patterns that the move spoils and mends.
    patterns, batch_size : int
        P, and m from 1 to P.
    ties : {"accept", "reject"}
        What happens to moves that change nothing in the batch.

    Raises
    ------
    AnalysisError
        If there are more changed patterns than patterns, or m does not fit.

    References
    ----------
    Angelini, Cavaliere, Marino and Ricci-Tersenghi, Sci. Rep. 14 (2024) 11638,
    arXiv 2309.05337.

    Examples
    --------
    >>> round(batch_acceptance(1, 0, patterns=10, batch_size=4), 9)  # it is not in the batch
    0.6
    """
    if min(newly_wrong, newly_right) < 0 or newly_wrong + newly_right > patterns:
        raise AnalysisError(
            f"{newly_wrong} + {newly_right} changed patterns of {patterns}",
            where="batch_acceptance",
        )
    if not 1 <= batch_size <= patterns:
        raise AnalysisError(f"batch size {batch_size} of {patterns}", where="batch_acceptance")
    # A batch that is nearly the whole set cannot miss all of them.
    fewest = max(0, batch_size - (patterns - newly_wrong))
    spoilt = np.arange(fewest, min(newly_wrong, batch_size) + 1)
    chance = scipy.stats.hypergeom.pmf(spoilt, patterns, newly_wrong, batch_size)
    least = spoilt if ties == "accept" else spoilt + 1
    mended = scipy.stats.hypergeom.sf(
        least - 1, patterns - newly_wrong, newly_right, batch_size - spoilt
    )
    return float(min(1.0, math.fsum(chance * mended)))


@result("effective temperature")
@dataclass(frozen=True, eq=False, repr=False)
class EffectiveTemperature(Record):
    """T(m) from the energy and from the overlap; nan outside the range of temperatures.

    Attributes
    ----------
    batch_size : ndarray, shape (n_batch_size,)
        m.
    from_energy, from_energy_stderr : ndarray
        T at which the fraction of wrong training outputs is the same.
    from_overlap, from_overlap_stderr : ndarray
        T at which the overlap with the teacher is the same.
    difference : ndarray
        Their difference in standard errors.
    flags : tuple of Flag
        ``outside`` (no temperature of the thermal data matches), ``inconsistent`` (the two
        temperatures differ by more than 4 standard errors: no temperature describes the state),
        ``still_relaxing`` (a state that the temperatures rest on drifts, or was measured once:
        it need not be the stationary one).
    """

    main_dim: ClassVar[str] = "batch_size"

    batch_size: FloatArray
    from_energy: FloatArray
    from_energy_stderr: FloatArray
    from_overlap: FloatArray
    from_overlap_stderr: FloatArray
    difference: FloatArray
    flags: tuple[Flag, ...]

    def __repr__(self) -> str:
        both = self.from_energy + self.from_overlap  # nan where one of them is
        return counted_repr(self, both, "batch sizes", self.flags)

    def stated(self) -> dict[str, Estimate]:
        """Both temperatures of every batch size."""
        keys = {"m": self.batch_size}
        return {
            **stated_rows("T from energy", keys, self.from_energy, self.from_energy_stderr),
            **stated_rows("T from overlap", keys, self.from_overlap, self.from_overlap_stderr),
        }


def effective_temperature(
    batches: xr.Dataset, thermal: xr.Dataset, *, after: float, resamples: int = 300, seed: int = 0
) -> EffectiveTemperature:
    """Match the stationary state of mini-batch dynamics to that of Metropolis dynamics.

    The thermal averages are interpolated monotonically in ln T and inverted at the averages of
    each batch size. Errors are a bootstrap of the replicas of both datasets, of the same ones in
    both if they are paired (`seed.paired`, same system and seeds: replica r has the same
    patterns); averages over time within a replica are one number, so correlations in time do not
    matter.

    A state counts as stationary unless its means change from the first half of the late times to
    the second: Student's test over replicas, of both observables, at every m and at the two
    nearest temperatures on each side of every T(m). The chance that any of them seems to drift
    if none does is 1 %. What is left of a transient at the start of the late times is seen if it
    moves the average by about four standard errors; a slower drift may hide behind the noise.

    Parameters
    ----------
    batches : xarray.Dataset
        Dynamics on batches of m of P patterns, swept over ``batch_size``.
    thermal : xarray.Dataset
        Metropolis dynamics on all P patterns, swept over ``temperature``.
    after : float
        Times from here on count as stationary.
    resamples, seed : int
        Of the bootstrap.

    Raises
    ------
    AnalysisError
        If a dataset lacks ``training_error``, is swept over something else, has fewer than
        three temperatures or two replicas, or no time after `after`.

    References
    ----------
    Angelini, Cavaliere, Marino and Ricci-Tersenghi, Sci. Rep. 14 (2024) 11638,
    arXiv 2309.05337.
    """
    control = str(batches.attrs.get("control_dim", "batch_size"))
    series = (
        _late(batches, control, after, "batches"),
        _late(thermal, "temperature", after, "thermal"),
    )
    here, there = (values.mean(axis=-1) for values in series)
    temperature = np.asarray(thermal["temperature"].values, dtype=np.float64)
    if len(temperature) < 3:
        raise AnalysisError(
            f"{len(temperature)} temperatures", where="thermal", remedy="sweep at least three"
        )
    generator = np.random.default_rng(seed)
    weights = bootstrap_counts(generator, here.shape[2], resamples) / here.shape[2]
    other = bootstrap_counts(generator, there.shape[2], resamples) / there.shape[2]
    if _paired(batches, thermal):
        other = weights
    m = np.asarray(batch_sizes(batches).values, dtype=np.float64).ravel()
    equivalent = np.full((2, len(m)), math.nan)
    drawn = np.full((2, len(m), resamples), math.nan)
    for number in range(2):
        equivalent[number] = _invert(
            temperature, there[number].mean(axis=1), here[number].mean(axis=1)
        )
        for sample in range(resamples):
            drawn[number, :, sample] = _invert(
                temperature, there[number] @ other[sample], here[number] @ weights[sample]
            )
    # A value at the edge of the thermal range is lost in some resamples; half must hold it.
    equivalent[np.isfinite(drawn).mean(axis=2) < 0.5] = math.nan
    stderr = np.where(np.isfinite(equivalent), _spread(drawn), math.nan)
    spread = np.where(np.isfinite(equivalent).all(axis=0), _spread(drawn[0] - drawn[1]), math.nan)
    difference = (equivalent[0] - equivalent[1]) / spread
    return EffectiveTemperature(
        batch_size=m,
        from_energy=equivalent[0],
        from_energy_stderr=stderr[0],
        from_overlap=equivalent[1],
        from_overlap_stderr=stderr[1],
        difference=difference,
        flags=(*_flags(m, equivalent, difference), *_drifts(m, temperature, equivalent, series)),
    )


def _paired(batches: xr.Dataset, thermal: xr.Dataset) -> bool:
    """Whether replica r has the same disorder in both."""
    name = batches.attrs.get("paired")
    alike = all(batches.sizes.get(dim) == thermal.sizes.get(dim) for dim in ("replica", "size"))
    return name is not None and name == thermal.attrs.get("paired") and alike


def _flags(m: FloatArray, equivalent: FloatArray, difference: FloatArray) -> tuple[Flag, ...]:
    """What is missing or does not agree; `equivalent` has the shape (2, n_batch_size)."""
    outside = [
        OUTSIDE(f"no temperature gives the {name.replace('_', ' ')} of m = {batch_size:g}")
        for name, temperatures in zip(_OBSERVABLES, equivalent, strict=True)
        for batch_size, temperature in zip(m, temperatures, strict=True)
        if not math.isfinite(temperature)
    ]
    inconsistent = [
        INCONSISTENT(
            f"T = {energy:.3g} from the energy and {overlap:.3g} from the "
            f"overlap at m = {batch_size:g}, {abs(apart):.1f} standard errors apart"
        )
        for batch_size, energy, overlap, apart in zip(m, *equivalent, difference, strict=True)
        if abs(apart) > _DISAGREE
    ]
    return (*outside, *inconsistent)


@dataclass(frozen=True)
class StationaryState:
    """Averages over late times and replicas, with standard errors over replicas.

    Attributes
    ----------
    control : ndarray, shape (n_control,)
        m, or T.
    training_error, training_error_stderr : ndarray, shape (n_control,)
        Fraction of wrong outputs on the set of patterns.
    overlap, overlap_stderr : ndarray, shape (n_control,)
        Overlap with the teacher.
    """

    control: FloatArray
    training_error: FloatArray
    training_error_stderr: FloatArray
    overlap: FloatArray
    overlap_stderr: FloatArray


def stationary_state(data: xr.Dataset, dim: str, *, after: float) -> StationaryState:
    """Stationary averages along one dimension; errors as for `effective_temperature`.

    Parameters
    ----------
    data : xarray.Dataset
        Dynamics on patterns.
    dim : str
        ``batch_size`` or ``temperature``.
    after : float
        Times from here on count.
    """
    values = _late(data, dim, after, dim).mean(axis=-1)
    mean = values.mean(axis=2)
    stderr = values.std(axis=2, ddof=1) / math.sqrt(values.shape[2])
    control = np.asarray(data[dim].values, dtype=np.float64)
    return StationaryState(control, mean[0], stderr[0], mean[1], stderr[1])


def _spread(drawn: FloatArray) -> FloatArray:
    """Standard deviation of the values along the last axis that are known; nan of one alone."""
    finite = np.isfinite(drawn)
    count = finite.sum(axis=-1)
    mean = np.where(finite, drawn, 0.0).sum(axis=-1) / np.maximum(count, 1)
    squares = np.where(finite, (drawn - mean[..., None]) ** 2, 0.0).sum(axis=-1)
    variance = np.where(count > 1, squares / np.maximum(count - 1, 1), math.nan)
    return np.asarray(np.sqrt(variance))


def _drifts(
    m: FloatArray, temperature: FloatArray, equivalent: FloatArray, series: Sequence[FloatArray]
) -> tuple[Flag, ...]:
    """Flags of the states that T(m) rests on; `series` are those of batches and of temperatures."""
    matched = equivalent[np.isfinite(equivalent)]
    near = np.searchsorted(temperature, matched)[:, None] + np.arange(-2, 2)
    used = np.unique(near[(near >= 0) & (near < len(temperature))])
    states = [(f"m = {value:g}", series[0][:, row]) for row, value in enumerate(m)]
    states += [(f"T = {temperature[row]:g}", series[1][:, row]) for row in used]
    return drift_flags(
        [
            (name.replace("_", " "), state, values)
            for state, pair in states
            for name, values in zip(_OBSERVABLES, pair, strict=True)
        ]
    )


def _late(data: xr.Dataset, dim: str, after: float, where: str) -> FloatArray:
    """Both observables at the late times, shape (2, swept, replica, time)."""
    data = validate(data, where=where)
    for name in _OBSERVABLES:
        if name not in data:
            raise AnalysisError(
                f"no {name}", where=where, remedy="simulate with inputs of kind 'patterns'"
            )
    late = data.sel(time=data["time"] >= after)
    if late.sizes["time"] == 0:
        raise AnalysisError(f"no time after {after:g}", where=where, remedy="lower `after`")
    extra = {
        str(name)
        for name, length in late["overlap"].sizes.items()
        if length > 1 and name not in (dim, "replica", "time")
    }
    if extra or dim not in late.dims:
        raise AnalysisError(
            f"swept over {', '.join(sorted(extra)) or 'nothing'}, not over {dim} alone",
            where=where,
            remedy="select one value of every other dimension",
        )
    if bool((late["status"] != STATUS_OK).any()):
        raise AnalysisError("some replicas are missing or diverged", where=where)
    if late.sizes["replica"] < 2:
        raise AnalysisError(
            "one replica, and errors are those of replicas", where=where, remedy="run more"
        )
    others = [name for name in late["overlap"].dims if name not in (dim, "replica", "time")]
    series = late[list(_OBSERVABLES)].squeeze(others).transpose(dim, "replica", "time")
    return np.stack([series[name].values for name in _OBSERVABLES]).astype(np.float64)


def _invert(temperature: FloatArray, curve: FloatArray, values: FloatArray) -> FloatArray:
    """Temperatures at which a monotone curve takes the values; nan outside its range."""
    rising = curve[-1] > curve[0]
    # Noise may make neighbours change places; the nearest monotone curve puts that right.
    smooth = optimize.isotonic_regression(curve, increasing=bool(rising)).x
    curve_at = interpolate.PchipInterpolator(np.log(temperature), smooth)
    low, high = math.log(temperature[0]), math.log(temperature[-1])
    temperatures = np.full(len(values), math.nan)
    for row, value in enumerate(values):
        ends = float(curve_at(low)) - value, float(curve_at(high)) - value
        if ends[0] * ends[1] < 0:
            root = optimize.brentq(lambda u, v=value: float(curve_at(u)) - v, low, high)
            temperatures[row] = math.exp(root)
    return temperatures
