import hashlib

import numpy as np
import pytest
import torch

from lrm_core.baselines.predictor import (
    fingerprint_of,
    on_white,
    require_object,
    tensors_sha256,
)
from lrm_core.errors import EmptyForegroundError, InputError


def test_fingerprints_differ_with_kind_and_options():
    prints = {
        fingerprint_of(kind, options)
        for kind in ("a", "b")
        for options in ({}, {"x": 1}, {"x": 2}, {"y": 1})
    }
    assert len(prints) == 8
    assert all(len(digest) == 64 for digest in prints)
    assert fingerprint_of("a", {"x": 1, "y": 2}) == fingerprint_of("a", {"y": 2, "x": 1})


def test_hash_of_tensors_is_that_of_names_types_shapes_and_bytes():
    tensors = {"b": torch.tensor(3), "a": torch.arange(6.0).reshape(2, 3).T}
    expected = hashlib.sha256()
    expected.update(b"a torch.float32 (3, 2)")
    expected.update(np.arange(6, dtype="<f4").reshape(2, 3).T.tobytes())
    expected.update(b"b torch.int64 ()")
    expected.update((3).to_bytes(8, "little"))
    assert tensors_sha256(tensors) == expected.hexdigest()
    assert tensors_sha256({"a": torch.zeros(2, dtype=torch.bfloat16)}) != tensors_sha256(
        {"a": torch.zeros(2, dtype=torch.float16)}
    )


def test_pictures_must_be_square_and_show_something(picture):
    require_object(picture)
    with pytest.raises(InputError, match="256 x 100"):
        require_object(picture[:100])
    with pytest.raises(EmptyForegroundError):
        require_object(np.full((8, 8, 4), (9, 9, 9, 0), dtype=np.uint8))


def test_on_white_mixes_by_alpha():
    rgba = np.array([[[200, 0, 100, 255], [200, 0, 100, 0], [0, 0, 0, 128]]], dtype=np.uint8)
    pixels = np.asarray(on_white(rgba))[0].astype(int)
    assert pixels[0].tolist() == [200, 0, 100]
    assert pixels[1].tolist() == [255, 255, 255]
    assert np.abs(pixels[2] - 127).max() <= 1
