"""Photos by position: the same from anyone, in any order, with files or without."""

import itertools
from collections import Counter
from collections.abc import Callable
from dataclasses import fields, replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import trimesh

from lrm_core.errors import InputError, MissingDependencyError, TrainingError
from lrm_core.structures.scene import Material, Scene, ScenePart
from lrm_core.training.data.object_stream import ObjectStream, TrainingObject, training_objects
from lrm_core.training.data.training_photos import LayeredPhotos
from lrm_core.training.layer_config import MeshFolder, ObjectStreamConfig, ViewSampling

VIEWS = ViewSampling(num_views=1, size=8)


def box(width: float, red: float = 1.0) -> Scene:
    mesh = trimesh.creation.box(extents=(width, 0.5, 1.0))
    material = Material(base_color=(red, 0.5, 0.5, 1.0))
    return Scene((ScenePart(np.float32(mesh.vertices), np.int32(mesh.faces), material),))


def objects(num: int = 5) -> list[TrainingObject]:
    return [TrainingObject(f"box-{i}", partial(box, 0.4 + 0.2 * i, i / num)) for i in range(num)]


def stream_of(folder: Path, some: list[TrainingObject], *, seed: int = 0, keep: int = 1000):
    return ObjectStream(some, VIEWS, seed, folder, keep)


def same(one: LayeredPhotos, other: LayeredPhotos) -> bool:
    return all(
        np.array_equal(a, b, equal_nan=a.dtype.kind == "f")
        for a, b in ((getattr(one, f.name), getattr(other, f.name)) for f in fields(LayeredPhotos))
    )


def order_of(stream: ObjectStream, num: int) -> list[int]:
    return [stream._index(position) for position in range(num)]


def test_photos_follow_from_seed_and_position_alone(tmp_path: Path):
    first = stream_of(tmp_path / "a", objects())
    expected = [first.photos(position)[0] for position in range(7)]
    second = stream_of(tmp_path / "b", objects())
    for position in (4, 0, 6, 2, 5, 1, 3):  # in any order
        assert same(second.photos(position)[0], expected[position])
    for path in (tmp_path / "a").iterdir():
        path.unlink()
    for position in (6, 2):  # made again
        assert same(first.photos(position)[0], expected[position])
    for position in (6, 2):  # read
        assert same(first.photos(position)[0], expected[position])
    assert not same(expected[0], expected[5])  # the same round has no object twice, nor do views
    other = stream_of(tmp_path / "c", objects(), seed=1)
    assert not any(same(other.photos(position)[0], expected[position]) for position in range(3))


def test_an_object_that_comes_again_is_photographed_anew(tmp_path: Path):
    stream = stream_of(tmp_path, objects(1))
    assert not same(stream.photos(0)[0], stream.photos(1)[0])


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: content[: len(content) // 2],
        lambda content: b"",
        lambda content: b"not an archive",
        lambda content: content.replace(b"albedo.npy", b"olbedo.npy"),
        lambda content: content[:200] + bytes(200) + content[400:],
    ],
)
def test_damaged_files_are_made_again(tmp_path: Path, damage: Callable[[bytes], bytes]):
    stream = stream_of(tmp_path, objects())
    expected, _ = stream.photos(3)
    (path,) = tmp_path.iterdir()
    content = path.read_bytes()
    path.write_bytes(damage(content))
    found, reason = stream.photos(3)
    assert same(found, expected)
    assert reason == ""
    assert same(LayeredPhotos.load(path), expected)


def test_files_far_behind_are_removed(tmp_path: Path):
    stream = stream_of(tmp_path, objects(), keep=3)
    for position in range(8):
        stream.photos(position)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "000000005.npz", "000000006.npz", "000000007.npz",
    ]  # fmt: skip


def test_no_object_comes_twice_in_a_round(tmp_path: Path):
    stream = stream_of(tmp_path, objects(7))
    assert stream.round_length == 7
    order = order_of(stream, 70)
    rounds = [order[start : start + 7] for start in range(0, 70, 7)]
    assert all(sorted(one) == list(range(7)) for one in rounds)
    assert len({tuple(one) for one in rounds}) == 10


@pytest.mark.parametrize("num_light", [1, 6, 25])
def test_objects_come_as_often_as_their_weights_say(tmp_path: Path, num_light: int):
    heavy, light = objects(6), objects(num_light)
    some = heavy + [replace(one, weight=0.25) for one in light]
    stream = stream_of(tmp_path, some)
    length = stream.round_length
    assert length == int(6 + 0.25 * num_light)
    num_rounds = 1500
    order = order_of(stream, num_rounds * length)
    for start in range(0, len(order), length):
        assert len(set(order[start : start + length])) == length
    counts = Counter(order)
    of_heavy = np.mean([counts[i] for i in range(6)])
    of_light = np.mean([counts[i] for i in range(6, len(some))])
    assert of_light / of_heavy == pytest.approx(0.25, rel=0.15)
    assert of_heavy / num_rounds == pytest.approx(length / (6 + 0.25 * num_light), rel=1e-2)
    # each by itself: three standard deviations
    for index in range(6, len(some)):
        expected = 0.25 * of_heavy
        assert abs(counts[index] - expected) < 4 * expected**0.5


def test_an_object_that_cannot_be_used_is_replaced_and_named(tmp_path: Path):
    def broken() -> Scene:
        raise InputError("no faces")

    def flat() -> Scene:
        return Scene((ScenePart(np.zeros((3, 3), np.float32), np.zeros((1, 3), np.int32),
                                Material()),))  # fmt: skip

    def hostile() -> Scene:
        raise IndexError("whatever a parser of foreign files raises")

    for load, words in ((broken, "no faces"), (flat, ""), (hostile, "IndexError: whatever")):
        folder = tmp_path / load.__name__
        some = [*objects(3), TrainingObject("bad", load)]
        stream = stream_of(folder, some)
        position = order_of(stream, 4).index(3)
        photos, reason = stream.photos(position)
        assert reason.startswith("bad was passed over: ")
        assert words in reason
        assert photos.albedo[..., 3].any()
        assert same(stream.photos(position)[0], photos)
        again, reason = stream_of(tmp_path / "again" / load.__name__, some).photos(position)
        assert same(again, photos)
        assert reason


def test_a_missing_package_is_said_at_once(tmp_path: Path):
    def lacking() -> Scene:
        raise MissingDependencyError("no such package")

    with pytest.raises(MissingDependencyError):
        stream_of(tmp_path, [TrainingObject("any", lacking)]).photos(0)


def test_a_broken_mesh_file_is_replaced_and_named(tmp_path: Path):
    folder = tmp_path / "meshes"
    folder.mkdir()
    trimesh.creation.box().export(folder / "good.glb")
    (folder / "bad.glb").write_bytes(b"glTF, or what is left of it")
    some = training_objects(ObjectStreamConfig(meshes=(MeshFolder(folder=str(folder)),)))
    sizes = [f"{(folder / f'{name}.glb').stat().st_size} bytes" for name in ("bad", "good")]
    assert [(item.name, item.content) for item in some] == [("bad", sizes[0]), ("good", sizes[1])]
    stream = stream_of(tmp_path / "data", some)
    reasons = [stream.photos(position)[1] for position in range(2)]
    assert sorted(bool(reason) for reason in reasons) == [False, True]
    assert max(reasons).startswith("bad was passed over: ")
    assert "\n" not in max(reasons)


def test_a_run_of_bad_objects_ends(tmp_path: Path):
    def broken() -> Scene:
        raise InputError("no faces")

    stream = stream_of(tmp_path, [TrainingObject("bad", broken)])
    with pytest.raises(TrainingError, match=r"20 objects in a row .* bad was passed over"):
        stream.photos(0)


def test_objects_of_a_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    for name in ("chairs/a.glb", "chairs/deep/b.glb", "toys/c.glb", "left_out/d.glb", "e.obj"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        trimesh.creation.box(extents=(1.0, 2.0, 3.0)).export(path)
    (tmp_path / "notes.txt").write_text("no mesh")
    monkeypatch.setenv("MESHES_OF_THE_TEST", str(tmp_path))
    source = MeshFolder(
        folder="$MESHES_OF_THE_TEST", up="y", weights={"toys": 0.25, "left_out": 0.0}
    )
    config = ObjectStreamConfig(
        meshes=(source,), num_procedural=2, num_sets=1, num_household=1, seed=7
    )
    some = training_objects(config)
    assert {one.name: one.weight for one in some} == {
        "chairs-a": 1.0, "chairs-deep-b": 1.0, "toys-c": 0.25, "e": 1.0,
        "procedural-7-000000": 1.0, "procedural-7-000001": 1.0, "set-7-000000": 1.0,
        "household-7-000000": 1.0,
    }  # fmt: skip
    # y is up in the file, z in the world
    low, high = some[0].load().bounds
    np.testing.assert_allclose(high - low, [1.0, 3.0, 2.0], atol=1e-5)


def test_groups_stand_side_by_side_on_one_floor(tmp_path: Path):
    for number, extents in enumerate([(1.0, 1.0, 1.0), (1.0, 0.6, 0.8), (0.7, 1.0, 0.9)]):
        trimesh.creation.box(extents=extents).export(tmp_path / f"{number}.glb")
    config = ObjectStreamConfig(meshes=(MeshFolder(folder=str(tmp_path)),), num_groups=12, seed=3)
    groups = training_objects(config)[3:]
    assert [one.name for one in groups] == [f"group-3-{index:06d}" for index in range(12)]
    counts = set()
    for one in groups:
        parts = one.load().parts
        counts.add(len(parts))
        floors = [part.vertices[:, 2].min() for part in parts]
        np.testing.assert_allclose(floors, floors[0], atol=1e-6)
        # a box turned about z: its inner circle reaches as far as its nearest side
        centers = [part.vertices[:, :2].mean(axis=0) for part in parts]
        reach = []
        for part in parts:
            sides = trimesh.bounds.oriented_bounds_2D(part.vertices[:, :2])[1]
            reach.append(min(sides) / 2.0)
        for i, j in itertools.combinations(range(len(parts)), 2):
            assert np.linalg.norm(centers[i] - centers[j]) > reach[i] + reach[j]
    assert min(counts) <= 2
    assert 4 <= max(counts) <= 7
    again = training_objects(config)[3].load()
    for part, same_part in zip(groups[0].load().parts, again.parts, strict=True):
        np.testing.assert_array_equal(part.vertices, same_part.vertices)


def test_no_objects_and_missing_folders_are_clear_errors(tmp_path: Path):
    with pytest.raises(TrainingError, match="no training object"):
        training_objects(ObjectStreamConfig())
    missing = ObjectStreamConfig(meshes=(MeshFolder(folder="$NO_SUCH_VARIABLE/meshes"),))
    with pytest.raises(TrainingError, match=r"'\$NO_SUCH_VARIABLE/meshes' is not a folder"):
        training_objects(missing)
