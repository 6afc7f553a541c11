import fast_simplification
import mcubes
import numpy as np
import pytest
import trimesh
from scipy.ndimage import gaussian_filter

from lrm_core.reconstruction.mesh_cleanup import compact, decimate, is_closed, remove_floaters


def mesh(*parts):
    """Vertices (float32) and faces (int32) of several trimesh parts together."""
    whole = trimesh.util.concatenate(parts)
    return np.asarray(whole.vertices, np.float32), np.asarray(whole.faces, np.int32)


def ball(radius, center=(0, 0, 0), subdivisions=3, inside_out=False):
    part = trimesh.creation.icosphere(subdivisions=subdivisions, radius=radius)
    part.apply_translation(center)
    if inside_out:
        part.invert()
    return part


def test_closed_agrees_with_trimesh():
    vertices, faces = mesh(ball(1.0))
    opened, flipped = faces[1:], faces.copy()
    flipped[0] = flipped[0, ::-1]
    for candidate in (faces, opened, flipped, np.concatenate([faces, faces[:1]])):
        whole = trimesh.Trimesh(vertices, candidate, process=False)
        expected = whole.is_watertight and whole.is_winding_consistent
        assert is_closed(candidate) == expected
    assert is_closed(faces)


def test_small_parts_and_walls_of_cavities_are_dropped():
    body, wheel = ball(1.0), ball(0.3, (2, 0, 0))
    speck, cavity = ball(0.05, (0, 2, 0)), ball(0.5, inside_out=True)
    vertices, faces = remove_floaters(*mesh(speck, body, cavity, wheel))
    expected = mesh(body, wheel)
    np.testing.assert_array_equal(vertices, expected[0])
    np.testing.assert_array_equal(faces, expected[1])


def test_share_is_measured_in_area():
    parts = mesh(ball(1.0), ball(0.1, (2, 0, 0)))  # a hundredth of the area
    assert len(remove_floaters(*parts, min_area_share=0.0099)[1]) == len(parts[1])
    assert len(remove_floaters(*parts, min_area_share=0.0101)[1]) == len(parts[1]) // 2
    # of the largest part's, however many others there are
    several = mesh(ball(1.0), ball(1.0, (0, 3, 0)), ball(0.1, (2, 0, 0)))
    assert len(remove_floaters(*several, min_area_share=0.0099)[1]) == len(several[1])


def test_mesh_of_inward_parts_only_is_left_alone():
    parts = mesh(ball(1.0, inside_out=True))
    vertices, faces = remove_floaters(*parts)
    np.testing.assert_array_equal(vertices, parts[0])
    np.testing.assert_array_equal(faces, parts[1])


def test_decimation_keeps_shape_and_closedness():
    vertices, faces = decimate(*mesh(ball(1.0, subdivisions=5)), 2000)  # from 20,480
    assert 1900 <= len(faces) <= 2000
    assert vertices.dtype == np.float32
    assert faces.dtype == np.int32
    assert is_closed(faces)
    assert len(np.unique(faces)) == len(vertices)
    whole = trimesh.Trimesh(vertices, faces, process=False)
    assert whole.volume == pytest.approx(4 / 3 * np.pi, rel=0.01)
    np.testing.assert_allclose(np.linalg.norm(vertices, axis=1), 1.0, atol=0.01)


def test_few_faces_are_left_alone():
    parts = mesh(ball(1.0))
    vertices, faces = decimate(*parts, len(parts[1]))
    assert vertices is parts[0]
    assert faces is parts[1]


def test_decimated_noise_is_closed_too():
    """Thin bridges and sheets everywhere: edge collapse alone pinches hundreds of edges."""
    noise = gaussian_filter(np.random.default_rng(0).normal(size=(40, 40, 40)), 0.8)
    noise[[0, -1]] = noise[:, [0, -1]] = noise[:, :, [0, -1]] = -1.0
    vertices, faces = mcubes.marching_cubes(noise, 0.0)
    vertices, faces = vertices.astype(np.float32), faces.astype(np.int32)
    raw = fast_simplification.simplify(vertices, faces, target_count=5000)[1]
    assert not is_closed(raw.astype(np.int32))
    few_vertices, few_faces = decimate(vertices, faces, 5000)
    assert 4000 < len(few_faces) < 5500
    whole = trimesh.Trimesh(few_vertices, few_faces, process=False)
    assert whole.is_watertight
    assert whole.is_winding_consistent
    before = trimesh.Trimesh(vertices, faces, process=False)
    assert whole.volume == pytest.approx(before.volume, rel=0.05)


def test_decimation_goes_on_where_the_library_stops_early(monkeypatch):
    whole = fast_simplification.simplify

    def halving(vertices, faces, target_count):
        return whole(vertices, faces, target_count=max(target_count, len(faces) // 2))

    monkeypatch.setattr(fast_simplification, "simplify", halving)
    _, faces = decimate(*mesh(ball(1.0, subdivisions=5)), 2000)  # from 20,480: four rounds
    assert 1800 <= len(faces) <= 2000
    assert is_closed(faces)


def test_mesh_that_cannot_be_decimated_stays_as_it_is(monkeypatch):
    monkeypatch.setattr(
        fast_simplification, "simplify", lambda vertices, faces, **_: (vertices, faces[1:])
    )
    parts = mesh(ball(1.0))
    assert decimate(*parts, 100)[1] is parts[1]


def test_compact_drops_unused_vertices():
    vertices, faces = mesh(ball(1.0), ball(0.5))
    half = faces[len(faces) // 2 :]
    kept, renamed = compact(vertices, half)
    np.testing.assert_array_equal(kept[renamed], vertices[half])
    assert len(kept) == len(vertices) // 2
