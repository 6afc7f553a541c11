"""Whole files, the newest that can be read, and no other run's."""

from pathlib import Path

import pytest
import torch

from lrm_core.errors import CheckpointError, TrainingError
from lrm_core.training.run.checkpoints import (
    TrainingState,
    checkpoint_path,
    checkpoints_of,
    compare_configurations,
    newest_state,
    read_checkpoint,
    save_checkpoint,
)


def _state(step: int) -> TrainingState:
    weight = torch.nn.Parameter(torch.full((3,), float(step)))
    optimizer = torch.optim.AdamW([weight], lr=1e-3)
    weight.grad = torch.ones(3)
    optimizer.step()
    return TrainingState(
        step=step,
        model={"weight": weight.detach()},
        average=None,
        optimizer=optimizer.state_dict(),
        recent_losses=[1.0, 0.5],
        num_high=1,
        best_score=None,
        configuration={"model": {"name": "m"}, "training": {"seed": 0}},
    )


def _steps(folder: Path) -> list[int]:
    return [int(path.stem.removeprefix("step-")) for path in checkpoints_of(folder)]


def test_a_state_comes_back_as_it_was(tmp_path: Path):
    path = save_checkpoint(tmp_path, _state(7), keep_last=1)
    assert path == tmp_path / "checkpoints" / "step-00000007.pt"
    state, expected = read_checkpoint(path), _state(7)
    assert torch.equal(state.model["weight"], expected.model["weight"])
    assert str(state.optimizer) == str(expected.optimizer)
    assert (state.step, state.recent_losses, state.num_high) == (7, [1.0, 0.5], 1)
    assert state.configuration == expected.configuration
    assert torch.load(path, weights_only=True)["step"] == 7


def test_the_newest_and_the_best_stay(tmp_path: Path):
    for step in range(1, 6):
        save_checkpoint(tmp_path, _state(step), keep_last=2, is_best=step == 2)
    assert _steps(tmp_path) == [5, 4]
    best = read_checkpoint(tmp_path / "checkpoints" / "best.pt")
    assert best.step == 2
    assert best.model["weight"][0] == _state(2).model["weight"][0]
    names = {path.name for path in (tmp_path / "checkpoints").iterdir()}
    assert names == {"best.pt", "step-00000004.pt", "step-00000005.pt"}


def test_the_best_takes_no_disk_space_of_its_own(tmp_path):
    path = save_checkpoint(tmp_path, _state(3), keep_last=1, is_best=True)
    assert path.samefile(tmp_path / "checkpoints" / "best.pt")
    later = save_checkpoint(tmp_path, _state(4), keep_last=1, is_best=True)
    assert later.samefile(tmp_path / "checkpoints" / "best.pt")


def test_a_disk_without_links_gets_a_copy_of_the_best(tmp_path, monkeypatch):
    def refuse(*arguments: object) -> None:
        raise PermissionError("no links here")

    monkeypatch.setattr("os.link", refuse)
    save_checkpoint(tmp_path, _state(3), keep_last=1, is_best=True)
    assert read_checkpoint(tmp_path / "checkpoints" / "best.pt").step == 3


def test_a_truncated_checkpoint_is_passed_over(tmp_path: Path):
    for step in (1, 2, 3):
        save_checkpoint(tmp_path, _state(step), keep_last=5)
    for step, share in ((2, 0.5), (3, 0.0)):
        path = checkpoint_path(tmp_path, step)
        content = path.read_bytes()
        path.write_bytes(content[: int(len(content) * share)])
    state, damaged = newest_state(tmp_path)
    assert state is not None
    assert state.step == 1
    assert ["step-00000003" in damaged[0], "step-00000002" in damaged[1]] == [True, True]
    # the damaged ones are of later steps: they must not push out what is written now
    save_checkpoint(tmp_path, _state(2), keep_last=1)
    assert read_checkpoint(checkpoint_path(tmp_path, 2)).step == 2
    checkpoint_path(tmp_path, 2).write_bytes(b"")
    with pytest.raises(TrainingError, match="none of the 2"):
        newest_state(tmp_path)


def test_nothing_there_is_no_state(tmp_path: Path):
    assert newest_state(tmp_path) == (None, [])


def test_a_failed_write_leaves_the_older_file(tmp_path, monkeypatch):
    save_checkpoint(tmp_path, _state(1), keep_last=2)

    def fail(*arguments: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(torch, "save", fail)
    with pytest.raises(KeyboardInterrupt):
        save_checkpoint(tmp_path, _state(1), keep_last=2)
    assert [path.name for path in (tmp_path / "checkpoints").iterdir()] == ["step-00000001.pt"]
    assert read_checkpoint(checkpoint_path(tmp_path, 1)).step == 1


def test_foreign_files_are_refused(tmp_path: Path):
    path = checkpoint_path(tmp_path, 1)
    path.parent.mkdir()
    torch.save({"model": {}}, path)
    with pytest.raises(CheckpointError, match="not a training state"):
        read_checkpoint(path)
    torch.save({"step": Path("code")}, path)
    with pytest.raises(CheckpointError, match="more than tensors"):
        read_checkpoint(path)


def test_only_the_same_run_goes_on():
    before = {
        "model": {"decoder": {"width": 8}},
        "training": {
            "seed": 0, "objective": "points", "global_batch": 4, "micro_batch": 2,
            "optimizer": {"learning_rate": 1e-3, "decay_steps": 400}, "views": {"crop": 16},
        },
    }  # fmt: skip

    def changed(place: str, value: object) -> dict:
        import copy

        result = copy.deepcopy(before)
        *parents, last = place.split(".")
        inner = result
        for parent in parents:
            inner = inner[parent]
        inner[last] = value
        return result

    folder = Path("run")
    assert compare_configurations(before, before, folder) == []
    assert compare_configurations(before, changed("training.micro_batch", 1), folder) == []
    (line,) = compare_configurations(before, changed("training.views.crop", 32), folder)
    assert line == "changed since the checkpoint: views.crop was 16, is 32"
    # a rate that was constant so far may fall whenever the run is to end; another schedule may not
    (line,) = compare_configurations(before, changed("training.optimizer.decay_steps", 9), folder)
    assert line == "changed since the checkpoint: optimizer.decay_steps was 400, is 9"
    with pytest.raises(TrainingError, match="decay_steps was 400, is None"):
        compare_configurations(before, changed("training.optimizer.decay_steps", None), folder)
    for place, words in {
        "model.decoder.width": "model.decoder.width was 8, is 9",
        "training.seed": "seed was 0, is 9",
        "training.optimizer.learning_rate": "optimizer.learning_rate was 0.001, is 9",
        "training.global_batch": "global_batch was 4, is 9",
    }.items():
        with pytest.raises(TrainingError, match=words):
            compare_configurations(before, changed(place, 9), folder)
