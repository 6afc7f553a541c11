"""Every source satisfies the protocol, and none grows with its number of objects."""

import json
import pickle
from pathlib import Path

import pytest

from lrm_core.sources.assets import AssetSource
from lrm_core.sources.gso import GsoSource
from lrm_core.sources.objaverse import ObjaverseSource
from lrm_core.sources.openlrm import OpenLrmSource
from lrm_core.sources.procedural import ProceduralSource
from lrm_core.sources.source import Source
from lrm_core.sources.video_capture import CaptureSource
from lrm_core.structures.view_set import ObjectJob

ROOT = Path("data")
MANY = [ObjectJob(f"object-{index:06d}", f"{index:06d}.glb") for index in range(10_000)]


@pytest.mark.parametrize(
    "source",
    [
        AssetSource(ROOT),
        GsoSource(ROOT),
        ObjaverseSource(ROOT, MANY),
        ProceduralSource(10_000),
        CaptureSource(ROOT),
        OpenLrmSource(ROOT),
    ],
    ids=lambda source: type(source).__name__,
)
def test_a_source_describes_itself_and_fits_into_a_job(source: Source) -> None:
    assert isinstance(source, Source)
    description = source.describe()
    assert description["source"]
    assert json.loads(json.dumps(description)).keys() == description.keys()
    packed = pickle.dumps(source)
    assert len(packed) < 4096
    assert pickle.loads(packed).describe() == description


def test_downloaded_objects_are_listed_where_they_were_downloaded() -> None:
    assert ObjaverseSource(ROOT, MANY).jobs() == MANY
