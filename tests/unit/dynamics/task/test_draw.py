"""Random numbers of a task: their laws, and that nothing but their address decides them."""

from __future__ import annotations

import random
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from types import ModuleType

import numpy as np
import pytest
import torch
from scipy import stats

from physbatch.dynamics.task.descent import torch_of_its_own
from physbatch.dynamics.task.draw import Draw, Use
from physbatch.dynamics.task.global_draws import no_global_draws
from physbatch.errors import StudyError


def draw(replica: int = 0, occasion: int = 0, dtype: torch.dtype = torch.float64) -> Draw:
    use: Use = "training"
    return Draw(7, occasion, replica, dtype, use)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_laws(dtype: torch.dtype) -> None:
    """Kolmogorov and Smirnov, p > 1e-5; signs and integers by their counts."""
    count = 40_000
    one = draw(dtype=dtype)
    normal, uniform = one.normal(200, 200), one.uniform(count)
    assert normal.dtype == uniform.dtype == dtype
    assert stats.kstest(normal.numpy().ravel(), "norm").pvalue > 1e-5
    assert stats.kstest(uniform.numpy(), "uniform").pvalue > 1e-5
    assert float(uniform.min()) >= 0
    assert float(uniform.max()) < 1
    signs = one.signs(count)
    assert set(signs.tolist()) == {-1.0, 1.0}
    assert abs(float(signs.sum())) < 4.5 * count**0.5
    counts = np.bincount(one.integers(10, count).numpy(), minlength=10)
    assert stats.chisquare(counts).pvalue > 1e-5
    first = np.array([draw(replica).permutation(5)[0] for replica in range(2000)])
    assert stats.chisquare(np.bincount(first, minlength=5)).pvalue > 1e-5


def test_single_precision_is_double_rounded() -> None:
    assert torch.equal(draw(dtype=torch.float32).normal(9), draw().normal(9).float())


def test_every_call_replica_and_occasion_has_numbers_of_its_own() -> None:
    one = draw()
    made = [one.normal(4) for _ in range(300)]
    made += [draw(replica=1).normal(4), draw(occasion=1).normal(4)]
    assert len({tuple(numbers.tolist()) for numbers in made}) == len(made)
    again = draw()
    assert all(torch.equal(again.normal(4), numbers) for numbers in made[:300])
    left, right = (torch.rand(3, generator=draw(replica).generator()) for replica in (0, 1))
    assert not torch.equal(left, right)


def test_bad_bounds() -> None:
    with pytest.raises(StudyError, match="integers below 0"):
        draw().integers(0, 3)


def run_with_check(code: Callable[[], object], seed: int | None, torch_may: bool) -> None:
    with no_global_draws("here", seed) as check:
        code()
        check(torch_may)


def test_global_draws_are_refused_and_undone() -> None:
    before = torch.random.get_rng_state()
    state = np.random.get_state()  # the user's code draws from it, and this test puts it back
    try:
        for code, name, seed, torch_may in (
            (lambda: torch.randn(3), "torch", None, False),
            (lambda: torch.manual_seed(0), "torch", 5, True),
            (np.random.rand, "numpy.random", 5, True),
            (random.random, "random", 5, True),
        ):
            with pytest.raises(StudyError, match=f"global random numbers of {name};"):
                run_with_check(code, seed, torch_may)
    finally:
        np.random.set_state(state)
    assert torch.equal(before, torch.random.get_rng_state())
    run_with_check(lambda: torch.nn.Linear(3, 4), 5, True)
    assert torch.equal(before, torch.random.get_rng_state())


def test_settings_of_torch_are_refused_and_put_back() -> None:
    threads = torch.get_num_threads()
    for code, name in (
        (lambda: torch.set_default_dtype(torch.float16), "set_default_dtype"),
        (lambda: torch.set_num_threads(threads + 1), "set_num_threads"),
        (lambda: torch.set_grad_enabled(False), "set_grad_enabled"),
    ):
        before = torch.get_default_dtype()
        with pytest.raises(StudyError, match=f"here: calls torch.{name}, which changes"):
            run_with_check(code, None, False)
        assert torch.get_default_dtype() == before
        assert torch.get_num_threads() == threads
        assert torch.is_grad_enabled()


def test_in_another_thread_nothing_is_said_of_what_threads_share() -> None:
    """Another cell may end there at any time and put its settings back."""

    before = torch.get_default_dtype()

    def end_of_another() -> None:
        torch.set_default_dtype(torch.float16)

    try:
        with ThreadPoolExecutor(1) as pool:
            pool.submit(run_with_check, end_of_another, None, False).result()
        assert torch.get_default_dtype() == torch.float16
    finally:
        torch.set_default_dtype(before)


def test_each_of_several_threads_has_its_precision() -> None:
    def asked(dtype: torch.dtype) -> bool:
        with torch_of_its_own(dtype):
            alike = [torch.ones(3).dtype == dtype for _ in range(20)]
            return all(alike) and torch.get_num_threads() == 1

    before = torch.get_default_dtype(), torch.get_num_threads()
    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(asked, [torch.float32, torch.float64] * 100))
    assert before == (torch.get_default_dtype(), torch.get_num_threads())


def test_a_module_that_draws_when_it_is_loaded_is_no_fault() -> None:
    """What was imported in between may have drawn; the next call tells."""
    with no_global_draws("a task") as check:
        sys.modules["drawn_by_this_test"] = ModuleType("drawn_by_this_test")
        random.random()
        check(False)
    del sys.modules["drawn_by_this_test"]
    with no_global_draws("a task") as check:
        random.random()
        with pytest.raises(StudyError, match="global random numbers of random"):
            check(False)
