"""The page docs/gallery.md, every kind of figure: python docs/_scripts/gallery_page.py."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

PAGE = Path(__file__).parents[1] / "gallery.md"

_HEAD = """---
file_format: mystnb
kernelspec:
  name: python3
---

# Gallery

Every kind of figure, from data that physbatch ships, with its three lines. All take the keywords
of [Figures for a paper](how-to/figures.md): `ax`, `palette`, `labels`, `width` ... Each cell stands
alone after these imports:

```{code-cell} python
import numpy as np
import physbatch
from physbatch import exact, noise, plots, scaling, theory
from physbatch.systems import Samples
```
"""


class Kind(NamedTuple):
    """A heading, what the figure shows, and three lines of code that draw it."""

    name: str
    words: str
    code: str


_ANALYSIS = """data = exact.planted.first_order((50, 100, 200), replicas=16)
result = physbatch.analyse(data, resamples=100)
"""
_TABLE = """table = exact.scaling_functions.planted_table("Ising 2-D", (16, 32, 64))
"""
_COLLAPSE = _TABLE + 'result = physbatch.collapse(table, window="all")\n'
_MAGNET = """table = exact.curie_weiss.table((32, 64, 128, 256), np.linspace(0.9, 1.2, 16))
"""
_MINIMA = """data = exact.batch_noise.optimum_batch_data(replicas=8)
"""

SECTIONS: dict[str, tuple[Kind, ...]] = {
    "A transition": (
        Kind("Overview", "All that `analyse` finds.", _ANALYSIS + "plots.plot_overview(result)"),
        Kind("Overlap", "The mean overlap of each size.", _ANALYSIS + "plots.plot_overlap(result)"),
        Kind(
            "Success",
            "Fractions of replicas that learn, fitted curves, and $m_c$.",
            _ANALYSIS + "plots.plot_success(result)",
        ),
        Kind("Drift", "$m_c$ against the run time.", _ANALYSIS + "plots.plot_drift(result)"),
        Kind(
            "Extrapolation",
            'The limit of $m_c$, with every fitted form; `quantity="jump"` draws that of the jump.',
            _ANALYSIS + "plots.plot_extrapolation(result)",
        ),
        Kind(
            "Histograms",
            "Overlaps of all replicas below, at and above $m_c$.",
            _ANALYSIS + "plots.plot_histograms(result)",
        ),
        Kind(
            "Order",
            "What tells the orders of a transition apart.",
            "data = exact.phases.equilibrium_first_order((50, 100, 200), seed=2)\n"
            "result = physbatch.transition_order(data)\n"
            "plots.plot_order(result)",
        ),
    ),
    "Finite-size scaling": (
        Kind(
            "Collapse",
            "Rescaled points on their master curve, and residuals.",
            _COLLAPSE + "plots.plot_collapse(result)",
        ),
        Kind(
            "Raw curves with the collapse as an inset",
            "In the emptiest corner; `inset=` names another.",
            _COLLAPSE + "plots.plot_curves(table, result)",
        ),
        Kind(
            "Windows",
            "Every parameter in every window.",
            _TABLE + "result = physbatch.collapse(table)\nplots.plot_windows(result)",
        ),
        Kind(
            "Corner",
            "Samples of the parameters, alone and in pairs.",
            _TABLE
            + 'result = physbatch.collapse(table, method="local-linear", window="all")\n'
            + "plots.plot_corner(result)",
        ),
        Kind(
            "Crossings",
            "Curves with their crossings, and what those tend to.",
            _MAGNET + "result = physbatch.find_crossings(table)\nplots.plot_crossings(result)",
        ),
        Kind(
            "Coexistence",
            "Histograms of the energy with two phases.",
            "draw = np.random.default_rng(3)\n"
            "size = np.repeat([64.0, 100.0, 144.0], 6000)\n"
            "low = draw.random(size.size) < 0.5\n"
            "energy = np.where(low, -0.62, -0.38) * size\n"
            "energy += 0.4 * np.sqrt(size) * draw.normal(size=size.size)\n"
            'columns = {"N": size, "beta": np.ones(size.size), "E": energy}\n'
            "plots.plot_coexistence(scaling.find_coexistence(columns))",
        ),
        Kind(
            "Moments",
            "Any observables against the control.",
            "samples = exact.curie_weiss.sample_table((32, 64), np.linspace(0.9, 1.2, 13), 400)\n"
            'moments = ("susceptibility_abs", "binder")\n'
            'plots.plot_moments(scaling.sample_moments(samples, "magnetization", moments=moments))',
        ),
        Kind(
            "Peaks",
            "Curves with their peaks, and how those grow and move.",
            "size, x = np.repeat([8.0, 16, 32, 64], 17), np.tile(np.linspace(-2, 3, 17), 4)\n"
            'chi = {"chi": 3 * size**1.75 / (1 + (x - 0.5) ** 2)}\n'
            "table = physbatch.tables.make_table(\n"
            '    size, 1 + x / size, chi, {"chi": 0.01 * chi["chi"]}, control_name="T"\n'
            ")\n"
            'peaks = scaling.find_peaks(table, "chi")\n'
            "plots.plot_peaks(table, peaks, peaks.fit_heights(), peaks.fit_positions())",
        ),
        Kind(
            "Laws of size",
            "A fitted law, and residuals.",
            "size, value = np.array([16, 32, 64, 128]), np.array([50.9, 172, 577, 1960])\n"
            'fit = physbatch.fit_law(size, value, 0.02 * value, quantity="susceptibility")\n'
            "plots.plot_exponents(fit)",
        ),
    ),
    "Replicas in time": (
        Kind(
            "Dynamic scaling",
            "Observables in time on their scaling function.",
            "t, c = np.tile(np.geomspace(4, 400, 12), 3), np.repeat([-0.01, 0.0, 0.01], 12)\n"
            'columns = {"t": t, "c": c, "rho": t**-0.5 * np.exp(c * t**0.5)}\n'
            'columns["rho_err"] = 0.01 * columns["rho"]\n'
            "plots.plot_dynamics(scaling.fit_dynamics(scaling.read_times(columns)))",
        ),
        Kind(
            "Evolution",
            "Histograms of the overlap against the control, or against time.",
            "data = exact.planted.first_order()\n"
            "last = data.sel(size=400).isel(time=-1)\n"
            "plots.plot_evolution(last)",
        ),
        Kind(
            "Time series",
            "Single replicas, and when they learn.",
            "cell = exact.planted.first_order().sel(size=100, batch_size=13.0)\n"
            'ends = cell["first_passage_lower"], cell["first_passage"]\n'
            "plots.plot_time_series(\n"
            "    cell, scaling.survival_curve(*ends), scaling.fit_escape_time(*ends)\n"
            ")",
        ),
        Kind(
            "Linear stability",
            "Growth rates of dilute deviations from the perfect state (`growth --figure`).",
            'seeds = physbatch.open_dataset("../data/sparse_stability-d5.nc")\n'
            "rates = scaling.linear_stability(seeds, start=10)\n"
            "plots.plot_stability(rates)",
        ),
        Kind(
            "Escape times",
            "Mean times to leave a state.",
            "data = exact.planted.first_order(seed=4)\n"
            "times = scaling.escape_times(data)\n"
            "plots.plot_escape_times(times)",
        ),
    ),
    "Parameters and units": (
        Kind(
            "Plane",
            "Overlap and success over any two swept parameters (`figure --kind plane`).",
            'data = physbatch.open_dataset("../data/phase_diagram-erf.nc").isel(size=[-1])\n'
            "plane = scaling.parameter_plane(data)\n"
            "plots.plot_plane(plane)",
        ),
        Kind(
            "Units",
            "Overlaps of the units of a committee through time: they specialise "
            "(`figure --kind units`).",
            'data = physbatch.open_dataset("../data/erf_committee-path4.nc")\n'
            "plots.plot_units(data)",
        ),
        Kind(
            "Flow",
            "Trajectories in the plane of $R$ and $Q$, and the exact equations "
            "(`figure --kind flow`, `theory.unit_flow`).",
            "one, alpha, rate = np.eye(1), np.linspace(0, 12, 60), 2.0\n"
            "curve = exact.committee.integrate_equations(one, 0 * one, one, rate, alpha)\n"
            "r, q = (x.reshape(1, -1) for x in (curve.teacher_overlap, curve.student_overlap))\n"
            "plots.plot_flow(theory.flow_around(r, q, rate))",
        ),
    ),
    "Batch noise": (
        Kind(
            "Phase diagram",
            "Who learns in the plane of batch size and learning rate.",
            "data = exact.batch_noise.stable_range_data(replicas=10)\n"
            "stable = noise.stable_range(data)\n"
            "plots.plot_phase_diagram(data, stable)",
        ),
        Kind(
            "Stable range",
            "The largest stable learning rate, with laws to compare.",
            "stable = noise.stable_range(exact.batch_noise.stable_range_data(replicas=10))\n"
            "m = np.geomspace(1, 64, 20)\n"
            'plots.plot_noise_range({"measured": stable}, {"planted": (m, 0.5 * m**-0.8)})',
        ),
        Kind(
            "Phases",
            "What most replicas reach, $m_c(\\eta)$, and theory.",
            "data = exact.batch_noise.transition_data(width=0.1, replicas=10)\n"
            'lines = {"theory": {100.0: ([1.0, 8.0], [4.0, 32.0])}}\n'
            "plots.plot_phases(data, noise.transition_line(data), lines, fraction=0.1)",
        ),
        Kind(
            "Performance",
            "Mean errors, and the best learning rate of each batch size.",
            "data = exact.batch_noise.optimum_batch_data(pattern_counts=(200,))\n"
            'result = noise.performance_map(data.squeeze("pattern_count", drop=True))\n'
            "plots.plot_performance(result)",
        ),
        Kind(
            "Optimum",
            "Errors against the batch size, their minima, and one curve for all.",
            _MINIMA
            + "best = noise.optimum_batch(data, resamples=30)\n"
            + "plots.plot_optimum(noise.batch_curves(data), best, noise.scale_collapse(data))",
        ),
        Kind(
            "Temperature",
            "The noise of batches as a temperature.",
            "batches, thermal = (\n"
            '    physbatch.open_dataset(f"../data/thermal_noise-{name}.nc")\n'
            '    for name in ("batches", "thermal")\n'
            ")\n"
            "result = noise.effective_temperature(batches, thermal, after=2000)\n"
            "plots.plot_temperature(\n"
            '    result, [("batches", noise.stationary_state(batches, "batch_size", after=2000))]\n'
            ")",
        ),
        Kind(
            "Sharpness",
            "The largest curvature along SGD, and lines of stability.",
            'data = physbatch.open_dataset("../data/batch_sharpness-momentum.nc")\n'
            "chosen = data.isel(batch_size=slice(None, None, 2))\n"
            "plots.plot_sharpness(chosen)",
        ),
        Kind(
            "Critical batch",
            "Steps and samples to a target, and the batch at which samples exceed their limit.",
            'data = physbatch.open_dataset("../data/critical_batch-spectrum.nc").sel(size=[16])\n'
            "result = noise.critical_batch_size(data, target=0.18, relative=True, resamples=30)\n"
            "plots.plot_critical_batch(result)",
        ),
        Kind(
            "Gradient noise",
            "The noise scale of the gradient along runs.",
            'data = physbatch.open_dataset("../data/critical_batch-noise.nc").sel(size=[16])\n'
            "result = noise.gradient_scale(data.sel(learning_rate=[2.0]))\n"
            "plots.plot_gradient_scale(result)",
        ),
        Kind(
            "Evidence",
            "Evidence, Occam factor and training error over the prior.",
            "labels, x = np.arange(50) % 2, np.random.default_rng(1).normal(size=(50, 4))\n"
            'samples = Samples(x + labels[:, None], labels, 2, "two clouds")\n'
            "plots.plot_evidence(\n"
            '    {"true": [[noise.logistic_evidence(samples, regularisation=r) for r in (1, 9)]]}\n'
            ")",
        ),
    ),
    "Theory": (
        Kind(
            "Data beside their theory",
            "Means over replicas, and the prediction for their study (`figure --theory`).",
            'data = physbatch.open_dataset("../data/greedy_unit-d5.nc")\n'
            "result = theory.compare(data)\n"
            "plots.plot_comparison(result)",
        ),
        Kind(
            "Points on exact curves",
            "Measured points, exact curves and residuals.",
            "x = np.linspace(0.5, 4, 8)\n"
            "y, error = x**2 + 0.05 * np.sin(9 * x), np.full(8, 0.05)\n"
            'points = plots.Measured("$a = 1$", x, y, error, x**2, x, x**2)\n'
            'plots.plot_theory([points], xlabel="$x$", ylabel="$y$")',
        ),
    ),
}


def gallery_page() -> str:
    """All kinds, by section."""
    parts = [_HEAD]
    for section, kinds in SECTIONS.items():
        parts.append(f"## {section}\n")
        for kind in kinds:
            cell = f"```{{code-cell}} python\n{kind.code}\n```\n"
            parts.append(f"### {kind.name}\n\n{kind.words}\n\n{cell}")
    return "\n".join(parts)


if __name__ == "__main__":
    PAGE.write_text(gallery_page(), encoding="utf-8")
