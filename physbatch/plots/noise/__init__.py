"""Figures of batch noise."""
