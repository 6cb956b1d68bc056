"""Tables of observables at points (size, control), from data of any origin."""
