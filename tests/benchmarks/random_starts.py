"""Does the answer of a collapse depend on where the user starts it? Random starts, counted.

    PHYSBATCH_PUBLISHED_DATA=FOLDER python tests/benchmarks/random_starts.py [--runs 200]

FOLDER holds tables of published data with columns L,x,y,dy, named in `SETS`; they are not part of
this repository. Starts are drawn evenly over the whole range of the control, and evenly in ln nu
over a factor of 3 on either side of the best known nu. A run counts as the one answer if c_c and
every exponent lie within 0.1 statistical errors of the fit without a start.
"""

from __future__ import annotations

import argparse
import math
import os
import sys
import time
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from physbatch.results import flag_names
from physbatch.scaling import Collapse, collapse
from physbatch.tables import read_table

#: Environment variable that names the folder.
FOLDER = "PHYSBATCH_PUBLISHED_DATA"


class PublishedSet(NamedTuple):
    """A file, the best known nu, and how it is fitted."""

    file: str
    nu: float
    options: dict[str, Any]


SETS = {
    "site percolation": PublishedSet("site_percolation_2d_order_parameter.csv", 4 / 3, {}),
    "bond percolation": PublishedSet("bond_percolation_2d_square_largest_component.csv", 4 / 3, {}),
    "second moment": PublishedSet("bond_percolation_2d_square_second_moment.csv", 4 / 3, {}),
    "q = 3 Potts": PublishedSet(
        "potts_q3_U_conventional_ie.csv", 5 / 6, {"fixed": {"zeta": 0.0}, "corrections": True}
    ),
}


class Count(NamedTuple):
    """How many runs gave the one answer, another with a flag, or another without."""

    same: int
    flagged: int
    silent: int
    farthest: float  # in statistical errors


def same_answer(one: Collapse, reference: Collapse) -> float:
    """Largest difference of a parameter in statistical errors; inf if one has no value."""
    worst = 0.0
    for name, held in reference.parameters.items():
        far = abs(one.parameters[name].value - held.value) / held.stderr
        worst = max(worst, far if math.isfinite(far) else math.inf)
    return worst


def count(chosen: PublishedSet, folder: Path, runs: int, seed: int = 0) -> Count:
    """Fit from random starts and compare with the fit without a start."""
    table = read_table(
        folder / chosen.file, size="L", control="x", observable="y", error="dy", dimension="L"
    )
    reference = collapse(table, **chosen.options)
    known = set(flag_names(reference.flags))
    generator = np.random.default_rng([seed, 8])
    same = flagged = silent = 0
    farthest = 0.0
    for number in range(runs):
        start = {
            "c_c": float(generator.uniform(table.control.min(), table.control.max())),
            "nu": float(chosen.nu * np.exp(generator.uniform(-math.log(3), math.log(3)))),
        }
        result = collapse(table, start=start, **chosen.options)
        far = same_answer(result, reference)
        farthest = max(farthest, far)
        if far < 0.1:
            same += 1
        elif set(flag_names(result.flags)) - known:
            flagged += 1
        else:
            silent += 1
        print(f"  {number + 1}: {far:.2g} errors from the answer", file=sys.stderr, flush=True)
    return Count(same, flagged, silent, farthest)


def main() -> None:
    """Print one line for each set."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--set", choices=list(SETS), action="append")
    options = parser.parse_args()
    if FOLDER not in os.environ:
        sys.exit(f"set {FOLDER} to the folder of the published data")
    print(
        f"{'data':18} {'runs':>5} {'same':>5} {'flagged':>8} {'silent':>7} {'farthest':>9} {'s':>7}"
    )
    for name in options.set or SETS:
        begin = time.perf_counter()
        found = count(SETS[name], Path(os.environ[FOLDER]), options.runs)
        spent = time.perf_counter() - begin
        print(
            f"{name:18} {options.runs:5d} {found.same:5d} {found.flagged:8d} {found.silent:7d} "
            f"{found.farthest:9.2g} {spent:7.0f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
