"""The downloader against a local server with Fuel's interface, real zips and injected faults."""

import hashlib
import io
import json
import re
import threading
import time
import zipfile
from collections import defaultdict
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

import httpx
import numpy as np
import pytest
import trimesh
from PIL import Image

from lrm_core.errors import InputError
from lrm_core.io.resumable_download import HttpSource
from lrm_core.meshes.mesh_reading import read_scene
from lrm_core.sources.fuel_download import (
    DownloadSummary,
    choose_models,
    download_models,
    list_models,
)

PREFIX = "/1.0/GoogleResearch/models"
CC_BY = {
    "license_name": "Creative Commons Attribution 4.0 International",
    "license_url": "http://creativecommons.org/licenses/by/4.0/",
}


def pack(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def scanned_object(seed: int) -> dict[str, bytes]:
    """Files of an object in Fuel's layout: a textured box, large enough to be cut in the middle."""
    rng = np.random.default_rng(seed)
    box = trimesh.creation.box(rng.uniform(0.05, 0.3, 3))
    lines = ["mtllib model.mtl", "usemtl material_0"]
    lines += [f"v {x:.6f} {y:.6f} {z:.6f}" for x, y, z in box.vertices]
    lines += [f"vt {u:.6f} {v:.6f}" for u, v in rng.uniform(0, 1, (len(box.vertices), 2))]
    lines += [f"f {a}/{a} {b}/{b} {c}/{c}" for a, b, c in box.faces + 1]
    texture = io.BytesIO()
    Image.fromarray(rng.integers(0, 256, (96, 96, 3), dtype=np.uint8)).save(texture, "PNG")
    return {
        "meshes/model.obj": "\n".join(lines).encode(),
        "meshes/model.mtl": b"newmtl material_0\nmap_Kd texture.png\n",
        "materials/textures/texture.png": texture.getvalue(),
        "model.config": b"<model/>",
    }


class FuelServer(ThreadingHTTPServer):
    """Serves archives by name; faults wait in a queue per path or name and are used up in turn.

    Faults: ("cut", n) closes the connection after n bytes of the body, ("status", code, headers),
    ("body", bytes) sends other bytes. Requests are logged as (path, Range header, status).
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), FuelHandler)
        self.archives: dict[str, bytes] = {}
        self.faults: dict[str, list[tuple]] = defaultdict(list)
        self.log: list[tuple[str, str | None, int]] = []
        self.ranges = True
        self.redirect = False
        self.per_page = 100

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/1.0"

    def requests_of(self, name: str) -> list[tuple[str | None, int]]:
        return [(span, status) for path, span, status in self.log if path == zip_path(name)]


def zip_path(name: str) -> str:
    return f"{PREFIX}/{name}/tip/{name}.zip"


class FuelHandler(BaseHTTPRequestHandler):
    server: FuelServer
    protocol_version = "HTTP/1.1"

    def log_message(self, *arguments: object) -> None:
        pass

    def answer(self, status: int, body: bytes = b"", cut: int | None = None, **headers) -> None:
        self.server.log.append((self.path_asked, self.headers.get("Range"), status))
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body if cut is None else body[:cut])
        if cut is not None:
            self.wfile.flush()
            self.close_connection = True

    def do_GET(self) -> None:
        split = urlsplit(self.path)
        self.path_asked = unquote(split.path)
        faults = self.server.faults[self.path_asked]
        fault = faults.pop(0) if faults else (None,)
        if fault[0] == "status":
            return self.answer(fault[1], **fault[2])
        if self.path_asked == PREFIX:
            return self.list_page(int(parse_qs(split.query)["page"][0]))
        if self.server.redirect and not self.path_asked.startswith("/storage"):
            return self.answer(302, Location=f"/storage{split.path}")
        name = Path(self.path_asked).stem
        if name not in self.server.archives:
            return self.answer(404)
        body = fault[1] if fault[0] == "body" else self.server.archives[name]
        return self.archive(body, fault[1] if fault[0] == "cut" else None)

    def list_page(self, page: int) -> None:
        names = sorted(self.server.archives, reverse=True)
        size = self.server.per_page
        shown = names[(page - 1) * size : page * size]
        if not shown:
            return self.answer(404)
        models = [{"name": name, "owner": "GoogleResearch", **CC_BY} for name in shown]
        return self.answer(200, json.dumps(models).encode(), X_Total_Count=str(len(names)))

    def archive(self, body: bytes, cut: int | None) -> None:
        etag = f'"{hashlib.md5(body).hexdigest()}"'
        asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        if asked and self.server.ranges and self.headers.get("If-Range") == etag:
            start = int(asked[1])
            span = f"bytes {start}-{len(body) - 1}/{len(body)}"
            return self.answer(206, body[start:], cut, ETag=etag, Content_Range=span)
        return self.answer(200, body, cut, ETag=etag)


@pytest.fixture
def server() -> Iterator[FuelServer]:
    server = FuelServer()
    server.archives = {f"Thing_{index}": pack(scanned_object(index)) for index in range(4)}
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def waits() -> list[float]:
    return []


@pytest.fixture
def http(waits: list[float]) -> Iterator[HttpSource]:
    # trust_env: a proxy of this machine is none for 127.0.0.1
    with httpx.Client(follow_redirects=True, trust_env=False, timeout=10) as client:
        yield HttpSource(client, attempts=4, sleep=waits.append)


def fetch(server: FuelServer, http: HttpSource, root: Path, *names: str) -> DownloadSummary:
    models = choose_models(list_models(http, base_url=server.url), names or None)
    return download_models(root, models, http, base_url=server.url, workers=3)


def files_of(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.name != "fuel.json"
    }


def test_models_arrive_byte_for_byte_with_their_licence(tmp_path, server, http):
    seen = []
    models = list_models(http, base_url=server.url)
    summary = download_models(
        tmp_path / "new" / "gso", models, http, base_url=server.url, on_progress=seen.append
    )
    assert summary == DownloadSummary(tuple(sorted(server.archives)), (), ())
    assert sorted(seen) == sorted(server.archives)
    for index in range(4):
        folder = tmp_path / "new" / "gso" / f"Thing_{index}"
        assert files_of(folder) == scanned_object(index)
        record = json.loads((folder / "fuel.json").read_text())
        assert record["licence"] == CC_BY["license_name"]
        assert record["licence_url"] == CC_BY["license_url"]
        archive = server.archives[f"Thing_{index}"]
        assert record["archive_sha256"] == hashlib.sha256(archive).hexdigest()
        assert record["files_sha256"] == {
            name: hashlib.sha256(content).hexdigest()
            for name, content in scanned_object(index).items()
        }
        assert read_scene(folder / "meshes/model.obj").parts[0].material.texture is not None
    # no archives and parts are left
    assert {path.name for path in (tmp_path / "new" / "gso").iterdir()} == set(server.archives)


def test_real_objects_arrive_byte_for_byte(tmp_path, server, http, gso_dir):
    folders = sorted(path for path in gso_dir.iterdir() if path.is_dir())[:2]
    server.archives = {folder.name: pack(files_of(folder)) for folder in folders}
    half = len(server.archives[folders[0].name]) // 2
    server.faults[zip_path(folders[0].name)] = [("cut", half)]
    assert len(fetch(server, http, tmp_path).downloaded) == 2
    for folder in folders:
        assert files_of(tmp_path / folder.name) == files_of(folder)


def test_the_list_is_read_page_by_page(server, http):
    server.per_page = 3
    server.faults[PREFIX] = [(None,), ("status", 503, {})]
    models = list_models(http, base_url=server.url + "/")
    assert [model.name for model in models] == sorted(server.archives)
    assert [status for path, _, status in server.log if path == PREFIX] == [200, 503, 200]


def test_the_list_may_end_with_a_page_that_is_not_there(server, http, monkeypatch):
    """Servers that do not say how many there are."""
    server.per_page = 2
    answer = FuelHandler.answer

    def without_count(self, *arguments, X_Total_Count="", **headers):  # noqa: N803
        answer(self, *arguments, **headers)

    monkeypatch.setattr(FuelHandler, "answer", without_count)
    assert len(list_models(http, base_url=server.url)) == 4
    assert server.log[-1][2] == 404


def test_models_are_chosen_by_name_and_number(server, http):
    models = list_models(http, base_url=server.url)
    assert [model.name for model in choose_models(models, ["Thing_3", "Thing_1"])] == [
        "Thing_1",
        "Thing_3",
    ]
    assert [model.name for model in choose_models(models, limit=2)] == ["Thing_0", "Thing_1"]
    with pytest.raises(InputError, match="no model 'Nothing'"):
        choose_models(models, ["Thing_1", "Nothing"])


def test_a_cut_connection_is_continued(tmp_path, server, http):
    size = len(server.archives["Thing_0"])
    server.faults[zip_path("Thing_0")] = [("cut", 10_000), ("cut", 5_000), ("cut", 0)]
    assert fetch(server, http, tmp_path, "Thing_0").downloaded == ("Thing_0",)
    assert files_of(tmp_path / "Thing_0") == scanned_object(0)
    assert size > 20_000
    assert server.requests_of("Thing_0") == [
        (None, 200), ("bytes=10000-", 206), ("bytes=15000-", 206), ("bytes=15000-", 206),
    ]  # fmt: skip


def test_another_run_continues_where_the_first_was_cut(tmp_path, server, http):
    server.faults[zip_path("Thing_0")] = [("cut", 7000), *[("status", 500, {})] * 3]
    summary = fetch(server, http, tmp_path, "Thing_0", "Thing_1")
    assert summary.downloaded == ("Thing_1",)
    assert [name for name, _ in summary.failures] == ["Thing_0"]
    assert not (tmp_path / "Thing_0").exists()
    server.log.clear()
    summary = fetch(server, http, tmp_path, "Thing_0", "Thing_1")
    assert summary == DownloadSummary(("Thing_0",), ("Thing_1",), ())
    assert server.requests_of("Thing_0") == [("bytes=7000-", 206)]
    assert server.requests_of("Thing_1") == []
    assert files_of(tmp_path / "Thing_0") == scanned_object(0)
    assert not (tmp_path / ".downloads").exists()


def test_a_server_without_ranges_starts_over(tmp_path, server, http):
    server.ranges = False
    server.faults[zip_path("Thing_0")] = [("cut", 10_000)]
    assert fetch(server, http, tmp_path, "Thing_0").downloaded == ("Thing_0",)
    assert files_of(tmp_path / "Thing_0") == scanned_object(0)
    assert server.requests_of("Thing_0") == [(None, 200), ("bytes=10000-", 200)]


def test_a_file_that_changed_between_two_parts_starts_over(tmp_path, server, http):
    old = pack(scanned_object(7))
    server.archives["Thing_0"], new = old, server.archives["Thing_0"]
    server.faults[zip_path("Thing_0")] = [("cut", 10_000), *[("status", 500, {})] * 3]
    assert fetch(server, http, tmp_path, "Thing_0").failures
    server.archives["Thing_0"] = new
    assert fetch(server, http, tmp_path, "Thing_0").downloaded == ("Thing_0",)
    assert server.requests_of("Thing_0")[-1] == ("bytes=10000-", 200)
    assert files_of(tmp_path / "Thing_0") == scanned_object(0)


def test_overloaded_servers_are_waited_for(tmp_path, server, http, waits):
    server.faults[zip_path("Thing_0")] = [
        ("status", 500, {}),
        ("status", 429, {"Retry_After": "17"}),
        ("status", 503, {"Retry_After": "1"}),
    ]
    assert fetch(server, http, tmp_path, "Thing_0").downloaded == ("Thing_0",)
    assert 1 <= waits[0] <= 2  # a second and jitter
    assert waits[1] == 17
    assert 4 <= waits[2] <= 5  # back-off is longer than what the server asks for


def test_storage_behind_a_redirection_is_resumed_too(tmp_path, server, http):
    """Fuel itself sends its clients on to an object store."""
    server.redirect = True
    stored = f"/storage{zip_path('Thing_0')}"
    server.faults[stored] = [("cut", 10_000)]
    assert fetch(server, http, tmp_path, "Thing_0").downloaded == ("Thing_0",)
    assert [(span, status) for path, span, status in server.log if path == stored] == [
        (None, 200),
        ("bytes=10000-", 206),
    ]
    assert files_of(tmp_path / "Thing_0") == scanned_object(0)


def damaged(archive: bytes) -> bytes:
    content = bytearray(archive)
    content[len(content) // 2] ^= 0xFF
    return bytes(content)


def test_a_damaged_archive_is_fetched_once_more(tmp_path, server, http):
    server.faults[zip_path("Thing_0")] = [("body", damaged(server.archives["Thing_0"]))]
    assert fetch(server, http, tmp_path).downloaded == tuple(sorted(server.archives))
    assert files_of(tmp_path / "Thing_0") == scanned_object(0)
    assert server.requests_of("Thing_0") == [(None, 200), (None, 200)]


@pytest.mark.parametrize(
    ("archive", "reason"),
    [
        (damaged(pack(scanned_object(0))), "not a readable zip archive"),
        (b"<html>out of order</html>", "not a readable zip archive"),
        (pack(scanned_object(0) | {"../../evil": b"x"}), "leads out of its folder"),
        (pack({"model.sdf": b"<sdf/>"}), "holds no meshes/model.obj"),
    ],
)
def test_bad_archives_fail_alone(tmp_path, server, http, archive, reason):
    server.archives["Thing_2"] = archive
    root = tmp_path / "a" / "gso"
    summary = fetch(server, http, root)
    assert summary.downloaded == ("Thing_0", "Thing_1", "Thing_3")
    ((name, why),) = summary.failures
    assert name == "Thing_2"
    assert reason in why
    assert len(server.requests_of("Thing_2")) == 2
    assert {path.name for path in root.iterdir()} == {"Thing_0", "Thing_1", "Thing_3"}
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["gso"]
    assert not list(tmp_path.rglob("*evil*"))


def test_a_model_that_is_gone_fails_alone(tmp_path, server, http):
    models = list_models(http, base_url=server.url)
    del server.archives["Thing_1"]
    summary = download_models(tmp_path, models, http, base_url=server.url)
    assert len(summary.downloaded) == 3
    assert "404" in dict(summary.failures)["Thing_1"]


def test_damaged_files_are_found_and_fetched_again(tmp_path, server, http):
    fetch(server, http, tmp_path)
    (tmp_path / "Thing_1" / "meshes" / "model.obj").write_bytes(b"v 0 0 0\n")
    (tmp_path / "Thing_2" / "materials" / "textures" / "texture.png").unlink()
    (tmp_path / "Thing_3" / "notes.txt").write_text("mine")
    summary = fetch(server, http, tmp_path)
    assert summary == DownloadSummary(("Thing_1", "Thing_2"), ("Thing_0", "Thing_3"), ())
    assert files_of(tmp_path / "Thing_1") == scanned_object(1)
    assert files_of(tmp_path / "Thing_2") == scanned_object(2)


def test_another_archive_than_the_first_is_refused(tmp_path, server, http):
    fetch(server, http, tmp_path)
    (tmp_path / "Thing_1" / "meshes" / "model.obj").write_bytes(b"damaged")
    server.archives["Thing_1"] = pack(scanned_object(9))
    ((name, why),) = fetch(server, http, tmp_path).failures
    assert name == "Thing_1"
    assert "at the first download it was" in why
    assert (tmp_path / "Thing_1" / "meshes" / "model.obj").read_bytes() == b"damaged"


def test_folders_of_the_user_stay_as_they_are(tmp_path, server, http):
    own = {"model.obj": b"v 0 0 0\n"}
    for name in ("Thing_0", "Thing_1"):
        (tmp_path / name).mkdir()
    (tmp_path / "Thing_0" / "model.obj").write_bytes(own["model.obj"])
    summary = fetch(server, http, tmp_path, "Thing_0", "Thing_1", "Thing_2")
    assert summary.present == ("Thing_0",)
    assert summary.downloaded == ("Thing_2",)
    assert "holds no model" in dict(summary.failures)["Thing_1"]
    assert files_of(tmp_path / "Thing_0") == own


@pytest.mark.parametrize("name", ["Banana for Scale", "Nestlé_50%_#1", "Thing?x=1&y"])
def test_names_with_spaces_and_signs_are_fetched(tmp_path, server, http, name):
    server.archives = {name: pack(scanned_object(5))}
    assert fetch(server, http, tmp_path).downloaded == (name,)
    assert files_of(tmp_path / name) == scanned_object(5)


@pytest.mark.parametrize("name", ["../evil", "/tmp/evil", ".hidden", "a\\b", "a:b", "..", "a\nb"])
def test_names_that_are_no_folders_fail_alone(tmp_path, server, http, name):
    server.archives[name] = pack(scanned_object(5))
    summary = fetch(server, http, tmp_path / "gso")
    assert len(summary.downloaded) == 4
    assert dict(summary.failures) == {name: f"{name!r} is not a name for a folder"}


def test_no_server_is_one_error(http, waits):
    with pytest.raises(InputError, match=r"\(4 attempts\)"):
        list_models(http, base_url="http://127.0.0.1:9/1.0")
    assert len(waits) == 3


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ({"errcode": 1}, "not a list of models"),
        ([{"owner": "x"}], "without a name"),
        ([3], "without a name"),
        ([], "no models there"),
    ],
)
def test_foreign_answers_are_one_error(answer, words):
    transport = httpx.MockTransport(lambda request: httpx.Response(200, json=answer))
    with pytest.raises(InputError, match=words):
        list_models(HttpSource(httpx.Client(transport=transport)))


def test_an_interrupt_ends_the_other_downloads(tmp_path, server):
    """Ctrl-C while one waits for its next attempt: nobody waits for the waiting."""
    server.faults[zip_path("Thing_3")] = [("status", 503, {"Retry_After": "300"})]

    def interrupt(name: str) -> None:
        while not server.requests_of("Thing_3"):
            time.sleep(0.01)
        raise KeyboardInterrupt

    with httpx.Client(trust_env=False) as client:
        http = HttpSource(client)
        models = list_models(http, base_url=server.url)
        with pytest.raises(KeyboardInterrupt):
            download_models(
                tmp_path, models, http, base_url=server.url, workers=4, on_progress=interrupt
            )
    assert http.stopped.is_set()
