"""Counter-based random streams: the same numbers on every device, in every order."""
