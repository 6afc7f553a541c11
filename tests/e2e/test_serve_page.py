"""The page of `lrm serve` in a real browser, from the photo to every download."""

import base64
import io
import json
import urllib.request
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import trimesh
from PIL import Image, ImageDraw

pytest.importorskip("fastapi", reason="needs the extra serve (fastapi)")

COLOR = (155, 75, 40)
AUDIT = Path(__file__).parent / "page_audit.js"
DROP = """([name, content]) => {
  const bytes = Uint8Array.from(atob(content), (c) => c.charCodeAt(0));
  const dataTransfer = new DataTransfer();
  dataTransfer.items.add(new File([bytes], name, { type: "image/png" }));
  const drop = document.querySelector("#drop");
  for (const kind of ["dragover", "drop"])
    drop.dispatchEvent(new DragEvent(kind, { dataTransfer, bubbles: true, cancelable: true }));
}"""


def ball_photo(kind: str = "PNG") -> bytes:
    """A ball of one color on white."""
    image = Image.new("RGB", (400, 400), "white")
    ImageDraw.Draw(image).ellipse((80, 80, 320, 320), fill=COLOR)
    target = io.BytesIO()
    image.save(target, kind)
    return target.getvalue()


@pytest.fixture(scope="module")
def server(start_server: Callable[..., Any]) -> Any:
    return start_server()


@pytest.fixture
def open_page(browser: Any, server: Any) -> Iterator[Callable[..., Any]]:
    """Pages of a server; each asks nothing of another machine and writes nothing to the console."""
    contexts, asked, said = [], [], []

    def opened(url: str = server.url, **settings: Any) -> Any:
        contexts.append(browser.new_context(**settings))
        contexts[-1].set_default_timeout(240_000)  # a busy machine
        page = contexts[-1].new_page()
        page.on("request", lambda request: asked.append(request.url))
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.goto(url)
        return page

    yield opened
    for context in contexts:
        context.close()
    strangers = [
        url for url in asked if not url.startswith(("http://127.0.0.1:", "blob:", "data:"))
    ]
    assert strangers == []
    # a refused request is noted by the browser itself
    assert [text for text in said if "Failed to load resource" not in text] == []


def choose(page: Any, content: bytes, name: str = "ball.png") -> None:
    page.locator("#file").set_input_files(
        {"name": name, "mimeType": "image/png", "buffer": content}
    )


def prepare(page: Any, *, detail: str = "128") -> None:
    """Choose a photo and how fine its mesh shall be."""
    choose(page, ball_photo())
    page.wait_for_selector("#make:enabled")
    page.evaluate("document.querySelector('#options').open = true")
    page.select_option("[name=resolution]", detail)


def make(page: Any) -> None:
    """Choose a photo and begin its mesh."""
    prepare(page)
    page.click("#make")


def wait_for_mesh(page: Any) -> None:
    page.wait_for_selector("#downloads:visible")
    page.wait_for_selector("#viewer:visible")


def canvas(page: Any) -> np.ndarray:
    """The viewer as a person sees it, (H, W, 3)."""
    picture = page.locator("#viewer").screenshot()
    return np.array(Image.open(io.BytesIO(picture)).convert("RGB")).astype(int)


def center_color(page: Any) -> np.ndarray:
    """The middle of the viewer, once something is drawn there."""
    for _ in range(100):
        pixels = canvas(page)
        middle = pixels[pixels.shape[0] // 2, pixels.shape[1] // 2]
        if abs(middle - pixels[4, 4]).max() > 20:
            return middle
        page.wait_for_timeout(100)
    raise AssertionError("the viewer stays empty")


def job_of(page: Any) -> dict[str, Any]:
    """The job that the page shows, as the API tells it."""
    base, _, job_id = page.url.partition("#job=")
    with urllib.request.urlopen(f"{base}api/v1/jobs/{job_id}") as answer:
        job: dict[str, Any] = json.load(answer)
    return job


def test_drop_look_turn_and_download(open_page: Callable[..., Any]) -> None:
    page = open_page()
    page.evaluate(DROP, ["my ball.png", base64.b64encode(ball_photo()).decode()])
    page.wait_for_selector("#make:enabled")
    assert "neural network" in page.inner_text("#found")
    page.click("#make")
    wait_for_mesh(page)
    assert np.abs(center_color(page) - COLOR).max() <= 12
    box = page.locator("#viewer").bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + 100, y, steps=4)
    page.mouse.up()
    turned = page.evaluate("document.querySelector('#viewer').orbit.azimuth")
    assert turned < -10
    page.get_by_role("button", name="Reset view").click()
    assert page.evaluate("document.querySelector('#viewer').orbit.azimuth") == 0
    page.locator("#tools").get_by_text("Normals").click()
    assert page.get_attribute("#viewer", "mode") == "normals"
    page.fill("#size", "42")
    sizes = {}
    for name in ("glb", "zip", "ply", "3mf", "stl", "usdz"):
        with page.expect_download() as started:
            page.locator(f"[data-file='mesh.{name}']").click()
        assert started.value.suggested_filename == f"my ball.{name}"
        content = Path(started.value.path()).read_bytes()
        if name in ("zip", "3mf", "usdz"):
            assert zipfile.ZipFile(io.BytesIO(content)).testzip() is None
        else:
            mesh = trimesh.load_scene(io.BytesIO(content), file_type=name).to_geometry()
            sizes[name] = np.ptp(mesh.vertices, axis=0).max()
            assert len(mesh.faces) > 1000
    assert sizes["stl"] == pytest.approx(42.0, rel=1e-4)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "empty"),
        (b"this is not a photo", "not an image"),
        (ball_photo()[:300], "damaged"),
    ],
    ids=["empty", "text", "cut off"],
)
def test_photos_that_cannot_be_used_are_said_in_words(
    open_page: Callable[..., Any], content: bytes, words: str
) -> None:
    page = open_page()
    page.wait_for_selector("#version:not(:empty)")
    choose(page, content)
    page.wait_for_selector("#problem:visible")
    assert words in page.inner_text("#problem")
    assert page.locator("#make").is_disabled()
    assert page.is_visible("#drop"), "another photo can be chosen at once"
    choose(page, ball_photo())
    page.wait_for_selector("#make:enabled")
    assert not page.is_visible("#problem")


def test_a_huge_photo_is_not_even_sent(open_page: Callable[..., Any], tmp_path: Path) -> None:
    page = open_page()
    page.wait_for_selector("#version:not(:empty)")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    with (tmp_path / "huge.png").open("wb") as file:
        file.truncate(21_000_000)
    page.locator("#file").set_input_files(tmp_path / "huge.png")
    page.wait_for_selector("#problem:visible")
    assert "at most 20" in page.inner_text("#problem")
    assert page.locator("#make").is_disabled()
    assert not any("cutout" in url for url in asked)


def test_photos_that_the_browser_cannot_show_are_shown_by_the_server(
    open_page: Callable[..., Any],
) -> None:
    """TIFF here, HEIC of phones elsewhere; also where no object is found in them."""
    page = open_page()
    choose(page, ball_photo("TIFF"), "ball.tif")
    page.wait_for_selector("#make:enabled")
    page.locator("#cutout").get_by_text("Add", exact=True).click()
    page.click("#board", position={"x": 8, "y": 8})
    read = """(board) => {
      const { data } = board.getContext("2d").getImageData(0, 0, 400, 400);
      return [200, 4].map((at) => [...data.slice(4 * 401 * at, 4 * 401 * at + 4)]);
    }"""
    middle, corner = page.eval_on_selector("#board", read)
    assert middle == [*COLOR, 255]
    assert corner == [255, 255, 255, 255], "the photo's own white, not nothing"
    page.click("#another")
    target = io.BytesIO()
    Image.new("RGB", (200, 200), "white").save(target, "TIFF")
    choose(page, target.getvalue(), "white.tif")
    page.wait_for_selector("#problem:visible")
    assert page.is_visible("#board"), "another method or the brush may find it"


def test_two_tabs_a_full_queue_and_a_stop(
    open_page: Callable[..., Any], start_server: Callable[..., Any]
) -> None:
    small = start_server("--max-waiting", "1")
    first, second, third = (open_page(small.url) for _ in range(3))
    for page, detail in ((first, "512"), (second, "128"), (third, "128")):
        prepare(page, detail=detail)
    first.click("#make")
    first.wait_for_selector("#bar[value]:not([value='0'])")
    second.click("#make")
    second.wait_for_selector("#stage:has-text('queue')")
    third.click("#make")
    third.wait_for_selector("#problem:visible")
    assert "too many are waiting" in third.inner_text("#problem")
    first.click("#stop")
    first.wait_for_selector("#make:enabled")
    assert not first.is_visible("#progress")
    assert not first.is_visible("#problem")
    wait_for_mesh(second)


def test_a_reload_in_the_middle_loses_nothing(open_page: Callable[..., Any]) -> None:
    page = open_page()
    make(page)
    page.wait_for_selector("#bar[value]:not([value='0'])")
    page.reload()
    wait_for_mesh(page)
    assert np.abs(center_color(page) - COLOR).max() <= 12
    page.reload()  # and when it is done
    wait_for_mesh(page)


def test_the_brush_decides_what_the_object_is(open_page: Callable[..., Any]) -> None:
    page = open_page()
    choose(page, ball_photo())
    page.wait_for_selector("#make:enabled")
    page.locator("#cutout").get_by_text("Remove").click()
    page.fill("#brush", "120")
    box = page.locator("#board").bounding_box()
    at = [(box["x"] + share * box["width"], box["y"] + 0.3 * box["height"]) for share in (0.2, 0.8)]
    page.mouse.move(*at[0])
    page.mouse.down()
    page.mouse.move(*at[1], steps=3)
    page.mouse.up()
    page.locator("#undo").click()
    assert page.locator("#undo").is_disabled()
    page.locator("#board").focus()
    for key in ["ArrowUp"] * 5 + ["Space"]:  # the same by keyboard
        page.keyboard.press(key)
    assert page.locator("#undo").is_enabled()
    page.click("#make")
    wait_for_mesh(page)
    seen = page.locator("#seen img").get_attribute("src")
    with urllib.request.urlopen(page.url.partition("#")[0] + seen) as answer:
        alpha = np.array(Image.open(io.BytesIO(answer.read())))[..., 3] > 127
    rows, columns = (np.flatnonzero(alpha.any(axis=axis)) for axis in (1, 0))
    # the ball, whose middle is its highest place, has lost a bite there
    middle, quarter = (int(columns[0] + share * np.ptp(columns)) for share in (0.5, 0.25))
    assert alpha[:, middle].argmax() > alpha[:, quarter].argmax() + 0.1 * np.ptp(rows)
    record = page.url.partition("#")[0] + seen.replace("input.png", "json")
    with urllib.request.urlopen(record) as answer:
        assert json.load(answer)["background_removal"] == "mask"


def test_a_photo_of_the_back(open_page: Callable[..., Any]) -> None:
    page = open_page()
    choose(page, ball_photo())
    blue = io.BytesIO()
    picture = Image.new("RGB", (400, 400), "white")
    ImageDraw.Draw(picture).ellipse((80, 80, 320, 320), fill=(40, 60, 160))
    picture.save(blue, "PNG")
    page.get_by_text("Add a photo of another side").click()
    side = page.locator("[data-side=back] input")
    side.set_input_files({"name": "b.png", "mimeType": "image/png", "buffer": b"no photo"})
    page.wait_for_selector("#problem:visible")
    assert page.locator("[data-side=back] img").count() == 0
    side.set_input_files({"name": "b.png", "mimeType": "image/png", "buffer": blue.getvalue()})
    page.wait_for_selector("[data-side=back] img")
    assert not page.is_visible("#problem")
    top = page.locator("[data-side=top] input")
    top.set_input_files({"name": "t.png", "mimeType": "image/png", "buffer": blue.getvalue()})
    page.get_by_role("button", name="Remove the photo: top").click()
    assert page.locator("[data-side=top] img").count() == 0
    page.evaluate("document.querySelector('#options').open = true")
    page.select_option("[name=resolution]", "128")
    page.select_option("[name=keep_minutes]", "480")
    page.wait_for_selector("#make:enabled")
    page.click("#make")
    wait_for_mesh(page)
    assert np.abs(center_color(page) - COLOR).max() <= 12
    page.locator("#viewer").focus()
    for _ in range(18):  # half a turn
        page.keyboard.press("ArrowRight")
    red, _, blue_there = center_color(page)
    assert blue_there > red + 50, "the color that the photo of the back has"
    job = job_of(page)
    assert [view["direction"] for view in job["record"]["views"]] == ["front", "back"]
    assert job["expires"] - job["started"] - job["seconds"] == pytest.approx(8 * 3600, abs=60)
    until = page.evaluate("s => new Date(s * 1000).toTimeString().slice(0, 5)", job["expires"])
    assert until.lstrip("0") in page.inner_text("#until") or "M" in page.inner_text("#until")
    page.click("#another")
    choose(page, ball_photo())
    page.wait_for_selector("#make:enabled")
    assert page.locator("#sides img").count() == 0, "it was of the other object"


def test_what_is_said_of_the_camera_reaches_the_mesh(open_page: Callable[..., Any]) -> None:
    page = open_page()
    prepare(page)
    page.get_by_label("Field of view").fill("200")
    page.get_by_label("Camera raised").fill("25")
    page.get_by_label("Stand on the ground").check()
    page.click("#make")
    page.wait_for_selector("#problem:visible")
    assert "expected 1 to 150 degrees" in page.inner_text("#problem")
    page.get_by_label("Field of view").fill("33.5")
    page.click("#make")
    wait_for_mesh(page)
    job = job_of(page)
    record, base = job["record"], page.url.partition("#")[0]
    assert record["camera"]["field_of_view"] == {"value": 33.5, "from": "option"}
    assert record["camera"]["elevation"] == {"value": 25.0, "from": "option"}
    with urllib.request.urlopen(f"{base}api/v1/jobs/{job['id']}/files/mesh.glb") as answer:
        mesh = trimesh.load_scene(io.BytesIO(answer.read()), file_type="glb").to_geometry()
    assert mesh.vertices[:, 1].min() == pytest.approx(0.0, abs=1e-5)
    assert np.abs(center_color(page) - COLOR).max() <= 12
    pixels = canvas(page)
    column = pixels[:, pixels.shape[1] // 2]
    rows = np.flatnonzero(np.abs(column - COLOR).max(axis=1) <= 40)
    middle = (rows[0] + rows[-1]) / 2 / len(column)
    assert middle == pytest.approx(0.5, abs=0.05), "the ball is looked at, not the floor"


def test_the_keyboard_alone(open_page: Callable[..., Any]) -> None:
    page = open_page()

    def press_until(selector: str, key: str = "Tab") -> None:
        for _ in range(40):
            if page.evaluate("(s) => document.activeElement?.matches(s)", selector):
                return
            page.keyboard.press(key)
        raise AssertionError(f"{selector} cannot be reached")

    press_until("[data-example='robot.webp']")
    page.keyboard.press("Enter")
    page.wait_for_selector("#make:enabled")
    press_until("#options summary")
    page.keyboard.press("Enter")
    press_until("[name=resolution]")
    page.keyboard.press("ArrowUp")
    assert page.input_value("[name=resolution]") == "128"
    page.locator("h1").click()
    press_until("#make")
    page.keyboard.press("Enter")
    wait_for_mesh(page)
    press_until("#viewer")
    before = page.evaluate("document.querySelector('#viewer').orbit.azimuth")
    page.keyboard.press("ArrowRight")
    assert page.evaluate("document.querySelector('#viewer').orbit.azimuth") == before + 10
    press_until("[data-file='mesh.glb']")


def test_a_page_of_someone_else_reaches_nothing(
    browser: Any, chromium: str, server: Any, open_page: Callable[..., Any]
) -> None:
    context = browser.new_context()
    page = context.new_page()
    page.route(
        "http://evil.test/", lambda route: route.fulfill(body="<form>", content_type="text/html")
    )
    page.goto("http://evil.test/")
    attack = """async (url) => {
      const body = new FormData();
      body.append("photo", new Blob(["x"]), "x.png");
      const settings = [{ method: "POST", body, mode: "no-cors" }, { mode: "no-cors" }, {}];
      const tries = settings.map((s) => fetch(url + "api/v1/jobs", s));
      return (await Promise.allSettled(tries)).length;
    }"""
    statuses: list[int] = []
    page.on("response", lambda response: statuses.append(response.status))
    page.evaluate(attack, server.url)
    assert set(statuses) <= {403}
    context.close()
    # a name that resolves to this machine is not enough
    arguments = ["--no-sandbox", "--host-resolver-rules=MAP rebound.test 127.0.0.1"]
    other = browser.browser_type.launch(executable_path=chromium, args=arguments)
    rebound = other.new_page()
    port = server.url.rstrip("/").rpartition(":")[2]
    assert rebound.goto(f"http://rebound.test:{port}/").status == 421
    other.close()


def test_a_phone_has_everything_in_its_width(open_page: Callable[..., Any]) -> None:
    page = open_page(viewport={"width": 360, "height": 740}, has_touch=True, is_mobile=True)
    make(page)
    wait_for_mesh(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    assert page.get_attribute("#shot", "capture") == "environment"
    assert page.is_visible("#drop") is False
    small = page.evaluate(
        """() => [...document.querySelectorAll("button, .button, select, summary")]
          .filter((element) => element.offsetParent && element.offsetHeight < 28)
          .map((element) => element.outerHTML)"""
    )
    assert small == [], "fingers need room"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_everything_can_be_read_and_has_a_name(open_page: Callable[..., Any], scheme: str) -> None:
    """Contrast of WCAG 2.2 AA: 4.5 to 1 for text, by its formula; names for screen readers."""
    page = open_page(color_scheme=scheme, reduced_motion="reduce")

    page.add_init_script(path=AUDIT)
    page.reload()

    def look() -> None:
        contrasts = page.evaluate("audit.contrasts()")
        assert len(contrasts) > 10
        assert [(text, ratio) for text, ratio in contrasts if ratio < 4.5] == []
        assert page.evaluate("audit.nameless()") == []

    page.wait_for_selector("#version:not(:empty)")
    moving = "getComputedStyle(document.querySelector('#drop')).transitionDuration"
    assert page.evaluate(moving) == "0s"
    assert (page.evaluate("audit.darkness()") > 0.8) == (scheme == "dark")
    look()
    choose(page, b"no photo")
    page.wait_for_selector("#problem:visible")
    look()
    page.evaluate("for (const part of document.querySelectorAll('details')) part.open = true")
    make(page)
    wait_for_mesh(page)
    look()
