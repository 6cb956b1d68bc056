"""The bit-sliced dynamics on an NVIDIA GPU."""
