import numpy as np
import pytest

from lrm_core.imaging.contact_sheet import contact_sheet, fit_image


def flat(color, height=64, width=64):
    return np.full((height, width, len(color)), color, dtype=np.uint8)


RED, GREEN, BLUE = flat((255, 0, 0)), flat((0, 255, 0)), flat((0, 0, 255))


def boxes(sheet, color):
    """Rows and columns that hold exactly this color: (top, bottom, left, right), inclusive."""
    rows, columns = np.nonzero((sheet == color).all(-1))
    return rows.min(), rows.max(), columns.min(), columns.max()


def test_images_lie_in_a_grid_of_equal_cells():
    sheet = contact_sheet([[RED, GREEN], [BLUE]], cell_size=64)
    top, bottom, left, right = boxes(sheet, (255, 0, 0))
    assert (bottom - top, right - left) == (63, 63)
    assert (top, left) == (5, 5)  # the margin
    assert boxes(sheet, (0, 255, 0)) == (top, bottom, right + 3, right + 66)
    assert boxes(sheet, (0, 0, 255)) == (bottom + 3, bottom + 66, left, right)
    # margins are the same all around
    assert sheet.shape == (2 * 64 + 2 + 10, 2 * 64 + 2 + 10, 3)


def test_pixels_of_fitting_images_are_untouched():
    image = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    sheet = contact_sheet([[image]], cell_size=64)
    np.testing.assert_array_equal(sheet[5:69, 5:69], image)


def test_labels_take_room_of_their_own():
    bare = contact_sheet([[RED, GREEN]], cell_size=64)
    labeled = contact_sheet(
        [[RED, GREEN]],
        column_labels=["front", "back"],
        row_labels=["rgb"],
        captions=[["0°", "180°"]],
        title="a title",
        cell_size=64,
    )
    assert labeled.shape[0] > bare.shape[0]
    assert labeled.shape[1] > bare.shape[1]
    # no text covers an image
    for color in ((255, 0, 0), (0, 255, 0)):
        top, bottom, left, right = boxes(labeled, color)
        assert (bottom - top, right - left) == (63, 63)
        assert (labeled[top : bottom + 1, left : right + 1] == color).all()
    # and there is ink above, below and to the left
    top, bottom, left, _ = boxes(labeled, (255, 0, 0))
    for region in (labeled[: top - 1], labeled[bottom + 2 :], labeled[:, : left - 1]):
        assert region.min() < 150


def test_long_text_ends_before_the_next_cell():
    short = contact_sheet([[RED, GREEN]], column_labels=["a", ""], cell_size=64)
    long = contact_sheet([[RED, GREEN]], column_labels=["a" * 500, ""], cell_size=64)
    assert short.shape == long.shape
    right_half = long[:, long.shape[1] // 2 + 2 :]
    np.testing.assert_array_equal(right_half, short[:, long.shape[1] // 2 + 2 :])


def test_images_keep_their_shape_and_transparency_shows_paper():
    assert fit_image(flat((9, 9, 9), 20, 10), 40).shape == (40, 20, 3)
    half = fit_image(flat((255, 0, 0, 128), 8, 8), 8)
    np.testing.assert_allclose(half[0, 0], [255, 127, 127], atol=1)


def test_an_empty_sheet_is_an_error():
    with pytest.raises(ValueError, match="at least one image"):
        contact_sheet([[], []])
