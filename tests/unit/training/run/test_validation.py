"""Scores that do not depend on how objects are shared out; a page that works from a file."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from accelerate import Accelerator
from PIL import Image

from lrm_core.training.data.layer_samples import LayerSamples
from lrm_core.training.objectives.layer_objective import LayerObjective
from lrm_core.training.objectives.objective import ValidationResult
from lrm_core.training.run import validation
from lrm_core.training.run.run_log import RunLog
from lrm_core.training.run.validation import validate, write_page, write_sheet


@dataclass
class Numbers:
    values: list[int]
    damaged: tuple[str, ...] = ()

    def to(self, device: object) -> "Numbers":
        return self


class OneOfMany(Accelerator):
    device = torch.device("cpu")

    def __init__(self) -> None:
        pass


class FiveNumbers(LayerSamples):
    collate = staticmethod(lambda samples: Numbers(list(samples)))

    def __init__(self) -> None:
        pass

    def __len__(self) -> int:
        return 5

    def __getitem__(self, index: int) -> int:
        return index


class MeanOfNumbers(LayerObjective):
    def __init__(self) -> None:
        torch.nn.Module.__init__(self)
        self.model = torch.nn.Identity()

    def validate(self, batch: Numbers) -> ValidationResult:
        assert not self.model.training
        rows = [(np.full((2, 2, 3), value, dtype=np.uint8),) * 4 for value in batch.values]
        return ValidationResult(len(rows), {"psnr": float(np.mean(batch.values))}, rows)


@pytest.mark.parametrize("num_processes", [1, 2, 3])
@pytest.mark.parametrize("batch_size", [1, 2, 5])
def test_scores_are_means_over_objects_in_order(monkeypatch, num_processes, batch_size):
    def run(index: int, gather: Callable[[list], list]) -> ValidationResult:
        monkeypatch.setattr(validation, "gather_object", gather)
        share = type(
            "Share", (OneOfMany,), {"process_index": index, "num_processes": num_processes}
        )
        return validate(
            MeanOfNumbers(), FiveNumbers(), num_objects=4, batch_size=batch_size,
            accelerator=share(), precision=torch.float32,
        )  # fmt: skip

    shares: list[list] = []

    def keep(own: list) -> list:
        shares.append(own)
        return own or [(0, ValidationResult(1, {"psnr": 0.0}, []))]

    for index in range(num_processes if num_processes > 1 else 0):
        run(index, keep)
    result = run(0, lambda _: [pair for own in reversed(shares) for pair in own])
    assert result.scores == {"psnr": pytest.approx(1.5)}
    assert [int(row[0][0, 0, 0]) for row in result.rows] == [0, 1, 2, 3]


def test_sheets_and_a_page_that_lists_them(tmp_path: Path):
    log = RunLog(tmp_path, step=0, configuration={}, tensorboard=False, wandb=False)
    rng = np.random.default_rng(0)
    for step in (100, 200):
        rows = [tuple(rng.integers(0, 255, (32, 32, 3), dtype=np.uint8) for _ in range(4))] * 2
        result = ValidationResult(2, {"psnr": step / 10, "<b>": 1.0}, rows)
        log.validation(step, result.scores, write_sheet(tmp_path, step, result))
        assert write_page(tmp_path) == tmp_path / "validation" / "index.html"
    page = (tmp_path / "validation" / "index.html").read_text()
    sources = re.findall(r'src="([^"]+)"', page)
    assert sources == ["step-00000200.png", "step-00000100.png"]  # newest first, relative
    for source in sources:
        with Image.open(tmp_path / "validation" / source) as image:
            assert image.width > 4 * 96
    assert "psnr 20" in page
    assert "<b>" not in page
    (tmp_path / "validation" / "step-00000100.png").unlink()
    write_page(tmp_path)
    assert "step-00000100" not in (tmp_path / "validation" / "index.html").read_text()
