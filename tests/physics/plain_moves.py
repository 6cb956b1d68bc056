"""Single-weight moves, once more and plainly: numpy alone, with random numbers of its own.

It shares no code with the package but the systems that it is given: graphs, teachers and starting
students, all layers of one fan-in, every layer learned.
"""

from __future__ import annotations

from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


class PlainMoves:
    """Greedy and Metropolis moves of many replicas at once."""

    def __init__(
        self, sources: Array, teacher: Array, student: Array, *, size: int, degree: int, seed: int
    ) -> None:
        self.sources, self.teacher = np.asarray(sources, dtype=int), np.asarray(teacher)
        self.student = np.array(student)
        self.size, self.degree = size, degree
        self.chance = np.random.default_rng(seed)
        self.rows = np.arange(len(self.student))

    def outputs(self, weights: Array, inputs: Array) -> Array:
        """Signs of the last layer, inputs of shape (replica, sample, N)."""
        values = inputs
        layer = self.size * self.degree
        for first in range(0, weights.shape[1], layer):
            edges = slice(first, first + layer)
            read = np.take_along_axis(values, self.sources[:, None, edges], axis=2)
            terms = (read * weights[:, None, edges]).reshape(*read.shape[:2], -1, self.degree)
            values = np.sign(terms.sum(axis=3))
        return values

    def batch(self, m: float, noise: float) -> tuple[Array, Array, Array]:
        """Inputs, labels and which samples count: floor(m), and one more with a chance."""
        largest = int(np.ceil(m))
        shape = (len(self.rows), largest, self.size)
        inputs = self.chance.choice([-1, 1], size=shape)
        labels = self.outputs(self.teacher, inputs)
        labels = np.where(self.chance.random(labels.shape) < noise, -labels, labels)
        more = self.chance.random(len(self.rows)) < m - np.floor(m)
        counts = int(np.floor(m)) + more
        return inputs, labels, np.arange(largest)[None, :] < counts[:, None]

    def energy(self, weights: Array, batch: tuple[Array, Array, Array]) -> Array:
        """Wrong output bits."""
        inputs, labels, counted = batch
        wrong = (self.outputs(weights, inputs) != labels).sum(axis=2)
        return (wrong * counted).sum(axis=1)

    def sweep(
        self,
        m: float,
        *,
        order: str = "random",
        ties: bool = False,
        temperature: float | None = None,
        noise: float = 0.0,
    ) -> None:
        """One sweep on a fresh batch."""
        edges = self.student.shape[1]
        shape = (len(self.rows), edges)
        if order == "random":
            tried = self.chance.integers(edges, size=shape)
        elif order == "sequential":
            tried = np.broadcast_to(np.arange(edges), shape)
        else:
            tried = np.argsort(self.chance.random(shape), axis=1)
        batch = self.batch(m, noise)
        now = self.energy(self.student, batch)
        for number in range(edges):
            trial = self.student.copy()
            trial[self.rows, tried[:, number]] *= -1
            then = self.energy(trial, batch)
            kept = then < now if not ties else then <= now
            if temperature is not None:
                kept = self.chance.random(len(now)) < np.exp(-(then - now) / temperature)
            self.student = np.where(kept[:, None], trial, self.student)
            now = np.where(kept, then, now)
