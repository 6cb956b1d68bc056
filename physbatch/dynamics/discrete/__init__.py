"""Greedy and Metropolis dynamics of binary or ternary weights on any layers and inputs.

`rules` is what it is told and returns, `definition` plain torch, `run` the engine; the compiled
`kernel` works on `state`, by `parts`, and tests perfection by `success`.
"""
