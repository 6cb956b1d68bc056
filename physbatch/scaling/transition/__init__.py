"""The transition of a dataset: success curves, drift with time, jump and verdict."""
