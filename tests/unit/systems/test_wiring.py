"""Random regular graphs: exact degrees, no double edge, uniform, one for each replica."""

from __future__ import annotations

from collections import Counter
from math import sqrt

import numpy as np
import pytest

from physbatch.systems.architecture import Architecture, build_architecture
from physbatch.systems.wiring import draw_wiring


def regular(size: int, degree: int, depth: int = 1) -> Architecture:
    return build_architecture(
        wiring="regular",
        size=size,
        degree=degree,
        depth=depth,
        output="vector",
        learned_layers="all",
        odd_fan_in=False,
    )


@pytest.mark.parametrize(
    ("size", "degree"), [(1, 1), (3, 3), (4, 2), (5, 4), (7, 5), (20, 11), (60, 7)]
)
def test_degrees_are_exact_and_no_edge_is_double(size: int, degree: int) -> None:
    sources = draw_wiring(regular(size, degree, depth=2), key=3, first_replica=0, replicas=20)
    for graph in sources.reshape(20, 2, size, degree).reshape(-1, size, degree):
        assert all(len(set(unit)) == degree for unit in graph.tolist())
        assert (np.bincount(graph.ravel(), minlength=size) == degree).all()


def test_a_replica_has_the_same_graph_in_every_range_and_its_own_one() -> None:
    layers = regular(30, 3, depth=2)
    whole = draw_wiring(layers, key=5, first_replica=0, replicas=8)
    part = draw_wiring(layers, key=5, first_replica=3, replicas=4)
    assert (whole[3:7] == part).all()
    assert len({row.tobytes() for row in whole}) == 8
    assert not (whole[:, :90] == whole[:, 90:]).all(axis=1).any()


def test_all_simple_graphs_are_equally_likely() -> None:
    """All 90 graphs at N = 4, d = 2; chi-square of 89 degrees of freedom within 4 sigma."""
    draws = 100_000
    sources = draw_wiring(regular(4, 2), key=11, first_replica=0, replicas=draws)
    graphs = np.sort(sources.reshape(draws, 4, 2), axis=2).reshape(draws, 8)
    counts = Counter(map(bytes, graphs.astype(np.uint8)))
    assert len(counts) == 90
    expected = draws / 90
    chi_square = sum((count - expected) ** 2 / expected for count in counts.values())
    z = (chi_square - 89) / sqrt(2 * 89)
    assert abs(z) < 4


def test_trees_do_not_overlap_and_scalar_outputs_read_everything() -> None:
    tree = build_architecture(
        wiring="tree",
        size=45,
        degree=3,
        depth=3,
        output="scalar",
        learned_layers="first",
        odd_fan_in=True,
    )
    assert [layer.units for layer in tree.layers] == [15, 5, 1]
    assert [layer.fan_in for layer in tree.layers] == [3, 3, 5]
    assert tree.learnable == 45
    sources = draw_wiring(tree, key=1, first_replica=0, replicas=1)[0]
    assert sources[:45].tolist() == list(range(45))
    assert sources[60:].tolist() == list(range(5))
