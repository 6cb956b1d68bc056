"""The layers of a network: how many units, how many inputs each, which are learned."""

import itertools
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

#: Which fan-ins must be odd: none, all, or those of layers that read units.
OddFanIn = bool | Literal["above-first"]


@dataclass(frozen=True)
class Layer:
    """One layer of weights: `units` units, each reading `fan_in` of `sources` units below."""

    sources: int
    units: int
    fan_in: int
    wiring: Literal["regular", "tree", "full"]

    @property
    def edges(self) -> int:
        """Number of weights."""
        return self.units * self.fan_in

    @property
    def fan_out(self) -> int:
        """How many units of this layer read one unit below; the same for all of them."""
        return self.edges // self.sources


@dataclass(frozen=True)
class Architecture:
    """The layers of teacher and student, from the inputs to the output.

    Weights ("edges") are numbered layer by layer, unit by unit, slot by slot; units are
    numbered layer by layer, inputs left out.
    """

    size: int
    layers: tuple[Layer, ...]
    learned: Literal["all", "first"]

    @property
    def depth(self) -> int:
        """Number of weight layers L."""
        return len(self.layers)

    @cached_property
    def edges(self) -> int:
        """Number of weights, learned or not."""
        return sum(layer.edges for layer in self.layers)

    @cached_property
    def units(self) -> int:
        """Number of units, inputs left out."""
        return sum(layer.units for layer in self.layers)

    @cached_property
    def learnable(self) -> int:
        """Number of learnable weights; they come first in the numbering."""
        return self.layers[0].edges if self.learned == "first" else self.edges

    @property
    def outputs(self) -> int:
        """Number of output units."""
        return self.layers[-1].units

    @property
    def paths_per_output(self) -> int:
        """Number of paths from the inputs into one output unit."""
        count = 1
        for layer in self.layers:
            count *= layer.fan_in
        return count

    @property
    def edge_offsets(self) -> tuple[int, ...]:
        """First edge of each layer, and the number of all edges."""
        offsets = [0]
        for layer in self.layers:
            offsets.append(offsets[-1] + layer.edges)
        return tuple(offsets)

    @property
    def unit_offsets(self) -> tuple[int, ...]:
        """First unit of each layer, and the number of all units."""
        offsets = [0]
        for layer in self.layers:
            offsets.append(offsets[-1] + layer.units)
        return tuple(offsets)


def build_architecture(
    *,
    wiring: Literal["regular", "tree", "dense"],
    size: int,
    degree: int | None = None,
    hidden_units: int | None = None,
    depth: int,
    output: Literal["vector", "scalar"],
    learned_layers: Literal["all", "first"],
    odd_fan_in: OddFanIn,
) -> Architecture:
    """Lay out the layers of a network.

    Parameters
    ----------
    wiring : {"regular", "tree", "dense"}
        Regular: N units a layer, each reading d of the layer below and read by d of the
        layer above. Tree: receptive fields of d units that do not overlap. Dense: every unit
        reads the whole layer below.
    size : int
        Number of inputs N.
    degree : int
        Connectivity d of a regular graph or a tree.
    hidden_units : int, optional
        Units M of each layer of a dense network (a scalar output is one unit whatever M);
        by default N.
    depth : int
        Number of weight layers L.
    output : {"vector", "scalar"}
        Vector: every unit of the last layer is observed. Scalar: the last layer is one
        unit that reads the whole last hidden layer, or in a tree of depth 1 the first d inputs.
    learned_layers : {"all", "first"}
        The rest stays fixed to the teacher's.
    odd_fan_in : bool or "above-first"
        Refuse even fan-ins: the sign of an even number of binary terms can be a tie. That of
        the first layer may be even where inputs, and so its terms, are not binary.

    Raises
    ------
    ValueError
        If the layers cannot be laid out, with the reason.
    """
    if wiring == "dense":
        units = hidden_units or size
        layers = _dense_layers(size, [units] * (depth - 1), units if output == "vector" else 1)
    else:
        layers = _sparse_layers(wiring, size, degree, depth, output)
    _refuse_even_fan_ins(layers, odd_fan_in)
    return Architecture(size, tuple(layers), learned_layers)


def dense_student(
    teacher: Architecture,
    hidden_units: int | None = None,
    *,
    odd_fan_in: OddFanIn = False,
) -> Architecture:
    """The layers of a dense student of a teacher: as many, with the same inputs and outputs.

    Parameters
    ----------
    teacher : Architecture
        The teacher's layers.
    hidden_units : int, optional
        Units K of each hidden layer; by default as many as the teacher's.
    odd_fan_in : bool or "above-first"
        Refuse even fan-ins, as in `build_architecture`.

    Raises
    ------
    ValueError
        For an even fan-in, or if only the first layer is learned and the others, the
        teacher's, do not fit it.
    """
    hidden = [hidden_units or layer.units for layer in teacher.layers[:-1]]
    if teacher.learned == "first" and hidden != [layer.units for layer in teacher.layers[:-1]]:
        raise ValueError(
            f"the upper layers are the teacher's and read {teacher.layers[0].units} hidden units, "
            f"not {hidden_units}; learn all layers, or use dense wiring"
        )
    layers = _dense_layers(teacher.size, hidden, teacher.outputs)
    _refuse_even_fan_ins(layers, odd_fan_in)
    return Architecture(teacher.size, tuple(layers), teacher.learned)


def _refuse_even_fan_ins(layers: list[Layer], odd_fan_in: OddFanIn) -> None:
    """The sign of an even number of binary terms can be a tie."""
    if not odd_fan_in:
        return
    first = 1 if odd_fan_in == "above-first" else 0
    for number, layer in enumerate(layers[first:], start=first + 1):
        if layer.fan_in % 2 == 0:
            what = "degree is" if layer.wiring in ("regular", "tree") else "a unit reads"
            if layer.wiring == "full" and layer.units == 1:
                what = "the scalar output reads"
            raise ValueError(
                f"{what} {layer.fan_in} (layer {number}, size {layers[0].sources}), an even number "
                "of binary terms whose sign can be a tie; activation 'sign' needs an odd one"
            )


def _dense_layers(size: int, hidden: list[int], outputs: int) -> list[Layer]:
    widths = [size, *hidden, outputs]
    return [Layer(below, units, below, "full") for below, units in itertools.pairwise(widths)]


def _sparse_layers(
    wiring: Literal["regular", "tree"],
    size: int,
    degree: int | None,
    depth: int,
    output: Literal["vector", "scalar"],
) -> list[Layer]:
    if degree is None:
        raise ValueError(f"wiring {wiring!r} needs a degree")
    if degree > size:
        raise ValueError(f"degree {degree} is larger than size {size}")
    if output == "scalar" and depth == 1:
        if wiring == "regular":
            raise ValueError("a scalar output of depth 1 is one unit; use wiring 'tree'")
        return [Layer(size, 1, degree, "tree")]
    layers: list[Layer] = []
    below = size
    sparse_layers = depth - 1 if output == "scalar" else depth
    for number in range(1, sparse_layers + 1):
        if wiring == "tree" and below % degree:
            raise ValueError(
                f"a tree with degree {degree} cannot split the {below} units below layer {number} "
                f"(size {size}); choose a size divisible by {degree}^{sparse_layers}"
            )
        units = below if wiring == "regular" else below // degree
        layers.append(Layer(below, units, degree, wiring))
        below = units
    if output == "scalar":
        layers.append(Layer(below, 1, below, "full"))
    return layers
