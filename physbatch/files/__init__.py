"""Files: written whole or not at all, and read only when they can be trusted."""
