"""The general discrete dynamics against exact laws (z-scores below 4 unless stated)."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np
import pytest
import torch
from scipy import stats

from physbatch.dynamics import (
    NORMAL_UNIT,
    CellStreams,
    DiscreteData,
    DiscreteRun,
    InputRule,
    acceptance_table,
    batch_rule,
    run_discrete,
    sign_outputs,
)
from physbatch.exact import enumeration, greedy_unit, perceptron
from physbatch.streams import StreamKeys, stream_keys
from physbatch.systems import (
    Architecture,
    DiscreteSystem,
    build_architecture,
    dense_student,
    draw_discrete_system,
)

GAUSSIAN = InputRule(gaussian=True)
BINARY = InputRule()


def keys_of(identity: str) -> StreamKeys:
    seeds = dict.fromkeys(("wiring", "teacher", "start", "dynamics"), 1)
    return stream_keys(seeds, f"general {identity}")


def unit(degree: int, *, even: bool = False) -> Architecture:
    return build_architecture(
        wiring="tree",
        size=degree,
        degree=degree,
        depth=1,
        output="vector",
        learned_layers="all",
        odd_fan_in=not even,
    )


def draw(
    layers: Architecture,
    keys: StreamKeys,
    replicas: int,
    *,
    student: Architecture | None = None,
    ternary: bool = False,
    initial_overlap: float = 0.0,
) -> DiscreteSystem:
    return draw_discrete_system(
        layers,
        student or layers,
        ternary=ternary,
        initial_overlap=initial_overlap,
        keys=keys,
        first_replica=0,
        replicas=replicas,
    )


def instructions(
    keys: StreamKeys,
    batch_size: float,
    times: Any,
    *,
    ties: str = "accept",
    temperature: float | None = None,
    refresh_each_proposal: bool = True,
    inputs: InputRule = BINARY,
    test_samples: int = 1,
) -> DiscreteRun:
    return DiscreteRun(
        batch=batch_rule(batch_size),
        acceptance=acceptance_table(
            ties=ties, temperature=None if temperature is None else 2 * temperature
        ),
        refresh_each_proposal=refresh_each_proposal,
        absorbing=False,
        times=np.array(times, dtype=np.int64),
        duration=int(times[-1]),
        test_samples=test_samples,
        dynamics_key=keys.dynamics,
        test_key=keys.test,
        first_replica=0,
        inputs=inputs,
    )


def chi_square_z(counts: np.ndarray, law: np.ndarray) -> float:
    """Standard score of Pearson's chi-square; states expected fewer than 10 times are merged."""
    expected = law * counts.sum()
    order = np.argsort(expected)
    rare = order[: np.searchsorted(np.cumsum(expected[order]), 10.0) + 1]
    if expected[rare[-1]] >= 10 and len(rare) == 1:
        rare = rare[:0]
    kept = np.setdiff1d(order, rare)
    seen = np.append(counts[kept], counts[rare].sum()) if len(rare) else counts
    wanted = np.append(expected[kept], expected[rare].sum()) if len(rare) else expected
    statistic = float(((seen - wanted) ** 2 / wanted).sum())
    return float(stats.norm.isf(stats.chi2.sf(statistic, len(wanted) - 1)))


# --- the greedy chain -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("inputs", "degree", "batch_size", "rule"),
    [
        (BINARY, 3, 2, {}),
        (BINARY, 5, 5.4, {}),
        (BINARY, 7, 10, {"temperature": 0.6}),
        (BINARY, 9, 20, {"ties": "reject"}),
        (GAUSSIAN, 3, 2, {}),
        (GAUSSIAN, 4, 6.5, {}),
        (GAUSSIAN, 5, 5, {"temperature": 0.8}),
        (GAUSSIAN, 7, 10, {"ties": "reject"}),
        (GAUSSIAN, 8, 12, {}),
    ],
)
def test_law_of_the_number_of_wrong_weights(
    inputs: InputRule, degree: int, batch_size: float, rule: dict[str, Any]
) -> None:
    """The whole law of a single unit, 12 000 replicas, before and near its stationary state."""
    keys = keys_of(f"unit {inputs.gaussian} {degree} {batch_size} {rule}")
    layers = unit(degree, even=inputs.gaussian)
    times = [1, 4, 15]
    run = instructions(keys, batch_size, times, inputs=inputs, **rule)
    replicas = 12_000
    system = draw(layers, keys, replicas)
    out = run_discrete(system, run)
    wrong = (out.students != system.teacher[:, None, :]).sum(axis=2)
    kind = "gaussian" if inputs.gaussian else "binary"
    for column, time in enumerate(times):
        law = greedy_unit.law_after(time * degree, degree, batch_size, inputs=kind, **rule)
        counts = np.bincount(wrong[:, column], minlength=degree + 1)
        assert abs(chi_square_z(counts, law)) < 4


def test_gaussian_chain_has_the_exact_orthants() -> None:
    """Flip chances from 400 000 Gaussian inputs; z below 4."""
    rng = np.random.default_rng(5)
    inputs = rng.standard_normal((400_000, 6))
    teacher = np.ones(6)
    before = np.array([1, 1, 1, -1, -1, 1.0])
    after = np.array([1, 1, 1, 1, -1, 1.0])
    right, now = (np.sign(inputs @ teacher) == np.sign(inputs @ w) for w in (before, after))
    exact = greedy_unit.flip_probabilities(6, 2, True, "gaussian")
    for found, chance in zip((right & ~now, now & ~right), exact, strict=True):
        assert abs(found.mean() - chance) < 4 * math.sqrt(chance / len(inputs))
    matrix = greedy_unit.transition_matrix(6, 5, inputs="gaussian")
    np.testing.assert_allclose(matrix.sum(axis=1), 1)
    assert greedy_unit.stationary_law(6, 5, inputs="gaussian")[0] > 1 / 2**6


# --- chains over all students -----------------------------------------------------------


def two_layers(size: int, wiring: str) -> Architecture:
    """One hidden unit that reads all inputs, or one for each input; one output reads them."""
    return build_architecture(
        wiring=wiring,
        size=size,
        degree=1,
        hidden_units=1,
        depth=2,
        output="scalar",
        learned_layers="all",
        odd_fan_in=False,
    )


@dataclasses.dataclass(frozen=True)
class Chain:
    """A network with few enough students, and where its teacher's weights stand in one."""

    teacher: Architecture
    student: Architecture
    widths: tuple[int, ...]
    taught: tuple[int, ...]
    ternary: bool

    def turned(self, students: np.ndarray, teacher: np.ndarray) -> np.ndarray:
        """Students with inputs and hidden units flipped so that the teacher is all +1."""
        if len(self.widths) == 2:
            return students * teacher
        inputs, hidden = self.widths[:2]
        upper = teacher[:, -hidden:]
        # An input's sign is the product of the teacher's weights on its way to the output.
        source = teacher[:, :inputs] * np.repeat(upper, inputs // hidden, axis=1)
        first = (upper[:, :, None] * source[:, None, :]).reshape(len(teacher), -1)
        return students * np.concatenate([first, upper], axis=1)


CHAINS = {
    "ternary unit": Chain(unit(3), dense_student(unit(3)), (3, 1), (0, 1, 2), True),
    "binary two-layer": Chain(
        two_layers(3, "dense"), two_layers(3, "dense"), (3, 1, 1), (0, 1, 2, 3), False
    ),
    "ternary two-layer": Chain(
        two_layers(2, "tree"), dense_student(two_layers(2, "tree")), (2, 2, 1), (0, 3, 4, 5), True
    ),
}


@pytest.mark.parametrize("name", CHAINS)
@pytest.mark.parametrize(
    "rule", [{"ties": "accept"}, {"ties": "reject"}, {"temperature": 0.7}], ids=str
)
def test_law_of_all_students(name: str, rule: dict[str, Any]) -> None:
    """The whole law over all 27, 16 or 729 students after 1 and 3 sweeps, 60 000 replicas.

    Fresh binary batches for every proposal. Teachers are random, so each student is turned
    with its teacher before it is counted.
    """
    case = CHAINS[name]
    batch_size, replicas, times = 3, 60_000, [1, 3]
    keys = keys_of(f"chain {name} {rule}")
    system = draw(case.teacher, keys, replicas, student=case.student, ternary=case.ternary)
    out = run_discrete(system, instructions(keys, batch_size, times, **rule))
    values = (-1, 0, 1) if case.ternary else (-1, 1)
    weights = case.student.learnable
    students = enumeration.all_students(weights, values)
    inputs = enumeration.all_binary_inputs(case.widths[0])
    perfect = np.zeros((1, weights), dtype=np.int64)
    perfect[0, list(case.taught)] = 1
    targets = enumeration.network_outputs(perfect, case.widths, inputs)
    errors = enumeration.half_error_table(
        enumeration.network_outputs(students, case.widths, inputs), targets
    )
    chain = enumeration.proposal_chain(students, errors, batch_size, **rule)
    law = np.full(len(students), 1 / len(students))
    for column in range(len(times)):
        proposals = weights * np.diff(times, prepend=0)[column]
        law = law @ np.linalg.matrix_power(chain, proposals)
        turned = case.turned(out.students[:, column].astype(np.int64), system.teacher)
        counts = counts_of(turned, values)
        assert abs(chi_square_z(counts, law)) < 4


def counts_of(students: np.ndarray, values: tuple[int, ...]) -> np.ndarray:
    """How often each student of `all_students` occurs."""
    digits = np.searchsorted(values, students)
    weights = students.shape[1]
    place = digits @ len(values) ** np.arange(weights)[::-1]
    return np.bincount(place, minlength=len(values) ** weights)


# --- pattern sets -----------------------------------------------------------------------


def pattern_rule(keys: StreamKeys, count: int, gaussian: bool, noise: float) -> InputRule:
    return InputRule(gaussian, count, round(noise * 2**32), keys.patterns)


def drawn_patterns(system: DiscreteSystem, rule: InputRule) -> tuple[np.ndarray, np.ndarray]:
    """Inputs and labels of every replica, as the tensors of the definition draw them."""
    run = instructions(keys_of("nothing"), 1, [0], inputs=rule)
    data = DiscreteData(system, run, torch.device("cpu"))
    return data.patterns.numpy(), data.labels.numpy()


@pytest.mark.parametrize("ternary", [False, True], ids=["binary", "ternary"])
@pytest.mark.parametrize("gaussian", [False, True], ids=["binary inputs", "gaussian inputs"])
@pytest.mark.parametrize("refresh_each_proposal", [False, True], ids=["sweep", "proposal"])
def test_the_whole_set_at_temperature_gives_gibbs_weights(
    ternary: bool, gaussian: bool, refresh_each_proposal: bool
) -> None:
    """m = P: the law over all 2^5 (3^3) students of one unit is exp(-E/T)/Z.

    Four replicas, each with noisy labels of its own, measured 8000 times, so far apart that the
    exact chain forgets all but 1 % in between.
    """
    size, count, temperature = (3 if ternary else 5), 7, 1.1
    keys = keys_of(f"gibbs {ternary} {gaussian} {refresh_each_proposal}")
    layers = unit(size)
    student = dense_student(layers) if ternary else layers
    system = draw(layers, keys, 4, student=student, ternary=ternary)
    rule = pattern_rule(keys, count, gaussian, 0.15)
    values = (-1, 0, 1) if ternary else (-1, 1)
    students = enumeration.all_students(size, values)
    laws, spacing = [], 1
    for inputs, labels in zip(*drawn_patterns(system, rule), strict=True):
        outputs = enumeration.network_outputs(students, [size, 1], inputs)
        table = enumeration.half_error_table(outputs, labels.astype(np.int64))
        laws.append(enumeration.gibbs_law(table.sum(axis=1), temperature))
        chain = enumeration.proposal_chain(students, table, None, temperature=temperature)
        np.testing.assert_allclose(laws[-1] @ chain, laws[-1], atol=1e-12)
        memory = np.sort(abs(np.linalg.eigvals(chain)))[-2]
        spacing = max(spacing, math.ceil(math.log(0.01) / math.log(memory) / size))
    run = instructions(
        keys,
        count,
        spacing * np.arange(1, 8001),
        temperature=temperature,
        refresh_each_proposal=refresh_each_proposal,
        inputs=rule,
    )
    out = run_discrete(system, run)
    for replica, law in enumerate(laws):
        assert abs(chi_square_z(counts_of(out.students[replica], values), law)) < 4


@pytest.mark.parametrize("batch_size", [1, 4, 9])
def test_errors_of_a_batch_are_hypergeometric(batch_size: int) -> None:
    """Wrong patterns in the first batch, given how many of all P = 12 are wrong."""
    count, replicas = 12, 20_000
    keys = keys_of(f"hypergeometric {batch_size}")
    system = draw(unit(7), keys, replicas)
    rule = pattern_rule(keys, count, False, 0.0)
    inputs, labels = drawn_patterns(system, rule)
    weights = torch.from_numpy(system.student[:, None, :]).double()
    outputs = sign_outputs([weights], torch.from_numpy(inputs)).numpy()
    wrong = (outputs != labels).sum(axis=(1, 2))
    out = run_discrete(system, instructions(keys, batch_size, [0], inputs=rule))
    found = out.batch_half_errors[:, 0] // 2
    assert (out.batch_bits == batch_size).all()
    for total in range(3, 10):
        chosen = found[wrong == total]
        law = enumeration.batch_error_law(count, total, batch_size)
        counts = np.bincount(chosen, minlength=batch_size + 1)
        assert counts[law == 0].sum() == 0
        assert abs(chi_square_z(counts[law > 0], law[law > 0])) < 4


def test_every_ordered_choice_of_patterns_is_equally_likely() -> None:
    """All 60 ordered choices of 3 out of 5 in 60 000 draws."""
    streams = CellStreams(0, 60_000, 3, torch.device("cpu"))
    chosen = streams.selection(key=17, index=4, samples=3, patterns=5).numpy()
    counts = np.bincount(chosen @ np.array([25, 5, 1]), minlength=125)
    assert np.count_nonzero(counts) == 60
    assert abs(chi_square_z(counts[counts > 0], np.full(60, 1 / 60))) < 4


def test_noise_flips_labels_at_its_rate() -> None:
    keys = keys_of("label noise")
    system = draw(unit(3), keys, 500)
    _, clean = drawn_patterns(system, pattern_rule(keys, 100, False, 0.0))
    _, noisy = drawn_patterns(system, pattern_rule(keys, 100, False, 0.13))
    flipped = (clean != noisy).mean()
    assert abs(flipped - 0.13) < 4 * math.sqrt(0.13 * 0.87 / noisy.size)


# --- generalisation ---------------------------------------------------------------------


@pytest.mark.parametrize("size", [21, 40])
def test_generalisation_error_is_an_angle(size: int) -> None:
    """Errors on fresh Gaussian inputs given the overlap R: binomial with arccos(R)/pi."""
    keys = keys_of(f"angle {size}")
    samples, replicas = 2000, 1500
    for initial_overlap in (-0.5, 0.0, 0.8):
        system = draw(unit(size, even=True), keys, replicas, initial_overlap=initial_overlap)
        run = instructions(keys, 1, [0], inputs=GAUSSIAN, test_samples=samples)
        out = run_discrete(system, run)
        overlap = (system.student * system.teacher).sum(axis=1) / size
        chance = perceptron.generalization_error(overlap)
        wrong = out.test_half_errors[:, 0] / 2
        variance = samples * chance * (1 - chance)
        spread = variance > 0
        scores = (wrong - samples * chance)[spread] / np.sqrt(variance[spread])
        assert abs(scores.mean()) < 4 / math.sqrt(len(scores))
        assert abs((scores**2).mean() - 1) < 4 * math.sqrt(2 / len(scores))
        assert (wrong[~spread] == samples * chance[~spread]).all()


def test_binary_inputs_do_not_follow_the_angle() -> None:
    """One wrong weight of three: 0.5, where arccos(1/3)/pi says 0.392."""
    keys = keys_of("one wrong of three")
    system = draw(unit(3), keys, 200, initial_overlap=1.0)
    student = system.student.copy()
    student[:, 0] *= -1
    system = dataclasses.replace(system, student=student)
    out = run_discrete(system, instructions(keys, 1, [0], test_samples=5000))
    error = out.test_half_errors[:, 0] / (2 * 5000)
    assert abs(error.mean() - 0.5) < 4 * 0.5 / math.sqrt(200 * 5000)
    assert perceptron.generalization_error(1 / 3) == pytest.approx(0.3918, abs=1e-4)


def test_gaussian_inputs_have_the_moments_of_a_normal_law() -> None:
    """Mean, variance, fourth moment and correlation of neighbours, a million numbers."""
    streams = CellStreams(0, 100, 50, torch.device("cpu"))
    numbers = streams.gaussian_inputs(key=3, index=0, samples=200).numpy().ravel()
    rounded = np.rint(NORMAL_UNIT * numbers) / NORMAL_UNIT
    count = len(numbers)
    assert abs(rounded - numbers).max() <= 0.5 / NORMAL_UNIT
    for values, mean, variance in (
        (rounded, 0.0, 1.0),
        (rounded**2, 1.0, 2.0),
        (rounded**4, 3.0, 96.0),
        (rounded[1:] * rounded[:-1], 0.0, 1.0),
        (rounded[1:] ** 2 * rounded[:-1] ** 2, 1.0, 8.0),
    ):
        assert abs(values.mean() - mean) < 4 * math.sqrt(variance / count)


@pytest.mark.parametrize("load", [0.5, 1.0, 4.0])
def test_hebb_rule_reaches_its_overlap(load: float) -> None:
    """At N = 200 000 from the exact law of the rule; that law at N = 60 from patterns themselves.

    Along the teacher the rule adds up |u| of P fields, across it Gaussian noise of variance P
    in N - 1 directions.
    """
    rng = np.random.default_rng(11)

    def reduced(size: int, repeats: int) -> np.ndarray:
        patterns = round(load * size)
        along = np.array([abs(rng.standard_normal(patterns)).sum() for _ in range(repeats)])
        across = patterns * rng.chisquare(size - 1, repeats)
        return along / np.sqrt(along**2 + across)

    def direct(size: int, repeats: int) -> np.ndarray:
        patterns = round(load * size)
        inputs = rng.standard_normal((repeats, patterns, size))
        weights = (np.sign(inputs[:, :, :1]) * inputs).sum(axis=1)  # the teacher is axis 0
        return weights[:, 0] / np.linalg.norm(weights, axis=1)

    one, other = reduced(60, 3000), direct(60, 3000)
    error = math.hypot(one.std(ddof=1), other.std(ddof=1)) / math.sqrt(3000)
    assert abs(one.mean() - other.mean()) < 4 * error
    large = reduced(200_000, 20)
    error = large.std(ddof=1) / math.sqrt(20)
    assert error < 6e-4
    # Student's t with 19 degrees of freedom; 5.5 errors are as rare as 4.2 normal ones.
    assert abs(large.mean() - float(perceptron.hebb_overlap(load))) < 5.5 * error
