"""Results made by hand, which are stored as version 1 wrote them (results-1-*.nc)."""

from __future__ import annotations

import numpy as np
import xarray as xr

from physbatch.results import Flag
from physbatch.scaling import (
    Analysis,
    Collapse,
    CollapsedPoints,
    Estimate,
    Evidence,
    Extrapolation,
    Jump,
    MasterCurve,
    SuccessCurve,
    TimeDrift,
    TransitionOrder,
    Window,
    WindowFit,
)

NAN = float("nan")
WORDS = ("bad_fit: chi2/dof 30.1/12", "no_data at N = 50, m = 2", "words of another program")
FLAGS = tuple(map(Flag.read, WORDS))


def analysis() -> Analysis:
    curves = tuple(
        SuccessCurve(
            size, 100.0, np.linspace(10.0, 14.0, count), np.arange(count), np.full(count, 32),
            Estimate(13.0 + 1.0 / size, 0.05, 0.0, (12.9, 13.1)),
            Estimate(NAN, flags=(FLAGS[0],)) if size == 50.0 else Estimate(0.3, 0.02),
            4.5, count - 2, FLAGS if size == 50.0 else (), 0.25,
        )
        for size, count in ((50.0, 5), (100.0, 3))
    )  # fmt: skip
    drifts = tuple(
        TimeDrift(size, times, 13.0 - 0.1 * times, 0.01 * times, Estimate(-0.1, 0.02), FLAGS[:1],
                  12.5, 100.0, 10.0, 100.0)
        for size, times in ((50.0, np.array([10.0, 30.0, 100.0])), (100.0, np.empty(0)))
    )  # fmt: skip
    jumps = tuple(
        Jump(size, np.array([12.5, 13.0, 13.5]), np.linspace(0.0, 1.0, 3 * n).reshape(3, n),
             Estimate(0.6, 0.01), Estimate(0.9, 0.01), Estimate(0.3, 0.01, flags=FLAGS[:2]),
             12.0, FLAGS[1:], 1, 5.0, 0.5, 1e-6, 1, 100.0)
        for size, n in ((50.0, 4), (100.0, 6))
    )  # fmt: skip
    limit = Extrapolation(
        "m_c", np.array([50.0, 100.0]), np.array([13.02, 13.01]), np.array([0.05, 0.04]),
        Estimate(13.0, 0.06, 0.01), ("a", "a + b / N", "a + b ln N"), np.array([13.0, 12.9, NAN]),
        np.array([0.05, 0.07, 0.1]), np.array([0.0, 1.0, 0.2]), np.array([1.0, 0.5, 0.6]),
        np.array([1, 0, 0]), FLAGS[:1], np.array([13.0, 12.9, 12.0]), np.array([1.0, 0.0, 0.0]),
    )  # fmt: skip
    moments = xr.Dataset(
        {"overlap_mean": (("size", "batch_size"), [[0.1, 0.2], [0.3, NAN]], {"units": "1"})},
        coords={"size": [50.0, 100.0], "batch_size": ("batch_size", [12.0, 13.0])},
        attrs={"replicas": 32},
    )
    return Analysis(
        moments, curves, drifts, jumps, Estimate(13.0, 0.06, 0.01, (12.94, 13.06), FLAGS[:1]),
        Estimate(NAN, flags=FLAGS), limit, None, "not claimed", ("first reason", "second: µ < 1"),
        "batch_size", "mini-batch size m", 100.0, "sweep", "ab" * 32, "physbatch 0.1.0", FLAGS,
        {"seed": "0", "numpy": "2.4.0"},
    )  # fmt: skip


def collapse() -> Collapse:
    def points(name: str, count: int) -> CollapsedPoints:
        x = np.linspace(-1.0, 1.0, count)
        return CollapsedPoints(name, np.full(count, 8.0), x, x**2, 0.1 + x**2, -x, 0.01 * x)

    def window(size_min: float, accepted: bool) -> WindowFit:
        values, errors = {"c_c": 2.25, "nu": 1.0}, {"c_c": 0.01, "nu": 0.05}
        return WindowFit(Window(size_min, 0.7), values, errors, 40, 38.5, 36.25, 0.4, accepted)

    x = np.linspace(-1.0, 1.0, 5)
    return Collapse(
        {"c_c": Estimate(2.25, 0.01, 0.02, (2.24, 2.26), FLAGS[:1]), "nu": Estimate(1.0, 0.05)},
        {"zeta": 0.0}, ("U", "größe"), 38.5, 36.25, 0.4, Window(8.0, 0.7),
        (window(8.0, True), window(16.0, False)), 8, 3, (points("U", 7), points("größe", 4)),
        (MasterCurve("U", x, x**2, 0.1 * x), MasterCurve("größe", x[:3], x[:3], x[:3])),
        np.array([[1e-4, 1e-5], [1e-5, 2.5e-3]]), "L", "T", "L", True, FLAGS, "local-linear",
        {"beta": Estimate(0.125, 0.01)}, np.arange(6.0).reshape(3, 2),
    )  # fmt: skip


def order() -> TransitionOrder:
    one = Evidence("latent jump", "first order", "the jump stays", ("limit",),
                   (Estimate(0.6, 0.01, flags=FLAGS[:1]),), "distance of the peaks",
                   np.array([50.0, 100.0]), np.array([0.6, 0.61]), np.array([0.01, 0.02]),
                   FLAGS[:2])  # fmt: skip
    none = Evidence("scaling of width", "", "no size", (), (), "", *np.empty((3, 0)))
    return TransitionOrder(
        "first order", ("the jump stays",), (one, none), "overlap", "batch_size", "runs.nc",
        np.array([50.0, 100.0]), np.array([12.9, 13.0]), np.array([0.3, NAN]), np.array([0.9, NAN]),
        np.array([[0.3, 0.9, NAN], [0.31, 0.89, 0.9]]), FLAGS, "N",
    )  # fmt: skip


STORED = {"analysis": analysis, "collapse": collapse, "order": order}
