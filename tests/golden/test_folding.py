"""Folded images: what a folded layer gives is what the layer gives, and who is folded how."""

from dataclasses import replace

import numpy as np
import pytest

from penni_escalate.configs.accelerator import load_accelerator
from penni_escalate.golden.cycle.stalls import free_running
from penni_escalate.golden.cycle.stream_core import output_tensor, simulate
from penni_escalate.golden.fit import fitting_folds, unsupported_reason
from penni_escalate.golden.folding import Fold, fold_image, fold_layer, possible_folds
from penni_escalate.golden.geometry import Geometry, Padding
from penni_escalate.golden.kinds import Convolution
from penni_escalate.golden.layers import LayerKind, Skip
from penni_escalate.golden.schedule import inputs_of, load_words, passes_of
from tests.golden.naive import naive_layer

FULL, SMALL, TINY = (load_accelerator(name) for name in ("full", "small", "tiny"))


def dense(rng: np.random.Generator, g: Geometry) -> Convolution:
    """A dense layer of the network's input; about a deviation of its sums are all codes."""
    k, c = g.kernels, g.channels
    return Convolution(
        name="stem",
        kind=LayerKind.DENSE,
        sources=("input",),
        geometry=g,
        signed_in=True,
        coefficients=np.broadcast_to(np.eye(c, dtype=np.int8), (k, c, c)),
        basis=rng.integers(-128, 128, (k, c, g.kernel_height, g.kernel_width)).astype(np.int8),
        exponent=rng.integers(0, 3, c).astype(np.uint8),
        bias=rng.integers(-1000, 1000, k).astype(np.int32),
        multiplier=np.full(k, 2**14, np.uint16),
        shift=np.full(k, 24, np.uint8),
        low=-128,
        high=127,
        signed_out=True,
    )


def random_geometry(rng: np.random.Generator) -> Geometry:
    """Any that there is, of few channels."""
    while True:
        rows, columns = (int(n) for n in rng.integers(1, 8, 2))
        sides = Padding(*(int(rng.integers(size)) for size in (rows, rows, columns, columns)))
        sizes = [int(n) for n in (rng.integers(1, 4), *rng.integers(1, 14, 2), 3)]
        try:
            return Geometry(*sizes, rows, columns, int(rng.integers(1, 4)), sides)
        except ValueError:
            continue


@pytest.mark.parametrize("seed", range(4))
def test_a_folded_layer_gives_what_the_layer_gives(seed: int) -> None:
    print(f"seed {seed}")
    rng, folded = np.random.default_rng(seed), set()
    for _ in range(60):
        layer = dense(rng, random_geometry(rng))
        g = layer.geometry
        image = rng.integers(-128, 128, (g.height, g.width, g.channels)).astype(np.int8)
        expected = naive_layer(layer, {"input": image.astype(np.int64)})
        for fold in possible_folds(layer, FULL):
            found = fold_layer(layer, fold).compute(fold_image(layer, fold, image)[None])[0]
            np.testing.assert_array_equal(found, expected, err_msg=f"{g} {fold}")
            folded.add((fold.down > 1, fold.across > 1))
    assert len(folded) == 4


@pytest.mark.parametrize("seed", range(3))
def test_the_cycle_model_gives_what_the_layer_gives(seed: int) -> None:
    """Whatever the fold, through groups, passes and positions."""
    print(f"seed {seed}")
    rng = np.random.default_rng(seed)
    for _ in range(4):
        layer = dense(rng, replace(random_geometry(rng), kernels=5))
        g = layer.geometry
        image = rng.integers(-128, 128, (g.height, g.width, g.channels)).astype(np.int8)
        for fold in fitting_folds(layer, TINY):
            passes = passes_of(layer, TINY, fold=fold)
            loads = [load_words(work, TINY) for work in passes]
            trace = simulate(TINY, passes, inputs_of(layer, image, TINY, passes), loads, free_running())
            found = output_tensor(trace.outputs, passes, layer)[..., : g.kernels].view(np.int8)
            np.testing.assert_array_equal(found, layer.compute(image[None])[0], err_msg=f"{g} {fold}")


def test_the_fastest_fold_is_taken() -> None:
    """Lines are folded where TAPS columns are one step, columns too where each is a step."""
    rng = np.random.default_rng(1)
    grey = dense(rng, Geometry(1, 28, 28, 16, 3, 3, 1, 1))
    colour = dense(rng, Geometry(3, 28, 28, 16, 3, 3, 1, 1))
    assert passes_of(grey, FULL)[0].fold == Fold(down=3)
    assert passes_of(colour, FULL)[0].fold == Fold(down=2)
    assert passes_of(grey, SMALL)[0].fold.places == 6
    assert passes_of(colour, SMALL)[0].fold.places == 2
    assert str(passes_of(grey, FULL)[0].geometry) == "28x28x3 > 16, 1x3 s1 p0,0,1,1"


def test_what_is_not_folded() -> None:
    """Another layer's tensor, a skip tensor's sum, ternary coefficients, and an image of enough channels."""
    rng = np.random.default_rng(1)
    layer = dense(rng, Geometry(1, 8, 8, 4, 3, 3, 1, 1))
    alone = [Fold()]
    assert possible_folds(layer, FULL) != alone
    assert possible_folds(replace(layer, sources=("other",)), FULL) == alone
    assert possible_folds(replace(layer, flatten=True), FULL) == alone
    assert possible_folds(replace(layer, kind=LayerKind.DECOMPOSED), FULL) == alone
    skip = Skip(source="input", value=np.ones(4, np.uint8), exponent=np.zeros(4, np.uint8), signed=False)
    assert possible_folds(replace(layer, skip=skip), FULL) == alone
    assert possible_folds(dense(rng, Geometry(4, 8, 8, 4, 3, 3, 1, 1)), FULL) == alone


def test_a_kernel_that_fits_only_when_folded_runs() -> None:
    rng = np.random.default_rng(1)
    tall = dense(rng, Geometry(1, 16, 16, 4, 7, 5, 2, 2))
    assert SMALL.kernel_max == 5
    assert unsupported_reason(tall, SMALL) is None
    assert Fold() not in fitting_folds(tall, SMALL)
    assert unsupported_reason(replace(tall, sources=("other",)), SMALL) == "kernel_height is 7, kernel_max allows 5"


def test_the_padding_of_each_side_must_be_below_the_kernels_size() -> None:
    for sides in (Padding(3, 0, 0, 0), Padding(0, 3, 0, 0), Padding(0, 0, 2, 0), Padding(0, 0, 0, 2)):
        with pytest.raises(ValueError, match=r"it must be below the kernel's size \(3 x 2\)"):
            Geometry(1, 8, 8, 1, 3, 2, 1, sides)
        assert Geometry(1, 8, 8, 1, 3, 2, 1, Padding(*(max(0, n - 1) for n in sides)))
