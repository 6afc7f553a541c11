"""The API with the bundled model: a photo becomes a mesh, and every refusal is said in words."""

import base64
import io
import json
import tempfile
import time
import zipfile
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import trimesh
from PIL import Image, ImageDraw
from starlette.testclient import TestClient

JOBS = "/api/v1/jobs"


def submit(client: TestClient, photo: bytes, options: dict[str, str], **more: Any) -> Any:
    return client.post(JOBS, files={"photo": ("photo.png", photo), **more}, data=options)


def wait(client: TestClient, job_id: str, *states: str) -> dict[str, Any]:
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline:
        job: dict[str, Any] = client.get(f"{JOBS}/{job_id}").json()
        if job["state"] in (states or ("done", "failed", "cancelled")):
            return job
        time.sleep(0.05)
    raise AssertionError(f"job {job_id} does not end")


def events(text: str) -> list[dict[str, Any]]:
    lines = [line for line in text.splitlines() if line.startswith("data: ")]
    return [json.loads(line.removeprefix("data: ")) for line in lines]


def test_a_job_from_photo_to_files(client: TestClient, photo: bytes, quick: dict[str, str]) -> None:
    answer = submit(client, photo, quick)
    assert answer.status_code == 202
    job_id = answer.json()["id"]
    assert answer.headers["Location"] == f"{JOBS}/{job_id}"
    told = events(client.get(f"{JOBS}/{job_id}/events").text)
    assert told[-1]["state"] == "done"
    stages = [job["stage"] for job in told if job["state"] == "running"]
    assert {"grid query", "texture bake"} <= set(stages)
    progress = [job["progress"] for job in told]
    assert progress == sorted(progress)
    job = client.get(f"{JOBS}/{job_id}").json()
    assert job["record"]["model"] == "lrm-mini"
    assert job["record"]["licence"] == "Apache-2.0"
    for file in job["files"]:
        found = client.get(file["url"])
        assert found.status_code == 200
        assert found.headers["Content-Type"].startswith(file["media_type"])
    glb = client.get(f"{JOBS}/{job_id}/files/mesh.glb").content
    mesh = trimesh.load_scene(io.BytesIO(glb), file_type="glb").to_geometry()
    assert len(mesh.faces) == job["record"]["num_faces"]
    assert client.delete(f"{JOBS}/{job_id}").status_code == 204
    for path in ("", "/files/mesh.glb", "/events"):
        assert client.get(f"{JOBS}/{job_id}{path}").status_code == 404


def test_one_line_of_curl(client: TestClient, photo: bytes, quick: dict[str, str]) -> None:
    answer = client.post(
        "/api/v1/reconstruct?format=stl&size=42mm", files={"photo": photo}, data=quick
    )
    assert answer.status_code == 200, answer.text
    mesh = trimesh.load_mesh(io.BytesIO(answer.content), file_type="stl")
    assert np.ptp(mesh.vertices, axis=0).max() == pytest.approx(42.0, rel=1e-5)
    assert mesh.vertices.min() == pytest.approx(0.0, abs=1e-5)
    job = answer.headers["Lrm-Job"]
    for name, size in (("mesh.stl", "huge"), ("mesh.3mf", "90m"), ("mesh.glb", "10mm")):
        refused = client.get(f"{JOBS}/{job}/files/{name}?size={size}")
        assert refused.status_code == 422
        assert refused.json()["error"]["type"] == "ConfigError"
    archive = client.get(f"{JOBS}/{job}/files/mesh.zip").content
    assert "mesh.obj" in zipfile.ZipFile(io.BytesIO(archive)).namelist()


def test_generate_answers_as_blender_add_ons_expect(client: TestClient, photo: bytes) -> None:
    """The fields that the add-on of Hunyuan3D-2 sends."""
    body = {
        "image": base64.b64encode(photo).decode(), "octree_resolution": 32,
        "num_inference_steps": 20, "guidance_scale": 5.5, "seed": 1234, "texture": False,
        "face_count": 300,
    }  # fmt: skip
    answer = client.post("/generate", json=body)
    assert answer.status_code == 200, answer.text
    assert answer.content[:4] == b"glTF"
    mesh = trimesh.load_scene(io.BytesIO(answer.content), file_type="glb").to_geometry()
    assert 100 < len(mesh.faces) <= 1.05 * 300
    assert b"COLOR_0" in answer.content
    assert b"TEXCOORD_0" not in answer.content


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"text": "a cat"}, "no 'image'"),
        ({"image": "§"}, "not base64"),
        ({"image": base64.b64encode(b"text").decode()}, "not an image"),
        ({"image": "eA==", "mesh": "eA=="}, "cannot be textured"),
        ({"image": "eA==", "octree_resolution": 4096}, "at most 512"),
        ({"image": "eA==", "type": "exe"}, "type"),
    ],
)
def test_generate_refuses(client: TestClient, body: dict[str, Any], words: str) -> None:
    answer = client.post("/generate", json=body)
    assert answer.status_code == 422
    assert words in answer.json()["error"]["message"]


def test_the_cut_out_is_what_the_core_cuts_out(client: TestClient, photo: bytes) -> None:
    from lrm_core.foreground.removal import remove_background
    from lrm_core.io.image_files import read_image

    answer = client.post("/api/v1/cutout", files={"photo": photo}, data={"max_side": "2048"})
    assert answer.headers["Content-Type"] == "image/png"
    expected = remove_background(read_image(photo))
    assert answer.headers["Lrm-Background-Removal"] == expected.method == "u2netp"
    shown = np.asarray(Image.open(io.BytesIO(answer.content)))
    np.testing.assert_array_equal(shown, expected.rgba)
    small = client.post("/api/v1/cutout", files={"photo": photo}, data={"max_side": "100"})
    assert max(Image.open(io.BytesIO(small.content)).size) == 100


def test_a_mask_decides_what_the_object_is(
    client: TestClient, photo: bytes, quick: dict[str, str]
) -> None:
    width, height = Image.open(io.BytesIO(photo)).size
    mask = np.zeros((height, width), np.uint8)
    mask[height // 4 : height // 2, width // 4 : 3 * width // 4] = 255
    target = io.BytesIO()
    Image.fromarray(mask).save(target, "PNG")
    answer = client.post("/api/v1/cutout", files={"photo": photo, "mask": target.getvalue()})
    alpha = np.asarray(Image.open(io.BytesIO(answer.content)))[..., 3]
    np.testing.assert_array_equal(alpha > 127, mask > 127)
    job_id = submit(client, photo, quick, mask=("mask.png", target.getvalue())).json()["id"]
    assert wait(client, job_id)["record"]["background_removal"] == "mask"


def disk(color: str, *centers: int) -> bytes:
    """Disks in a row on white."""
    image = Image.new("RGB", (400, 200), "white")
    for number, x in enumerate(centers):
        radius = 50 - 15 * number
        ImageDraw.Draw(image).ellipse((x - radius, 100 - radius, x + radius, 100 + radius), color)
    target = io.BytesIO()
    image.save(target, "PNG")
    return target.getvalue()


def test_several_photos_of_one_object(client: TestClient, quick: dict[str, str]) -> None:
    """Red in front, blue behind; of two disks in front the mask takes the smaller one."""
    mask = Image.new("L", (400, 200))
    ImageDraw.Draw(mask).ellipse((265, 65, 335, 135), 255)
    target = io.BytesIO()
    mask.save(target, "PNG")
    back = {"back": ("b.png", disk("blue", 200)), "top": ("t.png", disk("red", 200))}
    options, files = quick | {"texture": "false"}, back | {"mask": ("m.png", target.getvalue())}
    job_id = submit(client, disk("red", 100, 300), options, **files).json()["id"]
    job = wait(client, job_id)
    assert job["state"] == "done", job["error"]
    views = job["record"]["views"]
    assert [view["direction"] for view in views] == ["front", "back", "top"]
    assert [view["background_removal"] for view in views] == ["mask", "border", "border"]
    glb = client.get(f"{JOBS}/{job_id}/files/mesh.glb").content
    (mesh,) = trimesh.load_scene(io.BytesIO(glb), file_type="glb").geometry.values()
    red, _, blue = mesh.visual.vertex_attributes["color"][:, :3].astype(float).T
    depth = mesh.vertices[:, 2]  # glTF: the front looks along +z
    assert (red > blue)[depth > np.quantile(depth, 0.9)].mean() > 0.9
    assert (blue > red)[depth < np.quantile(depth, 0.1)].mean() > 0.9


def test_errors_name_the_photo_that_they_are_about(
    client: TestClient, photo: bytes, quick: dict[str, str]
) -> None:
    answer = submit(client, photo, quick, left=("left.jpg", b"%PDF-1.7"))
    assert answer.status_code == 422
    assert answer.json()["error"]["message"].startswith("the photo of the left is a PDF")
    empty = io.BytesIO()
    Image.new("RGB", (64, 64), "white").save(empty, "PNG")
    job = wait(client, submit(client, photo, quick, back=("b.png", empty.getvalue())).json()["id"])
    assert job["error"]["type"] == "EmptyForegroundError"
    assert job["error"]["message"].startswith("back: ")


def test_which_of_several_objects_are_kept(client: TestClient, quick: dict[str, str]) -> None:
    files = {"photo": disk("red", 100, 300)}
    for keep, right in ((None, False), ("largest", False), ("all", True)):
        options = {"background_removal": "border"} | ({"keep": keep} if keep else {})
        answer = client.post("/api/v1/cutout", files=files, data=options)
        alpha = np.asarray(Image.open(io.BytesIO(answer.content)))[..., 3]
        assert alpha[100, 100] == 255
        assert (alpha[100, 300] == 255) == right
    jobs = [submit(client, files["photo"], quick | {"keep": keep}) for keep in ("largest", "all")]
    shapes = []
    for answer in jobs:
        job_id = wait(client, answer.json()["id"])["id"]
        seen = client.get(f"{JOBS}/{job_id}/files/mesh.input.png").content
        alpha = np.asarray(Image.open(io.BytesIO(seen)))[..., 3] > 127
        rows, columns = (np.ptp(np.flatnonzero(alpha.any(axis=axis))) for axis in (1, 0))
        shapes.append(columns / rows)
    assert shapes == pytest.approx([1.0, (300 + 35 - 50) / 100], rel=0.05)


def test_files_are_kept_as_long_as_a_client_asks(
    open_client: Callable[..., TestClient], photo: bytes, quick: dict[str, str]
) -> None:
    client = open_client(keep_seconds=0.2, max_keep_seconds=120.0)
    info = client.get("/api/v1/info").json()
    assert info["max_keep_minutes"] == 2.0
    for minutes in ("2.01", "-1", "nan", "inf"):
        answer = submit(client, photo, quick | {"keep_minutes": minutes})
        assert answer.status_code == 422, minutes
        assert "keep_minutes" in answer.json()["error"]["message"]
    job_id = submit(client, photo, quick | {"keep_minutes": "2"}).json()["id"]
    expires = wait(client, job_id)["expires"]
    assert expires - time.time() == pytest.approx(120.0, abs=5.0)
    time.sleep(1.5)
    assert client.get(f"{JOBS}/{job_id}/files/mesh.glb").status_code == 200


@pytest.mark.parametrize(
    ("content", "options", "words"),
    [
        (b"", {}, "empty"),
        (b"not a photo", {}, "not an image"),
        (None, {"resolution": "4000"}, "at most 512"),
        (None, {"resolution": "much"}, "resolution"),
        (None, {"background_removal": "magic"}, "background_removal"),
        (None, {"texture_size": "1000000"}, "texture_size"),
        (None, {"target_faces": "1"}, "target_faces"),
    ],
)
def test_what_cannot_be_a_job(
    client: TestClient, photo: bytes, content: bytes | None, options: dict[str, str], words: str
) -> None:
    answer = submit(client, photo if content is None else content, options)
    assert answer.status_code == 422
    assert words in answer.json()["error"]["message"]


def test_a_photo_without_an_object_fails_with_a_hint(
    client: TestClient, quick: dict[str, str]
) -> None:
    target = io.BytesIO()
    Image.new("RGB", (200, 200), "white").save(target, "PNG")
    job = wait(client, submit(client, target.getvalue(), quick).json()["id"])
    assert job["state"] == "failed"
    assert job["error"]["type"] == "EmptyForegroundError"
    assert "--" not in job["error"]["hint"], "a client has no command line"
    answer = client.get(f"{JOBS}/{job['id']}/files/mesh.glb")
    assert answer.status_code == 409


def test_a_damaged_photo_fails_without_a_path(
    client: TestClient, photo: bytes, quick: dict[str, str]
) -> None:
    job = wait(client, submit(client, photo[: len(photo) // 2], quick).json()["id"])
    assert job["state"] == "failed"
    assert "damaged" in job["error"]["message"]
    assert "/" not in job["error"]["message"]


def test_errors_of_the_server_itself_say_nothing_about_the_machine(
    client: TestClient, photo: bytes, quick: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any, **__: Any) -> None:
        raise RuntimeError("/home/somebody/secret.txt")

    service = client.app.state.service
    monkeypatch.setattr(service.results, "add", broken)
    job = wait(client, submit(client, photo, quick).json()["id"])
    assert job["error"]["type"] == "InternalError"
    monkeypatch.setattr(service.queue, "status", broken)
    answer = client.get(f"{JOBS}/{job['id']}")
    assert answer.status_code == 500
    assert "secret" not in job["error"]["message"] + answer.text
    assert answer.json()["error"]["type"] == "InternalError"


def test_unknown_things_are_404_in_json(client: TestClient) -> None:
    for path in (f"{JOBS}/nope", f"{JOBS}/nope/events", "/nothing", "/static/../jobs.py"):
        answer = client.get(path)
        assert answer.status_code == 404
        assert answer.json()["error"]["message"]
    assert client.get(f"{JOBS}/nope/files/passwd").status_code == 422


def test_a_full_queue_and_a_stop(
    open_client: Callable[..., TestClient], photo: bytes, quick: dict[str, str]
) -> None:
    client = open_client(max_waiting=1)
    slow = quick | {"resolution": "512", "texture_size": "2048"}
    first = submit(client, photo, slow).json()["id"]
    wait(client, first, "running")
    second = submit(client, photo, quick).json()
    assert (second["state"], second["position"]) == ("waiting", 1)
    third = submit(client, photo, quick)
    assert third.status_code == 503
    assert int(third.headers["Retry-After"]) >= 1
    assert client.delete(f"{JOBS}/{first}").status_code == 204
    assert wait(client, first)["state"] == "cancelled"
    assert wait(client, second["id"])["state"] == "done"
    assert not list(client.app.state.service.results.path.glob("making-*"))


def test_results_have_a_time_to_live(
    open_client: Callable[..., TestClient], photo: bytes, quick: dict[str, str]
) -> None:
    client = open_client(keep_seconds=0.5)
    job_id = submit(client, photo, quick).json()["id"]
    folder = client.app.state.service.results.path
    deadline = time.monotonic() + 300
    while client.get(f"{JOBS}/{job_id}").status_code == 200 and time.monotonic() < deadline:
        time.sleep(0.1)
    assert client.get(f"{JOBS}/{job_id}").status_code == 404
    assert list(folder.iterdir()) == []


def test_photos_never_touch_the_disk(
    client: TestClient, quick: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    rolled: list[object] = []
    monkeypatch.setattr(
        tempfile.SpooledTemporaryFile, "rollover", lambda self: rolled.append(self), raising=True
    )
    noise = np.random.default_rng(0).integers(0, 256, (1200, 1200, 3)).astype(np.uint8)
    target = io.BytesIO()
    Image.fromarray(noise).save(target, "PNG")
    assert len(target.getvalue()) > 4_000_000
    answer = client.post(
        "/api/v1/cutout", files={"photo": target.getvalue()}, data={"background_removal": "none"}
    )
    assert answer.status_code == 200
    assert rolled == []


def test_info_and_the_api_s_description(client: TestClient) -> None:
    info = client.get("/api/v1/info").json()
    assert info["model"] == {"name": "lrm-mini", "licence": "Apache-2.0", "commercial_use": True}
    assert info["formats"] == ["glb", "zip", "ply", "stl", "3mf", "usdz"]
    paths = client.get("/openapi.json").json()["paths"]
    assert {"/api/v1/jobs", "/api/v1/reconstruct", "/api/v1/cutout", "/generate"} <= set(paths)
    assert client.get("/healthz").text == "ok\n"


def test_the_page_is_served_with_all_that_it_names(
    client: TestClient, open_client: Callable[..., TestClient]
) -> None:
    import re

    page = client.get("/").text
    named = set(re.findall(r'(?:src|href)="(static/[^"]+)"', page))
    assert {"static/page.js", "static/mesh-view.js", "static/page.css"} <= named
    scripts = [client.get(f"/{name}").text for name in named if name.endswith(".js")]
    named |= {f"static/{name}" for text in scripts for name in re.findall(r'"\./([^"]+)"', text)}
    for name in named:
        assert client.get(f"/{name}").status_code == 200, name
    assert "http://" not in page.replace("http://www.w3.org", "")
    bare = open_client(page=False)
    assert bare.get("/").status_code == 404
    assert bare.get("/api/v1/info").status_code == 200
