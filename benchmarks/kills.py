"""Commands ended at random moments by TERM, HUP and KILL: what is left, and whether it resumes.

    python benchmarks/kills.py [--runs 200] [--seed 0] [--commands reconstruct,preprocess]

Each run starts a command in a folder of its own, sends a signal after a random part of the time
that the command takes, and looks at every file that is left: it must be whole (meshes are read,
pictures decoded, JSON, Parquet, safetensors and tar files parsed), no input may have changed, and
after TERM and HUP nothing hidden may remain. Then the command is given once more, with its option
to resume, and must end well, with the files of a run that nobody disturbed. Prints a table.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import pandas as pd
import torch
from PIL import Image
from safetensors import safe_open

from lrm_core.meshes.mesh_reading import SCENE_SUFFIXES, read_scene

ROOT = Path(__file__).parents[1]
SIGNALS = (signal.SIGTERM, signal.SIGHUP, signal.SIGKILL)
TIMEOUT = 600


@dataclass(frozen=True)
class Command:
    """What is started and ended.

    Attributes:
        first: its arguments.
        again: its arguments to resume.
        results: pattern of the files that a run must leave, relative to its folder.
    """

    first: tuple[str, ...]
    again: tuple[str, ...]
    results: str


_TRAIN = ("train", "lrm-tiny", "-o", "run", "num_steps=6", "checkpoint_every=2", "log_every=1")
_MESHES = ("reconstruct", "photos", "-o", "out", "--resolution", "32", "--texture-size", "64")
_CUT_OUTS = ("preprocess", "photos", "photos", "-o", "out", "--size", "64", "--workers", "1")
_SCORES = (
    *("evaluate", "--dataset", "procedural", "--method", "balloon", "--limit", "2"),
    *("--metrics", "chamfer_distance", "--no-download", "--workers", "1", "-o", "out"),
)
COMMANDS = {
    "reconstruct": Command(_MESHES, (*_MESHES, "--skip-existing"), "out/*"),
    "preprocess": Command(_CUT_OUTS, (*_CUT_OUTS, "--resume"), "out/*"),
    "train": Command(_TRAIN, _TRAIN, "run/model/*"),
    "evaluate": Command(_SCORES, _SCORES, "out/runs/*/*/*"),
}


@dataclass
class Counts:
    """What became of the runs of one command.

    Attributes:
        runs: how many, by signal.
        faults: what was wrong, one line each.
        ended_first: runs that were over before the signal came.
    """

    runs: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)
    ended_first: int = 0


def prepare(folder: Path) -> None:
    """The inputs of all commands: three photos, and a dataset of three objects."""
    (folder / "photos").mkdir(parents=True)
    for name in ("a", "b", "c"):
        shutil.copy(ROOT / "examples" / "teapot.png", folder / "photos" / f"{name}.png")
    _lrm(
        folder,
        *("preprocess", "procedural", "--num", "3", "--num-views", "4", "--size", "32"),
        *("--radius", "2.5", "2.5", "--splits", "train=1", "-o", "data"),
    ).wait()


def _lrm(folder: Path, *arguments: str) -> subprocess.Popen[bytes]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "LRM_VIEWS": "data"}
    return subprocess.Popen(
        [sys.executable, "-m", "lrm_cli", *arguments], cwd=folder, env=environment,
        stdout=subprocess.DEVNULL, stderr=(folder / "stderr.log").open("ab"),
    )  # fmt: skip


def _mesh(path: Path) -> None:
    read_scene(path)


def _picture(path: Path) -> None:
    with Image.open(path) as image:
        image.load()


def _tensors(path: Path) -> None:
    with safe_open(path, framework="np") as file:
        for name in file.keys():  # noqa: SIM118
            file.get_tensor(name)


def _tar(path: Path) -> None:
    with tarfile.open(path) as file:
        file.getmembers()


CHECKS: dict[str, Callable[[Path], object]] = {
    **dict.fromkeys(SCENE_SUFFIXES, _mesh),
    ".png": _picture,
    ".json": lambda path: json.loads(path.read_bytes()),
    ".parquet": pd.read_parquet,
    ".safetensors": _tensors,
    ".pt": lambda path: torch.load(path, weights_only=True),
    ".tar": _tar,
}


def look_at(folder: Path, inputs: dict[Path, bytes], *, killed: bool) -> list[str]:
    """What is wrong with the files that a run has left."""
    faults = [f"input {path.name} changed" for path, content in inputs.items()
              if not path.exists() or path.read_bytes() != content]  # fmt: skip
    for path in sorted(folder.rglob("*")):
        if not path.is_file() or path in inputs:
            continue
        if path.name.startswith("."):
            if not killed:
                faults.append(f"{path.name} is left")
        elif path.suffix in CHECKS:
            try:
                CHECKS[path.suffix](path)
            except Exception as error:
                faults.append(f"{path.relative_to(folder)} is not whole ({error})")
    return faults


def names(folder: Path, pattern: str) -> set[str]:
    """Files that are not hidden."""
    found = (path for path in folder.glob(pattern) if not path.name.startswith("."))
    return {str(path.relative_to(folder)) for path in found}


def end_at_random(
    counts: Counts, command: Command, number: signal.Signals, origin: Path, wanted: set[str],
    seconds: float, random: Random,
) -> None:  # fmt: skip
    """One run that is ended, looked at, and taken up again."""
    with tempfile.TemporaryDirectory(prefix="lrm-kills-") as name:
        folder = Path(name) / "work"
        shutil.copytree(origin, folder)
        inputs = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
        inputs.pop(folder / "stderr.log", None)
        process = _lrm(folder, *command.first)
        after = random.uniform(0.0, seconds)
        time.sleep(after)
        counts.ended_first += process.poll() is not None
        process.send_signal(number)
        process.wait(timeout=TIMEOUT)
        counts.runs[number.name] += 1
        faults = look_at(folder, inputs, killed=number == signal.SIGKILL)
        status = _lrm(folder, *command.again).wait(timeout=TIMEOUT)
        if status != 0:
            faults.append(f"resuming ends with {status}")
        faults += look_at(folder, inputs, killed=True)
        if missing := wanted - names(folder, command.results):
            faults.append(f"{sorted(missing)[:3]} missing after resuming")
        log = (folder / "stderr.log").read_text(errors="replace")
        if "Traceback" in log:
            faults.append("a traceback: " + log[log.index("Traceback") :][-300:].replace("\n", " "))
        where = f"{number.name} after {after:.2f} s"
        counts.faults += [f"{where}: {fault}" for fault in faults]


def run(name: str, runs: int, origin: Path, random: Random) -> Counts:
    """End one command many times."""
    command, counts = COMMANDS[name], Counts()
    with tempfile.TemporaryDirectory(prefix="lrm-kills-") as folder:
        work = Path(folder) / "work"
        shutil.copytree(origin, work)
        started = time.perf_counter()
        status = _lrm(work, *command.first).wait(timeout=TIMEOUT)
        seconds = time.perf_counter() - started
        wanted = names(work, command.results)
        if status != 0 or not wanted:
            log = (work / "stderr.log").read_text(errors="replace")
            counts.faults.append(f"undisturbed, it ends with {status}: {log[-300:]}")
            return counts
    for index in range(runs):
        number = SIGNALS[index % len(SIGNALS)]
        end_at_random(counts, command, number, origin, wanted, seconds, random)
    return counts


def main() -> None:
    """Run, print a table, and fail where anything was found."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=200, help="of all commands together")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--commands", default=",".join(COMMANDS))
    arguments = parser.parse_args()
    chosen = arguments.commands.split(",")
    faults = []
    with tempfile.TemporaryDirectory(prefix="lrm-kills-") as name:
        origin = Path(name) / "origin"
        prepare(origin)
        print("| command | TERM | HUP | KILL | ended first | faults |\n|---|---|---|---|---|---|")
        for command in chosen:
            random = Random(f"{arguments.seed} {command}")
            counts = run(command, arguments.runs // len(chosen), origin, random)
            sent = " | ".join(str(counts.runs[number.name]) for number in SIGNALS)
            row = f"| {command} | {sent} | {counts.ended_first} | {len(counts.faults)} |"
            print(row, flush=True)
            faults += [f"{command}: {fault}" for fault in counts.faults]
    print("\n".join(faults))
    sys.exit(1 if faults else 0)


if __name__ == "__main__":
    main()
