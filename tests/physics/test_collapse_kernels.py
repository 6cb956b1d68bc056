"""One answer on every processor: OpenBLAS rounds differently with the kernels of each.

On data that the form does not fit the likelihood has many optima; in which of them a search
ends must not be a matter of rounding.
"""

from __future__ import annotations

import json
import os
import platform
import signal
import subprocess
import sys
from typing import Any

import pytest

#: Of processors from 2004 on. The last needs AVX-512; a library may have one kernel for two names.
KERNELS = ("Prescott", "Haswell", "Zen", "SkylakeX")
#: The narrowest and the widest registers.
WIDEST = ("Prescott", "SkylakeX")


def _on_kernel(kernel: str) -> dict[str, Any] | None:
    """What was found with a kernel; None if this processor lacks its instructions."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.physics.collapse_on_kernel"],
        env={**os.environ, "OPENBLAS_CORETYPE": kernel, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode == -signal.SIGILL:
        return None
    assert done.returncode == 0, done.stderr
    report: dict[str, Any] = json.loads(done.stdout)
    return report


@pytest.mark.skipif(
    platform.machine() not in ("x86_64", "AMD64"), reason="the kernels are those of x86-64"
)
@pytest.mark.parametrize("kernels", [WIDEST, pytest.param(KERNELS, marks=pytest.mark.slow)])
def test_every_kernel_gives_the_same_answer(kernels: tuple[str, ...]) -> None:
    """The same flags, and values within 0.02 of their errors."""
    reports = list(filter(None, map(_on_kernel, kernels)))
    if len(reports) == 1:  # no AVX-512
        reports += filter(None, [_on_kernel("Haswell")])
    used = {kernel for report in reports for kernel in report["kernels"]}
    assert len(used) >= 2, f"only {used}: nothing was compared"
    reference = reports[0]["found"]
    for name, case in reference.items():
        assert ("bad_fit" in case["flags"]) == (name != "good"), (name, case)
    for other in (report["found"] for report in reports[1:]):
        for name, case in reference.items():
            assert other[name]["flags"] == case["flags"], name
            for key, value in case["values"].items():
                shift = abs(other[name]["values"][key] - value)
                assert shift < 0.02 * case["errors"][key], (name, key)
