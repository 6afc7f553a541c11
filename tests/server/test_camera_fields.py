"""What a form says of the camera, the ground and further photos, as the command line says it."""

import io
import re
from typing import Any

import numpy as np
import pytest
import trimesh
from PIL import Image, ImageDraw
from starlette.testclient import TestClient

RECONSTRUCT = "/api/v1/reconstruct"
JOBS = "/api/v1/jobs"


def disk(color: str = "red", center: tuple[int, int] = (100, 100), kind: str = "PNG") -> bytes:
    """A disk of radius 50 on white, (400, 400)."""
    image = Image.new("RGB", (400, 400), "white")
    x, y = center
    ImageDraw.Draw(image).ellipse((x - 50, y - 50, x + 50, y + 50), color)
    exif = Image.Exif()
    exif.get_ifd(0x8769)[0xA405] = 50  # focal length on film in mm
    target = io.BytesIO()
    image.save(target, kind, exif=exif)
    return target.getvalue()


def mesh_of(client: TestClient, files: Any, fields: dict[str, Any]) -> tuple[bytes, dict[str, Any]]:
    """The GLB, and the job that made it."""
    answer = client.post(RECONSTRUCT, files=files, data=fields)
    assert answer.status_code == 200, answer.text
    job: dict[str, Any] = client.get(f"{JOBS}/{answer.headers['Lrm-Job']}").json()
    return answer.content, job


def covered(client: TestClient, job: dict[str, Any]) -> tuple[float, float, float]:
    """Left, right and top edge of the object in the picture that the model saw, as shares."""
    seen = client.get(f"{JOBS}/{job['id']}/files/mesh.input.png").content
    alpha = np.asarray(Image.open(io.BytesIO(seen)))[..., 3] > 127
    columns, rows = np.flatnonzero(alpha.any(axis=0)), np.flatnonzero(alpha.any(axis=1))
    side = len(alpha)
    return columns[0] / side, (columns[-1] + 1) / side, rows[0] / side


def test_elevation_ratio_and_exif(client: TestClient, quick: dict[str, str]) -> None:
    fields = quick | {"elevation": "30", "foreground_ratio": "0.5"}
    _, job = mesh_of(client, {"photo": disk(kind="JPEG")}, fields)
    record, camera = job["record"], job["record"]["camera"]
    film = np.degrees(2 * np.arctan(((36**2 + 24**2) / 2) ** 0.5 / 2 / 50))
    assert camera["field_of_view"]["value"] == pytest.approx(film, abs=1e-3)
    assert camera["field_of_view"]["from"] == "EXIF: 50 mm on 35 mm film"
    assert camera["elevation"] == {"value": 30.0, "from": "option"}
    assert record["turned_degrees"] == pytest.approx(30.0, abs=0.01)
    c2w = np.array(record["source_camera"]["c2w"])
    raised = np.degrees(np.arcsin(c2w[1, 3] / np.linalg.norm(c2w[:3, 3])))  # y is up in GLB
    assert raised == pytest.approx(30.0, abs=1e-3)
    left, right, _ = covered(client, job)
    assert right - left == pytest.approx(0.5, abs=0.02)


def test_a_photo_as_it_is_from_a_known_place(client: TestClient, quick: dict[str, str]) -> None:
    fields = quick | {"framing": "as-is", "fov": "40", "distance": "3"}
    _, job = mesh_of(client, {"photo": disk(kind="JPEG")}, fields)
    camera = job["record"]["camera"]
    assert camera["field_of_view"] == {"value": 40.0, "from": "option"}, "not that of EXIF"
    assert camera["distance"] == {"value": 3.0, "from": "option"}
    place = np.array(job["record"]["source_camera"]["c2w"])[:3, 3]
    assert np.linalg.norm(place) == pytest.approx(3.0, abs=1e-5)
    assert covered(client, job) == pytest.approx((50 / 400, 150 / 400, 50 / 400), abs=0.01)


def test_the_ground(client: TestClient, photo: bytes, quick: dict[str, str]) -> None:
    """The photo shows the teapot from above: upright it stands on another side."""
    lowest = {}
    for ground in ("false", "true"):
        content, job = mesh_of(client, {"photo": photo}, quick | {"ground": ground})
        mesh = trimesh.load_scene(io.BytesIO(content), file_type="glb").to_geometry()
        lowest[ground] = mesh.vertices[:, 1].min()
        turned = job["record"]["turned_degrees"]
        assert (2.0 < turned < 40.0) if ground == "true" else turned == 0.0
    assert lowest["true"] == pytest.approx(0.0, abs=1e-5)
    assert lowest["false"] < -0.1


def test_warnings_speak_of_fields(client: TestClient, quick: dict[str, str]) -> None:
    _, job = mesh_of(client, {"photo": disk(center=(200, 200))}, quick | {"fov": "150"})
    assert job["warning"].endswith("nearer than the model knows: 1.6 is assumed (fov)")


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"fov": "200"}, "field of view 200, expected 1 to 150 degrees"),
        ({"elevation": "nan"}, "elevation nan, expected -90 to 90 degrees"),
        ({"distance": "1"}, "distance 1, expected 1.2 to 100 world units"),
        ({"foreground_ratio": "2"}, "foreground ratio 2, expected 0.1 to 1 of the side"),
        ({"fov": "wide"}, "fov"),
        ({"framing": "tight"}, "framing"),
        ({"ground": "perhaps"}, "ground"),
        ({"fov": "40", "distance": "3"}, "leave out distance or fov, or take the photo as it is"),
        ({"framing": "as-is", "foreground_ratio": "0.5"}, "leave out foreground_ratio, or framing"),
    ],
)
def test_what_no_camera_can_be(
    client: TestClient, photo: bytes, fields: dict[str, str], words: str
) -> None:
    for path in (JOBS, RECONSTRUCT):
        answer = client.post(path, files={"photo": photo}, data=fields)
        assert answer.status_code == 422
        error = answer.json()["error"]
        assert words in error["message"] + error["hint"]
        assert "--" not in error["message"] + error["hint"], "a client has no command line"


def test_photos_from_any_direction(client: TestClient, quick: dict[str, str]) -> None:
    """Red in front and above, blue on the right."""
    blue, red = disk("blue"), disk()
    files = [("photo", red), ("view_photo", blue), ("view_photo", red)]
    fields = quick | {"view": ["90,0", "10,60"], "texture": "false"}
    content, job = mesh_of(client, files, fields)
    views = [(v["direction"], v["azimuth"], v["elevation"]) for v in job["record"]["views"]]
    assert views == [("front", 0.0, 0.0), ("90,0", 90.0, 0.0), ("10,60", 10.0, 60.0)]
    (mesh,) = trimesh.load_scene(io.BytesIO(content), file_type="glb").geometry.values()
    r, _, b = mesh.visual.vertex_attributes["color"][:, :3].astype(float).T
    right, _, front = mesh.vertices.T  # glTF: the front looks along +z
    assert (b > r)[right > np.quantile(right, 0.95)].mean() > 0.9
    assert (r > b)[front > np.quantile(front, 0.95)].mean() > 0.9


def test_options_of_the_page_are_fields_of_the_form(client: TestClient) -> None:
    options = client.get("/").text.partition('<details id="options">')[2].partition("</details>")[0]
    named = set(re.findall(r'name="([a-z_]+)"', options))
    assert {"fov", "elevation", "ground", "resolution"} <= named
    described = client.get("/openapi.json").json()
    content = described["paths"]["/api/v1/jobs"]["post"]["requestBody"]["content"]
    schema = content["multipart/form-data"]["schema"]["$ref"].rpartition("/")[2]
    assert named <= set(described["components"]["schemas"][schema]["properties"])


@pytest.mark.parametrize(
    ("directions", "content", "words"),
    [
        (["45,20", "90,0"], None, "view: 2 directions of 1 photos (view_photo)"),
        ([], None, "view: 0 directions of 1 photos (view_photo)"),
        (["sideways"], None, "'sideways' is not a direction, expected AZIMUTH,ELEVATION"),
        (["10,100"], None, "'10,100' is not a direction"),
        (["back"], None, "view: there are two photos from back"),
        (["45,20"] * 17, None, "at most 16"),
        (["45,20"], b"%PDF-1.7", "the photo of the 45,20 is a PDF"),
    ],
)
def test_what_no_further_photos_can_be(
    client: TestClient, photo: bytes, directions: list[str], content: bytes | None, words: str
) -> None:
    files = {"photo": photo, "back": photo, "view_photo": content or photo}
    answer = client.post(JOBS, files=files, data={"view": directions})
    assert answer.status_code == 422
    assert words in answer.json()["error"]["message"]
