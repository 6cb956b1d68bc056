"""What the commands of batch noise say at their end, and numbers as JSON holds them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

__all__ = ["finite_number", "number_of", "print_rest"]


def number_of(one: Any) -> dict[str, Any]:
    """An estimate as JSON holds it."""
    return {
        "value": finite_number(one.value),
        "stderr": finite_number(one.stderr),
        "systematic": finite_number(one.systematic),
    }


def finite_number(value: float) -> float | None:
    """A number, or None where there is none."""
    return float(value) if abs(value) < float("inf") else None


def print_rest(flags: tuple[str, ...], output: Path | None, drawn: list[Path]) -> None:
    """Flags and files, at the end of what a command says."""
    for flag in flags:
        print(f"flag     {flag}")
    if output is not None:
        print(f"results  {output}")
    for path in drawn:
        print(f"figure   {path}")
