"""Does the total error of a collapse cover the truth where there are corrections to scaling?

python -m tests.physics.collapse_on_planted run FILE [--kinds "L^-1" ...] [--seeds 40] [--share 0/2]
python -m tests.physics.collapse_on_planted table FILE [FILE ...]

Planted data of eight kinds. `ideal` obeys the form exactly (the data sets of
`tests.physics.collapse_coverage`); the others have corrections that die off as powers of the size,
a nonlinear scaling field, a critical control that drifts, or a logarithm. `run` appends one JSON
line a fit and skips what the file holds.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from itertools import product
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits

from physbatch.exact import scaling_functions
from physbatch.tables import ScalingTable
from tests.physics.collapse_coverage import CURVES, LEVELS, PARAMETERS, DataSet, planted_table, read
from tests.physics.collapse_records import Record, appended, held, record_of, summary

FloatArray = npt.NDArray[np.float64]
Curve = Callable[[FloatArray], FloatArray]

#: An order parameter, a ratio of moments, a susceptibility, and zeta/nu of each.
SHAPES: tuple[tuple[Curve, float], ...] = (
    (lambda x: np.sqrt(0.5 * (1 - np.tanh(x))) + 0.02, -0.125),
    (lambda x: 0.3 - 0.3 * np.tanh(x), 0.0),
    (lambda x: np.cosh(0.8 * x) ** -0.9 + 0.05, 1.75),
)
NU = (1.0, 0.7, 1.3)
SIZES = ((8, 16, 32, 64, 128), (8, 12, 16, 24, 32, 48, 64))
POINTS = 13
#: Errors in units of the amplitude: those of a susceptibility grow with its value.
LEVEL = 0.01
#: Half of the range of x at the smallest size. Ranges of c shrink as the root of those of x grow.
REACH = 3.6
SEEDS = 40


class Place(NamedTuple):
    """Where values are planted: size, c - c_c, nu, half the range of c at the smallest size."""

    size: FloatArray
    distance: FloatArray
    nu: float
    half: float

    def x(self, shift: FloatArray | float = 0.0) -> FloatArray:
        """The scaling variable, with c_c shifted."""
        return np.asarray(self.size ** (1 / self.nu) * (self.distance - shift))


def _other(curve: Curve, x: FloatArray) -> FloatArray:
    """A correction function unlike the curve and its slope."""
    return np.asarray(curve(0.7 * x + 0.4) * np.cos(0.5 * x))


# At the smallest size the effects move values by up to 5 to 40 errors, at the largest those of the
# powers by half an error to 4, those of the slow drift by more, those of the logarithm by 30.


def half_power(curve: Curve, at: Place) -> FloatArray:
    """0.3 L^-0.5: a tenth at L = 8, 0.03 at 128."""
    return curve(at.x()) + 0.3 * at.size**-0.5 * _other(curve, at.x())


def first_power(curve: Curve, at: Place) -> FloatArray:
    """0.8/L: a tenth at L = 8, 0.006 at 128."""
    return curve(at.x()) + 0.8 / at.size * _other(curve, at.x())


def two_powers(curve: Curve, at: Place) -> FloatArray:
    """Two corrections of opposite sign, the second of twice the exponent."""
    first = 0.5 * at.size**-0.8 * _other(curve, at.x())
    return curve(at.x()) + first - 0.8 * at.size**-1.6 * curve(at.x())


def square_field(curve: Curve, at: Place) -> FloatArray:
    """A scaling field t + a t^2 that is 40 % off at the ends of the widest range."""
    t = at.distance
    return curve(at.size ** (1 / at.nu) * (t + 0.4 * t**2 / at.half))


def half_drift(curve: Curve, at: Place) -> FloatArray:
    """c_c + 0.1 L^-0.5 for nu = 1, and like it in units of the range for others."""
    return curve(at.x(at.half * 0.1 / 0.45 * at.size**-0.5))


def fast_drift(curve: Curve, at: Place) -> FloatArray:
    """c_c + 2 L^-1.5 for nu = 1: 0.2 of the half range at L = 8."""
    return curve(at.x(at.half * 2 / 0.45 * at.size**-1.5))


def root_log(curve: Curve, at: Place) -> FloatArray:
    """A factor (ln L)^0.5, which looks like an exponent of 0.5/ln L."""
    return curve(at.x()) * np.sqrt(np.log(at.size))


EFFECTS: dict[str, Callable[[Curve, Place], FloatArray]] = {
    "L^-0.5": half_power,
    "L^-1": first_power,
    "L^-0.8 and L^-1.6": two_powers,
    "t^2 field": square_field,
    "drift L^-0.5": half_drift,
    "drift L^-1.5": fast_drift,
    "(ln L)^0.5": root_log,
}
IDEAL = "ideal"
KINDS = (IDEAL, *EFFECTS)


def planted(kind: str, seed: int) -> tuple[ScalingTable, dict[str, float]]:
    """Data of a kind and what was planted: curve, nu and sizes go round with the seed."""
    if kind == IDEAL:
        name, level = list(product(CURVES, LEVELS))[seed % (len(CURVES) * len(LEVELS))]
        # Other noise than that of the study, which has 200 seeds.
        data = DataSet(name, level, 1000 + seed)
        known = scaling_functions.exponent_set(name)
        return planted_table(data), {p: getattr(known, p) for p in PARAMETERS}
    shape, zeta_over_nu = SHAPES[seed % 3]
    nu = NU[(seed // 3) % 3]
    sizes = np.array(SIZES[seed % 2], dtype=float)
    size = np.repeat(sizes, POINTS)
    half = REACH * sizes[0] ** (-1 / nu)
    reach = half * (size / sizes[0]) ** (-0.5 / nu)
    distance = reach * np.tile(np.linspace(-1, 1, POINTS), len(sizes))
    value = EFFECTS[kind](shape, Place(size, distance, nu, half))
    height = np.abs(value)
    error = LEVEL * (height + 0.2 if seed % 3 == 2 else np.full_like(value, height.max()))
    noise = np.random.default_rng([seed, list(EFFECTS).index(kind), 15]).standard_normal(size.size)
    scale = size**zeta_over_nu
    values, errors = {"y": scale * (value + error * noise)}, {"y": scale * error}
    exact = {"c_c": 1.0, "nu": nu, "zeta": zeta_over_nu * nu}
    return ScalingTable(size, 1.0 + distance, values, errors), exact


def fit(kind: str, seed: int) -> Record:
    """The record of one data set."""
    table, exact = planted(kind, seed)
    with threadpool_limits(1, user_api="blas"):
        return record_of(lambda: table, exact, kind=kind, seed=seed)


def run(path: Path, kinds: Sequence[str], seeds: int, share: tuple[int, int] = (0, 1)) -> None:
    """Do every fit of a share that the file does not hold: seed by seed, all kinds of each."""
    done = {(record["kind"], record["seed"]) for record in held(path)}
    cases = [(kind, seed) for seed in range(seeds) for kind in kinds]
    tasks = [partial(fit, *case) for case in cases[share[0] :: share[1]] if case not in done]
    for _ in appended(path, tasks):
        pass


# --- the table --------------------------------------------------------------------------

HEAD = (
    "| kind | parameter | n | refused | abs(z) < 1 | < 2 | rms z | largest silent | silent > 4 "
    "| median total/plain |\n|---|---|---|---|---|---|---|---|---|---|"
)


def rows(label: str, records: Sequence[Record]) -> list[str]:
    """Lines of the table for a selection of records: pooled, then by parameter."""
    out = []
    for name in ("all", *PARAMETERS):
        s = summary(records, PARAMETERS if name == "all" else [name])
        out.append(
            f"| {label} | {name} | {s.numbers} | {s.unstated} | {100 * s.within1:.0f} "
            f"| {100 * s.within2:.0f} | {s.rms:.2f} | {s.silent:.1f} | {100 * s.silent_far:.1f} % "
            f"| {s.width:.1f} |"
        )
    return out


def report(records: Sequence[Record]) -> str:
    """Coverage by kind, pooled over all with corrections, and the flags of each kind."""
    by_kind = {kind: [r for r in records if r["kind"] == kind] for kind in KINDS}
    by_kind = {kind: chosen for kind, chosen in by_kind.items() if chosen}
    corrected = [record for record in records if record["kind"] != IDEAL]
    lines = [HEAD]
    for kind, chosen in by_kind.items():
        lines += rows(kind, chosen)
    if corrected:
        lines += rows("all but ideal", corrected)
    lines.append("")
    for kind, chosen in by_kind.items():
        counts = Counter(name for record in chosen for name in record.get("flags", ["refused"]))
        flags = ", ".join(f"`{name}` {n}" for name, n in counts.most_common())
        lines.append(f"* {kind}, {len(chosen)} fits: {flags or 'no flags'}.")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    runner = commands.add_parser("run")
    runner.add_argument("file", type=Path)
    runner.add_argument("--kinds", nargs="+", choices=KINDS, default=KINDS)
    runner.add_argument("--seeds", type=int, default=SEEDS)
    runner.add_argument("--share", default="0/1", help="i/n: every n-th data set from the i-th")
    shower = commands.add_parser("table")
    shower.add_argument("files", type=Path, nargs="+")
    given = parser.parse_args()
    if given.command == "run":
        i, n = map(int, given.share.split("/"))
        run(given.file, given.kinds, given.seeds, (i, n))
    else:
        print(report(read(given.files)))


if __name__ == "__main__":
    main()
