"""Curves of observables against the control: their crossings and their peaks."""
