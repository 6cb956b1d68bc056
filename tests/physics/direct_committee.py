"""SGD of soft committees on the weights themselves, replicas in one array: the plain way."""

from __future__ import annotations

import numpy as np
from scipy import special

__all__ = ["activate", "direct_overlaps"]


def activate(fields: np.ndarray, activation: str) -> tuple[np.ndarray, np.ndarray]:
    """g and g'."""
    if activation == "erf":
        slope = np.sqrt(2 / np.pi) * np.exp(-(fields**2) / 2)
        return special.erf(fields / np.sqrt(2)), slope
    if activation == "relu":
        return np.maximum(fields, 0), (fields > 0).astype(float)
    return fields, np.ones_like(fields)


def direct_overlaps(
    *,
    size: int,
    students: int,
    teachers: int,
    batch_size: float,
    learning_rate: float,
    times: tuple[int, ...],
    replicas: int,
    seed: int,
    activation: str = "erf",
    label_noise: float = 0.0,
    orthogonal: bool = True,
    initial_overlap: float = 0.0,
) -> tuple[np.ndarray, np.ndarray]:
    """Q (replica, time, K, K) and R (replica, time, K, M) of random students that learn."""
    random = np.random.default_rng(seed)
    teacher = random.normal(size=(replicas, teachers, size))
    if orthogonal:
        teacher[:] = np.sqrt(size) * np.eye(teachers, size)
    student = random.normal(size=(replicas, students, size))
    paired = min(students, teachers)
    student[:, :paired] *= np.sqrt(1 - initial_overlap**2)
    student[:, :paired] += initial_overlap * teacher[:, :paired]
    floor = int(batch_size)
    largest = floor + (batch_size > floor)
    vectors = np.concatenate([teacher, student], axis=1)
    student = vectors[:, teachers:]
    q, r = [], []
    for step in range(max(times) + 1):
        if step in times:
            q.append(student @ student.transpose(0, 2, 1) / size)
            r.append(student @ teacher.transpose(0, 2, 1) / size)
        inputs = random.normal(size=(replicas, largest, size))
        fields = inputs @ vectors.transpose(0, 2, 1) / np.sqrt(size)
        output, slope = activate(fields, activation)
        wrong = output[:, :, :teachers].sum(axis=2) - output[:, :, teachers:].sum(axis=2)
        wrong += np.sqrt(label_noise) * random.normal(size=wrong.shape)
        wrong[:, floor:] *= random.random((replicas, largest - floor)) < batch_size - floor
        drive = learning_rate / batch_size * wrong[:, :, None] * slope[:, :, teachers:]
        student += drive.transpose(0, 2, 1) @ inputs / np.sqrt(size)
    return np.stack(q, axis=1), np.stack(r, axis=1)
