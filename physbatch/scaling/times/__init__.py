"""Times: first passages, escapes and rates of growth."""
