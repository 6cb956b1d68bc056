"""The order of a transition: first order, continuous or a crossover."""
