"""Inference: images of any dtype and size denoised by a network, tile by tile."""
