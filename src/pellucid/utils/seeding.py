"""Random number generators, each seeded by its purpose: what one draws never depends on another."""

import hashlib

import torch


def make_generator(seed: int, *purpose: str | int) -> torch.Generator:
    """Return a generator that depends on the seed and its purpose alone, such as `make_generator(0, "noise", step)`."""
    digest = hashlib.blake2b(repr((seed, *purpose)).encode(), digest_size=7).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest, "big"))
