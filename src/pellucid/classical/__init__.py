"""Rivals without a network: the filters and linear maps that a denoising autoencoder has to beat.

A rival takes `(noisy, sigma=None)`, float32 (N, C, H, W), and returns the same shape and type, unclipped; its range
is whatever range it was given. Its strength comes from its options, tuned on training images by
`pellucid.classical.tuning`, so it makes no use of `sigma`. Rivals that learn return their fitted form from `fit`.
"""
