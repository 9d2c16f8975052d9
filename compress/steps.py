"""The steps of a run, in their order: what each does, and which fields of the recipe its result depends on."""

import hashlib
import json
from typing import Any

from penni_escalate.compress.own_code import is_onnx
from penni_escalate.compress.recipe import Recipe, recorded_fields

#: What each step does; each is a command of its own.
TEXTS = {
    "train": "Train the float network.",
    "decompose": "Decompose its kernels into shared basis kernels, and rotate the bases.",
    "retrain": "Retrain coefficients and basis kernels in alternation, with an l1 term.",
    "prune": "Prune coefficients in rounds, fine-tuning after each.",
    "shrink": "Slice away the channels that nothing reads.",
    "quantize": "Make coefficients ternary and kernels 8-bit, and retrain.",
    "fold": "Quantize activations, fold batch norm, fine-tune in integer arithmetic.",
    "export": "Write the package, measured by the integer model.",
}
STEPS = tuple(TEXTS)
#: Fields of the recipe, a nested one with a dot, by the step that is the first to read them; steps after it may.
FIRST_READ = {
    "train": (
        "network",
        "checkpoint",
        "data",
        "seed",
        "batch",
        "weight_decay",
        "augmentation",
        "optimizer",
        "float_training",
    ),
    "decompose": ("decomposition", "schedule"),
    # Only a ternary classifier has coefficients that are penalised and pruned.
    "retrain": ("retraining", "distillation", "quantization.classifier"),
    "prune": ("pruning",),
    "shrink": ("shrink",),
    "quantize": ("quantization.scale", "quantization.feedback", "quantization.training"),
    "fold": ("calibration", "integer_training"),
    "export": ("package_images",),
}
#: Where a step runs, and what its result is meant for: what it computes stays, but for rounding.
WITHOUT_EFFECT = ("hardware", "configuration")


def digest(recipe: Recipe, last: str) -> str:
    """Identifies what the result of the steps up to ``last`` depends on: a file of another digest is not resumed from.

    What the user's own files contain, the network, its checkpoint and a dataset's class, is a part of it.
    """
    fields = recorded_fields(recipe)
    names = [name for step in STEPS[: STEPS.index(last) + 1] for name in FIRST_READ[step]]
    read = {name: _value(fields, name) for name in names if name.partition(".")[0] in fields}
    own = [recipe.network.rpartition(":")[0], recipe.checkpoint, recipe.data.source.rpartition(":")[0]]
    if is_onnx(recipe.network):
        from penni_escalate.compress.onnx_file.file import weight_files

        own += [recipe.network, *map(str, weight_files(recipe.base, recipe.network))]
    for name in filter(None, own):
        path = recipe.base / name
        if path.is_file():
            read[name] = hashlib.sha256(path.read_bytes()).hexdigest()
    return hashlib.sha256(json.dumps([last, read], sort_keys=True).encode()).hexdigest()


def _value(fields: dict[str, Any], name: str) -> Any:
    value: Any = fields
    for part in name.split("."):
        value = value[part]
    return value
