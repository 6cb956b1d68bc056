"""How often is the verdict on an order of transition right? Traps, clean and nested systems.

python -m tests.physics.order_coverage FILE [--seeds 100] [--only NAME ...]

Prints the tables of docs/order.md: traps and clean systems of `tests.physics.test_order_traps`, and
those of `tests.physics.test_order` at their first 3, 4, 5 and 6 sizes. Each seed is a line of FILE
at once, and what it holds is not done again, so that a run may be stopped at any moment.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from physbatch.scaling import flag_names, transition_order
from tests.physics.collapse_records import appended, held
from tests.physics.test_order import NESTED, SYSTEMS
from tests.physics.test_order_traps import CLEAN, MEASURED, TRAPS

Record = dict[str, Any]
#: Of a single table, where sizes are not nested.
_ALL = 0


def samples_of(name: str, seed: int) -> Record:
    """The verdict on a trap or a clean system."""
    make, dimension = (*TRAPS.get(name, ()), *CLEAN.get(name, ()))[1:3]
    result = transition_order(make(seed), space_dimension=dimension, seed=seed)
    return {
        "system": name,
        "nested": False,
        "seed": seed,
        "verdicts": {_ALL: result.verdict},
        "flags": flag_names(result.flags),
    }


def nested_of(name: str, seed: int) -> Record:
    """The verdicts at each number of sizes."""
    data = SYSTEMS[name][2](seed)
    verdicts = {
        count: transition_order(data.isel(size=slice(0, count)), seed=seed).verdict
        for count in NESTED
    }
    return {"system": name, "nested": True, "seed": seed, "verdicts": verdicts}


def counts(records: Sequence[Record], name: str, nested: bool, sizes: int) -> Counter[str]:
    """How often each verdict was given."""
    return Counter(
        record["verdicts"][str(sizes)]
        for record in records
        if (record["system"], record["nested"]) == (name, nested)
    )


def _entry(verdicts: Counter[str], right: Sequence[str]) -> str:
    named = sum(verdicts[verdict] for verdict in right)
    wrong = sum(verdicts.values()) - named - verdicts["undecided"]
    return f"{named} / {verdicts['undecided']} / {wrong}"


def report(records: Sequence[Record]) -> str:
    """Both tables."""
    lines = ["| data | right | seeds | verdicts |", "|---|---|---|---|"]
    rows = [(name, allowed, " or undecided") for name, (allowed, *_) in TRAPS.items()]
    rows += [(name, (truth,), "") for name, (truth, *_) in CLEAN.items()]
    for name, allowed, other in rows:
        verdicts = counts(records, name, False, _ALL)
        words = f"{allowed[0]}{other} | {sum(verdicts.values())}"
        lines.append(f"| {name} | {words} | {_entry(verdicts, allowed)} |")
    heads = " | ".join(f"{count} sizes" for count in NESTED)
    lines += ["", f"| system | verdict | seeds | {heads} |", "|---" * (3 + len(NESTED)) + "|"]
    for name, (truth, *_) in SYSTEMS.items():
        each = [counts(records, name, True, count) for count in NESTED]
        entries = " | ".join(_entry(verdicts, (truth,)) for verdicts in each)
        lines.append(f"| {name} | {truth} | {sum(each[0].values())} | {entries} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file", type=Path, help="file of records to go on with")
    parser.add_argument("--seeds", type=int, default=len(MEASURED))
    parser.add_argument("--only", nargs="+", help="names of systems")
    given = parser.parse_args()
    known = {(record["system"], record["nested"], record["seed"]) for record in held(given.file)}
    kinds: list[tuple[bool, list[str], Callable[[str, int], Record]]] = [
        (False, [*TRAPS, *CLEAN], samples_of),
        (True, [*SYSTEMS], nested_of),
    ]
    tasks = [
        partial(measure, name, seed)
        for seed in range(MEASURED[0], MEASURED[0] + given.seeds)
        for nested, names, measure in kinds
        for name in names
        if (name, nested, seed) not in known and (not given.only or name in given.only)
    ]
    for _ in appended(given.file, tasks):
        pass
    print(report(held(given.file)))


if __name__ == "__main__":
    main()
