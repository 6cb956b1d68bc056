"""When a fit is taken to describe its data."""

#: Probability of a larger chi-squared, or deviance, below which a fit does not describe its data.
ACCEPTABLE = 1e-3
