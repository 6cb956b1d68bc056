"""Critical batch size and gradient noise: planted laws, exact linear students, enumeration."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

from physbatch.cli import main
from physbatch.errors import AnalysisError
from physbatch.exact import critical_batch, replicas
from physbatch.noise import critical_batch_size, gradient_scale
from physbatch.study import Study
from physbatch.sweep import run_study


def test_the_planted_law_is_recovered_with_its_errors() -> None:
    """z of B_c, of S_min and of the batch at +20 % over 25 seeds: mean 0, spread 1."""
    z: dict[str, list[float]] = {"scale": [], "smallest": [], "critical": []}
    for seed in range(25):
        found = critical_batch_size(
            critical_batch.planted_steps(seed=seed), target=0.01, resamples=80
        )
        exact = {"scale": 64.0, "smallest": 40.0, "critical": 12.8}
        assert found.flags == ()
        for name, value in exact.items():
            estimate = getattr(found, name)
            z[name].append((estimate.value - value) / estimate.total)
    for name, scores in z.items():
        # Standard error 0.2 of the mean and 0.14 of the spread; 4.5 of them. The best of several
        # rates is a little too good, and windows add to the error.
        assert abs(np.mean(scores)) < 0.9, name
        assert 0.35 < np.std(scores) < 1.65, name


def test_first_passages_count_without_a_target() -> None:
    data = critical_batch.planted_steps(learning_rates=(1.0,), noise=0.02)
    by_error = critical_batch_size(data, target=0.01)
    passages = critical_batch_size(data)
    assert passages.scale.value == pytest.approx(by_error.scale.value, rel=0.05)
    assert np.isnan(passages.learning_rate).all() or passages.learning_rate[0] == 1.0


@pytest.mark.parametrize(
    ("chosen", "words"),
    [
        ({"batch_size": slice(6, 9)}, "few_points"),
        ({"batch_size": slice(4, 9)}, "below_grid"),
        ({"learning_rate": [0, 1]}, "at_edge"),
    ],
)
def test_what_the_grid_cannot_tell_is_said(chosen: dict[str, Any], words: str) -> None:
    found = critical_batch_size(
        critical_batch.planted_steps().isel(chosen), target=0.01, resamples=50
    )
    assert any(flag.startswith(words) for flag in found.flags)
    if words != "at_edge":
        assert np.isnan(found.critical.value)


def test_wrong_arguments_are_refused() -> None:
    data = critical_batch.planted_steps()
    with pytest.raises(AnalysisError, match="positive"):
        critical_batch_size(data, target=-1.0)
    with pytest.raises(AnalysisError, match="no gradients"):
        gradient_scale(data)


def test_steps_of_the_isotropic_student_are_the_closed_form() -> None:
    """ln(1/f)/ln(1 + m/(N + 1)) at eta = m/(N + m + 1), whatever f; C(B*) = 1.2 C(0)."""
    student = critical_batch.LinearLearning((1.0,) * 19)
    for m in (1.0, 7.0, 60.0):
        steps, rate = student.fastest(m, target=0.03)
        assert steps == pytest.approx(np.log(1 / 0.03) / np.log(1 + m / 20), rel=1e-9)
        assert rate == pytest.approx(m / (20 + m), rel=1e-4)
    assert student.serial_samples(0.03) == pytest.approx(20 * np.log(1 / 0.03), rel=1e-5)
    x = student.critical_batch(0.03) / 20
    assert x / np.log1p(x) == pytest.approx(1.2, abs=2e-4)


def test_the_mean_error_is_that_of_the_recursion() -> None:
    """Step by step with the moments of a batch, for a spectrum with noisy labels."""
    spectrum = np.array(critical_batch.power_spectrum(5, 1.5))
    student = critical_batch.LinearLearning(tuple(spectrum), start=2.0, label_noise=0.3)
    squares, eta, m = np.full(5, 2.0), 0.9, 3.0
    for step in range(6):
        assert student.excess(eta, m, step) == pytest.approx(spectrum @ squares, rel=1e-12)
        scale = student.noise_scales(eta, m, [step])[0]
        square, variance = critical_batch.gradient_moments(spectrum, squares, 0.3)
        assert scale == pytest.approx(variance / square, rel=1e-10)
        # The batch gradient has the mean G and the covariance S/m, whose diagonal is this.
        covariance = spectrum * (spectrum @ squares + 0.3) + spectrum**2 * squares
        kept = (1 - eta * spectrum) ** 2 * squares
        squares = kept + eta**2 / m * covariance


def linear_task(count: int) -> Study:
    content: dict[str, Any] = {
        "title": "gradients",
        "system": {
            "kind": "torch",
            "task": "physbatch.tasks:PowerLaw",
            "options": {"decay": 1.5, "noise": 0.5},
        },
        "dynamics": {"kind": "sgd", "learning_rate": {"base": 0.8}},
        "grid": {"size": [6], "batch_size": [4], "replicas": count},
        "measurement": {
            "duration": 8,
            "times": {"kind": "list", "values": [0, 8]},
            "test_samples": 200,
            "gradient_noise": True,
        },
    }
    return Study.from_dict(content)


def test_gradient_noise_of_a_linear_student_is_exact(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """tr S and |G|^2 without bias at the start and after eight steps, from 200 probes."""
    data = run_study(linear_task(192), tmp_path / "x.nc", workers=1)
    capsys.readouterr()
    spectrum = critical_batch.power_spectrum(6, 1.5)
    student = critical_batch.LinearLearning(spectrum, label_noise=0.25)
    square, variance = critical_batch.gradient_moments(spectrum, [1.0] * 6, 0.25)
    at = data.isel(size=0, batch_size=0)
    for name, exact in (("gradient_square", square), ("gradient_variance", variance)):
        values = at[name].isel(time=0).values
        z = (values.mean() - exact) / (values.std(ddof=1) / np.sqrt(len(values)))
        assert abs(z) < 4.5, name
        assert values.std(ddof=1) / np.sqrt(len(values)) < 0.02 * exact
    found = gradient_scale(data)
    exact_scales = student.noise_scales(0.8, 4.0, [0, 8])
    z = (found.scale[0] - exact_scales) / found.stderr[0]
    assert np.abs(z).max() < 4.5
    assert (found.stderr[0] < 0.06 * exact_scales).all()
    assert main(["noise", "gradient", str(tmp_path / "x.nc"), "--json"]) == 0
    points = json.loads(capsys.readouterr().out)["points"]
    assert [point["time"] for point in points] == [0, 8]
    assert points[1]["scale"]["value"] == found.scale[0, 1]


def linear_runs(size: int, rates: list[float], batches: list[int], count: int) -> xr.Dataset:
    """Plain SGD of a noiseless linear student, sample by sample, up to eight samples an input."""
    rng = np.random.default_rng(7)
    times = np.arange(1.0, 8 * size + 1)
    coords = replicas.replica_coords([size], batches, count, times.tolist())
    columns = []
    for rate in rates:
        error = np.full((1, len(batches), count, len(times)), np.inf)
        for column, m in enumerate(batches):
            e = rng.standard_normal((count, size))
            e *= np.sqrt(size) / np.linalg.norm(e, axis=1, keepdims=True)
            for step in range(8 * size // m):
                x = rng.standard_normal((count, m, size))
                e = e - rate / m * np.einsum("rmn,rm->rn", x, np.einsum("rmn,rn->rm", x, e))
                error[0, column, :, step] = 0.5 * np.sum(e**2, axis=1)
        columns.append(
            replicas.replica_dataset(
                coords, 1 - 2 * error, error < 0, replicas.Labels("linear", "step")
            )
        )
    data = replicas.joined(columns, "learning_rate", rates)
    return data.transpose("size", "learning_rate", "batch_size", "replica", "time")


def test_the_critical_batch_of_a_simulated_linear_student_is_exact() -> None:
    """N = 15, no noise: B* = 0.425 (N + 1), from replicas that learn."""
    rates = [0.04, 0.07, 0.11, 0.17, 0.25, 0.36, 0.5, 0.7]
    data = linear_runs(15, rates, [1, 2, 3, 4, 6, 8, 12, 16], 400)
    found = critical_batch_size(data, target=0.5 * 15 * 0.2, resamples=100)
    exact = critical_batch.LinearLearning((1.0,) * 15)
    for m, steps, error in zip(found.batch_size, found.steps, found.stderr, strict=True):
        best, _ = exact.fastest(float(m), target=0.2)
        # One step halves the error at m = 16: the logarithm between two steps is not straight.
        assert abs(steps - best) < 4.5 * error + 0.02 * best, m
    critical = exact.critical_batch(0.2)
    assert abs(found.critical.value - critical) < 4.5 * found.critical.total
    assert found.critical.total < 0.3 * critical
