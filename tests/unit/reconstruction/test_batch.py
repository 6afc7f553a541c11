"""Overlapped photos give what they give alone, in order, each failure in its place."""

import threading
from contextlib import closing
from pathlib import Path

import pytest
import torch
from PIL import Image

from lrm_core.errors import InputError
from lrm_core.reconstruction.batch import FileOptions, PhotoDone, PhotoFailed, reconstruct_photos
from lrm_core.reconstruction.photo_reading import cut_out_ahead
from lrm_core.reconstruction.pipeline import ReconstructionModel, load_model
from lrm_core.reconstruction.reconstruction import MeshOptions
from lrm_core.reconstruction.result_files import write_result

OPTIONS = MeshOptions(resolution=32, appearance="vertex_colors")
TEAPOT = Path(__file__).parents[3] / "examples" / "teapot.png"


@pytest.fixture(scope="module")
def model() -> ReconstructionModel:
    return load_model("lrm-mini")


@pytest.fixture(scope="module")
def photos(tmp_path_factory) -> list[Path]:
    """Three photos that differ; the second of them is none."""
    folder = tmp_path_factory.mktemp("photos")
    paths = [folder / f"{name}.png" for name in "abc"]
    with Image.open(TEAPOT) as image:
        small = image.convert("RGB").resize((96, 96))
    small.save(paths[0])
    paths[1].write_bytes(b"no image")
    small.transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(paths[2])
    return paths


def _jobs(photos: list[Path], folder: Path) -> list[tuple[Path, Path]]:
    return [(photo, folder / f"{photo.stem}.obj") for photo in photos]


@pytest.mark.parametrize("workers", [0, 2, None])
def test_overlapped_photos_are_those_done_alone(model, photos, tmp_path, workers):
    # sums of one thread have one order
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        for photo, path in _jobs([photos[0], photos[2]], tmp_path / "alone"):
            reconstruction = model.reconstruct(photo)
            write_result(path, reconstruction, reconstruction.extract_mesh(options=OPTIONS))
        with cut_out_ahead(photos, ahead=1) as found:
            jobs = _jobs(photos, tmp_path / "together")
            outcomes = list(reconstruct_photos(model, jobs, found, OPTIONS, workers=workers))
    finally:
        torch.set_num_threads(threads)
    assert [outcome.photo for outcome in outcomes] == photos
    assert [type(outcome) for outcome in outcomes] == [PhotoDone, PhotoFailed, PhotoDone]
    assert isinstance(outcomes[1].error, InputError)
    assert {p.name for p in (tmp_path / "together").iterdir()} == {
        f"{stem}{suffix}" for stem in "ac" for suffix in (".obj", ".json", ".input.png")
    }
    for name in ("a.obj", "c.obj", "a.input.png", "c.input.png"):
        alone, together = tmp_path / "alone" / name, tmp_path / "together" / name
        assert alone.read_bytes() == together.read_bytes()
    assert (tmp_path / "together" / "a.obj").read_bytes() != (
        tmp_path / "together" / "c.obj"
    ).read_bytes()


def test_a_field_is_written_where_asked(model, photos, tmp_path):
    files = FileOptions(field=tmp_path / "s.safetensors")
    with cut_out_ahead(photos[:1]) as found:
        jobs = _jobs(photos[:1], tmp_path)
        (done,) = reconstruct_photos(model, jobs, found, OPTIONS, files=files)
    assert isinstance(done, PhotoDone)
    assert {files.field, jobs[0][1]} <= set(done.files)
    assert all(file.stat().st_size > 0 for file in done.files)
    assert done.overlapped == {"read", "background", "framing"}


@pytest.mark.parametrize("full", ["field", "video"])
def test_a_photo_has_all_of_its_files_or_none(model, photos, tmp_path, monkeypatch, full):
    def no_space(path, *_, **__):
        path.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    writers = {"field": "save_field", "video": "write_turntable"}
    monkeypatch.setattr(f"lrm_core.reconstruction.batch.{writers[full]}", no_space)
    monkeypatch.setattr(
        f"lrm_core.reconstruction.batch.{writers[{'field': 'video', 'video': 'field'}[full]]}",
        lambda path, *_, **__: path.write_bytes(b"whole"),
    )
    out = tmp_path / "out"
    files = FileOptions(field=out / "a.safetensors", video=out / "a.gif")
    with cut_out_ahead(photos[:1]) as found:
        jobs = _jobs(photos[:1], out)
        (outcome,) = reconstruct_photos(model, jobs, found, OPTIONS, files=files)
    assert "cannot be written (No space left on device)" in str(outcome.error)
    assert not out.exists()


def test_leaving_early_ends_the_work_and_leaves_whole_files(model, photos, tmp_path):
    many = [photos[0]] * 8
    jobs = [(photo, tmp_path / f"{number}.obj") for number, photo in enumerate(many)]
    before, threads = torch.get_num_threads(), set(threading.enumerate())
    with (
        cut_out_ahead(many) as found,
        closing(reconstruct_photos(model, jobs, found, OPTIONS, workers=2)) as outcomes,
    ):
        assert isinstance(next(outcomes), PhotoDone)
    assert set(threading.enumerate()) <= threads
    assert torch.get_num_threads() == before
    written = {path.name for path in tmp_path.iterdir()}
    assert "0.obj" in written
    assert "7.obj" not in written
    assert not [name for name in written if not name.endswith((".obj", ".png", ".json"))]


def test_only_a_few_photos_are_begun_before_they_are_asked_for(photos, monkeypatch):
    begun = []
    monkeypatch.setattr(
        "lrm_core.reconstruction.photo_reading.cut_out",
        lambda photo, **_: begun.append(photo),
    )
    many = [Path(str(number)) for number in range(20)]
    with cut_out_ahead(many, ahead=3) as found:
        for asked in range(1, 6):
            next(found)[1].result()
            assert asked <= len(begun) <= asked + 3
    assert len(begun) < 10
    assert begun == many[: len(begun)]


def test_a_number_of_faces_that_cannot_be_reached_is_said(model, photos, tmp_path):
    def warning(target_faces: int) -> str | None:
        options = MeshOptions(resolution=32, appearance="vertex_colors", target_faces=target_faces)
        jobs = _jobs(photos[:1], tmp_path / str(target_faces))
        with cut_out_ahead(photos[:1]) as found:
            (done,) = reconstruct_photos(model, jobs, found, options)
        assert isinstance(done, PhotoDone)
        return done.warning

    assert "1 cannot be reached" in (warning(1) or "")
    assert "reached" not in (warning(300) or "")
