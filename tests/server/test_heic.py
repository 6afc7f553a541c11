"""Photos of phones: HEIC, a format that the extra `heic` reads and the error names without it."""

import base64
import io
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from starlette.testclient import TestClient

# 240 x 180, a ball on white and a blue corner at the top left; encoded by libheif
PHONE = Path(__file__).with_name("phone.heic")
BALL = (155, 75, 40)


def test_a_photo_of_a_phone_is_cut_out_in_its_colors(client: TestClient) -> None:
    pytest.importorskip("pi_heif", reason="needs the extra heic (pi-heif)")
    options = {"background_removal": "none"}
    answer = client.post("/api/v1/cutout", files={"photo": PHONE.read_bytes()}, data=options)
    assert answer.status_code == 200
    image = Image.open(io.BytesIO(answer.content))
    assert image.size == (240, 180)
    pixels = np.asarray(image.convert("RGB")).astype(int)
    assert np.abs(pixels[90, 130] - BALL).max() <= 6
    assert np.abs(pixels[3, 3] - (20, 60, 200)).max() <= 40, "the corner, not turned or mirrored"
    assert np.abs(pixels[170, 230] - 255).max() <= 6


def test_a_photo_of_a_phone_becomes_a_mesh(client: TestClient, quick: dict[str, str]) -> None:
    pytest.importorskip("pi_heif", reason="needs the extra heic (pi-heif)")
    answer = client.post("/api/v1/reconstruct", files={"photo": PHONE.read_bytes()}, data=quick)
    assert answer.status_code == 200
    assert answer.content[:4] == b"glTF"


@pytest.mark.parametrize(
    "path", ["/api/v1/jobs", "/api/v1/reconstruct", "/api/v1/cutout", "/generate"]
)
def test_without_its_extra_the_error_says_what_to_do(
    client: TestClient, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    monkeypatch.setitem(sys.modules, "pi_heif", None)
    photo = PHONE.read_bytes()
    if path == "/generate":
        answer = client.post(path, json={"image": base64.b64encode(photo).decode()})
    else:
        answer = client.post(path, files={"photo": photo})
    assert answer.status_code == 501
    error = answer.json()["error"]
    assert error["type"] == "MissingDependencyError"
    assert error["message"] == "the photo is a HEIC image: reading it needs the extra 'heic'"
    assert "JPEG" in error["hint"]
