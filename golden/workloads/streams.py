"""Random numbers of a workload: each layer and purpose has a stream of its own."""

import hashlib
from enum import StrEnum

import numpy as np


class Purpose(StrEnum):
    """What a stream of random numbers is for."""

    COEFFICIENTS = "coefficients"
    BASIS = "basis"
    ACTIVATIONS = "activations"
    REMOVED_CHANNELS = "removed channels"
    RIVAL_WEIGHTS = "rival weights"


def stream(seed: int, layer: str, purpose: Purpose) -> np.random.Generator:
    """The generator of a workload's seed, a layer's name and a purpose.

    It depends on nothing else: one layer can be drawn alone, in any order, in any process. The spawn key of NumPy's
    SeedSequence is the SHA-256 of name and purpose.
    """
    digest = hashlib.sha256(f"{layer}\n{purpose}".encode()).digest()
    key = tuple(int(word) for word in np.frombuffer(digest, "<u4"))
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(seed, spawn_key=key)))
