"""The result: first order, continuous, crossover or undecided, and the evidence for it."""

import math
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from physbatch.results.estimate import Estimate
from physbatch.results.flag import Flag, bracketed
from physbatch.results.flags import NO_PARAMETER
from physbatch.results.record import Record, chosen, result
from physbatch.results.render import html_table, latex_escaped, latex_number, latex_table
from physbatch.typing import Dims, FloatArray

FIRST_ORDER = "first order"
CONTINUOUS = "continuous"
CROSSOVER = "crossover"
UNDECIDED = "undecided"
#: What evidence points to where the mean still moves with time.
DRIFTS = "drift"
VERDICTS = (FIRST_ORDER, CONTINUOUS, CROSSOVER, UNDECIDED)
#: Names of everything that is looked for, and of all its parameters.
EVIDENCE = (
    *("two peaks", "latent jump", "coexistence", "fluctuations", "self-averaging", "one curve"),
    *("stationarity", "absorbing state"),
    *("Binder minimum", "scaling forms", "hysteresis", "escape times"),
)
_PARAMETERS = (
    *("growth", "limit", "a", "gamma_over_nu", "1/nu", "c_c", "log10 p", "b", "Delta", "z"),
    *("control", "x", "change", "1/nu per L", "m_s"),
)


@result("evidence")
@dataclass(frozen=True, eq=False, repr=False)
class Evidence(Record):
    """One piece of evidence with its numbers.

    Attributes
    ----------
    name : str
        Such as ``latent jump``.
    points_to : str
        A verdict, ``transition`` (of either order), ``no jump``, ``drift``, or empty where it is
        silent.
    text : str
        What it says, in words with numbers.
    names, estimates : tuple
        Its parameters, each with its error.
    quantity : str
        What is plotted against size.
    size, value, stderr : ndarray, shape (n_size,)
        That quantity.
    """

    dims: ClassVar[Dims] = dict.fromkeys(("size", "value", "stderr"), ("size",))

    key: ClassVar[str] = "name"

    name: str
    points_to: str
    text: str
    names: tuple[str, ...]
    estimates: tuple[Estimate, ...]
    quantity: str
    size: FloatArray
    value: FloatArray
    stderr: FloatArray
    flags: tuple[Flag, ...] = ()

    def __getitem__(self, name: str) -> Estimate:
        """A parameter; nan if these data do not give it, KeyError if no evidence has it."""
        stated = self.stated()
        if name not in stated and name in _PARAMETERS:
            return Estimate(math.nan, flags=(NO_PARAMETER(f"{self.name} has no {name}"),))
        return chosen(self, stated, name)

    def stated(self) -> dict[str, Estimate]:
        """The parameters by their names."""
        return dict(zip(self.names, self.estimates, strict=True))

    def __repr__(self) -> str:
        return f"Evidence({self.name}: {self.points_to or 'silent'}; {self.text})"


def silent(name: str, why: str) -> Evidence:
    """A piece of evidence that could not be had, with the reason."""
    return Evidence(name, "", why, (), (), "", *np.empty((3, 0)))


@result("transition order")
@dataclass(frozen=True, eq=False, repr=False)
class TransitionOrder(Record):
    """Order of a transition.

    Attributes
    ----------
    verdict : str
        ``first order``, ``continuous``, ``crossover`` or ``undecided``.
    reasons : tuple of str
        What decided, or what kept from deciding.
    evidence : tuple of Evidence
        Every piece, also those that are silent.
    size : ndarray, shape (n_size,)
        N, or L for a curve of linear sizes.
    histogram_control, histogram_lower, histogram_upper : ndarray, shape (n_size,)
        Where the values below were taken, and the means of the two peaks (nan: one peak).
    histogram_values : ndarray, shape (n_size, n_replica)
        The values there, padded with nan.
    """

    main_dim: ClassVar[str] = "size"
    dims: ClassVar[Dims] = {"histogram_values": ("size", "replica")}

    verdict: str
    reasons: tuple[str, ...]
    evidence: tuple[Evidence, ...]
    observable: str
    control_name: str
    source: str
    size: FloatArray
    histogram_control: FloatArray
    histogram_lower: FloatArray
    histogram_upper: FloatArray
    histogram_values: FloatArray
    flags: tuple[Flag, ...] = ()
    size_name: str = "N"

    def __getitem__(self, name: str) -> Evidence:  # type: ignore[override]
        """A piece of evidence; a silent one if it was not looked for, KeyError for another name."""
        known = {evidence.name: evidence for evidence in self.evidence}
        if name not in known and name in EVIDENCE:
            return silent(name, "not looked for in these data")
        return chosen(self, known, name)

    def __repr__(self) -> str:
        sizes = ", ".join(f"{size:g}" for size in self.size)
        names = bracketed(self.flags)
        lines = [
            f"TransitionOrder of {self.observable} against {self.control_name}, "
            f"{self.size_name} = {sizes}: "
            f"{self.verdict}{names}",
            *(f"  - {reason}" for reason in self.reasons),
        ]
        return "\n".join(lines)

    def stated(self) -> dict[str, Estimate]:
        """The parameters of all evidence, named ``EVIDENCE: PARAMETER``."""
        return {
            f"{evidence.name}: {name}": estimate
            for evidence in self.evidence
            for name, estimate in evidence.stated().items()
        }

    def report(self) -> str:
        """Verdict, reasons, and every piece of evidence with its numbers, as text."""
        lines = [repr(self), "[[Evidence]]"]
        for evidence in self.evidence:
            lines.append(f"  {evidence.name:<15} {evidence.points_to or '-'}")
            lines.append(f"      {evidence.text}")
            lines += [f"      {name} = {value}" for name, value in evidence.stated().items()]
            if evidence.size.size:
                lines.append(f"      {evidence.quantity}:")
            rows = zip(evidence.size, evidence.value, evidence.stderr, strict=True)
            lines += [
                f"        {self.size_name} = {size:<8g} {value:.5g} +- {stderr:.2g}"
                for size, value, stderr in rows
            ]
        if self.flags:
            lines += ["[[Flags]]", *(f"  ! {flag}" for flag in self.flags)]
        return "\n".join(lines)

    def to_latex(self) -> str:
        """One row for each parameter of the evidence; it needs the package booktabs."""
        rows = []
        for evidence in self.evidence:
            cells = (latex_escaped(evidence.name), latex_escaped(evidence.points_to or "silent"))
            for name, value in evidence.stated().items():
                rows.append((*cells, latex_escaped(name), latex_number(value)))
                cells = ("", "")
            if not evidence.estimates:  # one row, too
                rows.append((*cells, "--", "--"))
        last = [("verdict", latex_escaped(self.verdict), "", "")]
        header = ("evidence", "points to", "parameter", "value")
        return latex_table(header, rows, last, self.flags)

    def _repr_html_(self) -> str:
        caption = f"Order of the transition of {self.observable}: {self.verdict}"
        rows = [(piece.name, piece.points_to or "silent", piece.text) for piece in self.evidence]
        return html_table(caption, ("evidence", "points to", "what it says"), rows, self.flags)

    def to_json(self) -> dict[str, Any]:
        """Strict JSON in the shape of every analysis command, with verdict and evidence."""
        return {
            "verdict": self.verdict,
            "reasons": list(self.reasons),
            "evidence": [
                {"name": piece.name, "points_to": piece.points_to or None, "text": piece.text}
                for piece in self.evidence
            ],
            **super().to_json(),
        }
