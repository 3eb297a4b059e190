"""Engines: libraries that run a denoising network, all behind the same call."""
