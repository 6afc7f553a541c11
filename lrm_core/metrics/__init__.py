"""What a reconstruction is judged by: one metric per file, each with its definition and source."""
