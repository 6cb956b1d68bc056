"""Engines: what simulates a cell, chosen by the study."""
