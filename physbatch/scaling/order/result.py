"""The result: first order, continuous, crossover or undecided, and the evidence for it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from physbatch.results.estimate import Estimate
from physbatch.results.flag import Flag, bracketed
from physbatch.results.flags import NO_PARAMETER
from physbatch.results.record import Record, strict_json
from physbatch.typing import FloatArray

__all__ = [
    "CONTINUOUS",
    "CROSSOVER",
    "FIRST_ORDER",
    "UNDECIDED",
    "VERDICTS",
    "Evidence",
    "TransitionOrder",
    "silent",
]


FIRST_ORDER = "first order"
CONTINUOUS = "continuous"
CROSSOVER = "crossover"
UNDECIDED = "undecided"
VERDICTS = (FIRST_ORDER, CONTINUOUS, CROSSOVER, UNDECIDED)


@dataclass(frozen=True, eq=False, repr=False)
class Evidence(Record):
    """One piece of evidence with its numbers.

    Attributes
    ----------
    name : str
        Such as ``latent jump``.
    points_to : str
        A verdict, ``transition`` (of either order), ``no jump``, or empty where it is silent.
    text : str
        What it says, in words with numbers.
    names, estimates : tuple
        Its parameters, each with its error.
    quantity : str
        What is plotted against size.
    size, value, stderr : ndarray, shape (n_size,)
        That quantity.
    """

    axes: ClassVar[dict[str, tuple[str, ...]]] = dict.fromkeys(
        ("size", "value", "stderr"), ("size",)
    )

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
        """A parameter; nan if there is none of that name."""
        blank = Estimate(math.nan, flags=(NO_PARAMETER(f"{self.name} has no {name}"),))
        return dict(zip(self.names, self.estimates, strict=True)).get(name, blank)

    def __repr__(self) -> str:
        return f"Evidence({self.name}: {self.points_to or 'silent'}; {self.text})"


def silent(name: str, why: str) -> Evidence:
    """A piece of evidence that could not be had, with the reason."""
    return Evidence(name, "", why, (), (), "", *np.empty((3, 0)))


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

    axes: ClassVar[dict[str, tuple[str, ...]]] = {
        **dict.fromkeys(
            ("size", "histogram_control", "histogram_lower", "histogram_upper"), ("size",)
        ),
        "histogram_values": ("size", "replica"),
    }

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

    def __getitem__(self, name: str) -> Evidence:
        """A piece of evidence by its name; a silent one if there is none of that name."""
        held = {one.name: one for one in self.evidence}
        return held.get(name, silent(name, "not looked for in these data"))

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
            f"{one.name}: {name}": estimate
            for one in self.evidence
            for name, estimate in zip(one.names, one.estimates, strict=True)
        }

    def report(self) -> str:
        """Verdict, reasons, and every piece of evidence with its numbers, as text."""
        from physbatch.scaling.order.text import order_report

        return order_report(self)

    def to_latex(self) -> str:
        """The evidence with its numbers as a LaTeX table; it needs the package booktabs."""
        from physbatch.scaling.order.text import order_latex

        return order_latex(self)

    def _repr_html_(self) -> str:
        from physbatch.scaling.order.text import order_html

        return order_html(self)

    def to_json(self) -> dict[str, Any]:
        """Strict JSON in the shape of every analysis command, with verdict and evidence."""
        return {
            "verdict": self.verdict,
            "reasons": list(self.reasons),
            "evidence": [
                {"name": one.name, "points_to": one.points_to or None, "text": one.text}
                for one in self.evidence
            ],
            **strict_json(self.stated(), {}, {}, self.flags),
        }

    def identical(self, other: TransitionOrder) -> bool:
        """Whether every number, text and array is the same (nan equals nan)."""
        return self.to_dataset().identical(other.to_dataset())
