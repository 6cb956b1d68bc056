"""Parts of a dataset: chosen sizes, controls and parameters, with their study."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

import numpy as np
import xarray as xr

from physbatch.dataset import control_dim, swept_dims, validate
from physbatch.errors import DatasetError
from physbatch.study.model import Study

#: Two numbers this close, relatively, are the same grid value.
_SAME = 1e-9


def select(data: xr.Dataset, values: Mapping[str, Iterable[float]]) -> xr.Dataset:
    """The part of a dataset at some grid values, which is a dataset of its own.

    A swept parameter of which one value is chosen is no longer a dimension, so that analyses
    that know sizes and one control can read the part. Its attributes hold the study of the
    part: `physbatch.sweep.verifying.verify_dataset` recomputes its cells as it does those of
    the whole.

    Parameters
    ----------
    data : xarray.Dataset
        A dataset of the schema.
    values : mapping
        Dimension -> one or more of its values: ``size``, the control, or a swept parameter.

    Raises
    ------
    DatasetError
        For a dimension that the dataset lacks, or a value that is not in its grid.

    Examples
    --------
    >>> from physbatch.exact.planted import first_order
    >>> select(first_order(sizes=(50, 100), control=(12.0, 13.0)), {"size": [50]}).sizes["size"]
    1
    """
    swept = swept_dims(data)
    grid = ("size", *swept, control_dim(data))
    chosen: dict[str, list[float]] = {}
    part = data
    for dim, wanted in values.items():
        if dim not in grid:
            raise DatasetError(
                f"no dimension {dim!r} to choose from", where="select", remedy=_offer(grid)
            )
        places = _places(data[dim].values, dim, wanted)
        part = part.isel({dim: places})
        chosen[dim] = part[dim].values.tolist()
        if dim in swept and len(places) == 1:
            part = part.isel({dim: 0}, drop=True)
    if "study" in data.attrs:
        whole = Study.from_json(str(data.attrs["study"]), where="dataset")
        study = _part_of_study(whole, chosen, swept)
        part = part.assign_attrs(study=study.canonical_json(), study_hash=study.hash())
    words = "; ".join(
        f"{dim} = {', '.join(f'{value:g}' for value in part_of)}" for dim, part_of in chosen.items()
    )
    history = "; ".join(filter(None, (str(data.attrs.get("history", "")), f"selected {words}")))
    return validate(part.assign_attrs(history=history), where="select")


def _places(grid: np.ndarray[Any, Any], dim: str, wanted: Iterable[float]) -> list[int]:
    """Places of the wanted values along a dimension, in grid order."""
    places = set()
    for value in wanted:
        near = np.flatnonzero(np.isclose(grid, value, rtol=_SAME, atol=0.0))
        if near.size == 0:
            raise DatasetError(
                f"{dim} = {value:g} is not in the grid",
                where="select",
                remedy=_offer(f"{value:g}" for value in grid.tolist()),
            )
        places.add(int(near[0]))
    return sorted(places)


def _offer(names: Iterable[str]) -> str:
    return f"choose among {', '.join(names)}"


def _part_of_study(
    study: Study, chosen: Mapping[str, list[float]], swept: Collection[str]
) -> Study:
    """The study that has the chosen grid values alone."""
    content = study.model_dump(mode="json", exclude_defaults=True)
    control = study.grid.control
    if study.grid.controls:
        values = chosen.get(control, getattr(study.grid, control))
        content["grid"][control] = {
            str(size): [value for value in values if study.grid.has(size, value)]
            for size in map(int, chosen.get("size", study.grid.size))
        }
        chosen = {dim: chosen[dim] for dim in chosen if dim != control}
    for dim, values in chosen.items():
        if dim in swept and len(values) == 1:
            is_option = dim in content["grid"].get("options", {})
            del (content["grid"]["options"] if is_option else content["grid"])[dim]
            *path, name = (f"system.options.{dim}" if is_option else study.path_of(dim)).split(".")
            owner = content
            for step in path:
                owner = owner.setdefault(step, {})
            owner[name] = values[0]
        else:
            options = content["grid"].get("options", {})
            (options if dim in options else content["grid"])[dim] = values
    return Study.from_dict(content, where="select")
