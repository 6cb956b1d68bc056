"""Results to and from datasets and JSON.

One table drives both directions: for every array field of a result, the names of its axes.
Groups of results become variables ``GROUP_FIELD`` over the dimension ``GROUP``.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr

from physbatch.results.estimate import Estimate
from physbatch.results.flag import Flag
from physbatch.results.record import read_results
from physbatch.scaling.transition.result import (
    Analysis,
    Extrapolation,
    Jump,
    SuccessCurve,
    TimeDrift,
)

__all__ = [
    "RESULTS_VERSION",
    "analysis_from_dataset",
    "analysis_to_dataset",
    "analysis_to_json",
]

RESULTS_VERSION = 1

#: Axes of the array fields; fields on the same axis of one result have the same length.
_AXES: dict[type, dict[str, tuple[str, ...]]] = {
    SuccessCurve: dict.fromkeys(("control", "successes", "trials"), ("point",)),
    TimeDrift: dict.fromkeys(("time", "m_c", "m_c_stderr"), ("point",)),
    Jump: {"control": ("point",), "overlap": ("point", "replica")},
    Extrapolation: {
        **dict.fromkeys(("size", "value", "stderr"), ("point",)),
        **{
            f"form_{name}": ("form",)
            for name in ("limit", "stderr", "slope", "chi2", "dof", "intercept", "weight")
        },
    },
}
_GROUPS: dict[str, tuple[str, type]] = {
    "curve": ("curves", SuccessCurve),
    "drift": ("drifts", TimeDrift),
    "jump": ("jumps", Jump),
    "m_c_extrapolation": ("m_c_extrapolation", Extrapolation),
    "jump_extrapolation": ("jump_extrapolation", Extrapolation),
}
_LONG_NAMES = {
    "curve_m_c": "control at which half of the replicas have succeeded",
    "curve_width": "width of the logistic success curve",
    "drift_slope": "change of m_c per unit of ln(time)",
    "jump_latent": "latent overlap: distance of the two peaks of the overlap",
}
_TEXTS = (
    "transition",
    "control_name",
    "control_label",
    "time_units",
    "study_hash",
    "source",
)


def analysis_to_dataset(analysis: Analysis) -> xr.Dataset:
    """See `Analysis.to_dataset`."""
    data = analysis.moments.copy()
    attrs: dict[str, Any] = {
        "Conventions": "CF-1.10",
        "title": "physbatch finite-size scaling results",
        "physbatch_results": RESULTS_VERSION,
        "control_dim": analysis.control_name,
        "analysis_time": float(analysis.time),
        "reasons": json.dumps(analysis.reasons),
        "flags": json.dumps(analysis.flags),
        "provenance": json.dumps(analysis.provenance),
        **{name: getattr(analysis, name) for name in _TEXTS},
        **{f"moments_{key}": value for key, value in analysis.moments.attrs.items()},
    }
    data.attrs = attrs
    for group, (field, kind) in _GROUPS.items():
        held = getattr(analysis, field)
        items = held if isinstance(held, tuple) else () if held is None else (held,)
        data.attrs[f"{group}_count"] = len(items)
        if items:
            data = data.assign(_pack(group, kind, items))
    for name in ("m_c", "jump"):
        data = data.assign(_pack_estimates(f"limit_{name}", (), [getattr(analysis, name)]))
    return data


def analysis_from_dataset(data: xr.Dataset) -> Analysis:
    """See `Analysis.from_dataset`."""
    return read_results(
        data, "results", "physbatch_results", RESULTS_VERSION, "physbatch analyse", _read
    )


def analysis_to_json(analysis: Analysis) -> dict[str, Any]:
    """See `Analysis.to_json`."""
    drifts = {drift.size: drift for drift in analysis.drifts}
    jumps = {jump.size: jump for jump in analysis.jumps}
    document = {
        "parameters": {
            name: {
                "value": estimate.value,
                "stderr": estimate.stderr,
                "systematic": estimate.systematic,
                "interval68": list(estimate.interval68),
                "flags": list(estimate.flags),
            }
            for name, estimate in (("m_c", analysis.m_c), ("jump", analysis.jump))
        },
        "goodness": {
            "deviance": sum(c.deviance for c in analysis.curves if math.isfinite(c.deviance)),
            "dof": sum(c.dof for c in analysis.curves if math.isfinite(c.deviance)),
            "m_c_forms": _forms(analysis.m_c_extrapolation),
            "jump_forms": _forms(analysis.jump_extrapolation),
        },
        "flags": list(analysis.flags),
        "per_size": [
            _size_row(curve, drifts.get(curve.size), jumps.get(curve.size))
            for curve in analysis.curves
        ],
        "transition": analysis.transition,
        "reasons": list(analysis.reasons),
        "control": {"name": analysis.control_name, "label": analysis.control_label},
        "time": {"value": analysis.time, "units": analysis.time_units},
        "study_hash": analysis.study_hash,
        "source": analysis.source,
        "provenance": dict(analysis.provenance),
    }
    strict: dict[str, Any] = _strict(document)
    return strict


def _size_row(curve: SuccessCurve, drift: TimeDrift | None, jump: Jump | None) -> dict[str, Any]:
    latent = Estimate(math.nan) if jump is None else jump.latent
    slope = Estimate(math.nan) if drift is None else drift.slope
    flags = [*curve.flags, *(drift.flags if drift else ()), *(jump.flags if jump else ())]
    return {
        "size": curve.size,
        "m_c": curve.m_c.value,
        "m_c_stderr": curve.m_c.stderr,
        "width": curve.width.value,
        "width_stderr": curve.width.stderr,
        "m_c_interval": list(curve.m_c.interval68),
        "jump": latent.value,
        "jump_stderr": latent.stderr,
        "drift_per_log_time": slope.value,
        "drift_stderr": slope.stderr,
        "deviance": curve.deviance,
        "dof": curve.dof,
        "p_value": curve.p_value,
        "flags": list(dict.fromkeys(flags)),
    }


def _forms(fit: Extrapolation | None) -> list[dict[str, Any]]:
    if fit is None:
        return []
    return [
        {
            "form": form,
            "limit": float(fit.form_limit[i]),
            "stderr": float(fit.form_stderr[i]),
            "slope": float(fit.form_slope[i]),
            "chi2": float(fit.form_chi2[i]),
            "dof": int(fit.form_dof[i]),
            "weight": float(fit.form_weight[i]),
        }
        for i, form in enumerate(fit.forms)
    ]


def _strict(value: Any) -> Any:
    """The same document with None for what JSON has no number for."""
    if isinstance(value, dict):
        return {key: _strict(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_strict(item) for item in value]
    if isinstance(value, (float, np.floating)):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, np.integer):
        return int(value)
    return value


def _pack(group: str, kind: type, items: Sequence[Any]) -> dict[str, Any]:
    """Variables of one group of results."""
    variables: dict[str, Any] = {}
    lengths: dict[str, list[int]] = {}
    for field in dataclasses.fields(kind):
        name = f"{group}_{field.name}"
        values = [getattr(item, field.name) for item in items]
        if isinstance(values[0], Estimate):
            variables.update(_pack_estimates(name, (group,), values))
        elif isinstance(values[0], np.ndarray):
            axes = _AXES[kind][field.name]
            variables[name] = ((group, *(f"{group}_{axis}" for axis in axes)), _padded(values))
            for place, axis in enumerate(axes):
                lengths[axis] = [value.shape[place] for value in values]
        elif isinstance(values[0], tuple):
            texts = np.array([json.dumps(value) for value in values], dtype=object)
            variables[name] = ((group,), texts)
        elif isinstance(values[0], str):
            variables[name] = ((group,), np.array(values, dtype=object))
        else:
            variables[name] = ((group,), np.array(values))
    for axis, counts in lengths.items():
        variables[f"{group}_{axis}_count"] = ((group,), np.array(counts, dtype=np.int64))
    return variables


def _padded(values: Sequence[np.ndarray[Any, Any]]) -> np.ndarray[Any, Any]:
    shape = np.max([value.shape for value in values], axis=0)
    integer = all(value.dtype.kind in "iu" for value in values)
    # A dimension of length 0 would become unlimited in NetCDF, hence at least 1.
    block = np.full(
        (len(values), *np.maximum(shape, 1)),
        -1 if integer else np.nan,
        dtype=np.int64 if integer else np.float64,
    )
    for row, value in zip(block, values, strict=True):
        row[tuple(slice(n) for n in value.shape)] = value
    return block


def _pack_estimates(
    name: str, dims: tuple[str, ...], estimates: Sequence[Estimate]
) -> dict[str, Any]:
    columns: dict[str, list[Any]] = {
        name: [e.value for e in estimates],
        f"{name}_stderr": [e.stderr for e in estimates],
        f"{name}_systematic": [e.systematic for e in estimates],
        f"{name}_lower68": [e.interval68[0] for e in estimates],
        f"{name}_upper68": [e.interval68[1] for e in estimates],
    }
    packed: dict[str, Any] = {}
    for key, column in columns.items():
        attrs = {"long_name": _LONG_NAMES[key]} if key in _LONG_NAMES else {}
        values = np.array(column, dtype=np.float64)
        packed[key] = (dims, values if dims else values[0], attrs)
    texts = np.array([json.dumps(e.flags) for e in estimates], dtype=object)
    packed[f"{name}_flags"] = (dims, texts if dims else texts[0])
    return packed


def _read(data: xr.Dataset) -> Analysis:
    attrs = data.attrs
    own = [name for name in data.variables if not _is_result(str(name), data[name].dims)]
    moments = xr.Dataset(
        {n: data[n].variable for n in own if n not in data.coords},
        coords={n: data[n].variable for n in own if n in data.coords},
        attrs={k[8:]: v for k, v in attrs.items() if k.startswith("moments_")},
    )
    groups = {
        group: tuple(_unpack(data, group, kind, row) for row in range(int(attrs[f"{group}_count"])))
        for group, (_, kind) in _GROUPS.items()
    }
    return Analysis(
        moments=moments,
        curves=groups["curve"],
        drifts=groups["drift"],
        jumps=groups["jump"],
        m_c=_unpack_estimate(data, "limit_m_c", None),
        jump=_unpack_estimate(data, "limit_jump", None),
        m_c_extrapolation=next(iter(groups["m_c_extrapolation"]), None),
        jump_extrapolation=next(iter(groups["jump_extrapolation"]), None),
        time=float(attrs["analysis_time"]),
        reasons=tuple(map(str, json.loads(attrs["reasons"]))),
        flags=tuple(map(Flag.read, json.loads(attrs["flags"]))),
        provenance={str(k): str(v) for k, v in json.loads(attrs["provenance"]).items()},
        **{name: str(attrs[name]) for name in _TEXTS},
    )


def _is_result(name: str, dims: Sequence[Any]) -> bool:
    """Whether a variable belongs to a group of results and not to the moments."""
    return name.startswith("limit_") or any(str(dim) in _GROUPS for dim in dims)


def _unpack(data: xr.Dataset, group: str, kind: type, row: int) -> Any:
    values: dict[str, Any] = {}
    for field in dataclasses.fields(kind):
        name = f"{group}_{field.name}"
        if f"{name}_lower68" in data:
            values[field.name] = _unpack_estimate(data, name, row)
        elif field.name in _AXES[kind]:
            axes = _AXES[kind][field.name]
            cut = tuple(slice(int(data[f"{group}_{axis}_count"].values[row])) for axis in axes)
            values[field.name] = np.array(data[name].values[row][cut])
        else:
            held = data[name].values[row]
            if str(field.type).startswith("tuple"):
                values[field.name] = tuple(map(str, json.loads(held)))
            else:
                values[field.name] = {"int": int, "str": str}.get(str(field.type), float)(held)
    return kind(**values)


def _unpack_estimate(data: xr.Dataset, name: str, row: int | None) -> Estimate:
    def number(suffix: str) -> float:
        values = data[f"{name}{suffix}"].values
        return float(values if row is None else values[row])

    flags = data[f"{name}_flags"].values
    return Estimate(
        number(""),
        number("_stderr"),
        number("_systematic"),
        (number("_lower68"), number("_upper68")),
        tuple(map(Flag.read, json.loads(str(flags if row is None else flags[row])))),
    )
