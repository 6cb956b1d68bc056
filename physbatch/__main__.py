"""``python -m physbatch``."""

from physbatch.cli import script

if __name__ == "__main__":
    script()
