"""The pictures of docs/performance.md, drawn from one device's results.

    python benchmarks/speed/plots.py reports/speed/DEVICE [--out docs/images]

What was not measured is left out of a picture; a picture of nothing is not drawn.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
from architectures import MODELS
from matplotlib.axes import Axes

from lrm_core.io.atomic_write import replacing
from lrm_core.io.json_files import read_json

Case = dict[str, Any]

# Okabe and Ito's colors, which people with color blindness tell apart.
_COLORS = dict(zip(MODELS, ("#0072b2", "#56b4e9", "#009e73", "#d55e00", "#cc79a7"), strict=True))
_GRAY = "#999999"
_RESOLUTION = 256


def cases_of(cases: Iterable[Case], stage: str, **parameters: object) -> list[Case]:
    """The cases of a stage with these parameters."""
    return [
        case
        for case in cases
        if case["stage"] == stage
        and all(case["parameters"].get(key) == value for key, value in parameters.items())
    ]


def draw_extraction(cases: list[Case], axes: Axes) -> None:
    """How does the time from field to triangles grow with the grid, ours and the peers'?"""
    for model, color in _COLORS.items():
        found = cases_of(cases, "extraction_ratio", model_name=model)
        found.sort(key=lambda case: case["parameters"]["resolution"])
        sizes = [case["parameters"]["resolution"] for case in found]
        axes.loglog(sizes, [case["median_s"] for case in found], "o-", color=color, label=model)
        axes.loglog(sizes, [case["reference_s"] for case in found], "o:", color=color)
    sizes = sorted({case["parameters"]["resolution"] for case in cases_of(cases, "grid_query")})
    axes.set_xticks(sizes, [f"{size}³" for size in sizes])
    axes.minorticks_off()
    axes.set(
        xlabel="grid points", ylabel="seconds", title="Field to triangles (dotted: the peers' way)"
    )
    axes.legend()


def draw_network(cases: list[Case], axes: Axes) -> None:
    """What does a number format save, and how far is the network from its floor?"""
    for row, model in enumerate(MODELS):
        found = cases_of(cases, "image_to_triplane", model_name=model, batch=1)
        found.sort(key=lambda case: case["dtype"])
        for part, case in enumerate(found):
            place, name = row + 0.4 * part, case["dtype"].removeprefix("torch.")
            axes.barh(place, case["median_s"], 0.36, color=_COLORS[model], alpha=1 - 0.5 * part)
            axes.plot([case["floor_s"]] * 2, [place - 0.18, place + 0.18], color="black")
            axes.text(case["median_s"], place, f" {name} {case['median_s']:.2g} s", va="center")
    axes.set_yticks([row + 0.2 for row in range(len(MODELS))], MODELS)
    axes.set(xscale="log", xlabel="seconds", title="Image to triplane (black: physical floor)")
    low, high = axes.get_xlim()
    axes.set_xlim(low, high * 4)  # room for the words


def draw_stages(cases: list[Case], axes: Axes) -> None:
    """Where does the time of the command go?"""
    found = {
        case["parameters"]["model_name"]: case
        for case in cases_of(cases, "command", resolution=_RESOLUTION, photos=1)
    }
    names = list(dict.fromkeys(s for case in found.values() for s in case["stages_of_first"]))
    colors = plt.get_cmap("tab20")
    models = [model for model in MODELS if model in found]
    start = [0.0] * len(models)
    for number, name in enumerate(names):
        widths = [found[model]["stages_of_first"].get(name, 0.0) for model in models]
        axes.barh(models, widths, left=start, color=colors(number % 20), label=name)
        start = [before + width for before, width in zip(start, widths, strict=True)]
    for row, model in enumerate(models):
        seconds = found[model]["median_s"]
        axes.plot([seconds] * 2, [row - 0.4, row + 0.4], color="black")
        axes.text(seconds, row + 0.42, f"{seconds:.1f} s", ha="center")
    axes.set(xlabel="seconds", title=f"lrm reconstruct, {_RESOLUTION}³ (black: whole process)")
    axes.legend(fontsize=7, loc="upper left", bbox_to_anchor=(1.0, 1.0))


def draw_floors(cases: list[Case], axes: Axes) -> None:
    """How far is each stage from what the device could do?"""
    stages = [
        ("encode", {"batch": 1}),
        ("decode", {"batch": 1}),
        ("grid_query", {"resolution": _RESOLUTION}),
    ]
    for column, (stage, parameters) in enumerate(stages):
        for row, model in enumerate(MODELS):
            found = cases_of(cases, stage, model_name=model, **parameters)
            found = [case for case in found if "floors" in case]
            if found:
                best = min(found, key=lambda case: case["median_s"])
                place = column + 0.16 * (row - 2)
                label = model if column == 0 else None
                axes.bar(place, best["floors"], 0.14, color=_COLORS[model], label=label)
    axes.axhline(1.0, color="black")
    axes.set_xticks(range(len(stages)), [stage.replace("_", " ") for stage, _ in stages])
    axes.set(ylabel="times the floor", title="Stages over their physical floor")
    axes.legend(fontsize=8)


def draw_rendering(cases: list[Case], axes: Axes) -> None:
    """How many views per second?"""
    found = [case for case in cases if "views_per_s" in case]
    found.sort(key=lambda case: case["views_per_s"])
    names = [case["case"].removeprefix("bench_").replace("_", " ") for case in found]
    bars = axes.barh(names, [case["views_per_s"] for case in found], color=_GRAY)
    axes.bar_label(bars, fmt=" %.3g")
    axes.set(xscale="log", xlabel="views per second", title="Rendering")


PICTURES: dict[str, tuple[str, Callable[[list[Case], Axes], None]]] = {
    "extraction": ("extraction_ratio", draw_extraction),
    "network": ("image_to_triplane", draw_network),
    "stages": ("command", draw_stages),
    "floors": ("decode", draw_floors),
    "rendering": ("nerf_view", draw_rendering),
}
"""Name of the picture: the stage without which there is none, and who draws it."""


def main() -> None:
    """Draw all pictures of a device."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("results", type=Path, help="folder of one device")
    default = Path(__file__).parents[2] / "docs" / "images"
    parser.add_argument("--out", type=Path, default=default)
    arguments = parser.parse_args()
    cases = read_json(arguments.results / "results.json")["cases"]
    arguments.out.mkdir(parents=True, exist_ok=True)
    for name, (stage, draw) in PICTURES.items():
        if not cases_of(cases, stage):
            continue
        figure, axes = plt.subplots(figsize=(8, 4.5), layout="constrained")
        draw(cases, axes)
        path = arguments.out / f"performance-{name}.png"
        with replacing(path) as temporary:
            figure.savefig(temporary, dpi=110, format="png")
        plt.close(figure)
        print(path)


if __name__ == "__main__":
    main()
