"""ImageNet's names, in the order of the rows of published heads."""

from types import SimpleNamespace
from typing import Any

import pytest

from vicinal.images.weights.class_names import class_names, imagenet_classes

ROWS = {0: "tench", 1: "goldfish", 207: "golden retriever", 281: "tabby"}
ROWS |= {404: "airliner", 667: "mortarboard", 817: "sports car", 999: "toilet tissue"}
"""as in the papers and models that name them with their numbers"""


def test_the_thousand_names_are_distinct_and_in_order():
    names = imagenet_classes()
    assert len(set(names)) == len(names) == 1000
    assert {row: names[row] for row in ROWS} == ROWS
    assert all(name == name.strip() and "|" not in name for name in names)


@pytest.mark.parametrize(
    ("count", "row", "name", "note"),
    [
        (1000, 667, "mortarboard", "1,000, named as those of ImageNet"),
        (1001, 668, "mortarboard", "1,001, named as background and"),
        (1001, 0, "background", "background"),
        (999, 667, "667", "999, numbered"),
        (10, 3, "3", "numbered"),
    ],
)
def test_a_head_is_named_by_its_number_of_classes(count, row, name, note):
    weights: Any = SimpleNamespace(classes=count)
    names, text = class_names(weights)
    assert len(names) == count and names[row] == name and note in text
