"""The peer of the kernel: the loop that a careful physicist would write, without bit tricks.

Fields are kept incrementally and samples are contiguous in memory; a sample whose hidden unit
does not flip costs one comparison. Numbers come from numba's own generator.
"""

from __future__ import annotations

import numba
import numpy as np


@numba.njit(cache=True)
def _forward(x, w, sources, degree, fields, out):
    units, samples = out.shape
    for unit in range(units):
        for sample in range(samples):
            fields[unit, sample] = 0
        for slot in range(degree):
            edge = unit * degree + slot
            source = sources[edge]
            for sample in range(samples):
                fields[unit, sample] += w[edge] * x[source, sample]
        for sample in range(samples):
            out[unit, sample] = 1 if fields[unit, sample] > 0 else -1


@numba.njit(cache=True, nogil=True)
def plain_sweeps(sources, teacher, student, size, degree, samples, sweeps, ties, seed):
    """Greedy sweeps of one two-layer replica; returns the number of accepted moves."""
    np.random.seed(seed)
    edges = size * degree
    first, second = sources[:edges], sources[edges:]
    x = np.empty((size, samples), dtype=np.int8)
    hidden_field = np.empty((size, samples), dtype=np.int8)
    hidden = np.empty((size, samples), dtype=np.int8)
    output_field = np.empty((size, samples), dtype=np.int8)
    output = np.empty((size, samples), dtype=np.int8)
    target = np.empty((size, samples), dtype=np.int8)
    readers = np.empty((size, degree), dtype=np.int32)
    filled = np.zeros(size, dtype=np.int64)
    for edge in range(edges):
        source = second[edge]
        readers[source, filled[source]] = edge
        filled[source] += 1
    accepted = 0
    for _ in range(sweeps):
        for unit in range(size):
            for sample in range(samples):
                x[unit, sample] = 1 if np.random.random() < 0.5 else -1
        _forward(x, teacher[:edges], first, degree, hidden_field, hidden)
        _forward(hidden, teacher[edges:], second, degree, output_field, target)
        _forward(x, student[:edges], first, degree, hidden_field, hidden)
        _forward(hidden, student[edges:], second, degree, output_field, output)
        for _ in range(2 * edges):
            edge = np.random.randint(0, 2 * edges)
            change = 0
            if edge >= edges:
                unit = (edge - edges) // degree
                source = second[edge - edges]
                step = np.int8(2 * student[edge])
                for sample in range(samples):
                    field = output_field[unit, sample] - step * hidden[source, sample]
                    if (field > 0) != (output[unit, sample] > 0):
                        change += 1 if output[unit, sample] == target[unit, sample] else -1
                if change < 0 or (ties and change == 0):
                    accepted += 1
                    for sample in range(samples):
                        output_field[unit, sample] -= step * hidden[source, sample]
                        output[unit, sample] = 1 if output_field[unit, sample] > 0 else -1
                    student[edge] = -student[edge]
                continue
            unit = edge // degree
            source = first[edge]
            step = np.int8(2 * student[edge])
            for sample in range(samples):
                field = hidden_field[unit, sample] - step * x[source, sample]
                if (field > 0) != (hidden[unit, sample] > 0):
                    for reader in readers[unit]:
                        out = reader // degree
                        kick = np.int8(2 * student[edges + reader]) * hidden[unit, sample]
                        new = output_field[out, sample] - kick
                        if (new > 0) != (output[out, sample] > 0):
                            change += 1 if output[out, sample] == target[out, sample] else -1
            if change < 0 or (ties and change == 0):
                accepted += 1
                for sample in range(samples):
                    hidden_field[unit, sample] -= step * x[source, sample]
                    if (hidden_field[unit, sample] > 0) != (hidden[unit, sample] > 0):
                        for reader in readers[unit]:
                            out = reader // degree
                            kick = np.int8(2 * student[edges + reader]) * hidden[unit, sample]
                            output_field[out, sample] -= kick
                            output[out, sample] = 1 if output_field[out, sample] > 0 else -1
                        hidden[unit, sample] = -hidden[unit, sample]
                student[edge] = -student[edge]
    return accepted
