"""First passages on the command line: escape times, their growth with size, their divergence."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from physbatch.commands.look import ResultAndFigure
from physbatch.commands.options import Switch
from physbatch.commands.output import finish, finite_number, keep_other_results
from physbatch.errors import AnalysisError, DatasetError
from physbatch.results.flag import Flag

if TYPE_CHECKING:
    import xarray as xr

    from physbatch.scaling.laws.fits import ScalingFit
    from physbatch.scaling.times.escapes import EscapeTimes


_LEAST = 3  # escape times that a law of two parameters needs


def passages_command(
    file: Path,
    *,
    delay: Switch = False,
    divergence: Literal["below", "above"] | None = None,
    outputs: ResultAndFigure = ResultAndFigure(),
) -> None:
    """Find the mean time to the first passage at every size and control, and its laws.

    Passages are known up to the interval between two measuring times, and what had not passed
    at the end is censored there. At every control with three sizes or more, exp(N Delta)
    (nucleation) is compared with a power of N.

    Parameters
    ----------
    file
        A dataset that `physbatch run` wrote.
    delay
        Fit a time before which nothing passes.
    divergence
        At every size, also fit a divergence |c - c_s|^-y with c_s below or above all controls.
    """
    from physbatch.dataset import open_dataset
    from physbatch.scaling.times.escapes import escape_times

    keep_other_results(outputs.output)
    data = open_dataset(file)
    if "first_passage" not in data:
        raise DatasetError(
            "no first passages", where=str(file), remedy="take a dataset of `physbatch run`"
        )
    times = escape_times(_one_of_each(data, file), delay=delay)
    fits = {**_growths(times), **_divergences(times, divergence)}
    flags = list(dict.fromkeys([*times.flags, *(flag for f in fits.values() for flag in f.flags)]))
    finish(times, outputs, _lines(times, fits), _document(times, fits, flags), flags=flags)


def _one_of_each(data: xr.Dataset, file: Path) -> xr.Dataset:
    """The dataset, if it has no parameters besides size and control."""
    known = {"size", str(data.attrs["control_dim"]), "replica"}
    extra = sorted(str(dim) for dim in data["first_passage"].dims if dim not in known)
    if extra:
        raise AnalysisError(
            f"{', '.join(extra)} are swept as well",
            where=str(file),
            remedy=f"choose one value of each: physbatch select {file} {extra[0]}=... -o PART.nc",
        )
    return data


# --- laws -------------------------------------------------------------------------------


def _growths(times: EscapeTimes) -> dict[str, ScalingFit]:
    """Growth of tau with the size at every control."""
    from physbatch.scaling.times.escapes import fit_nucleation

    fits = {}
    known = np.isfinite(times.tau) & np.isfinite(times.stderr)
    for control in np.unique(times.control):
        rows = known & (times.control == control)
        if rows.sum() >= _LEAST:
            fits[f"ln tau at {times.control_name} = {control:g}"] = fit_nucleation(
                times.size[rows], times.tau[rows], times.stderr[rows]
            )
    return fits


def _divergences(
    times: EscapeTimes, side: Literal["below", "above"] | None
) -> dict[str, ScalingFit]:
    """Divergence of tau in the control at every size, on one side of the data."""
    from physbatch.scaling.times.escapes import fit_divergence

    fits: dict[str, ScalingFit] = {}
    for size in np.unique(times.size) if side is not None else ():
        columns = times.at_size(float(size))
        if columns[0].size > _LEAST:
            name = f"ln tau at N = {size:g}"
            fits[name] = fit_divergence(*columns, side=-1.0 if side == "below" else 1.0)
    return fits


# --- words ------------------------------------------------------------------------------


def _lines(times: EscapeTimes, fits: dict[str, ScalingFit]) -> list[str]:
    from physbatch.scaling.times.spinodals import ORDER_OF_LIMITS

    known = int(np.isfinite(times.tau).sum())
    unit = f", in {times.time_units}s" if times.time_units else ""
    symbol = {"batch_size": "m", "batch_ratio": "m/N"}.get(times.control_name, times.control_name)
    rows = zip(
        times.size, times.control, times.stated().values(), times.passed, times.replicas,
        strict=True,
    )  # fmt: skip
    return [
        f"tau of {known} of {times.tau.size} cells{unit}",
        *(
            f"  N = {size:g}, {symbol} = {control:g}: {tau} ({passed:.0f} of {replicas:.0f} passed)"
            for size, control, tau, passed, replicas in rows
        ),
        *(f"{name}: {fit}" for name, fit in fits.items()),
        f"limits: {ORDER_OF_LIMITS}; a time that grows as exp(N Delta) is that of a phase",
    ]


def _document(times: EscapeTimes, fits: dict[str, ScalingFit], flags: list[Flag]) -> dict[str, Any]:
    from physbatch.scaling.times.spinodals import ORDER_OF_LIMITS

    names = ("size", "control", "tau", "stderr", "lower68", "upper68", "delay", "p_value")
    cells = [
        {
            **{name: finite_number(getattr(times, name)[row]) for name in names},
            "passed": int(times.passed[row]),
            "replicas": int(times.replicas[row]),
        }
        for row in range(times.tau.size)
    ]
    return {
        "control": times.control_name,
        "time_units": times.time_units,
        "cells": cells,
        "limits": ORDER_OF_LIMITS,
        "fits": {name: fit.to_json() for name, fit in fits.items()},
        "flags": flags,
    }
