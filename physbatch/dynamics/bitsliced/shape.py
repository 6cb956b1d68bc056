"""The shape of a kernel as a type of compiled code: its numbers are constants everywhere.

A function that is given a `Shape` is compiled for that shape, so all its loops over planes,
readers and lanes have constant bounds, whether it is inlined or not.
"""

from numba import types
from numba.core import cgutils
from numba.core.datamodel import models, register_default
from numba.core.typing.templates import AttributeTemplate, infer_getattr
from numba.extending import intrinsic, lower_getattr_generic

#: Outputs that one vector instruction works on if a batch fills one word only.
AT_ONCE = 8

#: depth: weight layers. fan_in, planes, offset: of units below the outputs, their number of
#: terms, the bit planes that count them, and the shift that puts the threshold (fan_in + 1)/2 on
#: the top plane. last_fan_in, last_planes, last_offset: the same of output units. readers: how
#: many outputs read one unit of the layer below them. stride: places reserved for them in the
#: lists of readers; 8 if they are looked at all at once. row: words that hold one bit of all
#: samples. lanes: words that one instruction works on. together: replicas side by side in a row.
#: foreseen: 1 if what flips bring is kept ready (`physbatch.dynamics.bitsliced.gains`), else 0.
FIELDS = (
    "depth",
    "fan_in",
    "planes",
    "offset",
    "last_fan_in",
    "last_planes",
    "last_offset",
    "readers",
    "stride",
    "row",
    "lanes",
    "together",
    "foreseen",
)


def planes_for(fan_in: int) -> int:
    """Number of bit planes that count `fan_in` terms, for an odd fan-in."""
    return fan_in.bit_length()


def offset_for(fan_in: int) -> int:
    """Shift that puts the threshold (fan_in + 1)/2 on the top plane."""
    return int(2 ** (planes_for(fan_in) - 1)) - (fan_in + 1) // 2


def stride_for(readers: int, last_fan_in: int, row: int) -> int:
    """Places reserved for the readers of a unit.

    With one word to a row the lanes of a vector hold different outputs instead: up to eight, whose
    two or three planes and mask of wrong samples fit four words.
    """
    at_once = row == 1 and 2 <= readers <= AT_ONCE and 2 <= planes_for(last_fan_in) <= 3
    return AT_ONCE if at_once else readers


class Shape(types.Type):
    """A kernel shape; `FIELDS` are attributes."""

    def __init__(self, numbers):
        self.numbers = dict(zip(FIELDS, numbers, strict=True))
        super().__init__(name=f"shape{tuple(numbers)}")


register_default(Shape)(models.OpaqueModel)


@infer_getattr
class _ShapeAttributes(AttributeTemplate):
    key = Shape

    def generic_resolve(self, shape, name):
        return types.intp if name in shape.numbers else None


@lower_getattr_generic(Shape)
def _constant(context, builder, shape, value, name):
    return context.get_constant(types.intp, shape.numbers[name])


@intrinsic(prefer_literal=True)
def shape_of(typingctx, numbers):
    """The shape whose `FIELDS` are the numbers of a tuple of constants."""
    shape = Shape([number.literal_value for number in numbers])

    def codegen(context, builder, sig, args):
        return cgutils.get_null_value(context.get_value_type(sig.return_type))

    return shape(numbers), codegen
