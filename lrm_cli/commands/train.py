"""`lrm train`: from a recipe to a model folder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lrm_cli.options import DeviceOption, JsonOption, QuietOption
from lrm_cli.output import Output, Task
from lrm_core.io.atomic_write import parse_path

if TYPE_CHECKING:
    from lrm_core.training.run.loop import Trainer
    from lrm_core.training.run.start import RunStart


def train(
    arguments: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[CONFIG] [KEY=VALUE]...",
            help="YAML file or bundled recipe, and settings that replace its own.",
        ),
    ] = None,
    preset: Annotated[
        str | None, typer.Option("--preset", help="Bundled recipe; the same as CONFIG.")
    ] = None,
    out: Annotated[
        Path,
        typer.Option(
            "--out",
            "-o",
            parser=parse_path,
            metavar="PATH",
            help="Folder of the run; an unfinished run is resumed.",
        ),
    ] = Path("runs/train"),
    init: Annotated[
        str | None,
        typer.Option(
            "--init",
            metavar="MODEL",
            help="Fine-tune this model: bundled name, folder, file or Hugging Face id.",
        ),
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(
            "--data",
            help="Folder of photos that `layers` makes while training [default: OUT/data].",
        ),
    ] = None,
    list_recipes: Annotated[
        bool, typer.Option("--list", help="List the bundled recipes and stop.")
    ] = False,
    device: DeviceOption = "auto",
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Train a model, and write it as a model folder.

    A run that was stopped resumes from its last checkpoint when the same command is given again.
    On several GPUs or machines: **torchrun --nproc-per-node 8 -m lrm_cli train ...**
    """
    output = Output(as_json=as_json, quiet=quiet)
    from lrm_core.training.config import read_training_config, recipe_names

    if list_recipes:
        for name in recipe_names():
            output.success(name)
        output.result({"recipes": recipe_names()})
        return
    config_path, overrides = _recipe_and_overrides(arguments or [], preset, init)
    from lrm_core.device import choose_device
    from lrm_core.training.run.start import MODEL, finish_run, is_main_process, release, start_run

    if not is_main_process():
        output = Output(quiet=True)  # warnings about its own share of the data
    config = read_training_config(config_path, overrides)
    run = start_run(config, out, device=choose_device(device), data=data)
    finished_before = _announce(output, run)
    progress = _run_with_progress(output, run.trainer)
    release(run.trainer, out / MODEL)
    is_main = run.trainer.is_main
    finish_run(run.trainer)
    if not is_main:
        return
    output.success(f"model written to {out / MODEL}: lrm reconstruct PHOTO --model {out / MODEL}")
    output.result(
        {
            "model": str(out / MODEL),
            "finished_before": finished_before,
            "metrics": progress.values,
            "validation": progress.scores,
        }
    )


def _announce(output: Output, run: RunStart) -> bool:
    """Say what will be trained on what; returns whether the run was finished before."""
    for warning in run.warnings:
        output.warning(warning)
    for name, words in run.facts.items():
        output.info(f"{name + ':':9}{words}")
    trainer = run.trainer
    finished = trainer.step >= trainer.num_steps
    if finished:
        output.info(f"this run is finished: {trainer.step} of {trainer.num_steps} steps are done")
    return finished


def _run_with_progress(output: Output, trainer: Trainer) -> _Progress:
    with output.progress("training", total=trainer.num_steps) as task:
        task.update(trainer.step)
        progress = _Progress(output, task)
        trainer.run(progress)
    return progress


class _Progress:
    """Shows a run as it goes, and keeps its last numbers."""

    def __init__(self, output: Output, task: Task) -> None:
        self.values: dict[str, float] = {}
        self.scores: dict[str, float] = {}
        self._output = output
        self._task = task

    def on_step(self, step: int, values: dict[str, float]) -> None:
        self.values = {"step": step, **values}
        words = [f"loss {values['total']:.4g}"]
        if "psnr" in values:
            words.append(f"PSNR {values['psnr']:.2f} dB")
        words.append(f"{values['samples_per_second']:.3g} samples/s")
        self._task.update(step, f"training: {', '.join(words)}")

    def on_validation(self, step: int, scores: dict[str, float]) -> None:
        self.scores = {"step": step, **scores}
        words = ", ".join(f"{name} {value:.4g}" for name, value in scores.items())
        self._output.info(f"validation after step {step}: {words}")

    def on_warning(self, message: str) -> None:
        self._output.warning(message)


def _recipe_and_overrides(
    arguments: list[str], preset: str | None, init: str | None
) -> tuple[str, dict[str, Any]]:
    """The recipe's name or path, and dotted settings."""
    from lrm_core.errors import ConfigError
    from lrm_core.training.config import recipe_names

    recipes = [text for text in arguments if "=" not in text]
    if preset is not None:
        recipes.insert(0, preset)
    if not recipes:
        raise ConfigError(
            "no configuration was given",
            hint=f"name a YAML file or a recipe: {', '.join(recipe_names())}",
        )
    if len(recipes) > 1:
        raise ConfigError(
            f"'{recipes[1]}' is not a setting", hint="write KEY=VALUE, as in num_steps=500"
        )
    overrides = _parse_settings([text for text in arguments if "=" in text])
    if init is not None:  # a whole model: what the recipe says of building one does not count
        overrides = {"model_settings": {}, "encoder_init": None, **overrides, "init": init}
    return recipes[0], overrides


def _parse_settings(pairs: list[str]) -> dict[str, Any]:
    import yaml

    from lrm_core.errors import ConfigError

    values = {}
    for pair in pairs:
        key, _, text = pair.partition("=")
        try:
            values[key] = yaml.safe_load(text)
        except yaml.YAMLError as error:
            raise ConfigError(f"'{pair}': the value cannot be read as YAML") from error
    return values
