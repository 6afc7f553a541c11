"""The training loop: steps, checkpoints, validation, and when to stop.

Processes are Hugging Face Accelerate's: the same code runs as one process on a CPU or GPU and,
under `torchrun`, as many on many nodes (gloo or NCCL). Each process holds the whole model
(DistributedDataParallel): weights, gradients and Adam's moments of the paper's 500M parameters are
8 GB in float32, with the average of the weights 10, so that sharding them would buy little.

A run is a pure function of its configuration: samples and jitter follow from (seed, index), the
learning rate from the step. Whatever the number of processes, step s takes the samples
s * global_batch to (s + 1) * global_batch - 1. On a CPU a resumed run repeats an unbroken one bit
for bit; on a GPU up to the order of atomic additions.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, cast, runtime_checkable

import torch
from accelerate import Accelerator
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from lrm_core.config import config_to_dict
from lrm_core.errors import ConfigError, TrainingError, first_line
from lrm_core.models.image_encoder import VitEncoder
from lrm_core.models.triplane_decoder import TriplaneDecoder
from lrm_core.training.config import TrainingConfig
from lrm_core.training.objectives.objective import Batch, Objective, Samples, selection_score
from lrm_core.training.run.checkpoints import TrainingState, checkpoints_of, save_checkpoint
from lrm_core.training.run.data_binding import summarize
from lrm_core.training.run.optimizer import build_optimizer, learning_rate_at
from lrm_core.training.run.run_log import RunLog
from lrm_core.training.run.stopping import (
    SpikeWatch,
    StopSignal,
    explain_out_of_memory,
    ignore_interrupts,
)
from lrm_core.training.run.validation import validate, write_page, write_sheet
from lrm_core.training.run.weight_average import WeightAverage


@runtime_checkable
class TrainingCallbacks(Protocol):
    """Called while a run trains; on steps and validations, in the main process only."""

    def on_step(self, step: int, values: dict[str, float]) -> None:
        """After every optimizer step: losses, rate, speed."""
        ...

    def on_validation(self, step: int, scores: dict[str, float]) -> None:
        """After every validation."""
        ...

    def on_warning(self, message: str) -> None:
        """Something the user should know."""
        ...


@dataclass(frozen=True)
class StepBatches:
    """Indices of the samples of one process: one list per pass, from a step to the end of the run.

    Pass m of step s takes, on process r of w, the `micro_batch` samples from
    s * global_batch + (m w + r) * micro_batch.
    """

    first_step: int
    num_steps: int
    global_batch: int
    micro_batch: int
    process: int = 0
    num_processes: int = 1

    def __iter__(self) -> Iterator[list[int]]:
        per_pass = self.micro_batch * self.num_processes
        first = self.first_step * self.global_batch + self.process * self.micro_batch
        for start in range(first, self.num_steps * self.global_batch, per_pass):
            yield list(range(start, start + self.micro_batch))


class Trainer:
    """A run in progress.

    Args:
        objective: model and losses; moved to the accelerator's device.
        samples: what to train on.
        validation_samples: what to validate on, or None.
        config: configuration of the run; its `precision` is not auto any more (`start.py`).
        num_steps: its length; `config` may give it in epochs.
        folder: checkpoints, logs and validation pages go here.
        accelerator: the processes.

    Attributes:
        step: optimizer steps done.
        average: average of the weights, or None.
        optimizer: optimizer of the model's parameters.

    Raises:
        ConfigError: the global batch cannot be shared out.
    """

    def __init__(
        self,
        objective: Objective[Any],
        samples: Samples[Any, Any],
        validation_samples: Samples[Any, Any] | None,
        config: TrainingConfig,
        *,
        num_steps: int,
        folder: Path,
        accelerator: Accelerator,
    ) -> None:
        per_pass = config.micro_batch * accelerator.num_processes
        if config.global_batch % per_pass:
            raise ConfigError(
                f"global_batch {config.global_batch} cannot be shared out to "
                f"{accelerator.num_processes} processes with micro_batch {config.micro_batch}",
                hint=f"choose a multiple of {per_pass}, or another micro_batch",
            )
        self.objective = objective
        self.samples = samples
        self.validation_samples = validation_samples
        self.config = config
        self.num_steps = num_steps
        self.folder = folder
        self.accelerator = accelerator
        self.step = 0
        self.best_score: float | None = None
        for part in (objective.model.image_encoder, objective.model.decoder):
            if isinstance(part, VitEncoder | TriplaneDecoder):  # the RGBA encoder is too small
                part.activation_checkpointing = config.activation_checkpointing
        if config.compile:
            objective.model.compile()
        self._module = accelerator.prepare_model(objective)
        self.optimizer = build_optimizer(objective.model, config.optimizer)
        self.average: WeightAverage | None = None
        if config.ema_decay is not None:
            self.average = WeightAverage(objective.model, config.ema_decay)
        self._data = summarize(samples.contents())
        self._spikes = SpikeWatch(config.spike_factor)
        self._precision: torch.dtype = getattr(torch, config.precision)

    @property
    def configuration(self) -> dict[str, Any]:
        """What a checkpoint says about the run it belongs to."""
        return {
            "model": config_to_dict(self.objective.model.config),
            "training": config_to_dict(self.config),
            "num_steps": self.num_steps,
            "data": self._data,
        }

    @property
    def passes(self) -> int:
        """Passes per optimizer step and process, over which gradients are accumulated."""
        per_pass = self.config.micro_batch * self.accelerator.num_processes
        return self.config.global_batch // int(per_pass)

    @property
    def is_main(self) -> bool:
        """Whether this process logs and saves."""
        return bool(self.accelerator.is_main_process)

    def restore(self, state: TrainingState) -> None:
        """Resume from a checkpoint.

        Raises:
            TrainingError: its tensors do not fit the model.
        """
        try:
            self.objective.model.load_state_dict(state.model)
            self.optimizer.load_state_dict(state.optimizer)
            if self.average is not None:
                self.average.load(state.average or state.model)
        except (KeyError, RuntimeError, ValueError) as error:
            raise TrainingError(
                f"the checkpoints of {self.folder} do not fit the model ({first_line(error)})",
                hint="choose another output folder, or remove this one",
            ) from error
        self.step = state.step
        self.best_score = state.best_score
        self._spikes = SpikeWatch(self.config.spike_factor, state.recent_losses, state.num_high)

    def run(self, callbacks: TrainingCallbacks) -> None:
        """Train to the end.

        Raises:
            TrainingError: the loss is not finite or stays high, or memory is short.
            KeyboardInterrupt: asked to stop (SIGINT, SIGTERM); a checkpoint was saved.
        """
        if self.step >= self.num_steps:
            return
        log = self._open_log()
        with StopSignal() as stop, explain_out_of_memory(self.config):
            try:
                self._run(callbacks, log, stop)
            finally:
                if log is not None:
                    log.close()

    def _run(self, callbacks: TrainingCallbacks, log: RunLog | None, stop: StopSignal) -> None:
        config = self.config
        batches = self._batches()
        clock = _Clock()
        due = False
        while self.step < self.num_steps:
            clock.start()
            values, stopping = self._train_step(batches, callbacks, stop)
            clock.stop(config.global_batch)
            last = self.step == self.num_steps
            values["samples_per_second"] = clock.rate
            if self.accelerator.device.type == "cuda":
                values["memory_gib"] = torch.cuda.max_memory_allocated() / 2**30
            if log is not None:
                if last or self.step % config.log_every == 0:
                    log.metrics(self.step, values)
                    clock = _Clock()
                callbacks.on_step(self.step, values)
            is_best = False
            every = config.validate_every
            if every is not None and (last or self.step % every == 0) and not stopping:
                is_best = self._validate(callbacks, log)
            # weights in the middle of a spike are not worth going back to
            due = due or self.step % config.checkpoint_every == 0 or is_best
            if last or stopping or (due and self._spikes.num_high == 0):
                self._save(is_best=is_best)
                due = False
            if stopping and not last:
                raise KeyboardInterrupt(
                    f"step {self.step} of {self.num_steps} is saved; the same command resumes"
                )

    def _train_step(
        self, batches: Iterator[Batch], callbacks: TrainingCallbacks, stop: StopSignal
    ) -> tuple[dict[str, float], bool]:
        """One optimizer step; its losses over all processes, and whether any process is to stop."""
        config, accelerator = self.config, self.accelerator
        rate = learning_rate_at(self.step, config.optimizer, self.num_steps)
        for group in self.optimizer.param_groups:
            group["lr"] = rate * group["factor"]
        self.optimizer.zero_grad(set_to_none=True)
        sums: dict[str, Tensor] = {}
        for number in range(self.passes):
            batch = next(batches)
            for line in batch.damaged:
                callbacks.on_warning(line)
            # gradients meet once per step
            meeting = number == self.passes - 1
            with nullcontext() if meeting else accelerator.no_sync(self._module):
                with torch.autocast(
                    accelerator.device.type,
                    dtype=self._precision,
                    enabled=self._precision != torch.float32,
                ):
                    losses = self._module(batch.to(accelerator.device))
                accelerator.backward(losses["total"] / self.passes)
            for name, value in losses.items():
                sums[name] = sums.get(name, 0.0) + value.detach().float() / self.passes
        stopping = torch.tensor(float(stop.asked), device=accelerator.device)
        means = accelerator.reduce(torch.stack([*sums.values(), stopping]), "mean").tolist()
        values = dict(zip(sums, means[:-1], strict=True))
        self._require_finite("loss", values["total"])
        norm = torch.nn.utils.clip_grad_norm_(
            self.objective.model.parameters(), config.optimizer.gradient_clip
        )
        values |= {"gradient_norm": float(norm), "learning_rate": rate}
        self._require_finite("norm of the gradient", values["gradient_norm"])
        self.optimizer.step()
        if self.average is not None:
            self.average.update(self.objective.model, self.step)
        self.step += 1
        self._spikes.see(values["total"])
        if self._spikes.is_lasting:
            raise TrainingError(
                f"the loss is more than {config.spike_factor:g} times its median since "
                f"{self._spikes.num_high} steps (step {self.step}: {values['total']:.4g})",
                hint=self._way_back(),
            )
        return values, means[-1] > 0.0

    def _batches(self) -> Iterator[Batch]:
        order = StepBatches(
            first_step=self.step,
            num_steps=self.num_steps,
            global_batch=self.config.global_batch,
            micro_batch=self.config.micro_batch,
            process=self.accelerator.process_index,
            num_processes=self.accelerator.num_processes,
        )
        return iter(
            DataLoader(
                cast("Dataset[Any]", self.samples),  # torch's class, where a protocol would do
                batch_sampler=order,
                collate_fn=self.samples.collate,
                num_workers=self.config.num_workers,
                worker_init_fn=ignore_interrupts if self.config.num_workers else None,
            )
        )

    def _validate(self, callbacks: TrainingCallbacks, log: RunLog | None) -> bool:
        """Score the averaged weights; True where they are the best so far."""
        assert self.validation_samples is not None
        model = self.objective.model
        with nullcontext() if self.average is None else self.average.applied_to(model):
            result = validate(
                self.objective,
                self.validation_samples,
                num_objects=self.config.validation_objects,
                batch_size=self.config.micro_batch,
                accelerator=self.accelerator,
                precision=self._precision,
            )
        if log is not None:
            sheet = write_sheet(self.folder, self.step, result) if result.rows else None
            log.validation(self.step, result.scores, sheet)
            if sheet is not None:
                write_page(self.folder)
            callbacks.on_validation(self.step, result.scores)
        score = selection_score(result.scores)
        is_best = self.best_score is None or score > self.best_score
        if is_best:
            self.best_score = score
        return is_best

    def _save(self, *, is_best: bool) -> None:
        if self.is_main:
            state = TrainingState(
                step=self.step,
                model=self.objective.model.state_dict(),
                average=None if self.average is None else self.average.state,
                optimizer=self.optimizer.state_dict(),
                recent_losses=list(self._spikes.recent),
                num_high=self._spikes.num_high,
                best_score=self.best_score,
                configuration=self.configuration,
            )
            save_checkpoint(self.folder, state, keep_last=self.config.keep_last, is_best=is_best)
        self.accelerator.wait_for_everyone()

    def _open_log(self) -> RunLog | None:
        if not self.is_main:
            return None
        return RunLog(
            self.folder,
            step=self.step,
            configuration=self.configuration,
            tensorboard=self.config.tensorboard,
            wandb=self.config.wandb,
        )

    def _require_finite(self, what: str, value: float) -> None:
        if not math.isfinite(value):
            raise TrainingError(
                f"the {what} is {value} at step {self.step + 1}", hint=self._way_back()
            )

    def _way_back(self) -> str:
        saved = checkpoints_of(self.folder)
        if not saved:
            return "lower optimizer.learning_rate; there is no checkpoint yet"
        return f"lower optimizer.learning_rate; the last good checkpoint is {saved[0]}"


class _Clock:
    """Samples per second of training alone, without validation and saving."""

    def __init__(self) -> None:
        self._started = 0.0
        self._seconds = 0.0
        self._samples = 0

    def start(self) -> None:
        self._started = time.perf_counter()

    def stop(self, samples: int) -> None:
        self._seconds += time.perf_counter() - self._started
        self._samples += samples

    @property
    def rate(self) -> float:
        return self._samples / self._seconds
