"""Targets of explanations: a class, one class against another, or a number."""

import pytest
import torch

from vicinal.core.objective import Numeric, SingleLabel
from vicinal.errors import ClassError, SettingError
from vicinal.images.tracing.target import Target, select_target

OBJECTIVE = SingleLabel(("ant", "bee", "cow"))
LOGITS = torch.tensor([0.0, 2.0, 1.0])


def test_targets_are_selected_by_class_name():
    assert select_target(OBJECTIVE, None, None, LOGITS) == Target("bee", 1)
    assert select_target(OBJECTIVE, "ant", None, LOGITS) == Target("ant", 0)
    margin = select_target(OBJECTIVE, None, "cow", LOGITS)
    assert margin == Target("bee, not cow", 1, 2)
    opposite = select_target(OBJECTIVE, "cow", "ant", LOGITS)
    assert opposite(LOGITS[None]).tolist() == [1.0]
    assert select_target(Numeric(), None, None, LOGITS).row == 0


@pytest.mark.parametrize(
    ("name", "against", "message"),
    [
        ("cat", None, "no class 'cat'"),
        ("ant", "dog", "no class 'dog'"),
        ("bee", "bee", "two different classes"),
    ],
)
def test_invalid_classes_are_refused(name, against, message):
    with pytest.raises(ClassError, match=message):
        select_target(OBJECTIVE, name, against, LOGITS)


@pytest.mark.parametrize(("target", "against"), [("ant", None), (None, "ant")])
def test_a_regression_model_has_no_classes_to_select(target, against):
    with pytest.raises(SettingError, match="predicts a number"):
        select_target(Numeric(), target, against, LOGITS)
