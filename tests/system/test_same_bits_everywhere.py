"""The same bits on every processor: kernels compiled for others, in fresh caches."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.unit.engines.engine_studies import STUDIES, WIDE

SCRIPT = """
import hashlib, sys
from tests.conftest import plan_of
from tests.unit.engines.engine_studies import small_study

for name in sys.argv[1:]:
    plan, digest = plan_of(small_study(name)), hashlib.sha256()
    for cell in plan.cells:
        for variable, values in sorted(plan.engine.simulate(cell, "cpu").items()):
            digest.update(variable.encode() + values.tobytes())
    print(name, digest.hexdigest())
"""
#: Those of torch do depend on the processor.
NUMBA = [name for name in STUDIES if not name.startswith(("classifier", "task"))]
ALL = [*NUMBA, *WIDE]
#: Processors by LLVM's names; none of them is that of this machine with all that it can.
PROCESSORS = ("generic", "nehalem", "haswell", "skylake-avx512", "znver3")


SUMS = """
import hashlib
import numba, numpy as np
from physbatch.dynamics.sgd.sums import dot, dots_of_four, fused, step_along

@numba.njit(error_model="numpy")
def everything(weights, inputs, rate):
    four = dots_of_four(weights, 1, inputs, 2)
    (one,) = dot(weights, 0, inputs, 1)
    square = step_along(weights[0], inputs[0], rate)
    return four[0] + four[1] + four[2] + four[3], one, fused(four[0], four[1], one), square

digest, chance = hashlib.sha256(), np.random.default_rng(5)
for dtype in (np.float64, np.float32):
    for width in (1, 7, 8, 9, 15, 16, 24, 31, 77, 160):
        weights = chance.normal(size=(2, width)).astype(dtype)
        inputs = chance.normal(size=(6, width)).astype(dtype)
        exact = [weights[0].astype(float) @ inputs[1].astype(float), weights.copy()]
        answer = everything(weights, inputs, dtype(0.3))
        assert abs(answer[1] - exact[0]) < width * 10 * np.finfo(dtype).eps
        new = exact[1][0].astype(float) - float(dtype(0.3)) * inputs[0].astype(float)
        assert np.allclose(weights[0], new, rtol=1e-6)
        assert np.isclose(answer[3], (new**2).sum(), rtol=1e-5)
        digest.update(np.array(answer).tobytes() + weights.tobytes())
print(digest.hexdigest())
"""


def told(cache: Path, script: str, *words: str, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", script, *words],
        env={
            **os.environ,
            "NUMBA_CACHE_DIR": str(cache),
            "PYTHONPATH": str(Path(__file__).parents[2]),
            "OMP_NUM_THREADS": "1",
            **environment,
        },
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("host")


@pytest.fixture(scope="module")
def host(cache: Path) -> dict[str, str]:
    """By this processor, as the user has it: one process for all."""
    return dict(line.rsplit(" ", 1) for line in told(cache, SCRIPT, *ALL).splitlines())


def as_text(host: dict[str, str]) -> str:
    return "".join(f"{name} {host[name]}\n" for name in ALL)


def test_sums_on_any_processor(tmp_path: Path) -> None:
    """Those of gradient descent, which a compiler would like to reorder and to contract."""
    assert told(tmp_path, SUMS) == told(
        tmp_path, SUMS, NUMBA_CPU_NAME="generic", NUMBA_CPU_FEATURES=""
    )


@pytest.mark.slow
@pytest.mark.parametrize("processor", PROCESSORS)
def test_every_engine_on_any_processor(
    processor: str, host: dict[str, str], tmp_path: Path
) -> None:
    bits = told(tmp_path, SCRIPT, *ALL, NUMBA_CPU_NAME=processor, NUMBA_CPU_FEATURES="")
    assert bits == as_text(host)


@pytest.mark.slow
@pytest.mark.parametrize("kernel", ["Prescott", "Nehalem", "Haswell", "SkylakeX", "Zen"])
def test_every_engine_with_any_linear_algebra(
    kernel: str, host: dict[str, str], cache: Path
) -> None:
    """Compiled once, so that only the library differs."""
    assert told(cache, SCRIPT, *ALL, OPENBLAS_CORETYPE=kernel) == as_text(host)
