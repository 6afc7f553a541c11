import math
import os
import sys
import time

import numpy as np
import pytest
import torch
import trimesh

from lrm_core.baselines.one_2_3_45 import One2345Predictor
from lrm_core.errors import ConfigError, InputError, LrmError
from lrm_core.structures.cameras import Cameras, canonical_camera, look_at


@pytest.fixture
def points() -> np.ndarray:
    """Corners of a tetrahedron in the plane across the view of One-2-3-45's input camera."""
    angle = math.radians(30.0)
    right = np.array([math.cos(angle), math.sin(angle), 0.0])
    up = np.array([0.0, 0.0, 1.0])
    return np.array([0.3 * right, -0.2 * right + 0.1 * up, -0.25 * up, 0.2 * (right + up)])


def predict(folder, points, picture, **options):
    mesh = trimesh.Trimesh(points, [[0, 1, 2], [0, 2, 3]], process=False)
    mesh.export(folder / "made.ply")
    predictor = One2345Predictor(
        f"{sys.executable} -c 'import shutil, sys; from PIL import Image; "
        f'print(Image.open(sys.argv[1]).mode); shutil.copy("{folder}/made.ply", sys.argv[2])\' '
        "{input} {output}",
        **options,
    )
    return predictor.predict(picture, name="toys/car 1")


def test_points_come_out_where_the_input_camera_saw_them(tmp_path, picture, points):
    """Through its own camera and crop (from its code), and through ours after the adapter."""
    rows, columns = np.nonzero(picture[..., 3])
    box = np.array([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1])
    side = max(box[2] - box[0], box[3] - box[1]) / 0.75
    corner = (box[:2] + box[2:]) / 2 - side / 2
    angle = math.radians(30.0)
    origin = torch.tensor([[1.2 * math.sin(angle), -1.2 * math.cos(angle), 0.0]])
    lens = torch.tensor([[280.0, 280.0, 128.0, 128.0]])
    its_camera = Cameras(look_at(origin), lens, 256, 256)
    in_crop = its_camera.project(torch.from_numpy(points).float())[0][0].numpy() / 256.0
    expected = corner + side * in_crop

    scene = predict(tmp_path, points, picture).scene
    vertices = torch.from_numpy(scene.parts[0].vertices)
    found = canonical_camera(len(picture)).project(vertices)[0][0].numpy()
    assert np.allclose(found, expected, atol=1e-2)


def test_the_log_keeps_what_the_command_says(tmp_path, picture, points):
    logs = tmp_path / "logs"
    predict(tmp_path, points, picture, log_folder=logs)
    (log,) = logs.iterdir()
    assert log.suffix == ".log"
    assert "/" not in log.name
    assert log.read_text().strip() == "RGBA"


def test_failures_are_named(picture, tmp_path):
    def of(command, **options):
        return One2345Predictor(command, **options)

    fails = of(f"{sys.executable} -c 'import sys; sys.exit(3)' {{input}} {{output}}")
    with pytest.raises(LrmError, match="ended with code 3"):
        fails.predict(picture, name="x")
    idle = of(f"{sys.executable} -c pass {{input}} {{output}}")
    with pytest.raises(LrmError, match="made no mesh"):
        idle.predict(picture, name="x")
    absent = of("no-such-program-here {input} {output}")
    with pytest.raises(LrmError, match="cannot be started"):
        absent.predict(picture, name="x")
    writes = f"{sys.executable} -c 'import sys; open(sys.argv[2], \"w\")' {{input}} {{output}}"
    with pytest.raises(InputError):
        of(writes).predict(picture, name="x")
    with pytest.raises(ConfigError, match="must hold"):
        of("run {input}")
    with pytest.raises(ConfigError, match="cannot be split"):
        of("run '{input} {output}")


def test_the_shell_has_no_say(picture, tmp_path):
    mark = tmp_path / "mark"
    command = f"{sys.executable} -c pass {{input}} {{output}} ; touch {mark}"
    with pytest.raises(LrmError, match="made no mesh"):
        One2345Predictor(command).predict(picture, name="$(touch x)")
    assert not mark.exists()


@pytest.mark.skipif(os.name != "posix", reason="process groups")
def test_the_time_limit_ends_the_command_and_its_children(picture, tmp_path):
    pid_file = tmp_path / "pid"
    script = tmp_path / "slow.py"
    script.write_text(
        "import subprocess, sys, time\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n"
        f"open({str(pid_file)!r}, 'w').write(str(child.pid))\n"
        "time.sleep(60)\n"
    )
    predictor = One2345Predictor(f"{sys.executable} {script} {{input}} {{output}}", time_limit=1.5)
    with pytest.raises(LrmError, match=r"more than 1\.5 s"):
        predictor.predict(picture, name="x")
    pid = int(pid_file.read_text())
    for _ in range(50):
        try:
            with open(f"/proc/{pid}/stat") as stat:  # noqa: PTH123
                if stat.read().split()[2] == "Z":
                    break
        except FileNotFoundError:
            break
        time.sleep(0.1)
    else:
        pytest.fail("the child of the command is still running")
