"""Where views of objects come from: assets, scans, videos, procedural objects."""
