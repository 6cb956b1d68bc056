"""Files of results of version 1, flat datasets whose texts and flags were JSON in attributes."""

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

from physbatch.errors import DatasetError
from physbatch.results.estimate import Estimate
from physbatch.results.fields import fields_of
from physbatch.results.flag import Flag
from physbatch.results.record import Record

#: Attributes that mark an analysis (and every result from version 2 on), a collapse, the others.
VERSION_1 = ("physbatch_results", "physbatch_collapse", "physbatch_record")

Classes = Mapping[str, type[Record]]


def read_version_1(data: xr.Dataset, classes: Classes, *, where: str) -> Record:
    """The result in a flat dataset; DatasetError if its class is not known."""
    record: Record
    if "physbatch_record" not in data.attrs:
        whole = "physbatch_results" in data.attrs
        record = (
            _analysis(data, classes["analysis"]) if whole else _collapse(data, classes["collapse"])
        )
        return record
    named = {cls.__name__: cls for cls in classes.values()}
    if data.attrs["physbatch_record"] not in named:
        kind = data.attrs["physbatch_record"]
        raise DatasetError(f"{kind} is no result that can be read", where=where)
    record = _revived(json.loads(data.attrs["record"]), named)
    return record


def _flags(text: Any) -> tuple[Flag, ...]:
    return tuple(map(Flag.read, json.loads(str(text))))


# --- records ----------------------------------------------------------------------------


def _revived(value: Any, classes: Mapping[str, type[Record]]) -> Any:
    if isinstance(value, list):
        return tuple(_revived(item, classes) for item in value)
    if not isinstance(value, dict):
        return value
    ((name, content),) = value.items()
    if name == "array":
        return np.array(content[2], dtype=content[0]).reshape(content[1])
    if name == "Estimate":
        return Estimate(*(_revived(item, classes) for item in content))
    fields = {key: _revived(item, classes) for key, item in content.items()}
    if "flags" in fields:
        fields["flags"] = tuple(map(Flag.read, fields["flags"]))
    cls = classes[name]
    return cls(**cls.upgraded(fields))


# --- analysis ---------------------------------------------------------------------------

_GROUPS = {
    "curves": "curve",
    "drifts": "drift",
    "jumps": "jump",
    "m_c_extrapolation": "m_c_extrapolation",
    "jump_extrapolation": "jump_extrapolation",
}


def _analysis(data: xr.Dataset, cls: Any) -> Any:
    attrs = data.attrs
    values: dict[str, Any] = {"moments": _moments(data)}
    for field in fields_of(cls):
        if field.way == "estimate":
            values[field.name] = _estimate(data, f"limit_{field.name}", None)
        elif field.name in _GROUPS:
            group = _GROUPS[field.name]
            parts = tuple(
                _part(data, group, field.inner, row) for row in range(int(attrs[f"{group}_count"]))
            )
            values[field.name] = parts if field.way == "parts" else next(iter(parts), None)
        elif field.inner is str and field.way == "scalar" and field.name in attrs:
            values[field.name] = str(attrs[field.name])
    return cls(
        **values,
        time=float(attrs["analysis_time"]),
        reasons=tuple(map(str, json.loads(attrs["reasons"]))),
        flags=_flags(attrs["flags"]),
        provenance={str(k): str(v) for k, v in json.loads(attrs["provenance"]).items()},
    )


def _moments(data: xr.Dataset) -> xr.Dataset:
    names = [
        str(name)
        for name, variable in data.variables.items()
        if not str(name).startswith("limit_")
        and not any(str(dim) in _GROUPS.values() for dim in variable.dims)
    ]
    return xr.Dataset(
        {n: data[n].variable for n in names if n not in data.coords},
        coords={n: data[n].variable for n in names if n in data.coords},
        attrs={k[8:]: v for k, v in data.attrs.items() if k.startswith("moments_")},
    )


def _part(data: xr.Dataset, group: str, cls: Any, row: int) -> Any:
    values: dict[str, Any] = {}
    for field in fields_of(cls):
        name = f"{group}_{field.name}"
        if field.way == "estimate":
            values[field.name] = _estimate(data, name, row)
        elif field.way == "array":
            block = data[name].values[row]
            counts = (data[f"{dim}_count"].values[row] for dim in data[name].dims[1:])
            values[field.name] = np.array(block[tuple(slice(int(count)) for count in counts)])
        elif field.way in ("texts", "flags"):
            texts = json.loads(data[name].values[row])
            read = Flag.read if field.way == "flags" else str
            values[field.name] = tuple(map(read, texts))
        else:
            values[field.name] = field.inner(data[name].values[row])
    return cls(**cls.upgraded(values))


def _estimate(data: xr.Dataset, name: str, row: int | None) -> Estimate:
    def cell(suffix: str) -> Any:
        values = data[f"{name}{suffix}"].values
        return values.item() if row is None else values[row]

    return Estimate(
        float(cell("")),
        float(cell("_stderr")),
        float(cell("_systematic")),
        (float(cell("_lower68")), float(cell("_upper68"))),
        _flags(cell("_flags")),
    )


# --- collapse ---------------------------------------------------------------------------

_POINT = ("size", "x", "y", "error", "residual", "correction")
_CURVE = ("x", "y", "band")


def _collapse(data: xr.Dataset, cls: Any) -> Any:
    attrs, fields = data.attrs, {field.name: field for field in fields_of(cls)}
    names = list(map(str, data["parameter"].values))
    observables = tuple(map(str, data["observable"].values))
    window = fields["window"].inner
    texts = ("size_name", "control_name", "dimension")
    return cls(
        parameters=_parameters(data, "parameter", ""),
        fixed={str(k): float(v) for k, v in json.loads(attrs["fixed"]).items()},
        observables=observables,
        window=window(float(attrs["window_size_min"]), float(attrs["window_fraction"])),
        windows=tuple(
            _window(data, fields["windows"].inner, window, names, row)
            for row in range(data.sizes.get("window", 0))
        ),
        points=_pieces(data, "point", fields["points"].inner, observables, _POINT),
        curve=_pieces(data, "curve", fields["curve"].inner, observables, _CURVE),
        covariance=np.array(data["covariance"].values) if names else np.empty((0, 0)),
        corrections=bool(int(attrs["corrections"])),
        flags=_flags(attrs["flags"]),
        method=str(attrs.get("method", "gp")),  # older files have none
        named=_parameters(data, "named", "named_") if "named" in data else {},
        samples=np.array(data["sample_value"].values)
        if "sample_value" in data
        else np.empty((0, len(names))),
        **{name: float(data[name].values) for name in ("chi2", "dof", "p_value")},
        **{name: str(attrs[name]) for name in texts},
        **{name: int(attrs[name]) for name in ("starts_tried", "starts_agreed")},
    )


def _parameters(data: xr.Dataset, dim: str, prefix: str) -> dict[str, Estimate]:
    columns = ("value", "stderr", "systematic", "lower68", "upper68")
    rows = zip(*(data[f"{prefix}{name}"].values.tolist() for name in columns), strict=True)
    flags = map(_flags, data[f"{dim}_flags"].values)
    return {
        str(name): Estimate(value, stderr, systematic, (low, high), words)
        for name, (value, stderr, systematic, low, high), words in zip(
            data[dim].values, rows, flags, strict=True
        )
    }


def _pieces(
    data: xr.Dataset, group: str, cls: Any, observables: tuple[str, ...], fields: tuple[str, ...]
) -> tuple[Any, ...]:
    """The rows of each observable, which lie one after the other."""
    if f"{group}_count" not in data:
        return ()
    ends = np.cumsum(data[f"{group}_count"].values).tolist()
    return tuple(
        cls(name, **{f: np.array(data[f"{group}_{f}"].values[low:high]) for f in fields})
        for name, low, high in zip(observables, [0, *ends], ends, strict=False)
    )


def _window(data: xr.Dataset, cls: Any, window: Any, names: list[str], row: int) -> Any:
    def cell(name: str) -> Any:
        return data[f"window_{name}"].values[row]

    return cls(
        window=window(float(cell("size_min")), float(cell("fraction"))),
        values=dict(zip(names, map(float, cell("value") if names else ()), strict=True)),
        errors=dict(zip(names, map(float, cell("error") if names else ()), strict=True)),
        points=int(cell("points")),
        chi2=float(cell("chi2")),
        dof=float(cell("dof")),
        p_value=float(cell("p_value")),
        accepted=bool(cell("accepted")),
    )
