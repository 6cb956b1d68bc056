"""Global random numbers: a task that drew them would not be the same in every company."""

from __future__ import annotations

import random
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch

from physbatch.errors import StudyError


def _states() -> dict[str, tuple[Any, ...]]:
    """The states of Python's and numpy's global generators.

    Outside of the main thread, as in a worker of dask, other threads draw from them at any time,
    so that there nothing can be said of them.
    """
    if threading.current_thread() is not threading.main_thread():
        return {}
    words: Any = np.random.get_state()
    return {"random": random.getstate(), "numpy.random": (words[1].tobytes(), *words[2:])}


@contextmanager
def no_global_draws(where: str, seed: int | None = None) -> Iterator[Callable[[bool], None]]:
    """Run a user's code and refuse what it does to global generators, which it then gets back.

    The function that is yielded is called after the code, with whether torch's generator may have
    been used: for modules, whose own initialisation draws from it. It then starts at `seed`. Code
    that imports a module is not judged, since modules may draw when they are loaded; its next call
    is.

    Raises
    ------
    StudyError
        If the code drew from a global generator, or set its seed.
    """
    before, modules = _states(), len(sys.modules)
    words = torch.random.get_rng_state()
    if seed is not None:
        torch.manual_seed(seed)
    started = torch.random.get_rng_state()

    def check(torch_may: bool) -> None:
        now = _states()
        used = [name for name, state in before.items() if state != now[name]]
        seeded = seed is not None and torch.initial_seed() != seed
        if seeded or not (torch_may or torch.equal(started, torch.random.get_rng_state())):
            used.append("torch")
        if used and len(sys.modules) == modules:
            raise StudyError(
                f"uses the global random numbers of {used[0]}",
                where=where,
                remedy="take them from draw: normal, uniform, signs, integers, permutation, "
                "generator()",
            )

    try:
        yield check
    finally:
        torch.random.set_rng_state(words)
