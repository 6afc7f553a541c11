"""`lrm preprocess gso` from the outside: local folders, downloads, messages, exit codes."""

import json
import threading
import zipfile
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import trimesh
from PIL import Image
from typer.testing import Result

from lrm_core.io.view_dataset_files import open_view_dataset, read_view_set

Lrm = Callable[..., Result]
TINY = ["--size", "24", "--num-views", "2", "--workers", "1"]


def write_object(folder: Path, side: float = 1.0) -> None:
    """A textured box in Fuel's layout."""
    (folder / "meshes").mkdir(parents=True)
    (folder / "materials" / "textures").mkdir(parents=True)
    Image.new("RGB", (4, 4), (10, 200, 30)).save(folder / "materials/textures/texture.png")
    (folder / "meshes/model.mtl").write_text("newmtl m\nmap_Kd texture.png\n")
    box = trimesh.creation.box((1.0, side, 2.0))
    lines = ["mtllib model.mtl", "usemtl m", "vt 0.5 0.5"]
    lines += [f"v {x} {y} {z}" for x, y, z in box.vertices]
    lines += [f"f {a}/1 {b}/1 {c}/1" for a, b, c in box.faces + 1]
    (folder / "meshes/model.obj").write_text("\n".join(lines))


@pytest.fixture(autouse=True)
def no_source_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LRM_GSO_DIR", raising=False)
    monkeypatch.delenv("LRM_FUEL_URL", raising=False)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    for index, name in enumerate(("Apple", "Bowl", "Cup")):
        write_object(tmp_path / "gso" / name, side=0.5 + index / 4)
    return tmp_path / "gso"


class QuietHandler(SimpleHTTPRequestHandler):
    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture
def fuel_url(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Fuel's interface as plain files: two good models, one damaged archive."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    models = tmp_path / "served" / "1.0" / "GoogleResearch" / "models"
    licence = {
        "license_name": "Creative Commons Attribution 4.0 International",
        "license_url": "http://creativecommons.org/licenses/by/4.0/",
    }
    names = ("Apple", "Bad", "Big bowl")
    for name in names:
        write_object(tmp_path / "packed" / name)
        archive = models / name / "tip" / f"{name}.zip"
        archive.parent.mkdir(parents=True)
        with zipfile.ZipFile(archive, "w") as opened:
            for path in (tmp_path / "packed" / name).rglob("*.*"):
                opened.write(path, path.relative_to(tmp_path / "packed" / name))
    (models / "Bad" / "tip" / "Bad.zip").write_bytes(b"out of order")
    (models / "index.html").write_text(json.dumps([{"name": name, **licence} for name in names]))
    handler = partial(QuietHandler, directory=str(tmp_path / "served"))
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/1.0"
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_folder_of_objects_becomes_a_test_set(lrm: Lrm, source: Path, tmp_path: Path) -> None:
    out = tmp_path / "data"
    result = lrm("preprocess", "gso", "--source", str(source), "-o", str(out), *TINY, "--json")
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["num_views"] == 6
    dataset = open_view_dataset(out)
    assert dataset.object_ids == ["Apple", "Bowl", "Cup"]
    assert set(dataset.manifest["split"]) == {"test"}
    assert set(dataset.manifest["licence"]) == {"CC-BY-4.0, Google LLC"}
    assert "CC-BY-4.0" in dataset.description["source"]
    assert dataset.description["settings"]["num_views"] == 2
    assert str(tmp_path) not in json.dumps(dataset.description)
    views = read_view_set(dataset, "Apple", depth=True)
    seen = views.images[views.images[..., 3] == 255][:, :3]
    assert len(seen)
    assert (seen == (10, 200, 30)).all()


def test_the_folder_may_come_from_the_environment(
    lrm: Lrm, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LRM_GSO_DIR", str(source))
    result = lrm("preprocess", "gso", "-o", str(tmp_path / "data"), *TINY, "--limit", "1")
    assert result.exit_code == 0, result.output
    assert open_view_dataset(tmp_path / "data").object_ids == ["Apple"]
    assert "never train on them" in result.stderr


def test_objects_are_taken_by_name_and_from_lists(lrm: Lrm, source: Path, tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_text("# protocol\nCup\n\nBowl  # blue\n")
    out = str(tmp_path / "data")
    base = ("preprocess", "gso", "--source", str(source), *TINY)
    result = lrm(*base, "-o", out, "--names", str(tmp_path / "list.txt"), "--names", "Cup")
    assert result.exit_code == 0, result.output
    assert open_view_dataset(out).object_ids == ["Bowl", "Cup"]
    result = lrm(*base, "-o", str(tmp_path / "other"), "--names", "Dish")
    assert result.exit_code == 4
    assert "no object 'Dish'" in result.stderr


def test_without_data_it_says_how_to_get_it(lrm: Lrm, tmp_path: Path) -> None:
    out = str(tmp_path / "data")
    result = lrm("preprocess", "gso", "-o", out)
    assert result.exit_code == 2
    assert "--source DIR --download" in result.stderr
    result = lrm("preprocess", "gso", "-o", out, "--source", str(tmp_path / "nothing"))
    assert result.exit_code == 4
    assert "--download" in result.stderr
    assert not (tmp_path / "data").exists()


def test_downloaded_objects_become_a_data_set_and_failures_are_listed(
    lrm: Lrm, fuel_url: str, tmp_path: Path
) -> None:
    out, folder = tmp_path / "data", tmp_path / "new" / "gso"
    base = ("preprocess", "gso", "--source", str(folder), "--download", "--fuel-url", fuel_url)
    result = lrm(*base, "-o", str(out), *TINY, "--json")
    assert result.exit_code == 3, result.output
    (failure,) = json.loads(result.stdout)["failures"]
    assert failure["object_id"] == "Bad"
    assert "not downloaded: " in failure["reason"]
    assert "not a readable zip archive" in (out / "failures.csv").read_text()
    assert len(open_view_dataset(out).object_ids) == 2
    assert set(open_view_dataset(out).manifest["licence"]) == {"CC-BY-4.0, Google LLC"}
    assert {path.name for path in folder.iterdir()} == {"Apple", "Big bowl"}
    # once the server is well again, the same command completes the data set
    served = tmp_path / "served" / "1.0" / "GoogleResearch" / "models"
    good = (served / "Apple" / "tip" / "Apple.zip").read_bytes()
    (served / "Bad" / "tip" / "Bad.zip").write_bytes(good)
    result = lrm(*base, "-o", str(out), *TINY, "--resume", "--retry-failed", "--json")
    assert result.exit_code == 0, result.output
    assert len(open_view_dataset(out).object_ids) == 3


def test_no_more_is_downloaded_than_asked_for(lrm: Lrm, fuel_url: str, tmp_path: Path) -> None:
    folder = tmp_path / "gso"
    base = ("preprocess", "gso", "--source", str(folder), "--download", "--fuel-url", fuel_url)
    result = lrm(*base, "-o", str(tmp_path / "data"), *TINY, "--limit", "1")
    assert result.exit_code == 0, result.output
    assert [path.name for path in folder.iterdir()] == ["Apple"]
    result = lrm(*base, "-o", str(tmp_path / "bad"), *TINY, "--names", "Bad")
    assert result.exit_code == 4
    assert "none of the 1 objects could be downloaded" in result.stderr
    result = lrm(*base, "-o", str(tmp_path / "none"), *TINY, "--names", "Dish")
    assert result.exit_code == 4
    assert "no model 'Dish'" in result.stderr
