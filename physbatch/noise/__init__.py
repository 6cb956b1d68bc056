"""Mini-batch noise: evidence, gradient covariance, noise scale, stability and optimum batch."""
