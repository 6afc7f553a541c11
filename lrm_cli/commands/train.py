"""`lrm train`: from a recipe to a model folder."""

from pathlib import Path
from typing import Annotated, Any

import typer

from lrm_cli.options import DeviceOption, JsonOption, QuietOption
from lrm_cli.output import Output


def _parse_overrides(pairs: list[str]) -> dict[str, Any]:
    import yaml

    from lrm_core.errors import ConfigError

    values = {}
    for pair in pairs:
        key, separator, text = pair.partition("=")
        if not separator:
            raise ConfigError(
                f"'{pair}' is no setting", hint="write KEY=VALUE, as in num_steps=500"
            )
        try:
            values[key] = yaml.safe_load(text)
        except yaml.YAMLError as error:
            raise ConfigError(f"'{pair}': the value cannot be read as YAML") from error
    return values


def train(
    recipe: Annotated[
        str, typer.Argument(metavar="RECIPE", help="YAML file or bundled recipe, as lrm-mini.")
    ],
    settings: Annotated[
        list[str] | None,
        typer.Argument(metavar="[KEY=VALUE]...", help="Settings that replace the recipe's."),
    ] = None,
    out: Annotated[
        Path, typer.Option("--out", "-o", help="Folder of the run; an unfinished run goes on.")
    ] = Path("runs/train"),
    data: Annotated[
        Path | None, typer.Option("--data", help="Folder of prepared data [default: OUT/data].")
    ] = None,
    device: DeviceOption = "auto",
    json_output: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Train a model with point supervision, and write it as a model folder.

    Data is prepared first and kept; a run that was stopped goes on from its last checkpoint.
    """
    output = Output(json=json_output, quiet=quiet)
    overrides = _parse_overrides(settings or [])
    from lrm_core.device import choose_device
    from lrm_core.training.run import build_trainer, prepare_data, read_training_config, release

    config = read_training_config(recipe, overrides)
    skipped: dict[str, str] = {}
    with output.progress("preparing data") as task:

        def on_object(object_id: str, reason: str) -> None:
            if reason:
                skipped[object_id] = reason
            task.advance(1, f"preparing data ({object_id})")

        paths = prepare_data(config, data or out / "data", on_object)
    for object_id, reason in skipped.items():
        output.warning(f"{object_id} skipped: {reason}")
    trainer = build_trainer(config, paths, out, device=choose_device(device))
    output.info(
        f"{len(paths)} objects, {trainer.model.num_parameters:,} parameters, "
        f"step {trainer.step} of {config.num_steps}"
    )
    last: dict[str, float] = {}
    with output.progress("training", total=config.num_steps) as task:

        def on_log(entry: dict[str, float]) -> None:
            last.update(entry)
            losses = f"loss {entry['total']:.3f}, occupancy IoU {entry['occupancy_iou']:.2f}"
            task.update(
                entry["step"], f"training: {losses}, {entry['samples_per_second']:.1f} samples/s"
            )

        task.update(trainer.step)
        trainer.run(on_log)
    release(trainer, out / "model")
    output.success(
        f"model written to {out / 'model'}: lrm reconstruct PHOTO --model {out / 'model'}"
    )
    output.result({"model": str(out / "model"), "skipped": skipped, "metrics": last})
