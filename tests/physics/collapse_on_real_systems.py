"""Do the total errors of a collapse hold on real systems? A folder of data with exact answers.

python -m tests.physics.collapse_on_real_systems FOLDER [--json FILE] [--table OUT.md]

The folder holds CSV tables and answers.csv, a row of which names a table, its columns, and the
exact exponents: file,size,control,observable,error,c_c,nu,zeta. Rows without nu are systems in
which no power law holds; an empty error says that the table has none. Every observable is fitted by
itself, with default options and no start. With --json each fit is a line of that file at once, and
what it holds is not fitted again; --only takes the tables whose names start so.
"""

from __future__ import annotations

import argparse
import csv
import math
from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path

from physbatch.tables import read_table
from tests.physics.collapse_records import (
    Record,
    Summary,
    appended,
    held,
    record_of,
    scores,
    summary,
)

NAMES = ("c_c", "nu", "zeta")
#: Tables whose errors are wrong on purpose, or lack.
WRONG_ERRORS = "errbar_"


def answers(folder: Path) -> list[dict[str, str]]:
    """The rows of answers.csv."""
    with (folder / "answers.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def fit(folder: Path, row: dict[str, str]) -> Record:
    """The record of one observable of one table."""
    make = partial(
        read_table,
        folder / row["file"],
        size=row["size"],
        control=row["control"],
        observable=row["observable"],
        error=row["error"] or None,
    )
    exact = {name: float(row[name]) for name in NAMES if row[name]}
    labels = {"file": row["file"], "observable": row["observable"], "power": bool(row["nu"])}
    return record_of(make, exact, **labels)


def measure(folder: Path, path: Path | None, only: Sequence[str] = ()) -> list[Record]:
    """The records of all rows, those that the file holds among them."""
    rows = [
        row for row in answers(folder) if not only or any(row["file"].startswith(o) for o in only)
    ]
    known = {(record["file"], record["observable"]): record for record in held(path)}
    tasks = [
        partial(fit, folder, row) for row in rows if (row["file"], row["observable"]) not in known
    ]
    for record in appended(path, tasks):
        print(*lines([record]), sep="\n", flush=True)
        known[record["file"], record["observable"]] = record
    return [known[row["file"], row["observable"]] for row in rows]


# --- the table --------------------------------------------------------------------------

HEAD = "| data | parameter | value(total) | exact | z | flags |\n|---|---|---|---|---|---|"


def lines(records: Iterable[Record]) -> list[str]:
    """A line for each parameter of each record."""
    out = []
    for record in records:
        label = f"{record['file'].removesuffix('.csv')} {record['observable']}"
        if "refused" in record:
            what = record["refused"].rpartition("/")[-1]  # no path of a machine
            out.append(f"| {label} | | {what} | | | |")
            continue
        flags = ", ".join(f"`{name}`" for name in record["flags"])
        z = scores(record)
        for name, text in record["text"].items():
            exact = f"{record['exact'][name]:.7g}" if name in record["exact"] else "none"
            number = f"{z[name]:+.2f}" if math.isfinite(z.get(name, math.nan)) else ""
            out.append(f"| {label} | {name} | {text} | {exact} | {number} | {flags} |")
            label, flags = "", ""
    return out


def words(label: str, s: Summary) -> str:
    """A line of the summary."""
    return (
        f"| {label} | {s.numbers - s.unstated} of {s.numbers} | {s.rms:.2f} "
        f"| {100 * s.within1:.0f} % | {100 * s.within2:.0f} % | {s.silent:.2f} | {s.width:.1f} |"
    )


def report(records: Sequence[Record]) -> str:
    """Summaries, then all numbers."""
    power = [record for record in records if record["power"]]
    wrong = [record for record in power if record["file"].startswith(WRONG_ERRORS)]
    sound = [record for record in power if not record["file"].startswith(WRONG_ERRORS)]
    groups = {"right errors": sound, "wrong or no errors": wrong}
    head = (
        "| data | numbers stated | rms z | abs(z) < 1 | < 2 | largest without a flag "
        "| median total/plain |\n|---|---|---|---|---|---|---|"
    )
    rows = [words(label, summary(chosen)) for label, chosen in groups.items() if chosen]
    if len(sound) > 1:
        rows += [words(f"right errors, {name}", summary(sound, [name])) for name in NAMES]
    no_power = [record for record in records if not record["power"] and "value" in record]
    if no_power:
        sure = [r for r in no_power if math.isfinite(r["value"]["nu"]) and not r["flags"]]
        rows += ["", f"No power law holds in {len(no_power)}; {len(sure)} state nu without a flag."]
    return "\n".join([head, *rows, "", HEAD, *lines(records)]) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--json", type=Path, help="file of records to go on with")
    parser.add_argument("--table", type=Path, help="write the tables here")
    parser.add_argument("--only", nargs="+", default=(), help="starts of names of tables")
    given = parser.parse_args()
    text = report(measure(given.folder, given.json, given.only))
    if given.table:
        given.table.write_text(text)
    else:
        print(text, end="")


if __name__ == "__main__":
    main()
