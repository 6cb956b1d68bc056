"""Data collapse: exponents from the demand that all sizes fall on one curve."""
