"""compress/tradeoff/plots: what a reader of the plot sees."""

import re
from xml.etree import ElementTree

from penni_escalate.compress.tradeoff.front import costs_of
from penni_escalate.compress.tradeoff.plots import draw_tradeoff, standalone
from tests.compress.tradeoff.examples import point


def test_points_are_named_and_the_front_is_filled() -> None:
    """Of three points in one panel two are on the front: two filled circles of its colour, one hollow of the other."""
    points = [point("best", 0.99, bits=900), point("beaten", 0.97, bits=950), point("least", 0.9, bits=100)]
    costs = {"coded size, kbit": costs_of([])["coded size, kbit"]}
    svg = standalone(draw_tradeoff("net", "accuracy", points, costs))
    ElementTree.fromstring(svg)
    texts = re.findall(r"<text[^>]*>([^<]*)</text>", svg)
    assert {"best", "beaten", "least", "coded size, kbit", "accuracy [%]"} <= set(texts)
    assert "var(" not in svg and "currentColor" not in svg and 'aria-label="net: accuracy against cost"' in svg
    fills = re.findall(r"fill: (#[0-9a-f]{6}|none); stroke: (#[0-9a-f]{6})", svg)
    circles = [fill for fill in fills if fill[1] in ("#1f5fa8", "#d9772b") and fill != ("none", "#1f5fa8")]
    print(fills)
    assert sorted(circles) == [("#1f5fa8", "#1f5fa8"), ("#1f5fa8", "#1f5fa8"), ("none", "#d9772b")]
