"""Tests of the commands that analyse."""
