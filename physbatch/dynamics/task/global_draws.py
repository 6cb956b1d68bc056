"""Global states: own code that draws from them or changes them is not the same everywhere."""

from __future__ import annotations

import random
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import numpy as np

from physbatch.errors import StudyError

#: Where the functions of a task take random numbers from.
DRAW = "draw: normal, uniform, signs, integers, permutation, generator()"


def _states() -> dict[str, tuple[Any, ...]]:
    """The states of Python's and numpy's global generators."""
    words: Any = np.random.get_state()
    return {"random": random.getstate(), "numpy.random": (words[1].tobytes(), *words[2:])}


def _settings() -> dict[str, Any]:
    """What torch takes from its process: it decides in which order and precision sums are taken."""
    torch: Any = sys.modules.get("torch")
    if torch is None:  # own code need not use it
        return {}
    return {
        "set_default_dtype": torch.get_default_dtype(),
        "set_num_threads": torch.get_num_threads(),
        "set_grad_enabled": torch.is_grad_enabled(),
    }


@contextmanager
def kept_settings() -> Iterator[None]:
    """Put torch's settings back at the end."""
    before = _settings()
    try:
        yield
    finally:
        for name, value in before.items():
            if _settings()[name] != value:
                getattr(sys.modules["torch"], name)(value)


@contextmanager
def no_global_draws(
    where: str, seed: int | None = None, *, instead: str = DRAW
) -> Iterator[Callable[[bool], None]]:
    """Run a user's code and refuse what it does to global states, which are then put back.

    The function that is yielded is called after the code, with whether torch's generator may have
    been used: for modules, whose own initialisation draws from it. It then starts at `seed`.
    `instead` names where random numbers are to be taken from. Code that imports a module is not
    judged, since modules may draw when they are loaded; its next call is.

    Raises
    ------
    StudyError
        If the code drew from a global generator, set its seed, or changed a setting of torch.
    """
    torch: Any = sys.modules.get("torch")
    # Outside of the main thread, as in a worker of dask, other threads draw and change settings at
    # any time, so that there nothing can be said of them.
    judged = threading.current_thread() is threading.main_thread()
    before, settings = (_states(), _settings()) if judged else ({}, {})
    modules = len(sys.modules)
    words = torch.random.get_rng_state() if torch else None
    if seed is not None:
        torch.manual_seed(seed)
    started = torch.random.get_rng_state() if torch else None

    def check(torch_may: bool) -> None:
        now = _states() if judged else {}
        used = [name for name, state in before.items() if state != now[name]]
        seeded = seed is not None and torch.initial_seed() != seed
        drawn = torch and not torch.equal(started, torch.random.get_rng_state())
        if seeded or (drawn and not torch_may):
            used.append("torch")
        if used and len(sys.modules) == modules:
            raise StudyError(
                f"uses the global random numbers of {used[0]}",
                where=where,
                remedy=f"take them from {instead}",
            )
        for name, value in settings.items():
            if _settings()[name] != value:
                raise StudyError(
                    f"calls torch.{name}, which changes all that follows",
                    where=where,
                    remedy="leave it out; dynamics.precision says in which numbers is computed",
                )

    try:
        with kept_settings() if judged else nullcontext():
            yield check
    finally:
        if torch:
            torch.random.set_rng_state(words)
