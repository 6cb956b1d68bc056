"""Greedy and Metropolis dynamics of binary weights, one bit for each sample.

`definition` is plain torch, `run` the engine on the CPU. Its kernel is compiled for each shape of
network (`shape`): `kernel` sweeps over the proposals, `moves` and `deep` flip weights, `parts`
draws batches and decides, `measure` measures, `layout` says where everything stands in memory and
`lanes` makes vectors of it. `limit` is how fast a machine could be, `cuda` the same on a GPU.
"""
