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


class ErfCommittee:
    """A soft committee of K erf units and its orthogonal teacher, w.x/sqrt(N), second layer 1."""

    def __init__(self, units: int = 2) -> None:
        self.units = units

    def inputs(self, count: int, size: int, draw: Draw) -> Tensor:
        return draw.normal(count, size)

    def teacher(self, size: int, draw: Draw) -> dict[str, Tensor]:
        return {"w": size**0.5 * torch.eye(self.units, size)}

    def student(self, size: int, draw: Draw) -> dict[str, Tensor]:
        return {"w": draw.normal(self.units, size)}

    def forward(self, p: dict[str, Tensor], x: Tensor) -> Tensor:
        fields = x @ p["w"].T / x.shape[1] ** 0.5
        return torch.erf(fields / 2**0.5).sum(dim=1)

    teacher_forward = forward

    def observables(
        self, student: dict[str, Tensor], teacher: dict[str, Tensor], inputs: Tensor
    ) -> dict[str, Any]:
        q = student["w"] @ student["w"].T / inputs.shape[1]
        r = student["w"] @ teacher["w"].T / inputs.shape[1]
        return {"q11": q[0, 0], "q12": q[0, 1], "q22": q[1, 1],
                "r11": r[0, 0], "r12": r[0, 1], "r21": r[1, 0], "r22": r[1, 1]}  # fmt: skip


class ClassicalOverlaps(WholeSpace):
    """The overlaps of the weights themselves, beside those of the functions."""

    def observables(
        self, student: dict[str, Tensor], teacher: dict[str, Tensor], inputs: Tensor
    ) -> dict[str, Any]:
        size, w, v = inputs.shape[1], student["w"], teacher["w"]
        return {"r": w @ v / size, "q": w @ w / size, "t": v @ v / size}
