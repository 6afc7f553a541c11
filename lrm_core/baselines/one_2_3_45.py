"""One-2-3-45 as a program of its own: it needs another Python, other CUDA extensions and 18 GB.

Code and weights (https://huggingface.co/One-2-3-45/code) are Apache-2.0. Source: M. Liu et al.,
One-2-3-45: Any Single Image to 3D Mesh in 45 Seconds without Per-Shape Optimization, NeurIPS 2023.
Nothing of it is run by this project's tests: they run the process, its limits and the frames.

The user says how it is started, for example

    conda run -n one2345 --cwd /opt/One-2-3-45 sh -c
        "python run.py --img_path {input} --half_precision && cp exp/picture/mesh.ply {output}"

Frames, from its code: `mesh.ply` is z up and lies where its input camera has azimuth 30 degrees
(utils.gen_poses), distance 1.2 and focal length 280 / 256 of the picture that it crops to a
foreground ratio of 0.75. (Its .obj and .glb are mirrored, which is why only .ply is taken.) The
elevation is its own estimate, so the mesh is upright if that is right.
"""

from __future__ import annotations

import math
import os
import shlex
import signal
import subprocess
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, ClassVar

import numpy as np
from jaxtyping import UInt8

from lrm_core.baselines.placement import moved_scene, undo_crop
from lrm_core.baselines.predictor import Alignment, Prediction, fingerprint_of, require_object
from lrm_core.errors import ConfigError, LrmError, OutputError
from lrm_core.imaging.framing import crop_window
from lrm_core.io.image_writing import write_png
from lrm_core.meshes.mesh_reading import read_scene
from lrm_core.structures.view_set import object_id_of

_AZIMUTH = math.radians(30.0)
_DISTANCE = 1.2
_FOCAL = 280.0 / 256.0
_FOREGROUND_RATIO = 0.75


@dataclass(frozen=True)
class One2345Predictor:
    """Runs a command for each picture and reads the mesh that it leaves.

    Attributes:
        command: template with `{input}` (an RGBA picture) and `{output}` (where the .ply belongs);
            split as a shell does, run without one.
        log_folder: keeps what the command says, one file for each object; None for no log.
        time_limit: seconds after which the command and all that it started are ended.
    """

    command: str
    log_folder: Path | None = None
    time_limit: float = 900.0

    name: ClassVar[str] = "one-2-3-45"
    licence: ClassVar[str] = "Apache-2.0"
    source: ClassVar[str] = "https://huggingface.co/One-2-3-45/code"
    alignment: ClassVar[Alignment] = "free_azimuth"
    iso_level: ClassVar[None] = None
    photo_colors: ClassVar[bool] = False

    def __post_init__(self) -> None:
        try:
            words = shlex.split(self.command)
        except ValueError as error:
            raise ConfigError(f"command {self.command!r} cannot be split ({error})") from error
        if not words or not all(field in self.command for field in ("{input}", "{output}")):
            raise ConfigError(
                f"command {self.command!r} must hold {{input}} and {{output}}",
                hint="see lrm_core/baselines/one_2_3_45.py for an example",
            )

    @property
    def fingerprint(self) -> str:
        """Hash of the command, not of what it runs; see `Predictor`."""
        return fingerprint_of("one-2-3-45", {"command": self.command})

    def predict(self, rgba: UInt8[np.ndarray, "H W 4"], *, name: str) -> Prediction:
        """The program's mesh in the frame of the picture; see `Predictor.predict`.

        Raises:
            LrmError: the command cannot be started, fails, is too slow or leaves no mesh.
            InputError: its mesh cannot be read.
        """
        require_object(rgba)
        with tempfile.TemporaryDirectory(prefix="lrm-one2345-") as folder:
            picture, mesh = Path(folder) / "picture.png", Path(folder) / "mesh.ply"
            write_png(picture, rgba)
            start = time.perf_counter()
            self._run(picture, mesh, name)
            seconds = time.perf_counter() - start
            if not mesh.is_file():
                raise LrmError(f"the command made no mesh of '{name}'", hint=self._log_hint(name))
            scene = read_scene(mesh, up="z")
        turn = np.array(
            [
                [math.cos(_AZIMUTH), math.sin(_AZIMUTH), 0.0],
                [-math.sin(_AZIMUTH), math.cos(_AZIMUTH), 0.0],
                [0.0, 0.0, 1.0],
            ]
        )
        window = crop_window(rgba[..., 3], _FOREGROUND_RATIO)
        similarity = undo_crop(window, len(rgba), distance=_DISTANCE, focal=_FOCAL)
        return Prediction(moved_scene(scene, similarity, turn), seconds)

    def _run(self, picture: Path, mesh: Path, name: str) -> None:
        words = [
            word.replace("{input}", str(picture)).replace("{output}", str(mesh))
            for word in shlex.split(self.command)
        ]
        with self._log(name) as log:
            try:
                process = subprocess.Popen(
                    words,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,  # so that all it starts can be ended with it
                )
            except OSError as error:
                raise LrmError(f"'{words[0]}' cannot be started ({error.strerror})") from error
            try:
                code = process.wait(self.time_limit)
            except BaseException as error:
                _end(process)
                if not isinstance(error, subprocess.TimeoutExpired):
                    raise
                raise LrmError(
                    f"the command took more than {self.time_limit:g} s for '{name}'",
                    hint=self._log_hint(name),
                ) from error
        if code != 0:
            raise LrmError(
                f"the command ended with code {code} for '{name}'", hint=self._log_hint(name)
            )

    def _log(self, name: str) -> IO[bytes]:
        if self.log_folder is None:
            return Path(os.devnull).open("wb")
        try:
            self.log_folder.mkdir(parents=True, exist_ok=True)
            return (self.log_folder / f"{object_id_of(name)}.log").open("wb")
        except OSError as error:
            raise OutputError(f"{self.log_folder} cannot be written ({error.strerror})") from error

    def _log_hint(self, name: str) -> str:
        if self.log_folder is None:
            return "choose a folder for logs to see what it said"
        return f"see {self.log_folder / object_id_of(name)}.log"


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a process and, where the system has groups of them, all that it started."""
    if os.name == "posix":
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    else:
        process.kill()
    process.wait()
