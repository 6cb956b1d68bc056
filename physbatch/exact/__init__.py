"""Closed forms and exact chains, and synthetic systems with planted answers.

`greedy_unit` is an exact chain of the dynamics, `committee` and `committee_stability` the theory
of soft committees, `linear_sgd` the exact laws of a linear student.
Test systems for the scaling analysis are `curie_weiss` and `scaling_functions` (scaling laws),
`phases` and `planted` (the order of a transition, and traps without any), `escapes` (metastable
states) and `lattices` (percolation and Ising in 2-D).
"""
