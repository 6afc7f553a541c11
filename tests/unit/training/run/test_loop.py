"""The loop against unbroken, unaccumulated and hand-written runs."""

import json
import math
import os
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from accelerate import Accelerator

from lrm_core.errors import ConfigError, TrainingError
from lrm_core.models.loading import load_lrm
from lrm_core.training.config import OptimizerConfig, RenderingLossConfig, TrainingConfig
from lrm_core.training.run.checkpoints import (
    checkpoints_of,
    read_checkpoint,
    save_checkpoint,
)
from lrm_core.training.run.loop import StepBatches
from lrm_core.training.run.start import RunStart, release, start_run
from lrm_core.training.view_config import ViewDataConfig, ViewSource


class Listener:
    """Keeps what it is told, and can do something after a step."""

    def __init__(self, after: Callable[[int], None] = lambda step: None) -> None:
        self.steps: list[tuple[int, dict[str, float]]] = []
        self.scores: dict[int, dict[str, float]] = {}
        self.warnings: list[str] = []
        self.after = after

    def on_step(self, step: int, values: dict[str, float]) -> None:
        self.steps.append((step, values))
        self.after(step)

    def on_validation(self, step: int, scores: dict[str, float]) -> None:
        self.scores[step] = scores

    def on_warning(self, message: str) -> None:
        self.warnings.append(message)


class CutOffError(Exception):
    """The run ends here, as if the machine had been switched off."""


def cut_off_after(last: int) -> Listener:
    def after(step: int) -> None:
        if step == last:
            raise CutOffError

    return Listener(after)


@pytest.fixture(scope="session")
def config(ball_views: Path) -> TrainingConfig:
    return TrainingConfig(
        model="lrm-tiny",
        views=ViewDataConfig(
            sources=(ViewSource(url=str(ball_views)),), num_side_views=1,
            target_resolution=(12, 16), crop=12,
        ),
        rendering=RenderingLossConfig(perceptual="gradient", num_samples=4, chunk_rays=500),
        optimizer=OptimizerConfig(learning_rate=1e-3, warmup_steps=2),
        num_steps=5,
        global_batch=2,
        micro_batch=1,
        ema_decay=0.9,
        precision="float32",
        log_every=1,
        checkpoint_every=2,
        validate_every=3,
        validation_objects=2,
        tensorboard=False,
    )  # fmt: skip


def start(config: TrainingConfig, folder: Path) -> RunStart:
    torch.manual_seed(hash(folder) % 1000)  # nothing may depend on the state of the process
    return start_run(config, folder, device="cpu")


def lines(folder: Path) -> list[dict[str, Any]]:
    """What was logged, without the clock."""
    entries = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    for entry in entries:
        entry.pop("samples_per_second", None)
    return entries


@pytest.fixture(scope="session")
def unbroken(config: TrainingConfig, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("unbroken")
    start(config, folder).trainer.run(Listener())
    return folder


def same_end(one: Path, other: Path) -> None:
    first, second = (read_checkpoint(checkpoints_of(folder)[0]) for folder in (one, other))
    assert first.step == second.step
    assert first.best_score == second.best_score
    assert first.recent_losses == second.recent_losses
    assert first.average is not None
    assert second.average is not None
    for name, value in first.model.items():
        assert torch.equal(value, second.model[name]), name
        assert torch.equal(first.average[name], second.average[name]), name


def test_batches_are_shared_out_as_the_contract_says():
    for first_step, num_processes in ((0, 1), (2, 2), (1, 3)):
        per_process = [
            list(
                StepBatches(
                    first_step=first_step, num_steps=4, global_batch=12, micro_batch=2,
                    process=rank, num_processes=num_processes,
                )
            )
            for rank in range(num_processes)
        ]  # fmt: skip
        passes = 12 // (2 * num_processes)
        for rank, batches in enumerate(per_process):
            expected = [
                [s * 12 + m * 2 * num_processes + rank * 2 + j for j in range(2)]
                for s in range(first_step, 4)
                for m in range(passes)
            ]
            assert batches == expected


@pytest.mark.parametrize("step", [1, 2, 3, 4])
def test_a_run_cut_off_at_any_step_gives_the_same_losses_bit_for_bit(
    config: TrainingConfig, unbroken: Path, tmp_path: Path, step: int
):
    with pytest.raises(CutOffError):
        start(config, tmp_path).trainer.run(cut_off_after(step))
    again = start(config, tmp_path).trainer
    assert again.step == {1: 0, 2: 0, 3: 2, 4: 3}[step]  # of checkpoints at 2, 3 (best) and 5
    again.run(Listener())
    assert lines(tmp_path) == lines(unbroken)
    same_end(tmp_path, unbroken)


def test_accumulated_passes_equal_one_large_batch(
    config: TrainingConfig, unbroken: Path, tmp_path: Path
):
    start(replace(config, micro_batch=2), tmp_path).trainer.run(Listener())
    for one, other in zip(lines(unbroken), lines(tmp_path), strict=True):
        if "total" in one:
            assert one["total"] == pytest.approx(other["total"], rel=1e-5)
            assert one["gradient_norm"] == pytest.approx(other["gradient_norm"], rel=1e-4)


def test_the_loop_is_adamw_on_the_mean_loss(config: TrainingConfig, tmp_path: Path):
    config = replace(config, ema_decay=None, validate_every=None, num_steps=3)
    trainer = start(config, tmp_path / "a").trainer
    naive = start(config, tmp_path / "b").trainer
    trainer.run(Listener())
    objective, samples = naive.objective, naive.samples
    optimizer = torch.optim.AdamW(objective.model.parameters(), weight_decay=0.0)
    matrices = {id(p) for p in naive.optimizer.param_groups[0]["params"]}
    optimizer = torch.optim.AdamW(
        [
            {"params": [p], "weight_decay": 0.05 if id(p) in matrices else 0.0}
            for p in objective.model.parameters()
        ],
        betas=(0.9, 0.95),
    )
    rates = [1e-3 / 2, 1e-3, 1e-3]
    for step, rate in enumerate(rates):
        batch = samples.collate([samples[2 * step], samples[2 * step + 1]])
        optimizer.zero_grad()
        objective(batch)["total"].backward()
        torch.nn.utils.clip_grad_norm_(objective.model.parameters(), 1.0)
        for group in optimizer.param_groups:
            group["lr"] = rate
        optimizer.step()
    state = objective.model.state_dict()
    for name, value in trainer.objective.model.state_dict().items():
        torch.testing.assert_close(value, state[name], rtol=1e-4, atol=1e-5)


def test_each_group_has_its_share_of_the_rate(config: TrainingConfig, tmp_path: Path):
    """As a backbone has that begins with trained weights."""
    config = replace(config, ema_decay=None, validate_every=None, num_steps=1)
    trainer = start(config, tmp_path).trainer
    held, free = trainer.optimizer.param_groups
    held["factor"], free["factor"] = 0.0, 0.5
    before = [parameter.detach().clone() for parameter in held["params"]]
    trainer.run(Listener())
    assert (held["lr"], free["lr"]) == (0.0, pytest.approx(0.5 * 1e-3 / 2))  # of the warm-up
    assert all(map(torch.equal, before, held["params"]))


def test_the_gradient_is_clipped_to_the_configured_norm(config: TrainingConfig, tmp_path: Path):
    clipped = replace(config.optimizer, gradient_clip=0.003)
    trainer = start(
        replace(config, optimizer=clipped, num_steps=1, validate_every=None), tmp_path
    ).trainer
    trainer.run(Listener())
    gradients = [p.grad for p in trainer.objective.model.parameters() if p.grad is not None]
    norm = math.sqrt(sum(float(gradient.double().square().sum()) for gradient in gradients))
    assert norm == pytest.approx(0.003, rel=1e-3)
    assert lines(tmp_path)[0]["gradient_norm"] > 0.01  # as it was


@pytest.mark.parametrize("number", [1, 2])
def test_validation_takes_as_many_objects_as_configured(
    config: TrainingConfig, tmp_path: Path, number: int
):
    config = replace(config, num_steps=1, validate_every=1, validation_objects=number)
    trainer = start(config, tmp_path).trainer
    encoded: list[int] = []
    trainer.objective.model.image_encoder.register_forward_hook(
        lambda module, inputs, _: None if module.training else encoded.append(len(inputs[0]))
    )
    trainer.run(Listener())
    assert sum(encoded) == number


def test_validation_scores_averaged_weights_and_keeps_the_best(
    config: TrainingConfig, unbroken: Path
):
    scores = {e["step"]: e["validation"]["psnr"] for e in lines(unbroken) if "validation" in e}
    assert list(scores) == [3, 5]
    best = max(scores, key=lambda step: scores[step])
    state = read_checkpoint(unbroken / "checkpoints" / "best.pt")
    assert state.step == best
    assert state.best_score == scores[best]
    assert {path.name for path in (unbroken / "validation").iterdir()} == {
        "index.html", "step-00000003.png", "step-00000005.png",
    }  # fmt: skip


def test_a_finished_run_releases_averaged_weights_and_does_nothing_again(
    config: TrainingConfig, unbroken: Path, tmp_path: Path
):
    trainer = start(config, unbroken).trainer
    before = (unbroken / "metrics.jsonl").read_bytes()
    listener = Listener()
    trainer.run(listener)
    assert (trainer.step, listener.steps) == (5, [])
    assert (unbroken / "metrics.jsonl").read_bytes() == before
    release(trainer, tmp_path / "model")
    model = load_lrm(tmp_path / "model")
    assert trainer.average is not None
    for name, value in model.state_dict().items():
        torch.testing.assert_close(value, trainer.average.state[name], rtol=1e-3, atol=1e-4)


def test_signals_save_and_say_how_to_go_on(config: TrainingConfig, unbroken: Path, tmp_path: Path):
    def interrupt(step: int) -> None:
        if step == 1:
            os.kill(os.getpid(), signal.SIGTERM)

    with pytest.raises(KeyboardInterrupt, match="step 2 of 5 is saved; the same command"):
        start(config, tmp_path).trainer.run(Listener(interrupt))
    again = start(config, tmp_path).trainer
    assert again.step == 2
    again.run(Listener())
    assert lines(tmp_path) == lines(unbroken)


def test_a_loss_that_is_not_finite_stops_and_names_the_last_good_checkpoint(
    config: TrainingConfig, tmp_path: Path
):
    trainer = start(config, tmp_path).trainer

    def spoil(step: int) -> None:
        if step == 3:
            with torch.no_grad():
                trainer.objective.model.nerf_mlp.linears[0].weight.fill_(math.nan)

    with pytest.raises(TrainingError, match="the loss is nan at step 4") as caught:
        trainer.run(Listener(spoil))
    saved = checkpoints_of(tmp_path)[0]
    assert str(saved) in caught.value.hint
    # NaN came before step 3 was saved as the best; nothing was written after the step that failed
    assert read_checkpoint(saved).step <= 3


def test_a_lasting_spike_stops_before_it_is_saved(
    config: TrainingConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("lrm_core.training.run.stopping._LASTING", 2)
    config = replace(config, num_steps=9, validate_every=None, checkpoint_every=1, spike_factor=3.0)
    trainer = start(config, tmp_path).trainer
    forward = trainer.objective.forward

    def spiking(batch: Any) -> dict[str, torch.Tensor]:
        factor = 100.0 if trainer.step >= 5 else 1.0
        return {name: factor * value for name, value in forward(batch).items()}

    monkeypatch.setattr(trainer.objective, "forward", spiking)
    with pytest.raises(TrainingError, match=r"3 times its median since 2 steps \(step 7") as caught:
        trainer.run(Listener())
    newest = checkpoints_of(tmp_path)[0]
    assert newest.name == "step-00000005.pt"
    assert str(newest) in caught.value.hint


def test_short_memory_is_explained(
    config: TrainingConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    trainer = start(config, tmp_path).trainer

    def starve(batch: Any) -> dict[str, torch.Tensor]:
        return {"total": torch.empty(2**60).sum()}

    monkeypatch.setattr(trainer.objective, "forward", starve)
    with pytest.raises(TrainingError, match="out of memory") as caught:
        trainer.run(Listener())
    assert "micro_batch (now 1)" in caught.value.hint


def test_a_batch_that_cannot_be_shared_out_is_refused(config: TrainingConfig, tmp_path: Path):
    trainer = start(config, tmp_path).trainer

    class Three(Accelerator):
        num_processes = 3

    with pytest.raises(ConfigError, match="2 cannot be shared out to 3 processes"):
        type(trainer)(
            trainer.objective, trainer.samples, None, config,
            num_steps=1, folder=tmp_path, accelerator=Three(cpu=True),
        )  # fmt: skip


@pytest.mark.parametrize("precision", ["bfloat16", "float32"])
def test_networks_compute_in_the_configured_precision(
    config: TrainingConfig, tmp_path: Path, precision: str
):
    """While training all of them, when validating all but the rendered field."""
    config = replace(config, precision=precision, num_steps=1, validate_every=1)
    trainer = start(config, tmp_path).trainer
    seen: dict[tuple[str, bool], set[torch.dtype]] = {}
    for name in ("image_encoder.vit.blocks.0.attn.qkv", "decoder.upsample", "nerf_mlp.linears.0"):
        trainer.objective.model.get_submodule(name).register_forward_hook(
            lambda module, _, output, name=name: seen.setdefault(
                (name.split(".")[0], module.training), set()
            ).add(output.dtype)
        )
    trainer.run(Listener())
    chosen = getattr(torch, precision)
    assert seen == {
        ("image_encoder", True): {chosen},
        ("decoder", True): {chosen},
        ("nerf_mlp", True): {chosen},
        ("image_encoder", False): {chosen},
        ("decoder", False): {chosen},
        ("nerf_mlp", False): {torch.float32},
    }
    assert {value.dtype for value in trainer.objective.model.parameters()} == {torch.float32}


def test_bfloat16_gives_the_losses_of_float32_but_for_rounding(
    config: TrainingConfig, unbroken: Path, tmp_path: Path
):
    start(replace(config, precision="bfloat16", num_steps=2), tmp_path).trainer.run(Listener())
    exact, rounded = ([e["total"] for e in lines(f) if "total" in e] for f in (unbroken, tmp_path))
    assert rounded == pytest.approx(exact[:2], rel=0.03)
    assert rounded != exact[:2]


def test_activation_checkpointing_and_workers_change_no_loss(
    config: TrainingConfig, unbroken: Path, tmp_path: Path
):
    trainer = start(replace(config, activation_checkpointing=True, num_workers=1), tmp_path).trainer
    calls: list[bool] = []
    layer = trainer.objective.model.decoder.blocks[0]
    layer.register_forward_pre_hook(lambda *_: calls.append(torch.is_grad_enabled()))
    trainer.run(Listener())
    # 5 steps of 2 passes, each computed twice
    assert calls.count(True) == 2 * 5 * 2
    for name in ("total", "gradient_norm"):
        plain, again = ([e[name] for e in lines(f) if name in e] for f in (unbroken, tmp_path))
        assert again == pytest.approx(plain, rel=1e-4)
        assert len(again) == 5


def test_the_average_follows_the_configured_decay_after_its_warm_up(
    config: TrainingConfig, tmp_path: Path
):
    faster = replace(config.optimizer, learning_rate=1e-2)
    trainer = start(
        replace(config, ema_decay=0.2, validate_every=None, optimizer=faster), tmp_path
    ).trainer
    name = "nerf_mlp.linears.0.weight"

    def weight() -> torch.Tensor:
        return trainer.objective.model.state_dict()[name].double()

    history = [weight()]
    trainer.run(Listener(lambda step: history.append(weight())))
    average = history[0]
    # (1 + s) / (10 + s) in the first steps: at s = 2 that is 3 / 12 already
    for decay, value in zip((1 / 10, 2 / 11, 0.2, 0.2, 0.2), history[1:], strict=True):
        average = decay * average + (1.0 - decay) * value
    assert trainer.average is not None
    torch.testing.assert_close(trainer.average.state[name].double(), average, rtol=0, atol=1e-6)
    assert (average - history[-1]).abs().max() > 1e-4


def test_the_best_score_survives_a_stop(config: TrainingConfig, tmp_path: Path):
    config = replace(config, num_steps=4, validate_every=2)
    with pytest.raises(CutOffError):
        start(config, tmp_path).trainer.run(cut_off_after(3))
    state = read_checkpoint(checkpoints_of(tmp_path)[0])
    assert state.step == 2
    # one that no later step can reach
    save_checkpoint(tmp_path, replace(state, best_score=1e3), keep_last=3, is_best=True)
    start(config, tmp_path).trainer.run(Listener())
    best = read_checkpoint(tmp_path / "checkpoints" / "best.pt")
    last = read_checkpoint(checkpoints_of(tmp_path)[0])
    assert (best.step, last.step, last.best_score) == (2, 4, 1e3)
