"""The command line: words, progress and exit codes around `lrm_core`."""
