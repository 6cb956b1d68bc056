"""Stochastic gradient descent of continuous weights."""
