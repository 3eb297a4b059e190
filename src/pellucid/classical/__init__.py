"""Baselines: classical filters and linear maps that a denoising autoencoder has to beat.

A baseline takes `(noisy, sigma=None)`, float32 (N, C, H, W), and returns the same shape and type, not clipped, in the
units of its input. Its strength depends on its options, which `pellucid.classical.tuning` tunes on training images; it
ignores `sigma`. Baselines that need training return their fitted form from `fit`.
"""
