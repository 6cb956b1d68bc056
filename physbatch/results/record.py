"""Results as frozen dataclasses that a dataset holds exactly, and as strict JSON."""

from __future__ import annotations

import dataclasses
import difflib
import json
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Self, TypeVar

import numpy as np
import xarray as xr

from physbatch.errors import DatasetError
from physbatch.results.estimate import Estimate
from physbatch.results.flag import Flag
from physbatch.results.render import estimates_html, estimates_latex

__all__ = ["Record", "chosen", "read_results", "strict_json"]

Result = TypeVar("Result")


class Record:
    """A frozen dataclass of numbers, texts, estimates and arrays, to and from a dataset."""

    #: Names of the axes of every array field.
    axes: ClassVar[dict[str, tuple[str, ...]]] = {}

    def to_dataset(self) -> xr.Dataset:
        """The result as a dataset that NetCDF holds; `from_dataset` gives it back exactly.

        Arrays are variables; estimates are scalars with ``*_stderr`` and ``*_systematic``.
        Everything that is not an array also stands, exactly, in the attribute ``record``.
        """
        data = xr.Dataset()
        for name, value in _fields(self).items():
            if isinstance(value, np.ndarray) and value.size:
                data[name] = (self.axes[name], value)  # an empty one would be unlimited
            elif isinstance(value, Estimate):
                data[name] = value.value
                data[f"{name}_stderr"] = value.stderr
                data[f"{name}_systematic"] = value.systematic
        data.attrs = {"physbatch_record": type(self).__name__, "record": json.dumps(_plain(self))}
        return data

    @classmethod
    def from_dataset(cls, data: xr.Dataset) -> Self:
        """Read what `to_dataset` made.

        Raises
        ------
        physbatch.errors.DatasetError
            If it is a dataset of something else, or damaged.
        """
        try:
            held = _revived(json.loads(data.attrs["record"]))
        except (KeyError, ValueError, TypeError) as error:
            raise DatasetError(f"no {cls.__name__} in it", where="from_dataset") from error
        if not isinstance(held, cls):
            raise DatasetError(f"{type(held).__name__}, not {cls.__name__}", where="from_dataset")
        return held

    def stated(self) -> dict[str, Estimate]:
        """The estimates of the result by their names, in the order in which they are shown."""
        return {name: one for name, one in _fields(self).items() if isinstance(one, Estimate)}

    def to_latex(self) -> str:
        """The estimates as a LaTeX table; it needs the package booktabs."""
        return estimates_latex(self.stated(), self._goodness(), _fields(self).get("flags", ()))

    def _repr_html_(self) -> str:
        """The estimates as an HTML table, every text escaped."""
        fields = _fields(self)
        of = fields.get("quantity") or fields.get("observable")
        caption = f"{type(self).__name__} of {of}" if of else type(self).__name__
        return estimates_html(caption, self.stated(), self._goodness(), fields.get("flags", ()))

    def _goodness(self) -> list[tuple[str, str]]:
        """Form and goodness of fit of results that have them."""
        shown = ("form", "replicas", "passed", "chi2", "dof", "p_value")
        return [
            (name, one if isinstance(one, str) else f"{one:.4g}")
            for name in shown
            if isinstance(one := getattr(self, name, None), (str, int, float))
        ]


def _fields(record: Any) -> dict[str, Any]:
    return {field.name: getattr(record, field.name) for field in dataclasses.fields(record)}


def _plain(value: Any) -> Any:
    """Text, numbers, lists and dictionaries that `_revived` turns back."""
    if isinstance(value, Record):
        return {type(value).__name__: {name: _plain(v) for name, v in _fields(value).items()}}
    if isinstance(value, Estimate):
        return {"Estimate": _plain(dataclasses.astuple(value))}
    if isinstance(value, np.ndarray):
        return {"array": [value.dtype.str, list(value.shape), value.ravel().tolist()]}
    return [_plain(item) for item in value] if isinstance(value, tuple) else value


def _revived(value: Any) -> Any:
    if isinstance(value, list):
        return tuple(map(_revived, value))
    if not isinstance(value, dict):
        return value
    ((name, content),) = value.items()
    if name == "array":
        return np.array(content[2], dtype=content[0]).reshape(content[1])
    if name == "Estimate":
        return Estimate(*map(_revived, content))
    kind = {kind.__name__: kind for kind in Record.__subclasses__()}[name]
    fields = {key: _revived(item) for key, item in content.items()}
    if "flags" in fields:
        fields["flags"] = tuple(map(Flag.read, fields["flags"]))
    return kind(**fields)


def strict_json(
    parameters: Mapping[str, Estimate],
    goodness: Mapping[str, float | str],
    starts: Mapping[str, int],
    flags: Sequence[Flag],
) -> dict[str, Any]:
    """Results in the shape of ``--json``; None stands for what JSON has no number for."""

    def number(x: Any) -> Any:
        return None if isinstance(x, float) and not math.isfinite(x) else x

    return {
        "parameters": {
            name: {
                "value": number(one.value),
                "stderr": number(one.stderr),
                "systematic": number(one.systematic),
                "interval68": [number(end) for end in one.interval68],
                "flags": list(one.flags),
            }
            for name, one in parameters.items()
        },
        "goodness": {name: number(one) for name, one in goodness.items()},
        **({"starts": dict(starts)} if starts else {}),
        "flags": list(dict.fromkeys(flags)),
    }


def chosen(known: Mapping[str, Result], name: str) -> Result:
    """What has a name.

    Raises
    ------
    KeyError
        With the names that are near to it, or all of them.
    """
    if name not in known:
        near = difflib.get_close_matches(name, known) or list(known)
        raise KeyError(f"no {name!r}, but {', '.join(near) or 'nothing else'}")
    return known[name]


def read_results(
    data: xr.Dataset,
    kind: str,
    attribute: str,
    newest: int,
    command: str,
    read: Callable[[xr.Dataset], Result],
) -> Result:
    """Read a file of results, or say in one line why it cannot be read.

    Parameters
    ----------
    data : xarray.Dataset
        The content of the file.
    kind : str
        What the file should hold, in words.
    attribute : str
        Global attribute that marks the kind and holds its version.
    newest : int
        The newest version that can be read.
    command : str
        The command that makes such files.
    read : callable
        Builds the result from a dataset of the right kind.

    Raises
    ------
    physbatch.errors.DatasetError
        If the attribute is missing, the version is newer, or the content is damaged.
    """
    version = data.attrs.get(attribute)
    if version is None:
        raise DatasetError(
            f"not a file of {kind} (attribute {attribute} is missing)",
            where="results",
            remedy=f"make one with `{command}`",
        )
    try:
        if int(version) > newest:
            raise DatasetError(
                f"results version {int(version)} is newer than {newest}",
                where="results",
                remedy="upgrade physbatch",
            )
        return read(data)
    except (KeyError, ValueError, TypeError, IndexError, AttributeError) as error:
        raise DatasetError(
            f"damaged results ({type(error).__name__}: {' '.join(str(error).split())[:120]})",
            where="results",
            remedy=f"make them again with `{command}`",
        ) from error
