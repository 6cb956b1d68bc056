"""Do the stated errors of a collapse cover the truth? Planted data, many noise seeds.

python -m tests.physics.collapse_coverage run FILE [--share 0/2] [--seeds 200] [--from-truth]
python -m tests.physics.collapse_coverage table FILE [FILE ...]

`run` appends one JSON line a fit and skips what the file already holds, so it may be stopped at
any moment and started again. Noise seeds come in order, each at all exponent sets and noise
levels before the next, so that a run that was stopped early is spread as evenly as a full one.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits

from physbatch.exact import scaling_functions
from physbatch.scaling.data_collapse import (
    Collapse,
    Fit,
    Objective,
    by_spline,
    climb,
    conclude,
    hyper_names,
    make_form,
    scan,
    search_globally,
    settle,
    uncertainties_of,
    units_of,
)
from physbatch.tables import ScalingTable

FloatArray = npt.NDArray[np.float64]

#: Each set of exponents with a master curve; all curves of the exact systems take part.
CURVES = {
    "percolation 2-D": "order_parameter",
    "Ising 2-D": "susceptibility",
    "mean field": "order_parameter",
    "Potts q=3 2-D": "non_monotonic",
    "planted": "binder",
}
#: Standard error of a point in units of the amplitude, the largest abs(f0).
LEVELS = (0.001, 0.003, 0.01, 0.03)
SEEDS = 200
#: Of these, so many also get bootstrap and posterior errors: 600 fits each over all.
SLOW_SEEDS = 30
POINTS = 18
SIZES = {"L": (8.0, 16.0, 32.0, 64.0, 128.0), "N": (64.0, 256.0, 1024.0, 4096.0, 16384.0)}
PARAMETERS = ("c_c", "nu", "zeta")
QUICK = (("gp", "profile"), ("spline", "likelihood"))
#: Without the global search.
FROM_TRUTH = (("gp", "likelihood"), ("spline", "likelihood"))
SLOW = (("gp", "bootstrap"), ("gp", "posterior"))


class DataSet(NamedTuple):
    """Planted data of the study."""

    exponents: str
    level: float
    seed: int


class Case(NamedTuple):
    """One fit of the study."""

    exponents: str
    level: float
    seed: int
    method: str
    errors: str


Kinds = Sequence[tuple[str, str]]  # methods and errors
Record = dict[str, Any]


def planted_table(data: DataSet) -> ScalingTable:
    """Data of one seed: the range of x grows with the size, as in a simulation.

    The controls of size N lie evenly within c_c +- 3 N0^(-1/nu) (N/N0)^(-1/(2 nu)), so their x
    reach from +-3 at the smallest size to +-12 (+-8.5 for percolation, +-27 for the last set)
    at the largest, and no two sizes share an x.
    """
    exponents = scaling_functions.exponent_set(data.exponents)
    sizes = np.array(SIZES[exponents.dimension])
    size = np.repeat(sizes, POINTS)
    relative = size / sizes[0]
    reach = 3 * sizes[0] ** (-1 / exponents.nu) * relative ** (-0.5 / exponents.nu)
    distance = reach * np.tile(np.linspace(-1, 1, POINTS), len(sizes))
    curve = scaling_functions.SHAPES[CURVES[exponents.name]]
    scale = size ** (exponents.zeta / exponents.nu)
    error = data.level * float(np.abs(curve(np.linspace(-4, 4, 801))).max()) * scale
    key = [data.seed, list(CURVES).index(data.exponents), LEVELS.index(data.level), 41]
    noise = error * np.random.default_rng(key).standard_normal(size.size)
    value = scale * curve(size ** (1 / exponents.nu) * distance) + noise
    return ScalingTable(
        size, exponents.c_c + distance, {"y": value}, {"y": error}, dimension=exponents.dimension
    )


def data_sets(seeds: int) -> Iterator[DataSet]:
    """All data, noise seed by noise seed."""
    for seed in range(seeds):
        for level in LEVELS:
            for name in CURVES:
                yield DataSet(name, level, seed)


def kinds_of(seed: int, quick: Kinds = QUICK, *, slow: bool = True) -> Kinds:
    """The fits of the data of one noise seed; the slow ones are spread over the seeds."""
    also_slow = slow and (seed + 1) * SLOW_SEEDS // SEEDS > seed * SLOW_SEEDS // SEEDS
    return [*quick, *SLOW] if also_slow else quick


def fits(data: DataSet, kinds: Kinds) -> Iterator[Record]:
    """What `collapse` states with all points and no start, for several methods and errors.

    They share the search for the global optimum, which `collapse` repeats at every call.
    """
    table = planted_table(data)
    form = make_form(table, ["y"])
    begin = time.process_time()
    with threadpool_limits(1, user_api="blas"):
        search = search_globally(form, table, window="all")
        for method, errors in kinds:
            final = by_spline(search.settled) if method == "spline" else search.settled
            uncertainties = uncertainties_of(final, errors, data.seed)
            result = conclude(search, final, uncertainties, method=method)
            record = record_of(Case(*data, method, errors), result)
            end = time.process_time()
            yield {**record, "seconds": round(end - begin, 3)}
            begin = end


def record_of(case: Case, result: Collapse) -> Record:
    """What a result states."""
    record: Record = {
        **case._asdict(),
        "p_value": result.p_value,
        "flags": [flag.split(":")[0] for flag in result.flags],
        "stated": {
            name: [one.value, one.stderr, *one.interval68]
            for name, one in result.parameters.items()
        },
    }
    if case.errors == "profile":
        with np.errstate(invalid="ignore"):  # of a fit that was refused
            deviations = np.sqrt(np.diag(result.covariance))
        record["curvature"] = dict(zip(result.parameters, map(float, deviations), strict=True))
    return record


def fit_at_truth(data: DataSet) -> Fit:
    """A fit without the global search: it starts at the exponents that were planted."""
    exponents = scaling_functions.exponent_set(data.exponents)
    table = planted_table(data)
    form = make_form(table, ["y"])
    truth = {name: getattr(exponents, name) for name in PARAMETERS}
    vector = form.vector(truth)
    units = units_of(form, table, vector, form.observables)
    held = make_form(table, ["y"], fixed=truth)
    hyper_only = Objective(held, table, units, hyper_names(form, nugget=True))
    with threadpool_limits(1, user_api="blas"):
        hyper = climb(hyper_only, hyper_only.start(np.empty(0)))
        begin = replace(hyper, vector=np.concatenate([vector, hyper.vector]))
        return settle(form, table, scan(form, table, units, [begin], "all"))


def fits_from_truth(data: DataSet, kinds: Kinds) -> Iterator[Record]:
    """The records of `fit_at_truth` and of the spline in its window: a fifth of the cost of `fits`.

    They say whether the errors of the right optimum are right, not whether the search finds it.
    """
    at_truth = fit_at_truth(data)
    form = at_truth.objective.form
    for method, errors in kinds:
        final = by_spline(at_truth) if method == "spline" else at_truth
        values = final.values
        deviations = np.sqrt(np.diag(final.physical_covariance))
        yield {
            **Case(*data, method, errors)._asdict(),
            "p_value": final.p_value,
            "flags": [] if final.sound else ["not_sound"],
            "stated": {
                name: [values[name], error, values[name] - error, values[name] + error]
                for name, error in zip(form.names, map(float, deviations), strict=True)
            },
        }


def run(
    path: Path,
    share: tuple[int, int],
    seeds: int,
    *,
    slow: bool = True,
    kinds: Kinds = QUICK,
    fits: Callable[[DataSet, Kinds], Iterable[Record]] = fits,
) -> None:
    """Do every fit of a share that the file does not hold yet."""
    held = read([path])
    done = {Case(*(one[field] for field in Case._fields)) for one in held}
    # A line that a kill cut short would spoil the next one.
    if path.exists() and not path.read_text().endswith("\n"):
        path.write_text("".join(json.dumps(one) + "\n" for one in held))
    with path.open("a") as file:
        for data in data_sets(seeds):
            place = list(CURVES).index(data.exponents) + len(CURVES) * LEVELS.index(data.level)
            every = kinds_of(data.seed, kinds, slow=slow)
            left = [kind for kind in every if Case(*data, *kind) not in done]
            if (place + data.seed) % share[1] != share[0] or not left:
                continue
            for record in fits(data, left):
                file.write(json.dumps(record) + "\n")
                file.flush()


def read(paths: Iterable[Path]) -> list[Record]:
    """Records of files; a line that was cut off by a kill is left out."""
    records = []
    for path in paths:
        if not path.exists():
            continue
        for line in path.read_text().splitlines(keepends=True):
            if line.endswith("\n"):
                records.append(json.loads(line))
    return records


# --- what the records say -----------------------------------------------------------------


class Coverage(NamedTuple):
    """Coverage of one parameter by one kind of error."""

    fits: int
    unstated: int  # fits that state no finite interval
    inside68: float
    inside95: float
    error_over_scatter: float
    mean: float  # of z
    deviation: float  # of z


def stated(record: Record, name: str, *, curvature: bool = False) -> tuple[float, ...]:
    """Value, standard error and ends of the 68 % interval."""
    value, stderr, low, high = record["stated"][name]
    if curvature:
        stderr = record["curvature"][name]
        low, high = value - stderr, value + stderr
    return value, stderr, low, high


def coverage(records: Sequence[Record], name: str, *, curvature: bool = False) -> Coverage:
    """Coverage of one parameter, pooled over sets and noise levels.

    The 95 % interval reaches 1.96 times as far from the value as the 68 % interval, on either
    side. Error over scatter: root mean square of the stated errors over the standard deviation
    of value - truth, both in units of the mean error of their set and level, where the scale
    of the errors is the same.
    """
    groups: dict[tuple[str, float], list[tuple[float, ...]]] = defaultdict(list)
    unstated = 0
    for record in records:
        value, stderr, low, high = stated(record, name, curvature=curvature)
        if not np.isfinite([value, stderr, low, high]).all():
            unstated += 1
            continue
        truth = getattr(scaling_functions.exponent_set(record["exponents"]), name)
        groups[record["exponents"], record["level"]].append(
            (value - truth, stderr, low - truth, high - truth)
        )
    scaled = [np.array(one) / np.mean(np.array(one)[:, 1]) for one in groups.values()]
    if not scaled:
        return Coverage(0, unstated, *[math.nan] * 5)
    difference, stderr, low, high = np.concatenate(scaled).T
    z = difference / stderr
    far = 1.959964
    inside95 = (difference - far * (difference - low) <= 0) & (
        difference + far * (high - difference) >= 0
    )
    freedom = sum(len(one) - 1 for one in scaled)
    squares = sum(float(((one[:, 0] - one[:, 0].mean()) ** 2).sum()) for one in scaled)
    scatter = math.sqrt(squares / freedom) if freedom > 0 else math.nan
    return Coverage(
        len(z),
        unstated,
        float(((low <= 0) & (high >= 0)).mean()),
        float(inside95.mean()),
        float(np.sqrt((stderr**2).mean()) / scatter),
        float(z.mean()),
        float(z.std(ddof=1)) if len(z) > 1 else math.nan,
    )


KINDS = {
    "gp, profile": ("gp", "profile", False),
    "gp, curvature": ("gp", "profile", True),
    "gp, curvature, from the truth": ("gp", "likelihood", False),
    "spline, curvature": ("spline", "likelihood", False),
    "gp, bootstrap": ("gp", "bootstrap", False),
    "gp, posterior": ("gp", "posterior", False),
}


def rows(records: Sequence[Record], label: str) -> list[str]:
    """Lines of the table for one selection of records."""
    out = []
    for kind, (method, errors, curvature) in KINDS.items():
        chosen = [r for r in records if (r["method"], r["errors"]) == (method, errors)]
        if not chosen:
            continue
        for name in PARAMETERS:
            c = coverage(chosen, name, curvature=curvature)
            out.append(
                f"| {label} | {kind} | {name} | {c.fits} | {c.unstated} | {100 * c.inside68:.1f} | "
                f"{100 * c.inside95:.1f} | {c.error_over_scatter:.3f} | {c.mean:+.2f} | "
                f"{c.deviation:.2f} |"
            )
    return out


HEADER = (
    "| data | method, errors | parameter | n | none stated | 68 % | 95 % | error/scatter "
    "| mean z | sd z |\n|---|---|---|---|---|---|---|---|---|---|"
)


def report(records: Sequence[Record]) -> str:
    """The tables: all data, by noise level, by set of exponents."""
    lines = [HEADER, *rows(records, "all")]
    for level in LEVELS:
        chosen = [r for r in records if r["level"] == level]
        lines += rows(chosen, f"{100 * level:g} %")
    for name in CURVES:
        lines += rows([r for r in records if r["exponents"] == name], name)
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    runner = commands.add_parser("run")
    runner.add_argument("file", type=Path)
    runner.add_argument("--share", default="0/1", help="i/n: every n-th data set from the i-th")
    runner.add_argument("--seeds", type=int, default=SEEDS)
    runner.add_argument("--quick", action="store_true", help="no bootstrap, no posterior")
    runner.add_argument(
        "--from-truth", action="store_true", help="start at the planted exponents: no search"
    )
    shower = commands.add_parser("table")
    shower.add_argument("files", type=Path, nargs="+")
    given = parser.parse_args()
    if given.command == "run":
        i, n = map(int, given.share.split("/"))
        if given.from_truth:
            run(given.file, (i, n), given.seeds, slow=False, kinds=FROM_TRUTH, fits=fits_from_truth)
        else:
            run(given.file, (i, n), given.seeds, slow=not given.quick)
    else:
        print(report(read(given.files)))


if __name__ == "__main__":
    main()
