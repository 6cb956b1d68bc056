"""Dynamics: how students learn, by definition in plain torch and by compiled kernels."""
