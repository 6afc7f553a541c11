import json

import numpy as np
import pytest

from lrm_core.errors import InputError
from lrm_core.meshes.stored_scenes import scene_arrays, scene_from_arrays
from lrm_core.structures.scene import Material, Scene, ScenePart


def test_a_scene_comes_back_bit_for_bit() -> None:
    rng = np.random.default_rng(0)
    textured = ScenePart(
        rng.normal(size=(5, 3)).astype(np.float32),
        rng.integers(0, 5, (4, 3)).astype(np.int32),
        Material((0.1, 0.2, 0.3, 0.4), rng.integers(0, 256, (6, 7, 4), dtype=np.uint8), "MASK",
                 0.25, double_sided=False, wrap=("CLAMP", "MIRROR")),
        uv=rng.random((5, 2)).astype(np.float32),
    )  # fmt: skip
    colored = ScenePart(
        rng.normal(size=(3, 3)).astype(np.float32),
        np.array([[0, 1, 2]], dtype=np.int64),
        Material(),
        vertex_colors=rng.random((3, 4)).astype(np.float32),
    )
    arrays, materials = scene_arrays(Scene((textured, colored)))
    read = scene_from_arrays(arrays, json.loads(json.dumps(materials)))
    assert len(read.parts) == 2
    for before, after in zip((textured, colored), read.parts, strict=True):
        np.testing.assert_array_equal(after.vertices, before.vertices)
        np.testing.assert_array_equal(after.faces, before.faces)
        for name in ("uv", "vertex_colors"):
            np.testing.assert_equal(getattr(after, name), getattr(before, name))
        np.testing.assert_equal(after.material.texture, before.material.texture)
        assert after.material.base_color == before.material.base_color
        assert after.material.alpha_mode == before.material.alpha_mode
        assert after.material.alpha_cutoff == before.material.alpha_cutoff
        assert after.material.double_sided == before.material.double_sided
        assert after.material.wrap == before.material.wrap


@pytest.mark.parametrize("materials", [[{}], [{"base_color": [1.0] * 4}], [{"metal": True}]])
def test_other_arrays_are_refused(materials: list[dict]) -> None:
    with pytest.raises(InputError, match="not the arrays of a scene"):
        scene_from_arrays({}, materials)
