"""One command per file: parse, call the core, speak through `lrm_cli.output`."""
