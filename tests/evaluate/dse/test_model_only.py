"""Modes of the model that no configuration expresses, with cycles worked by hand."""

import numpy as np
import pytest

from penni_escalate.common.errors import UserError
from penni_escalate.configs.accelerator import Accelerator, load_accelerator
from penni_escalate.evaluate.dse.counting import count_layer
from penni_escalate.evaluate.dse.model_only import ModelOnly, changed, is_model_only, written
from tests.evaluate.dse.layers import core, layer


def cycles(config: Accelerator, coefficients: np.ndarray, width: int) -> int:
    return count_layer(config, layer(coefficients, width))[0]


def test_a_ring_of_1_takes_a_beat_every_second_cycle() -> None:
    """Four channels, four lanes: a pixel is one beat. Every output channel has one coefficient, so a row adds for one
    cycle a pixel, and a 1x1 kernel multiplies for one: with two entries a beat enters the ring each cycle.

    With one entry a beat is written at one edge, read at the next, and only then is there room again: two cycles a
    pixel. Ten pixels take ten beats, of which all but the last are followed by one: 9 cycles more.
    """
    one_each = np.eye(4, dtype=np.int8)
    deep = cycles(core(4, ring=16), one_each, 10)
    assert cycles(core(4, ring=2), one_each, 10) == deep
    assert cycles(changed(core(4), {"ring": 1}), one_each, 10) == deep + 9
    assert cycles(changed(core(4), {"ring": 1}), one_each, 20) == cycles(core(4), one_each, 20) + 19


def test_32_adders_take_a_whole_beat_of_32() -> None:
    """32 channels that are not 0, all with a coefficient: 16 adder lanes own two of a beat's slots each and take two
    cycles a pixel, 32 lanes take one. Eight pixels: 8 cycles fewer.
    """
    every = np.ones((32, 32), np.int8)
    sixteen, more = core(32, adders=16), changed(core(32), {"adders": 32})
    assert is_model_only(more)
    assert cycles(sixteen, every, 8) - cycles(more, every, 8) == 8
    assert cycles(core(32, adders=8), every, 8) - cycles(more, every, 8) == 3 * 8


def test_without_dilution_every_activation_is_added() -> None:
    """Eight channels that are not 0; each output channel has one coefficient. One adder lane takes one value a pixel;
    without dilution all eight: 7 cycles more for each of 6 pixels, and eight times as many additions, in 8 blocks.
    """
    one_each = np.eye(8, dtype=np.int8)
    with_it, counts = count_layer(core(8), layer(one_each, 6))
    without, more = count_layer(changed(core(8), {"dilution": False}), layer(one_each, 6))
    assert without - with_it == 7 * 6
    assert (counts.narrow_additions, more.narrow_additions) == (8 * 6, 8 * 8 * 6)


def test_without_dilution_values_stay_as_they_are() -> None:
    """Output channel 0 has +1 and -1 on two channels of equal activations: its z are 0, and so no product is issued,
    also where the other channels' activations are added as zeros. Output channel 1 has no coefficient: its row stays
    idle. Of four output channels two have one +1 each: 5 pixels * 2 products, a multiplication of the row each, and 4
    requantizations a pixel.
    """
    some = np.array([[1, -1, 0, 0], [0, 0, 0, 0], [1, 0, 0, 0], [0, 0, 0, 1]], np.int8)
    counts = [count_layer(config, layer(some, 5))[1] for config in (core(4), changed(core(4), {"dilution": False}))]
    assert [found.wide_multiplications for found in counts] == [5 * 2 + 5 * 4] * 2
    assert counts[0].narrow_additions == 5 * (2 + 0 + 1 + 1)
    assert counts[1].narrow_additions == 5 * (4 + 0 + 4 + 4)


def test_what_can_be_built_is_not_model_only() -> None:
    full = load_accelerator("full")
    assert not is_model_only(changed(full, {"adders": 16}))
    assert changed(full, {"dilution": True}) == full
    for changes in ({"adders": 32}, {"ring": 1}, {"dilution": False}):
        assert is_model_only(changed(full, changes))
    assert written({"adders": 32, "dilution": False}) == "adders 32 dilution off"


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"ring": 3}, "field 'ring' is 3: it must be a power of two"),
        ({"ring": 0}, "field 'ring' is 0: Input should be greater than or equal to 1"),
        ({"adders": 64}, r"field 'lanes' is 32: it must be a multiple of adders \(64\)"),
        ({"adders": 1, "lookaside": 1}, "field 'lookaside' is 1: it must be below adders"),
        ({"blocks": True}, "field 'blocks' is True"),
    ],
)
def test_rules_hold_for_the_model_too(changes: dict[str, int | bool], rule: str) -> None:
    with pytest.raises(UserError, match=f"Configuration 'full' with .*{rule}"):
        changed(load_accelerator("full"), changes)


def test_the_generator_takes_no_configuration_for_the_model_alone() -> None:
    assert "dilution" not in Accelerator.__dataclass_fields__
    assert "dilution" in ModelOnly.__dataclass_fields__
