"""Commands of the command line, one module each, imported when used, and what they share."""
