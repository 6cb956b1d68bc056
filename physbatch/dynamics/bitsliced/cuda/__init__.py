"""The bit-sliced dynamics on a GPU: `run`, its `kernel`, and what that is made of."""
