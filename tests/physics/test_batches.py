"""Batches of real size, and inputs that are fair coins."""

from __future__ import annotations

from math import sqrt

import numpy as np
import pytest
import torch

from physbatch.dynamics import ALWAYS, CellStreams, acceptance_table, batch_rule


def streams(replicas: int, size: int) -> CellStreams:
    return CellStreams(0, replicas, size, torch.device("cpu"))


@pytest.mark.parametrize("batch_size", [1.0, 2.5, 12.25, 13.9])
def test_a_real_batch_size_is_the_mean_number_of_samples(batch_size: float) -> None:
    source, rule = streams(20_000, 3), batch_rule(batch_size)
    counts = torch.cat([source.batch_count(12345, rule, index) for index in range(5)]).numpy()
    assert set(counts) <= {int(batch_size), int(batch_size) + 1}
    part = batch_size % 1
    error = sqrt(max(part * (1 - part), 1e-30) / len(counts))
    assert abs(counts.mean() - batch_size) <= 4 * error


def test_batch_rule_edges() -> None:
    assert batch_rule(3.0).largest == 3
    assert batch_rule(3.0 - 1e-12).floor == 3
    assert batch_rule(2.5).largest == 3


def test_inputs_are_fair_and_independent() -> None:
    """Mean and pair correlations of 10^6 bits, z below 4.5 for each of the 55 numbers."""
    size, samples, replicas = 10, 100, 1000
    x = streams(replicas, size).binary_inputs(99, 7, samples).numpy().reshape(-1, size)
    moments = x.T @ x / len(x)
    z = moments[np.triu_indices(size, 1)] * sqrt(len(x))
    assert abs(z).max() < 4.5
    assert abs(x.mean(axis=0) * sqrt(len(x))).max() < 4.5
    by_replica = x.reshape(replicas, samples, size)
    neighbours = (by_replica[:, 1:] * by_replica[:, :-1]).mean()
    assert abs(neighbours) * sqrt(replicas * (samples - 1) * size) < 4.5


def test_acceptance_thresholds() -> None:
    assert acceptance_table(ties="accept").tolist() == [ALWAYS, 0]
    assert acceptance_table(ties="reject").tolist() == [0, 0]
    table = acceptance_table(temperature=0.5).astype(float)
    chances = np.exp(-np.arange(len(table) - 1) / 0.5)
    np.testing.assert_allclose(table[:-1] / ALWAYS, chances, atol=2**-32)
    assert table[0] == ALWAYS
    assert table[-1] == 0
