"""Memory and time of deferred back-propagation beside rendering everything at once.

    python benchmarks/deferred_backprop.py [--report reports/benchmarks/deferred_backprop.json]

One view of random planes in lrm-small's sizes, squared error against a random image, gradients of
planes and NeRF MLP; every case in a process of its own. On a CPU memory is the growth of the
resident set from before the rendering to its peak, on a GPU what the allocator handed out at most,
without what was there before. Seconds are those of one forward and backward pass; on a CPU those
that its cores spent on it, which other programs on the machine change little.

A case is left out where four times the memory of half its side exceeds what is free.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from pathlib import Path

import torch

from lrm_core.config import load_preset
from lrm_core.models.nerf_mlp import NerfMLP
from lrm_core.models.triplane_field import TriplaneField
from lrm_core.rendering.nerf_renderer import RenderSettings
from lrm_core.rendering.ray_generation import generate_rays
from lrm_core.structures.cameras import canonical_camera
from lrm_core.structures.triplane import Triplane
from lrm_core.training.objectives.deferred_backprop import render_chunks

PRESET = "lrm-small"
SIZES = (64, 128, 256)
MODES = ("direct", "deferred")
_GIB = 2**30
_SHARE = 0.7  # of the free memory that a case may be expected to take


def measure(size: int, mode: str, device: str, chunk_rays: int) -> dict[str, float]:
    """GiB and seconds of one step, in this process."""
    config = load_preset(PRESET)
    torch.manual_seed(0)
    side, channels = config.decoder.plane_resolution, config.decoder.channels
    planes = torch.randn(1, 3, channels, side, side, device=device, requires_grad=True)
    mlp = NerfMLP(3 * channels, config.nerf).to(device)
    field = TriplaneField(Triplane(planes, config.nerf.extent), mlp)

    def step(pixels: int) -> None:
        rays = generate_rays(canonical_camera(pixels).to(device))
        rendered = render_chunks(
            field,
            rays,
            RenderSettings(
                half_side=config.nerf.extent,
                num_samples=config.rendering.num_samples,
                step=config.rendering.step,
                midpoint_density=config.rendering.midpoint_density,
            ),
            chunk_rays=chunk_rays,
            seed=0,
            deferred=mode == "deferred",
        )
        (rendered.rgb - torch.rand_like(rendered.rgb)).square().mean().backward()

    step(8)  # libraries load and gradients get their place
    cuda = device == "cuda"
    before = torch.cuda.memory_allocated() if cuda else _resident()
    if cuda:
        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()
    clock = time.perf_counter if cuda else time.process_time
    started = clock()
    step(size)
    if cuda:
        torch.cuda.synchronize()
    seconds = clock() - started
    # ru_maxrss counts KiB
    peak = (
        torch.cuda.max_memory_allocated()
        if cuda
        else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    )
    return {"memory_gib": (peak - before) / _GIB, "seconds": seconds}


def _resident() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize()


def free_memory(device: str) -> float:
    """GiB that a new process could get."""
    if device == "cuda":
        return torch.cuda.mem_get_info()[0] / _GIB
    lines = Path("/proc/meminfo").read_text().splitlines()
    available = next(line for line in lines if line.startswith("MemAvailable"))
    return int(available.split()[1]) * 1024 / _GIB


def in_a_process(size: int, mode: str, device: str, chunk_rays: int) -> dict[str, float]:
    command = [sys.executable, __file__, "--case", str(size), mode, "--device", device]
    command += ["--chunk-rays", str(chunk_rays)]
    answer = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return dict(json.loads(answer))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--chunk-rays", type=int, default=512)
    parser.add_argument("--report", type=Path, default=None)
    parser.add_argument("--case", nargs=2, metavar=("SIZE", "MODE"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    device, chunk_rays = arguments.device, arguments.chunk_rays
    if arguments.case:
        size, mode = arguments.case
        print(json.dumps(measure(int(size), mode, device, chunk_rays)))
        return
    rows: list[dict[str, object]] = []
    for mode in MODES:
        last = 0.0
        for size in SIZES:
            row: dict[str, object] = {"mode": mode, "size": size}
            expected = 4.0 * last if mode == "direct" else last
            if expected > _SHARE * free_memory(device):
                row |= {"memory_gib": None, "seconds": None}
                row["left_out"] = f"about {expected:.0f} GiB, more than there is here"
                print(f"{mode:8}  {size:3} px  left out: {row['left_out']}", flush=True)
                last = expected
            else:
                measured = in_a_process(size, mode, device, chunk_rays)
                row |= {name: round(value, 3) for name, value in measured.items()}
                last = measured["memory_gib"]
                print(
                    f"{mode:8}  {size:3} px  {last:7.2f} GiB  {measured['seconds']:7.2f} s",
                    flush=True,
                )
            rows.append(row)
    config = load_preset(PRESET)
    report = {
        "device": torch.cuda.get_device_name() if device == "cuda" else "cpu",
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "preset": PRESET,
        "num_samples": config.rendering.num_samples,
        "chunk_rays": chunk_rays,
        "cases": rows,
    }
    if arguments.report:
        arguments.report.parent.mkdir(parents=True, exist_ok=True)
        arguments.report.write_text(json.dumps(report, indent=2) + "\n")


if __name__ == "__main__":
    main()
