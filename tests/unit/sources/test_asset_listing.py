"""Files, folders and lists -> assets -> jobs."""

import json
from pathlib import Path

import pytest

from lrm_core.errors import InputError
from lrm_core.sources.asset_listing import (
    Asset,
    asset_jobs,
    list_assets,
    read_table,
    with_labels,
)


def touch(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"x")


def paths(assets: list[Asset]) -> list[str]:
    return [asset.path for asset in assets]


def test_a_folder_is_searched(tmp_path: Path) -> None:
    root = tmp_path / "root"
    touch(root, "b.GLB", "a/c.obj", "a/deep/er/d.stl", "a.ply")
    touch(root, "notes.txt", "a/c.mtl", "a/wood.png", ".hidden.glb", ".git/e.glb", "f.fbx")
    touch(tmp_path, "outside.glb", "outside/g.glb")
    (root / "link_out.glb").symlink_to(tmp_path / "outside.glb")
    (root / "folder_out").symlink_to(tmp_path / "outside")
    (root / "link_in.glb").symlink_to(root / "b.GLB")
    (root / "folder.glb").mkdir()
    found, assets = list_assets(root)
    assert found == root
    expected = ["a.ply", "a/c.obj", "a/deep/er/d.stl", "b.GLB", "folder.glb", "link_in.glb"]
    assert paths(assets) == expected
    assert "f.fbx" in paths(list_assets(root, suffixes=(".fbx",))[1])


def test_a_file_is_one_asset(tmp_path: Path) -> None:
    touch(tmp_path, "a/b.glb", "a/c.glb")
    assert list_assets(tmp_path / "a" / "b.glb") == (tmp_path / "a", [Asset("b.glb")])


def test_lists_are_read_relative_to_themselves(tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_text("# mine\nb.glb\n\n  sub/a.obj  \nb.glb\n")
    root, assets = list_assets(tmp_path / "list.txt")
    assert root == tmp_path
    assert paths(assets) == ["b.glb", "sub/a.obj"]
    (tmp_path / "list.json").write_text(json.dumps(["b.glb", {"file": "a.glb", "license": "CC0"}]))
    assert list_assets(tmp_path / "list.json")[1] == [Asset("a.glb", "CC0"), Asset("b.glb")]
    (tmp_path / "list.csv").write_text(
        '\ufefffile,faces,licence,source\n"x, y.glb",3,CC0-1.0,kit\n'
    )
    assert list_assets(tmp_path / "list.csv")[1] == [Asset("x, y.glb", "CC0-1.0", "kit")]
    (tmp_path / "list.txt").write_text(str(tmp_path / "sub" / "a.obj"))
    assert paths(list_assets(tmp_path / "list.txt")[1]) == ["sub/a.obj"]


@pytest.mark.parametrize(
    "path", ["../a.glb", "/etc/passwd", "sub/../../a.glb", "out/a.glb", "a\0b"]
)
def test_lists_do_not_lead_out_of_their_folder(tmp_path: Path, path: str) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    touch(tmp_path, "a.glb", "elsewhere/a.glb")
    (folder / "out").symlink_to(tmp_path / "elsewhere")
    (folder / "list.json").write_text(json.dumps([path]))
    with pytest.raises(InputError, match="leads out of its folder"):
        list_assets(folder / "list.json")


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.txt", b"# nothing\n", "lists no assets"),
        ("a.txt", b"\xff\xfe\xfa", "not a readable .txt"),
        ("a.json", b"{", "not a readable .json"),
        ("a.json", b"[" * 100_000, "not a readable .json"),
        ("a.json", b'{"a": 1}', "expected a JSON list"),
        ("a.json", b"[3]", "entry 1 has no path"),
        ("a.csv", b"name,licence\na.glb,CC0\n", "entry 1 has no path"),
    ],
)
def test_broken_lists_are_one_line(tmp_path: Path, name: str, content: bytes, words: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=words) as error:
        list_assets(tmp_path / name)
    assert "\n" not in error.value.message


def test_nothing_to_list_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file or folder"):
        list_assets(tmp_path / "missing")
    with pytest.raises(InputError, match="holds no meshes"):
        list_assets(tmp_path)


def test_a_manifest_labels_assets(tmp_path: Path) -> None:
    (tmp_path / "m.csv").write_text("path,license,source\n./a/b.glb,CC0-1.0,kit\nz.glb,MIT,\n")
    labels = read_table(tmp_path / "m.csv")
    assets = [Asset("a/b.glb"), Asset("c.glb", "old")]
    assert with_labels(assets, labels) == [
        Asset("a/b.glb", "CC0-1.0", "kit"),
        Asset("c.glb", "old"),
    ]
    with pytest.raises(InputError, match="names none of the assets"):
        with_labels([Asset("d.glb")], labels)


def test_the_shared_manifest_is_understood(train_mesh_dir: Path) -> None:
    labels = read_table(train_mesh_dir / "manifest.csv")
    _, assets = list_assets(train_mesh_dir)
    assert len(assets) == 1969
    labeled = with_labels(assets, labels)
    assert {asset.licence for asset in labeled} == {"CC0-1.0", "CC-BY-4.0", "MIT-0"}
    assert all(asset.source for asset in labeled)


def test_jobs_have_ids_that_differ() -> None:
    names = ["chair.glb", "set/chair.glb", "x.glb", "x.obj", "x.obj.glb", "a.b.glb", "ä.glb"]
    jobs = asset_jobs([Asset(name, "CC0") for name in names])
    assert [job.object_id for job in jobs] == sorted(job.object_id for job in jobs)
    by_path = {Asset.at(job.location).path: job.object_id for job in jobs}
    assert by_path.keys() == set(names)
    assert len(set(by_path.values())) == len(names)
    assert by_path["chair.glb"] == "chair"
    assert by_path["x.glb"].startswith("x_glb-")
    assert Asset.at(jobs[0].location).licence == "CC0"


def test_a_circle_of_links_is_listed_to_be_reported(tmp_path: Path) -> None:
    (tmp_path / "a.glb").write_bytes(b"x")
    (tmp_path / "loop.glb").symlink_to("loop.glb")
    _, assets = list_assets(tmp_path)
    assert [asset.path for asset in assets] == ["a.glb", "loop.glb"]
