"""The live collapse page: sliders move the collapse, the quality S follows."""

import base64
import hashlib
import json
import math
import os
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import cycle
from pathlib import Path
from typing import Any

import numpy as np
from markupsafe import Markup, escape
from matplotlib.colors import to_hex

import physbatch
from physbatch.errors import AnalysisError
from physbatch.plots.style import size_palette
from physbatch.report.html import render, write_html
from physbatch.results.estimate import Estimate
from physbatch.scaling.data_collapse.result import Collapse
from physbatch.tables.table import ScalingTable

#: The lower and the upper end of a range; None where there is none.
Ends = tuple[float | None, float | None]
_MARKERS = ("o", "s", "^", "D", "v")
#: More points than a screen shows or a slider moves smoothly.
_MOST_POINTS = 20_000
#: Thousandths of a slider, about a pixel: regions that are narrower are drawn as wide.
_LEAST_BAND = 6.0


#: Math: pieces of text with a level, 1 higher, -1 lower, 0 on the line.
_Math = list[tuple[str, int]]
_TAGS = {1: "sup", 0: "span", -1: "sub"}


@dataclass(frozen=True)
class _Slider:
    name: str
    label: str
    html: Markup
    low: float
    high: float
    heading: str = ""
    region: tuple[float, float] | None = None  # value and error of the fit

    def band(self, errors: float) -> tuple[float, float]:
        """Where the value within so many errors stands on the slider, from 0 to 1000: x, width."""
        assert self.region is not None
        value, error = self.region
        ends = (value - errors * error, value + errors * error)
        low, high = (1e3 * (end - self.low) / (self.high - self.low) for end in ends)
        low, high = max(low, 0.0), min(high, 1e3)
        if high - low < _LEAST_BAND:
            low = (low + high - _LEAST_BAND) / 2
        return low, max(high - low, _LEAST_BAND)

    @property
    def region_words(self) -> str:
        """The region in words."""
        assert self.region is not None
        return f"fit: {Estimate(*self.region)}"


def render_explore(
    table: ScalingTable,
    observable: str,
    fit: Collapse | None = None,
    *,
    command: Sequence[str] = (),
    limits: Ends = (None, None),
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
        Words of the command to which "copy as command" adds starts and the window.
    limits : tuple of float or None
        The range of the control from which the table was cut.

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
            remedy="give a narrower range (--control-min, --control-max), or leave sizes out "
            "(--exclude)",
        )
    fitted, why_not = _optimum(fit)
    regions = {} if fit is None or fitted is None else _regions(fit)
    sliders = [replace(s, region=regions.get(s.name)) for s in _sliders(data, fitted)]
    unscaled = {"c_c": 0.0, "inverse_nu": 1e-9, "ratio": 0.0, "omega": 1.0, "amplitude": 0.0}
    if fitted is not None and "shift" in fitted:
        unscaled |= {"shift": 0.0, "phi": 1.0}
    content = {
        "sizes": _points(data, observable),
        "start": fitted or {**unscaled, "c_c": float(np.median(data.control)), "inverse_nu": 1.0},
        "fitted": fitted,
        "unscaled": unscaled,
        **_labels(data, observable),
        "range": [float(data.control.min()), float(data.control.max())],
        "limits": list(limits),
        "columns": [data.size_name, data.control_name, observable, f"{observable}_error"],
        "fixed": [] if fit is None else list(fit.fixed),
        "corrections": fit is not None and fit.corrections,
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
        control_html=_html([(data.control_name, 0)]),
        range=content["range"],
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
    limits: Ends = (None, None),
) -> Path:
    """Write the page of `render_explore`, whole or not at all.

    Raises
    ------
    physbatch.errors.OutputError
        If the file cannot be written.
    """
    return write_html(path, render_explore(table, observable, fit, command=command, limits=limits))


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
        **({name: values[name] for name in ("shift", "phi")} if fit.drift else {}),
    }, ""


def _regions(fit: Collapse) -> dict[str, tuple[float, float]]:
    """Value and total error of what the sliders hold, where the fit has both.

    Those of 1/nu and zeta/nu are propagated, with the correlation of the plain fit.
    """
    names = list(fit.parameters)
    known = {name: (value, 0.0) for name, value in fit.fixed.items()}
    known |= {name: (e.value, e.total) for name, e in fit.parameters.items()}
    nu, nu_error = known.get("nu", (math.nan, math.nan))
    zeta, zeta_error = known.get("zeta", (0.0, 0.0))
    together = 0.0
    if {"nu", "zeta"} <= set(names):
        together = float(fit.correlation[names.index("nu"), names.index("zeta")])
        together = together if math.isfinite(together) else 0.0
    parts = (zeta_error / nu, -zeta * nu_error / nu**2)
    variance = parts[0] ** 2 + parts[1] ** 2 + 2 * together * parts[0] * parts[1]
    regions: dict[str, tuple[float, float]] = {
        "c_c": known.get("c_c", (math.nan, math.nan)),
        "inverse_nu": (1 / nu, nu_error / nu**2),
        "ratio": (zeta / nu, math.sqrt(max(variance, 0.0))),
    }
    regions |= {name: known[name] for name in ("omega", "shift", "phi") if name in known}
    return {
        name: (value, error)
        for name, (value, error) in regions.items()
        if math.isfinite(value) and math.isfinite(error) and error > 0
    }


def _labels(data: ScalingTable, observable: str) -> dict[str, Any]:
    """Both axes in words and as math."""
    size, control = data.size_name, data.control_name
    x: _Math = [(size, 0), ("1/", 1), ("ν", 1), (" (", 0), (control, 0), (" − ", 0)]
    y: _Math = [(observable, 0), (" ", 0), (size, 0), ("−", 1), ("ζ", 1), ("/", 1), ("ν", 1)]
    return {
        "x_label": f"{size}^(1/ν) ({control} − c_c)",
        "y_label": f"{observable} {size}^(−ζ/ν)",
        "x_math": [*x, *_critical(data), (")", 0)],
        "y_math": y,
    }


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
    size, nu, zeta, omega = data.size_name, ("ν", 0), ("ζ", 0), ("ω", 0)
    falling: _Math = [("(", 0), (size, 0), ("/", 0), (size, 0), ("min", -1), (")", 0)]
    words: _Math = [("amplitude ", 0), ("b", 0), (" of ", 0), ("b", 0), (" ", 0), *falling]
    sliders = [
        _slider("c_c", [("critical point ", 0), *_critical(data)], low, high),
        _slider("inverse_nu", [("1/", 0), nu], 1e-3, steep),
        _slider("ratio", [zeta, ("/", 0), nu], -ratio, ratio),
        _slider("omega", [omega], 0.05, 4.0, "Corrections to scaling"),
        _slider("amplitude", [*words, ("−", 1), ("ω", 1)], -0.9, 3.0),
    ]
    if fitted is not None and "shift" in fitted:
        most = max(3.0 * abs(fitted["shift"]), high - low)
        words = [("a", 0), (" of ", 0), *_critical(data), (" + ", 0), ("a", 0), (" ", 0), (size, 0)]
        words += [("−", 1), ("φ", 1)]
        sliders += [
            _slider("shift", words, -most, most, "Drift of the critical point"),
            _slider("phi", [("φ", 0)], 0.05, max(4.0, 2 * fitted["phi"])),
        ]
    return sliders


def _slider(name: str, math: _Math, low: float, high: float, heading: str = "") -> _Slider:
    return _Slider(name, "".join(text for text, _ in math), _html(math), low, high, heading)


def _critical(data: ScalingTable) -> _Math:
    return [(data.control_name if len(data.control_name) == 1 else "c", 0), ("c", -1)]


def _html(math: _Math) -> Markup:
    """Math as HTML, single letters in italics."""
    parts = []
    for text, level in math:
        inner = f"<var>{escape(text)}</var>" if text.isalpha() and len(text) == 1 else escape(text)
        parts.append(f"<{_TAGS[level]}>{inner}</{_TAGS[level]}>")
    return Markup("".join(parts))


def _json(content: Any) -> Markup:
    """JSON that cannot end the script element it stands in."""
    text = json.dumps(content, allow_nan=False)
    for letter in "<>&":
        text = text.replace(letter, f"\\u{ord(letter):04x}")
    return Markup(text)
