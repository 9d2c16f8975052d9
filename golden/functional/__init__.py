"""Functional model: whole networks in integers, fast.

Sums run in floating point where all of their partial sums are integers that it holds exactly:

* a layer with an accumulator in float64: its overflow proof bounds the sum of |weight * code| by 2**33, and 2**53
  is exact;
* ternary sums of at most 65,536 codes in float32: below 2**24, which is exact.

Tensors are NHWC codes, uint8 or int8; a classifier's are int32 logits (N, K).
"""

from penni_escalate.golden.functional.convolution import accumulate, combine, convolve, requantize
from penni_escalate.golden.functional.network import image_scores, layer_input, run_layer, run_network, score
from penni_escalate.golden.functional.resampling import max_pool, upsample

__all__ = [
    "accumulate",
    "combine",
    "convolve",
    "image_scores",
    "layer_input",
    "max_pool",
    "requantize",
    "run_layer",
    "run_network",
    "score",
    "upsample",
]
