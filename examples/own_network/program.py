"""The same as recipe.yaml from a program, with a network and images that are there already."""

from pathlib import Path

import numpy as np
from images import DrawnShapes
from network import Shapes

from penni_escalate.compress import Step, compress_network, make_data, make_recipe, plan_run, read_network


def main(folder: Path) -> None:
    """Compress into ``folder``/package."""
    network = Shapes()
    _, graph = read_network(network, "Shapes", (1, 12, 12))
    print(f"{len(graph.layers)} layers, of {[layer.role.value for layer in graph.layers]}")

    parts = []
    for train in (True, False):
        shapes = DrawnShapes(train)
        images, labels = zip(*(shapes[number] for number in range(len(shapes))), strict=True)
        parts += [np.stack(images), np.array(labels)]
    data = make_data(*parts)

    recipe = make_recipe(
        network="Shapes",
        data={"source": "shapes"},
        float_training={"epochs": 10},
        pruning={"sparsities": [0.6], "epochs": 2},
        quantization={"training": {"epochs": 4}},
        hardware={"threads": 1},
    )
    plan = plan_run(recipe, folder / "steps", network=network, data=data)
    print(f"about {plan.total:.0f} s and {plan.memory / 2**30:.1f} GiB")

    def tell(step: Step) -> None:
        print(f"{step.name}: {step.score:.3f}")

    report = compress_network(
        recipe, folder / "package", work=folder / "steps", network=network, data=data, report=tell
    )
    assert report is not None
    print(f"integers: {report.integer_score:.3f}, {report.coefficient_sparsity:.0%} of the coefficients are zero")


if __name__ == "__main__":
    main(Path("."))
