"""The kinds of layers; each is a file here, and a line in the registry.

Sums run in floating point where all of their partial sums are integers that it holds exactly:

* a layer with an accumulator in float64: its overflow proof bounds the sum of |weight * code| by 2**33, and 2**53
  is exact;
* ternary sums of at most 65,536 codes in float32: below 2**24, which is exact.
"""

from penni_escalate.golden.kinds.average_inside import AVERAGE_INSIDE, AverageInside
from penni_escalate.golden.kinds.classifier import CLASSIFIER, Classifier
from penni_escalate.golden.kinds.convolution import Convolution
from penni_escalate.golden.kinds.decomposed import DECOMPOSED
from penni_escalate.golden.kinds.dense import DENSE
from penni_escalate.golden.kinds.depthwise import DEPTHWISE, Depthwise
from penni_escalate.golden.kinds.kind import Array, Kind
from penni_escalate.golden.kinds.max_pool import MAX_POOL, MaxPool
from penni_escalate.golden.kinds.pointwise import POINTWISE, Pointwise
from penni_escalate.golden.kinds.upsample import UPSAMPLE, Upsample
from penni_escalate.golden.kinds.upsample_nearest import UPSAMPLE_NEAREST, UpsampleNearest
from penni_escalate.golden.layers import LayerKind

KINDS: dict[LayerKind, Kind] = {
    kind.name: kind
    for kind in (
        DECOMPOSED,
        DENSE,
        DEPTHWISE,
        POINTWISE,
        MAX_POOL,
        AVERAGE_INSIDE,
        UPSAMPLE,
        UPSAMPLE_NEAREST,
        CLASSIFIER,
    )
}

__all__ = [
    "KINDS",
    "Array",
    "AverageInside",
    "Classifier",
    "Convolution",
    "Depthwise",
    "Kind",
    "MaxPool",
    "Pointwise",
    "Upsample",
    "UpsampleNearest",
]
