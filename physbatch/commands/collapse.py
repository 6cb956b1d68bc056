"""Data collapse on the command line."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from physbatch.commands.output import keep_others, print_json, save_pictures
from physbatch.errors import AnalysisError

if TYPE_CHECKING:
    from physbatch.scaling.data_collapse.result import Collapse

__all__ = ["collapse", "stored"]

Switch = Annotated[bool, Parameter(negative=())]
Words = Annotated[list[str] | None, Parameter(negative=())]


def collapse(
    file: Path,
    *,
    size: str | None = None,
    control: str | None = None,
    observable: Words = None,
    error: Words = None,
    exponent: Words = None,
    fix: Words = None,
    corrections: Switch = False,
    drift: Switch = False,
    method: Literal["gp", "spline", "local-linear"] = "gp",
    window: Literal["scan", "all"] = "scan",
    errors: Literal["likelihood", "profile", "bootstrap", "posterior", "quality"] | None = None,
    start: Words = None,
    seed: int = 0,
    dimension: Literal["N", "L"] | None = None,
    output: Annotated[Path | None, Parameter(name=["--output", "-o"])] = None,
    figure: Path | None = None,
    json_: Annotated[bool, Parameter(name="--json", negative=())] = False,
) -> None:
    """Find c_c and exponents from the demand that all sizes fall on one curve.

    Parameters
    ----------
    file
        CSV, TSV, columns separated by spaces, or NetCDF.
    size
        Column of the sizes: a name, or a number that counts from 1.
    control
        Column of the control parameter.
    observable
        Column of an observable; give it again for more, which share c_c and nu.
    error
        Column of its standard error, in the same order.
    exponent
        What zeta is: beta (of an order parameter, zeta = -beta) or gamma (of a susceptibility,
        zeta = gamma); for several observables OBSERVABLE=beta, once for each.
    fix
        Hold an exponent, as in --fix zeta=0 or --fix beta=0.125; give it again for more.
    corrections
        Fit corrections to scaling with their exponent omega.
    drift
        Let c_c move with the size as c_c + a N^(-phi).
    method
        Gaussian process; least squares on a spline in the window that the former has chosen; or
        the smallest S of Houdayer and Hartmann (biased where points are far apart).
    window
        Scan windows in size and distance from c_c, or take all points.
    errors
        Where statistical errors come from: by default the likelihood, for local-linear the
        bootstrap; "quality" is S_min + 1.
    start
        One more start, as in --start nu=1; give it again for more. None is needed.
    seed
        Seed of bootstrap and posterior.
    dimension
        Whether sizes are volumes (N) or linear sizes (L); nu refers to it.
    output
        Where to write the results (NetCDF).
    figure
        Where to draw the collapse, as .pdf and .png; the scan goes to NAME-windows, the
        posterior or bootstrap to NAME-corner.
    json_
        Print one JSON object.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> lines = [
    ...     f"{n} {c:.3f} {np.tanh(n * (c - 1)) + 0.01 * np.sin(37 * i):.6f} 0.01"
    ...     for n in (8, 16, 32)
    ...     for i, c in enumerate(np.linspace(0.9, 1.1, 15))
    ... ]
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     written = Path(folder, "u.dat").write_text("\\n".join(["L T U dU", *lines]))
    ...     collapse(
    ...         Path(folder, "u.dat"), observable=["U"], error=["dU"], fix=["zeta=0"], window="all"
    ...     )  # doctest: +ELLIPSIS
    Collapse of U: c_c = ..., nu = ..., zeta = 0 (fixed)
    ...
    """
    from physbatch.scaling.data_collapse.methods import collapse as fit
    from physbatch.tables.read import read_table

    fixed, begin = _numbers(fix or (), "--fix"), _numbers(start or (), "--start")
    named = _exponent(exponent or ())
    if output is not None:
        keep_others(output, "physbatch_collapse")
    table = read_table(
        file, size=size, control=control, observable=observable, error=error, dimension=dimension
    )
    result = fit(
        table,
        exponent=named,
        fixed=fixed,
        corrections=corrections,
        drift=drift,
        method=method,
        window=window,
        errors=errors,
        start=begin or None,
        seed=seed,
    )
    written = _write(result, output, figure)
    of_reading = [flag for flag in table.flags if flag not in result.flags]
    if json_:
        document = result.to_json()
        document["flags"] = [*of_reading, *document["flags"]]
        print_json(document)
        return
    print("\n".join([repr(result), *(f"flag     {flag}" for flag in of_reading), *written]))


def _numbers(words: Sequence[str], option: str) -> dict[str, float]:
    """Values of words like zeta=0."""
    values: dict[str, float] = {}
    for word in words:
        name, _, text = (part.strip() for part in word.rpartition("="))
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not name or not math.isfinite(value):
            raise AnalysisError(
                f"cannot read {word!r}", where=option, remedy="write NAME=VALUE, as in zeta=0"
            )
        if name in values:
            raise AnalysisError(f"{name} is given twice", where=option, remedy="give it once")
        values[name] = value
    return values


def _exponent(words: Sequence[str]) -> str | dict[str, str] | None:
    """The name of one exponent, or those of several observables."""
    if len(words) == 1 and "=" not in words[0]:
        return words[0].strip()
    named: dict[str, str] = {}
    for word in words:
        observable, _, name = (part.strip() for part in word.rpartition("="))
        if not observable or observable in named:
            raise AnalysisError(
                f"cannot read {' '.join(words)!r}",
                where="--exponent",
                remedy="write beta, or OBSERVABLE=beta once for each observable",
            )
        named[observable] = name
    return named or None


def _write(result: Collapse, output: Path | None, figure: Path | None) -> list[str]:
    """Write what was asked for and say what was written, a line each."""
    lines = []
    if output is not None:
        from physbatch.files.netcdf import save

        lines.append(f"results  {save(result.to_dataset(), output)}")
    if figure is not None:
        lines += [f"figure   {path}" for path in save_pictures(result, figure)]
    return lines


def stored(path: Path) -> Collapse | None:
    """The collapse in a file, or None if it holds something else."""
    from physbatch.files.netcdf import open_netcdf
    from physbatch.scaling.data_collapse.result import Collapse

    content = open_netcdf(path)
    return Collapse.from_dataset(content) if "physbatch_collapse" in content.attrs else None
