import numpy as np

from lrm_core.modeling import paints


def test_picture_lies_upright_on_the_face_it_is_for():
    image = np.zeros((8, 8, 4), dtype=np.uint8)
    image[..., 3] = 255
    image[:4, :4, 0] = 255  # top left is red
    paint = paints.picture(paints.plain(np.ones(3)), image, (0.0, 0.0), (2.0, 2.0))
    front, back = np.array([[0.0, -1.0, 0.0]]), np.array([[0.0, 1.0, 0.0]])
    # a reader at -y sees -x on the left and +z on top
    np.testing.assert_allclose(paint(np.array([[-0.6, -1.0, 0.6]]), front), [[1, 0, 0]])
    np.testing.assert_allclose(paint(np.array([[0.6, -1.0, 0.6]]), front), [[0, 0, 0]])
    np.testing.assert_allclose(paint(np.array([[-0.6, -1.0, -0.6]]), front), [[0, 0, 0]])
    np.testing.assert_allclose(paint(np.array([[-0.6, 1.0, 0.6]]), back), [[1, 1, 1]])


def test_a_picture_on_several_sides_is_the_picture_on_each():
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, size=(6, 8, 4), dtype=np.uint8)
    under = paints.plain(0.5)
    both = paints.picture(under, image, (0.1, 0.0), (1.5, 1.0), facing="-x +y")
    in_turn = paints.picture(under, image, (0.1, 0.0), (1.5, 1.0), facing="-x")
    in_turn = paints.picture(in_turn, image, (0.1, 0.0), (1.5, 1.0), facing="+y")
    points, normals = rng.uniform(-1, 1, size=(200, 3)), rng.normal(size=(200, 3))
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    np.testing.assert_array_equal(both(points, normals), in_turn(points, normals))
    assert len(np.unique(both(points, normals), axis=0)) > 20


def test_a_gray_level_is_the_color_of_three_such_channels():
    points = np.zeros((2, 3))
    np.testing.assert_array_equal(paints.plain(0.3)(points, points), np.full((2, 3), 0.3))
    np.testing.assert_array_equal(paints.plain((1, 0, 0.5))(points, points), [[1, 0, 0.5]] * 2)
