"""The stated errors of a collapse cover the truth: the full study, and a reduced one.

The full study (`tests/physics/collapse_coverage.py`, table in docs/measurements.md) takes hours. It
resumes from the file that PHYSBATCH_COVERAGE_FILE names.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest

from physbatch.exact import scaling_functions
from physbatch.scaling import collapse
from tests.physics import collapse_coverage as study

FILE = "PHYSBATCH_COVERAGE_FILE"


def pulls(records: Sequence[study.Record]) -> np.ndarray:
    """z of each parameter in each fit."""
    return np.array(
        [
            [
                (
                    record["stated"][name][0]
                    - getattr(scaling_functions.exponent_set(record["exponents"]), name)
                )
                / record["stated"][name][1]
                for name in study.PARAMETERS
            ]
            for record in records
        ]
    )


def assert_calibrated(records: Sequence[study.Record]) -> None:
    """Mean, spread and coverage within 4 sigma of what honest errors have.

    Parameters of one fit are correlated, so each stands for itself. The mean may also be off by
    0.3, the bias of the Gaussian process that remains at 3 % noise.
    """
    z = pulls(records)
    count = len(z)
    assert np.isfinite(z).all()
    assert (np.abs(z.mean(axis=0)) < 4 / math.sqrt(count) + 0.3).all(), z.mean(axis=0)
    deviation = z.std(axis=0, ddof=1)
    assert (np.abs(deviation - 1) < 4 / math.sqrt(2 * count) + 0.05).all(), deviation
    for name in study.PARAMETERS:
        found = study.coverage(records, name)
        assert abs(found.inside68 - 0.683) < 4 * math.sqrt(0.683 * 0.317 / count), name
        assert found.inside95 > 0.95 - 4 * math.sqrt(0.95 * 0.05 / count), name


def test_a_few_as_a_user_fits_them() -> None:
    """Ten data sets with the global search, by each method."""
    records = [
        record
        for name in study.CURVES
        for level in (0.003, 0.03)
        for record in study.fits(study.DataSet(name, level, 0), study.QUICK)
    ]
    for method, _ in study.QUICK:
        assert_calibrated([one for one in records if one["method"] == method])


@pytest.mark.parametrize(("method", "errors"), [*study.QUICK, *study.SLOW])
def test_the_study_states_what_collapse_states(method: str, errors: str) -> None:
    """To the last digit, although it searches once for all methods and errors."""
    data = study.DataSet("percolation 2-D", 0.01, 3)
    table = study.planted_table(data)
    result = collapse(table, method=method, errors=errors, window="all", seed=data.seed)
    *_, record = study.fits(data, [*study.QUICK, (method, errors)])
    record.pop("seconds")
    assert record == study.record_of(study.Case(*data, method, errors), result)


@pytest.mark.parametrize(("method", "seeds"), [("gp", 3), ("spline", 2)])
def test_many_from_the_truth(method: str, seeds: int) -> None:
    """All exponent sets and noise levels, without the search: 60 and 40 data sets."""
    records = [
        record
        for data in study.data_sets(seeds)
        for record in study.fits_from_truth(data, [(method, "likelihood")])
    ]
    assert_calibrated(records)


def synthetic(error: float, bias: float = 0.0, count: int = 4000) -> list[study.Record]:
    """Records of normal estimates of known error, which state another."""
    generator = np.random.default_rng(1)
    records = []
    for seed in range(count):
        name = list(study.CURVES)[seed % 5]
        stated = {}
        for parameter in study.PARAMETERS:
            value = getattr(scaling_functions.exponent_set(name), parameter) + 0.01 * (
                bias + generator.normal()
            )
            stated[parameter] = [value, 0.01 * error, value - 0.01 * error, value + 0.01 * error]
        case = study.Case(name, 0.01, seed, "gp", "profile")
        records.append({**case._asdict(), "stated": stated})
    return records


def test_the_table_reads_coverage_off_known_records() -> None:
    """Honest errors, errors 20 % too small, and a bias of 1, against the normal law."""
    for error, bias, inside68, inside95 in (
        (1.0, 0.0, 0.6827, 0.95),
        (0.8, 0.0, 0.5763, 0.8831),
        (1.0, 1.0, 0.4772, 0.8299),
    ):
        found = study.coverage(synthetic(error, bias), "nu")
        assert found.inside68 == pytest.approx(inside68, abs=4 * 0.008)
        assert found.inside95 == pytest.approx(inside95, abs=4 * 0.006)
        assert found.error_over_scatter == pytest.approx(error, rel=4 * 0.0112)
        assert found.mean == pytest.approx(bias / error, abs=4 * 0.016 / error)


def test_intervals_that_are_not_stated_are_counted_apart() -> None:
    records = synthetic(1.0, count=20)
    records[3]["stated"]["nu"] = [math.nan, math.inf, math.nan, math.nan]
    found = study.coverage(records, "nu")
    assert (found.fits, found.unstated) == (19, 1)


def test_a_run_resumes(tmp_path: Path) -> None:
    """What a file holds is not fitted again, a line cut short by a kill is, shares are disjoint."""
    fitted: list[study.Case] = []

    def fits(data: study.DataSet, kinds: study.Kinds) -> Iterator[study.Record]:
        for kind in kinds:
            fitted.append(study.Case(*data, *kind))
            yield {**fitted[-1]._asdict(), "stated": {}}

    path = tmp_path / "coverage.jsonl"
    study.run(path, (0, 2), 2, slow=False, fits=fits)
    half = path.read_text()
    assert len(fitted) == half.count("\n") == 40
    path.write_text(half[:-5])
    study.run(path, (0, 2), 2, slow=False, fits=fits)
    assert path.read_text() == half
    assert len(fitted) == 41
    study.run(path, (1, 2), 2, slow=False, fits=fits)
    records = study.read([path])
    assert len(records) == len({tuple(r[f] for f in study.Case._fields) for r in records}) == 80


def test_the_full_study_has_as_many_fits_as_it_says() -> None:
    fits = [
        errors for data in study.data_sets(study.SEEDS) for _, errors in study.kinds_of(data.seed)
    ]
    assert {kind: fits.count(kind) for kind in set(fits)} == {
        "profile": 4000,
        "likelihood": 4000,
        "bootstrap": 600,
        "posterior": 600,
    }


@pytest.mark.slow
def test_full(tmp_path: Path) -> None:
    """4000 fits a method with likelihood errors, 600 with bootstrap and posterior errors.

    The 95 % intervals of the 600 are known to 0.9 % only, so they get the band of 4 sigma. At
    most one fit in 1000 may be refused.
    """
    path = Path(os.environ.get(FILE, tmp_path / "coverage.jsonl"))
    study.run(path, (0, 1), study.SEEDS, slow=True)
    records = study.read([path])
    missed = []
    for kind, (method, errors, curvature) in study.KINDS.items():
        if (method, errors) not in (*study.QUICK, *study.SLOW):
            continue
        chosen = [r for r in records if (r["method"], r["errors"]) == (method, errors)]
        slow = (method, errors) in study.SLOW
        assert len(chosen) == (600 if slow else 4000)
        low68, high68 = (0.61, 0.75) if slow else (0.65, 0.71)
        low95, high95 = (0.914, 0.986) if slow else (0.93, 0.97)
        for name in study.PARAMETERS:
            found = study.coverage(chosen, name, curvature=curvature)
            good = (
                found.unstated <= len(chosen) / 1000
                and low68 <= found.inside68 <= high68
                and low95 <= found.inside95 <= high95
                and 0.9 <= found.error_over_scatter <= 1.1
            )
            if not good:
                missed.append((kind, name, found))
    assert not missed, missed
