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
