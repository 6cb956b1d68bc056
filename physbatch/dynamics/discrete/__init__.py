"""Discrete dynamics of any layers, binary or ternary weights, and any inputs."""
