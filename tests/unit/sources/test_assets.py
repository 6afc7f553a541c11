"""Assets -> view sets; hostile ones end with one line and leave the others alone."""

import csv
import hashlib
import json
import pickle
import random
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
import trimesh

from lrm_core.datasets.building import build_dataset
from lrm_core.errors import InputError
from lrm_core.io.view_dataset_files import open_view_dataset, read_view_set
from lrm_core.sources.asset_checks import AssetLimits
from lrm_core.sources.asset_listing import Asset, list_assets
from lrm_core.sources.assets import AssetSource, CheckedRenderer
from lrm_core.sources.object_views import UpAxis, ViewSettings, sample_cameras
from lrm_core.structures.view_set import ObjectJob

DEFAULTS = AssetLimits()
TINY = ViewSettings(num_views=2, size=24)
TRIANGLE = "v 0 0 0\nv 1 0 0\nv 0 1 0.5\nvt 0 0\nvt 1 0\nvt 0 1\nusemtl m\nf 1/1 2/2 3/3\n"


def colored_cone() -> trimesh.Trimesh:
    mesh = trimesh.creation.cone(0.5, 2.0)
    heights = np.clip((mesh.vertices[:, 2] / 2.0) * 255, 0, 255)
    colors = np.stack([heights, 255 - heights, heights * 0, heights * 0 + 255], axis=1)
    mesh.visual.vertex_colors = colors.astype(np.uint8)
    return mesh


def job_of(path: str, **about: str) -> ObjectJob:
    return ObjectJob(path.replace(".", "-"), Asset(path, **about).location())


def views_of(folder: Path, limits: AssetLimits = DEFAULTS, up: UpAxis = "y") -> AssetSource:
    return AssetSource(folder, TINY, up, CheckedRenderer(limits))


def test_an_asset_becomes_a_view_set(tmp_path: Path) -> None:
    colored_cone().export(tmp_path / "cone.ply")
    views = views_of(tmp_path, up="z")(job_of("cone.ply", licence="CC0-1.0", source="kit"))
    assert views.object_id == "cone-ply"
    assert views.images.shape == (2, 24, 24, 4)
    assert views.depth is not None
    assert np.isfinite(views.depth[views.images[..., 3] == 255]).all()
    np.testing.assert_array_equal(views.cameras.c2w, sample_cameras(TINY, "cone-ply").c2w)
    assert (views.source.name, views.source.licence) == ("kit", "CC0-1.0")
    assert views.source.sha256 == hashlib.sha256((tmp_path / "cone.ply").read_bytes()).hexdigest()
    assert views.source.bounds is not None
    # tall along z; twice as tall as wide
    np.testing.assert_allclose(views.source.bounds[:, 2], [-1.0, 1.0], atol=1e-6)
    np.testing.assert_allclose(views.source.bounds[:, 0], [-0.5, 0.5], atol=0.01)


def test_what_no_table_says_is_the_collections(tmp_path: Path) -> None:
    colored_cone().export(tmp_path / "cone.ply")
    make = AssetSource(tmp_path, TINY, name="mine", licence="MIT")
    source = make(job_of("cone.ply")).source
    assert (source.name, source.licence) == ("mine", "MIT")
    again = pickle.loads(pickle.dumps(make))(job_of("cone.ply"))
    np.testing.assert_array_equal(again.images, make(job_of("cone.ply")).images)


def test_gltf_is_y_up_whatever_is_asked(tmp_path: Path) -> None:
    colored_cone().export(tmp_path / "cone.glb")
    colored_cone().export(tmp_path / "cone.obj")
    bounds = {
        (suffix, up): views_of(tmp_path, up=up)(job_of(f"cone.{suffix}")).source.bounds
        for suffix in ("glb", "obj")
        for up in ("y", "z")
    }
    np.testing.assert_array_equal(bounds["glb", "y"], bounds["glb", "z"])
    np.testing.assert_array_equal(bounds["glb", "y"], bounds["obj", "y"])
    assert bounds["obj", "z"][1, 2] == pytest.approx(1.0)
    assert bounds["obj", "y"][1, 1] == pytest.approx(1.0)


def test_limits_and_known_problems(tmp_path: Path) -> None:
    colored_cone().export(tmp_path / "cone.glb")
    with pytest.raises(InputError, match="has 64 triangles, the limit is 63"):
        views_of(tmp_path, AssetLimits(max_faces=63))(job_of("cone.glb"))
    with pytest.raises(InputError, match="u1 was never found"):
        views_of(tmp_path)(job_of("cone.glb", problem="u1 was never found"))
    trimesh.creation.box().export(tmp_path / "plain.glb")
    with pytest.raises(InputError, match="single color"):
        views_of(tmp_path)(job_of("plain.glb"))
    assert views_of(tmp_path, AssetLimits(keep_textureless=True))(job_of("plain.glb")).images.any()


def test_an_object_that_nobody_sees_is_refused(tmp_path: Path) -> None:
    """Single-sided, so facing down it shows nothing to cameras above."""
    mesh = trimesh.Trimesh([[0, 0, 0], [1, 0, 0], [0, 0, 1]], [[0, 1, 2]])
    mesh.visual.vertex_colors = np.eye(4, dtype=np.uint8)[:3] * 255 + [[0, 0, 0, 255]]
    mesh.export(tmp_path / "down.glb")
    settings = ViewSettings(num_views=2, size=24, height=(0.5, 1.5))
    with pytest.raises(InputError, match="none of its 2 views shows anything"):
        AssetSource(tmp_path, settings)(job_of("down.glb"))
    below = ViewSettings(num_views=2, size=24, height=(-1.5, -0.5))
    assert AssetSource(tmp_path, below)(job_of("down.glb")).images.any()


def bomb(side: int) -> bytes:
    """A PNG of side x side pixels in a few thousand bytes."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        checksum = zlib.crc32(kind + data)
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", checksum)

    header = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    rows = zlib.compress(b"\0" * (1 + side // 8) * side, 9)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")
    )


def glb(document: dict[str, object], binary: bytes) -> bytes:
    text = json.dumps(document).encode()
    text += b" " * (-len(text) % 4)
    binary += b"\0" * (-len(binary) % 4)
    return (
        b"glTF"
        + struct.pack("<II", 2, 28 + len(text) + len(binary))
        + struct.pack("<I4s", len(text), b"JSON")
        + text
        + struct.pack("<I4s", len(binary), b"BIN\0")
        + binary
    )


def gltf_of_claims(count: int, **view: int) -> dict[str, object]:
    return {
        "asset": {"version": "2.0"},
        "scenes": [{"nodes": [0]}],
        "nodes": [{"mesh": 0}],
        "meshes": [{"primitives": [{"attributes": {"POSITION": 0}}]}],
        "accessors": [{"componentType": 5126, "type": "VEC3", "count": count, **view}],
        "bufferViews": [{"buffer": 0, "byteLength": 2**40}],
        "buffers": [{"byteLength": 2**40}],
    }


@pytest.fixture
def hostile(tmp_path: Path) -> Path:
    """A folder of bad assets: reasons stand in `REASONS`."""
    folder = tmp_path / "all" / "assets"
    folder.mkdir(parents=True)
    noise = random.Random(0)
    for suffix in ("glb", "gltf", "obj", "ply", "stl", "dae"):
        (folder / f"empty.{suffix}").write_bytes(b"")
        (folder / f"noise.{suffix}").write_bytes(noise.randbytes(3000))
    texts = {
        "nan": "v nan 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\n",
        "inf": "v inf 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\n",
        "index": "v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 99999999\n",
        "point": "v 1 1 1\nv 1 1 1\nv 1 1 1\nf 1 2 3\n",
        "faceless": "v 0 0 0\nv 1 0 0\nv 0 1 0\n",
        "library": "mtllib ../../secret.mtl\n" + TRIANGLE,
        "passwd": "mtllib passwd.mtl\n" + TRIANGLE,
        "bomb": "mtllib bomb.mtl\n" + TRIANGLE,
    }
    for name, text in texts.items():
        (folder / f"{name}.obj").write_text(text)
    (tmp_path / "secret.mtl").write_text("newmtl m\nKd 1 0 0\n")
    (folder / "passwd.mtl").write_text("newmtl m\nmap_Kd /etc/passwd\n")
    (folder / "bomb.mtl").write_text("newmtl m\nmap_Kd bomb.png\n")
    (folder / "bomb.png").write_bytes(bomb(2000))
    (folder / "length.glb").write_bytes(b"glTF" + struct.pack("<III", 2, 2**32 - 1, 2**32 - 16))
    (folder / "count.glb").write_bytes(glb(gltf_of_claims(2**31, bufferView=0), b"\0" * 64))
    (folder / "zeros.glb").write_bytes(glb(gltf_of_claims(2**26), b""))
    (folder / "folder.glb").mkdir()
    return folder


REASONS = {
    "nan": "not finite",
    "inf": "not finite",
    "index": "faces name vertices 0 to 99999998",
    "point": "no area",
    "faceless": "no triangles",
    "library": "'../../secret.mtl', which it names, is missing",
    "passwd": "'/etc/passwd', which it names, is missing",
    "bomb": "is not a readable image",
    "length": "truncated",
    "count": "is truncated: buffer 0 has 64",
    "zeros": "zeros.glb: ",  # memory on Linux, else its triangles
    "folder": "is a folder",
}


def test_hostile_assets_are_listed_and_the_others_made(hostile: Path, tmp_path: Path) -> None:
    colored_cone().export(hostile / "a_good.glb")
    colored_cone().export(hostile / "z_good.ply")
    limits = AssetLimits(max_texture_pixels=1_000_000, max_memory=2**30)
    source, out = views_of(hostile, limits), tmp_path / "out"
    summary = build_dataset(str(out), source, source.jobs())
    dataset = open_view_dataset(str(out))
    assert sorted(dataset.manifest["object_id"]) == ["a_good", "z_good"]
    assert read_view_set(dataset, "z_good").images.any()
    with (out / "failures.csv").open(newline="") as file:
        reasons = {row["object_id"]: row["reason"] for row in csv.DictReader(file)}
    assert reasons == dict(summary.failures)
    assert len(reasons) == 12 + len(REASONS)
    assert not any("\n" in reason or len(reason) > 300 for reason in reasons.values())
    for name, words in REASONS.items():
        assert words in reasons[name]
    for suffix in ("glb", "gltf", "obj", "ply", "stl", "dae"):
        found = {key.split("-")[0]: reason for key, reason in reasons.items()}
        assert f"empty.{suffix}: is empty" in found[f"empty_{suffix}"]
        assert f"noise.{suffix}: " in found[f"noise_{suffix}"]


def test_a_bomb_inside_a_glb_is_not_opened(tmp_path: Path) -> None:
    picture = bomb(2000)
    corners = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0.5]], dtype="<f4").tobytes()
    document: dict[str, object] = {
        "asset": {"version": "2.0"},
        "scenes": [{"nodes": [0]}],
        "nodes": [{"mesh": 0}],
        "meshes": [{"primitives": [{"attributes": {"POSITION": 0}, "material": 0}]}],
        "materials": [{"pbrMetallicRoughness": {"baseColorTexture": {"index": 0}}}],
        "textures": [{"source": 0}],
        "images": [{"bufferView": 1, "mimeType": "image/png"}],
        "accessors": [{"componentType": 5126, "type": "VEC3", "count": 3, "bufferView": 0}],
        "bufferViews": [
            {"buffer": 0, "byteLength": 36},
            {"buffer": 0, "byteOffset": 36, "byteLength": len(picture)},
        ],
        "buffers": [{"byteLength": 36 + len(picture)}],
    }
    (tmp_path / "bomb.glb").write_bytes(glb(document, corners + picture))
    with pytest.raises(InputError, match="exceeds limit of 1000000"):
        views_of(tmp_path, AssetLimits(max_texture_pixels=10**6))(job_of("bomb.glb"))


def test_shared_meshes_of_every_collection_are_usable(train_mesh_dir: Path) -> None:
    _, assets = list_assets(train_mesh_dir)
    for asset in assets[::400]:
        make = views_of(train_mesh_dir, AssetLimits(keep_textureless=True))
        views = make(ObjectJob("x", asset.location()))
        assert views.images[..., 3].any()
        assert views.source.bounds is not None
        assert np.ptp(views.source.bounds, axis=0).max() == pytest.approx(2.0, abs=1e-4)
