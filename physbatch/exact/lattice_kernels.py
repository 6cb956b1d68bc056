"""Compiled loops of the lattice models: union-find percolation and Wolff clusters.

`physbatch.exact.lattices` holds the public functions and the references.
"""

import numba
import numpy as np

from physbatch.compilation import cached_njit
from physbatch.streams.compiled import bounded
from physbatch.streams.sequential import next_number, start_stream

#: Steps to the four neighbours of a site.
_STEPS = np.array([[1, 0], [-1, 0], [0, 1], [0, -1]], dtype=np.int64)


@numba.njit
def _root(parent, shift, site):
    """Root of a site's cluster; `shift[site]` becomes the way there, and the path is halved."""
    root = site
    way_x = way_y = 0
    while parent[root] >= 0:
        way_x += shift[root, 0]
        way_y += shift[root, 1]
        root = parent[root]
    # Second pass: every site on the way points to the root, with the rest of the way.
    while parent[site] >= 0:
        above, step_x, step_y = parent[site], shift[site, 0], shift[site, 1]
        parent[site], shift[site, 0], shift[site, 1] = root, way_x, way_y
        way_x -= step_x
        way_y -= step_y
        site = above
    return root


@numba.njit
def _join(parent, shift, site, other, step_x, step_y):
    """Join the clusters of two neighbours; whether that closes a loop around the torus.

    A root holds minus the size of its cluster.
    """
    root, other_root = _root(parent, shift, site), _root(parent, shift, other)
    # From the root of `site` to the root of `other`, along the bond.
    gap_x = step_x - shift[site, 0] * (root != site) + shift[other, 0] * (other_root != other)
    gap_y = step_y - shift[site, 1] * (root != site) + shift[other, 1] * (other_root != other)
    if root == other_root:
        return gap_x != 0 or gap_y != 0
    if parent[root] < parent[other_root]:
        root, other_root, gap_x, gap_y = other_root, root, -gap_x, -gap_y
    parent[other_root] += parent[root]
    parent[root], shift[root, 0], shift[root, 1] = other_root, gap_x, gap_y
    return False


@numba.njit
def _fill_lattice(length, stop, cursor, key, work, largest, wrapping):
    """Occupy sites in random order up to `stop` of them; record every state passed."""
    sites = length * length
    order, parent, occupied, shift = work[:, 0], work[:, 1], work[:, 2], work[:, 3:5]
    for site in range(sites):
        order[site], parent[site], occupied[site] = site, -1, 0
    largest[0], wrapping[0] = 0, 0
    for count in range(stop):
        chosen = count + np.int64(bounded(next_number(cursor, key), np.uint64(sites - count)))
        order[count], order[chosen] = order[chosen], order[count]
        site = order[count]
        occupied[site] = 1
        wraps = wrapping[count]
        x, y = site % length, site // length
        for direction in range(4):
            step_x, step_y = _STEPS[direction, 0], _STEPS[direction, 1]
            other = (x + step_x) % length + length * ((y + step_y) % length)
            if occupied[other] and _join(parent, shift, site, other, step_x, step_y):
                wraps = 1
        mine = -parent[_root(parent, shift, site)]
        largest[count + 1] = max(largest[count], mine)
        wrapping[count + 1] = wraps


@cached_njit(nogil=True)
def all_states(length, key, largest, wrapping):
    """Newman-Ziff runs of all replicas, shapes (n_replica, L^2 + 1)."""
    work = np.empty((length * length, 5), dtype=np.int64)
    cursor = np.empty(8, dtype=np.uint64)
    for replica in range(largest.shape[0]):
        start_stream(cursor, replica)
        _fill_lattice(
            length, length * length, cursor, key, work, largest[replica], wrapping[replica]
        )


@cached_njit(nogil=True)
def last_states(length, counts, key, largest, wrapping):
    """Largest cluster and wrapping with `counts` occupied sites, shapes (n_replica,)."""
    work = np.empty((length * length, 5), dtype=np.int64)
    cursor = np.empty(8, dtype=np.uint64)
    row = np.empty(length * length + 1, dtype=np.int64)
    wraps = np.empty(length * length + 1, dtype=np.int8)
    for replica in range(counts.shape[0]):
        start_stream(cursor, replica)
        _fill_lattice(length, counts[replica], cursor, key, work, row, wraps)
        largest[replica], wrapping[replica] = row[counts[replica]], wraps[counts[replica]]


@numba.njit
def _flip_cluster(spin, stack, threshold, cursor, key):
    """One Wolff step: grow a cluster from a random site and turn it over."""
    length = spin.shape[0]
    seed = np.int64(bounded(next_number(cursor, key), np.uint64(length * length)))
    value = spin[seed // length, seed % length]
    spin[seed // length, seed % length] = -value
    stack[0] = seed
    height = 1
    while height:
        height -= 1
        x, y = stack[height] % length, stack[height] // length
        for direction in range(4):
            column = (x + _STEPS[direction, 0]) % length
            row = (y + _STEPS[direction, 1]) % length
            if spin[row, column] == value and next_number(cursor, key) < threshold:
                spin[row, column] = -value
                stack[height] = row * length + column
                height += 1


@cached_njit(nogil=True)
def wolff(length, threshold, clusters, measurements, spacing, key, values):
    """Fill `values`, shape (4, n_replica): means of abs(m), m^2, m^4 and the energy per site."""
    spin = np.empty((length, length), dtype=np.int64)
    stack = np.empty(length * length, dtype=np.int64)
    cursor = np.empty(8, dtype=np.uint64)
    sites = length * length
    for replica in range(values.shape[1]):
        start_stream(cursor, replica)
        for row in range(length):
            for column in range(length):
                spin[row, column] = 1 - 2 * np.int64(next_number(cursor, key) & np.uint64(1))
        values[:, replica] = 0.0
        for measurement in range(measurements):
            for _ in range(clusters if measurement == 0 else spacing):
                _flip_cluster(spin, stack, threshold, cursor, key)
            total = bonds = 0
            for row in range(length):
                for column in range(length):
                    here = spin[row, column]
                    total += here
                    bonds += here * (
                        spin[(row + 1) % length, column] + spin[row, (column + 1) % length]
                    )
            m = abs(total) / sites
            values[0, replica] += m / measurements
            values[1, replica] += m**2 / measurements
            values[2, replica] += m**4 / measurements
            values[3, replica] -= bonds / sites / measurements
