"""The GPU kernel: the same integers as the definition, threads simulated; and it compiles."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

ROOT = Path(__file__).parents[4]


def _child(*words: str, simulated: bool) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    environment.pop("NUMBA_ENABLE_CUDASIM", None)
    if simulated:
        environment["NUMBA_ENABLE_CUDASIM"] = "1"
    script = Path(__file__).with_name("cuda_cases.py")
    return subprocess.run(
        [sys.executable, str(script), *words],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
    )


def test_gpu_kernel_equals_definition_in_the_simulator() -> None:
    """One and two layers, all rules, one and two words, replicas that share a graph."""
    done = _child("2", simulated=True)
    assert done.returncode == 0, done.stderr[-2000:]
    lines = done.stdout.splitlines()
    assert len(lines) == 5
    assert all("same, 0 weights" not in line for line in lines), lines


@pytest.mark.slow
def test_gpu_kernel_equals_definition_on_a_gpu() -> None:
    from numba import cuda

    if not cuda.is_available():
        pytest.skip("needs a CUDA device")
    done = _child("50", simulated=False)
    assert done.returncode == 0, done.stderr[-2000:]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_gpu_kernel_compiles_without_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """To the assembly of compute capability 9.0, where the compiler library is installed."""
    import numba
    from numba import cuda
    from numba.cuda.cudadrv.error import NvvmSupportError

    from physbatch.dynamics.bitsliced.cuda.kernel import make_cuda_kernel
    from physbatch.dynamics.bitsliced.cuda.parts import Block, Rows
    from physbatch.dynamics.bitsliced.layout import Layout
    from physbatch.dynamics.bitsliced.measure import Instructions
    from physbatch.dynamics.rules import BatchTable, Trajectory

    # Functions called on the device ask the driver, which is not there, for the capability.
    device = SimpleNamespace(compute_capability=(9, 0))
    monkeypatch.setattr("numba.cuda.dispatcher.get_current_device", lambda: device)

    def array(dtype: str, dims: int) -> np.ndarray:
        return np.zeros((1,) * dims, dtype=dtype)

    kinds = ["i4"] * 3 + ["u8"] * 4 + ["i8"] * 3 + ["u4"] * 2 + ["i8"] * 5
    dims = [2, 2, 2, 2, 2, 2, 2, 2, 2, 3, 2, 3, 3, 2, 1, 1, 1]
    rows = Rows(array("i8", 1), array("i8", 1), Block(*map(array, kinds, dims)))
    layout = Layout(*range(len(Layout._fields)))
    word = np.uint64(1)
    batches = BatchTable(array("i8", 1), array("u8", 1))
    told = Instructions(
        batches, array("u8", 1), True, True, array("i8", 1), 5, 5, word, word, 0, 1, 0, 0, 1
    )
    measured = Trajectory(*(array("i8", count) for count in (2, 2, 2, 2, 1)), array("u1", 2))
    kernel = make_cuda_kernel(2, 7, 7, 7, 1, 1)
    arguments = tuple(numba.typeof(part) for part in (rows, layout, told, measured))
    try:
        code, _ = cuda.compile_ptx(kernel.py_func, arguments, cc=(9, 0))
    except NvvmSupportError:
        pytest.skip("needs the compiler library NVVM of the CUDA toolkit")
    assert ".target sm_90" in code
    assert "popc.b64" in code
