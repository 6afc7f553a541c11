"""Views of an asset by Blender (Cycles), which lives in an environment of its own.

Blender's Python module pins other versions of Python and numpy, so it runs as a subprocess, one
for each asset: a second of start beside a minute of path tracing, and an asset that takes Blender
down takes nothing else with it. It reads .fbx and .blend beside the formats that `read_scene`
knows.
"""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
import threading
from collections import deque
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32, Int, UInt8
from PIL import Image
from scipy.ndimage import distance_transform_edt

from lrm_core.errors import ConfigError, InputError, MissingDependencyError
from lrm_core.meshes.mesh_reading import SCENE_SUFFIXES
from lrm_core.rendering.mesh_shading import STUDIO_LIGHTS
from lrm_core.sources.asset_checks import AssetContent, AssetLimits, check_content
from lrm_core.sources.object_views import RenderedViews, UpAxis, ViewSettings
from lrm_core.structures.cameras import Cameras

BLENDER_VARIABLE = "LRM_BLENDER"
BLENDER_SUFFIXES = (*SCENE_SUFFIXES, ".fbx", ".blend")

_SCRIPT = Path(__file__).parent / "inside_blender" / "render_assets.py"
_ANSWER = "LRM "
_SECONDS_TO_START = 120.0


@dataclass(frozen=True)
class Blender:
    """A Blender that was found to work.

    Attributes:
        command: what starts it with our script.
        version: such as 5.0.1.
    """

    command: tuple[str, ...]
    version: str


def find_blender(program: str | None = None) -> Blender:
    """Look for Blender and ask for its version.

    Args:
        program: a Blender, or a Python that has `bpy`; None takes the environment variable
            LRM_BLENDER.

    Raises:
        ConfigError: none was named.
        MissingDependencyError: it cannot be started, or is a Python without `bpy`.
    """
    program = program or os.environ.get(BLENDER_VARIABLE)
    if not program:
        raise ConfigError(
            "no Blender was named",
            hint=f"pass --blender, or set {BLENDER_VARIABLE}, to a Blender or a Python with bpy",
        )
    version = _output_of(program, "--version")
    if version.startswith("Blender "):
        script = ("--background", "--factory-startup", "--python-exit-code", "1", "--python")
        return Blender((program, *script, str(_SCRIPT)), version.split()[1])
    # another Python: neither PYTHONPATH nor bytecode files may be shared with it
    python = (program, "-E", "-B")
    code = "import bpy; print(bpy.app.version_string)"
    return Blender((*python, str(_SCRIPT)), _output_of(*python, "-c", code).split()[-1])


@dataclass(frozen=True)
class BlenderRenderer:
    """Blender's Cycles on the CPU: an `AssetRenderer`.

    Unlit views show the materials' colors as this project's renderer does. The studio's lights
    are the same too, but path traced: with shadows, reflections and light between surfaces.

    Attributes:
        blender: the program.
        limits: what is accepted.
        samples: rays per pixel of the color images.
        threads: threads of each Blender; 0 takes all cores.
        time_limit: seconds for an asset, after which its Blender is ended.
        suffixes: see `AssetRenderer`.
    """

    blender: Blender
    limits: AssetLimits = field(default_factory=AssetLimits)
    samples: int = 16
    threads: int = 0
    time_limit: float | None = None
    suffixes: tuple[str, ...] = field(default=BLENDER_SUFFIXES, init=False)

    @property
    def name(self) -> str:
        """See `AssetRenderer`."""
        return f"Blender {self.blender.version}, Cycles"

    def describe(self) -> dict[str, Any]:
        """See `AssetRenderer`."""
        return {"samples": self.samples}

    def __call__(
        self, path: Path, up: UpAxis, cameras: Cameras, settings: ViewSettings
    ) -> RenderedViews:
        """Views of a mesh file.

        Raises:
            InputError: the file cannot be read, is beyond the limits, takes too long, or takes
                Blender down.
        """
        views = [_view_for_blender(cameras, index) for index in range(len(cameras))]
        with (
            tempfile.TemporaryDirectory(prefix="lrm-blender-") as folder,
            _Conversation(path.name, self.blender.command, self.time_limit) as conversation,
        ):
            content = conversation.ask(
                {
                    "import": str(path.resolve()),
                    "up": up,
                    "longest_side": settings.longest_side,
                    "max_memory": self.limits.max_memory,
                }
            )
            bounds = content.pop("bounds")
            check_content(path.name, AssetContent(**content), self.limits)
            studio = settings.lighting == "studio"
            conversation.ask(
                {
                    "render": folder,
                    "cameras": views,
                    "size": [cameras.width, cameras.height],
                    "lighting": asdict(STUDIO_LIGHTS) if studio else "unlit",
                    "samples": self.samples,
                    "threads": self.threads,
                    "normals": settings.normals,
                }
            )
            return _read_views(Path(folder), cameras, settings.normals, bounds)


class _Conversation:
    """Questions to one Blender process about one file, and its answers."""

    def __init__(self, name: str, command: tuple[str, ...], time_limit: float | None) -> None:
        self._name = name
        self._time_limit = time_limit
        self._late = False
        self._noise: deque[str] = deque(maxlen=20)
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
            errors="replace",
        )
        self._timer = threading.Timer(time_limit or 0.0, self._give_up)
        if time_limit is not None:
            self._timer.start()

    def __enter__(self) -> _Conversation:
        return self

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()
        self._process.kill()
        self._process.communicate()

    def _give_up(self) -> None:
        self._late = True
        self._process.kill()

    def ask(self, request: dict[str, Any]) -> dict[str, Any]:
        """The answer to a request.

        Raises:
            InputError: Blender says what is wrong, is too slow, or ends.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()
        except OSError:  # it has ended: what it said last is read below
            pass
        for line in self._process.stdout:
            if line.startswith(_ANSWER):
                answer: dict[str, Any] = json.loads(line[len(_ANSWER) :])
                if "error" in answer:
                    raise InputError(f"{self._name}: {answer['error']}")
                return answer
            if line.strip():
                self._noise.append(line.strip())
        if self._late:
            raise InputError(f"{self._name}: Blender took longer than {self._time_limit:g} s")
        last = self._noise[-1] if self._noise else "it said nothing"
        code = self._process.wait()
        raise InputError(f"{self._name}: Blender ended with exit code {code} ({last[:150]})")


def _output_of(*command: str) -> str:
    """What a program prints.

    Raises:
        MissingDependencyError: it cannot be started or fails.
    """
    hint = "python3.11 -m venv ENV; ENV/bin/pip install bpy; then name ENV/bin/python"
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS_TO_START)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise MissingDependencyError(
            f"Blender cannot be started as {command[0]} ({error})", hint=hint
        ) from error
    if done.returncode != 0 or not done.stdout.strip():
        reason = (done.stderr.strip().splitlines() or ["no output"])[-1]
        raise MissingDependencyError(f"{command[0]} is not a Blender ({reason})", hint=hint)
    return done.stdout.strip()


def _view_for_blender(cameras: Cameras, index: int) -> dict[str, Any]:
    """A camera in Blender's terms: sensor of width 1, shifts in units of the longer side.

    Raises:
        ConfigError: pixels are not square.
    """
    fx, fy, cx, cy = cameras.intrinsics[index].tolist()
    if abs(fx - fy) > 1e-4 * fx:
        raise ConfigError(f"Blender needs square pixels, got fx {fx:g} and fy {fy:g}")
    longer = max(cameras.width, cameras.height)
    return {
        "c2w": cameras.c2w[index].tolist(),
        "lens": fx / longer,
        "shift": [(cameras.width / 2 - cx) / longer, (cy - cameras.height / 2) / longer],
    }


def _read_views(folder: Path, cameras: Cameras, normals: bool, bounds: Any) -> RenderedViews:
    names = [f"{index:03d}" for index in range(len(cameras))]
    images = np.stack([_read_rgba(folder / f"{name}_rgba.png") for name in names])
    depth = np.stack([np.load(folder / f"{name}_depth.npy", allow_pickle=False) for name in names])
    normal = None
    if normals:
        normal = np.stack(
            [np.load(folder / f"{name}_normal.npy", allow_pickle=False) for name in names]
        )
    for index in range(len(cameras)):
        rows, columns, from_rows, from_columns = _neighbors_of_rims(images[index], depth[index])
        depth[index, rows, columns] = depth[index, from_rows, from_columns]
        if normal is not None:
            normal[index, rows, columns] = normal[index, from_rows, from_columns]
    return RenderedViews(images, depth, normal, np.asarray(bounds, dtype=np.float32))


def _neighbors_of_rims(
    rgba: UInt8[np.ndarray, "H W 4"], depth: Float32[np.ndarray, "H W"]
) -> tuple[Int[np.ndarray, "P"], ...]:
    """Pixels that show the object while the ray through their center passes it.

    Blender's depth is that of the center; this project's renderer gives such pixels the depth of
    a part that is seen in them: here, that of the nearest pixel that has a depth.

    Returns:
        rows and columns of the pixels, and those of the neighbors, at most a pixel away.
    """
    empty = np.isinf(depth)
    if empty.all():
        return (np.zeros(0, dtype=np.int64),) * 4
    distance, (from_rows, from_columns) = distance_transform_edt(empty, return_indices=True)
    rows, columns = np.nonzero(empty & (rgba[..., 3] > 0) & (distance < 1.5))
    return rows, columns, from_rows[rows, columns], from_columns[rows, columns]


def _read_rgba(file: Path) -> UInt8[np.ndarray, "H W 4"]:
    with Image.open(file, formats=("PNG",)) as image:
        return np.asarray(image.convert("RGBA"))
