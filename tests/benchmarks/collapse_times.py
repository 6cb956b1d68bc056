"""CPU seconds of the fits of a data collapse, each the median of some runs on one thread.

    python tests/benchmarks/collapse_times.py [--rounds 5] [--peer PYTHON] [--json FILE]

The data are planted: y = L^(zeta/nu) (1 - tanh x), L = 8 ... 128, 18 points a size (90 points),
noise 1 %. The peer of the local-linear fit is pyfssa (PyPI: fssa 0.7.6, 2015), started at the
exact exponents while ours is given no start. It does not import on numpy 2 nor on scipy 1.9 or
newer; name with --peer a Python that has fssa and numpy below 1.24. The two private names of
scipy that it misses there are handed to it. Nothing of it is changed.

CPU time is that of a free core also where other programs run beside.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_limits

from physbatch.scaling.data_collapse import (
    Objective,
    bootstrap,
    climb,
    collapse,
    global_optima,
    make_form,
    newton,
    posterior,
    scan,
    settle,
    units_of,
)
from physbatch.tables import ScalingTable

_SIZES = (8, 16, 32, 64, 128)
_POINTS = 18

#: What the peer's Python runs: it reads the table as JSON and prints the seconds of each round.
_PEER = """
import json, sys, time
import scipy.optimize.optimize as old
from scipy.optimize import _optimize
def wrap_function(function, args):
    calls = [0]
    def wrapped(*more):
        calls[0] += 1
        return function(*(more + args))
    return calls, wrapped
old._status_message = _optimize._status_message
old.wrap_function = wrap_function
import fssa, numpy as np
held = json.load(sys.stdin)
columns = [np.array(held[name]) for name in ("size", "control", "value", "error")]
spent = []
for _ in range(held["rounds"] + 1):
    begin = time.process_time()
    found = fssa.autoscale(*columns, 1.0, 1.0, -0.125)
    spent.append(time.process_time() - begin)
print(json.dumps({"seconds": spent[1:], "values": list(found["x"]), "S": float(found["fun"])}))
"""


def planted(seed: int = 1, noise: float = 0.01) -> ScalingTable:
    """90 points with c_c = nu = 1 and zeta = -1/8, at the same controls for all sizes."""
    rng = np.random.default_rng(seed)
    size = np.repeat(np.array(_SIZES, dtype=float), _POINTS)
    control = np.tile(np.linspace(0.95, 1.05, _POINTS), len(_SIZES))
    scale = size**-0.125
    value = scale * (1 - np.tanh(size * (control - 1.0)))
    error = noise * scale
    return ScalingTable(
        size, control, {"m": value + error * rng.normal(size=len(size))}, {"m": error}
    )


def median_seconds(work: Callable[[], object], rounds: int) -> float:
    """Median of some rounds; the first one, which compiles, does not count."""
    work()
    spent = []
    for _ in range(rounds):
        begin = time.process_time()
        work()
        spent.append(time.process_time() - begin)
    return statistics.median(spent)


def peer_seconds(python: str, table: ScalingTable, rounds: int) -> float:
    """Median of the peer on the same table, in its own process."""
    shape = (len(_SIZES), _POINTS)
    content = {
        "size": list(_SIZES),
        "control": table.control[:_POINTS].tolist(),
        "value": table.values["m"].reshape(shape).tolist(),
        "error": table.errors["m"].reshape(shape).tolist(),
        "rounds": rounds,
    }
    done = subprocess.run(
        [python, "-W", "ignore", "-c", _PEER],
        input=json.dumps(content),
        capture_output=True,
        text=True,
        check=True,
    )
    return statistics.median(json.loads(done.stdout)["seconds"])


def measure(rounds: int, peer: str | None) -> dict[str, float]:
    """Median seconds of every kind of fit."""
    table = planted()
    form = make_form(table, ["m"])
    optima = global_optima(form, table)
    tried = optima.tried
    final = settle(form, table, scan(form, table, optima.units, optima.different, "all"))
    start = form.vector({"c_c": 1.005, "nu": 1.1, "zeta": -0.1})
    hyper = ("amplitude", "length", "reach", "nugget")
    objective = Objective(form, table, units_of(form, table, start, ("m",)), hyper)
    linear = {"method": "local-linear", "window": "all"}
    seconds = {
        "local-linear, S + 1": median_seconds(
            lambda: collapse(table, errors="quality", **linear), rounds
        ),
        "local-linear, 200 refits": median_seconds(lambda: collapse(table, **linear), rounds),
    }
    if peer is not None:
        seconds["pyfssa, from the truth"] = peer_seconds(peer, table, rounds)
    return {
        **seconds,
        "gp, one optimisation": median_seconds(
            lambda: newton(objective, climb(objective, objective.start(start))), rounds
        ),
        f"gp, {tried} starts": median_seconds(lambda: global_optima(form, table), rounds),
        "gp, all points": median_seconds(lambda: collapse(table, window="all"), rounds),
        "gp, scan of windows": median_seconds(lambda: collapse(table), rounds),
        "gp, posterior": median_seconds(lambda: posterior(final), rounds),
        "gp, 200 refits": median_seconds(lambda: bootstrap(final), rounds),
    }


def main() -> None:
    """Print one table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--peer", help="a Python in which fssa can be imported")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    if options.rounds < 1:
        sys.exit("--rounds: give 1 or more")
    print(
        f"# {platform.processor() or platform.machine()}, Python {platform.python_version()}, "
        f"numpy {np.__version__}, one thread, 90 points, "
        f"CPU seconds, medians of {options.rounds} rounds"
    )
    with threadpool_limits(1):
        seconds = measure(options.rounds, options.peer)
    for name, value in seconds.items():
        print(f"{name:26} {value:8.3f} s")
    if options.json:
        options.json.write_text(json.dumps(seconds, indent=2) + "\n")


if __name__ == "__main__":
    main()
