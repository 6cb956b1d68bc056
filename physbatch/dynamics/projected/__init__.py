"""Gradient descent of soft committees through their overlaps alone."""
