"""What collapses of data with known exponents state, as records: their z, flags and widths.

A record is one line of JSON. A file of them grows line by line, so that a run may be stopped at any
moment and started again: `held` reads what is there, `appended` goes on.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from physbatch.errors import PhysbatchError
from physbatch.scaling import Collapse, collapse, flag_names
from physbatch.tables import ScalingTable
from tests.physics.collapse_coverage import read

Record = dict[str, Any]


def record_of(
    make: Callable[[], ScalingTable], exact: Mapping[str, float], **labels: Any
) -> Record:
    """A collapse with all defaults and no start, beside the exact exponents."""
    begin = time.process_time()
    try:
        result = collapse(make())
    except PhysbatchError as error:
        return {**labels, "exact": dict(exact), "refused": str(error)}
    return {
        **labels,
        "exact": dict(exact),
        **stated(result),
        "seconds": round(time.process_time() - begin, 2),
    }


def stated(result: Collapse) -> Record:
    """Values, total errors and those of the plain fit, flags and goodness."""
    return {
        "value": {name: estimate.value for name, estimate in result.parameters.items()},
        "total": {name: estimate.total for name, estimate in result.parameters.items()},
        "stderr": {p.name: p.stderr for p in result.plain},
        "text": {name: str(estimate) for name, estimate in result.parameters.items()},
        "flags": flag_names(result.flags),
        "words": list(map(str, result.flags)),
        "p_value": result.p_value,
    }


def held(path: Path | None) -> list[Record]:
    """The records of a file; a line that a kill cut short goes, or it would spoil the next."""
    if path is None or not path.exists():
        return []
    records = read([path])
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return records


def appended(path: Path | None, tasks: Iterable[Callable[[], Record]]) -> Iterator[Record]:
    """Do the tasks one by one; each record is in the file before the next begins."""
    for task in tasks:
        record = task()
        if path is not None:
            with path.open("a") as file:
                file.write(json.dumps(record) + "\n")
        yield record


# --- what they say ----------------------------------------------------------------------


def scores(record: Record) -> dict[str, float]:
    """(value - exact)/total of every parameter that is known; nan where none is stated."""
    if "refused" in record:
        return dict.fromkeys(record["exact"], math.nan)
    return {
        name: (record["value"].get(name, math.nan) - exact) / record["total"].get(name, math.nan)
        for name, exact in record["exact"].items()
    }


class Summary(NamedTuple):
    """Of many numbers with total errors; fractions count those that are stated.

    Attributes
    ----------
    numbers, unstated : int
        How many there are, and how many of them are nan.
    rms, within1, within2 : float
        Root mean square of z, and the fractions with abs(z) below 1 and 2.
    silent : float
        Largest abs(z) in a record without a flag.
    silent_far : float
        Fraction with abs(z) > 4 and no flag.
    width : float
        Median of the total over the statistical error of the plain form.
    """

    numbers: int
    unstated: int
    rms: float
    within1: float
    within2: float
    silent: float
    silent_far: float
    width: float


def summary(records: Sequence[Record], names: Iterable[str] = ("c_c", "nu", "zeta")) -> Summary:
    """Over the records, for parameters of these names."""
    names = set(names)
    rows = [
        (z, not record.get("flags"), record["total"][name] / record["stderr"][name])
        if math.isfinite(z)
        else (math.nan, False, math.nan)
        for record in records
        for name, z in scores(record).items()
        if name in names
    ]
    if not rows:
        return Summary(0, 0, *[math.nan] * 6)
    z, unflagged, width = np.array(rows, dtype=float).T
    known = np.isfinite(z)
    far = np.abs(z[known])
    quiet = far[unflagged[known] > 0]
    if not known.any():
        return Summary(len(z), len(z), *[math.nan] * 6)
    return Summary(
        len(z),
        int((~known).sum()),
        float(np.sqrt((far**2).mean())),
        float((far < 1).mean()),
        float((far < 2).mean()),
        float(quiet.max(initial=0.0)),
        float((quiet > 4).sum() / len(far)),
        float(np.nanmedian(width)),
    )
