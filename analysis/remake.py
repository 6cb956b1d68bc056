"""Make the findings again: ``python -m analysis.remake run|figures|verify [QUESTION ...]``.

``run`` simulates every study into ``data/`` (hours; stops and resumes at any time) and notes
each file in ``data/MANIFEST.toml``. ``figures`` reads ``data/`` alone and writes the figures,
the tables of numbers in the READMEs and the summary (minutes). ``verify`` compares checksums
and recomputes a random cell of each file bit for bit.
"""

from __future__ import annotations

import argparse
import hashlib
import platform
import shutil
import sys
import time
import tomllib
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import tomli_w

from analysis.common import (
    DATA,
    ROOT,
    TABLE,
    Datasets,
    Finding,
    Question,
    answers_table,
    numbers_table,
    questions,
    summary_table,
    with_block,
    write_csv,
)
from physbatch.dataset import open_dataset
from physbatch.plots import save_figure
from physbatch.study import Study
from physbatch.sweep import default_workers, run_study, verify_dataset, what_differs

MANIFEST = DATA / "MANIFEST.toml"
_VERSIONS = ("physbatch", "numpy", "numba", "torch", "xarray", "netCDF4")


def read_manifest() -> dict[str, dict[str, Any]]:
    """File name -> sha256, command, date, versions, CPU seconds."""
    return tomllib.loads(MANIFEST.read_text("utf-8")) if MANIFEST.exists() else {}


def checksum(path: Path) -> str:
    """SHA-256 of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _note(question: Question, study: str, target: Path, seconds: float, workers: int) -> None:
    entries = read_manifest()
    entries[target.name] = {
        "sha256": checksum(target),
        "command": f"physbatch run analysis/{question.name}/{study}.toml -o data/{target.name}",
        "date": datetime.now(UTC).date().isoformat(),
        "python": platform.python_version(),
        "versions": {name: version(name) for name in _VERSIONS},
        "seconds": round(seconds, 1),
        "workers": workers,
    }
    MANIFEST.write_text(tomli_w.dumps(dict(sorted(entries.items()))), "utf-8")


def run(question: Question, workers: int | None) -> None:
    """Simulate what is missing of every study of a question."""
    for name, path in question.studies().items():
        study = Study.from_toml(path)
        target = question.data_file(name)
        entry = read_manifest().get(target.name, {})
        if target.exists():
            held = Study.from_json(str(open_dataset(target).attrs["study"]), where=target.name)
            same = held.hash() == study.hash()
            if same and entry.get("sha256") == checksum(target):
                continue
            if not same:  # a run would refuse to write there
                target.replace(f"{target}.old")
                print(
                    f"{target.name}: the study has changed; what it gave is now {target.name}.old"
                )
        print(f"{question.name}: {name}", flush=True)
        start = time.monotonic()
        run_study(study, target, workers=workers)
        count = default_workers() if workers is None else workers
        _note(question, name, target, time.monotonic() - start, count)
        shutil.rmtree(f"{target}.cells", ignore_errors=True)


def publish(question: Question, folder: Path, finding: Finding) -> None:
    """Write figures and numbers of a finding into a folder."""
    for name, figure in finding.figures.items():
        save_figure(figure, folder / f"{name}.pdf")
    write_csv(finding, folder / "numbers.csv")
    if finding.table:
        (folder / TABLE).write_text(f"{finding.table}\n", "utf-8")


def figures(chosen: Sequence[Question]) -> None:
    """Figures and numbers of every chosen question, and the summary of all."""
    for question in chosen:
        print(question.name, flush=True)
        finding = question.script.find(Datasets(question))
        publish(question, question.folder, finding)
        readme = question.folder / "README.md"
        readme.write_text(with_block(readme.read_text("utf-8"), numbers_table(finding)), "utf-8")
    summarise()


def summarise() -> None:
    """Write the answers into the page of the folder, with their numbers into the documentation."""
    documented = f"{answers_table(links=False)}\n\n## Headline numbers\n\n{summary_table()}"
    for page, block in (
        (ROOT / "README.md", f"{answers_table()}\n"),
        (ROOT.parent / "docs" / "findings.md", documented),
    ):
        page.write_text(with_block(page.read_text("utf-8"), block), "utf-8")


def verify(chosen: Sequence[Question], cells: int = 1) -> list[str]:
    """What is wrong with the files of data/, one line each."""
    problems = []
    entries = read_manifest()
    for question in chosen:
        for study, source in question.studies().items():
            path = question.data_file(study)
            if entries.get(path.name, {}).get("sha256") != checksum(path):
                problems.append(f"{path.name}: not the file that the manifest names")
            data = open_dataset(path)
            held = Study.from_json(str(data.attrs["study"]), where=path.name)
            if held.hash() != Study.from_toml(source).hash():
                problems.append(f"{path.name}: made from another study than {source.name}")
            if differences := verify_dataset(data, cells=cells).differences:
                problems.append(f"{path.name}, made with {what_differs(data)}: {differences}")
            print(f"{path.name}: {cells} of its cells recomputed", flush=True)
    return problems


def main(words: Sequence[str] | None = None) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m analysis.remake", description=__doc__)
    parser.add_argument("action", choices=("run", "figures", "verify"))
    parser.add_argument("question", nargs="*", help="folders of analysis/; by default all")
    parser.add_argument("--workers", type=int, help="worker processes; by default one per core")
    options = parser.parse_args(words)
    known = {question.name: question for question in questions()}
    if unknown := [name for name in options.question if name not in known]:
        parser.error(f"no finding {unknown[0]!r}; choose from {', '.join(known)}")
    chosen = [known[name] for name in options.question] or list(known.values())
    if options.action == "run":
        DATA.mkdir(exist_ok=True)
        for question in chosen:
            run(question, options.workers)
    elif options.action == "figures":
        figures(tuple(chosen))
    else:
        for problem in (problems := verify(chosen)):
            print(problem, file=sys.stderr)
        return 2 if problems else 0
    return 0


if __name__ == "__main__":
    sys.exit(main())
