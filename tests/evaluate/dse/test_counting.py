"""What a sweep counts is what the evaluation has."""

import pytest

from penni_escalate.common.errors import UserError
from penni_escalate.configs.accelerator import load_accelerator
from penni_escalate.evaluate.dse.counting import count_layer, count_workload, workload_of
from penni_escalate.evaluate.dse.model_only import changed
from penni_escalate.evaluate.machine import run_layer

SMALL = load_accelerator("small")


@pytest.mark.parametrize("number", [0, 5])
def test_a_layer_is_counted_as_in_the_evaluation(number: int) -> None:
    work = workload_of("digits").layers[number]
    performance = run_layer(SMALL, work)
    assert count_layer(SMALL, work) == (performance.cycles, performance.counts)


def test_a_workload_is_its_layers(tmp_path) -> None:
    """Two layers of a network of which one stands for three alike."""
    path = tmp_path / "own.yaml"
    layers = [
        {"name": "a", "size": 4, "channels": 16, "kernels": 16, "kernel": 3, "repeats": 3},
        {"name": "b", "size": 4, "channels": 16, "kernels": 8, "kernel": 1},
    ]
    rule = [{"layers": "*", "density": 0.5, "source": "assumed."}]
    path.write_text(
        repr(
            {
                "title": "own",
                "note": "Own.",
                "drawn": True,
                "seed": 1,
                "basis": 2,
                "activations": rule,
                "coefficients": rule,
                "rivals": {"densities": rule},
                "layers": layers,
            }
        ).replace("True", "true")
    )
    first, second = (count_layer(SMALL, work) for work in workload_of(str(path)).layers)
    cycles, counts = count_workload(SMALL, str(path))
    assert cycles == 3 * first[0] + second[0]
    assert counts.dram_bytes == 3 * first[1].dram_bytes + second[1].dram_bytes


def test_a_layer_that_cannot_run() -> None:
    config = changed(SMALL, {"rows": 5})
    with pytest.raises(UserError, match=r"layer '.*': basis is 6, rows allows 5"):
        count_workload(config, "digits")
