import numpy as np
import pytest
import trimesh

pytest.importorskip("manifold3d")

from lrm_core.modeling import assembly, paints, shapes

BLACK, WHITE = paints.plain(np.zeros(3)), paints.plain(np.ones(3))


def test_union_volume_follows_inclusion_and_exclusion():
    first, second = shapes.box([1.0, 1.0, 1.0]), shapes.box([1.0, 1.0, 1.0]).moved(x=0.5)
    pieces = [assembly.Piece(first, WHITE), assembly.Piece(second, BLACK)]
    surface = assembly.join(pieces)
    mesh = trimesh.Trimesh(*_weld(surface))
    assert mesh.volume == pytest.approx(1.0 + 1.0 - 0.5)
    cut = assembly.join([pieces[0], assembly.Piece(second, BLACK, cut=True)])
    assert trimesh.Trimesh(*_weld(cut)).volume == pytest.approx(0.5)


def _weld(surface: assembly.Surface) -> tuple[np.ndarray, np.ndarray]:
    unique, inverse = np.unique(surface.vertices, axis=0, return_inverse=True)
    return unique, inverse.reshape(-1)[surface.faces]


def test_nothing_left_is_an_error():
    from lrm_core.errors import InputError

    cube = shapes.box([1.0, 1.0, 1.0])
    everything = shapes.box([3.0, 3.0, 3.0])
    with pytest.raises(InputError, match="no solid"):
        assembly.join([assembly.Piece(cube, WHITE), assembly.Piece(everything, BLACK, cut=True)])


def test_texture_shows_the_paint_at_every_surface_point():
    # the paint is linear in position, so bilinear lookup must return it exactly, up to 8 bits
    def paint(points, normals):
        return np.clip(points / 2.0 + 0.5, 0.0, 1.0)

    pieces = [
        assembly.Piece(shapes.ellipsoid([0.9, 0.7, 0.8], divisions=6), paint),
        assembly.Piece(shapes.box([0.4, 1.9, 0.3]), paint),
    ]
    surface = assembly.join(pieces)
    # already within [-1, 1]: rest positions are final positions
    scene = assembly.bake(surface, [paint, paint], 60_000)
    part = scene.parts[0]
    rng = np.random.default_rng(0)
    face = rng.integers(len(part.faces), size=4000)
    weights = rng.dirichlet(np.ones(3), size=4000)
    points = np.einsum("pk,pkd->pd", weights, part.vertices[part.faces[face]])
    uv = np.einsum("pk,pkd->pd", weights, part.uv[part.faces[face]])
    image = part.material.texture
    x, y = uv[:, 0] * image.shape[1] - 0.5, (1.0 - uv[:, 1]) * image.shape[0] - 0.5
    left, top = np.floor(x).astype(int), np.floor(y).astype(int)
    fx, fy = (x - left)[:, None], (y - top)[:, None]
    seen = (
        image[top, left, :3] * (1 - fx) * (1 - fy)
        + image[top, left + 1, :3] * fx * (1 - fy)
        + image[top + 1, left, :3] * (1 - fx) * fy
        + image[top + 1, left + 1, :3] * fx * fy
    )
    error = np.abs(seen / 255.0 - paint(points, None))
    # at the rim of a chart the nearest point of a triangle stands in: up to a texel away
    assert (error < 1.5 / 255.0).mean() > 0.995
    assert error.max() < 5.0 / 255.0
    for row in (top, top + 1):
        for column in (left, left + 1):
            assert (image[row, column, 3] == 255).all()
