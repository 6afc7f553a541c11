"""Photo -> textured mesh on the disk: in a warm process, in a fresh one, and a folder of photos."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from conftest import Measure

from lrm_core.reconstruction.pipeline import ReconstructionModel
from lrm_core.reconstruction.reconstruction import MeshOptions
from lrm_core.reconstruction.result_files import write_result

_FOLDER_PHOTOS = 8


def bench_warm(
    model: ReconstructionModel,
    resolution: int,
    dtype: torch.dtype,
    photo: Path,
    tmp_path: Path,
    measure: Measure,
) -> None:
    """The model is loaded: what every further photo of a service costs."""

    def work() -> dict[str, Any]:
        reconstruction = model.reconstruct(photo)
        mesh = reconstruction.extract_mesh(options=MeshOptions(resolution=resolution))
        _, record = write_result(tmp_path / "mesh.obj", reconstruction, mesh, overwrite=True)
        return record

    record = measure(work, dtype=str(dtype))
    assert record["num_faces"] > 1000


@pytest.mark.parametrize("photos", [1, _FOLDER_PHOTOS])
def bench_command(
    photos: int,
    weights: Path,
    resolution: int,
    device: str,
    photo: Path,
    tmp_path: Path,
    benchmark: Any,
    measure: Measure,
) -> None:
    """`lrm reconstruct` as a user calls it, from the start of the process to its end."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(photos):
        shutil.copy(photo, folder / f"{number}.png")
    command = [sys.executable, "-m", "lrm_cli", "reconstruct", folder, "-o", tmp_path / "meshes"]
    command += ["--model", weights, "--resolution", str(resolution), "--device", device]
    command += ["--overwrite", "--profile", "--json"]

    def work() -> list[dict[str, Any]]:
        done = subprocess.run(list(map(str, command)), check=True, capture_output=True, text=True)
        document = json.loads(done.stdout)
        results: list[dict[str, Any]] = document.get("results") or [document["result"]]
        return results

    results = measure(work, in_process=False)
    assert len(results) == photos
    stages: dict[bool, dict[str, float]] = {False: {}, True: {}}
    for row in results[0]["profile"]:
        stages[row["overlapped"]][row["stage"]] = row["seconds"]
    benchmark.extra_info.update(
        stages_of_first=stages[False],
        stages_beside=stages[True],
        process_peak_mb=max(result["peak_memory_mb"] for result in results),
        photos_per_minute=60.0 * photos / benchmark.stats.stats.median,
    )
