import numpy as np
import pytest

from lrm_core.imaging.letterbox import picture_box


def textured(height, width):
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)


@pytest.mark.parametrize("color", [0, 255, 128])
@pytest.mark.parametrize(("bar_y", "bar_x"), [(30, 0), (0, 25), (0, 0)])
def test_bars_are_cut_off(bar_y, bar_x, color):
    picture = textured(200, 160)
    image = np.pad(picture, ((bar_y, bar_y), (bar_x, bar_x), (0, 0)), constant_values=color)
    rows, columns = picture_box(image)
    for found, bar, length in ((rows, bar_y, 200), (columns, bar_x, 160)):
        if bar == 0:
            assert (found.start, found.stop) == (0, length)
        else:  # one blended line may go with the bar
            assert bar <= found.start <= bar + 1
            assert bar + length - 1 <= found.stop <= bar + length


def test_unequal_widths_by_rounding():
    image = np.pad(textured(201, 160), ((29, 30), (0, 0), (0, 0)))
    rows, _ = picture_box(image)
    assert 30 <= rows.start <= 31
    assert rows.stop <= 230


@pytest.mark.parametrize("color", [0, 255])
def test_plain_background_is_no_bar(color):
    image = np.full((200, 200, 3), color, np.uint8)
    image[60:140, 60:140] = textured(80, 80)
    assert picture_box(image) == (slice(0, 200), slice(0, 200))
    # even where the object is nearly as wide as the picture
    image[60:140, 5:195] = textured(80, 190)
    assert picture_box(image) == (slice(0, 200), slice(0, 200))


def test_bar_on_one_side_is_part_of_the_picture():
    image = textured(200, 200)
    image[:40] = 0
    assert picture_box(image) == (slice(0, 200), slice(0, 200))


def test_constant_image_keeps_its_box():
    assert picture_box(np.full((50, 60, 3), 7, np.uint8)) == (slice(0, 50), slice(0, 60))
