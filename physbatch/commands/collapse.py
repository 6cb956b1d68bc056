"""Data collapse on the command line."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from physbatch.commands.output import keep_others, print_json
from physbatch.errors import AnalysisError

if TYPE_CHECKING:
    from physbatch.scaling.collapse_result import Collapse

__all__ = ["collapse"]

Switch = Annotated[bool, Parameter(negative=())]
Words = Annotated[list[str] | None, Parameter(negative=())]


def collapse(
    file: Path,
    *,
    size: str | None = None,
    control: str | None = None,
    observable: Words = None,
    error: Words = None,
    fix: Words = None,
    corrections: Switch = False,
    drift: Switch = False,
    method: Literal["gp", "spline"] = "gp",
    window: Literal["scan", "all"] = "scan",
    errors: Literal["likelihood", "profile", "bootstrap", "posterior"] = "likelihood",
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
    fix
        Hold an exponent, as in --fix zeta=0; give it again for more.
    corrections
        Fit corrections to scaling with their exponent omega.
    drift
        Let c_c move with the size as c_c + a N^(-phi).
    method
        Gaussian process, or least squares on a spline (less biased at noise of a few per cent).
    window
        Scan windows in size and distance from c_c, or take all points.
    errors
        Where statistical errors come from.
    dimension
        Whether sizes are volumes (N) or linear sizes (L); nu refers to it.
    output
        Where to write the results (NetCDF).
    figure
        Where to draw the collapse, as .pdf and .png; the scan goes to NAME-windows.
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
    from physbatch.scaling.collapse import collapse as fit
    from physbatch.scaling.reading import read_table

    fixed = _fixed(fix or ())
    if output is not None:
        keep_others(output, "physbatch_collapse")
    table = read_table(
        file, size=size, control=control, observable=observable, error=error, dimension=dimension
    )
    result = fit(
        table,
        fixed=fixed,
        corrections=corrections,
        drift=drift,
        method=method,
        window=window,
        errors=errors,
    )
    written = _write(result, output, figure)
    if json_:
        print_json(result.to_json())
        return
    print("\n".join([repr(result), *written]))


def _fixed(words: Sequence[str]) -> dict[str, float]:
    """Values of words like zeta=0."""
    fixed: dict[str, float] = {}
    for word in words:
        name, _, text = (part.strip() for part in word.rpartition("="))
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not name or not math.isfinite(value):
            raise AnalysisError(
                f"cannot read {word!r}", where="--fix", remedy="write NAME=VALUE, as in zeta=0"
            )
        if name in fixed:
            raise AnalysisError(f"{name} is given twice", where="--fix", remedy="give it once")
        fixed[name] = value
    return fixed


def _write(result: Collapse, output: Path | None, figure: Path | None) -> list[str]:
    """Write what was asked for and say what was written, a line each."""
    lines = []
    if output is not None:
        from physbatch.dataset import save

        lines.append(f"results  {save(result.to_dataset(), output)}")
    if figure is not None:
        lines += [f"figure   {path}" for path in _draw(result, figure)]
    return lines


def _draw(result: Collapse, path: Path) -> list[Path]:
    """The collapse, and the scan of windows if there was one."""
    from physbatch.plots.collapse import plot_collapse
    from physbatch.plots.style import root_figure, save_figure
    from physbatch.plots.windows import plot_windows

    written = [*save_figure(root_figure(plot_collapse(result)[0].collapse), path)]
    if len(result.windows) > 1 and result.parameters:
        stem = path.stem if path.suffix.lower() in (".pdf", ".png") else path.name
        scan = path.with_name(f"{stem}-windows")
        written += save_figure(root_figure(plot_windows(result)[0]), scan)
    return written
