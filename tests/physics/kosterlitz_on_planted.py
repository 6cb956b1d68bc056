"""What collapses state of planted data of Kosterlitz and Thouless, with a power law and their own.

python -m tests.physics.kosterlitz_on_planted FILE [--seeds 40]

A record of each fit goes to FILE, JSON lines; a run may be stopped and started again. Then the
table of all: how often a finite nu was stated without a flag, and how far c_c is off.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np

from physbatch.errors import PhysbatchError
from physbatch.scaling import collapse
from tests.physics.collapse_records import Record, appended, held, stated
from tests.physics.test_collapse_forms import planted

#: Form of the data, and the one that a user asks for.
KINDS = {"kt": "kt", "kt-helicity": "kt-helicity", "essential": "essential"}
NOISES = (0.01,)


def fit(kind: str, noise: float, seed: int, form: str) -> Record:
    """One collapse, with defaults but for the form."""
    table, exact = planted(kind, 1000 + seed, noise)
    labels = {"kind": kind, "noise": noise, "seed": seed, "form": form, "exact": exact}
    try:
        return {**labels, **stated(collapse(table, form=form))}
    except PhysbatchError as error:
        return {**labels, "refused": str(error)}


def run(path: Path, seeds: int) -> list[Record]:
    """All fits, those of a seed before those of the next."""
    names = ("kind", "noise", "seed", "form")
    records = held(path)
    known = {tuple(record[name] for name in names) for record in records}

    def missing() -> Iterator[partial[Record]]:
        for seed in range(seeds):
            for noise in NOISES:
                for kind, own in KINDS.items():
                    for form in ("power", own):
                        if (kind, noise, seed, form) not in known:
                            yield partial(fit, kind, noise, seed, form)

    return records + list(appended(path, missing()))


def table(records: list[Record]) -> Iterator[str]:
    """Rows of a table of the kinds of data and forms."""
    yield "| data | form | fits | refused | finite nu, no flag | c_c stated | rms z | largest |"
    yield "|---|---|---|---|---|---|---|---|"
    for kind, own in KINDS.items():
        for form in ("power", own):
            every = [r for r in records if (r["kind"], r["form"]) == (kind, form)]
            fits = [r for r in every if "refused" not in r]
            silent = sum(
                not r["flags"] and math.isfinite(r["value"].get("nu", math.nan)) for r in fits
            )
            z = np.array(
                [(r["value"]["c_c"] - r["exact"]["c_c"]) / r["total"]["c_c"] for r in fits]
            )
            z = z[np.isfinite(z)]
            most, rms = (np.abs(z).max(), np.sqrt((z**2).mean())) if z.size else (math.nan,) * 2
            counts = [len(fits), len(every) - len(fits), silent, z.size]
            yield f"| {kind} | {form} | {' | '.join(map(str, counts))} | {rms:.2f} | {most:.2f} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file", type=Path)
    parser.add_argument("--seeds", type=int, default=40)
    given = parser.parse_args()
    print("\n".join(table(run(given.file, given.seeds))))


if __name__ == "__main__":
    main()
