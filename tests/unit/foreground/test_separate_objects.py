import numpy as np
import pytest

from lrm_core.foreground.separate_objects import single_out

SIDE = 200


def disc(x, y, radius):
    row, column = np.mgrid[:SIDE, :SIDE]
    return np.hypot(column - x, row - y) < radius


def rgba(alpha):
    alpha = alpha.astype(np.uint8) * np.uint8(255) if alpha.dtype == bool else alpha
    return np.dstack([np.full((*alpha.shape, 3), 90, np.uint8), alpha])


def test_specks_are_dropped_and_said_where_alpha_was_given():
    thing = disc(110, 110, 50)
    speck = disc(3, 3, 2)
    for keep in ("largest", "all"):
        result = single_out(rgba(thing | speck), keep=keep, given=True)
        np.testing.assert_array_equal(result.rgba[..., 3] > 0, thing)
        assert result.notes == ("specks away from the object were left out: 1",)
    assert single_out(rgba(thing | speck), keep="largest", given=False).notes == ()


def test_parts_that_nearly_touch_are_one_object():
    body, hand = disc(80, 100, 40), disc(128, 100, 6)  # two pixels between them
    result = single_out(rgba(body | hand), keep="largest", given=False)
    np.testing.assert_array_equal(result.rgba[..., 3] > 0, body | hand)
    assert result.notes == ()


def test_soft_edges_and_halos_of_the_kept_object_stay():
    alpha = np.where(disc(100, 100, 40), 255, np.where(disc(100, 100, 44), 12, 0)).astype(np.uint8)
    result = single_out(rgba(alpha), keep="largest", given=True)
    np.testing.assert_array_equal(result.rgba[..., 3], alpha)


@pytest.mark.parametrize("level", [40, 100, 200])
def test_what_is_translucent_everywhere_becomes_opaque(level):
    alpha = (disc(100, 100, 40) * level).astype(np.uint8)
    result = single_out(rgba(alpha), keep="largest", given=True)
    np.testing.assert_array_equal(result.rgba[..., 3], (alpha > 0) * 255)
    assert "translucent" in result.notes[0]


def test_glass_beside_opaque_parts_stays_translucent():
    alpha = (disc(100, 100, 40) * 120).astype(np.uint8)
    alpha[90:110] = np.where(alpha[90:110] > 0, 255, 0)
    result = single_out(rgba(alpha), keep="largest", given=True)
    np.testing.assert_array_equal(result.rgba[..., 3], alpha)


def test_a_drawing_in_outline_is_filled():
    outline = disc(100, 100, 60) & ~disc(100, 100, 58)
    result = single_out(rgba(outline), keep="largest", given=True)
    np.testing.assert_array_equal(result.rgba[..., 3] > 0, disc(100, 100, 60))
    assert (result.rgba[100, 100] == 255).all()  # white paper, whatever lay under alpha 0
    assert "outline" in result.notes[0]
    untouched = single_out(rgba(outline), keep="all", given=True, drawn=False)
    np.testing.assert_array_equal(untouched.rgba[..., 3] > 0, outline)


@pytest.mark.parametrize("inner", [30, 52])
def test_rings_and_frames_stay_open(inner):
    """A wheel is no drawing: its ring is wider than a line."""
    ring = disc(100, 100, 60) & ~disc(100, 100, inner)
    result = single_out(rgba(ring), keep="largest", given=False)
    np.testing.assert_array_equal(result.rgba[..., 3] > 0, ring)


@pytest.mark.parametrize(
    ("x", "y", "sides"),
    [(100, 180, "bottom of"), (10, 100, "left of"), (190, 10, "top and right of")],
)
def test_an_object_that_the_picture_cuts_off_is_said(x, y, sides):
    for given in (False, True):
        (note,) = single_out(rgba(disc(x, y, 50)), keep="largest", given=given).notes
        assert f"touches the {sides} the picture" in note


def test_a_picture_trimmed_to_its_object_is_whole():
    ball = disc(100, 100, 100.5)
    assert single_out(rgba(ball), keep="largest", given=True).notes == ()
    (note,) = single_out(rgba(ball), keep="largest", given=False).notes
    assert "on all four sides" in note


def test_nothing_stays_nothing():
    empty = rgba(np.zeros((SIDE, SIDE), bool))
    result = single_out(empty, keep="largest", given=False)
    np.testing.assert_array_equal(result.rgba, empty)
    assert result.notes == ()
