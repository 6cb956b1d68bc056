"""Tables: whatever the numbers, text and NetCDF give them back to the last bit."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from physbatch.errors import PhysbatchError
from physbatch.tables import ScalingTable, checked, make_table, read_table

# Numbers whose powers leave the range of floating point are refused.
finite = st.floats(-1e50, 1e50, allow_subnormal=False)
positive = st.floats(1e-50, 1e50, allow_subnormal=False)


@st.composite
def tables(draw: st.DrawFn) -> ScalingTable:
    points = draw(
        st.lists(st.tuples(positive, finite), min_size=3, max_size=9, unique=True).filter(
            lambda one: len({size for size, _ in one}) > 1
        )
    )
    count = len(points)
    values = draw(
        st.lists(finite, min_size=count, max_size=count).filter(lambda one: len(set(one)) > 1)
    )
    errors = draw(st.lists(positive, min_size=count, max_size=count))
    size, control = zip(*points, strict=True)
    return make_table(size, control, {"m": values}, {"m": errors}, control_name="T")


def same(one: ScalingTable, other: ScalingTable) -> bool:
    return all(
        np.array_equal(a, b)
        for a, b in (
            (one.size, other.size),
            (one.control, other.control),
            (one.values["m"], other.values["m"]),
            (one.errors["m"], other.errors["m"]),
        )
    )


@given(tables())
@settings(deadline=None, max_examples=60)
def test_text_and_datasets_keep_every_bit(table: ScalingTable) -> None:
    assert same(ScalingTable.from_dataset(table.to_dataset()), table)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "t.csv")
        path.write_text(table.to_csv())
        assert same(read_table(path), table)


@given(tables(), st.integers(0, 2**32))
@settings(deadline=None, max_examples=60)
def test_the_order_of_rows_does_not_matter(table: ScalingTable, seed: int) -> None:
    rows = np.random.default_rng(seed).permutation(table.size.size)
    assert same(checked(table.take(rows)), table)


def answered(content: bytes) -> bool:
    """Whether a file with that content gives a table or a typed line."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "t.csv")
        path.write_bytes(content)
        try:
            return bool(read_table(path).size.size)
        except PhysbatchError as error:
            return "\n" not in str(error)


@given(st.binary(max_size=200))
@settings(deadline=None, max_examples=150)
def test_garbage_gets_a_typed_line(content: bytes) -> None:
    assert answered(content)


@given(st.text(alphabet='0123456789.,;# \t\n"LTm-e', max_size=120))
@settings(deadline=None, max_examples=300)
def test_almost_tables_too(content: str) -> None:
    assert answered(content.encode())


@given(st.text(max_size=120))
@settings(deadline=None, max_examples=150)
def test_any_text_too(content: str) -> None:
    assert answered(content.encode(errors="replace"))
