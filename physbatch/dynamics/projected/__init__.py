"""Gradient descent of a soft committee through its overlaps alone, exact at finite N.

`run` has the equations and is the engine, `state` where it starts, `definition` the same by library
functions; the compiled `kernel` does a `step` by `parts`, and `error` is the generalisation error.
"""
