"""U^2-Net-p, the salient object network that is in the package, run by OpenCV.

Source: Qin et al., U^2-Net, Pattern Recognition 106 (2020), arXiv 2005.09007.
"""

from __future__ import annotations

import functools
import threading
from importlib import resources
from typing import Any

import cv2
import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image

INPUT_SIDE = 320
"""Side in pixels of the square that the network sees, whatever the photo's shape."""
_OUTPUT = "1959"
"""The fused map; the file names six side outputs too."""
# of ImageNet, as in the authors' data loader
_MEAN = np.array([0.485, 0.456, 0.406], np.float32)
_DEVIATION = np.array([0.229, 0.224, 0.225], np.float32)
_LEAST_PEAK = 0.5
"""Probability that the network must reach somewhere for its map to be stretched to [0, 1]."""

# a network of OpenCV holds its own buffers: one thread at a time
_running = threading.Lock()


def u2netp_alpha(rgb: UInt8[np.ndarray, "H W 3"]) -> Float[np.ndarray, "H W"]:
    """Probability that a pixel belongs to the picture's salient object.

    Args:
        rgb: (H, W, 3) sRGB.

    Returns:
        (H, W) in [0, 1], as sharp as `INPUT_SIDE` pixels across the picture.
    """
    image = Image.fromarray(rgb).resize((INPUT_SIDE, INPUT_SIDE), Image.Resampling.LANCZOS)
    pixels = np.asarray(image, dtype=np.float32)
    pixels = pixels / max(float(pixels.max()), 1e-6)
    pixels = (pixels - _MEAN) / _DEVIATION
    with _running:
        network = _network()
        network.setInput(np.ascontiguousarray(pixels.transpose(2, 0, 1)[None]))
        salient = network.forward(_OUTPUT)[0, 0]
    low, high = float(salient.min()), float(salient.max())
    if high >= _LEAST_PEAK:
        salient = (salient - low) / max(high - low, 1e-6)
    height, width = rgb.shape[:2]
    grown = cv2.resize(salient, (width, height), interpolation=cv2.INTER_CUBIC)
    return np.asarray(np.clip(grown, 0.0, 1.0))


@functools.cache
def _network() -> Any:
    """The network, loaded once per process (0.1 s)."""
    data = (resources.files("lrm_core") / "weights" / "u2netp" / "u2netp.onnx").read_bytes()
    return cv2.dnn.readNetFromONNX(np.frombuffer(data, np.uint8))
