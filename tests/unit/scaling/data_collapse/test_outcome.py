"""What is said of a search."""

from __future__ import annotations

import math
from types import SimpleNamespace

import pytest

from physbatch.scaling.data_collapse.outcome import start_flags


@pytest.mark.parametrize(
    ("tried", "agreed", "p_value", "said"),
    [
        (8, 8, 0.5, False),
        (8, 1, 0.5, False),  # an acceptable fit without a rival stands on its own
        (8, 4, 1e-9, False),
        (8, 3, 1e-9, True),
        (8, 1, math.nan, True),
        (1, 1, 1e-9, False),
    ],
)
def test_when_starts_disagree(tried: int, agreed: int, p_value: float, said: bool) -> None:
    flags = start_flags(SimpleNamespace(p_value=p_value), tried, agreed)
    assert bool(flags) is said
    assert all(f"only {agreed} of {tried} starts" in flag for flag in flags)
