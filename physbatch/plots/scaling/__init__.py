"""Figures of scaling analyses."""
