"""A collapse as a dataset that NetCDF holds, and back."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

import physbatch
from physbatch.results.estimate import Estimate
from physbatch.results.flag import Flag
from physbatch.results.record import read_results
from physbatch.scaling.data_collapse.result import Collapse, CollapsedPoints, MasterCurve, WindowFit
from physbatch.scaling.data_collapse.window_choice import Window
from physbatch.typing import FloatArray

__all__ = [
    "COLLAPSE_VERSION",
    "collapse_from_dataset",
    "collapse_to_dataset",
]


COLLAPSE_VERSION = 1

_LONG_NAMES = {
    "value": "value of the parameter",
    "named_value": "value of an exponent that has a name",
    "sample_value": "parameters in a sample of the posterior or the bootstrap",
    "stderr": "statistical standard error",
    "systematic": "systematic error: spread over admissible windows",
    "covariance": "covariance of the parameters",
    "chi2": "chi-squared in the chosen window",
    "dof": "degrees of freedom",
    "p_value": "probability of a larger chi-squared",
    "point_x": "scaling variable size^(1/nu) (control - c_c)",
    "point_y": "rescaled observable size^(-zeta/nu) y",
    "point_residual": "(observable - curve) / standard error",
    "point_correction": "correction to scaling in the rescaled observable",
    "curve_band": "standard deviation of the master curve",
    "window_value": "value of the parameter in the window",
    "window_accepted": "1 if the fit in the window is sound and good",
}
_SCALARS = ("chi2", "dof", "p_value")
_ESTIMATE = ("value", "stderr", "systematic", "lower68", "upper68")
_POINT = ("size", "x", "y", "error", "residual", "correction")
_CURVE = ("x", "y", "band")
_FIT = ("points", "chi2", "dof", "p_value", "accepted")
_TEXTS = ("size_name", "control_name", "dimension")


# --- dataset ----------------------------------------------------------------------------


def collapse_to_dataset(result: Collapse) -> xr.Dataset:
    """See `Collapse.to_dataset`."""
    names = list(result.parameters)
    data = xr.Dataset(
        coords={
            "parameter": ("parameter", np.array(names, dtype=object)),
            "observable": ("observable", np.array(result.observables, dtype=object)),
        }
    )
    for name in _SCALARS:
        data[name] = ((), float(getattr(result, name)))
    if names:
        data = data.assign(_estimate_variables("parameter", result.parameters))
        data["covariance"] = (("parameter", "parameter_other"), result.covariance)
    if result.named:
        data = data.assign_coords(named=("named", np.array(list(result.named), dtype=object)))
        data = data.assign(_estimate_variables("named", result.named))
    if result.samples.size:
        data["sample_value"] = (("sample", "parameter"), result.samples)
    data = data.assign(
        {
            **_flattened("point", _POINT, result.points),
            **_flattened("curve", _CURVE, result.curve),
            **_window_variables(result.windows, names),
        }
    )
    for name, words in _LONG_NAMES.items():
        if name in data:
            data[name].attrs = {"long_name": words}
    data.attrs = {
        "Conventions": "CF-1.11",
        "title": "physbatch data collapse",
        "source": f"physbatch {physbatch.__version__}",
        "physbatch_collapse": COLLAPSE_VERSION,
        **{name: getattr(result, name) for name in _TEXTS},
        "method": result.method,
        "corrections": int(result.corrections),
        "starts_tried": int(result.starts_tried),
        "starts_agreed": int(result.starts_agreed),
        "window_size_min": float(result.window.size_min),
        "window_fraction": float(result.window.fraction),
        "fixed": json.dumps(dict(result.fixed)),
        "flags": json.dumps(result.flags),
    }
    return data


def _estimate_variables(dim: str, estimates: Mapping[str, Estimate]) -> dict[str, Any]:
    """Numbers and flags of some estimates; those of the parameters have no prefix."""
    prefix = "" if dim == "parameter" else f"{dim}_"
    rows = [(e.value, e.stderr, e.systematic, *e.interval68) for e in estimates.values()]
    columns = dict(zip(_ESTIMATE, np.array(rows, dtype=np.float64).T, strict=True))
    flags = np.array([json.dumps(estimate.flags) for estimate in estimates.values()], dtype=object)
    return {
        **{
            f"{prefix}{name}": (dim, np.ascontiguousarray(column))
            for name, column in columns.items()
        },
        f"{dim}_flags": (dim, flags),
    }


def _flattened(
    group: str, fields: Sequence[str], items: Sequence[CollapsedPoints] | Sequence[MasterCurve]
) -> dict[str, Any]:
    """Rows of all observables one after the other, and how many each has."""
    if not items:
        return {}
    dim = "point" if group == "point" else f"{group}_point"
    columns = {
        f"{group}_{name}": (dim, np.concatenate([getattr(item, name) for item in items]))
        for name in fields
    }
    counts = np.array([item.x.size for item in items], dtype=np.int64)
    return {**columns, f"{group}_count": ("observable", counts)}


def _window_variables(windows: Sequence[WindowFit], names: Sequence[str]) -> dict[str, Any]:
    if not windows:
        return {}
    kinds: dict[str, type] = {"points": np.int64, "accepted": np.int8}
    variables: dict[str, Any] = {
        f"window_{name}": (
            "window",
            np.array([getattr(one, name) for one in windows], dtype=kinds.get(name, np.float64)),
        )
        for name in _FIT
    }
    for name in Window._fields:
        column = np.array([getattr(one.window, name) for one in windows], dtype=np.float64)
        variables[f"window_{name}"] = ("window", column)
    if names:
        for name, field in (("value", "values"), ("error", "errors")):
            block = [[getattr(one, field)[parameter] for parameter in names] for one in windows]
            variables[f"window_{name}"] = (("window", "parameter"), np.array(block, np.float64))
    return variables


def collapse_from_dataset(data: xr.Dataset) -> Collapse:
    """See `Collapse.from_dataset`."""
    return read_results(
        data, "a collapse", "physbatch_collapse", COLLAPSE_VERSION, "physbatch collapse", _read
    )


def _read(data: xr.Dataset) -> Collapse:
    attrs = data.attrs
    scalars: dict[str, Any] = {name: float(data[name].values) for name in _SCALARS}
    scalars |= {name: str(attrs[name]) for name in _TEXTS}
    scalars |= {name: int(attrs[name]) for name in ("starts_tried", "starts_agreed")}
    names = [str(name) for name in data["parameter"].values]
    observables = tuple(str(name) for name in data["observable"].values)
    return Collapse(
        parameters={name: _estimate(data, "parameter", row) for row, name in enumerate(names)},
        fixed={str(k): float(v) for k, v in json.loads(attrs["fixed"]).items()},
        observables=observables,
        window=Window(float(attrs["window_size_min"]), float(attrs["window_fraction"])),
        windows=tuple(_window_fits(data, names)),
        points=tuple(
            CollapsedPoints(name, **rows)
            for name, rows in zip(observables, _pieces(data, "point", _POINT), strict=False)
        ),
        curve=tuple(
            MasterCurve(name, **rows)
            for name, rows in zip(observables, _pieces(data, "curve", _CURVE), strict=False)
        ),
        covariance=np.array(data["covariance"].values) if names else np.empty((0, 0)),
        corrections=bool(int(attrs["corrections"])),
        flags=_flags(attrs["flags"]),
        method=str(attrs.get("method", "gp")),  # older files have none
        named={
            str(name): _estimate(data, "named", row)
            for row, name in enumerate(data["named"].values if "named" in data else ())
        },
        samples=np.array(data["sample_value"].values)
        if "sample_value" in data
        else np.empty((0, len(names))),
        **scalars,
    )


def _flags(text: Any) -> tuple[Flag, ...]:
    return tuple(map(Flag.read, json.loads(str(text))))


def _estimate(data: xr.Dataset, dim: str, row: int) -> Estimate:
    prefix = "" if dim == "parameter" else f"{dim}_"
    value, stderr, systematic, low, high = (
        float(data[f"{prefix}{name}"].values[row]) for name in _ESTIMATE
    )
    flags = _flags(data[f"{dim}_flags"].values[row])
    return Estimate(value, stderr, systematic, (low, high), flags)


def _pieces(data: xr.Dataset, group: str, fields: Sequence[str]) -> Iterator[dict[str, FloatArray]]:
    """The rows of each observable."""
    if f"{group}_count" not in data:
        return
    ends = np.cumsum(data[f"{group}_count"].values)
    for low, high in zip([0, *ends[:-1]], ends, strict=True):
        yield {name: np.array(data[f"{group}_{name}"].values[low:high]) for name in fields}


def _window_fits(data: xr.Dataset, names: Sequence[str]) -> Iterator[WindowFit]:
    for row in range(data.sizes.get("window", 0)):
        held = {name: data[f"window_{name}"].values[row] for name in (*_FIT, *Window._fields)}
        values = data["window_value"].values[row] if names else ()
        errors = data["window_error"].values[row] if names else ()
        yield WindowFit(
            window=Window(float(held["size_min"]), float(held["fraction"])),
            values=dict(zip(names, map(float, values), strict=True)),
            errors=dict(zip(names, map(float, errors), strict=True)),
            points=int(held["points"]),
            chi2=float(held["chi2"]),
            dof=float(held["dof"]),
            p_value=float(held["p_value"]),
            accepted=bool(held["accepted"]),
        )
