import io
import json
import tarfile

import numpy as np
import pytest
import torch
import webdataset
from PIL import Image

from lrm_core.errors import InputError
from lrm_core.geometry.trajectories import random_on_shell
from lrm_core.io.view_set_files import (
    EncodedViewSet,
    decode_view_set,
    encode_view_set,
    end_of_header,
    write_samples,
)
from lrm_core.structures.view_set import ObjectSource, ViewSet


def random_view_set(object_id: str, seed: int = 0, *, num: int = 3) -> ViewSet:
    rng = np.random.default_rng(seed)
    height = width = 20
    cameras = random_on_shell(num, size=20, generator=torch.Generator().manual_seed(seed))
    images = rng.integers(0, 256, (num, height, width, 4), dtype=np.uint8)
    images[:, :5, :, 3] = 0  # hidden colors are kept too
    depth = rng.uniform(0.5, 3.0, (num, height, width)).astype(np.float32)
    depth[:, :5] = np.inf
    normals = rng.normal(size=(num, height, width, 3)).astype(np.float32)
    normals /= np.linalg.norm(normals, axis=-1, keepdims=True)
    normals[:, :5] = 0.0
    bounds = np.array([[-1, -0.5, -1], [1, 0.5, 1]], np.float32)
    source = ObjectSource("test", "CC0-1.0", "ab" * 32, bounds)
    return ViewSet(object_id, images, cameras, source, depth, normals)


def fetcher(sample: EncodedViewSet):
    return lambda ranges: [sample.members[start : start + size] for start, size in ranges]


def test_views_come_back_as_they_were() -> None:
    before = random_view_set("chair")
    sample = encode_view_set(before)
    after = decode_view_set(sample.header, fetcher(sample), depth=True, normals=True)
    np.testing.assert_array_equal(after.images, before.images)
    assert torch.equal(after.cameras.c2w, before.cameras.c2w)
    assert torch.equal(after.cameras.intrinsics, before.cameras.intrinsics)
    assert (after.cameras.width, after.cameras.height) == (20, 20)
    assert after.depth is not None
    assert after.normals is not None
    assert before.depth is not None
    assert before.normals is not None
    seen = np.isfinite(before.depth)
    np.testing.assert_array_equal(np.isfinite(after.depth), seen)
    np.testing.assert_allclose(after.depth[seen], before.depth[seen], atol=0.51e-4)
    np.testing.assert_allclose(after.normals, before.normals, atol=0.01)
    assert np.all(after.normals[:, :5] == 0.0)
    assert after.source.bounds is not None
    np.testing.assert_array_equal(after.source.bounds, before.source.bounds)
    assert after.source.licence == "CC0-1.0"


def test_only_the_views_asked_for_are_read_in_their_order() -> None:
    sample = encode_view_set(random_view_set("chair", num=5))
    asked: list[tuple[int, int]] = []

    def fetch(ranges):
        asked.extend(ranges)
        return fetcher(sample)(ranges)

    picked = decode_view_set(sample.header, fetch, views=[3, 0])
    whole = decode_view_set(sample.header, fetcher(sample))
    np.testing.assert_array_equal(picked.images, whole.images[[3, 0]])
    assert torch.equal(picked.cameras.c2w, whole.cameras.c2w[[3, 0]])
    assert len(asked) == 2
    assert picked.depth is None
    assert len(decode_view_set(sample.header, fetcher(sample), views=[]).cameras) == 0


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.filterwarnings("ignore::ResourceWarning")  # webdataset leaves the file open
def test_any_tar_reader_and_webdataset_understand_a_shard(tmp_path) -> None:
    view_sets = [random_view_set("a" * 109, 1), random_view_set("b-2", 2)]
    content, places = write_samples([encode_view_set(view_set) for view_set in view_sets])
    (tmp_path / "shard.tar").write_bytes(content)
    with tarfile.open(fileobj=io.BytesIO(content)) as tar:
        members = tar.getmembers()
        assert all(member.mtime == 0 and member.uid == 0 for member in members)
        # every member lies where the headers say
        for view_set, (offset, size) in zip(view_sets, places, strict=True):
            header = json.loads(content[offset : offset + size])
            base = end_of_header(offset, size)
            named = {m.name: m for m in members if m.name.startswith(f"{view_set.object_id}.")}
            assert named.pop(f"{view_set.object_id}.json").offset_data == offset
            assert {n: [m.offset_data - base, m.size] for n, m in named.items()} == {
                f"{view_set.object_id}.{name}": place for name, place in header["members"].items()
            }
    samples = list(webdataset.WebDataset(str(tmp_path / "shard.tar"), shardshuffle=False))
    assert [sample["__key__"] for sample in samples] == ["a" * 109, "b-2"]
    for sample, view_set in zip(samples, view_sets, strict=True):
        image = np.asarray(Image.open(io.BytesIO(sample["001.rgba.webp"])))
        np.testing.assert_array_equal(image, view_set.images[1])


def test_the_same_views_give_the_same_bytes() -> None:
    first, second = (encode_view_set(random_view_set("a")) for _ in range(2))
    assert first.members == second.members
    assert first.header == second.header


def test_missing_things_are_named() -> None:
    before = random_view_set("chair")
    plain = ViewSet("chair", before.images, before.cameras, before.source)
    sample = encode_view_set(plain)
    with pytest.raises(InputError, match="no view 3 among 3"):
        decode_view_set(sample.header, fetcher(sample), views=[3])
    with pytest.raises(InputError, match=r"no 000\.depth\.png"):
        decode_view_set(sample.header, fetcher(sample), depth=True)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("width", 10**9, "pixels"),
        ("c2w", [[1.0]], "cameras"),
        ("source", {}, "provenance"),
        ("members", None, "members"),
        ("members", {"000.rgba.webp": [-9, 9]}, "list of members"),
        ("members", ["000.rgba.webp"], "list of members"),
    ],
)
def test_damaged_headers_are_refused(key: str, value: object, message: str) -> None:
    sample = encode_view_set(random_view_set("chair"))
    content = json.loads(sample.header)
    if value is None:
        del content[key]
    else:
        content[key] = value
    with pytest.raises(InputError, match=message):
        decode_view_set(json.dumps(content).encode(), fetcher(sample))


def test_damaged_images_are_refused() -> None:
    sample = encode_view_set(random_view_set("chair"))

    def cut(ranges):
        return [content[:-30] for content in fetcher(sample)(ranges)]

    with pytest.raises(InputError, match=r"chair\.000\.rgba\.webp"):
        decode_view_set(sample.header, cut)

    def other(ranges):
        buffer = io.BytesIO()
        Image.new("RGBA", (21, 20)).save(buffer, format="PNG")
        return [buffer.getvalue() for _ in ranges]

    with pytest.raises(InputError, match="21 x 20 pixels"):
        decode_view_set(sample.header, other)
