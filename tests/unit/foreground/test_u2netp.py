import hashlib
import threading
from importlib import resources

import cv2
import numpy as np
from PIL import Image

from lrm_core.foreground.u2netp import u2netp_alpha

MODEL = resources.files("lrm_core") / "weights" / "u2netp"


def scene(height=240, width=320):
    """A striped ball on a cloudy wall, and its mask."""
    y, x = np.mgrid[:height, :width].astype(float)
    ball = np.hypot(x - 0.45 * width, y - 0.55 * height) < 0.3 * height
    wall = 150 + 25 * np.sin(x / 37) * np.cos(y / 23)
    stripes = np.where(np.sin(x / 5) > 0, 220, 60)
    rgb = np.dstack([np.where(ball, stripes, wall), np.where(ball, 40, wall), wall * 0.9])
    return rgb.astype(np.uint8), ball


def test_the_weights_are_the_published_file_and_show_their_licence():
    assert hashlib.md5((MODEL / "u2netp.onnx").read_bytes()).hexdigest() == (
        "8e83ca70e441ab06c318d82300c84806"
    )
    for name in ("NOTICE", "README.md"):
        text = (MODEL / name).read_text()
        assert "Apache" in text
        assert "Qin" in text


def test_the_object_stands_out(intersection_over_union):
    rgb, ball = scene()
    alpha = u2netp_alpha(rgb)
    assert alpha.shape == ball.shape
    assert alpha.min() >= 0.0
    assert alpha.max() <= 1.0
    assert intersection_over_union(alpha > 0.5, ball) > 0.95


def test_input_and_output_are_those_of_the_authors_loader():
    """Against the steps of the published inference code, written out one by one."""
    rgb, _ = scene(320, 320)  # no resampling in between
    image = np.asarray(Image.fromarray(rgb)).astype(np.float64)
    image = image / image.max()
    planes = [(image[..., i] - m) / s for i, (m, s) in enumerate(
        ((0.485, 0.229), (0.456, 0.224), (0.406, 0.225)))]  # fmt: skip
    network = cv2.dnn.readNetFromONNX(np.frombuffer((MODEL / "u2netp.onnx").read_bytes(), np.uint8))
    network.setInput(np.stack(planes)[None].astype(np.float32))
    first = network.forward(network.getUnconnectedOutLayersNames()[0])[0, 0]
    expected = (first - first.min()) / (first.max() - first.min())
    np.testing.assert_allclose(u2netp_alpha(rgb), expected, atol=1e-3)


def test_nothing_stands_out_of_a_plain_picture():
    for level in (0, 128, 255):
        assert (u2netp_alpha(np.full((64, 80, 3), level, np.uint8)) < 0.5).mean() > 0.95


def test_threads_do_not_mix_their_pictures():
    pictures = [scene()[0], np.ascontiguousarray(scene()[0][:, ::-1])]
    expected = [u2netp_alpha(picture) for picture in pictures]
    results: dict[int, np.ndarray] = {}

    def run(number):
        results[number] = u2netp_alpha(pictures[number % 2])

    threads = [threading.Thread(target=run, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for number, result in results.items():
        np.testing.assert_allclose(result, expected[number % 2], atol=1e-5)
