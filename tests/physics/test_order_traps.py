"""What must not fool the verdict on the order of a transition, and clean systems beside it.

The thresholds were set with the seeds 0 to 39; what is measured here uses seeds from 100 on.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from functools import partial

import numpy as np
import pytest

from physbatch.exact import phases, planted
from physbatch.results import FLAGS
from physbatch.scaling import transition_order
from physbatch.tables import ScalingTable, make_sample_table, make_table
from tests.physics import order_systems as systems

FIRST, CONTINUOUS, CROSSOVER = "first order", "continuous", "crossover"
MEASURED = range(100, 200)
Make = Callable[[int], ScalingTable]

#: Name -> what may be said beside `undecided`, the data of a seed, d where sizes are linear.
TRAPS: dict[str, tuple[tuple[str, ...], Make, float | None]] = {
    "two basins": ((CROSSOVER,), systems.two_basins, None),
    "Curie-Weiss, 10 % stuck at 0": (
        (CONTINUOUS,),
        partial(systems.curie_weiss_table, stuck=0.1),
        None,
    ),
    "Curie-Weiss, 10 % stuck at 0.95": (
        (CONTINUOUS,),
        partial(systems.curie_weiss_table, stuck=0.1, at=0.95),
        None,
    ),
    "Potts q = 3, one state": ((CONTINUOUS,), partial(systems.potts3, column=1), 2.0),
    "lattice gas": ((CONTINUOUS,), partial(systems.ising, column=1), 2.0),
    "Ising energy": ((CONTINUOUS,), partial(systems.ising, column=2), 2.0),
    "units, 15 % failed": ((CROSSOVER,), partial(systems.independent_units, failed=0.15), None),
    "Ising chain": ((CROSSOVER,), systems.ising_chain, None),
    "contact process, t = 5 L": ((CONTINUOUS,), systems.contact, 1.0),
}
CLEAN: dict[str, tuple[str, Make, float | None]] = {
    "Ising": (CONTINUOUS, systems.ising, 2.0),
    "Curie-Weiss": (CONTINUOUS, systems.curie_weiss_table, None),
    "Potts q = 20": (FIRST, systems.potts20, 2.0),
    "Potts q = 20, energy": (FIRST, partial(systems.potts20, column=0), 2.0),
    "Blume-Capel": (FIRST, systems.blume_capel, 2.0),
    "Blume-Capel, density": (FIRST, partial(systems.blume_capel, column=0), 2.0),
    "independent units": (CROSSOVER, systems.independent_units, None),
}
#: Of two simulations that take long, smaller sizes and shorter runs.
SMALL: dict[str, Make] = {
    "Potts q = 20": partial(systems.potts20, sizes=(6, 8, 12), records=20_000),
    "Potts q = 20, energy": partial(systems.potts20, column=0, sizes=(6, 8, 12), records=20_000),
    "Blume-Capel": partial(systems.blume_capel, sizes=(6, 8, 12), records=20_000),
    "Blume-Capel, density": partial(
        systems.blume_capel, column=0, sizes=(6, 8, 12), records=20_000
    ),
}


def count_verdicts(make: Make, dimension: float | None, seeds: Iterable[int]) -> Counter[str]:
    return Counter(
        transition_order(make(seed), space_dimension=dimension, seed=seed).verdict for seed in seeds
    )


#: The flag that says why a trap is one.
NAMED = {
    "two basins": "no_sharpening",
    "Curie-Weiss, 10 % stuck at 0": "constant_minority",
    "Curie-Weiss, 10 % stuck at 0.95": "constant_minority",
    "Potts q = 3, one state": "two_peaks_at_grid_end",
    "lattice gas": "folded",
    "Ising energy": "weakly_singular_observable",
    "units, 15 % failed": "constant_minority",
    "contact process, t = 5 L": "still_relaxing",
}


@pytest.mark.parametrize("name", TRAPS)
def test_a_trap_is_not_fallen_into(name: str):
    allowed, make, dimension = TRAPS[name]
    results = [transition_order(make(seed), space_dimension=dimension) for seed in (200, 201)]
    assert {result.verdict for result in results} <= {*allowed, "undecided"}
    if name in NAMED:
        assert any(FLAGS[NAMED[name]].among(result.flags) for result in results)


@pytest.mark.parametrize("name", CLEAN)
def test_a_clean_system_is_not_called_another(name: str):
    truth, make, dimension = CLEAN[name]
    counts = count_verdicts(SMALL.get(name, make), dimension, range(200, 202))
    assert set(counts) <= {truth, "undecided"}, counts
    if name not in SMALL:  # right in at least 97 of 100 seeds (docs/order.md)
        assert counts[truth] >= 1


@pytest.mark.slow
@pytest.mark.parametrize("name", [*TRAPS, *CLEAN])
def test_the_verdict_in_100_seeds(name: str, capsys: pytest.CaptureFixture[str]):
    if name in TRAPS:
        allowed, make, dimension = TRAPS[name]
    else:
        truth, make, dimension = CLEAN[name]
        allowed = (truth,)
    counts = count_verdicts(make, dimension, MEASURED)
    right = sum(counts[verdict] for verdict in allowed)
    wrong = sum(counts.values()) - right - counts["undecided"]
    with capsys.disabled():
        print(f"\n{name}: {right} / {counts['undecided']} / {wrong} {dict(counts)}")
    assert wrong == 0
    assert right >= 80 or name in TRAPS


# --- coexistence ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "x", "c_c"),
    [
        (systems.two_basins, 0.0, 1.0),
        (lambda seed: phases.equilibrium_first_order(phases.NESTED_SIZES[1], seed=seed), 1.0, 10.0),
    ],
)
def test_the_width_of_coexistence_and_its_control_have_the_right_errors(
    make: Callable[[int], ScalingTable], x: float, c_c: float
):
    pulls = []
    for seed in range(400, 416):
        evidence = transition_order(make(seed), resamples=50)["coexistence"]
        pairs = ((evidence["x"], x), (evidence["c_c"], c_c))
        pulls.append([(estimate.value - truth) / estimate.total for estimate, truth in pairs])
    # The mean of 16 normal pulls is within 4/sqrt(16) in all but 6 of 10^5 runs; widths read off a
    # few mixed controls are low by half an error. A limit may be missing, by chance.
    assert np.isnan(pulls).sum() <= 4
    assert np.abs(np.nanmean(pulls, axis=0)).max() < 0.6 + 4.0 / np.sqrt(16)
    assert np.all(np.nanstd(pulls, axis=0) > 0.3)
    assert np.all(np.nanstd(pulls, axis=0) < 1.15 + 4.0 / np.sqrt(32))


def test_a_stuck_minority_of_a_first_order_transition_is_named_and_undecided():
    data = phases.equilibrium_first_order(phases.NESTED_SIZES[1], seed=5)
    assert transition_order(data).verdict == FIRST
    generator = np.random.default_rng(5)
    stuck = generator.random(data["overlap"].shape[:3])[..., None] < 0.1
    low = 0.2 + 0.01 * generator.standard_normal(data["overlap"].shape)
    data["overlap"] = data["overlap"].copy(data=np.where(stuck, low, data["overlap"].values))
    result = transition_order(data)
    assert result.verdict == "undecided"
    assert FLAGS["constant_minority"].among(result.flags)


def test_a_grid_that_ends_within_coexistence_is_said_to_be_so():
    c = 10.0 + np.linspace(-0.1, 0.0, 15)
    result = transition_order(phases.equilibrium_first_order((50, 100, 200), c, seed=6))
    assert result.verdict == "undecided"
    assert FLAGS["two_peaks_at_grid_end"].among(result.flags)


def test_a_planted_jump_is_of_first_order_where_its_width_falls():
    verdicts = []
    for x in (0.0, 2.0 / 3.0, 1.0):
        data = planted.first_order(seed=0, width=0.6 if x else 0.3, sharpening=x, replicas=64)
        verdicts.append(transition_order(data, resamples=50))
    assert [result.verdict for result in verdicts] == ["undecided", FIRST, FIRST]
    assert FLAGS["no_sharpening"].among(verdicts[0].flags)


# --- times ------------------------------------------------------------------------------


def test_a_mean_that_drifts_at_some_controls_is_no_crossover():
    sizes, times = phases.NESTED_SIZES[-1], (10.0, 100.0, 300.0, 1000.0)
    data = planted.smooth_crossover(sizes, seed=7, times=times)
    assert transition_order(data).verdict == CROSSOVER
    # Above m = 7 the overlap still rises with ln t, below it stands: as towards a perfect state.
    q = data["overlap"].values.copy()
    late = data["batch_size"].values > 7.0
    for row, lag in enumerate((0.3, 0.1, 0.05)):
        q[:, late, :, row] -= lag
    result = transition_order(data.assign(overlap=data["overlap"].copy(data=q)))
    assert result.verdict == "undecided"
    assert FLAGS["still_relaxing"].among(result.flags)
    assert "no crossover yet" in result.reasons[0]


def test_a_curve_that_shifts_as_a_whole_is_told_from_one_that_sharpens():
    times = (10.0, 100.0, 300.0, 1000.0)
    data = planted.independent_units(
        phases.NESTED_SIZES[-1], seed=8, times=times, degree=1, replicas=64
    )
    result = transition_order(data)
    assert result["stationarity"].points_to == ""
    assert "keeps its shape" in result["stationarity"].text
    assert result.verdict == CROSSOVER


# --- energies, curves, units of nu ------------------------------------------------------


def test_an_energy_is_no_crossover_by_its_name():
    table = systems.independent_units(9)
    control, size = table.control, table.size
    named = make_sample_table(
        size, control, {"internal_energy": list(table.samples["q"])}, dimension="N"
    )
    assert transition_order(table).verdict == CROSSOVER
    result = transition_order(named)
    assert result.verdict == "undecided"
    assert "bring the order parameter" in result.reasons[0]


def test_a_curve_is_said_to_need_samples_before_all_else():
    size, control = np.repeat([16.0, 32.0, 64.0], 9), np.tile(np.linspace(0.0, 1.0, 9), 3)
    result = transition_order(
        make_table(size, control, {"m": control**2}, {"m": np.full(27, 1e-2)})
    )
    assert FLAGS["samples_needed"].among(result.flags[:1])


def test_nu_is_stated_per_length_and_per_volume():
    table = systems.ising(200)
    sharp = transition_order(table, space_dimension=2.0)["self-averaging"]
    per_volume, per_length = sharp["1/nu"], sharp["1/nu per L"]
    assert per_length.value == pytest.approx(2.0 * per_volume.value)
    assert per_length.total == pytest.approx(2.0 * per_volume.total)
    assert "per L" in sharp.text
    assert "per N" in sharp.text
