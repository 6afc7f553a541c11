"""Reports: what was measured, how, with what; tables and checks against older reports."""
