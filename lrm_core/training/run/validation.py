"""Validation of a run: scores over held-out objects, a sheet of pictures, and a page of all sheets.

`OUT/validation/step-00000100.png` has one row per object: input, target, render, depth;
`OUT/validation/index.html` lists the sheets, newest first, and works from a file.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.utils import gather_object
from jaxtyping import UInt8

from lrm_core.imaging.contact_sheet import contact_sheet
from lrm_core.io.atomic_write import replacing
from lrm_core.io.image_writing import write_png
from lrm_core.reporting.templates import html_templates
from lrm_core.training.objectives.objective import Objective, Samples, ValidationResult
from lrm_core.training.run.run_log import read_metrics

_FOLDER = "validation"
_COLUMNS = ("input", "target", "render", "depth")
_MOST_ROWS = 16
_SMALLEST_CELL, _LARGEST_CELL = 96, 256


def validate(
    objective: Objective[Any],
    samples: Samples[Any, Any],
    *,
    num_objects: int,
    batch_size: int,
    accelerator: Accelerator,
    precision: torch.dtype,
) -> ValidationResult:
    """Score the first objects of `samples`, shared out over all processes.

    Args:
        objective: its model has the weights that are to be scored.
        samples: the first indices are different objects.
        num_objects: at most this many.
        batch_size: objects at once per process.
        accelerator: the processes.
        precision: autocast type; float32 for none.

    Returns:
        the same on every process, in the order of the objects.
    """
    count = min(num_objects, len(samples))
    starts = range(0, count, batch_size)[accelerator.process_index :: accelerator.num_processes]
    results: list[tuple[int, ValidationResult]] = []
    model = objective.model.eval()
    for start in starts:
        part = range(start, min(start + batch_size, count))
        drawn = [samples[index] for index in part]
        batch = samples.collate(drawn).to(accelerator.device)
        with torch.autocast(
            accelerator.device.type, dtype=precision, enabled=precision != torch.float32
        ):
            results.append((start, objective.validate(batch)))
    model.train()
    if accelerator.num_processes > 1:
        results = gather_object(results)
    return _joined([result for _, result in sorted(results, key=lambda pair: pair[0])])


def write_sheet(folder: Path, step: int, result: ValidationResult) -> UInt8[np.ndarray, "H W 3"]:
    """Write the pictures of a validation into the run's folder.

    Args:
        folder: folder of the run.
        step: optimizer steps done.
        result: with at least one row.

    Returns:
        the sheet.
    """
    rows = result.rows[:_MOST_ROWS]
    side = max(max(picture.shape[:2]) for row in rows for picture in row)
    sheet = contact_sheet(
        rows,
        column_labels=_COLUMNS,
        title=f"step {step}: {_in_words(result.scores)}",
        cell_size=min(max(side, _SMALLEST_CELL), _LARGEST_CELL),
    )
    write_png(_sheet_path(folder, step), sheet)
    return sheet


def write_page(folder: Path) -> Path:
    """Write `validation/index.html` from the run's log and its sheets."""
    entries = [
        {
            "step": entry["step"],
            "scores": _in_words(entry["validation"]),
            "sheet": _sheet_path(folder, entry["step"]).name,
        }
        for entry in reversed(read_metrics(folder))
        if "validation" in entry and _sheet_path(folder, entry["step"]).is_file()
    ]
    path = folder / _FOLDER / "index.html"
    content = (
        html_templates("lrm_core.training.run")
        .get_template("validation.html.j2")
        .render(run=folder.resolve().name, entries=entries)
    )
    with replacing(path) as temporary:
        temporary.write_text(content, encoding="utf-8")
    return path


def _sheet_path(folder: Path, step: int) -> Path:
    return folder / _FOLDER / f"step-{step:08d}.png"


def _joined(results: Sequence[ValidationResult]) -> ValidationResult:
    """Means over objects of results that are means over theirs."""
    total = sum(result.num_objects for result in results)
    names = results[0].scores
    scores = {
        name: sum(result.scores[name] * result.num_objects for result in results) / total
        for name in names
    }
    return ValidationResult(total, scores, [row for result in results for row in result.rows])


def _in_words(scores: dict[str, float]) -> str:
    return ", ".join(f"{name} {value:.4g}" for name, value in scores.items())
