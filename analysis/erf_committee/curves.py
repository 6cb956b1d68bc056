"""Learning curves at fixed alpha against the equations of motion, two units."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import xarray as xr

from analysis.common import Datasets, Number
from analysis.erf_committee.thresholds import fixed_learning_rate
from physbatch.exact import committee
from physbatch.plots import Measured
from physbatch.scaling import Estimate, ScalingFit, fit_law, law

FloatArray = npt.NDArray[np.float64]

PATHS = {"path4": 10_000, "path5": 100_000, "path6": 1_000_000}


def _deviations(data: xr.Dataset) -> tuple[FloatArray, FloatArray, FloatArray]:
    """alpha, exact error and ln(error/exact error), shapes (time,), (replica, time) twice.

    The equations of motion start from every replica's own overlaps.
    """
    size = int(data["size"].values[0])
    one = data.squeeze(("size", "batch_size"))
    units = ("replica", "time", "student_unit")
    q = one["student_overlap"].transpose(*units, "other_student_unit").values
    r = one["teacher_overlap"].transpose(*units, "teacher_unit").values
    alpha = one["time"].values / size
    rate = fixed_learning_rate(data) / float(data["batch_size"].values[0])
    exact = np.array(
        [
            committee.integrate_equations(q0, r0, np.eye(2), rate, alpha).generalization_error
            for q0, r0 in zip(q[:, 0], r[:, 0], strict=True)
        ]
    )
    measured = one["generalization_error"].transpose("replica", "time").values
    return alpha, exact, np.log(measured / exact)


def path_results(data: Datasets) -> tuple[list[Number], list[Measured], ScalingFit]:
    """Mean deviation from the equations of motion, and how its spread falls with N."""
    numbers, sets, spreads = [], [], []
    for name, size in PATHS.items():
        alpha, exact, deviation = _deviations(data[name])
        count = len(deviation)
        mean = deviation.mean(axis=0)[1:]
        stderr = (deviation.std(axis=0, ddof=1) / np.sqrt(count))[1:]
        covariance = np.cov(deviation[:, -1])
        spreads.append((float(np.sqrt(covariance)), float(np.sqrt(covariance / (2 * count - 2)))))
        scores = mean / stderr
        worst = int(np.argmax(abs(scores)))
        numbers.append(
            Number(
                f"ln(error/ODE) at alpha = {alpha[-1]:g}, K = 2, N = {size}",
                Estimate(float(mean[-1]), float(stderr[-1])),
                0.0,
                f"{count} replicas; largest abs(z) {abs(scores[worst]):.1f} of {scores.size} times",
                headline=name == "path6",
            )
        )
        middle = np.exp(np.log(exact).mean(axis=0))[1:]
        sets.append(
            Measured(
                rf"$N = 10^{{{name[-1]}}}$",
                alpha[1:],
                middle * np.exp(mean),
                middle * np.exp(mean) * stderr,
                middle,
                alpha[1:],
                middle,
            )
        )
    value, error = np.array(spreads).T
    fit = fit_law(
        list(PATHS.values()),
        value,
        error,
        [law("power")],
        quantity="spread of ln(error/ODE)",
        scan=False,
    )
    numbers.append(
        Number(
            "exponent in N of the replicas' spread about the ODE",
            fit["b"],
            -0.5,
            f"chi2/dof = {fit.chi2:.1f}/{fit.dof}",
        )
    )
    return numbers, sets, fit
