import math

import pytest

from lrm_core.errors import ConfigError
from lrm_core.structures.photo_camera import PhotoCamera, focal_of_fov, fov_of_focal


def test_fields_of_view_are_those_of_a_pinhole():
    assert focal_of_fov(90.0) == pytest.approx(0.5)
    assert fov_of_focal(0.75) == pytest.approx(math.degrees(2 * math.atan(2 / 3)))
    assert fov_of_focal(focal_of_fov(33.0)) == pytest.approx(33.0)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"fov": 0.0}, "field of view 0, expected 1 to 150 degrees"),
        ({"fov": math.nan}, "field of view nan"),
        ({"elevation": 91.0}, "elevation 91"),
        ({"distance": 1.0}, "distance 1"),
        ({"foreground_ratio": 1.5}, "foreground ratio 1.5"),
        ({"framing": "as_is", "foreground_ratio": 0.5}, "as it is"),
        ({"fov": 50.0, "distance": 3.0}, "gives the distance"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(values, words):
    with pytest.raises(ConfigError, match=words):
        PhotoCamera(**values)


def test_a_photo_as_it_is_may_have_both():
    assert PhotoCamera(framing="as_is", fov=50.0, distance=3.0).distance == 3.0
