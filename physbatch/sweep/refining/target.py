"""What a refinement is to reach: a quantity and its relative error."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import ClassVar

from physbatch.errors import StudyError

_EXPONENTS = ("nu", "zeta", "beta", "gamma")


@dataclass(frozen=True)
class Target:
    """A quantity, the relative error to reach, and the size that it is asked for.

    The quantity is ``m_c``, ``jump``, ``exponent`` (b of m_c ~ N^b), or an exponent of the
    collapse of the overlaps: ``nu``, ``zeta``, ``beta`` or ``gamma``.

    Examples
    --------
    >>> Target.parse("m_c=0.02"), str(Target.parse("m_c=0.02", 400))
    (Target(quantity='m_c', error=0.02, size=None), 'm_c at N = 400')
    """

    names: ClassVar[tuple[str, ...]] = ("m_c", "jump", "exponent", *_EXPONENTS)

    quantity: str
    error: float
    size: float | None = None

    def __post_init__(self) -> None:
        if self.quantity not in self.names:
            raise StudyError(
                f"no target {self.quantity!r}",
                where="--target",
                remedy=f"choose among {', '.join(self.names)}, as m_c=0.02",
            )
        if not 1e-6 <= self.error < 1.0:
            raise StudyError(
                f"a relative error of {self.error:g}",
                where="--target",
                remedy=f"give a number from 1e-6 to below 1, as {self.quantity}=0.02",
            )
        if self.size is not None and not self.of_one_size:
            raise StudyError(
                f"{self.quantity} is of all sizes",
                where="--at-size",
                remedy="leave it out, or ask for m_c or jump",
            )

    @classmethod
    def parse(cls, text: str, size: float | None = None) -> Target:
        """A target from ``quantity=error``; StudyError for anything else."""
        match = re.fullmatch(r"\s*([A-Za-z_]\w*)\s*=\s*(\d*\.?\d+(?:[eE][-+]?\d+)?)\s*", text)
        if match is None:
            raise StudyError(
                f"{text!r} is no target",
                where="--target",
                remedy="give a quantity and its relative error, as m_c=0.02",
            )
        return cls(match[1], float(match[2]), size)

    @property
    def of_one_size(self) -> bool:
        """Whether the quantity is one of a single size."""
        return self.quantity in ("m_c", "jump")

    @property
    def of_collapse(self) -> bool:
        """Whether it is an exponent of a data collapse."""
        return self.quantity in _EXPONENTS

    def __str__(self) -> str:
        return self.quantity if self.size is None else f"{self.quantity} at N = {self.size:g}"
