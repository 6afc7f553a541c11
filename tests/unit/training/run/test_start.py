"""What a run starts from: weights, data, and the checkpoints of the same run only."""

import json
import math
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from accelerate import Accelerator
from safetensors.torch import save_file

from lrm_core import device
from lrm_core.config import load_preset
from lrm_core.errors import TrainingError
from lrm_core.models.image_encoder import VitEncoder
from lrm_core.models.loading import load_lrm
from lrm_core.structures.view_set import ViewSet
from lrm_core.training.config import (
    OptimizerConfig,
    RenderingLossConfig,
    TrainingConfig,
    read_training_config,
)
from lrm_core.training.objectives.rendering_objective import RenderingObjective
from lrm_core.training.run.checkpoints import checkpoints_of, read_checkpoint, save_checkpoint
from lrm_core.training.run.start import RunStart, release, start_run
from lrm_core.training.view_config import ViewDataConfig, ViewSource

WriteViews = Callable[[str, list[ViewSet], list[str]], None]


class Silent:
    def on_step(self, step: int, values: dict[str, float]) -> None: ...

    def on_validation(self, step: int, scores: dict[str, float]) -> None: ...

    def on_warning(self, message: str) -> None: ...


def config_for(*urls: Path, **settings: Any) -> TrainingConfig:
    """Two steps of two samples, as small as they can be."""
    views = ViewDataConfig(
        sources=tuple(ViewSource(url=str(url)) for url in urls),
        num_side_views=0, target_resolution=(8, 8), crop=8,
    )  # fmt: skip
    return replace(
        TrainingConfig(
            model="lrm-tiny",
            views=views,
            rendering=RenderingLossConfig(perceptual="none", num_samples=2),
            optimizer=OptimizerConfig(learning_rate=1e-3, warmup_steps=1),
            num_steps=2,
            global_batch=2,
            micro_batch=2,
            precision="float32",
            checkpoint_every=1,
            tensorboard=False,
        ),
        **settings,
    )


def start(config: TrainingConfig, folder: Path) -> RunStart:
    return start_run(config, folder, device="cpu")


def weights_of(run: RunStart) -> dict[str, torch.Tensor]:
    return run.trainer.objective.model.state_dict()


@pytest.fixture
def four_balls(
    tmp_path: Path, make_ball: Callable[..., ViewSet], write_view_dataset: WriteViews
) -> Path:
    balls = [make_ball(f"ball-{index}", index, num_views=2) for index in range(4)]
    write_view_dataset(str(tmp_path / "views"), balls, ["train"] * 4)
    return tmp_path / "views"


@pytest.fixture
def trained(four_balls: Path, tmp_path: Path) -> Path:
    """The folder of a run on the four balls that has ended, its average unlike its weights."""
    start(config_for(four_balls, ema_decay=0.9), tmp_path / "run").trainer.run(Silent())
    return tmp_path / "run"


def test_a_run_does_not_resume_on_other_data(
    four_balls: Path,
    trained: Path,
    make_ball: Callable[..., ViewSet],
    write_view_dataset: WriteViews,
):
    config = config_for(four_balls, ema_decay=0.9, num_steps=3)
    moved = four_balls.rename(four_balls.with_name("moved"))
    again = start(config_for(moved, ema_decay=0.9, num_steps=3), trained)
    assert again.trainer.step == 2  # the same data in another place

    shutil.copytree(moved, four_balls)
    balls = [make_ball(f"ball-{index}", index, num_views=2) for index in range(6)]
    write_view_dataset(str(four_balls), balls, ["train"] * 6)
    listing = (trained / "objects.csv").read_bytes()
    newest = checkpoints_of(trained)[0]
    with pytest.raises(TrainingError, match=r"2 added \(1/ball-4, 1/ball-5\)") as caught:
        start(config, trained)
    assert f"lrm train --init {newest} -o" in caught.value.hint
    assert (trained / "objects.csv").read_bytes() == listing
    assert checkpoints_of(trained)[0] == newest


def test_the_way_out_that_is_offered_works(trained: Path, four_balls: Path, tmp_path: Path):
    """`--init` takes a checkpoint: its averaged weights, in a run of its own."""
    newest = checkpoints_of(trained)[0]
    state = read_checkpoint(newest)
    run = start(config_for(four_balls, init=str(newest)), tmp_path / "other")
    assert run.trainer.step == 0
    for name, value in weights_of(run).items():
        assert torch.equal(value, state.average[name]), name
    differing = [name for name in state.model if not state.model[name].equal(state.average[name])]
    assert differing
    assert all(parameter.requires_grad for parameter in run.trainer.objective.model.parameters())
    save_checkpoint(tmp_path / "bare", replace(state, average=None), keep_last=1)
    bare = load_lrm(checkpoints_of(tmp_path / "bare")[0])
    for name, value in bare.state_dict().items():
        assert torch.equal(value, state.model[name]), name


def test_checkpoints_of_older_releases_resume_on_any_data(
    trained: Path, other_ball_views: Path, tmp_path: Path
):
    state = read_checkpoint(checkpoints_of(trained)[0])
    configuration = {name: state.configuration[name] for name in ("model", "training", "num_steps")}
    save_checkpoint(tmp_path / "old", replace(state, configuration=configuration), keep_last=1)
    run = start(config_for(other_ball_views, ema_decay=0.9, num_steps=3), tmp_path / "old")
    assert run.trainer.step == 2
    assert any("views.sources" in line for line in run.warnings)
    run.trainer.run(Silent())
    # from here on the run is bound
    with pytest.raises(TrainingError, match="the data has changed"):
        start(config_for(trained.parent / "views", ema_decay=0.9), tmp_path / "old")


def test_the_image_encoder_starts_from_the_named_weights(four_balls: Path, tmp_path: Path):
    torch.manual_seed(1)
    theirs = VitEncoder(load_preset("lrm-tiny").encoder).vit.state_dict()
    save_file(theirs, tmp_path / "dino.safetensors")
    config = config_for(four_balls)
    random = start(config, tmp_path / "random")
    named = start(
        replace(config, encoder_init=str(tmp_path / "dino.safetensors")), tmp_path / "named"
    )
    assert "starts from random weights too" in random.facts["model"]
    assert f"image encoder from {tmp_path / 'dino.safetensors'}" in named.facts["model"]
    for name, value in weights_of(named).items():
        if name.startswith("image_encoder.vit."):
            expected = theirs[name.removeprefix("image_encoder.vit.")]
        else:
            expected = weights_of(random)[name]
        assert torch.equal(value, expected), name
    weight = "image_encoder.vit.blocks.0.attn.qkv.weight"
    assert not torch.equal(weights_of(random)[weight], weights_of(named)[weight])


def test_initial_weights_follow_from_the_seed_alone(four_balls: Path, tmp_path: Path):
    first, again, other = (
        weights_of(start(config_for(four_balls, seed=seed), tmp_path / str(number)))
        for number, seed in enumerate((3, 3, 4))
    )
    name = "decoder.upsample.weight"
    assert torch.equal(first[name], again[name])
    assert not torch.equal(first[name], other[name])


def test_the_length_in_epochs_counts_the_samples_of_all_sources(
    four_balls: Path, other_ball_views: Path, tmp_path: Path
):
    config = config_for(four_balls, other_ball_views, num_steps=None, epochs=2.5)
    run = start(config, tmp_path / "run")
    assert run.trainer.num_steps == math.ceil(2.5 * (4 + 3) / 2)
    assert run.facts["data"] == "7 samples per epoch"
    assert run.facts["steps"].startswith("0 of 9 done")


def test_the_folder_says_what_the_run_is(four_balls: Path, tmp_path: Path):
    config = config_for(four_balls)
    start(config, tmp_path / "run")
    assert read_training_config(str(tmp_path / "run" / "config.yaml"), {}) == config
    lines = (tmp_path / "run" / "objects.csv").read_text().splitlines()
    assert lines[0] == "name,content"
    assert [line.split(",")[0] for line in lines[1:]] == [f"1/ball-{i}" for i in range(4)]


@pytest.mark.parametrize(
    ("losses", "words"),
    [
        ({"perceptual": "none"}, "1 MSE, no perceptual loss"),
        ({"perceptual": "none", "mask_weight": 0.5}, "1 MSE + 0.5 mask, no perceptual loss"),
        ({"perceptual": "gradient", "mask_weight": 0.5}, "1 MSE + 0.5 mask + 2 gradient"),
        # of no weight: its network is not even looked for
        ({"perceptual": "lpips", "perceptual_weight": 0.0}, "1 MSE, no perceptual loss"),
    ],
)
def test_the_losses_are_said(
    four_balls: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    losses: dict[str, Any],
    words: str,
):
    monkeypatch.setenv("LRM_METRIC_WEIGHTS", str(tmp_path / "none"))
    config = config_for(four_balls, rendering=RenderingLossConfig(num_samples=2, **losses))
    run = start(config, tmp_path / "run")
    assert run.facts["loss"] == words
    assert isinstance(run.trainer.objective, RenderingObjective)
    assert (run.trainer.objective.perceptual is not None) == ("gradient" in words)


def test_validation_is_on_the_split_that_is_held_out(
    tmp_path: Path, make_ball: Callable[..., ViewSet], write_view_dataset: WriteViews
):
    balls = [make_ball(f"ball-{index}", index, num_views=2) for index in range(4)]
    splits = ["train", "test", "train", "test"]
    write_view_dataset(str(tmp_path / "views"), balls, splits)
    config = config_for(tmp_path / "views", validate_every=1)
    views = replace(config.views, validation_split="test")
    trainer = start(replace(config, views=views), tmp_path / "run").trainer
    assert trainer.validation_samples is not None
    for samples, expected in (
        (trainer.samples, {"ball-0", "ball-2"}),
        (trainer.validation_samples, {"ball-1", "ball-3"}),
    ):
        assert {samples[index].object_id for index in range(len(samples))} == expected
    assert start(config_for(tmp_path / "views"), tmp_path / "a").trainer.validation_samples is None


def test_processes_at_different_steps_are_refused(
    four_balls: Path, trained: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(Accelerator, "gather", lambda self, step: torch.cat([step, step - 1]))
    with pytest.raises(TrainingError, match=r"different steps: \[1, 2\]"):
        start(config_for(four_balls, ema_decay=0.9), trained)


@pytest.fixture
def on_a_cpu(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Go on as if on a CPU with or without units for bfloat16."""

    def move(*, fast_bfloat16: bool) -> None:
        monkeypatch.setattr(device, "bfloat16_is_faster", lambda: fast_bfloat16)

    return move


@pytest.mark.parametrize(("fast", "chosen"), [(True, "bfloat16"), (False, "float32")])
def test_precision_auto_is_what_the_machine_is_fast_in(
    four_balls: Path, tmp_path: Path, on_a_cpu: Callable[..., None], fast: bool, chosen: str
):
    on_a_cpu(fast_bfloat16=fast)
    run = start(config_for(four_balls, precision="auto"), tmp_path)
    seen: set[torch.dtype] = set()
    run.trainer.objective.model.decoder.upsample.register_forward_hook(
        lambda module, inputs, output: seen.add(output.dtype)
    )
    run.trainer.run(Silent())
    assert seen == {getattr(torch, chosen)}
    assert run.facts["device"] == f"cpu, 1 process, {chosen} (auto)"
    assert run.warnings == []
    state = read_checkpoint(checkpoints_of(tmp_path)[0])
    assert state.configuration["training"]["precision"] == chosen
    # the recipe stays one for any machine
    assert read_training_config(str(tmp_path / "config.yaml"), {}).precision == "auto"


def test_a_run_moves_to_a_machine_with_another_fast_precision(
    four_balls: Path, tmp_path: Path, on_a_cpu: Callable[..., None]
):
    config = config_for(four_balls, precision="auto")
    on_a_cpu(fast_bfloat16=True)
    start(config, tmp_path).trainer.run(Silent())
    on_a_cpu(fast_bfloat16=False)
    again = start(replace(config, num_steps=3), tmp_path)
    line = "changed since the checkpoint: precision was 'bfloat16', is 'float32'"
    assert line in again.warnings
    again.trainer.run(Silent())
    newest = read_checkpoint(checkpoints_of(tmp_path)[0])
    assert (newest.step, newest.configuration["training"]["precision"]) == (3, "float32")


def test_processes_agree_on_the_precision_that_is_slow_on_none(
    four_balls: Path, tmp_path: Path, on_a_cpu: Callable[..., None], monkeypatch: pytest.MonkeyPatch
):
    on_a_cpu(fast_bfloat16=True)
    config = config_for(four_balls, precision="auto")
    monkeypatch.setattr(Accelerator, "gather", lambda self, found: torch.cat([found, found]))
    assert "bfloat16 (auto)" in start(config, tmp_path / "alike").facts["device"]
    monkeypatch.setattr(
        Accelerator,
        "gather",  # steps are -1 on both: no checkpoint
        lambda self, found: torch.cat([found, found.clamp(max=0)]),
    )
    assert "float32 (auto)" in start(config, tmp_path / "mixed").facts["device"]


def test_a_slow_precision_that_was_asked_for_is_kept_and_said(
    four_balls: Path, tmp_path: Path, on_a_cpu: Callable[..., None]
):
    config = config_for(four_balls, precision="bfloat16")
    on_a_cpu(fast_bfloat16=False)
    slow = start(config, tmp_path / "slow")
    assert slow.trainer.config.precision == "bfloat16"
    assert slow.facts["device"].endswith("bfloat16")
    assert ["bfloat16 gains little here (cpu)" in line for line in slow.warnings] == [True]
    on_a_cpu(fast_bfloat16=True)
    assert start(config, tmp_path / "fast").warnings == []


def test_without_an_average_the_last_weights_are_released(four_balls: Path, tmp_path: Path):
    run = start(config_for(four_balls), tmp_path / "run")
    run.trainer.run(Silent())
    release(run.trainer, tmp_path / "model")
    released = load_lrm(tmp_path / "model").state_dict()
    for name, value in weights_of(run).items():
        assert torch.equal(released[name], value.half().float()), name
    assert json.loads((tmp_path / "model" / "config.json").read_text())["name"] == "lrm-tiny"
