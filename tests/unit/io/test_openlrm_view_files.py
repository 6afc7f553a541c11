"""OpenLRM's folders, against files written and read the way OpenLRM's own code does it."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from lrm_core.errors import InputError
from lrm_core.io.openlrm_view_files import (
    is_written,
    openlrm_folders,
    read_openlrm_views,
    write_openlrm_views,
    write_uids,
)
from lrm_core.structures.cameras import Cameras, look_at
from lrm_core.structures.view_set import ObjectSource, ViewSet


def views(object_id="chair", count=3, size=(24, 16), seed=0):
    rng = np.random.default_rng(seed)
    width, height = size
    images = rng.integers(0, 256, (count, height, width, 4), dtype=np.uint8)
    images[..., 3] *= rng.integers(0, 2, images.shape[:3], dtype=np.uint8)  # hidden colors too
    c2w = look_at(torch.from_numpy(rng.normal(size=(count, 3)).astype(np.float32)) * 2)
    lens = torch.tensor([[20.0, 21.5, 11.25, 8.5]]).repeat(count, 1)
    cameras = Cameras(c2w, lens, width, height)
    return ViewSet(object_id, images, cameras, ObjectSource("made", "CC0", "00"))


def write_as_openlrm_does(root: Path, uid: str, count=2, size=32):
    """As its blender_script.py: rotation and position stacked, intrinsics of 1024 px by name."""
    rng = np.random.default_rng(1)
    (root / uid / "rgba").mkdir(parents=True)
    (root / uid / "pose").mkdir()
    for i in range(count):
        image = rng.integers(0, 256, (size, size, 4), dtype=np.uint8)
        Image.fromarray(image).save(root / uid / "rgba" / f"{i:03d}.png")
        rotation = np.array([[1.0, 0, 0], [0, 0, -1], [0, 1, 0]])  # looks along +y, z up
        position = np.array([0.0, -2.0 - i, 0.0])
        pose = np.hstack((rotation, position.reshape(-1, 1)))
        np.save(root / uid / "pose" / f"{i:03d}.npy", pose)
    np.save(root / uid / "intrinsics.npy", np.array([[768.0, 768.0], [512.0, 512.0], [1024, 1024]]))


def read(root: Path, uid: str = "chair") -> ViewSet:
    return read_openlrm_views(root / uid, source="openlrm", licence="unknown")


def test_what_is_written_is_read_again_bit_by_bit(tmp_path):
    original = views()
    write_openlrm_views(tmp_path, original)
    again = read(tmp_path)
    np.testing.assert_array_equal(again.images, original.images)
    assert torch.equal(again.cameras.c2w, original.cameras.c2w)
    torch.testing.assert_close(
        again.cameras.intrinsics, original.cameras.intrinsics, rtol=1e-7, atol=0
    )
    assert (again.cameras.width, again.cameras.height) == (24, 16)
    assert again.object_id == "chair"


def test_files_are_what_openlrm_loads(tmp_path):
    original = views()
    write_openlrm_views(tmp_path, original)
    intrinsics = np.load(tmp_path / "chair" / "intrinsics.npy")
    np.testing.assert_array_equal(intrinsics, [[20.0, 21.5], [11.25, 8.5], [24, 16]])
    pose = np.load(tmp_path / "chair" / "pose" / "002.npy")
    np.testing.assert_array_equal(pose, original.cameras.c2w[2, :3].numpy())
    with Image.open(tmp_path / "chair" / "rgba" / "002.png") as image:
        np.testing.assert_array_equal(np.array(image), original.images[2])
    write_uids(tmp_path / "train.json", ["chair"])
    assert json.loads((tmp_path / "train.json").read_text()) == ["chair"]


def test_openlrms_own_files_are_read_in_our_frame(tmp_path):
    write_as_openlrm_does(tmp_path, "0a1b")
    found = read(tmp_path, "0a1b")
    # resized images keep their cameras: 24 mm on 32 mm is 0.75 of the width
    np.testing.assert_array_equal(found.cameras.intrinsics, [[24.0, 24.0, 16.0, 16.0]] * 2)
    # a point in front of the camera lies above the center when it is higher, right when at +x
    pixels, depth = found.cameras.project(torch.tensor([[0.5, 0.0, 0.25]]))
    np.testing.assert_allclose(depth[:, 0], [2.0, 3.0])
    np.testing.assert_allclose(pixels[0, 0], [16 + 24 * 0.25, 16 - 24 * 0.125])
    assert found.source.name == "openlrm"
    assert found.source.bounds is None


def test_the_hash_follows_the_content(tmp_path):
    for folder, seed in (("a", 0), ("b", 0), ("c", 1)):
        write_openlrm_views(tmp_path / folder, views(seed=seed))
    hashes = [read(tmp_path / folder).source.sha256 for folder in "abc"]
    assert hashes[0] == hashes[1] != hashes[2]


def test_every_object_is_listed_even_unfinished_ones(tmp_path):
    write_as_openlrm_does(tmp_path, "b")
    write_as_openlrm_does(tmp_path, "a.x")
    (tmp_path / "unfinished" / "rgba").mkdir(parents=True)
    (tmp_path / ".b.123").mkdir()
    (tmp_path / "val.json").write_text("[]")
    assert openlrm_folders(tmp_path) == ["a.x", "b", "unfinished"]
    with pytest.raises(InputError, match="cannot be read"):
        read(tmp_path, "unfinished")
    with pytest.raises(InputError, match="no object"):
        openlrm_folders(tmp_path / "unfinished")
    with pytest.raises(InputError, match="no such folder"):
        openlrm_folders(tmp_path / "absent")


def test_an_object_appears_whole_and_replaces_its_older_self(tmp_path, monkeypatch):
    write_openlrm_views(tmp_path, views(count=5))
    write_openlrm_views(tmp_path, views(count=2))
    assert len(read(tmp_path).cameras) == 2
    assert is_written(tmp_path, "chair")
    assert not is_written(tmp_path, "table")

    def full_disk(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr("lrm_core.io.openlrm_view_files.np.save", full_disk)
    with pytest.raises(KeyboardInterrupt):
        write_openlrm_views(tmp_path, views("table"))
    assert [path.name for path in tmp_path.iterdir()] == ["chair"]


def test_views_of_several_lenses_cannot_be_written(tmp_path):
    original = views()
    original.cameras.intrinsics[1, 0] = 25.0
    with pytest.raises(InputError, match="one for all"):
        write_openlrm_views(tmp_path, original)
    assert not list(tmp_path.iterdir())


def _object_array(folder):
    np.save(folder / "intrinsics.npy", np.array([{}, {}], dtype=object), allow_pickle=True)


def _huge_array(folder):
    with (folder / "intrinsics.npy").open("wb") as file:
        header = {"descr": "<f8", "fortran_order": False, "shape": (10**9, 10**6)}
        np.lib.format.write_array_header_1_0(file, header)


def _cut_array(folder):
    file = folder / "pose" / "000.npy"
    file.write_bytes(file.read_bytes()[:-8])


def _mirrored(folder):
    np.save(folder / "pose" / "001.npy", np.diag([1.0, 1.0, -1.0, 1.0])[:3])


def _not_finite(folder):
    np.save(folder / "intrinsics.npy", np.full((3, 2), np.nan))


def _no_size(folder):
    np.save(folder / "intrinsics.npy", np.array([[1.0, 1.0], [0.5, 0.5], [0.0, 1.0]]))


def _other_size(folder):
    Image.new("RGBA", (8, 8)).save(folder / "rgba" / "001.png")


def _no_alpha(folder):
    Image.new("RGB", (32, 32)).save(folder / "rgba" / "001.png")


def _cut_image(folder):
    file = folder / "rgba" / "001.png"
    file.write_bytes(file.read_bytes()[:200])


def _no_image(folder):
    (folder / "rgba" / "000.png").write_bytes(b"MZ")


def _gap(folder):
    (folder / "pose" / "000.npy").unlink()


def _bomb(folder):
    Image.new("1", (40_000, 30_000)).save(folder / "rgba" / "000.png")


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize(
    ("break_it", "words"),
    [
        (_object_array, "intrinsics.npy: .*object"),
        (_huge_array, r"expected \(3, 2\)"),
        (_cut_array, "000.npy: buffer"),
        (_mirrored, "001.npy: not a rigid"),
        (_not_finite, "not finite"),
        (_no_size, "must be positive"),
        (_other_size, "differ in size"),
        (_no_alpha, "mode RGB, expected RGBA"),
        (_cut_image, "001.png is damaged"),
        (_no_image, "000.png is damaged"),
        (_gap, "2 images and 1 poses"),
        (_bomb, "000.png"),
    ],
)
def test_damaged_objects_are_named(tmp_path, break_it, words):
    write_as_openlrm_does(tmp_path, "chair")
    break_it(tmp_path / "chair")
    with pytest.raises(InputError, match=words):
        read(tmp_path)


def test_no_path_leads_out_of_the_folder(tmp_path):
    write_as_openlrm_does(tmp_path, "chair")
    with pytest.raises(InputError, match="not an object id"):
        write_openlrm_views(tmp_path / "inner", views("../chair"))
