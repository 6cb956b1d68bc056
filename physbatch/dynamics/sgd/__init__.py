"""Stochastic gradient descent of continuous weights, and of classifiers of real data.

`definition` is plain torch, `run` the engine; the compiled `kernel` draws samples by `batches` and
goes through the layers by `parts`. `classifier` trains networks on finite sets, in torch alone,
and `curvature` is the largest eigenvalue of their loss.
"""
