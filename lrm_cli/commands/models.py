"""`lrm models`: what can be loaded, from where, under which licence."""

import dataclasses

from lrm_cli.options import JsonOption, QuietOption
from lrm_cli.output import Output

_AVAILABILITY = {
    "bundled": "ships with lrm",
    "cached": "on this disk",
    "download": "downloaded on first use",
    "train": "to be trained: no weights",
}


def models(as_json: JsonOption = False, quiet: QuietOption = False) -> None:
    """List the models that can be loaded, with their licences, and the presets to train."""
    output = Output(as_json=as_json, quiet=quiet)
    from lrm_core.models.model_sources import list_models

    entries = list_models()
    output.table(
        ["model", "weights", "parameters", "licence", "commercial use", "source"],
        [
            [
                entry.name,
                _AVAILABILITY[entry.availability],
                f"{entry.num_parameters:,}" if entry.num_parameters is not None else "",
                entry.licence,
                "yes" if entry.commercial_use else "no",
                entry.source,
            ]
            for entry in entries
        ],
    )
    output.info("Any folder, weight file or Hugging Face id in a known layout can be loaded too.")
    output.info("Backgrounds are removed by u2netp (U^2-Net-p, Apache-2.0), which ships with lrm.")
    output.result(
        {
            "models": [dataclasses.asdict(entry) for entry in entries],
            "background_removal": [{"name": "u2netp", "licence": "Apache-2.0", "bundled": True}],
        }
    )
