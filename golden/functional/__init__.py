"""Functional model: whole networks in integers, fast; the layers' own arithmetic is in golden/kinds/.

Tensors are NHWC codes, uint8 or int8; a classifier's are int32 logits (N, K).
"""

from penni_escalate.golden.functional.network import (
    channel_scores,
    correlations,
    image_scores,
    layer_input,
    mean_channel_scores,
    run_layer,
    run_network,
    score,
    scores,
)

__all__ = [
    "channel_scores",
    "correlations",
    "image_scores",
    "layer_input",
    "mean_channel_scores",
    "run_layer",
    "run_network",
    "score",
    "scores",
]
