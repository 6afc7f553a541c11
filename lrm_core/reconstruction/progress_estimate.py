"""How far a job is, from the seconds that the stages of the last one took."""

from __future__ import annotations

# seconds per stage on one CPU core, until a job has shown what they are here
_USUAL_SECONDS = {
    "read": 0.05, "background": 0.5, "framing": 0.05, "encode and decode": 0.6, "grid query": 0.8,
    "marching cubes": 0.15, "cleaning": 0.5, "photo colors": 0.2, "uv unwrap": 0.3,
    "texture bake": 0.7, "write": 0.3,
}  # fmt: skip


class ProgressEstimate:
    """Expected seconds per stage, in the order in which stages run."""

    def __init__(self) -> None:
        self._seconds = dict(_USUAL_SECONDS)

    def share(self, stage: str, done: float | None) -> float:
        """Share of a job that is done, 0 to 1, when a stage is done so far (None: just begun)."""
        if stage not in self._seconds:
            return 0.0
        names = list(self._seconds)
        before = sum(self._seconds[name] for name in names[: names.index(stage)])
        return (before + (done or 0.0) * self._seconds[stage]) / sum(self._seconds.values())

    def learn(self, seconds: dict[str, float]) -> None:
        """Note how long the stages of a finished job took."""
        self._seconds = dict(seconds)
