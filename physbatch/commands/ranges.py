"""The part of the data that an analysis takes: ranges of sizes and controls, points left out."""

import math
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from physbatch.errors import AnalysisError

if TYPE_CHECKING:
    import xarray as xr

    from physbatch.tables.table import ScalingTable
    from physbatch.typing import BoolArray, FloatArray

#: Two numbers this close, relatively, are the same size or control.
_SAME = 1e-9
_Limit = Annotated[float | None, Parameter(negative=())]


@Parameter(name="*")
@dataclass(frozen=True)
class Ranges:
    """Ranges of sizes and controls, and points that are left out."""

    size_min: Annotated[_Limit, Parameter(help="Leave out smaller sizes.")] = None
    size_max: Annotated[_Limit, Parameter(help="Leave out larger sizes.")] = None
    control_min: Annotated[_Limit, Parameter(help="Leave out smaller controls.")] = None
    control_max: Annotated[_Limit, Parameter(help="Leave out larger controls.")] = None
    exclude: Annotated[
        list[str] | None,
        Parameter(
            negative=(),
            help="Leave out a size, a control or a point: L=16, T=2.3 or L=16,T=2.3. Give it again "
            "for more.",
        ),
    ] = None

    @property
    def limits(self) -> dict[str, float]:
        """Ends of the ranges that are given.

        Raises
        ------
        physbatch.errors.AnalysisError
            If a range is empty.
        """
        names = ("size_min", "size_max", "control_min", "control_max")
        limits = {name: getattr(self, name) for name in names}
        given = {name: limit for name, limit in limits.items() if limit is not None}
        for role in ("size", "control"):
            low = given.get(f"{role}_min", -math.inf)
            high = given.get(f"{role}_max", math.inf)
            if not low <= high:
                raise AnalysisError(
                    f"no {role} is from {low:g} to {high:g}",
                    where=f"--{role}-min, --{role}-max",
                    remedy="give the smaller number first",
                )
        return given

    def of_table(self, table: "ScalingTable", file: Path) -> "ScalingTable":
        """The points of a table that are taken.

        Raises
        ------
        physbatch.errors.AnalysisError
            If none is left, or what is left out is not there.
        """
        columns = {"size": table.size, "control": table.control}
        names = {"size": table.size_name, "control": table.control_name}
        inside = table.select(~self._excluded(columns, names))
        part = inside.window(**self.limits)
        if part.size.size == 0:
            sizes, controls = table.sizes, table.control
            raise AnalysisError(
                "no point is within the range",
                where=str(file),
                remedy=f"{table.size_name} is {sizes[0]:g} to {sizes[-1]:g} and "
                f"{table.control_name} {controls.min():g} to {controls.max():g}",
            )
        self._say(part.size.size, table.size.size)
        return part

    def of_dataset(self, data: "xr.Dataset", control: str | None = None) -> "xr.Dataset":
        """The grid points of a dataset that are taken.

        Raises
        ------
        physbatch.errors.AnalysisError
            If none is left, or a single point of the grid is to be left out.
        """
        import numpy as np

        from physbatch.dataset import control_dim
        from physbatch.study.selection import select

        dims = {"size": "size", "control": control or control_dim(data)}
        part, limits = data, self.limits
        if not (limits or self.exclude) or dims["control"] not in data.dims:
            return data
        for role, dim in dims.items():
            values = np.asarray(data[dim].values, dtype=np.float64)
            low, high = limits.get(f"{role}_min", -math.inf), limits.get(f"{role}_max", math.inf)
            inside = (values >= low) & (values <= high)
            inside &= ~self._excluded({role: values}, dims)
            if not inside.any():
                raise AnalysisError(
                    "no point is within the range",
                    where=dim,
                    remedy=f"the dataset has {values.min():g} to {values.max():g}",
                )
            if not inside.all():
                part = select(part, {dim: values[inside].tolist()})
        count, total = (x.sizes["size"] * x.sizes[dims["control"]] for x in (part, data))
        self._say(count, total)
        return part

    def _excluded(
        self, columns: Mapping[str, "FloatArray"], names: Mapping[str, str]
    ) -> "BoolArray":
        """Which of the points, or of the values along a dimension, are left out."""
        import numpy as np

        (length,) = {values.size for values in columns.values()}
        out = np.zeros(length, dtype=bool)
        for text in self.exclude or ():
            stated = dict(_condition(part, names) for part in text.split(","))
            if len(columns) == 1 and len(stated) > 1:
                raise AnalysisError(
                    f"{text!r} is one point of a dataset, which is a grid",
                    where="--exclude",
                    remedy="leave out a size or a control",
                )
            if not stated.keys() <= columns.keys():
                continue
            hits = np.ones(length, dtype=bool)
            for role, value in stated.items():
                hits &= np.isclose(columns[role], value, rtol=_SAME, atol=0.0)
            if not hits.any():
                raise AnalysisError(f"no point is at {text}", where="--exclude")
            out |= hits
        return out

    def _say(self, kept: int, total: int) -> None:
        """Say on stderr what is left of the points."""
        words = [f"{name.replace('_', '-')} {limit!r}" for name, limit in self.limits.items()]
        words += [f"exclude {text}" for text in self.exclude or ()]
        if words:
            print(f"range    {kept} of {total} points kept: {', '.join(words)}", file=sys.stderr)


def _condition(text: str, names: Mapping[str, str]) -> tuple[str, float]:
    """Role and value of L=16; either is called by its role or by its name in the data."""
    name, _, number = (part.strip() for part in text.partition("="))
    role = next((role for role, known in names.items() if name in (role, known)), None)
    try:
        value = float(number)
    except ValueError:
        value = math.nan
    if role is None or not math.isfinite(value):
        raise AnalysisError(
            f"cannot read {text!r}",
            where="--exclude",
            remedy=f"write {names['size']}=16, {names['control']}=2.3, or both with a comma",
        )
    return role, value
