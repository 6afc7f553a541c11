"""Photo to mesh: where the model, the radiance field and the mesh meet."""
