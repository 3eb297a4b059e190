"""Random number generators that depend on a seed and a key, so that no use of chance changes another."""

import hashlib

import torch


def make_generator(seed: int, *key: str | int, device: torch.device | str = "cpu") -> torch.Generator:
    """Return a generator that depends on the seed and the key alone, such as `make_generator(0, "noise", step)`.

    On a GPU the generator gets the same seed, but gives other numbers than that of the CPU.
    """
    digest = hashlib.blake2b(repr((seed, *key)).encode(), digest_size=7).digest()
    return torch.Generator(device).manual_seed(int.from_bytes(digest, "big"))
