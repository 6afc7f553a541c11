"""What a model is trained on: samples as pure functions of (seed, index)."""
