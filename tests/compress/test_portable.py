"""compress/portable: the same bytes on every processor, and arithmetic that is rounded as it should be."""

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from penni_escalate.common.errors import UserError
from penni_escalate.common.paths import ROOT
from penni_escalate.compress.portable import CHOICES, choose_portable_code, square_root
from penni_escalate.compress.recipe import parse_recipe
from tests.compress.small_networks import recipe_fields

PHASE = {"epochs": 1, "learning_rate": 0.002}
FIELDS = recipe_fields(
    "digits",
    PHASE,
    data={"source": "digits", "options": {"training_per_class": 13, "held_out_per_class": 3}},
    seed=1,
    batch=64,
    augmentation={"shift": 2.0, "rotation": 12.0, "zoom": 0.1},
    float_training={"epochs": 2, "learning_rate": 0.004},
    decomposition={"basis": 6, "rotate": True},
    distillation={"weight": 0.5, "temperature": 3.0},
    retraining={"alternations": 2, "epochs": 1, "learning_rate": 0.002, "l1": 1.0e-4},
    pruning={"sparsities": [0.905], "row_density": 0.2, **PHASE},
    quantization={"scale": "channel", "classifier": "int8", "training": PHASE},
    calibration={"images": 20, "percentile": 99.99},
    integer_training={"epochs": 1, "learning_rate": 0.0003},
    configuration="small",
    package_images=1000,
    hardware={"threads": 1, "portable": True},
)
PROCESSOR = Path("/proc/cpuinfo").read_text().split()
#: Of the arrays that FIELDS give with the pinned versions: measured on an AMD EPYC with AVX-512 and, emulated by QEMU,
#: on an Intel Haswell.
DIGEST = "3f19f3e58ea32272e8cc21af536589d48cdf32e81d4d2279b2498fc741290839"


@pytest.mark.skipif("avx2" not in PROCESSOR, reason="portable recipes are portable between x86-64 with AVX2")
def test_a_run_gives_the_bytes_of_other_processors(tmp_path: Path) -> None:
    recipe, package = tmp_path / "recipe.yaml", tmp_path / "package"
    recipe.write_text(json.dumps(FIELDS))
    command = [
        sys.executable,
        "-m",
        "penni_escalate",
        "compress",
        "run",
        "--config",
        recipe,
        "--out",
        package,
        "--work",
        tmp_path / "w",
    ]
    environment = {name: value for name, value in os.environ.items() if name not in CHOICES}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    arrays = sorted(package.glob("*.npz"))
    assert len(arrays) == 9, "seven convolutions, the classifier, the images"
    assert hashlib.sha256(b"".join(path.read_bytes() for path in arrays)).hexdigest() == DIGEST


def test_a_choice_that_comes_too_late(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, choice in CHOICES.items():
        monkeypatch.setenv(name, choice)
    choose_portable_code()
    monkeypatch.setenv("MKL_CBWR", "AVX2")
    with pytest.raises(UserError, match=r"'hardware.portable' comes too late, PyTorch has been imported: begin Python"):
        choose_portable_code()
    assert os.environ["MKL_CBWR"] == "AVX2", "nothing is said to be chosen that was not"


@pytest.mark.parametrize("hardware", [{"threads": 2}, {"threads": 1, "accelerator": "gpu"}])
def test_what_cannot_be_portable_is_refused(hardware: dict[str, object]) -> None:
    with pytest.raises(UserError, match=r"field 'hardware': 'portable' needs the accelerator 'cpu' and 1 thread\.$"):
        parse_recipe({**FIELDS, "hardware": {**hardware, "portable": True}}, "Recipe r.yaml")


def test_square_root_is_rounded_correctly() -> None:
    values = np.random.default_rng(1).random(100_003, np.float32) * np.float32(9)
    assert np.array_equal(square_root(torch.from_numpy(values)).numpy(), np.sqrt(values))
