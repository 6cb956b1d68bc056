"""Steps of a model as a task against a loop of PyTorch over the replicas, on one core.

``python -m tests.benchmarks.task_steps`` prints medians of alternating runs: N = 100, 64 hidden
relu units, m = 10, float32, 64 replicas, fresh Gaussian inputs and the teacher's outputs included;
and the same of a convolutional network on the digits, 8 x 8 pixels. The task runs as in a study,
two cells of 32 replicas; what a cell costs besides its steps is taken out as the difference of two
durations. ``--jax`` also times JAX for the first, if it is installed: jit of a scan over vmap of
grad, with jax.random.
"""

from __future__ import annotations

import functools
import importlib
import statistics
import sys
import time
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, conv2d, cross_entropy, relu

from physbatch.engines import GridPoints, engine_for
from physbatch.study import Study
from physbatch.systems import load_samples

SIZE, HIDDEN, BATCH, REPLICAS, RATE = 100, 64, 10, 64, 0.05
FILTERS = 8
REPEATS = 5


class MLP:
    """A relu network learns another."""

    def inputs(self, count: int, size: int, draw: Any) -> Tensor:
        return draw.normal(count, size)

    def student(self, size: int, draw: Any) -> dict[str, Tensor]:
        w = draw.normal(HIDDEN, size) / size**0.5
        return {"w": w, "b": torch.zeros(HIDDEN), "v": draw.normal(1, HIDDEN) / HIDDEN**0.5}

    teacher = student

    def forward(self, p: dict[str, Tensor], x: Tensor) -> Tensor:
        return relu(x @ p["w"].T + p["b"]) @ p["v"].T

    teacher_forward = forward


class DigitsCNN:
    """Filters of 3 x 3 pixels and a readout learn the classes of the digits."""

    def inputs(self, count: int, size: int, draw: Any) -> dict[str, Tensor]:
        rows = draw.integers(len(_digits()[1]), count)
        return {"x": _digits()[0][rows], "class": _digits()[1][rows]}

    def teacher_forward(self, p: dict[str, Tensor], x: dict[str, Tensor]) -> Tensor:
        return x["class"]

    def student(self, size: int, draw: Any) -> dict[str, Tensor]:
        return {
            "w": draw.normal(FILTERS, 1, 3, 3) / 3.0,
            "b": torch.zeros(FILTERS),
            "v": draw.normal(10, 16 * FILTERS) / (16 * FILTERS) ** 0.5,
            "c": torch.zeros(10),
        }

    def forward(self, p: dict[str, Tensor], x: dict[str, Tensor]) -> Tensor:
        h = avg_pool2d(relu(conv2d(x["x"], p["w"], p["b"], padding=1)), 2).flatten(1)
        return h @ p["v"].T + p["c"]


@functools.cache
def _digits() -> tuple[Tensor, Tensor]:
    """Images (sample, 1, 8, 8) of variance 1, and their classes."""
    samples = load_samples("digits")
    x = torch.from_numpy(samples.inputs).float()
    x = (x - x.mean()) / x.std()
    return x.reshape(-1, 1, 8, 8), torch.from_numpy(samples.labels).long()


class Module(nn.Module):
    """The first as a module."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(SIZE, HIDDEN)
        self.second = nn.Linear(HIDDEN, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.second(relu(self.first(x)))


class Loop:
    """One student after the other."""

    def __init__(self, convolution: bool) -> None:
        torch.manual_seed(1)
        self._teachers = [] if convolution else [Module() for _ in range(REPLICAS)]
        self._students: list[nn.Module] = [
            nn.Sequential(
                nn.Conv2d(1, FILTERS, 3, padding=1), nn.ReLU(), nn.AvgPool2d(2), nn.Flatten(),
                nn.Linear(16 * FILTERS, 10),
            ) if convolution else Module()
            for _ in range(REPLICAS)
        ]  # fmt: skip
        self._optimizers = [torch.optim.SGD(s.parameters(), lr=RATE) for s in self._students]

    def _loss(self, number: int) -> Tensor:
        student = self._students[number]
        if self._teachers:
            x = torch.randn(BATCH, SIZE)
            with torch.no_grad():
                y = self._teachers[number](x)
            return 0.5 * ((student(x) - y) ** 2).mean()
        images, classes = _digits()
        rows = torch.randint(len(classes), (BATCH,))
        return cross_entropy(student(images[rows]), classes[rows])

    def steps(self, count: int) -> float:
        """Seconds for a step of all students."""
        began = time.process_time()
        for _ in range(count):
            for number, optimizer in enumerate(self._optimizers):
                optimizer.zero_grad()
                self._loss(number).backward()
                optimizer.step()
        return (time.process_time() - began) / count


class Task:
    """The cells of a study."""

    def __init__(self, name: str, size: int) -> None:
        self._size = size
        self.studies = [self._study(name, duration) for duration in (64, 256)]
        for study in self.studies:
            self._run(study)

    def _study(self, name: str, duration: int) -> Study:
        return Study.from_dict(
            {
                "title": "steps",
                "system": {"kind": "torch", "task": f"tests.benchmarks.task_steps:{name}"},
                "dynamics": {
                    "kind": "sgd",
                    "precision": "float32",
                    "learning_rate": {"base": RATE},
                },
                "grid": {"size": [self._size], "batch_size": [BATCH], "replicas": REPLICAS},
                "measurement": {
                    "duration": duration,
                    "times": {"kind": "list", "values": [duration]},
                },
            }
        )

    def _run(self, study: Study) -> float:
        began = time.process_time()
        for first in range(0, REPLICAS, 32):
            point = GridPoints(study).at({"size": self._size, "batch_size": BATCH}, first, 32)
            engine_for(study).simulate(point, "cpu")
        return time.process_time() - began

    def steps(self) -> float:
        """Seconds for a step of all students."""
        short, long = map(self._run, self.studies)
        return (long - short) / (256 - 64)


class Jax:
    """The same in JAX, all replicas at once, many steps in one call."""

    def __init__(self) -> None:
        jax: Any = importlib.import_module("jax")
        np = jax.numpy
        self._jax = jax

        def forward(p: Any, x: Any) -> Any:
            return jax.nn.relu(x @ p["w"].T + p["b"]) @ p["v"].T

        def loss(p: Any, x: Any, y: Any) -> Any:
            return 0.5 * ((forward(p, x) - y) ** 2).mean()

        def one_step(p: Any, teacher: Any, key: Any) -> Any:
            x = jax.random.normal(key, (BATCH, SIZE))
            slope = jax.grad(loss)(p, x, forward(teacher, x))
            return jax.tree_util.tree_map(lambda w, g: w - RATE * g, p, slope)

        def scan(state: Any, keys: Any) -> Any:
            p, teacher = state

            def body(p: Any, keys: Any) -> Any:
                return jax.vmap(one_step)(p, teacher, keys), None

            return jax.lax.scan(body, p, keys)[0]

        self._scan = jax.jit(scan, static_argnums=())

        def made(seed: int) -> Any:
            keys = jax.random.split(jax.random.PRNGKey(seed), 2)
            return {
                "w": jax.random.normal(keys[0], (REPLICAS, HIDDEN, SIZE)) / SIZE**0.5,
                "b": np.zeros((REPLICAS, HIDDEN)),
                "v": jax.random.normal(keys[1], (REPLICAS, 1, HIDDEN)) / HIDDEN**0.5,
            }

        self._state = (made(1), made(2))
        self.steps(200)

    def steps(self, count: int = 200) -> float:
        """Seconds for a step of all students."""
        jax = self._jax
        keys = jax.random.split(jax.random.PRNGKey(3), (count, REPLICAS))
        began = time.process_time()
        jax.block_until_ready(self._scan(self._state, keys))
        return (time.process_time() - began) / count


def main() -> None:
    """Print the tables."""
    torch.set_num_threads(1)
    for name, size in (("MLP", SIZE), ("DigitsCNN", 64)):
        with_jax = "--jax" in sys.argv and name == "MLP"
        _measure(name, Loop(name == "DigitsCNN"), Task(name, size), Jax() if with_jax else None)


def _measure(name: str, loop: Loop, task: Task, jax: Jax | None) -> None:
    loop.steps(3)
    taken: dict[str, list[float]] = {"loop": [], "task": [], "jax": []}
    for _ in range(REPEATS):
        taken["loop"].append(loop.steps(3))
        taken["task"].append(task.steps())
        if jax is not None:
            taken["jax"].append(jax.steps())
    median = {kind: statistics.median(values) for kind, values in taken.items() if values}
    for kind, seconds in median.items():
        print(f"{name} {kind:5}{1e3 * seconds:8.2f} ms a step of {REPLICAS}")
    ratios = [a / b for a, b in zip(taken["loop"], taken["task"], strict=True)]
    print(f"loop/task  {statistics.median(ratios):.1f} ({min(ratios):.1f} to {max(ratios):.1f})")
    if jax is not None:
        print(f"task/jax   {median['task'] / median['jax']:.2f}")


if __name__ == "__main__":
    main()
