"""Before any work: starting Python, importing the package, loading weights, cold and warm."""

import subprocess
import sys
from pathlib import Path

import pytest
from conftest import Measure
from measuring import forget_file

from lrm_core.reconstruction.pipeline import load_model

PROGRAMS = {
    "python": ["-c", "pass"],
    "lrm --help": ["-m", "lrm_cli", "--help"],
    "torch": ["-c", "import torch"],
    "pipeline": ["-c", "import lrm_core.reconstruction.pipeline"],
}


@pytest.mark.parametrize("program", PROGRAMS)
def bench_import(program: str, measure: Measure) -> None:
    """A fresh process: what was imported, nothing else."""
    command = [sys.executable, *PROGRAMS[program]]
    measure(
        lambda: subprocess.run(command, check=True, stdout=subprocess.DEVNULL), in_process=False
    )


@pytest.mark.parametrize("cache", ["warm", "cold"])
def bench_load(cache: str, model_name: str, weights: Path, device: str, measure: Measure) -> None:
    """`load_model` from a file that the system has in memory, or has not."""
    file = weights / "model.safetensors"
    measure(
        lambda: load_model(weights, device=device),
        before=(lambda: forget_file(file)) if cache == "cold" else None,
        file_mb=round(file.stat().st_size / 1e6),
    )
