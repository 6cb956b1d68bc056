"""Crossings of pairs of sizes and their limits, as they are stored, printed and exported."""

import csv
import io
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np

from physbatch.files.atomic import write_atomic
from physbatch.results.estimate import Estimate
from physbatch.results.flag import Flag, bracketed
from physbatch.results.record import Record, estimate_json, result
from physbatch.typing import BoolArray, Dims, FloatArray


@result("crossings")
@dataclass(frozen=True, eq=False, repr=False)
class Crossings(Record):
    """Where curves of two sizes cross, and what that tends to."""

    dims: ClassVar[Dims] = {
        **dict.fromkeys(("size", "control", "value", "stderr"), ("point",)),
        **dict.fromkeys(("candidate_pair", "candidate", "candidate_chosen"), ("candidate",)),
        **dict.fromkeys(("drawn_crossing", "drawn_level", "drawn_inverse_nu"), ("pair", "draw")),
        **dict.fromkeys(("quotient", "quotient_stderr"), ("of", "pair")),
        "quotient_limit": ("of",),
        "lines": ("pair", "line", "line_point"),
    }
    main_dim: ClassVar[str] = "pair"
    labelled_by: ClassVar[dict[str, str]] = {"of": "quotient_names"}

    observable: str
    size_name: str
    control_name: str
    dimension: str  # "N" or "L": what a size is
    source: str
    basis: str  # what the limits rest on
    size: FloatArray  # the data, shape (n_point,)
    control: FloatArray
    value: FloatArray
    stderr: FloatArray
    small: FloatArray  # shape (n_pair,): the two sizes
    large: FloatArray
    mean_size: FloatArray  # sqrt(small * large)
    crossing: FloatArray  # nan where there is none
    crossing_stderr: FloatArray
    crossing_lower68: FloatArray
    crossing_upper68: FloatArray
    level: FloatArray  # the observable at the crossing
    level_stderr: FloatArray
    inverse_nu: FloatArray  # ln of the ratio of the slopes there over ln of that of the sizes
    inverse_nu_stderr: FloatArray
    quotient_names: tuple[str, ...]  # observables whose ratios at the crossings are taken
    quotient: FloatArray  # shape (n_of, n_pair): ln(O_large/O_small)/ln(large/small)
    quotient_stderr: FloatArray
    drawn_crossing: FloatArray  # shape (n_pair, n_draw), of common curves: correlated
    drawn_level: FloatArray
    drawn_inverse_nu: FloatArray
    candidate_pair: FloatArray  # shape (n_candidate,): every significant crossing, about
    candidate: FloatArray
    candidate_chosen: FloatArray  # 1: the one that is reported
    lines: FloatArray  # shape (n_pair, 3, n_line): control and both curves, to draw
    c_c: Estimate
    level_limit: Estimate
    inverse_nu_limit: Estimate
    nu: Estimate
    omega: Estimate
    quotient_limit: tuple[Estimate, ...]  # zeta/nu of `quotient_names`
    chi2: float  # of the curves of all sizes at c_c, about the law with corrections
    dof: int
    p_value: float
    flags: tuple[Flag, ...]

    def __repr__(self) -> str:
        columns = (self.small, self.large, self.estimates("crossing"), self.estimates("level"))
        rows = [
            f"  {small:g}, {large:g}: {self.control_name} = {crossing}, {self.observable} = {level}"
            for small, large, crossing, level in zip(*columns, strict=True)
        ]
        head = f"Crossings of {self.observable}: c_c = {self.c_c}, {self.observable} there = "
        names = bracketed(self.flags)
        exponents = ", ".join(f"{n} = {e}" for n, e in list(self.limits().items())[2:])
        return "\n".join(
            [f"{head}{self.level_limit}{names}", f"  {exponents}", f"  {self.basis}", *rows]
        )

    def estimates(self, name: Literal["crossing", "level", "inverse_nu"]) -> tuple[Estimate, ...]:
        """The crossing, the level or the exponent of every pair."""
        columns = (getattr(self, f"{name}{end}") for end in ("", "_stderr"))
        return tuple(Estimate(float(v), float(e)) for v, e in zip(*columns, strict=True))

    @property
    def neighbours(self) -> BoolArray:
        """Which pairs are of sizes that follow each other, shape (n_pair,)."""
        sizes = np.unique([self.small, self.large])
        places = np.searchsorted(sizes, [self.small, self.large])
        return np.asarray(places[1] - places[0] == 1)

    def limits(self) -> dict[str, Estimate]:
        """c_c, the observable there, exponents, and zeta/nu of other observables."""
        others = zip(self.quotient_names, self.quotient_limit, strict=True)
        return {
            "c_c": self.c_c,
            f"{self.observable}_c": self.level_limit,
            "one_over_nu": self.inverse_nu_limit,
            "nu": self.nu,
            "omega": self.omega,
            **{f"zeta_over_nu_{name}": estimate for name, estimate in others},
        }

    def stated(self) -> dict[str, Estimate]:
        """The limits and exponents, then the crossing of every pair."""
        pairs = {
            f"{self.control_name} ({self.small[i]:g}, {self.large[i]:g})": crossing
            for i, crossing in enumerate(self.estimates("crossing"))
        }
        return self.limits() | pairs

    def draws(self) -> dict[str, FloatArray]:
        """Draws of the crossings and levels of all pairs, columns of a table of their own.

        A row is one draw of the curves of all sizes, so that pairs with a common size are
        correlated as they are; nan where curves do not cross.
        """
        columns: dict[str, FloatArray] = {}
        for i, (a, b) in enumerate(zip(self.small, self.large, strict=True)):
            columns[f"{self.control_name}_{a:g}_{b:g}"] = self.drawn_crossing[i]
            columns[f"{self.observable}_{a:g}_{b:g}"] = self.drawn_level[i]
            columns[f"one_over_nu_{a:g}_{b:g}"] = self.drawn_inverse_nu[i]
        return columns

    def write_draws(self, path: str | os.PathLike[str]) -> Path:
        """Write `draws` as CSV, a row each, whole or not at all.

        Raises
        ------
        physbatch.errors.OutputError
            If it cannot be written.
        """
        columns = self.draws()
        stream = io.StringIO()
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(["draw", *columns])
        rows = np.array(list(columns.values())).T
        writer.writerows([number, *map(repr, row)] for number, row in enumerate(rows.tolist()))
        write_atomic(Path(path), stream.getvalue().encode())
        return Path(path)

    def to_json(self) -> dict[str, Any]:
        """Strict JSON in the shape of ``--json``, with every pair under ``crossings``."""
        document = super().to_json()
        document["parameters"] = {n: estimate_json(limit) for n, limit in self.limits().items()}
        document["basis"] = self.basis
        columns = (self.estimates(name) for name in ("crossing", "level", "inverse_nu"))
        document["crossings"] = [
            {
                "sizes": [float(self.small[i]), float(self.large[i])],
                "found": [float(c) for c in self.candidate[self.candidate_pair == i]],
                "c": estimate_json(c),
                self.observable: estimate_json(level),
                "one_over_nu": estimate_json(exponent),
                **{
                    f"zeta_over_nu_{name}": estimate_json(Estimate(float(value), float(error)))
                    for name, value, error in zip(
                        self.quotient_names,
                        self.quotient[:, i],
                        self.quotient_stderr[:, i],
                        strict=True,
                    )
                },
            }
            for i, (c, level, exponent) in enumerate(zip(*columns, strict=True))
        ]
        return document
