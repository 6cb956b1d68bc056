"""Order of a transition: first order, continuous, a crossover, or undecided."""

import math
from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

import numpy as np
import xarray as xr

from physbatch.errors import AnalysisError
from physbatch.results.flags import SAMPLES_NEEDED, WEAKLY_SINGULAR_OBSERVABLE
from physbatch.scaling.order.absorbing import absorbing_state
from physbatch.scaling.order.coexistence import phase_coexistence
from physbatch.scaling.order.divergence import as_unrelated, combined, has_diverged
from physbatch.scaling.order.dynamics import escapes, hysteresis
from physbatch.scaling.order.energy_like import energy_by_its_fluctuations, named_energy
from physbatch.scaling.order.histograms import (
    SIGMAS,
    binder_minimum,
    coarse_size,
    fluctuations,
    latent_jump,
    two_peaks,
    view_peaks,
    with_two_peaks,
)
from physbatch.scaling.order.relaxation import stationarity
from physbatch.scaling.order.result import (
    CONTINUOUS,
    CROSSOVER,
    DRIFTS,
    FIRST_ORDER,
    UNDECIDED,
    Evidence,
    TransitionOrder,
    silent,
)
from physbatch.scaling.order.samples import OrderData, curve_data, sample_data
from physbatch.scaling.order.shared_controls import curve_of_table, one_curve
from physbatch.scaling.order.sharpening import (
    self_averaging,
    width_forms,
)
from physbatch.scaling.transition.jump import padded
from physbatch.scaling.transition.result import Jump
from physbatch.tables.table import ScalingTable
from physbatch.typing import FloatArray

#: log10 of the chi-squared probability above which one curve describes all sizes.
_SAME = -3.0
#: How near to 1 the exponent a of N^-a must be known for fluctuations without divergence.
_CENTRAL_LIMIT = 0.35
#: Why a smooth energy is no crossover.
_WEAK = "an energy is continuous at any continuous transition: bring the order parameter"


def transition_order(
    data: ScalingTable | xr.Dataset,
    observable: str | None = None,
    *,
    kind: Literal["order parameter", "binder"] = "order parameter",
    control: str | None = None,
    time: float | None = None,
    space_dimension: float | None = None,
    resamples: int = 100,
    seed: int = 0,
) -> TransitionOrder:
    r"""Say whether a transition is first order, continuous, a crossover, or undecided.

    With the samples of an intensive order parameter q at three sizes N or more:

    * **first order** if the histogram of q has two peaks where its variance is largest, the
      barrier :math:`\Delta F = D^2/8` between them grows with N, and their distance stays for
      :math:`N \to \infty`;
    * **continuous** if there are no two peaks, :math:`\max_c \mathrm{var}(q) \sim N^{-a}` with
      a > 0 (no jump), and either the relative variance of q (or 1 - q) sharpens as
      :math:`N^{-1/\nu}` or the susceptibility diverges;
    * **crossover** if there are no two peaks, nothing sharpens, the variance falls as 1/N at
      all controls, and one curve describes the means of all sizes, up to 1/N;
    * **undecided** else, with what is missing.

    Hysteresis, escape times, the depth of a Binder minimum and the law of the widths are listed
    and do not decide: each of them also occurs without a first-order transition.

    Parameters
    ----------
    data : ScalingTable or xarray.Dataset
        A table with samples; a table with errors only, from which nothing but a crossover can
        be concluded; or a dataset of the schema, where a dimension ``initial_overlap`` gives the
        hysteresis and first passages give escape times.
    observable : str, optional
        The order parameter; by default the only one, or the overlap.
    kind : {"order parameter", "binder"}
        What a curve with errors is.
    control : str, optional
        For datasets: the swept parameter that is the control; by default that of the dataset.
    time : float, optional
        Run time, for datasets with several; by default the last.
    space_dimension : float, optional
        d in N = L^d, where sizes are linear.
    resamples, seed : int
        Of the bootstrap of the replicas, at least 50; the same seed gives the same bits.

    Returns
    -------
    TransitionOrder
        Verdict, reasons, and every piece of evidence with its numbers and errors. Where replicas
        diverged (flag ``diverged``), the verdict is that which holds for the others alone *and*
        for all of them with overlap 0 of those; if it does not, or 0 says nothing about the
        observable, it is ``undecided``, unless 5 % at most are lost at every point.

    Raises
    ------
    physbatch.errors.AnalysisError
        For fewer than three sizes, fewer than 12 replicas, a constant observable, one with two
        values (an event, not an order parameter), or linear sizes without their dimension.
    physbatch.errors.DatasetError
        If a dataset does not follow the schema.

    References
    ----------
    Binder and Landau, doi 10.1103/PhysRevB.30.1477; Lee and Kosterlitz,
    doi 10.1103/PhysRevLett.65.137; Aharony and Harris, doi 10.1103/PhysRevLett.77.3700.

    Examples
    --------
    >>> from physbatch.exact.phases import equilibrium_first_order
    >>> transition_order(equilibrium_first_order((50, 100, 200, 400))).verdict
    'first order'
    """
    if kind not in ("order parameter", "binder"):
        raise AnalysisError(f"kind {kind!r}", remedy="'order parameter' or 'binder'")
    if resamples < 50:
        raise AnalysisError(f"resamples = {resamples}", remedy="take at least 50")
    if isinstance(data, ScalingTable) and control not in (None, data.control_name):
        raise AnalysisError(
            f"the control of the table is {data.control_name}, not {control}",
            where=data.source or "table",
            remedy="read the table with another column as its control",
        )
    if isinstance(data, ScalingTable) and not data.samples:
        if space_dimension is not None:
            data = data.to_dimension("N", space_dimension)
        return _of_curve(curve_data(data, observable), kind)
    if kind == "binder":
        raise AnalysisError(
            "a Binder parameter has no samples of its own",
            remedy="give the samples of the order parameter, or the curve with its errors",
        )
    options = _Options(observable, control, time, space_dimension, resamples, seed)
    if isinstance(data, ScalingTable) or not has_diverged(data):
        return _of_samples(data, options)
    every = as_unrelated(data, observable or "overlap")
    if every is None:
        return combined(_of_samples(data, options), None, data)
    try:
        survivors = _of_samples(data, options)
    except AnalysisError as error:  # too few survive, or they are all alike
        return combined(str(error), _of_samples(every, options), data)
    return combined(survivors, _of_samples(every, options), data)


class _Options(NamedTuple):
    """What a caller of `transition_order` chose."""

    observable: str | None
    control: str | None
    time: float | None
    space_dimension: float | None
    resamples: int
    seed: int


def _of_samples(data: ScalingTable | xr.Dataset, options: _Options) -> TransitionOrder:
    """The verdict on samples of an order parameter."""
    samples = sample_data(
        data,
        options.observable,
        control=options.control,
        time=options.time,
        space_dimension=options.space_dimension,
    )
    resamples, seed = options.resamples, options.seed
    jumps = view_peaks(samples, resamples, seed)
    curve = one_curve(samples)
    evidence = (
        two_peaks(jumps),
        latent_jump(jumps),
        phase_coexistence(samples, jumps, curve),
        fluctuations(samples),
        self_averaging(samples, resamples, seed),
        curve,
        stationarity(samples),
        absorbing_state(samples),
        _binder_of_samples(samples),
        width_forms(samples, jumps),
        hysteresis(samples, jumps),
        escapes(samples, jumps),
    )
    verdict, reasons = _decide({piece.name: piece for piece in evidence}, coarse_size(samples))
    if verdict == CROSSOVER:
        answers = energy_by_its_fluctuations(samples)
        if named_energy(samples.observable) or answers:
            verdict, reasons = UNDECIDED, (_WEAK, *([answers] if answers else []), *reasons)
    return _result(samples, verdict, reasons, evidence, jumps)


def _decide(evidence: Mapping[str, Evidence], coarse: float) -> tuple[str, tuple[str, ...]]:
    """The verdict and its reasons, those that decide first."""
    peaks, jump, spread = (evidence[name] for name in ("two peaks", "latent jump", "fluctuations"))
    sharp, curve, both = (evidence[name] for name in ("self-averaging", "one curve", "coexistence"))
    still = evidence["stationarity"]
    grid = f"the mean jumps between two neighbouring controls at N = {coarse:g}: refine the grid"
    if peaks.points_to == jump.points_to == FIRST_ORDER:
        if both.points_to != FIRST_ORDER:
            return UNDECIDED, (f"two peaks, but no coexistence is shown: {both.text}", peaks.text)
        if curve["log10 p"].value > _SAME:
            return UNDECIDED, (f"two peaks, but {curve.text}", peaks.text)
        if spread.points_to in ("no jump", CONTINUOUS) and math.isnan(coarse):
            return UNDECIDED, (f"{spread.text}, though {peaks.text}",)
        more = (spread.text,) if spread.points_to == FIRST_ORDER else ()
        return FIRST_ORDER, (peaks.text, jump.text, both.text, *more)
    if peaks.points_to != "no jump":
        return UNDECIDED, (peaks.text, jump.text)
    if math.isfinite(coarse):
        return UNDECIDED, (grid, peaks.text)
    if spread.points_to not in ("no jump", CONTINUOUS):
        return UNDECIDED, (f"it is not excluded that a jump stays: {spread.text}", peaks.text)
    if sharp.points_to == "transition" and curve["log10 p"].value > _SAME:
        return UNDECIDED, (f"{sharp.text}, but {curve.text}", spread.text)
    if sharp.points_to == "transition":
        return CONTINUOUS, (sharp.text, spread.text, peaks.text)
    if spread.points_to == CONTINUOUS and curve.points_to != CROSSOVER:
        return CONTINUOUS, (spread.text, peaks.text, sharp.text)
    if _without_divergence(spread) and curve.points_to == CROSSOVER:
        if still.points_to == DRIFTS:
            return UNDECIDED, (f"no crossover yet, run longer: {still.text}", curve.text)
        return CROSSOVER, (curve.text, spread.text, sharp.text, peaks.text)
    return UNDECIDED, (
        f"neither a critical point nor a crossover is proven: {spread.text}",
        sharp.text,
        curve.text,
        *((f"run longer: {still.text}",) if still.points_to == DRIFTS else ()),
    )


def _without_divergence(spread: Evidence) -> bool:
    """Whether N var(q) is bounded: a = 1 within its error, and known well enough."""
    a, gamma = spread["a"], spread["gamma_over_nu"]
    near = abs(a.value - 1.0) < max(0.25, SIGMAS * a.total)
    return near and gamma.value + 2.0 * gamma.total < _CENTRAL_LIMIT


def _binder_of_samples(data: OrderData) -> Evidence:
    """The Binder parameter 1 - <q^4>/(3 <q^2>^2) along the control, and its minimum."""
    curves = []
    for size in data.sizes:
        value, error = np.array([_binder(values) for values in size.values]).T
        known = np.isfinite(value) & np.isfinite(error)
        curves.append((value[known], error[known]))
    if any(value.size < 3 for value, _ in curves):
        return silent("Binder minimum", "fewer than three controls have one")
    return binder_minimum(data.volumes, curves)


def _binder(values: FloatArray) -> tuple[float, float]:
    """Value, and error from the influence of each replica on it."""
    square, fourth = values**2, values**4
    second = float(square.mean())
    if second == 0.0:
        return math.nan, math.nan
    ratio = float(fourth.mean()) / second**2
    influence = (fourth / second**2 - 2.0 * ratio * square / second) / 3.0
    return 1.0 - ratio / 3.0, float(influence.std(ddof=1)) / math.sqrt(values.size)


def _of_curve(data: OrderData, kind: str) -> TransitionOrder:
    """What a curve with errors shows: one curve at all sizes, or not; never a jump."""
    table = data.curve
    assert table is not None
    (name,) = table.observables
    evidence = [curve_of_table(table)]
    if kind == "binder":
        rows = [table.size == size for size in table.sizes]
        curves = [(table.values[name][row], table.errors[name][row]) for row in rows]
        evidence.append(binder_minimum(table.sizes, curves))
    missing = "only a curve with errors: histograms of replicas are needed to see a jump"
    verdict, reasons = UNDECIDED, (missing, *(piece.text for piece in evidence))
    if evidence[0].points_to == CROSSOVER and kind == "order parameter":
        if named_energy(data.observable):
            reasons = (missing, _WEAK, evidence[0].text)
        else:
            verdict = CROSSOVER
    return _result(data, verdict, reasons, tuple(evidence), ())


def _result(
    data: OrderData,
    verdict: str,
    reasons: tuple[str, ...],
    evidence: tuple[Evidence, ...],
    jumps: Sequence[Jump],
) -> TransitionOrder:
    """The result, with the histogram of every size where it is split or varies most."""
    rows, control = [], []
    for jump in jumps:
        spread = [float(np.nanvar(row)) for row in jump.overlap]
        row = jump.chosen if jump.chosen >= 0 else int(np.argmax(spread))
        rows.append(jump.overlap[row])
        control.append(float(jump.control[row]))
    size = data.volumes if data.curve is None else data.curve.sizes
    flags = [*data.flags, *(flag for piece in evidence for flag in piece.flags)]
    if data.curve is not None:
        flags.insert(0, SAMPLES_NEEDED("only a curve with errors is given"))
    if _WEAK in reasons:
        flags.append(WEAKLY_SINGULAR_OBSERVABLE(_WEAK))
    if verdict in (FIRST_ORDER, CONTINUOUS) or with_two_peaks(jumps):
        flags = [flag for flag in flags if not WEAKLY_SINGULAR_OBSERVABLE.among((flag,))]
    return TransitionOrder(
        verdict=verdict,
        reasons=reasons,
        evidence=evidence,
        observable=data.observable,
        control_name=data.control_name,
        source=data.source,
        size=size,
        histogram_control=np.array(control),
        histogram_lower=np.array([jump.lower.value for jump in jumps]),
        histogram_upper=np.array([jump.upper.value for jump in jumps]),
        histogram_values=padded(rows),
        flags=tuple(dict.fromkeys(flags)),
        size_name="N" if data.curve is None else data.curve.size_name,
    )
