"""The tables of a report as rows of text."""

import hashlib
import json
import math
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tomli_w
import xarray as xr

from physbatch.errors import OutputError
from physbatch.plots.labels import estimate_text
from physbatch.report.sentences import flag_text
from physbatch.results.estimate import Estimate
from physbatch.results.render import flat_rows, latex_escaped
from physbatch.scaling.laws.extrapolation import Extrapolation
from physbatch.scaling.transition.result import Analysis

_FIRST = ("source", "date_created", "device", "study_hash", "history")
_ELSEWHERE = ("study", "title", "references")
_DOI = re.compile(r"10\.\d{4,9}/[^\s;,<>\"]+")


#: A row of a table by the names that the templates use.
Row = dict[str, Any]


@dataclass(frozen=True)
class StudyTable:
    """A study as pairs of field and value, as TOML to run again, and as it was stored."""

    rows: tuple[tuple[str, str], ...]
    toml: str
    raw: str


@dataclass(frozen=True)
class Reference:
    """A reference: words, the DOI (empty where it names none), and words after it."""

    text: str
    doi: str = ""
    rest: str = ""


def size_rows(analysis: Analysis) -> list[Row]:
    """One row per size."""
    drifts = {drift.size: drift for drift in analysis.drifts}
    jumps = {jump.size: jump for jump in analysis.jumps}
    rows = []
    for curve in analysis.curves:
        drift, jump = drifts.get(curve.size), jumps.get(curve.size)
        flags = curve.flags + curve.m_c.flags + curve.width.flags
        flags += drift.flags + drift.slope.flags if drift else ()
        flags += jump.flags + jump.latent.flags if jump else ()
        rows.append(
            {
                "size": f"{curve.size:g}",
                "m_c": estimate_text(curve.m_c),
                "width": estimate_text(curve.width),
                "drift": estimate_text(drift.slope) if drift else "not measured",
                "jump": estimate_text(jump.latent) if jump else "not measured",
                "goodness": _ratio(curve.deviance, curve.dof),
                "notes": tuple(dict.fromkeys(map(flag_text, flags))),
            }
        )
    return rows


def form_rows(analysis: Analysis) -> list[Row]:
    """One row per fitted form of both extrapolations."""
    rows = []
    for quantity, result in (
        ("critical value", analysis.m_c_extrapolation),
        ("jump", analysis.jump_extrapolation),
    ):
        if result is not None:
            rows += [_form_row(quantity, result, i) for i in range(len(result.forms))]
    return rows


def _form_row(quantity: str, result: Extrapolation, index: int) -> Row:
    limit = Estimate(float(result.form_limit[index]), float(result.form_stderr[index]))
    weight, slope = float(result.form_weight[index]), float(result.form_slope[index])
    return {
        "quantity": quantity,
        "form": result.forms[index],
        "limit": estimate_text(limit) if math.isfinite(limit.value) else "no limit",
        "slope": f"{slope:.3g}" if math.isfinite(slope) else "not fitted",
        "goodness": _ratio(float(result.form_chi2[index]), int(result.form_dof[index])),
        "weight": f"{weight:.2f}" if math.isfinite(weight) else "",
    }


def study_table(dataset: xr.Dataset) -> StudyTable | None:
    """The study that the dataset carries; nothing where it carries none that can be read."""
    study = _study(dataset)
    if not study:
        return None
    toml = tomli_w.dumps(_without_none(study))
    return StudyTable(tuple(flat_rows(study)), toml, str(dataset.attrs["study"]))


def _study(dataset: xr.Dataset) -> dict[str, Any]:
    """The study that the dataset carries; empty where it carries none that can be read."""
    try:
        study = json.loads(str(dataset.attrs.get("study", "")))
    except (ValueError, RecursionError):
        return {}
    return study if isinstance(study, dict) else {}


def provenance_rows(analysis: Analysis, dataset: xr.Dataset) -> list[tuple[str, str]]:
    """Global attributes of the dataset and what the analysis recorded, each once."""
    attrs = {
        key: str(value)
        for key, value in dataset.attrs.items()
        if key not in _ELSEWHERE and str(value)
    }
    ordered = {key: attrs.pop(key) for key in _FIRST if key in attrs} | attrs
    rows = [(key.replace("_", " "), value) for key, value in ordered.items()]
    recorded = {"source": analysis.source, "study hash": analysis.study_hash}
    rows += [
        (f"analysis: {key.replace('_', ' ')}", str(value))
        for key, value in (recorded | analysis.provenance).items()
        if value
    ]
    return rows


def references(dataset: xr.Dataset) -> list[Reference]:
    """References of the dataset and of its study, each once, with the DOI where it has one."""
    texts = re.split(r"[;\n]+", str(dataset.attrs.get("references", "")))
    named = _study(dataset).get("references")
    texts += [str(text) for text in named] if isinstance(named, list) else []
    known: dict[str, Reference] = {}
    for text in (text.strip() for text in texts):
        if text:
            reference = _reference(text)
            known.setdefault(reference.doi or text, reference)
    return list(known.values())


def bibtex(dataset: xr.Dataset, source: str) -> str:
    """The program and every reference as entries of BibTeX; words are escaped for LaTeX."""
    version = source.removeprefix("physbatch ") if source.startswith("physbatch ") else ""
    program = [("author", "{The physbatch developers}"), ("title", "{physbatch}")]
    year = str(dataset.attrs.get("date_created", ""))[:4]
    entries = [_entry("software", "physbatch", [*program, ("version", version), ("year", year)])]
    for number, reference in enumerate(references(dataset), start=1):
        stated = re.search(r"\b(?:19|20)\d\d\b", f"{reference.text} {reference.rest}")
        words = f"{reference.text}{reference.rest}".strip().rstrip(",;. ")
        fields = [("note", latex_escaped(words)), ("year", stated.group() if stated else "")]
        entries.append(_entry("misc", f"reference{number}", [*fields, ("doi", reference.doi)]))
    return "\n".join(entries)


def _entry(kind: str, key: str, fields: Sequence[tuple[str, str]]) -> str:
    # A brace in a word would end the field; they are escaped, and BibTeX counts them still.
    lines = [
        f"  {name} = {{{text.replace(chr(92) + '{', '(').replace(chr(92) + '}', ')')}}},"
        for name, text in fields
        if text
    ]
    return "\n".join([f"@{kind}{{{key},", *lines, "}"])


def _reference(text: str) -> Reference:
    """The text split at its DOI."""
    match = _DOI.search(text)
    if match is None:
        return Reference(text)
    doi = match.group().rstrip(".)")
    before = re.sub(r"(?:https?://(?:dx\.)?doi\.org/|doi:?\s*)$", "", text[: match.start()])
    return Reference(before, doi, text[match.start() + len(doi) :])


def file_rows(files: Sequence[str | os.PathLike[str]]) -> list[Row]:
    """Name, size and SHA-256 of each file; folders are left out, since they tell whose they are."""
    rows = []
    for path in files:
        try:
            content = Path(path).read_bytes()
        except OSError as error:
            raise OutputError(
                f"cannot read ({error.strerror or error})",
                where=str(path),
                remedy="give files that exist to the report",
            ) from error
        digest = hashlib.sha256(content).hexdigest()
        rows.append({"name": Path(path).name, "size": f"{len(content)} bytes", "sha256": digest})
    return rows


def _without_none(content: Any) -> Any:
    """The same without fields that are not set, for which TOML has no word."""
    if isinstance(content, dict):
        return {key: _without_none(value) for key, value in content.items() if value is not None}
    return content


def _ratio(value: float, dof: int) -> str:
    return f"{value:.1f} / {dof}" if math.isfinite(value) else "not fitted"
