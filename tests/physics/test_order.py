"""The verdict on the order of a transition, where it is known, at nested sets of sizes.

The thresholds of `transition_order` were set with the seeds 1000 to 1019; what is measured here
uses seeds from 100 on.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path

import numba
import numpy as np
import pytest
import xarray as xr

from physbatch.dataset import STATUS_MISSING, STATUS_OK
from physbatch.exact import curie_weiss, lattices, phases, planted, replicas
from physbatch.scaling import transition_order
from physbatch.scaling.order import WIDTH_FORMS, fluctuations, sample_data
from physbatch.study import Study, catalogue
from physbatch.sweep import run_study
from physbatch.tables import make_sample_table, make_table

QUICKSTART = Path(__file__).parents[2] / "analysis/quickstart/study.toml"
SIZES = phases.NESTED_SIZES[-1]
NESTED = (3, 4, 5, 6)
MEASURED = range(100, 200)
#: eta/m at which the perfect student of the erf committee, K = 1, loses its stability.
ERF_CRITICAL = math.pi * math.sqrt(5.0 / 3.0)


@numba.njit
def erf_chain(generator, size, controls, steps, replicas):
    """Exact chain of the overlaps of one erf unit at batch size 1 and step length eta.

    w = R w* + a part perpendicular to the teacher of squared length P N, in the scaled
    convention: R += D rho/N, P = (sqrt(P) + D z/N)^2 + D^2 chi^2_(N-2)/N^2.
    """
    found = np.empty((controls.size, replicas))
    for place in range(controls.size):
        for replica in range(replicas):
            parallel, perpendicular = 0.0, 1.0
            for _ in range(steps):
                rho, z = generator.standard_normal(), generator.standard_normal()
                field = parallel * rho + math.sqrt(perpendicular) * z
                wrong = math.erf(rho / math.sqrt(2.0)) - math.erf(field / math.sqrt(2.0))
                slope = math.sqrt(2.0 / math.pi) * math.exp(-0.5 * field * field)
                kick = controls[place] * wrong * slope / size
                parallel += kick * rho
                along = math.sqrt(perpendicular) + kick * z
                beside = 2.0 * generator.standard_gamma(0.5 * (size - 2))
                perpendicular = along * along + kick * kick * beside
            length = math.sqrt(parallel * parallel + perpendicular)
            found[place, replica] = parallel / length
    return found


def erf_committee(seed: int, sizes: tuple[int, ...] = (20, 40, 80, 160, 240, 320)) -> xr.Dataset:
    """Overlaps of the erf committee K = 1 after N^2 steps, each size in its own window."""
    generator = np.random.default_rng([seed, 61])
    x = np.linspace(-6.0, 8.0, 9)
    windows = [(ERF_CRITICAL * (1.0 + x / n)).round(10) for n in sizes]
    controls = np.unique(np.concatenate(windows))
    overlap = np.full((len(sizes), controls.size, 32, 1), np.nan)
    for row, (n, window) in enumerate(zip(sizes, windows, strict=True)):
        places = np.searchsorted(controls, window)
        overlap[row, places, :, 0] = erf_chain(generator, n, window, n * n, 32)
    coords = replicas.replica_coords(sizes, controls, 32, (1.0,))
    labels = replicas.Labels("erf committee, K = 1")
    data = replicas.replica_dataset(coords, overlap, overlap > 0.999, labels)
    missing = np.where(np.isnan(overlap[..., 0]), STATUS_MISSING, STATUS_OK)
    data["status"] = data["status"].copy(data=missing.astype(np.int8))
    return data


def last_times(make: Callable[..., xr.Dataset], **extra: float) -> Callable[[int], xr.Dataset]:
    return lambda seed: make(SIZES, seed=seed, times=(10.0, 100.0, 300.0, 1000.0), **extra)


#: Name -> verdict, the opposite of it, and the data of one seed at all six sizes.
SYSTEMS: dict[str, tuple[str, tuple[str, ...], Callable[[int], xr.Dataset]]] = {
    "two-state mixture": (
        "first order",
        ("continuous", "crossover"),
        lambda seed: phases.equilibrium_first_order(SIZES, seed=seed),
    ),
    "noisy saddle-node": (
        "first order",
        ("continuous", "crossover"),
        lambda seed: phases.saddle_node(SIZES, seed=seed),
    ),
    "nucleation, extensive barrier": (
        "first order",
        ("continuous", "crossover"),
        lambda seed: phases.nucleation(SIZES, seed=seed),
    ),
    "nucleation of droplets": (
        "first order",
        ("continuous", "crossover"),
        lambda seed: phases.nucleation(SIZES, kind="droplet", seed=seed),
    ),
    "Curie-Weiss": (
        "continuous",
        ("first order", "crossover"),
        lambda seed: curie_weiss.sample_dataset(SIZES, seed=seed),
    ),
    "erf committee, K = 1": ("continuous", ("first order", "crossover"), erf_committee),
    "smooth crossover": (
        "crossover",
        ("first order", "continuous"),
        last_times(planted.smooth_crossover),
    ),
    "independent units": (
        "crossover",
        ("first order", "continuous"),
        last_times(planted.independent_units, degree=1, replicas=64),
    ),
}


def count_verdicts(
    make: Callable[[int], xr.Dataset], seeds: Iterable[int], nested: Iterable[int] = NESTED
) -> dict[int, Counter[str]]:
    """How often each verdict is given at each number of sizes."""
    found: dict[int, Counter[str]] = {count: Counter() for count in nested}
    for seed in seeds:
        data = make(seed)
        for count, verdicts in found.items():
            result = transition_order(data.isel(size=slice(0, count)), seed=seed)
            verdicts[result.verdict] += 1
    return found


@pytest.mark.parametrize("name", SYSTEMS)
def test_the_verdict_is_right_and_never_the_opposite(name: str):
    truth, opposite, make = SYSTEMS[name]
    if make is erf_committee:
        make = partial(erf_committee, sizes=(16, 24, 40, 64, 100, 160))
    # At three sizes `undecided` is allowed, which is what a small set deserves.
    (small,) = count_verdicts(make, range(200, 202), (3,)).values()
    (large,) = count_verdicts(make, range(200, 204), (6,)).values()
    # Right in at least 97 of 100 seeds (docs/order.md), so 3 of 4 are wrong in 1 of 10^4 runs.
    assert large[truth] >= 2, (name, large)
    assert sum(large[one] for one in opposite) == 0, (name, large)
    assert sum(small[one] for one in opposite) == 0, (name, small)


@pytest.mark.slow
@pytest.mark.parametrize("name", SYSTEMS)
def test_the_verdict_in_100_seeds_at_four_nested_sets(
    name: str, capsys: pytest.CaptureFixture[str]
):
    truth, opposite, make = SYSTEMS[name]
    found = count_verdicts(make, MEASURED)
    with capsys.disabled():
        print(f"\n{name} ({truth})")
        for count, verdicts in found.items():
            wrong = sum(verdicts[one] for one in opposite)
            print(
                f"  {count} sizes: right {verdicts[truth]}, undecided {verdicts['undecided']}, "
                f"opposite {wrong}"
            )
    largest = found[NESTED[-1]]
    assert largest[truth] >= 90
    assert sum(largest[one] for one in opposite) <= 1


def reduced_greedy(folder: Path, **changes: object) -> xr.Dataset:
    return run_study(catalogue.study("sparse-vector", **changes), folder / "x.nc", workers=1)


def test_greedy_learning_at_degree_5_with_ties_rejected_is_first_order(tmp_path: Path):
    grid = {"start": 11.5, "stop": 14.5, "step": 0.5}
    data = reduced_greedy(tmp_path, size=[30, 60, 120], batch_size=grid, replicas=32)
    assert transition_order(data).verdict == "first order"


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(1, 6))
def test_the_quickstart_is_first_order(seed: int, tmp_path: Path):
    study = Study.from_toml(QUICKSTART)
    other = study.model_copy(update={"seed": study.seed.model_copy(update={"study": seed})})
    result = transition_order(run_study(other, tmp_path / "x.nc", workers=1))
    assert result.verdict == "first order", result.report()


def test_percolation_is_continuous_with_its_exponent():
    sizes = (16, 32, 64, 128)
    window = np.linspace(-0.5, 0.5, 11)
    grid = {size: (0.59274605 + window / size**0.75).round(6) for size in sizes}
    table = lattices.percolation_table(sizes, grid, replicas=200, seed=3)
    result = transition_order(table, "largest_cluster", space_dimension=2.0)
    assert result.verdict == "continuous", result.report()
    a = result["fluctuations"]["a"]
    # 2 beta/nu per volume, 5/48 in two dimensions.
    assert abs(a.value - 5.0 / 48.0) < 4.0 * a.total


def test_exponents_of_fluctuations_have_the_right_errors():
    exact = {
        # No transition: the central limit theorem.
        "smooth crossover": 1.0,
        # Curie-Weiss: the largest exact variance on the grid against N, from 50 to 1600.
        "Curie-Weiss": curie_weiss_slope(),
    }
    for name, truth in exact.items():
        z = []
        for seed in range(300, 340):
            data = sample_data(SYSTEMS[name][2](seed))
            a = fluctuations(data)["a"]
            z.append((a.value - truth) / a.total)
        # The largest of several noisy variances is too large by the same factor at each size.
        assert abs(np.mean(z)) < 0.4 + 4.0 / math.sqrt(len(z)), name
        assert 0.5 < np.std(z) < 1.0 + 4.0 / math.sqrt(2 * len(z)), name


def curie_weiss_slope() -> float:
    grid = np.linspace(-4.0, 4.0, 9)
    variance = []
    for n in SIZES:
        beta = 1.0 + grid / math.sqrt(n)
        moments = [(curie_weiss.moment(n, b, 2.0), curie_weiss.moment(n, b)) for b in beta]
        variance.append(max(second - first**2 for second, first in moments))
    return -float(np.polyfit(np.log(SIZES), np.log(variance), 1)[0])


def test_the_loop_and_the_escape_times_of_nucleation_are_exact():
    sizes = (50, 100, 200, 400)
    x = np.linspace(-12.0, 2.0, 22)
    near = np.concatenate([x / n for n in sizes])
    control = np.unique(np.concatenate([10.0 + near, 8.0 - near]).round(6))
    times = (0.3, 1.0, 3.0, 10.0, 30.0, 100.0)
    data = replicas.both_starts(phases.nucleation, control, sizes=sizes, times=times, seed=4)
    result = transition_order(data)
    assert result.verdict == "first order"
    loop = result["hysteresis"]
    # Half escape by t at c_s - ln(t/ln 2)/N from below, and in mirror image from above.
    exact = 2.0 - 2.0 * math.log(times[-1] / math.log(2.0)) / loop.size
    assert np.abs((loop.value - exact) / loop.stderr).max() < 4.5
    limit = loop["limit"]
    assert abs(limit.value - 2.0) < 4.5 * limit.total
    assert loop.points_to == "first order"
    # The escape time at a control c is exp(N (c_s - c)).
    slope = result["escape times"]
    delta, at = slope["Delta"], slope["control"].value
    assert 9.9 < at < 10.0
    assert abs(delta.value - (10.0 - at)) < 4.5 * delta.total, slope
    assert slope.points_to == "first order"


@pytest.mark.parametrize(
    ("make", "exponent"),
    [
        (phases.equilibrium_first_order, -1.0),
        (phases.saddle_node, -2.0 / 3.0),
        (phases.nucleation, -1.0),
    ],
)
def test_the_width_tells_the_kinds_of_first_order_apart(
    make: Callable[..., xr.Dataset], exponent: float
):
    result = transition_order(make(SIZES, seed=11))
    b = result["scaling forms"]["b"]
    assert abs(b.value - exponent) < 4.5 * b.total
    assert WIDTH_FORMS[exponent] in result["scaling forms"].text.partition("(N^")[0]


# --- what must not fool it --------------------------------------------------------------


def test_a_binder_parameter_with_a_minimum_is_not_called_first_order():
    # As in the q = 3 Potts model: not monotonic, at a depth that stays finite.
    sizes, x = (16, 32, 64, 128, 256), np.linspace(-4.0, 4.0, 41)
    generator = np.random.default_rng(5)
    rows = []
    for size in sizes:
        binder = 2.25 + 0.75 * np.tanh(x) + (0.25 - 0.3 / size) * np.exp(-((x - 1.5) ** 2))
        noise = 1e-3 * generator.standard_normal(x.size)
        rows += [(size, 1.0 + t / size**1.2, y) for t, y in zip(x, binder + noise, strict=True)]
    size, control, value = np.array(rows).T
    table = make_table(size, control, {"U": value}, {"U": np.full(value.size, 1e-3)})
    for kind in ("binder", "order parameter"):
        result = transition_order(table, kind=kind)
        assert result.verdict == "undecided"
        assert "only a curve with errors" in result.reasons[0]
    dip = transition_order(table, kind="binder")["Binder minimum"]
    assert "not monotonic, but finite" in dip.text
    assert dip["growth"].value < 0.3
    # A minimum that deepens as N is noted, but without histograms decides nothing.
    deeper = 2.0 - 0.01 * size * np.exp(-4.0 * ((control - 1.0) * size**1.2) ** 2)
    deeper += 1e-3 * generator.standard_normal(size.size)
    table = make_table(size, control, {"U": deeper}, {"U": np.full(size.size, 1e-3)})
    result = transition_order(table, kind="binder")
    assert result.verdict == "undecided"
    assert "deepens" in result["Binder minimum"].text


def test_two_humps_of_a_critical_law_are_not_coexistence():
    # The same bimodal law at every size, in units of N^(-0.05): its barrier does not grow.
    sizes, control = (50, 100, 200, 400, 800), np.linspace(0.9, 1.1, 9)
    generator = np.random.default_rng(6)
    shape = (control.size, 100)
    samples, size = [], []
    for n in sizes:
        chance = 1.0 / (1.0 + np.exp(-(control[:, None] - 1.0) * n**0.5 * 4.0))
        up = generator.random(shape) < chance
        q = (np.where(up, 1.0, 0.3) + 0.07 * generator.standard_normal(shape)) * n**-0.05
        samples += list(q)
        size += [n] * control.size
    table = make_sample_table(
        size, np.tile(control, len(sizes)), {"q": samples}, dimension="N", control_name="c"
    )
    result = transition_order(table)
    assert result.verdict != "first order", result.report()
    assert abs(result["two peaks"]["growth"].value) < 0.3


def test_a_jump_that_vanishes_as_1_over_n_is_not_first_order():
    data = planted.first_order(seed=3, replicas=64, lower_spread=0.02)
    q = data["overlap"].values
    factor = (30.0 / data["size"].values / 0.66)[:, None, None, None]
    data["overlap"] = data["overlap"].copy(data=1.0 - (1.0 - q) * factor)
    assert transition_order(data).verdict != "first order"


def test_a_mean_that_changes_sign_is_not_a_transition():
    make = SYSTEMS["independent units"][2]
    for seed in range(3):
        data = make(seed)
        assert float(data["overlap"].isel(batch_size=0, time=-1).mean()) < 0.0
        result = transition_order(data.isel(size=slice(0, 3)))
        assert result.verdict in ("crossover", "undecided")


def test_a_grid_that_is_too_coarse_is_said_to_be_so():
    control = (8.0, 9.0, 9.5, 10.5, 11.0, 12.0)
    result = transition_order(phases.equilibrium_first_order(SIZES[2:], control, seed=1))
    assert result.verdict == "undecided"
    assert "refine the grid" in result.reasons[0]


def test_a_curve_that_does_not_depend_on_size_is_a_crossover():
    sizes, control = (16, 32, 64, 128), np.linspace(0.0, 4.0, 21)
    generator = np.random.default_rng(7)
    size = np.repeat(sizes, control.size)
    x = np.tile(control, len(sizes))
    value = np.tanh(x - 2.0) + 0.01 * generator.standard_normal(x.size)
    table = make_table(size, x, {"q": value}, {"q": np.full(x.size, 0.01)})
    assert transition_order(table).verdict == "crossover"
    scaled = np.tanh((x - 2.0) * np.sqrt(size / 16.0)) + value - np.tanh(x - 2.0)
    table = make_table(size, x, {"q": scaled}, {"q": np.full(x.size, 0.01)})
    assert transition_order(table).verdict == "undecided"


def test_a_symmetric_order_parameter_is_folded():
    data = curie_weiss.sample_dataset(SIZES, signed=True, seed=12)
    result = transition_order(data)
    assert result.verdict == "continuous", result.report()
    assert any(flag.startswith("folded") for flag in result.flags)
