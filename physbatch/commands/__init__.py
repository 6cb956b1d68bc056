"""Commands of the command line for scaling analyses, one module each, imported when used."""
