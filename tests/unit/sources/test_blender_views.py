"""Blender as a renderer: the conversation with a stand-in, the views with a real one.

The tests of the views run where LRM_BLENDER names a Blender or a Python with bpy.
"""

import os
import stat
import sys
import textwrap
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import trimesh
from PIL import Image

from lrm_core.errors import ConfigError, InputError, MissingDependencyError
from lrm_core.sources.asset_checks import AssetLimits
from lrm_core.sources.assets import CheckedRenderer
from lrm_core.sources.blender_views import Blender, BlenderRenderer, find_blender
from lrm_core.sources.object_views import RenderedViews, UpAxis, ViewSettings, sample_cameras
from lrm_core.structures.cameras import Cameras

TINY = ViewSettings(num_views=2, size=16)
CAMERAS = sample_cameras(TINY, "x")
FOUND = (
    '{"num_faces": 9, "texture_pixels": 0, "is_textured": true, "relative_area": 1.0, "bounds": []}'
)


def stand_in(folder: Path, code: str, **options: float) -> BlenderRenderer:
    """A renderer whose Blender is this Python code."""
    script = folder / "stand_in.py"
    script.write_text("import sys, time\n" + textwrap.dedent(code))
    return BlenderRenderer(Blender((sys.executable, str(script)), "0"), **options)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ('print(\'LRM {"error": "no triangles"}\')', "a.glb: no triangles"),
        ("print('first'); print('out of order'); sys.exit(3)", "exit code 3 .out of order"),
        ("import os; os.kill(os.getpid(), 9)", "exit code -9 .it said nothing"),
        (f"print('noise'); print('LRM ' + {FOUND!r}, flush=True); sys.exit(4)", "exit code 4"),
    ],
)
def test_a_blender_that_fails_is_one_line(tmp_path: Path, code: str, words: str) -> None:
    with pytest.raises(InputError, match=words):
        stand_in(tmp_path, code)(tmp_path / "a.glb", "y", CAMERAS, TINY)


def test_a_slow_blender_is_ended(tmp_path: Path) -> None:
    renderer = stand_in(tmp_path, "time.sleep(60)", time_limit=0.3)
    with pytest.raises(InputError, match=r"a\.glb: Blender took longer than 0\.3 s"):
        renderer(tmp_path / "a.glb", "y", CAMERAS, TINY)


def test_limits_hold_before_anything_is_rendered(tmp_path: Path) -> None:
    code = f"""
        sys.stdin.readline()
        print('LRM ' + {FOUND!r}, flush=True)
        if sys.stdin.readline():
            open({str(tmp_path / "asked")!r}, 'w').close()
    """
    renderer = stand_in(tmp_path, code)
    with pytest.raises(InputError, match="has 9 triangles, the limit is 8"):
        replace(renderer, limits=AssetLimits(max_faces=8))(tmp_path / "a.glb", "y", CAMERAS, TINY)
    assert not (tmp_path / "asked").exists()


def test_pixels_must_be_square(tmp_path: Path) -> None:
    intrinsics = CAMERAS.intrinsics.clone()
    intrinsics[:, 1] *= 2
    tall = Cameras(CAMERAS.c2w, intrinsics, 16, 16)
    with pytest.raises(ConfigError, match="square pixels"):
        stand_in(tmp_path, "")(tmp_path / "a.glb", "y", tall, TINY)


def test_blender_is_found_or_missed_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("LRM_BLENDER", raising=False)
    with pytest.raises(ConfigError, match="no Blender was named"):
        find_blender()
    with pytest.raises(MissingDependencyError, match="cannot be started"):
        find_blender(str(tmp_path / "missing"))
    with pytest.raises(MissingDependencyError, match="bpy"):
        find_blender(sys.executable)
    program = tmp_path / "blender"
    program.write_text("#!/bin/sh\necho Blender 4.5.1 LTS\necho build date\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("LRM_BLENDER", str(program))
    found = find_blender()
    assert found.version == "4.5.1"
    assert found.command[:2] == (str(program), "--background")
    assert Path(found.command[-1]).is_file()


@pytest.fixture(scope="module")
def blender() -> Blender:
    if not os.environ.get("LRM_BLENDER"):
        pytest.skip("LRM_BLENDER names no Blender")
    return find_blender()


def bracket() -> trimesh.Trimesh:
    """A shape without any symmetry."""
    body = trimesh.creation.box((0.6, 0.8, 1.2))
    arm = trimesh.creation.box((1.0, 0.3, 0.3)).apply_translation([0.6, 0.1, -0.4])
    horn = trimesh.creation.cone(0.2, 0.6).apply_translation([0.1, -0.3, 0.6])
    return trimesh.util.concatenate([body, arm, horn]).apply_translation([3.0, -2.0, 5.0])


def textured_bracket(path: Path) -> Path:
    mesh = bracket()
    squares = np.random.default_rng(0).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    image = Image.fromarray(squares).resize((128, 128), Image.Resampling.NEAREST)
    uv = mesh.vertices[:, [0, 2]] + 0.37 * mesh.vertices[:, [1, 1]]
    if path.suffix == ".glb":
        material = trimesh.visual.material.PBRMaterial(
            baseColorTexture=image, metallicFactor=0.3, doubleSided=False
        )
    else:
        material = trimesh.visual.material.SimpleMaterial(image=image)
    mesh.visual = trimesh.visual.TextureVisuals(uv=uv, material=material)
    mesh.export(path)
    return path


def check_agreement(ours: RenderedViews, theirs: RenderedViews) -> None:
    a, b = (views.images[..., 3] > 127 for views in (ours, theirs))
    for first, second in zip(a, b, strict=True):
        assert (first & second).sum() / (first | second).sum() > 0.98
    both = np.isfinite(ours.depth) & np.isfinite(theirs.depth)
    either = np.isfinite(ours.depth) | np.isfinite(theirs.depth)
    assert both.sum() > 0.98 * either.sum()
    inside = both & (ours.images[..., 3] == 255) & (theirs.images[..., 3] == 255)
    error = np.zeros_like(ours.depth)
    error[both] = np.abs(ours.depth[both] - theirs.depth[both])
    assert np.quantile(error[inside], 0.999) < 1e-2
    assert np.quantile(error[both], 0.97) < 0.1  # at rims it is a neighbor's, pixels are 0.03
    assert np.median(error[both]) < 1e-5
    solid = (ours.images[..., 3] == 255) & (theirs.images[..., 3] == 255)
    colors = np.abs(ours.images[..., :3].astype(int) - theirs.images[..., :3])[solid]
    assert np.median(colors) <= 1
    assert colors.mean() < 6
    np.testing.assert_allclose(ours.bounds, theirs.bounds, atol=1e-5)


@pytest.mark.parametrize(("name", "up"), [("a.glb", "y"), ("a.obj", "y"), ("b.obj", "z")])
def test_blender_sees_what_our_renderer_sees(
    blender: Blender, tmp_path: Path, name: str, up: UpAxis
) -> None:
    settings = ViewSettings(num_views=3, size=128, normals=True)
    cameras = sample_cameras(settings, "bracket")
    path = textured_bracket(tmp_path / name)
    ours = CheckedRenderer()(path, up, cameras, settings)
    theirs = BlenderRenderer(blender)(path, up, cameras, settings)
    check_agreement(ours, theirs)
    assert ours.normals is not None
    assert theirs.normals is not None
    inside = (ours.images[..., 3] == 255) & (theirs.images[..., 3] == 255)
    cosine = (ours.normals * theirs.normals).sum(-1)[inside]
    assert np.quantile(cosine, 0.02) > 0.999
    seen = np.isfinite(theirs.depth)
    np.testing.assert_allclose(np.linalg.norm(theirs.normals, axis=-1), seen, atol=1e-3)


def test_blender_takes_an_off_centre_lens_and_a_wide_image(
    blender: Blender, tmp_path: Path
) -> None:
    square = sample_cameras(ViewSettings(num_views=2, size=96), "bracket")
    intrinsics = square.intrinsics.clone()
    intrinsics[:, 2], intrinsics[:, 3] = 70.0, 30.0
    cameras = Cameras(square.c2w, intrinsics, 128, 80)
    path = textured_bracket(tmp_path / "a.glb")
    ours = CheckedRenderer()(path, "y", cameras, TINY)
    check_agreement(ours, BlenderRenderer(blender)(path, "y", cameras, TINY))


def test_blender_reads_vertex_colors_and_plain_materials(blender: Blender, tmp_path: Path) -> None:
    settings = ViewSettings(num_views=2, size=96)
    cameras = sample_cameras(settings, "bracket")
    mesh = bracket()
    span = (mesh.vertices - mesh.bounds[0]) / np.ptp(mesh.bounds, axis=0)
    mesh.visual.vertex_colors = (255 * np.c_[span, np.ones(len(span))]).astype(np.uint8)
    mesh.export(tmp_path / "a.ply")
    (tmp_path / "b.mtl").write_text("newmtl a\nKd 0.8 0.3 0.1\nnewmtl b\nKd 0.1 0.5 0.9\n")
    lines = trimesh.exchange.obj.export_obj(bracket(), include_normals=False).splitlines()
    faces = [line for line in lines if line.startswith("f ")]
    corners = [line for line in lines if line.startswith("v ")]
    halves = ["usemtl a", *faces[:20], "usemtl b", *faces[20:]]
    (tmp_path / "b.obj").write_text("\n".join(["mtllib b.mtl", *corners, *halves, ""]))
    for name in ("a.ply", "b.obj"):
        ours = CheckedRenderer()(tmp_path / name, "z", cameras, settings)
        check_agreement(ours, BlenderRenderer(blender)(tmp_path / name, "z", cameras, settings))


def test_blender_refuses_what_we_refuse(blender: Blender, tmp_path: Path) -> None:
    (tmp_path / "noise.glb").write_bytes(bytes(range(256)) * 8)
    (tmp_path / "out.mtl").write_text("newmtl m\nmap_Kd /etc/passwd\n")
    (tmp_path / "out.obj").write_text(
        "mtllib out.mtl\nv 0 0 0\nv 1 0 0\nv 0 1 0\nvt 0 0\nusemtl m\nf 1/1 2/1 3/1\n"
    )
    trimesh.creation.box().export(tmp_path / "plain.glb")
    reasons = {
        "noise.glb": "noise.glb: Blender: .*Bad glTF",
        "out.obj": "'passwd', which it names, is missing",
        "plain.glb": "single color",
    }
    for name, words in reasons.items():
        with pytest.raises(InputError, match=words):
            BlenderRenderer(blender)(tmp_path / name, "y", CAMERAS, TINY)
