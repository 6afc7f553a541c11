"""A source of views made of a function."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from lrm_core.structures.view_set import ObjectJob, ViewSet


@dataclass(frozen=True)
class FunctionSource:
    make: Callable[[ObjectJob], ViewSet]
    origin: str

    def jobs(self) -> list[ObjectJob]:
        raise AssertionError("tests name their jobs themselves")

    def describe(self) -> dict[str, Any]:
        return {"source": self.origin, "settings": {"size": 8}}

    def __call__(self, job: ObjectJob) -> ViewSet:
        return self.make(job)


@pytest.fixture(scope="session")
def source_of() -> Callable[..., FunctionSource]:
    """`source_of(make, origin)`."""
    return FunctionSource
