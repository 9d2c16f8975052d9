"""Points that were never trained, for tests."""

from typing import Any

from penni_escalate.compress.tradeoff.record import LayerCounts, LayerCycles, Point, Prediction


def layer_counts(**fields: Any) -> LayerCounts:
    values: dict[str, Any] = {
        "name": "conv2",
        "kind": "decomposed",
        "in_shape": (8, 4, 4),
        "out_shape": (16, 4, 4),
        "kernel": (3, 3),
        "rows": 3,
        "coefficients": 384,
        "nonzero": 40,
        "coded_bits": 1000,
        "activation_density": 0.5,
        "multiplications": 600,
        "additions": 100.5,
    }
    return LayerCounts(**{**values, **fields})


def prediction(configuration: str, *cycles: int, images: int = 2) -> Prediction:
    layers = tuple(LayerCycles(f"conv{n}", 1, False, value, 10, {"cycles": value}) for n, value in enumerate(cycles))
    return Prediction(configuration, images, layers, ("classifier",))


def point(name: str, score: float, cycles: float = 100, bits: int = 1000, **fields: Any) -> Point:
    values: dict[str, Any] = {
        "name": name,
        "from_package": False,
        "key": "k",
        "changes": {"decomposition.basis": 3},
        "basis": 3,
        "sparsity": 0.9,
        "channels": 0.0,
        "score": score,
        "float_score": 0.99,
        "coefficient_density": 0.1,
        "coded_bits": bits,
        "seconds": 1.0,
        "layers": (layer_counts(),),
        "predictions": (prediction("small", round(2 * cycles)), prediction("full", round(cycles))),
    }
    return Point(**{**values, **fields})
