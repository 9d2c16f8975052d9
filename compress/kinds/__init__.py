"""What compress/ does with the layers of each role; a role is a line in the registry."""

from penni_escalate.compress.graph import Role
from penni_escalate.compress.kinds.average_inside import AVERAGE_INSIDE
from penni_escalate.compress.kinds.classifier import CLASSIFIER
from penni_escalate.compress.kinds.decomposed import DECOMPOSED
from penni_escalate.compress.kinds.dense import DENSE
from penni_escalate.compress.kinds.depthwise import AVERAGE_POOL, DEPTHWISE
from penni_escalate.compress.kinds.max_pool import MAX_POOL
from penni_escalate.compress.kinds.pointwise import POINTWISE, SELECT
from penni_escalate.compress.kinds.role import RoleKind
from penni_escalate.compress.kinds.upsample import UPSAMPLE
from penni_escalate.compress.kinds.upsample_nearest import UPSAMPLE_NEAREST
from penni_escalate.golden.layers import LayerKind

ROLES: dict[Role, RoleKind] = {
    entry.role: entry
    for entry in (
        DECOMPOSED,
        DENSE,
        DEPTHWISE,
        POINTWISE,
        CLASSIFIER,
        MAX_POOL,
        AVERAGE_POOL,
        AVERAGE_INSIDE,
        UPSAMPLE,
        UPSAMPLE_NEAREST,
        SELECT,
    )
}


def role_of_kind(kind: LayerKind) -> RoleKind:
    """A role whose layers are of this kind in a package; roles that share a kind count operations alike."""
    return next(entry for entry in ROLES.values() if entry.kind is kind)


__all__ = ["ROLES", "RoleKind", "role_of_kind"]
