"""Up axes, units and sizes of files, against numbers worked out by hand."""

import numpy as np
import pytest

from lrm_core.errors import ConfigError
from lrm_core.meshes.mesh_placement import FORMAT_FRAMES, parse_length, place_mesh
from lrm_core.meshes.mesh_writing import MESH_WRITERS
from lrm_core.structures.mesh import Mesh

# 2 wide (x), 4 deep (y, the longest side), 1 high (z), away from the origin
CORNERS = np.array([[1, -3, 2], [3, -3, 2], [1, 1, 2], [1, -3, 3]], dtype=np.float32)
MESH = Mesh(CORNERS, np.array([[0, 2, 1], [0, 1, 3], [0, 3, 2], [1, 2, 3]], dtype=np.int32))


def test_every_format_has_a_frame() -> None:
    assert set(FORMAT_FRAMES) == set(MESH_WRITERS)


def test_print_formats_are_z_up_in_millimeters_and_touch_the_origin() -> None:
    for suffix in (".stl", ".3mf"):
        placed = place_mesh(MESH, suffix, size_mm=120.0).apply(CORNERS)
        expected = [[0, 0, 0], [60, 0, 0], [0, 120, 0], [0, 0, 30]]
        np.testing.assert_allclose(placed, expected, atol=1e-5)
        assert placed.min() == 0.0, "slicers refuse negative coordinates"
        assert placed.dtype == np.float32


def test_usdz_stands_on_the_floor_in_meters_y_up() -> None:
    placed = place_mesh(MESH, ".usdz", size_mm=200.0).apply(CORNERS)
    # 0.05 m per unit; front -y becomes +z; the middle of x and of y is above the origin
    expected = [[-0.05, 0, 0.1], [0.05, 0, 0.1], [-0.05, 0, -0.1], [-0.05, 0.05, 0.1]]
    np.testing.assert_allclose(placed, expected, atol=1e-7)


def test_size_defaults_to_a_decimeter() -> None:
    assert np.ptp(place_mesh(MESH, ".3mf").apply(CORNERS), axis=0).max() == pytest.approx(100)


def test_formats_without_a_unit_keep_the_world() -> None:
    placed = place_mesh(MESH, ".obj").apply(CORNERS)
    np.testing.assert_array_equal(placed, CORNERS[:, [0, 2, 1]] * [1, 1, -1])
    np.testing.assert_array_equal(place_mesh(MESH, ".ply", up="z").apply(CORNERS), CORNERS)


@pytest.mark.parametrize(
    ("suffix", "settings", "message"),
    [
        (".glb", {"up": "z"}, "y up by their standard"),
        (".usdz", {"up": "z"}, "y up by their standard"),
        (".3mf", {"up": "y"}, "z up by their standard"),
        (".obj", {"size_mm": 50.0}, "no unit of length"),
        (".3mf", {"size_mm": 0.5}, "expected 1 mm to 10 m"),
        (".stl", {"size_mm": 10_001.0}, "expected 1 mm to 10 m"),
    ],
)
def test_what_a_format_does_not_know_is_refused(suffix, settings, message) -> None:
    with pytest.raises(ConfigError, match=message):
        place_mesh(MESH, suffix, **settings)


@pytest.mark.parametrize(
    ("text", "millimeters"),
    [("120mm", 120), ("120", 120), (" 12 cm ", 120), ("0.12m", 120), ("2in", 50.8), ("3MM", 3)],
)
def test_lengths(text: str, millimeters: float) -> None:
    assert parse_length(text) == pytest.approx(millimeters)


@pytest.mark.parametrize("text", ["", "mm", "-5mm", "5 feet", "1e3", "nan", "12mm3"])
def test_what_is_not_a_length(text: str) -> None:
    with pytest.raises(ConfigError, match="not a length"):
        parse_length(text)
