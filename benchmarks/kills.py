"""Commands ended at random moments by TERM, HUP and KILL: what is left, and whether it resumes.

    python benchmarks/kills.py [--runs 200] [--seed 0] [--commands reconstruct,preprocess]
        [-o reports/benchmarks/kills.json]

Each run starts a command in a folder of its own, sends a signal after a random part of the time
that the command takes, and looks at every file that is left: it must be whole (meshes are read,
pictures decoded, JSON, Parquet, safetensors and tar files parsed), no input may have changed, and
after TERM and HUP nothing hidden may remain. Then the command is given once more, with its option
to resume, and must end well, with the files of a run that nobody disturbed. Prints a table; a
report that is there already keeps the rows of other commands.

Each run is a process of its own, forked from a server that has imported the program and has done
nothing else: importing it takes longer than all that follows.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import pkgutil
import platform
import shutil
import signal
import sys
import tarfile
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from random import Random

import numpy as np
import pandas as pd
import torch
import yaml
from PIL import Image
from safetensors import safe_open

import lrm_core
from lrm_core.config import bundled_presets, read_yaml
from lrm_core.io.json_files import read_json, write_json
from lrm_core.meshes.mesh_reading import SCENE_SUFFIXES, read_scene

SIGNALS = (signal.SIGTERM, signal.SIGHUP, signal.SIGKILL)
TIMEOUT = 600

_SERVER = multiprocessing.get_context("forkserver")
_IMPORTED_LATE = ("pyarrow", "skimage", "timm", "torchvision", "typer._adapters")
_MODULES = [module.name for module in pkgutil.walk_packages(lrm_core.__path__, "lrm_core.")]
# Blender's Python alone can import what lies in its folder
_PRELOADED = [name for name in _MODULES if "inside_blender" not in name]


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


_TRAIN = ("train", "lrm-tiny", "-o", "run", "num_steps=4", "checkpoint_every=2", "log_every=1")
_MESHES = (
    *("reconstruct", "photos", "-o", "out", "--resolution", "32", "--texture-size", "64"),
    *("--background-removal", "border"),
)
_CUT_OUTS = (
    *("preprocess", "photos", "photos", "-o", "out", "--size", "64", "--workers", "1"),
    *("--background-removal", "border"),
)
_SCORES = (
    *("evaluate", "--dataset", "procedural", "--protocol", "small.yaml", "--method", "balloon"),
    *("--metrics", "chamfer_distance", "--no-download", "--workers", "1"),
    *("-o", "out"),
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

    def add(self, fault: str) -> None:
        """Say at once what is wrong, and keep it."""
        print(fault, file=sys.stderr, flush=True)
        self.faults.append(fault)


def prepare(folder: Path) -> None:
    """The inputs of all commands: photos of three discs, a dataset, and a small protocol."""
    (folder / "photos").mkdir(parents=True)
    y, x = np.mgrid[:96, :96]
    for index, name in enumerate(("a", "b", "c")):
        disc = (x - 48) ** 2 + (y - 48) ** 2 < (20 + 5 * index) ** 2
        photo = np.where(disc[..., None], (200, 2 * x[0, 40], 60), 255).astype(np.uint8)
        Image.fromarray(photo).save(folder / "photos" / f"{name}.png")
    protocol = read_yaml(bundled_presets("protocols")["procedural-v1"], origin="procedural-v1")
    protocol |= {"name": "small", "objects": ["0", "1"]}
    protocol["input_view"]["size"] = 64
    protocol["reference_views"] |= {"num_views": 2, "size": 32}
    protocol["geometry"]["num_points"] = 500
    (folder / "small.yaml").write_text(yaml.safe_dump(protocol), encoding="utf-8")
    _lrm(
        folder,
        *("preprocess", "procedural", "--num", "2", "--num-views", "4", "--size", "32"),
        *("--radius", "2.5", "2.5", "--splits", "train=1", "-o", "data", "--workers", "1"),
    ).join(TIMEOUT)


def _lrm(folder: Path, *arguments: str) -> ForkServerProcess:
    process = _SERVER.Process(target=_run_program, args=(folder, arguments))
    process.start()
    return process


def _run_program(folder: Path, arguments: tuple[str, ...]) -> None:
    """In the process that was forked: what `lrm ARGUMENTS` does in a folder."""
    from lrm_cli.__main__ import main as run_lrm

    os.chdir(folder)
    log = os.open("stderr.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    os.dup2(log, sys.stderr.fileno())
    os.environ["LRM_VIEWS"] = "data"
    sys.argv = ["lrm", *arguments]
    run_lrm()


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
        counts.ended_first += process.exitcode is not None
        if process.exitcode is None:
            os.kill(process.pid, number)
        process.join(TIMEOUT)
        counts.runs[number.name] += 1
        faults = look_at(folder, inputs, killed=number == signal.SIGKILL)
        if process.exitcode is None:
            process.kill()
            faults.append(f"does not end within {TIMEOUT} s")
        resumed = _lrm(folder, *command.again)
        resumed.join(TIMEOUT)
        if resumed.exitcode != 0:
            faults.append(f"resuming ends with {resumed.exitcode}")
        faults += look_at(folder, inputs, killed=True)
        if missing := wanted - names(folder, command.results):
            faults.append(f"{sorted(missing)[:3]} missing after resuming")
        log = (folder / "stderr.log").read_text(errors="replace")
        if "Traceback" in log:
            faults.append("a traceback: " + log[log.index("Traceback") :][-300:].replace("\n", " "))
        where = f"{number.name} after {after:.2f} s"
        for fault in faults:
            counts.add(f"{where}: {fault}")


def run(name: str, runs: int, origin: Path, random: Random) -> Counts:
    """End one command many times."""
    command, counts = COMMANDS[name], Counts()
    with tempfile.TemporaryDirectory(prefix="lrm-kills-") as folder:
        work = Path(folder) / "work"
        shutil.copytree(origin, work)
        started = time.perf_counter()
        undisturbed = _lrm(work, *command.first)
        undisturbed.join(TIMEOUT)
        seconds = time.perf_counter() - started
        wanted = names(work, command.results)
        if undisturbed.exitcode != 0 or not wanted:
            log = (work / "stderr.log").read_text(errors="replace")
            reason = f"undisturbed, it ends with {undisturbed.exitcode}: {log[-300:]}"
            counts.add(reason)
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
    parser.add_argument("-o", "--report", type=Path)
    arguments = parser.parse_args()
    chosen = arguments.commands.split(",")
    _SERVER.set_forkserver_preload(["lrm_cli.app", *_PRELOADED, *_IMPORTED_LATE])
    faults, rows = [], {}
    with tempfile.TemporaryDirectory(prefix="lrm-kills-") as name:
        origin = Path(name) / "origin"
        prepare(origin)
        print("| command | TERM | HUP | KILL | ended first | faults |\n|---|---|---|---|---|---|")
        for command in chosen:
            random = Random(f"{arguments.seed} {command}")
            counts = run(command, arguments.runs // len(chosen), origin, random)
            sent = {number.name: counts.runs[number.name] for number in SIGNALS}
            found = {"ended_first": counts.ended_first, "faults": len(counts.faults)}
            rows[command] = sent | found
            print(f"| {' | '.join(map(str, [command, *rows[command].values()]))} |", flush=True)
            faults += counts.faults
    if arguments.report is not None:
        older = read_json(arguments.report)["runs"] if arguments.report.exists() else {}
        result = {"seed": arguments.seed, "python": platform.python_version(), "runs": older | rows}
        write_json(arguments.report, result)
    sys.exit(1 if faults else 0)


if __name__ == "__main__":
    main()
