"""`lrm train` as real processes: killed and started again; two that share a batch.

Slow for a unit test: five programs start, each of which imports torch.
"""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

LRM = [sys.executable, "-m", "lrm_cli"]
TORCHRUN = [
    sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2",
    "-m", "lrm_cli",
]  # fmt: skip
NUM_STEPS = 24
# one thread, so that sums have the same order everywhere
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1"}


@pytest.fixture(scope="module")
def recipe(ball_views: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    settings = {
        "model": "lrm-tiny",
        "views": {
            "sources": [{"url": str(ball_views)}],
            "num_side_views": 1, "target_resolution": [12, 16], "crop": 12,
        },
        "rendering": {"perceptual": "gradient", "num_samples": 4},
        "optimizer": {"learning_rate": 1e-3, "warmup_steps": 2},
        "num_steps": NUM_STEPS,
        "global_batch": 4,
        "micro_batch": 2,
        "ema_decay": 0.9,
        "precision": "float32",
        "log_every": 1,
        "checkpoint_every": 3,
        "validate_every": 8,
        "validation_objects": 2,
        "tensorboard": False,
    }  # fmt: skip
    path = tmp_path_factory.mktemp("recipe") / "recipe.yaml"
    path.write_text(yaml.safe_dump(settings))
    return path


def _start(program: list[str], recipe: Path, folder: Path) -> subprocess.Popen[str]:
    command = [*program, "train", str(recipe), "-o", str(folder), "--device", "cpu"]
    return subprocess.Popen(command, env=ENVIRONMENT, stderr=subprocess.PIPE, text=True)


def _finish(program: list[str], recipe: Path, folder: Path) -> str:
    process = _start(program, recipe, folder)
    _, words = process.communicate(timeout=600)
    assert process.returncode == 0, words
    return words


def _interrupt(
    process: subprocess.Popen[str], folder: Path, number: signal.Signals, *, after: int
) -> str:
    """Send a signal once `after` lines are logged; what the program said."""
    path = folder / "metrics.jsonl"
    while process.poll() is None and not (path.is_file() and _lines(path) >= after):
        time.sleep(0.01)
    process.send_signal(number)
    _, words = process.communicate(timeout=600)
    return words


def _lines(path: Path) -> int:
    return path.read_bytes().count(b"\n")


def _entries(folder: Path) -> list[dict[str, Any]]:
    """What was logged, flat and without the clock."""
    entries = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    for entry in entries:
        entry.pop("samples_per_second", None)
        entry.update(entry.pop("validation", {}))
    return entries


@pytest.fixture(scope="module")
def unbroken(recipe: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("unbroken")
    _finish(LRM, recipe, folder)
    assert [e["step"] for e in _entries(folder) if "total" in e] == list(range(1, NUM_STEPS + 1))
    return folder


def test_a_killed_run_goes_on_bit_for_bit(recipe: Path, unbroken: Path, tmp_path: Path):
    killed = _start(LRM, recipe, tmp_path)
    _interrupt(killed, tmp_path, signal.SIGKILL, after=5)
    assert killed.returncode == -signal.SIGKILL
    assert not (tmp_path / "model").exists()
    words = _finish(LRM, recipe, tmp_path)
    assert re.search(r"steps: +([1-9]\d*) of 24 done", words)
    assert _entries(tmp_path) == _entries(unbroken)


def test_two_processes_give_the_losses_of_one_and_one_can_go_on(
    recipe: Path, unbroken: Path, tmp_path: Path
):
    both = _start(TORCHRUN, recipe, tmp_path)
    words = _interrupt(both, tmp_path, signal.SIGTERM, after=8)
    assert "1 passes x 2 processes x 2 samples" in words
    saved = max((tmp_path / "checkpoints").glob("step-*.pt"))
    done = int(saved.stem.removeprefix("step-"))
    assert 8 <= done < NUM_STEPS, words
    assert f"step {done} of 24 is saved; the same command resumes" in words
    assert f"steps:   {done} of 24 done" in _finish(LRM, recipe, tmp_path)
    for found, expected in zip(_entries(tmp_path), _entries(unbroken), strict=True):
        assert found == pytest.approx(expected, rel=1e-5)
