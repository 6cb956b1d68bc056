"""SIMD vectors as a type of compiled code: a fixed number of lanes, used like one integer.

The compiler's own vectoriser is not relied upon: `Lanes` is a vector type of LLVM, which turns
it into the widest registers that the machine has. Vectors are made from arrays, so the type of
the array says how wide a lane is, and a vector passed along says how many there are.
"""

import operator

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.datamodel import models, register_default
from numba.core.typing.templates import AbstractTemplate, infer_global, signature
from numba.extending import intrinsic, lower_builtin


class Lanes(types.Type):
    """`count` unsigned integers of `bits` bits each."""

    def __init__(self, bits: int, count: int) -> None:
        self.bits = bits
        self.count = count
        super().__init__(name=f"lanes({bits}x{count})")


@register_default(Lanes)
class _LanesModel(models.PrimitiveModel):
    def __init__(self, manager, kind):
        super().__init__(manager, kind, ir.VectorType(ir.IntType(kind.bits), kind.count))


# --- operators --------------------------------------------------------------------------


def _binary(symbol, method):
    @infer_global(symbol)
    class Template(AbstractTemplate):
        def generic(self, args, keywords):
            if len(args) == 2 and isinstance(args[0], Lanes) and args[0] == args[1]:
                return signature(args[0], *args)
            return None

    @lower_builtin(symbol, Lanes, Lanes)
    def lower(context, builder, sig, args):
        return getattr(builder, method)(*args)


for _symbol, _method in (
    (operator.xor, "xor"),
    (operator.and_, "and_"),
    (operator.or_, "or_"),
    (operator.add, "add"),
    (operator.sub, "sub"),
    (operator.ixor, "xor"),
    (operator.iand, "and_"),
    (operator.iadd, "add"),
):
    _binary(_symbol, _method)


@infer_global(operator.invert)
class _Invert(AbstractTemplate):
    def generic(self, args, keywords):
        return signature(args[0], *args) if isinstance(args[0], Lanes) else None


@lower_builtin(operator.invert, Lanes)
def _lower_invert(context, builder, sig, args):
    return builder.not_(args[0])


# --- memory -----------------------------------------------------------------------------


def _pointer(context, builder, kind, array, offset, vector):
    data = context.make_array(kind)(context, builder, array).data
    return builder.bitcast(builder.gep(data, [offset]), vector.as_pointer())


@intrinsic
def load(typingctx, array, offset, like):
    """The lanes that stand at `array[offset]`; as many as `like` has."""

    def codegen(context, builder, sig, args):
        vector = context.get_value_type(sig.return_type)
        at = _pointer(context, builder, sig.args[0], args[0], args[1], vector)
        return builder.load(at, align=array.dtype.bitwidth // 8)

    return like(array, types.intp, like), codegen


@intrinsic
def store(typingctx, array, offset, lanes):
    """Write the lanes to `array[offset]` and after."""

    def codegen(context, builder, sig, args):
        vector = context.get_value_type(sig.args[2])
        at = _pointer(context, builder, sig.args[0], args[0], args[1], vector)
        builder.store(args[2], at, align=array.dtype.bitwidth // 8)
        return context.get_dummy_value()

    return types.void(array, types.intp, lanes), codegen


#: How two vectors of two rows of four words are made into four vectors of one word each, in two
#: rounds: first neighbouring words, then neighbouring pairs of them.
_ODD_WORDS = {0: (0, 8, 2, 10, 4, 12, 6, 14), 1: (1, 9, 3, 11, 5, 13, 7, 15)}
_PAIRS = {0: (0, 1, 4, 5, 8, 9, 12, 13), 1: (2, 3, 6, 7, 10, 11, 14, 15)}


def _choose(builder, first, second, places):
    mask = ir.Constant(ir.VectorType(ir.IntType(32), len(places)), list(places))
    return builder.shuffle_vector(first, second, mask)


@intrinsic
def load_across(typingctx, array, offsets, begin):
    """Four words from each of eight places, as four vectors of eight lanes.

    Lane k of vector w is `array[offsets[begin + k] + w]`.
    """
    kind = Lanes(array.dtype.bitwidth, 8)

    def codegen(context, builder, sig, args):
        element = ir.IntType(array.dtype.bitwidth)
        four = ir.VectorType(element, 4)
        index = context.make_array(sig.args[1])(context, builder, args[1]).data
        loaded = []
        for lane in range(8):
            number = builder.add(args[2], ir.IntType(64)(lane))
            offset = builder.sext(builder.load(builder.gep(index, [number])), ir.IntType(64))
            at = _pointer(context, builder, sig.args[0], args[0], offset, four)
            loaded.append(builder.load(at, align=array.dtype.bitwidth // 8))
        pairs = [
            _choose(builder, loaded[first], loaded[first + 2], range(8)) for first in (0, 1, 4, 5)
        ]
        halves = {
            (half, parity): _choose(builder, pairs[2 * half], pairs[2 * half + 1], places)
            for half in (0, 1)
            for parity, places in _ODD_WORDS.items()
        }
        rows = [
            _choose(builder, halves[0, word % 2], halves[1, word % 2], _PAIRS[word // 2])
            for word in range(4)
        ]
        return context.make_tuple(builder, sig.return_type, rows)

    return types.UniTuple(kind, 4)(array, offsets, types.intp), codegen


@intrinsic
def any_bit(typingctx, array, offset, like):
    """All ones in lane k where `array[offset + k]` is not 0."""

    def codegen(context, builder, sig, args):
        vector = context.get_value_type(sig.return_type)
        items = ir.VectorType(ir.IntType(array.dtype.bitwidth), vector.count)
        at = _pointer(context, builder, sig.args[0], args[0], args[1], items)
        loaded = builder.load(at, align=array.dtype.bitwidth // 8)
        return builder.sext(builder.icmp_unsigned("!=", loaded, ir.Constant(items, None)), vector)

    return like(array, types.intp, like), codegen


@intrinsic
def prefetch(typingctx, array, offset):
    """Ask for the cache line of `array[offset]`, which will be read soon."""

    def codegen(context, builder, sig, args):
        byte = ir.IntType(8).as_pointer()
        word = ir.IntType(32)
        data = context.make_array(sig.args[0])(context, builder, args[0]).data
        at = builder.bitcast(builder.gep(data, [args[1]]), byte)
        function = cgutils.get_or_insert_function(
            builder.module,
            ir.FunctionType(ir.VoidType(), [byte, word, word, word]),
            "llvm.prefetch.p0",
        )
        builder.call(function, [at, word(0), word(3), word(1)])
        return context.get_dummy_value()

    return types.void(array, types.intp), codegen


# --- making and reading -----------------------------------------------------------------


def _splat(builder, scalar, vector):
    single = builder.insert_element(ir.Constant(vector, ir.Undefined), scalar, ir.IntType(32)(0))
    mask = ir.Constant(ir.VectorType(ir.IntType(32), vector.count), None)
    return builder.shuffle_vector(single, ir.Constant(vector, ir.Undefined), mask)


@intrinsic(prefer_literal=True)
def fill(typingctx, array, value, count):
    """A vector of `count` lanes (a constant), as wide as the items of `array`, all `value`."""
    if not isinstance(count, types.IntegerLiteral):
        return None
    kind = Lanes(array.dtype.bitwidth, count.literal_value)
    value = types.unliteral(value)

    def codegen(context, builder, sig, args):
        vector = context.get_value_type(sig.return_type)
        scalar = context.cast(builder, args[1], sig.args[1], types.uint64)
        return _splat(builder, builder.trunc(scalar, vector.element), vector)

    return kind(array, value, count), codegen


def _resize(builder, value, wanted):
    width = value.type.width
    if width > wanted.width:
        return builder.trunc(value, wanted)
    return builder.zext(value, wanted) if width < wanted.width else value


@intrinsic
def fill_like(typingctx, value, like):
    """A vector like another, all lanes `value`."""

    def codegen(context, builder, sig, args):
        vector = context.get_value_type(sig.return_type)
        return _splat(builder, builder.trunc(args[0], vector.element), vector)

    return like(types.int64, like), codegen


@intrinsic
def repeat(typingctx, vector, like):
    """The first lane of a vector in all lanes of a vector like another."""

    def codegen(context, builder, sig, args):
        vector = context.get_value_type(sig.return_type)
        return _splat(builder, builder.extract_element(args[0], ir.IntType(32)(0)), vector)

    return like(vector, like), codegen


@intrinsic
def four_words(typingctx, first, second, third, fourth, like):
    """A vector of four lanes like another, from four words."""

    def codegen(context, builder, sig, args):
        vector = ir.Constant(context.get_value_type(sig.return_type), ir.Undefined)
        for lane in range(4):
            vector = builder.insert_element(vector, args[lane], ir.IntType(32)(lane))
        return vector

    return like(*[types.uint64] * 4, like), codegen


@intrinsic
def spread(typingctx, mask, like):
    """Lane i is all ones where bit i of the mask is 1, and else 0."""

    def codegen(context, builder, sig, args):
        vector = context.get_value_type(sig.return_type)
        bits = _resize(builder, args[0], ir.IntType(vector.count))
        chosen = builder.bitcast(bits, ir.VectorType(ir.IntType(1), vector.count))
        return builder.sext(chosen, vector)

    return like(mask, like), codegen


@intrinsic
def population(typingctx, lanes):
    """Number of ones in each lane."""

    def codegen(context, builder, sig, args):
        kind = sig.args[0]
        vector = context.get_value_type(kind)
        name = f"llvm.ctpop.v{kind.count}i{kind.bits}"
        function = cgutils.get_or_insert_function(
            builder.module, ir.FunctionType(vector, [vector]), name
        )
        return builder.call(function, args)

    return lanes(lanes), codegen


@intrinsic
def total(typingctx, lanes):
    """Sum of the lanes as signed numbers."""

    def codegen(context, builder, sig, args):
        count = sig.args[0].count
        wide = ir.VectorType(ir.IntType(64), count)
        value = args[0] if sig.args[0].bits == 64 else builder.sext(args[0], wide)
        if count == 1:
            return builder.extract_element(value, ir.IntType(32)(0))
        function = cgutils.get_or_insert_function(
            builder.module,
            ir.FunctionType(ir.IntType(64), [wide]),
            f"llvm.vector.reduce.add.v{count}i64",
        )
        return builder.call(function, [value])

    return types.int64(lanes), codegen


@intrinsic
def lanes_below(typingctx, lanes, limit):
    """Bit i is 1 where lane i, a signed number, is below the limit."""

    def codegen(context, builder, sig, args):
        vector = context.get_value_type(sig.args[0])
        bound = _splat(builder, builder.trunc(args[1], vector.element), vector)
        chosen = builder.icmp_signed("<", args[0], bound)
        bits = builder.bitcast(chosen, ir.IntType(vector.count))
        return _resize(builder, bits, ir.IntType(64))

    return types.uint64(lanes, types.int64), codegen


@intrinsic
def signed_lane(typingctx, lanes, lane):
    """One lane as a signed number."""

    def codegen(context, builder, sig, args):
        item = builder.extract_element(*args)
        return builder.sext(item, ir.IntType(64))

    return types.int64(lanes, types.int64), codegen


@intrinsic
def popcount(typingctx, word):
    """Number of ones in a 64-bit word, as one instruction."""

    def codegen(context, builder, signature, args):
        function = builder.module.declare_intrinsic("llvm.ctpop", [ir.IntType(64)])
        return builder.call(function, args)

    return types.int64(types.uint64), codegen


@intrinsic
def any_lane(typingctx, lanes):
    """Whether any bit of any lane is 1."""

    def codegen(context, builder, sig, args):
        whole = ir.IntType(sig.args[0].bits * sig.args[0].count)
        return builder.icmp_unsigned("!=", builder.bitcast(args[0], whole), whole(0))

    return types.boolean(lanes), codegen
