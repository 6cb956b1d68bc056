"""Results: numbers with errors and flags, their files and their tables."""
