"""What the findings share: numbers with errors, their tables, and reduced studies.

Every question has a folder with its studies (``*.toml``), a ``finding.py`` and a README. The
script defines ``REDUCED``, what to change in each study so that it runs in seconds, and
``find(data)``, which reads datasets alone and returns a `Finding`.
"""

from __future__ import annotations

import csv
import importlib
import io
import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from physbatch.dataset import open_dataset
from physbatch.scaling import Estimate, flag_names
from physbatch.study import Study

ROOT = Path(__file__).resolve().parent
DATA = ROOT.parent / "data"
#: The answer of a finding at a glance, where it has a table of its own.
TABLE = "table.md"

_BLOCK = re.compile(r"(<!-- numbers -->\n).*?(<!-- end of numbers -->)", re.DOTALL)
_MEASUREMENT = ("duration", "times", "test_samples")


@dataclass(frozen=True)
class Number:
    """One line of a finding's table.

    Attributes
    ----------
    name : str
        What it is, in words and symbols, with the run time and sizes it refers to.
    estimate : Estimate
        Value, statistical error, systematic error (windows, forms) and flags.
    exact : float, optional
        What theory says, if it says anything.
    note : str
        Definition, goodness of fit, window scan: what a reader needs to judge the number.
    headline : bool
        Whether the summary of all findings shows it.
    """

    name: str
    estimate: Estimate
    exact: float | None = None
    note: str = ""
    headline: bool = False

    @property
    def score(self) -> float:
        """Distance from the exact value in units of the total error."""
        if self.exact is None:
            return float("nan")
        return (self.estimate.value - self.exact) / self.estimate.total


@dataclass(frozen=True)
class Finding:
    """The answer to one question: numbers, figures by file name, and statements in words.

    ``statements`` are verdicts that are not numbers, such as the order of a transition; `table`
    is the answer at a glance, where it has a shape of its own.
    """

    numbers: tuple[Number, ...]
    figures: Mapping[str, Figure]
    statements: tuple[str, ...] = ()
    table: str = ""


class Script(Protocol):
    """What a ``finding.py`` defines."""

    REDUCED: Mapping[str, Mapping[str, Any]]

    def find(self, data: Datasets) -> Finding:
        """Numbers and figures from datasets alone."""


@dataclass(frozen=True)
class Question:
    """A folder of `analysis`."""

    name: str

    @property
    def folder(self) -> Path:
        return ROOT / self.name

    @property
    def script(self) -> Any:
        """The module ``finding.py``, which keeps to `Script`."""
        return importlib.import_module(f"analysis.{self.name}.finding")

    def studies(self) -> dict[str, Path]:
        """Study files by name."""
        return {path.stem: path for path in sorted(self.folder.glob("*.toml"))}

    def data_file(self, study: str, folder: Path = DATA) -> Path:
        """Where the dataset of a study lies."""
        return folder / f"{self.name}-{study}.nc"

    def reduced_study(self, study: str) -> Study:
        """The study with the changes that ``REDUCED`` names, to run in seconds."""
        content = tomllib.loads(self.studies()[study].read_text("utf-8"))
        for field, value in self.script.REDUCED[study].items():
            section = "measurement" if field in _MEASUREMENT else "grid"
            content[section][field] = value
        return Study.from_dict(content, where=f"{self.name}/{study}, reduced")


def questions() -> tuple[Question, ...]:
    """All questions, by name."""
    return tuple(Question(path.parent.name) for path in sorted(ROOT.glob("*/finding.py")))


@dataclass(frozen=True)
class Datasets:
    """The datasets of one question.

    ``data["study"]`` opens the dataset of ``study.toml``.
    """

    question: Question
    folder: Path = DATA

    def __getitem__(self, study: str) -> xr.Dataset:
        return open_dataset(self.question.data_file(study, self.folder))


def _digits(value: float | None) -> str:
    """Twelve digits: what is rounded again for a table has the last digit of the number itself."""
    return "" if value is None or not np.isfinite(value) else f"{value:.12g}"


def write_csv(finding: Finding, path: Path) -> None:
    """The numbers of a finding, one a line, unrounded enough to compute with.

    The total is there where it is one error, and not the sum of the two.
    """
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    errors = ("stderr", "systematic", "total")
    table.writerow(("name", "value", *errors, "exact", "score", "flags", "headline", "note"))
    for number in finding.numbers:
        estimate = number.estimate
        table.writerow(
            (
                number.name,
                _digits(estimate.value),
                _digits(estimate.stderr),
                _digits(estimate.systematic),
                _digits(estimate.stated),
                _digits(number.exact),
                f"{number.score:.2f}" if np.isfinite(number.score) else "",
                " ".join(flag_names(estimate.flags)),
                int(number.headline),
                number.note,
            )
        )
    path.write_text(text.getvalue(), "utf-8")


def _row(*cells: str) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def markdown_table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table with a heading."""
    return "\n".join((_row(*head), "|" + "---|" * len(head), *(_row(*row) for row in rows)))


def number_row(number: Number) -> str:
    """The line of a number in the table of its finding."""
    flags = ", ".join(flag_names(number.estimate.flags))
    exact = ""
    if number.exact is not None:
        exact = f"{number.exact:.5g}"
        if np.isfinite(number.score):
            exact += f" ({number.score:+.1f} sigma)"
    return _row(
        number.name, f"{number.estimate}", exact, "; ".join(filter(None, (number.note, flags)))
    )


def numbers_table(finding: Finding) -> str:
    """The table, numbers and statements of a finding as Markdown."""
    lines = [
        *((finding.table, "") if finding.table else ()),
        _row(
            "quantity",
            "value(statistical)(systematic) or value(total)",
            "exact",
            "remarks and flags",
        ),
        "|---|---|---|---|",
        *(number_row(number) for number in finding.numbers),
    ]
    if finding.statements:
        lines += ["", *(f"* {statement}" for statement in finding.statements)]
    return "\n".join(lines) + "\n"


def with_block(text: str, block: str) -> str:
    """A page whose numbers, between two marks, are replaced by others.

    Raises
    ------
    ValueError
        If the page lacks the marks.
    """
    if _BLOCK.search(text) is None:
        raise ValueError("the page lacks <!-- numbers --> ... <!-- end of numbers -->")
    return _BLOCK.sub(lambda match: f"{match[1]}{block}{match[2]}", text)


def question_line(question: Question) -> str:
    """The heading of a question's README."""
    return _page_lines(question)[0].removeprefix("# ")


def answer_line(question: Question) -> str:
    """The answer in one line, the first of a question's README below its heading."""
    return _page_lines(question)[2].removeprefix("> ")


def _page_lines(question: Question) -> list[str]:
    return (question.folder / "README.md").read_text("utf-8").splitlines()


def answers_table(links: bool = True) -> str:
    """Every question with its answer in one line, as Markdown."""
    return markdown_table(
        ("question", "answer", "more in"),
        (
            (
                question_line(question),
                answer_line(question),
                f"[{question.name}]({question.name}/README.md)" if links else f"`{question.name}`",
            )
            for question in questions()
        ),
    )


def read_csv(path: Path) -> list[Number]:
    """The numbers that `write_csv` wrote, with the names of their flags alone."""
    with path.open(encoding="utf-8", newline="") as stream:
        return [
            Number(
                row["name"],
                Estimate(
                    float(row["value"] or "nan"),
                    float(row["stderr"] or "nan"),
                    float(row["systematic"] or 0.0),
                    flags=tuple(row["flags"].split()),
                    stated=float(row["total"] or "nan"),
                ),
                exact=float(row["exact"]) if row["exact"] else None,
                note=row["note"],
                headline=row["headline"] == "1",
            )
            for row in csv.DictReader(stream)
        ]


def summary_table() -> str:
    """The headline numbers of all questions that have been answered, as Markdown."""
    lines = [
        _row(
            "question",
            "quantity",
            "value(statistical)(systematic) or value(total)",
            "exact",
            "remarks",
        ),
        "|---|---|---|---|---|",
    ]
    for question in questions():
        numbers = question.folder / "numbers.csv"
        title = f"{question_line(question)} (`{question.name}`)"
        for number in read_csv(numbers) if numbers.exists() else []:
            if number.headline:
                lines.append(f"| {title} {number_row(number)}")
                title = ""
    for question in questions():
        table = question.folder / TABLE
        if table.exists():
            lines += ["", f"{question_line(question)}", "", table.read_text("utf-8").rstrip()]
    return "\n".join(lines) + "\n"
