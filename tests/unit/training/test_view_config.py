import pytest

from lrm_core.training.view_config import ViewDataConfig, ViewSource


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"target_resolution": (256, 128)}, "not a range"),
        ({"target_resolution": (64, 384), "crop": 128}, "crop 128 is larger"),
        ({"num_side_views": -1}, "num_side_views 0 or more"),
        ({"max_views": 0}, "max_views 0"),
    ],
)
def test_impossible_views_are_refused(settings, words):
    with pytest.raises(ValueError, match=words):
        ViewDataConfig(**settings)


def test_a_source_comes_at_least_once():
    with pytest.raises(ValueError, match="repeats 0 must be 1 or more"):
        ViewSource(url="x", repeats=0)
