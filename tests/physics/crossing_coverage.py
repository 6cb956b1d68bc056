"""Do crossings answer, and do their total errors hold? Independently simulated sets.

python -m tests.physics.crossing_coverage [--sets 100] [--json FILE]

Each set has four small sizes and 12 common controls (`tests.physics.crossing_systems`) and is
analysed with default options; of each system the numbers that are stated, and the root mean square
of (value - exact)/total are printed. With --json each set is a line of that file at once, and what
it holds is not simulated again.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from physbatch.scaling import find_crossings, flag_names
from tests.physics.collapse_records import appended, held
from tests.physics.crossing_systems import SYSTEMS, table

Record = dict[str, Any]


def record_of(name: str, seed: int, resamples: int = 200) -> Record:
    """Values and totals of one set."""
    system = SYSTEMS[name]
    ratio, order = system.names
    result = find_crossings(table(name, seed), ratio, quotients=[order], resamples=resamples)
    stated = {
        "c_c": (result.c_c, system.c_c),
        "one_over_nu": (result.inverse_nu_limit, system.inverse_nu),
        "zeta_over_nu": (result.quotient_limit[0], system.order),
    }
    return {
        "system": name,
        "seed": seed,
        "value": {key: estimate.value for key, (estimate, _) in stated.items()},
        "total": {key: estimate.total for key, (estimate, _) in stated.items()},
        "exact": {key: exact for key, (_, exact) in stated.items()},
        "flags": flag_names(result.flags),
        "noise_p": result.p_value,
    }


def scores(records: Sequence[Record], parameter: str) -> np.ndarray[Any, Any]:
    """(value - exact)/total, nan where nothing is stated."""
    columns = [[r[key][parameter] for r in records] for key in ("value", "exact", "total")]
    value, exact, total = np.array(columns, dtype=float)
    return np.asarray((value - exact) / total)


def report(records: Sequence[Record]) -> str:
    """A line for each system and parameter."""
    lines = [
        "| system | number | sets | stated | rms z | mean z | abs z < 1 | largest | median total |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for name in SYSTEMS:
        mine = [record for record in records if record["system"] == name]
        for parameter in ("c_c", "one_over_nu", "zeta_over_nu") if mine else ():
            z = scores(mine, parameter)
            known = z[np.isfinite(z)]
            total = np.nanmedian([r["total"][parameter] for r in mine])
            lines.append(
                f"| {name} | {parameter} | {z.size} | {100 * known.size / z.size:.0f} % "
                f"| {math.sqrt(float(np.mean(known**2))):.2f} | {known.mean():+.2f} "
                f"| {100 * np.mean(np.abs(known) < 1):.0f} % | {np.abs(known).max():.1f} "
                f"| {total:.2g} |"
            )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sets", type=int, default=100)
    parser.add_argument("--json", type=Path, help="file of records to go on with")
    given = parser.parse_args()
    records = held(given.json)
    known = {(record["system"], record["seed"]) for record in records}
    tasks = [
        partial(record_of, name, seed)
        for seed in range(given.sets)
        for name in SYSTEMS
        if (name, seed) not in known
    ]
    records += appended(given.json, tasks)
    print(report(records))


if __name__ == "__main__":
    main()
