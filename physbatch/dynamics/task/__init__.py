"""Gradient descent of a user's model in torch: the students of many replicas at once."""
