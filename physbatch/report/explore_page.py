"""The live collapse page: sliders move the collapse, the quality S follows."""

import base64
import hashlib
import json
import math
import os
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from typing import Any

import numpy as np
from markupsafe import Markup
from matplotlib.colors import to_hex

import physbatch
from physbatch.errors import AnalysisError
from physbatch.plots.style import size_palette
from physbatch.report.html import render, write_html
from physbatch.scaling.data_collapse.result import Collapse
from physbatch.tables.table import ScalingTable

_MARKERS = ("o", "s", "^", "D", "v")
#: More points than a screen shows or a slider moves smoothly.
_MOST_POINTS = 20_000


@dataclass(frozen=True)
class _Slider:
    name: str
    label: str
    low: float
    high: float


def render_explore(
    table: ScalingTable,
    observable: str,
    fit: Collapse | None = None,
    *,
    command: Sequence[str] = (),
) -> str:
    """A page on which x = N^(1/nu) (c - c_c) and y N^(-zeta/nu) move with sliders, as HTML.

    The page states the same S as `physbatch.scaling.data_collapse.quality` for the points shown.
    Its only script stands in it and is named by its hash in the page's security policy.

    Parameters
    ----------
    table : ScalingTable
        The data.
    observable : str
        Which observable.
    fit : Collapse, optional
        A fit of this observable; its optimum is then one click away.
    command : sequence of str
        Words of the command to which "copy as command" adds starts.

    Raises
    ------
    AnalysisError
        If there is no such observable, or more than 20 000 points.

    Examples
    --------
    >>> import numpy as np
    >>> from physbatch.tables import make_table
    >>> size, control = np.repeat([8, 16], 5), np.tile(np.linspace(0.9, 1.1, 5), 2)
    >>> table = make_table(size, control, {"U": control}, {"U": np.full(10, 0.01)})
    >>> render_explore(table, "U").startswith("<!doctype html>")
    True
    """
    data = table.only(observable)
    if len(data.size) > _MOST_POINTS:
        raise AnalysisError(
            f"{len(data.size)} points, more than {_MOST_POINTS}",
            where="explore",
            remedy="thin the controls out, or leave sizes out",
        )
    fitted, why_not = _optimum(fit)
    sliders = _sliders(data, fitted)
    unscaled = {"c_c": 0.0, "inverse_nu": 1e-9, "ratio": 0.0, "omega": 1.0, "amplitude": 0.0}
    content = {
        "sizes": _points(data, observable),
        "start": fitted or {**unscaled, "c_c": float(np.median(data.control)), "inverse_nu": 1.0},
        "fitted": fitted,
        "unscaled": unscaled,
        "x_label": f"{data.size_name}^(1/ν) ({data.control_name} − c_c)",
        "y_label": f"{observable} {data.size_name}^(−ζ/ν)",
        "command": shlex.join(command or ("physbatch", "collapse", data.source or "data.csv")),
    }
    script = (Path(__file__).with_name("templates") / "explore.js").read_text("utf-8")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return render(
        "explore.html.j2",
        title=f"Collapse of {observable}, by hand",
        description=f"Live collapse of {observable}",
        observable=observable,
        fitted=fitted,
        why_not=why_not,
        sliders=sliders,
        sizes=content["sizes"],
        size_name=data.size_name,
        source=f"physbatch {physbatch.__version__}",
        content=_json(content),
        # The script is ours and holds nothing of the data.
        script=Markup(script),
        script_hash=f"sha256-{digest}",
    )


def write_explore(
    table: ScalingTable,
    observable: str,
    path: str | os.PathLike[str],
    fit: Collapse | None = None,
    *,
    command: Sequence[str] = (),
) -> Path:
    """Write the page of `render_explore`, whole or not at all.

    Raises
    ------
    physbatch.errors.OutputError
        If the file cannot be written.
    """
    return write_html(path, render_explore(table, observable, fit, command=command))


def _optimum(fit: Collapse | None) -> tuple[dict[str, float] | None, str]:
    """Slider values of a fit, or why it has none."""
    if fit is None:
        return None, "no fit was made"
    values = {name: estimate.value for name, estimate in fit.parameters.items()} | dict(fit.fixed)
    zeta = values.get("zeta", 0.0)
    needed = (values.get("c_c", math.nan), values.get("nu", math.nan), zeta)
    if not all(map(math.isfinite, needed)):
        flags = "; ".join(fit.flags) or "not converged"
        return None, f"the fit found no optimum ({flags})"
    return {
        "c_c": needed[0],
        "inverse_nu": 1 / needed[1],
        "ratio": zeta / needed[1],
        "omega": values.get("omega", 1.0),
        "amplitude": 0.0,
    }, ""


def _points(data: ScalingTable, observable: str) -> list[dict[str, Any]]:
    """Points, colour and marker of each size."""
    sizes = data.sizes.tolist()
    return [
        {
            "size": size,
            "control": data.control[data.size == size].tolist(),
            "value": data.values[observable][data.size == size].tolist(),
            "error": data.errors[observable][data.size == size].tolist(),
            "colour": to_hex(colour),
            "marker": marker,
        }
        for size, colour, marker in zip(sizes, size_palette(sizes), cycle(_MARKERS), strict=False)
    ]


def _sliders(data: ScalingTable, fitted: Mapping[str, float] | None) -> list[_Slider]:
    low, high = float(data.control.min()), float(data.control.max())
    steep = max(3.0, 2 * fitted["inverse_nu"]) if fitted else 3.0
    ratio = max(2.0, 2 * abs(fitted["ratio"])) if fitted else 2.0
    return [
        _Slider("c_c", "critical point c_c", low, high),
        _Slider("inverse_nu", "1/ν", 1e-3, steep),
        _Slider("ratio", "ζ/ν", -ratio, ratio),
        _Slider("omega", "ω", 0.05, 4.0),
        _Slider("amplitude", "amplitude b of b (N/N_min)^(−ω)", -0.9, 3.0),
    ]


def _json(content: Any) -> Markup:
    """JSON that cannot end the script element it stands in."""
    text = json.dumps(content, allow_nan=False)
    for letter in "<>&":
        text = text.replace(letter, f"\\u{ord(letter):04x}")
    return Markup(text)
