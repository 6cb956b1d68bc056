"""Comparing studies and datasets: what differs, field by field and bit by bit."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

from physbatch.study.measurement import goes_on
from physbatch.study.model import Study
from physbatch.study.torch_tasks import without_folder
from physbatch.typing import BoolArray

#: Attributes that tell how a dataset was made rather than what it is.
PROVENANCE = (
    *("source", "revision", "package_versions", "python_version", "platform", "device"),
    *("processor", "processor_features"),
)


#: Bytes of a variable that are compared at a time.
_PART = 32_000_000


def extends(study: Study, old: Study) -> bool:
    """Whether every simulation of `old` is also one of `study`, with the same random numbers.

    Cells are identified by their own content and streams, so all that `old` computed in full
    blocks of replicas is used again. A study that lasts longer goes on from where `old` ended.

    Examples
    --------
    >>> from physbatch.study.catalogue import study
    >>> small, large = study("greedy-unit", replicas=32), study("greedy-unit", replicas=64)
    >>> extends(large, small), extends(small, large)
    (True, False)
    >>> extends(study("greedy-unit", duration=900_000), study("greedy-unit"))
    True
    """
    if _without_grid(study) != _without_grid(old) or not _lasts(study, old):
        return False
    grid, old_grid = study.grid, old.grid
    control = grid.control
    if control != old_grid.control or not all(
        _covers(name, getattr(grid, name), getattr(old_grid, name))
        for name in type(grid).model_fields
        if name != "controls"
    ):
        return False
    values = getattr(old_grid, control)
    return not grid.controls or all(
        grid.has(size, value)
        for size in old_grid.size
        for value in values
        if old_grid.has(size, value)
    )


def _covers(name: str, values: Any, old: Any) -> bool:
    if name == "replicas":
        return bool(values >= old)
    if isinstance(old, tuple) and isinstance(values, tuple):
        return set(old) <= set(values)
    return bool(values == old)


def _lasts(study: Study, old: Study) -> bool:
    """Whether a study measures when another one does, or at least until the end of that one."""
    measurement, before = study.measurement, old.measurement
    return measurement == before or goes_on(measurement.measuring_times(), before.measuring_times())


def _without_grid(study: Study) -> dict[str, Any]:
    content = study.model_dump(
        mode="json",
        exclude={
            **dict.fromkeys(("grid", "title", "description", "references"), True),
            "measurement": {"duration", "times"},
        },
        exclude_defaults=True,
    )
    return without_folder(content)


def study_differences(study: Study, other: Study) -> dict[str, tuple[Any, Any]]:
    """Fields in which two studies differ.

    Returns
    -------
    dict
        Dotted name -> the value in each; None where a field is absent.

    Examples
    --------
    >>> from physbatch.study.catalogue import study
    >>> study_differences(study("greedy-unit"), study("greedy-unit", replicas=64))
    {'grid.replicas': (2048, 64)}
    """
    left, right = _flat(study.model_dump(mode="json")), _flat(other.model_dump(mode="json"))
    names = sorted({*left, *right})
    return {
        name: (left.get(name), right.get(name))
        for name in names
        if left.get(name) != right.get(name)
    }


def _flat(content: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in content.items():
        if isinstance(value, dict):
            flat.update(_flat(value, f"{prefix}{name}."))
        else:
            flat[prefix + name] = value
    return flat


@dataclass(frozen=True)
class ValueDifference:
    """How the values of one variable differ where both datasets have them.

    Numbers of values that both have and of those whose bits differ; `largest` absolute difference
    is nan if one side is not finite there.
    """

    common: int
    differing: int
    largest: float


def value_differences(data: xr.Dataset, other: xr.Dataset) -> dict[str, ValueDifference]:
    """Compare the variables that two datasets share at the coordinates that they share."""
    # Decisions of a refinement are no measured values, and their rows have no coordinate.
    parts = [part.drop_dims("decision", errors="ignore") for part in (data, other)]
    left, right = xr.align(*parts, join="inner", copy=False)
    differences = {}
    for name in sorted({*map(str, left.data_vars)} & {*map(str, right.data_vars)}):
        if set(left[name].dims) != set(right[name].dims):
            continue
        differences[name] = _difference(left[name], right[name].transpose(*left[name].dims))
    return differences


def _difference(values: xr.DataArray, others: xr.DataArray) -> ValueDifference:
    """Two variables of one shape, a part of moderate size at a time: they may lie on disk."""
    differing, gaps = 0, [0.0]
    for part in _parts(values):
        mine, other = values[part].values, others[part].values
        differ = ~_same(mine, other)
        differing += int(differ.sum())
        gaps.extend(np.abs(mine[differ].astype(float) - other[differ].astype(float)))
        gaps = [float(np.max(gaps))]
    return ValueDifference(values.size, differing, gaps[0])


def _parts(values: xr.DataArray) -> Iterator[tuple[slice, ...]]:
    """Parts of a variable that together make it up, along its longest dimension."""
    if values.ndim == 0 or values.size == 0:
        yield ()
        return
    longest = int(np.argmax(values.shape))
    length = values.shape[longest]
    step = max(1, length * _PART // max(values.nbytes, 1))
    for first in range(0, length, step):
        yield (*(slice(None),) * longest, slice(first, first + step))


def attribute_differences(data: xr.Dataset, other: xr.Dataset) -> dict[str, tuple[str, str]]:
    """Versions, platform and device in which two datasets differ."""
    return {
        name: (str(data.attrs.get(name, "")), str(other.attrs.get(name, "")))
        for name in PROVENANCE
        if str(data.attrs.get(name, "")) != str(other.attrs.get(name, ""))
    }


def same_bits(values: np.ndarray[Any, Any], other: np.ndarray[Any, Any]) -> bool:
    """Whether two arrays are the same bit for bit."""
    alike = values.dtype == other.dtype and values.shape == other.shape
    return alike and bool(_same(values, other).all())


def _same(values: np.ndarray[Any, Any], other: np.ndarray[Any, Any]) -> BoolArray:
    """Where two arrays of one shape hold the same bits; nan is equal to the same nan."""
    if values.dtype != other.dtype:
        return np.zeros(values.shape, dtype=bool)
    kind = np.dtype(f"u{values.dtype.itemsize}")
    bits, other_bits = (np.ascontiguousarray(array).view(kind) for array in (values, other))
    same: BoolArray = bits == other_bits
    return same.reshape(values.shape)
