"""The seam of data preparation: what a source of views is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, runtime_checkable

from lrm_core.structures.view_set import ObjectJob, ViewSet


@runtime_checkable
class Source(Protocol):
    """Objects, and how the views of each are made.

    A source is pickled with every job that goes to a worker: it holds settings and folders, and
    lists its objects only when asked.
    """

    def jobs(self) -> Sequence[ObjectJob]:
        """The objects, sorted by id; one that turns out to be unusable fails when it is made.

        Raises:
            InputError: there are none.
        """
        ...

    def describe(self) -> dict[str, Any]:
        """Origin (`source`), renderer and settings as JSON: what dataset.json says of them.

        A dataset is resumed only with the description that it was begun with.
        """
        ...

    def __call__(self, job: ObjectJob) -> ViewSet:
        """The views of an object: the same for the same job, in any process.

        Raises:
            InputError: the object cannot be used; one line says why.
        """
        ...
