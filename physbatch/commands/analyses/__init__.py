"""Commands of the command line that analyse tables, datasets and results, imported when used."""
