import string

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from jaxtyping import TypeCheckError

from lrm_core.structures.cameras import canonical_camera
from lrm_core.structures.view_set import ObjectSource, ViewSet, object_id_of

WRONG = (ValueError, TypeCheckError)  # the second while shapes are checked
LEGAL = set(string.ascii_letters + string.digits + "_-")


def test_a_legal_name_is_its_own_id() -> None:
    assert object_id_of("Great_Dinos_Triceratops_Toy") == "Great_Dinos_Triceratops_Toy"


@given(st.text())
def test_any_name_becomes_a_legal_id(name: str) -> None:
    made = object_id_of(name)
    assert made
    assert set(made) <= LEGAL
    assert len(made) <= 109


@given(st.text(), st.text())
def test_names_that_differ_have_ids_that_differ(first: str, second: str) -> None:
    assert (object_id_of(first) == object_id_of(second)) == (first == second)


def test_files_that_differ_in_suffix_only_stay_apart() -> None:
    assert object_id_of("chair.obj") != object_id_of("chair.glb")


def test_images_must_fit_the_cameras() -> None:
    source = ObjectSource("test", "CC0-1.0", "0" * 64)
    cameras = canonical_camera(8, num_cameras=2)
    images = np.zeros((2, 8, 8, 4), np.uint8)
    with pytest.raises(WRONG, match="images"):
        ViewSet("a", images[:1], cameras, source)
    with pytest.raises(WRONG, match="depth"):
        ViewSet("a", images, cameras, source, depth=np.zeros((2, 8, 4), np.float32))
    with pytest.raises(WRONG, match="normals"):
        ViewSet("a", images, cameras, source, normals=np.zeros((1, 8, 8, 3), np.float32))
