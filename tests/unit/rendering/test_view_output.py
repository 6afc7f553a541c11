"""What lies in the files: every channel decoded again and compared with the view."""

import errno
import json

import numpy as np
import pytest
import torch
from PIL import Image

from lrm_core.errors import OutputError
from lrm_core.geometry.trajectories import orbit
from lrm_core.io.camera_files import read_cameras
from lrm_core.rendering.mesh_renderer import CHANNELS
from lrm_core.rendering.view_output import channel_image, check_output, write_views
from lrm_core.structures.render_output import RenderOutput


def view(seed=0, size=24):
    """Random colors in a disc with a soft rim, composited on white."""
    generator = torch.Generator().manual_seed(seed)
    y, x = torch.meshgrid(torch.arange(size), torch.arange(size), indexing="ij")
    distance = ((x - size / 2) ** 2 + (y - size / 2) ** 2).sqrt()
    alpha = (size / 3 - distance).clamp(0, 1)[None]
    straight = torch.rand(1, size, size, 3, generator=generator)
    normals = torch.nn.functional.normalize(straight - 0.5, dim=-1)
    depth = torch.where(alpha > 0, 1.5 + straight[..., 0], torch.inf)
    rgb = straight * alpha[..., None] + (1 - alpha[..., None])
    return RenderOutput(rgb, alpha, depth, normals * (alpha > 0)[..., None])


def read(path):
    with Image.open(path) as image:
        return np.asarray(image)


@pytest.mark.parametrize("background", [(1.0, 1.0, 1.0), (0.2, 0.4, 0.6), None])
def test_folder(tmp_path, background):
    cameras = orbit(3, size=24)
    views = [view(seed) for seed in range(3)]
    files = write_views(
        tmp_path / "out", iter(views), cameras, channels=CHANNELS, background=background
    )
    assert {path.name for path in (tmp_path / "out").iterdir()} == {path.name for path in files}
    assert len(files) == 3 * 4 + 3
    description = json.loads((tmp_path / "out" / "views.json").read_text())
    for index, expected in enumerate(views):
        stem = tmp_path / "out" / f"{index:03d}"
        alpha = expected.opacity[0].numpy()[..., None]
        straight = (expected.rgb[0].numpy() - (1 - alpha)) / np.maximum(alpha, 1e-6)
        rgb = read(f"{stem}.png") / 255
        if background is None:
            np.testing.assert_allclose(rgb[..., 3:], alpha, atol=0.003)
            np.testing.assert_allclose((rgb[..., :3] * alpha), straight * alpha, atol=0.003)
        else:
            np.testing.assert_allclose(
                rgb, straight * alpha + np.array(background) * (1 - alpha), atol=0.003
            )
        seen = alpha[..., 0] > 0
        depth = read(f"{stem}_depth.png") * description["depth_unit"]
        np.testing.assert_allclose(depth[seen], expected.depth[0].numpy()[seen], atol=1e-4)
        assert (depth[~seen] == 0).all()
        normals = read(f"{stem}_normal.png") / 127.5 - 1
        np.testing.assert_allclose(normals, expected.normals[0], atol=0.005)
        np.testing.assert_allclose(read(f"{stem}_alpha.png") / 255, alpha[..., 0], atol=0.003)
    written = read_cameras(tmp_path / "out" / "transforms.json")
    np.testing.assert_allclose(written.c2w, cameras.c2w, atol=1e-6)
    frames = json.loads((tmp_path / "out" / "transforms.json").read_text())["frames"]
    assert [frame["file_path"] for frame in frames] == ["000.png", "001.png", "002.png"]


def test_transforms_name_files_that_exist(tmp_path):
    write_views(tmp_path / "out", [view()], orbit(1, size=24), channels=("depth", "alpha"))
    frames = json.loads((tmp_path / "out" / "transforms.json").read_text())["frames"]
    assert (tmp_path / "out" / frames[0]["file_path"]).is_file()


def test_many_views_fill_a_bounded_sheet(tmp_path):
    small = view(size=8)
    few, many = (
        write_views(tmp_path / f"{n}.png", [small] * n, orbit(n, size=8)) for n in (64, 200)
    )
    assert read(few[0]).shape == read(many[0]).shape


def test_file_names_sort_in_the_order_of_the_views(tmp_path):
    count = 1001
    files = write_views(tmp_path / "out", [view(size=4)] * count, orbit(count, size=4))
    names = [path.name for path in files[:count]]
    assert names == sorted(names)
    assert (names[0], names[-1]) == ("0000.png", "1000.png")


def test_videos_show_channels_side_by_side(tmp_path):
    write_views(
        tmp_path / "a.gif", [view(0), view(1)], orbit(2, size=24), channels=("rgb", "normal")
    )
    with Image.open(tmp_path / "a.gif") as image:
        assert image.size == (48, 24)
        assert image.n_frames == 2


def test_previews_are_white_where_nothing_is():
    empty = view().opacity[0].numpy() == 0
    for channel in ("rgb", "depth", "normal"):
        assert (channel_image(view(), channel)[empty] == 255).all()
    depth = channel_image(view(), "depth")[..., 0].astype(int)
    true = view().depth[0].numpy()
    near, far = true == true[~empty].min(), true == true[~empty].max()
    assert depth[near].max() > depth[far].max(), "near is light"


def test_older_results_are_kept(tmp_path):
    folder = tmp_path / "out"
    write_views(folder, [view(0)], orbit(1, size=24))
    before = (folder / "000.png").read_bytes()
    with pytest.raises(OutputError, match="exists already"):
        write_views(folder, [view(1)], orbit(1, size=24))
    assert (folder / "000.png").read_bytes() == before
    write_views(folder, [view(1)], orbit(1, size=24), overwrite=True)
    assert (folder / "000.png").read_bytes() != before


def test_places_that_cannot_take_views(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="expected a folder"):
        check_output(tmp_path / "file", overwrite=True)
    with pytest.raises(OutputError, match=r"'\.mov'"):
        check_output(tmp_path / "turn.mov", overwrite=False)
    (tmp_path / "views.v2").mkdir()
    check_output(tmp_path / "views.v2", overwrite=False)


def test_fewer_views_leave_none_of_the_earlier_ones(tmp_path):
    folder = tmp_path / "out"
    channels = ("rgb", "depth")
    write_views(folder, [view(0)] * 4, orbit(4, size=24), channels=channels)
    (folder / "mine_007.png").write_bytes(b"mine")
    (folder / "004.png").write_bytes(b"mine too: the earlier run had views 0 to 3")
    write_views(folder, [view(0)] * 2, orbit(2, size=24), overwrite=True)
    assert sorted(path.name for path in folder.iterdir()) == [
        "000.png", "001.png", "004.png", "contact_sheet.png", "mine_007.png", "transforms.json",
        "views.json",
    ]  # fmt: skip


def test_pictures_of_the_user_are_not_replaced_by_views(tmp_path):
    folder = tmp_path / "out"
    folder.mkdir()
    (folder / "001.png").write_bytes(b"mine")
    with pytest.raises(OutputError, match=r"001\.png exists already"):
        write_views(folder, [view(0)] * 2, orbit(2, size=24))
    assert [path.name for path in folder.iterdir()] == ["001.png"]


def test_views_that_fail_leave_nothing(tmp_path):
    def failing():
        yield view(0)
        raise OSError(28, "No space left on device")

    with pytest.raises(OutputError, match="No space"):
        write_views(tmp_path / "out", failing(), orbit(2, size=24))
    assert not (tmp_path / "out").exists()


def test_views_that_fail_leave_the_earlier_ones_as_they_were(tmp_path):
    cameras, out = orbit(3, size=24), tmp_path / "out"
    write_views(out, (view(seed) for seed in range(3)), cameras)
    before = {path.name: path.read_bytes() for path in out.iterdir()}

    def disk_is_full_after_two():
        yield from (view(7), view(8))
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(OutputError, match=r"out cannot be written \(No space left"):
        write_views(out, disk_is_full_after_two(), cameras, overwrite=True)
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before
    write_views(out, (view(seed) for seed in (7, 8, 9)), cameras, overwrite=True)
    after = {path.name: path.read_bytes() for path in out.iterdir()}
    assert after.keys() == before.keys()
    assert not any(after[f"{index:03d}.png"] == before[f"{index:03d}.png"] for index in range(3))


def test_the_cameras_that_are_read_are_not_replaced(tmp_path):
    cameras = tmp_path / "v" / "transforms.json"
    cameras.parent.mkdir()
    cameras.write_text("{}")
    with pytest.raises(OutputError, match="would replace the input itself"):
        check_output(tmp_path / "v", overwrite=True, inputs=[cameras])
    with pytest.raises(OutputError, match="two results have the name"):
        check_output(tmp_path / "a.png", tmp_path / "a.png", overwrite=True)
