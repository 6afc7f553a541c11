"""The 3D viewer of our pages in a real browser: what it draws, and what it does when it is used."""

import base64
import io
import json
import struct
from collections.abc import Callable, Iterator
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import trimesh
from PIL import Image

from lrm_core.meshes.mesh_writing import write_mesh
from lrm_core.reporting.examples import ChosenObject, Example, ObjectPictures
from lrm_core.reporting.html_report import write_page
from lrm_core.reporting.metric_report import MetricReport
from lrm_core.structures.mesh import Mesh, Texture

SITE = "http://mesh-view.test/"
POLICY = (
    "default-src 'none'; script-src 'self' 'unsafe-inline'; img-src data: blob:; "
    "connect-src data: blob: 'self'"
)
SCRIPT = (resources.files("lrm_core.reporting") / "html" / "mesh-view.js").read_text("utf-8")
# where a camera sees one side only (azimuth, elevation) -> outward direction in the world frame
SIDES = {
    (0, 0): (0, -1, 0),
    (90, 0): (1, 0, 0),
    (180, 0): (0, 1, 0),
    (-90, 0): (-1, 0, 0),
    (0, 90): (0, 0, 1),
    (0, -90): (0, 0, -1),
}
COLORS = [(200, 30, 60), (10, 3, 120), (255, 255, 0), (1, 128, 254), (77, 77, 77), (0, 180, 90)]
# counts of what a page asks of WebGL, and the context itself
SPY = """
  window.spied = { contexts: [], draws: 0, buffers: 0 };
  const ask = HTMLCanvasElement.prototype.getContext;
  HTMLCanvasElement.prototype.getContext = function (kind, ...more) {
    const found = ask.call(this, kind, ...more);
    if (kind !== "2d" && !spied.contexts.includes(found)) spied.contexts.push(found);
    return found;
  };
  const count = (name, what, by) => {
    const before = WebGL2RenderingContext.prototype[name];
    WebGL2RenderingContext.prototype[name] = function (...given) {
      spied[what] += by;
      return before.apply(this, given);
    };
  };
  count("drawElements", "draws", 1);
  count("createBuffer", "buffers", 1);
  count("deleteBuffer", "buffers", -1);
"""
ADD = """([source, attributes, size]) => new Promise((done) => {
  const viewer = document.createElement("mesh-view");
  for (const [name, value] of Object.entries(attributes)) viewer.setAttribute(name, value);
  viewer.style.width = viewer.style.height = size + "px";
  viewer.moves = 0;
  viewer.addEventListener("camera-change", () => { viewer.moves += 1; });
  for (const end of ["load", "error"])
    viewer.addEventListener(end, () => requestAnimationFrame(() => done(end)), { once: true });
  if (source.startsWith("base64:"))
    viewer.load(Uint8Array.from(atob(source.slice(7)), (c) => c.charCodeAt(0)).buffer);
  else viewer.setAttribute("src", source);
  document.body.append(viewer);
})"""
NEXT_FRAME = "() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"


class Visit:
    """A page of the viewer, what it says to the console and asks of the network."""

    def __init__(self, context: Any) -> None:
        self.files: dict[str, bytes] = {"mesh-view.js": SCRIPT.encode()}
        self.asked: list[str] = []
        self.said: list[str] = []
        self.page = context.new_page()
        self.page.add_init_script(SPY)
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.on("console", lambda message: self.said.append(message.text))
        self.page.on("pageerror", lambda error: self.said.append(str(error)))
        self.page.route(f"{SITE}**", self._serve)

    def _serve(self, route: Any) -> None:
        name = route.request.url.removeprefix(SITE)
        body = self.files.get(name, b'<!DOCTYPE html><script src="mesh-view.js"></script>')
        kinds = {"": "text/html", "js": "text/javascript"}
        kind = kinds.get(name.partition(".")[2], "model/gltf-binary")
        headers = {"Content-Security-Policy": POLICY, "Content-Type": kind}
        route.fulfill(body=body, headers=headers)

    def add(self, source: bytes | str, *, size: int = 120, **attributes: str) -> Any:
        """A viewer of a file, when it is drawn; bytes are given to it as they are."""
        if isinstance(source, bytes):
            source = "base64:" + base64.b64encode(source).decode()
        if not self.page.url.startswith(SITE):
            self.page.goto(SITE)
        self.ended = self.page.evaluate(ADD, [source, {"alt": "a cube", **attributes}, size])
        return self.page.locator("mesh-view").last

    def draw(self) -> None:
        self.page.evaluate(NEXT_FRAME)


@pytest.fixture
def open_visit(browser: Any) -> Iterator[Callable[..., Visit]]:
    contexts, visits = [], []

    def opened(**settings: Any) -> Visit:
        contexts.append(browser.new_context(**settings))
        contexts[-1].set_default_timeout(120_000)  # a busy machine draws slowly without a GPU
        visits.append(Visit(contexts[-1]))
        return visits[-1]

    yield opened
    for context in contexts:
        context.close()
    for one in visits:
        assert one.said == []
        strangers = [url for url in one.asked if not url.startswith((SITE, "file:", "data:"))]
        assert strangers == []


@pytest.fixture
def visit(open_visit: Callable[..., Visit]) -> Visit:
    return open_visit()


def cube(tmp_path: Path, *, painted: bool = True, half: float = 0.8) -> bytes:
    """A cube as the project writes it: a texture with a color for every side, or vertex colors."""
    vertices, uv, texels = [], [], np.zeros((8, 48, 4), dtype=np.uint8)
    for at, outward in enumerate(SIDES.values()):
        axis = int(np.flatnonzero(outward)[0])
        across, up = ((axis + 1) % 3, (axis + 2) % 3)[:: sum(outward)]
        for right, above in ((-1, -1), (1, -1), (1, 1), (-1, 1)):
            corner = np.array(outward, dtype=np.float32)
            corner[[across, up]] = right, above
            vertices.append(half * corner)
            uv.append(((at + 0.5 + 0.2 * right) / 6, 0.5 + 0.2 * above))
        # transparent texels have their color too, and glTF shows it where it says OPAQUE
        texels[:, 8 * at : 8 * at + 8] = (*COLORS[at], 0 if at == 1 else 255)
    faces = (4 * np.arange(6)[:, None, None] + [[0, 1, 2], [0, 2, 3]]).reshape(-1, 3)
    corners = np.array(vertices, dtype=np.float32)
    if painted:
        mesh = Mesh(
            corners, faces.astype(np.int32), texture=Texture(texels, np.array(uv, dtype=np.float32))
        )
    else:
        colors = np.repeat(np.array(COLORS, dtype=np.float32) / 255, 4, axis=0)
        mesh = Mesh(corners, faces.astype(np.int32), vertex_colors=colors)
    path = tmp_path / "cube.glb"
    write_mesh(path, mesh, overwrite=True)
    return path.read_bytes()


def changed(glb: bytes, change: Callable[[dict[str, Any]], None]) -> bytes:
    """The same file with another description."""
    (length,) = struct.unpack_from("<I", glb, 12)
    content = json.loads(glb[20 : 20 + length])
    change(content)
    text = json.dumps(content).encode()
    text += b" " * (-len(text) % 4)
    rest = glb[20 + length :]
    head = struct.pack("<4sIII4s", b"glTF", 2, 20 + len(text) + len(rest), len(text), b"JSON")
    return head + text + rest


def picture(viewer: Any) -> np.ndarray:
    """What a person sees of it, (H, W, 3)."""
    return np.array(Image.open(io.BytesIO(viewer.screenshot())).convert("RGB")).astype(int)


def center(viewer: Any) -> np.ndarray:
    shown = picture(viewer)
    return shown[shown.shape[0] // 2, shown.shape[1] // 2]


def look_from(viewer: Any, azimuth: float, elevation: float) -> None:
    viewer.evaluate(
        "(viewer, [azimuth, elevation]) => { viewer.orbit = { azimuth, elevation }; }",
        [azimuth, elevation],
    )


def orbit_of(viewer: Any) -> dict[str, float]:
    orbit: dict[str, float] = viewer.evaluate("(viewer) => viewer.orbit")
    return orbit


def assert_shows_its_colors(visit: Visit, viewer: Any) -> None:
    for (azimuth, elevation), color in zip(SIDES, COLORS, strict=True):
        look_from(viewer, azimuth, elevation)
        visit.draw()
        assert np.abs(center(viewer) - color).max() <= 2, (azimuth, elevation)


@pytest.mark.parametrize("painted", [True, False], ids=["texture", "vertex colors"])
@pytest.mark.parametrize("way", ["URL", "data URI", "bytes"])
def test_every_side_has_the_color_of_the_file(
    tmp_path: Path, visit: Visit, painted: bool, way: str
) -> None:
    glb = cube(tmp_path, painted=painted)
    visit.files["cube.glb"] = glb
    data_uri = "data:model/gltf-binary;base64," + base64.b64encode(glb).decode()
    viewer = visit.add({"URL": "cube.glb", "data URI": data_uri, "bytes": glb}[way])
    assert visit.ended == "load"
    assert_shows_its_colors(visit, viewer)


def test_factors_and_vertex_colors_are_linear(tmp_path: Path, visit: Visit) -> None:
    def halved(content: dict[str, Any]) -> None:
        material = content["materials"][0]["pbrMetallicRoughness"]
        material["baseColorFactor"] = [0.5, 0.25, 1.0, 1.0]

    def plain(content: dict[str, Any]) -> None:
        halved(content)
        del content["materials"][0]["pbrMetallicRoughness"]["baseColorTexture"]

    look = (180, 0)  # (255, 255, 0); half of its light is 188, a quarter 137
    for glb, expected in [
        (changed(cube(tmp_path), halved), (188, 137, 0)),
        (changed(cube(tmp_path, painted=False), halved), (188, 137, 0)),
        (changed(cube(tmp_path), plain), (188, 137, 255)),
    ]:
        viewer = visit.add(glb)
        look_from(viewer, *look)
        visit.draw()
        assert np.abs(center(viewer) - expected).max() <= 2
    # half of the light between two vertices, not half of the code
    ends = np.array([[0.0] * 3, [0.0] * 3, [1.0] * 3, [1.0] * 3], dtype=np.float32)
    corners = np.array([[-1, 0, -1], [-1, 0, 1], [1, 0, 1], [1, 0, -1]], dtype=np.float32)
    faces = np.array([[0, 1, 2], [0, 2, 3]], dtype=np.int32)
    write_mesh(tmp_path / "ramp.glb", Mesh(corners, faces, vertex_colors=ends))
    viewer = visit.add((tmp_path / "ramp.glb").read_bytes(), size=201)
    look_from(viewer, 0, 0)
    visit.draw()
    assert np.abs(center(viewer) - 188).max() <= 2


def test_files_of_several_parts_and_without_normals(visit: Visit) -> None:
    scene = trimesh.Scene()
    for at, (shift, color) in enumerate([(-0.7, [255, 0, 0, 255]), (0.7, [0, 0, 255, 255])]):
        box = trimesh.creation.box((0.8, 0.8, 0.8))
        box.apply_translation([shift, 0, 0])
        paint = trimesh.visual.material.PBRMaterial(baseColorFactor=color)
        box.visual = trimesh.visual.TextureVisuals(material=paint)
        scene.add_geometry(box, geom_name=f"box-{at}")
    viewer = visit.add(scene.export(file_type="glb"))
    shown = picture(viewer)
    left, right = shown[60, 60 - 32], shown[60, 60 + 32]
    assert np.abs(left - (255, 0, 0)).max() <= 2
    assert np.abs(right - (0, 0, 255)).max() <= 2
    viewer.evaluate("(viewer) => viewer.setAttribute('mode', 'normals')")
    look_from(viewer, 90, 0)
    visit.draw()
    assert np.abs(center(viewer) - (255, 128, 128)).max() <= 2


def test_a_mesh_far_from_the_origin_can_be_centered(visit: Visit) -> None:
    """As one that stands on the floor: without the attribute the camera looks at the origin."""
    scene = trimesh.Scene()
    for name, x, color in [("left", 1.0, (255, 0, 0, 255)), ("right", 3.0, (0, 0, 255, 255))]:
        box = trimesh.creation.box((1, 2, 1), trimesh.transformations.translation_matrix([x, 2, 1]))
        paint = trimesh.visual.material.PBRMaterial(baseColorFactor=color)
        box.visual = trimesh.visual.TextureVisuals(material=paint)
        scene.add_geometry(box, geom_name=name)
    glb = scene.export(file_type="glb")
    for centered in (True, False):
        viewer = visit.add(glb, size=200, **({"centered": ""} if centered else {}))
        for azimuth in (0, 180):
            look_from(viewer, azimuth, 0)
            visit.draw()
            shown = picture(viewer)
            red, blue = ((shown[..., at] > 250) & (shown[..., 1] < 5) for at in (0, 2))
            mirrored = (red == blue[:, ::-1]).mean() > 0.99 and (red == red[::-1]).mean() > 0.99
            assert (mirrored and red.mean() > 0.03) == centered


def test_modes(tmp_path: Path, visit: Visit) -> None:
    ball = trimesh.creation.icosphere(subdivisions=3)
    write_mesh(tmp_path / "ball.glb", Mesh(ball.vertices.astype(np.float32), ball.faces))
    viewer = visit.add((tmp_path / "ball.glb").read_bytes(), mode="normals", size=121)
    # world (x, y, z) is (x, z, -y) in the file
    for side, (x, y, z) in SIDES.items():
        look_from(viewer, *side)
        visit.draw()
        assert np.abs(center(viewer) - (127.5 + 127.5 * np.array([x, z, -y]))).max() <= 2
    viewer.evaluate("(viewer) => viewer.setAttribute('mode', 'clay')")
    look_from(viewer, 45, 0)
    visit.draw()
    shown = picture(viewer)
    assert np.ptp(shown, axis=2).max() == 0  # gray
    left, right, top, bottom = (shown[at][0] for at in ((60, 30), (60, 90), (30, 60), (90, 60)))
    assert 100 < right < left - 20 < 230  # lit from the upper left
    assert 100 < bottom < top - 20 < 230
    viewer.evaluate("(viewer) => viewer.removeAttribute('mode')")
    visit.draw()
    assert (center(viewer) == 255).all()  # no color in the file: glTF's white


def test_it_is_a_picture_with_a_name_that_keys_reach(tmp_path: Path, visit: Visit) -> None:
    viewer = visit.add(cube(tmp_path))
    assert viewer.get_attribute("role") == "img"
    assert viewer.get_attribute("aria-label") == "a cube"
    visit.page.keyboard.press("Tab")
    assert visit.page.evaluate("document.activeElement.tagName") == "MESH-VIEW"
    start = orbit_of(viewer)
    assert start == {"azimuth": 0, "elevation": 10, "distance": 4}
    for key, changes in [
        ("ArrowRight", {"azimuth": 10}),
        ("ArrowLeft", {"azimuth": 0}),
        ("ArrowUp", {"elevation": 20}),
        ("ArrowDown", {"elevation": 10}),
        ("+", {"distance": 4 / 1.15}),
        ("-", {"distance": 4}),
        ("ArrowLeft", {"azimuth": -10}),
        ("0", start),
        ("-", {"distance": 4 * 1.15}),
        ("Home", start),
    ]:
        visit.page.keyboard.press(key)
        now = orbit_of(viewer)
        assert {name: now[name] for name in changes} == pytest.approx(changes), key
    assert viewer.evaluate("(viewer) => viewer.moves") == 10
    visit.page.keyboard.press("ArrowRight")
    viewer.evaluate("(viewer) => viewer.reset()")
    assert orbit_of(viewer) == start
    # what a script sets is no move of a person
    moves = viewer.evaluate("(viewer) => viewer.moves")
    look_from(viewer, 725, 100)
    assert orbit_of(viewer) == {"azimuth": 5, "elevation": 90, "distance": 4}
    assert viewer.evaluate("(viewer) => viewer.moves") == moves


def test_mouse_and_wheel(tmp_path: Path, visit: Visit) -> None:
    viewer = visit.add(cube(tmp_path), size=180)
    before, box, mouse = picture(viewer), viewer.bounding_box(), visit.page.mouse
    x, y = box["x"] + 90, box["y"] + 90
    mouse.move(x, y)
    mouse.move(x + 10, y)  # nobody holds it
    assert orbit_of(viewer)["azimuth"] == 0
    mouse.down()
    mouse.move(x + 40, y + 20)
    mouse.move(x + 400, y + 20)  # also outside of the viewer
    mouse.up()
    mouse.move(x, y)
    # a drag over the height is half a turn, and the front goes to the right with the hand
    orbit = orbit_of(viewer)
    assert orbit == pytest.approx({"azimuth": -30, "elevation": 30, "distance": 4}, abs=361)
    assert (orbit["azimuth"] + 390) % 360 == pytest.approx(0)
    assert orbit["elevation"] == pytest.approx(30)
    visit.draw()
    assert (picture(viewer) != before).any(axis=2).mean() > 0.2
    mouse.wheel(0, -200)
    visit.page.wait_for_function(
        "() => document.querySelector('mesh-view').orbit.distance < 4 * 0.9"
    )
    for _ in range(20):
        mouse.wheel(0, -1000)
    visit.page.wait_for_function("() => document.querySelector('mesh-view').orbit.distance === 0.5")


def test_fingers(tmp_path: Path, open_visit: Callable[..., Visit]) -> None:
    visit = open_visit(has_touch=True)
    viewer = visit.add(cube(tmp_path), size=180)
    touch = visit.page.context.new_cdp_session(visit.page)
    box = viewer.bounding_box()

    def fingers(kind: str, *places: tuple[int, int]) -> None:
        points = [
            {"x": box["x"] + x, "y": box["y"] + y, "id": at} for at, (x, y) in enumerate(places)
        ]
        touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    fingers("touchStart", (90, 90))
    fingers("touchMove", (60, 90))
    fingers("touchMove", (45, 75))
    fingers("touchEnd")
    expected = {"azimuth": 45, "elevation": -5, "distance": 4}
    assert orbit_of(viewer) == pytest.approx(expected, abs=1e-6)
    fingers("touchStart", (70, 90), (110, 90))
    fingers("touchMove", (50, 90), (130, 90))
    fingers("touchEnd")
    assert orbit_of(viewer) == pytest.approx({**expected, "distance": 2}, abs=1e-6)


def test_it_draws_on_change_only(tmp_path: Path, visit: Visit) -> None:
    viewer = visit.add(cube(tmp_path))
    visit.page.wait_for_timeout(100)
    draws = visit.page.evaluate("spied.draws")
    visit.page.wait_for_timeout(400)
    assert visit.page.evaluate("spied.draws") == draws
    viewer.evaluate("(viewer) => { for (let i = 0; i < 9; i += 1) viewer.orbit = { azimuth: i }; }")
    visit.draw()
    assert visit.page.evaluate("spied.draws") == draws + 1


@pytest.mark.parametrize("scale", [1, 2, 1.5])
def test_size_and_pixel_ratio(
    tmp_path: Path, open_visit: Callable[..., Visit], scale: float
) -> None:
    visit = open_visit(device_scale_factor=scale)
    viewer = visit.add(cube(tmp_path), size=100)
    for width, height in [(100, 100), (240, 120), (60, 180)]:
        viewer.evaluate(
            "({ style }, [w, h]) => { style.width = w + 'px'; style.height = h + 'px'; }",
            [width, height],
        )
        look_from(viewer, 0, 0)
        visit.draw()
        size = viewer.evaluate("({ shadowRoot }) => shadowRoot.querySelector('canvas').width")
        assert size == round(width * scale)
        shown = picture(viewer)
        assert shown.shape == (round(height * scale), round(width * scale), 3)
        inside = (np.abs(shown - COLORS[0]) <= 2).all(axis=2)
        # the front face: half a side of 0.8 at 3.2 from the camera, 35 degrees on the shorter side
        side = min(width, height) * scale * (0.8 / 3.2) / np.tan(np.radians(17.5))
        assert inside.any(axis=0).sum() == pytest.approx(side, abs=3)
        assert inside.any(axis=1).sum() == pytest.approx(side, abs=3)


def test_a_lost_context_comes_back(tmp_path: Path, visit: Visit) -> None:
    viewer = visit.add(cube(tmp_path))
    visit.page.evaluate("spied.off = spied.contexts[0].getExtension('WEBGL_lose_context')")
    visit.page.evaluate("spied.off.loseContext()")
    visit.draw()
    look_from(viewer, 90, 0)
    visit.draw()
    assert np.abs(center(viewer) - COLORS[0]).max() <= 2  # still the last picture
    draws = visit.page.evaluate("spied.draws")
    visit.page.evaluate("spied.off.restoreContext()")
    visit.page.wait_for_function("(draws) => spied.draws > draws", arg=draws)
    assert_shows_its_colors(visit, viewer)


def test_more_viewers_than_contexts(tmp_path: Path, visit: Visit) -> None:
    glb = cube(tmp_path)
    viewers = [visit.add(glb, size=40 + at).element_handle() for at in range(20)]
    for viewer in viewers:
        viewer.evaluate("(viewer) => { viewer.orbit = { azimuth: -90, elevation: 0 }; }")
    visit.draw()
    for viewer in viewers:
        assert np.abs(center(viewer) - COLORS[3]).max() <= 2
    assert visit.page.evaluate("spied.contexts.length") == 1
    visit.page.evaluate("document.body.replaceChildren()")
    assert visit.page.evaluate("spied.buffers") == 0


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("nothing", "it is not a GLB file"),
        ("text", "it is not a GLB file"),
        ("cut", "the file is broken"),
        ("no json", "the file is broken"),
        ("short arrays", "its arrays are not whole"),
        ("no picture", "the file is broken"),
        ("draco", "it needs KHR_draco_mesh_compression"),
        ("moved", "its parts are placed by transforms"),
        ("lines", "it holds more than triangles"),
    ],
)
def test_a_broken_file_says_so(tmp_path: Path, visit: Visit, name: str, reason: str) -> None:
    glb = cube(tmp_path)
    changes: dict[str, Callable[[dict[str, Any]], None]] = {
        "short arrays": lambda content: content["accessors"][0].update(count=10_000_000),
        "no picture": lambda content: content["images"][0].update(bufferView=0),
        "draco": lambda content: content.update(extensionsRequired=["KHR_draco_mesh_compression"]),
        "moved": lambda content: content["nodes"][0].update(translation=[1, 0, 0]),
        "lines": lambda content: content["meshes"][0]["primitives"][0].update(mode=1),
    }
    given = {
        "nothing": b"",
        "text": b"a text that is long enough for a header",
        "cut": glb[: len(glb) // 2],
        "no json": glb[:20] + b"!" + glb[21:],
    }
    viewer = visit.add(given[name] if name in given else changed(glb, changes[name]))
    assert visit.ended == "error"
    message = viewer.locator("p")
    assert message.is_visible()
    assert message.inner_text() == f"This mesh cannot be shown: {reason}."
    assert viewer.get_attribute("aria-label") == f"a cube. This mesh cannot be shown: {reason}."
    # and a good file after it is shown
    visit.files["good.glb"] = glb
    viewer.evaluate(
        "(viewer) => new Promise((done) => { viewer.addEventListener('load', done);"
        " viewer.setAttribute('src', 'good.glb'); })"
    )
    assert not message.is_visible()
    assert viewer.get_attribute("aria-label") == "a cube"
    assert_shows_its_colors(visit, viewer)


def test_the_last_of_two_files_wins(tmp_path: Path, visit: Visit) -> None:
    viewer = visit.add(cube(tmp_path))
    visit.files["slow.glb"] = b"this one comes late and would be an error"
    viewer.evaluate(
        """async (viewer, glb) => {
          const late = viewer.load("slow.glb");
          await viewer.load(Uint8Array.from(atob(glb), (c) => c.charCodeAt(0)).buffer);
          await late;
        }""",
        base64.b64encode(cube(tmp_path)).decode(),
    )
    assert not viewer.locator("p").is_visible()
    assert_shows_its_colors(visit, viewer)


def evaluation_page(folder: Path) -> Path:
    """The page of one method and one object: two meshes."""
    scores = pd.DataFrame({"object": ["a <b> cube"], "psnr": pd.array([20.0], dtype="Float64")})
    content = {"description": "", "objects": ["a <b> cube"]}
    protocol = {"name": "p", "version": 1, "sha256": "a" * 64, "content": content}
    dataset = {"name": "d", "licence": "CC0-1.0", "objects": ["a <b> cube"], "missing": []}
    report = MetricReport(protocol, dataset, {"name": "ours"}, {}, {}, {}, {})
    encoded = io.BytesIO()
    Image.new("RGB", (8, 8)).save(encoded, "WEBP")
    dot = encoded.getvalue()
    pictures = ObjectPictures("a <b> cube", dot, ("0°, 0°",), (dot,), cube(folder))
    example = Example(
        ChosenObject("a <b> cube", "best", "psnr"), pictures, (dot,), cube(folder, painted=False)
    )
    path = folder / "page.html"
    write_page(path, [report], [scores], examples=[(example,)])
    return path


def look_alike(first: Any, second: Any) -> bool:
    """But for outlines, which fall on other fractions of a pixel."""
    inside = (slice(3, 318), slice(3, 440))
    apart = np.abs(picture(first)[inside] - picture(second)[inside]).max(axis=2)
    return bool((apart > 2).mean() < 0.03)


def test_viewers_of_the_evaluation_page_move_together(tmp_path: Path, visit: Visit) -> None:
    path, page = evaluation_page(tmp_path), visit.page
    page.set_viewport_size({"width": 1000, "height": 900})
    page.goto(path.as_uri())
    # nothing of WebGL before somebody asks for it
    assert page.locator("mesh-view").count() == 0
    assert page.evaluate("spied.contexts.length") == 0
    button = page.get_by_role("button", name="Look at it in 3D")
    button.click()
    reference, prediction = page.locator("mesh-view").all()
    page.wait_for_function("spied.draws >= 2")
    assert reference.get_attribute("aria-label") == "a <b> cube, reference"
    assert prediction.get_attribute("aria-label") == "a <b> cube, by ours"
    start = {"azimuth": 0, "elevation": 10, "distance": 4}
    assert orbit_of(reference) == orbit_of(prediction) == start
    visit.draw()
    assert np.abs(center(reference) - COLORS[0]).max() <= 2
    assert look_alike(reference, prediction)

    for held, other in [(reference, prediction), (prediction, reference)]:
        before = picture(other)
        held.scroll_into_view_if_needed()
        box = held.bounding_box()
        page.mouse.move(box["x"] + 200, box["y"] + 100)
        page.mouse.down()
        page.mouse.move(box["x"] + 120, box["y"] + 130)
        page.mouse.up()
        visit.draw()
        assert orbit_of(held) == orbit_of(other) != start
        assert (picture(other) != before).any(axis=2).mean() > 0.05
        assert look_alike(held, other)
    page.keyboard.press("Home")
    assert orbit_of(reference) == orbit_of(prediction) == start

    page.get_by_role("button", name="Close 3D").click()
    assert page.locator("mesh-view").count() == 0
    assert page.evaluate("spied.buffers") == 0
    assert visit.asked[0] == path.as_uri()
    assert all(url.startswith("data:") for url in visit.asked[1:])
