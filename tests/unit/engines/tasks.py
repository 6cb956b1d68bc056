"""Tasks for tests: written as a user would write them."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import relu

from physbatch.dynamics.task.draw import Draw


class SparseParity:
    """An MLP learns the parity of k of its N inputs."""

    def __init__(self, k: int = 3, hidden: int = 64) -> None:
        self.k, self.hidden = k, hidden

    def inputs(self, count: int, size: int, draw: Draw) -> Tensor:
        return draw.signs(count, size)

    def teacher(self, size: int, draw: Draw) -> dict[str, Tensor]:
        return {"index": draw.permutation(size)[: self.k]}

    def teacher_forward(self, p: dict[str, Tensor], x: Tensor) -> Tensor:
        return x[:, p["index"]].prod(dim=1, keepdim=True)

    def student(self, size: int, draw: Draw) -> dict[str, Tensor]:
        return {
            "w": draw.normal(self.hidden, size) / size**0.5,
            "b": torch.zeros(self.hidden),
            "v": draw.normal(1, self.hidden) / self.hidden**0.5,
        }

    def forward(self, p: dict[str, Tensor], x: Tensor) -> Tensor:
        return relu(x @ p["w"].T + p["b"]) @ p["v"].T


class Linear:
    """w.x, or w.x/sqrt(N); from w = 0, or from a random student of its own."""

    def __init__(self, scaled: bool = False, noise: float = 0.0, start: str = "zero") -> None:
        self.scaled, self.noise, self.start = scaled, noise, start

    def inputs(self, count: int, size: int, draw: Draw) -> Tensor:
        return draw.normal(count, size)

    def teacher(self, size: int, draw: Draw) -> dict[str, Tensor]:
        w = draw.normal(size)
        return {"w": w if self.scaled else w / (w @ w) ** 0.5}

    def student(self, size: int, draw: Draw) -> dict[str, Tensor]:
        return {"w": torch.zeros(size) if self.start == "zero" else draw.normal(size)}

    def forward(self, p: dict[str, Tensor], x: Tensor) -> Tensor:
        return x @ p["w"] / (x.shape[1] ** 0.5 if self.scaled else 1.0)

    teacher_forward = forward

    def label_noise(self, targets: Tensor, draw: Draw) -> Tensor:
        return targets + self.noise * draw.normal(*targets.shape)

    def overlap(self, student: dict[str, Tensor], teacher: dict[str, Tensor]) -> Tensor:
        return 1.0 - ((student["w"] - teacher["w"]) ** 2).sum() / (teacher["w"] ** 2).sum()

    def observables(
        self, student: dict[str, Tensor], teacher: dict[str, Tensor], inputs: Tensor
    ) -> dict[str, Any]:
        difference = student["w"] - teacher["w"]
        return {"squared_distance": (difference**2).sum(), "probes": inputs.shape[0]}


class WholeSpace(Linear):
    """Linear functions whose probes are sqrt(N) times the unit vectors: <x x'> = 1 exactly."""

    def __init__(self) -> None:
        super().__init__(scaled=True, start="random")

    def inputs(self, count: int, size: int, draw: Draw) -> Tensor:
        if draw.use == "probe":
            return torch.eye(size).repeat(count // size, 1) * size**0.5
        return draw.normal(count, size)


class Classes:
    """A module says which of three random linear functions is largest."""

    def inputs(self, count: int, size: int, draw: Draw) -> Tensor:
        return torch.randn(count, size, generator=draw.generator())

    def teacher(self, size: int, draw: Draw) -> dict[str, Tensor]:
        return {"w": draw.normal(3, size)}

    def teacher_forward(self, p: dict[str, Tensor], x: Tensor) -> Tensor:
        return (x @ p["w"].T).argmax(dim=1)

    def student(self, size: int, draw: Draw) -> nn.Module:
        return nn.Sequential(nn.Linear(size, 12), nn.Tanh(), nn.Linear(12, 3))
