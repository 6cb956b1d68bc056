"""Laws of size, and the limit N -> infinity."""
