"""Discrete dynamics of binary weights, 64 samples in a word."""
