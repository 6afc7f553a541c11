"""The shapes in the signatures are checked while tests run, or they would be mere prose."""

import pytest
import torch
from jaxtyping import TypeCheckError

from lrm_core.structures.cameras import look_at


def test_a_wrong_shape_is_caught() -> None:
    with pytest.raises(TypeCheckError):
        look_at(torch.zeros(4, 2))


def test_a_wrong_number_type_is_caught() -> None:
    with pytest.raises(TypeCheckError):
        look_at(torch.ones(4, 3, dtype=torch.int64))
