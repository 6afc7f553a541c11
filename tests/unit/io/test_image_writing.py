import numpy as np
import pytest
from PIL import Image

from lrm_core.errors import OutputError
from lrm_core.io.image_writing import depth_unit, encode_depth, to_uint8, write_png


@pytest.mark.parametrize("shape", [(5, 7), (5, 7, 3), (5, 7, 4)])
def test_png_keeps_every_byte(tmp_path, shape):
    image = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    write_png(tmp_path / "new" / "a.png", image)
    with Image.open(tmp_path / "new" / "a.png") as read:
        assert read.format == "PNG"
        np.testing.assert_array_equal(np.asarray(read), image)


def test_depth_comes_back_to_half_a_unit(tmp_path):
    depth = np.random.default_rng(0).uniform(0.5, 6.0, (9, 8)).astype(np.float32)
    depth[2, 3] = np.inf
    unit = depth_unit(6.0)
    write_png(tmp_path / "depth.png", encode_depth(depth, unit))
    with Image.open(tmp_path / "depth.png") as read:
        stored = np.asarray(read)
    assert stored.dtype == np.uint16
    assert stored[2, 3] == 0
    seen = np.isfinite(depth)
    np.testing.assert_allclose(stored[seen] * unit, depth[seen], atol=0.5 * unit + 1e-6)


@pytest.mark.parametrize(
    ("farthest", "unit"), [(2.0, 1e-4), (6.5, 1e-4), (7.0, 1e-3), (500.0, 1e-2)]
)
def test_the_depth_unit_grows_only_where_it_must(farthest, unit):
    assert depth_unit(farthest) == pytest.approx(unit)
    assert encode_depth(np.array([[farthest]]), unit)[0, 0] < 65535


def test_seen_depths_are_never_zero():
    assert encode_depth(np.array([[1e-9]]), 1e-4)[0, 0] == 1


def test_rounding_and_clipping():
    values = np.array([-1.0, 0.0, 0.5, 127.4 / 255, 127.6 / 255, 1.0, 3.0])
    np.testing.assert_array_equal(to_uint8(values), [0, 0, 128, 127, 128, 255, 255])


def test_a_folder_in_the_way_is_one_clear_error(tmp_path):
    (tmp_path / "a.png").mkdir()
    with pytest.raises(OutputError, match=r"a\.png cannot be written"):
        write_png(tmp_path / "a.png", np.zeros((2, 2), dtype=np.uint8))
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]
