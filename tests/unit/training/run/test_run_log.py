"""Every step once, whatever crashed in between; TensorBoard's own reader as the second opinion."""

import json
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from lrm_core.errors import MissingDependencyError
from lrm_core.training.run.run_log import RunLog, read_metrics

SHEET = np.full((8, 12, 3), 128, dtype=np.uint8)


def _log(folder: Path, step: int = 0, *, tensorboard: bool = False, wandb: bool = False) -> RunLog:
    return RunLog(
        folder, step=step, configuration={"seed": 1}, tensorboard=tensorboard, wandb=wandb
    )


def test_lines_hold_steps_and_validations(tmp_path: Path):
    log = _log(tmp_path)
    log.metrics(1, {"total": 0.5})
    log.validation(1, {"psnr": 20.0}, None)
    log.close()
    lines = (tmp_path / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in lines] == [
        {"step": 1, "total": 0.5},
        {"step": 1, "validation": {"psnr": 20.0}},
    ]


def test_a_run_that_goes_on_forgets_what_came_after_its_checkpoint(tmp_path: Path):
    log = _log(tmp_path)
    for step in range(1, 6):
        log.metrics(step, {"total": float(step)})
    log.validation(4, {"psnr": 20.0}, None)
    path = tmp_path / "metrics.jsonl"
    path.write_text(path.read_text() + '{"step": 6, "to')  # killed while writing
    log = _log(tmp_path, step=3)
    log.metrics(4, {"total": -4.0})
    assert [(entry["step"], entry["total"]) for entry in read_metrics(tmp_path)] == [
        (1, 1.0), (2, 2.0), (3, 3.0), (4, -4.0),
    ]  # fmt: skip


def test_tensorboard_reads_scalars_and_pictures_once(tmp_path: Path):
    log = _log(tmp_path, tensorboard=True)
    for step in (1, 2, 3):
        log.metrics(step, {"total": step / 2})
    log.validation(2, {"psnr": 21.0}, SHEET)
    log.close()
    log = _log(tmp_path, step=2, tensorboard=True)
    log.metrics(3, {"total": 7.0})
    log.close()
    events = EventAccumulator(str(tmp_path / "tensorboard"))
    events.Reload()
    found = [(event.step, event.value) for event in events.Scalars("train/total")]
    assert found == [(1, 0.5), (2, 1.0), (3, 7.0)]
    assert events.Scalars("validation/psnr")[0].value == 21.0
    (image,) = events.Images("validation")
    assert (image.width, image.height) == (12, 8)


def test_wandb_gets_the_same_numbers_and_goes_on_with_the_same_run(tmp_path, monkeypatch):
    logged, started = [], []

    def init(**settings: object) -> SimpleNamespace:
        started.append(settings)
        return SimpleNamespace(
            id="abc",
            log=lambda values, step: logged.append((step, values)),
            finish=lambda: logged.append("finished"),
        )

    fake = ModuleType("wandb")
    fake.__dict__.update(init=init, Image=lambda sheet: sheet.shape)
    monkeypatch.setitem(sys.modules, "wandb", fake)
    log = _log(tmp_path, wandb=True)
    log.metrics(1, {"total": 0.5})
    log.validation(1, {"psnr": 20.0}, SHEET)
    log.close()
    _log(tmp_path, step=1, wandb=True)
    assert logged == [
        (1, {"train/total": 0.5}),
        (1, {"validation/psnr": 20.0}),
        (1, {"validation/pictures": (8, 12, 3)}),
        "finished",
    ]
    assert [settings["id"] for settings in started] == [None, "abc"]
    assert started[0]["config"] == {"seed": 1}


def test_wandb_that_is_not_installed_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "wandb", None)
    with pytest.raises(MissingDependencyError, match="Weights & Biases") as caught:
        _log(tmp_path, wandb=True)
    assert "lrm-toolkit[wandb]" in caught.value.hint
