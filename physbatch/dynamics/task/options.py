"""Options of the tasks that come with physbatch: what they must be at least."""

from __future__ import annotations


def at_least(least: float, **options: object) -> None:
    """ValueError if an option is no number, or below this; whole numbers if `least` is one.

    Examples
    --------
    >>> at_least(1, depth=2, hidden=8)
    >>> at_least(1, depth=0)
    Traceback (most recent call last):
    ValueError: depth = 0 is no whole number of at least 1
    """
    kind, words = (int, "whole number") if isinstance(least, int) else ((int, float), "number")
    for name, value in options.items():
        if not isinstance(value, kind) or isinstance(value, bool) or value < least:
            raise ValueError(f"{name} = {value!r} is no {words} of at least {least:g}")
