"""The whole finite-size scaling analysis of one dataset."""

import math
import os
from collections.abc import Mapping, Sequence
from importlib import metadata

import numpy as np
import xarray as xr

from physbatch.dataset import STATUS_DIVERGED, STATUS_MISSING, STATUS_OK, control_dim, time_unit
from physbatch.errors import AnalysisError
from physbatch.results.estimate import Estimate
from physbatch.results.flag import Flag
from physbatch.results.flags import (
    DIVERGED,
    MISSING,
    NAN,
    NO_SIZE,
    PAIRED_CONTROLS,
    SHARED_GRAPHS,
)
from physbatch.scaling.laws.extrapolation import Extrapolation, extrapolate
from physbatch.scaling.statistics.replica_moments import cells_in_turn, moments
from physbatch.scaling.transition.drift import fit_drift
from physbatch.scaling.transition.jump import find_jump
from physbatch.scaling.transition.result import (
    Analysis,
    Jump,
    SuccessCurve,
    TimeDrift,
)
from physbatch.scaling.transition.success_curves import fit_success_curve
from physbatch.scaling.transition.verdict import decide
from physbatch.views import view

#: What `find_jump` reads.
_OF_JUMP = ("overlap", "status")


def analyse(
    data: xr.Dataset | str | os.PathLike[str],
    observable: str | None = None,
    *,
    control: str | None = None,
    time: float | None = None,
    resamples: int = 300,
    seed: int = 0,
) -> Analysis:
    """Critical control, its drift with run time, latent overlap, and a verdict.

    At every size: moments of the overlap, the success curve and its m_c
    (`fit_success_curve`), the slope of m_c against ln t (`fit_drift`), and the two peaks of
    the overlap near m_c (`find_jump`); then m_c and the latent overlap at N -> infinity
    (`extrapolate`), and whether a transition is claimed (`decide`).

    Parameters
    ----------
    data : xarray.Dataset or path
        A dataset of the schema, with one value of each swept parameter, or its file. A selection
        of xarray will do: ``analyse(data.sel(size=100))``, ``analyse(data.isel(time=-1))``.
    observable : str, optional
        The variable whose moments and two peaks are analysed; by default the overlap. What a
        success is stays with the dataset.
    control : str, optional
        The swept parameter that is the control; by default that of the dataset.
    time : float, optional
        Run time, in the unit of the data: what happened later is not used. By default the
        last measured time; else the last measured time that is not later.
    resamples, seed : int
        Of the bootstrap of the replicas; the same seed gives the same bits.

    Returns
    -------
    Analysis
        Every number with its error and flags; nan and a flag where the data give none.

    Raises
    ------
    physbatch.errors.AnalysisError
        If a swept parameter has more than one value, the time lies outside the run, the
        observable or the control is not in the data, or there are fewer than 50 resamples.
    physbatch.errors.DatasetError
        If the dataset does not follow the schema.

    Examples
    --------
    >>> from physbatch.exact.planted import first_order
    >>> from physbatch.scaling import analyse
    >>> analyse(first_order(seed=1)).transition
    'claimed'
    """
    data = _one_grid(view(data, observable, control))
    dim = control_dim(data)
    last = _run_time(data, time)
    data = data.isel(time=slice(int(np.sum(data["time"].values <= last))))
    for variable in data.variables.values():
        if "time" not in variable.dims:  # read once; what was measured in time stays on disk
            variable.load()
    sizes = [data.isel(size=[i]) for i in range(data.sizes["size"])]
    seeds = [_seed(seed, float(part["size"].values[0])) for part in sizes]
    curves = tuple(fit_success_curve(part, last) for part in sizes)
    drifts = tuple(
        fit_drift(part, time=last, resamples=resamples, seed=own_seed)
        for part, own_seed in zip(sizes, seeds, strict=True)
    )
    jumps = tuple(
        find_jump(
            # It looks at the overlaps of one size again and again, each time at another time.
            part.drop_vars([name for name in part if name not in _OF_JUMP]).compute(),
            curve.m_c.value,
            time=last,
            resamples=resamples,
            seed=own_seed,
        )
        for part, curve, own_seed in zip(sizes, curves, seeds, strict=True)
    )
    m_c = _extrapolated("m_c", {curve.size: curve.m_c for curve in curves})
    jump = _extrapolated("latent overlap", {jump.size: jump.latent for jump in jumps})
    verdict = decide(curves, drifts, jumps, m_c, jump, observable or "overlap")
    return Analysis(
        moments=moments(data, resamples=resamples, seed=seed),
        curves=curves,
        drifts=drifts,
        jumps=jumps,
        m_c=_limit(m_c, "m_c"),
        jump=_limit(jump, "latent overlap"),
        m_c_extrapolation=m_c,
        jump_extrapolation=jump,
        transition=verdict.transition,
        reasons=verdict.reasons,
        control_name=dim,
        control_label=str(data[dim].attrs.get("long_name", dim)),
        time=last,
        time_units=time_unit(data),
        study_hash=str(data.attrs.get("study_hash", "")),
        source=str(data.attrs.get("source", "")),
        flags=_flags(data, curves, drifts, jumps, m_c, jump),
        provenance=_provenance(seed, resamples),
        observable=observable or "overlap",
    )


def _one_grid(data: xr.Dataset) -> xr.Dataset:
    """The dataset without swept dimensions, or an error that names those that are left."""
    kept = ("size", control_dim(data), "replica", "time")
    swept = [str(dim) for dim in data["overlap"].dims if dim not in kept]
    many = [dim for dim in swept if data.sizes[dim] > 1]
    if many:
        listed = "; ".join(
            f"{dim} = {', '.join(f'{value:g}' for value in data[dim].values)}" for dim in many
        )
        chosen = " ".join(f"{dim}={data[dim].values[0]:g}" for dim in many)
        raise AnalysisError(
            f"the data sweep {listed}",
            where="analyse",
            remedy=f"choose one value of each: physbatch select DATA.nc {chosen} -o PART.nc",
        )
    return data.squeeze(swept, drop=True).transpose(*kept, ...)


def _run_time(data: xr.Dataset, time: float | None) -> float:
    times = np.asarray(data["time"].values, dtype=np.float64)
    if time is None:
        return float(times[-1])
    if not times[0] <= time <= times[-1]:
        raise AnalysisError(
            f"time {time:g} is outside the measured times",
            where="analyse",
            remedy=f"give a time from {times[0]:g} to {times[-1]:g}",
        )
    return float(times[times <= time][-1])


def _seed(seed: int, size: float) -> int:
    """A seed for each size, so that the errors of different sizes are independent."""
    words = [seed, round(1000 * size)]
    return int(np.random.SeedSequence(words).generate_state(1)[0])


def _extrapolated(quantity: str, values: Mapping[float, Estimate]) -> Extrapolation | None:
    """The limit of what is known at some sizes; None if it is known at none."""
    known = {size: value for size, value in values.items() if math.isfinite(value.value)}
    if not known:
        return None
    return extrapolate(
        quantity,
        list(known),
        [value.value for value in known.values()],
        [value.stderr for value in known.values()],
    )


def _limit(fit: Extrapolation | None, quantity: str) -> Estimate:
    if fit is None:
        return Estimate(math.nan, flags=(NO_SIZE(f"{quantity} is not known at any size"),))
    return fit.limit


def _flags(
    data: xr.Dataset,
    curves: Sequence[SuccessCurve],
    drifts: Sequence[TimeDrift],
    jumps: Sequence[Jump],
    *fits: Extrapolation | None,
) -> tuple[Flag, ...]:
    """Every flag once; those of one size say which."""
    flags: list[Flag] = []
    status = data["status"].values
    for code, kind, fate in (
        (STATUS_DIVERGED, DIVERGED, "count as failures and have no overlap"),
        (STATUS_MISSING, MISSING, "are left out"),
    ):
        count = int(np.sum(status == code))
        if count:
            flags.append(kind(f"{count} of {status.size} replicas {fate}"))
    cells = ("size", control_dim(data))
    lost = sum(
        int(np.sum((values["status"] == STATUS_OK) & np.isnan(values["overlap"]).any(axis=-1)))
        for _, values in cells_in_turn(data[["overlap", "status"]], cells)
    )
    if lost:
        flags.append(NAN(f"{lost} replicas with status ok have an overlap that is nan"))
    if "graph" in data.coords and np.unique(data["graph"].values).size < data.sizes["replica"]:
        flags.append(
            SHARED_GRAPHS(
                "the tests for two peaks take replicas of one graph as independent; "
                "all errors know that they are not"
            )
        )
    if "paired" in data.attrs:
        flags.append(
            PAIRED_CONTROLS("errors of m_c take replicas at different controls as independent")
        )
    for curve in curves:
        for flag in curve.flags:
            which = f"N = {curve.size:g}"
            flags.append(flag if which in flag.text else flag.of(which))
    flags.extend(flag for drift in drifts for flag in drift.flags)
    flags.extend(flag for jump in jumps for flag in jump.flags)
    for fit in fits:
        if fit is not None:
            flags.extend(fit.flags)
    return tuple(dict.fromkeys(flags))


def _provenance(seed: int, resamples: int) -> dict[str, str]:
    versions = {"seed": str(seed), "resamples": str(resamples)}
    for package in ("physbatch", "numpy", "scipy", "lmfit", "xarray"):
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            versions[package] = "not installed"
    return versions
