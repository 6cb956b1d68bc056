"""Sums over inputs with the same bits on every processor, and in its vector registers.

A compiler that may reorder a sum takes as many partial sums as its processor has room for, and
one that may contract a b + c does so only where the processor can: the last digits then tell which
it was. Here the number of partial sums is fixed (16 for each row, in two vectors of eight), every
product is added by one explicit fused multiply-add, and the partial sums are added in a fixed
order. Vectors that are wider than a processor's are split by the compiler, which changes no bit.
"""

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

_LANES = 8
_INDEX = ir.IntType(64)
_LANE = ir.IntType(32)


def _dots(rows):
    """A compiled function: the scalar products of row k with `rows` rows from s on."""

    @intrinsic
    def dots(typing_context, weights, k, inputs, s):
        if weights.layout != "C" or inputs.layout != "C" or weights.dtype != inputs.dtype:
            return None
        signature = types.UniTuple(weights.dtype, rows)(weights, types.intp, inputs, types.intp)

        def code(context, builder, signature, arguments):
            left = context.make_array(signature.args[0])(context, builder, arguments[0])
            right = context.make_array(signature.args[2])(context, builder, arguments[2])
            (width,) = cgutils.unpack_tuple(builder, left.shape)[1:]
            row = _row(builder, left.data, arguments[1], width)
            others = [
                _row(builder, right.data, builder.add(arguments[3], _INDEX(number)), width)
                for number in range(rows)
            ]
            totals = _products(builder, row, others, width)
            return context.make_tuple(builder, signature.return_type, totals)

        return signature, code

    return dots


def _row(builder, data, number, width):
    return builder.gep(data, [builder.mul(number, width)])


def _products(builder, row, others, width):
    """The loop over the inputs, for all rows together."""
    scalar = row.type.pointee
    vector = ir.VectorType(scalar, _LANES)
    nothing = ir.Constant(vector, [0.0] * _LANES)
    sums = [[cgutils.alloca_once_value(builder, nothing) for _ in range(2)] for _ in others]

    def add(first, half):
        weights = _load(builder, row, first, vector)
        for other, total in zip(others, sums, strict=True):
            values = _load(builder, other, first, vector)
            sum_so_far = builder.load(total[half])
            builder.store(_fma(builder, vector, weights, values, sum_so_far), total[half])

    double = _INDEX(2 * _LANES)
    pairs = builder.udiv(width, double)
    with cgutils.for_range(builder, pairs, intp=_INDEX) as loop:
        first = builder.mul(loop.index, double)
        add(first, 0)
        add(builder.add(first, _INDEX(_LANES)), 1)
    done = builder.mul(pairs, double)
    more = builder.icmp_unsigned(">=", builder.sub(width, done), _INDEX(_LANES))
    with builder.if_then(more):
        add(done, 0)
    done = builder.select(more, builder.add(done, _INDEX(_LANES)), done)
    results = []
    for total in sums:
        both = builder.fadd(builder.load(total[0]), builder.load(total[1]))
        results.append(cgutils.alloca_once_value(builder, _sum(builder, both)))
    with cgutils.for_range(builder, width, start=done, intp=_INDEX) as loop:
        weight = _load(builder, row, loop.index, scalar)
        for other, result in zip(others, results, strict=True):
            value = _load(builder, other, loop.index, scalar)
            builder.store(builder.fma(weight, value, builder.load(result)), result)
    return [builder.load(result) for result in results]


def _at(builder, pointer, first, kind):
    """Where a number or eight of them stand, and how they are aligned: as one of them is."""
    position = builder.gep(pointer, [first])
    scalar = kind.element if isinstance(kind, ir.VectorType) else kind
    width = 8 if isinstance(scalar, ir.DoubleType) else 4
    return builder.bitcast(position, kind.as_pointer()), width


def _load(builder, pointer, first, kind):
    position, width = _at(builder, pointer, first, kind)
    return builder.load(position, align=width)


def _store(builder, values, pointer, first):
    position, width = _at(builder, pointer, first, values.type)
    builder.store(values, position, align=width)


def _fma(builder, kind, a, b, c):
    """a b + c with one rounding, of numbers or of vectors."""
    if not isinstance(kind, ir.VectorType):
        return builder.fma(a, b, c)
    bits = 64 if isinstance(kind.element, ir.DoubleType) else 32
    function = cgutils.get_or_insert_function(
        builder.module, ir.FunctionType(kind, [kind] * 3), f"llvm.fma.v{kind.count}f{bits}"
    )
    return builder.call(function, [a, b, c])


def _sum(builder, vector):
    """The lanes of a vector: halves are added until one number is left."""
    count = vector.type.count
    while count > 1:
        count //= 2
        halves = [
            builder.shuffle_vector(
                vector,
                ir.Constant(vector.type, ir.Undefined),
                ir.Constant(ir.VectorType(_LANE, count), [start + lane for lane in range(count)]),
            )
            for start in (0, count)
        ]
        vector = builder.fadd(*halves)
    return builder.extract_element(vector, _LANE(0))


@intrinsic
def fused(typing_context, a, b, c):
    """a b + c with one rounding, in the precision of a."""

    def code(context, builder, signature, arguments):
        return builder.fma(*arguments)

    return a(a, a, a), code


@intrinsic
def step_along(typing_context, weights, direction, rate):
    """weights -= rate direction, and the sum of the squares of the new weights, in float64.

    Arrays of one dimension; weights beyond the length of the direction stay as they are.
    """
    if weights.layout != "C" or direction.layout != "C" or weights.dtype != direction.dtype:
        return None

    def code(context, builder, signature, arguments):
        target = context.make_array(signature.args[0])(context, builder, arguments[0])
        source = context.make_array(signature.args[1])(context, builder, arguments[1])
        (width,) = cgutils.unpack_tuple(builder, source.shape)
        scalar = target.data.type.pointee
        vector, wide = ir.VectorType(scalar, _LANES), ir.VectorType(ir.DoubleType(), _LANES)
        minus = builder.fneg(arguments[2])
        many = ir.Constant(vector, ir.Undefined)
        for lane in range(_LANES):
            many = builder.insert_element(many, minus, _LANE(lane))

        def step(first, kind, factor, total):
            old = _load(builder, target.data, first, kind)
            new = _fma(builder, kind, factor, _load(builder, source.data, first, kind), old)
            _store(builder, new, target.data, first)
            square = builder.fmul(new, new)
            if not isinstance(scalar, ir.DoubleType):
                square = builder.fpext(square, total.type.pointee)
            builder.store(builder.fadd(square, builder.load(total)), total)

        zero = ir.Constant(wide, [0.0] * _LANES)
        lanes = cgutils.alloca_once_value(builder, zero)
        eighths = builder.udiv(width, _INDEX(_LANES))
        with cgutils.for_range(builder, eighths, intp=_INDEX) as loop:
            step(builder.mul(loop.index, _INDEX(_LANES)), vector, many, lanes)
        total = cgutils.alloca_once_value(builder, _sum(builder, builder.load(lanes)))
        done = builder.mul(eighths, _INDEX(_LANES))
        with cgutils.for_range(builder, width, start=done, intp=_INDEX) as loop:
            step(loop.index, scalar, minus, total)
        return builder.load(total)

    return types.float64(weights, direction, weights.dtype), code


dots_of_four = _dots(4)
dot = _dots(1)
