"""Google Scanned Objects: layouts, hashes, licences, and views against independent ray casting."""

import hashlib
import importlib.util
import json
import pickle
import shutil
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from PIL import Image

from lrm_core.errors import InputError
from lrm_core.sources.gso import GsoSource, asset_sha256, fuel_job, gso_jobs, model_file
from lrm_core.sources.object_views import ViewSettings
from lrm_core.structures.cameras import Cameras
from lrm_core.structures.view_set import ObjectJob, object_id_of

FUEL = {
    "model.obj": "meshes/model.obj",
    "model.mtl": "meshes/model.mtl",
    "texture.png": "materials/textures/texture.png",
}
FLAT = {name: name for name in FUEL}
SMALL = ViewSettings(num_views=2, size=48)

# a wedge 2 m wide (x), 1 m deep (y), 4 m tall (z); its front (-y) is textured red
OBJ = b"""mtllib model.mtl
usemtl material_0
v 0 0 0
v 2 0 0
v 2 0 4
v 0 0 4
v 1 1 0
v 1 1 4
vt 0.5 0.5
f 1/1 2/1 3/1
f 1/1 3/1 4/1
f 2/1 5/1 6/1
f 2/1 6/1 3/1
f 5/1 1/1 4/1
f 5/1 4/1 6/1
"""
MTL = b"newmtl material_0\nKd 1 1 1\nmap_Kd texture.png\n"


def write_object(
    root: Path, name: str, layout: dict[str, str], obj: bytes = OBJ
) -> dict[str, bytes]:
    texture = root / name / layout["texture.png"]
    texture.parent.mkdir(parents=True)
    Image.fromarray(np.full((4, 4, 3), (200, 30, 40), dtype=np.uint8)).save(texture)
    contents = {"model.obj": obj, "model.mtl": MTL}
    for file, content in contents.items():
        path = root / name / layout[file]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return contents | {"texture.png": texture.read_bytes()}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    write_object(tmp_path / "gso", "Wedge", FUEL)
    write_object(tmp_path / "gso", "A_flat_wedge", FLAT)
    return tmp_path / "gso"


def test_both_layouts_become_jobs_sorted_by_id(root):
    write_object(root, "Banana for Scale", FUEL)
    write_object(root, ".half_unpacked", FUEL)
    (root / "empty").mkdir()
    (root / "SOURCES.csv").write_text("name,licence\n")
    assert gso_jobs(root) == [
        ObjectJob("A_flat_wedge", "A_flat_wedge/model.obj"),
        ObjectJob(object_id_of("Banana for Scale"), "Banana for Scale/meshes/model.obj"),
        ObjectJob("Wedge", "Wedge/meshes/model.obj"),
    ]
    assert gso_jobs(str(root), ["Wedge", "Wedge"]) == [ObjectJob("Wedge", "Wedge/meshes/model.obj")]
    assert fuel_job("Wedge") == gso_jobs(root, ["Wedge"])[0]
    assert model_file(root / "empty") is None


def test_what_is_not_there_is_named(root, tmp_path):
    with pytest.raises(InputError, match="no object 'Bottle', nor 1 others"):
        gso_jobs(root, ["Wedge", "Cup", "Bottle"])
    with pytest.raises(InputError, match="no such folder"):
        gso_jobs(root / "nothing")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="holds no Google Scanned Objects"):
        gso_jobs(tmp_path / "empty")


def test_what_could_not_be_fetched_keeps_its_place(root):
    source = GsoSource(root, SMALL, ["Wedge", "Cup"], {"Cup": "not downloaded: 404"})
    assert source.jobs() == [fuel_job("Cup"), fuel_job("Wedge")]
    with pytest.raises(InputError, match="not downloaded: 404"):
        source(source.jobs()[0])


def test_both_layouts_hash_the_same_bytes(tmp_path):
    contents = write_object(tmp_path, "fuel", FUEL)
    write_object(tmp_path, "flat", FLAT)
    expected = hashlib.sha256(b"".join(contents[name] for name in FUEL)).hexdigest()
    assert asset_sha256(tmp_path / "fuel/meshes/model.obj") == expected
    assert asset_sha256(tmp_path / "flat/model.obj") == expected
    for name in FUEL:
        file = tmp_path / "fuel" / FUEL[name]
        before = file.read_bytes()
        file.write_bytes(before + b" ")
        assert asset_sha256(tmp_path / "fuel/meshes/model.obj") != expected, name
        file.write_bytes(before)


@pytest.mark.parametrize("name", ["Wedge", "A_flat_wedge"])
def test_views_show_the_object_upright_and_textured(root, name):
    make_views = GsoSource(root, replace(SMALL, normals=True))
    views = make_views(gso_jobs(root, [name])[0])
    assert views.object_id == name
    assert views.source.name == "gso"
    assert views.source.licence == "CC-BY-4.0, Google LLC"
    assert views.source.sha256 == asset_sha256(model_file(root / name))
    # z up, the longest side of 4 becomes 2, the box is centered
    np.testing.assert_allclose(views.source.bounds, [[-0.5, -0.25, -1], [0.5, 0.25, 1]])
    assert views.images.shape == (2, 48, 48, 4)
    seen = views.images[views.images[..., 3] == 255][:, :3]
    np.testing.assert_array_equal(np.unique(seen, axis=0), [[200, 30, 40]])
    assert views.depth.shape == (2, 48, 48)
    assert views.normals.shape == (2, 48, 48, 3)


def test_an_object_looks_the_same_wherever_it_is_prepared(root):
    job = gso_jobs(root, ["Wedge"])[0]
    one, other = GsoSource(root, SMALL), pickle.loads(pickle.dumps(GsoSource(root, SMALL)))
    np.testing.assert_array_equal(one(job).images, other(job).images)
    different = GsoSource(root, replace(SMALL, seed=1))(job)
    assert not np.array_equal(one(job).cameras.c2w, different.cameras.c2w)


@pytest.mark.parametrize(
    ("record", "licence"),
    [
        (
            {"licence": "CC", "licence_url": "http://creativecommons.org/licenses/by/4.0/"},
            "CC-BY-4.0, Google LLC",
        ),
        (
            {
                "licence": "CC Zero",
                "licence_url": "http://creativecommons.org/publicdomain/zero/1.0/",
            },
            "CC Zero (http://creativecommons.org/publicdomain/zero/1.0/)",
        ),
        ({"licence": "", "licence_url": ""}, "unknown"),
    ],
)
def test_the_licence_recorded_at_the_download_counts(root, record, licence):
    (root / "Wedge" / "fuel.json").write_text(json.dumps(record))
    assert GsoSource(root, SMALL)(gso_jobs(root, ["Wedge"])[0]).source.licence == licence


@pytest.mark.parametrize("record", ["no JSON", "[]", "{}"])
def test_a_damaged_record_is_an_error(root, record):
    (root / "Wedge" / "fuel.json").write_text(record)
    with pytest.raises(InputError, match=r"fuel\.json"):
        GsoSource(root, SMALL)(gso_jobs(root, ["Wedge"])[0])


def test_objects_that_cannot_be_used_say_why(root):
    (root / "Wedge" / FUEL["texture.png"]).unlink()
    with pytest.raises(InputError, match=r"'texture\.png', which it names, is missing"):
        GsoSource(root, SMALL)(gso_jobs(root, ["Wedge"])[0])
    shutil.rmtree(root / "Wedge")
    with pytest.raises(InputError, match="no such file"):
        GsoSource(root, SMALL)(fuel_job("Wedge"))
    with pytest.raises(InputError, match="not downloaded: 404"):
        GsoSource(root, SMALL, unavailable={"Wedge": "not downloaded: 404"})(fuel_job("Wedge"))


@pytest.fixture(scope="module")
def gso_views() -> ModuleType:
    """The benchmark that does the same for all objects of a data set."""
    path = Path(__file__).parents[3] / "benchmarks" / "gso_views.py"
    spec = importlib.util.spec_from_file_location("gso_views", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", ["3D_Dollhouse_Swing", "3D_Dollhouse_Lamp"])
def test_masks_and_depth_agree_with_independent_ray_casting(gso_dir, gso_views, name):
    job = gso_jobs(gso_dir, [name])[0]
    views = GsoSource(gso_dir, ViewSettings(num_views=2, size=256))(job)
    mesh = gso_views.load_normalized(gso_dir / name)
    found = gso_views.compare(views, mesh, num_samples=50)
    assert found["mask_iou"] > 0.99
    assert found["depth_pixels"] > 5000
    assert found["depth_max"] < 1e-3
    assert found["sample_depth_max"] < 1e-3
    assert found["sample_mask_agreement"] >= 0.98
    # the comparison would notice half a pixel
    shift = views.cameras.intrinsics.new_tensor([0.0, 0.0, 0.5, 0.5])
    moved = Cameras(views.cameras.c2w, views.cameras.intrinsics + shift, 256, 256)
    worse = gso_views.compare(replace(views, cameras=moved), mesh)
    assert worse["depth_max"] > 1e-3
    assert worse["depth_unexplained"] > 0  # grazing rays are no excuse for it
