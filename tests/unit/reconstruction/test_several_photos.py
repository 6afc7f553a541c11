import hashlib
import json
from pathlib import Path

import pytest

from lrm_core.errors import ConfigError
from lrm_core.reconstruction.batch import FileOptions
from lrm_core.reconstruction.pipeline import load_model
from lrm_core.reconstruction.reconstruction import MeshOptions
from lrm_core.reconstruction.several_photos import reconstruct_views

EXAMPLE = Path(__file__).parents[3] / "examples" / "teapot.png"
OPTIONS = MeshOptions(resolution=48, appearance="none")


@pytest.fixture(scope="module")
def model():
    return load_model("lrm-mini")


def test_one_mesh_and_a_record_of_all_photos(model, tmp_path):
    other = tmp_path / "behind.png"
    other.write_bytes(EXAMPLE.read_bytes())
    photos = {"front": EXAMPLE, "170,10": other}
    done = reconstruct_views(model, photos, tmp_path / "m.ply", OPTIONS, files=FileOptions())
    names = {"m.ply", "m.input.png", "m.json"}
    assert {path.name for path in done.files} == names
    record = json.loads((tmp_path / "m.json").read_text())
    first, second = record["views"]
    assert (first["azimuth"], second["azimuth"], second["elevation"]) == (0.0, 170.0, 10.0)
    assert second["photo"] == {
        "name": "behind.png",
        "sha256": hashlib.sha256(other.read_bytes()).hexdigest(),
    }
    assert record["photo"]["name"] == EXAMPLE.name


def test_a_stored_field_holds_one_photo(model, tmp_path):
    files = FileOptions(field=tmp_path / "f.safetensors")
    with pytest.raises(ConfigError, match="stored field"):
        reconstruct_views(
            model, {"front": EXAMPLE, "back": EXAMPLE}, tmp_path / "m.ply", OPTIONS, files=files
        )
    assert list(tmp_path.iterdir()) == []
