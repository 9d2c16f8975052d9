"""Which images are held out where the user has not put them apart."""

import numpy as np

from penni_escalate.common.errors import UserError

SHARE = 0.2


def hold_out(labels: np.ndarray, share: float, seed: int, where: str) -> tuple[np.ndarray, np.ndarray]:
    """Indices of the images to train with and of those held out, both ascending; ``share`` of each class is held out.

    Args:
        labels: int64 (N,), or (N, L) of several labels an image, the first of which tells the classes.

    Raises UserError where a class has one image only.
    """
    rng = np.random.default_rng((seed, 2))
    kept, held = [], []
    first = labels if labels.ndim == 1 else labels[:, 0]
    for label in np.unique(first):
        order = rng.permutation(np.flatnonzero(first == label))
        if len(order) < 2:
            raise UserError(
                f"{where}: class {label} has one image only: it must have two at least, one to train with and one to "
                "hold out."
            )
        count = min(max(round(share * len(order)), 1), len(order) - 1)
        held.append(order[:count])
        kept.append(order[count:])
    return np.sort(np.concatenate(kept)), np.sort(np.concatenate(held))
